"""Whole systems: what is in them, what must not be in them, and that they are made once."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from contents import Member, members_of, members_of_one
from ordinary import run_as
from registry import Registry, needs_registry

from builder.manifest.manifest import Base
from builder.manifest.packages import Packages
from builder.progress import Journal
from builder.sources.source import ONLINE, Network
from builder.store.objects import Store
from builder.system.base import resolve_base
from builder.system.build import Workbench, build_appliance_system, build_debian_system, build_image_system
from builder.system.clients import Clients, machine_clients
from builder.system.engine import Engine
from builder.system.layout import write_base
from builder.system.system import System

pytestmark = pytest.mark.slow

SMALL = Packages(system=("less",), python=("idna",))
MARK = "setting-of-this-machine"
"""In every setting that tells something of this machine; must be in no layer."""


def marked_clients() -> Clients:
    real = machine_clients()
    return dataclasses.replace(
        real,
        apt_options={**real.apt_options, f"Workshop::{MARK}": MARK},
        pip={**real.pip, "trusted-host": f"{MARK}.test {real.pip.get('trusted-host', '')}"},
        certificates=real.certificates + f"\n# {MARK}\n".encode(),
    )


def bench(engine: Engine, store: Store, tmp_path: Path) -> Workbench:
    return Workbench(engine, store, Journal(), tmp_path / "logs", ask_clients=marked_clients)


def pinned(base: dict[str, str], folder: Path) -> dict[str, str]:
    return resolve_base(Base(**base), folder, None, Journal(), ONLINE, locked=False, update=False)


def where_marked(system: System, store: Store) -> list[str]:
    """Files of any layer, also those a higher one hides."""
    every = [members_of_one(layer, store).items() for layer in system.layers]
    return [name for members in every for name, member in members if MARK.encode() in member.data]


def files_below(files: dict[str, Member], *places: str) -> list[str]:
    return [name for name in files if name.startswith(places) and "/.wh." not in name]


def test_a_system_on_a_bootstrapped_debian(engine: Engine, store: Store, tmp_path: Path) -> None:
    tools = bench(engine, store, tmp_path)
    system = build_debian_system("bookworm", SMALL, tools, jupyter=False)
    files = members_of(system.layers, store)
    assert {"usr/bin/less", "opt/workshop/venv/bin/python", "etc/ssl/certs/ca-certificates.crt"} <= set(files)
    assert any(name.endswith("site-packages/idna/__init__.py") for name in files)
    assert b"workshop:x:1000:100:" in files["etc/passwd"].data
    assert b"\nworkshop:!:" in files["etc/shadow"].data
    home = files["home/workshop"].info
    assert (home.uid, home.gid, home.mode & 0o777) == (1000, 100, 0o775)
    assert system.config["Env"][0].startswith("PATH=/opt/workshop/venv/bin:")

    assert where_marked(system, store) == []
    assert files["etc/machine-id"].data == b""
    assert files["etc/apt/sources.list"].data.startswith(b"#")
    assert files_below(files, "var/lib/apt/lists/", "var/cache/apt/", "tmp/", "root/.cache") == []
    assert [name for name, member in files.items() if name.startswith("var/log/") and member.info.isfile()] == []
    assert [name for name in files if name.startswith("run/secrets/") and files[name].info.isfile()] == []
    assert [name for name, member in files.items() if member.info.isdev()] == []

    again = Workbench(engine, store, Journal(), tmp_path / "logs", ask_clients=lambda: pytest.fail("asked again"))
    assert build_debian_system("bookworm", SMALL, again, jupyter=False) == system
    assert [stage.cached for stage in again.journal.stages] == [True, True]


def test_a_system_is_made_again_when_its_layer_is_gone_from_the_store(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    tools = bench(engine, store, tmp_path)
    first = build_debian_system("bookworm", Packages(), tools, jupyter=False)
    store.path(first.layers[-1].blob.digest).unlink()
    second = build_debian_system("bookworm", Packages(), tools, jupyter=False)
    assert tools.journal.stages[-1].cached is False
    assert store.has(second.layers[-1].blob.digest)
    assert [layer.diff_id for layer in second.layers] == [layer.diff_id for layer in first.layers]


def test_a_system_on_an_image_that_stands_in_a_folder(engine: Engine, store: Store, tmp_path: Path) -> None:
    tools = bench(engine, store, tmp_path)
    lower = build_debian_system("bookworm", Packages(), tools, jupyter=False)
    write_base(lower, tmp_path / "image", store)
    pin = pinned({"image": "oci:image"}, tmp_path)
    system = build_image_system(pin, tmp_path, Packages(system=("less",)), tools, jupyter=False)
    assert [layer.diff_id for layer in system.layers[: len(lower.layers)]] == [layer.diff_id for layer in lower.layers]
    own = members_of(system.layers[len(lower.layers) :], store)
    assert "usr/bin/less" in own
    assert where_marked(system, store) == []


@needs_registry
def test_a_system_on_an_image_of_a_registry_is_made_once(
    engine: Engine, store: Store, tmp_path: Path, registry: Registry
) -> None:
    tools = bench(engine, store, tmp_path)
    lower = build_debian_system("bookworm", Packages(), tools, jupyter=False)
    write_base(lower, tmp_path / "image", store)
    reference = f"{registry.host}/course/base:2026"
    push = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{tmp_path}/image", f"docker://{reference}"]
    subprocess.run(push, check=True)
    pin = pinned({"image": reference}, tmp_path)
    system = build_image_system(pin, tmp_path, Packages(system=("less",)), tools, jupyter=False)
    assert [layer.diff_id for layer in system.layers[: len(lower.layers)]] == [layer.diff_id for layer in lower.layers]
    own = members_of(system.layers[len(lower.layers) :], store)
    assert "usr/bin/less" in own
    assert registry.host.encode() not in b"".join(member.data for member in own.values())
    registry.stop()
    again = Workbench(engine, store, Journal(), tmp_path / "logs", network=Network(is_offline=True))
    assert build_image_system(pin, tmp_path, Packages(system=("less",)), again, jupyter=False) == system
    assert [stage.cached for stage in again.journal.stages] == [True, True]


def test_a_package_that_does_not_exist_is_named(engine: Engine, store: Store, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no-such-package-here") as caught:
        build_debian_system(
            "bookworm", Packages(system=("no-such-package-here",)), bench(engine, store, tmp_path), jupyter=False
        )
    assert "logs/system.log" in getattr(caught.value, "hint", "")
    assert not list((store.root / "scratch").iterdir())


def test_a_system_that_boots_has_kernel_and_systemd_and_nothing_of_its_own(
    engine: Engine, store: Store, tmp_path: Path
) -> None:
    tools = bench(engine, store, tmp_path)
    system = build_debian_system("bookworm", Packages(), tools, jupyter=False)
    booting = build_appliance_system(system, tools, ssh=True)
    assert booting.layers[: len(system.layers)] == system.layers
    files = members_of(booting.layers[len(system.layers) :], store)
    assert {"vmlinuz", "initrd.img", "usr/sbin/sshd", "usr/bin/systemd"} <= set(files)
    kernel, initrd = files["vmlinuz"].info.linkname, files["initrd.img"].info.linkname
    assert files[initrd].info.size > 10_000_000
    assert files[kernel].info.size > 1_000_000
    assert files["etc/machine-id"].data == b""
    assert [name for name in files if name.startswith("etc/ssh/ssh_host")] == []
    assert where_marked(booting, store) == []


def test_an_ordinary_user_builds_a_system(ordinary_user: str) -> None:
    assert run_as(ordinary_user, ORDINARY) == ["1", "True", "0:0", "1000:100", "[]"]


ORDINARY = """
import os, sys, tarfile
from pathlib import Path
from builder.manifest.packages import Packages
from builder.progress import Journal
from builder.store.objects import Store
from builder.system.build import Workbench, build_debian_system
from builder.system.choose import choose_engine

assert os.geteuid() != 0
store = Store(Path("store"))
bench = Workbench(choose_engine("buildah", store), store, Journal(), Path("logs"))
system = build_debian_system("bookworm", Packages(system=("less",)), bench, jupyter=False)
with tarfile.open(store.path(system.layers[0].blob.digest)) as tar:
    members = {member.name.strip("/"): member for member in tar}
owner = lambda name: f"{members[name].uid}:{members[name].gid}"
left = sorted(path.name for path in (store.root / "buildah").iterdir() if path.name != "lock")
print(len(system.layers), "usr/bin/less" in members, owner("usr/bin/less"), owner("home/workshop"), left)
"""
