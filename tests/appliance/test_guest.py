"""The guest's own settings: what starts, what never does, and what is not decided before first boot."""

import stat
import subprocess
from pathlib import Path

import pytest

from builder.appliance.guest import MASKED, UNITS, guest_files, guest_links, system_links
from builder.appliance.nodes import Node, Nodes
from builder.errors import OutputError


def _files(*paths: str) -> Nodes:
    return {path: Node(stat.S_IFREG | 0o644, source=Path("/dev/null"), size=1) for path in paths}


def test_the_newest_kernel_is_chosen_by_number_not_by_letter() -> None:
    found = system_links(
        _files("boot/vmlinuz-6.1.0-9-amd64", "boot/vmlinuz-6.1.0-31-amd64", "boot/initrd.img-6.1.0-31")
    )
    assert found["vmlinuz"] == "boot/vmlinuz-6.1.0-31-amd64"


def test_no_kernel_and_no_initrd_are_refused() -> None:
    with pytest.raises(OutputError, match="vmlinuz"):
        system_links(_files("boot/initrd.img-6.1.0"))
    with pytest.raises(OutputError, match="initr"):
        system_links(_files("boot/vmlinuz-6.1.0"))


def test_names_are_resolved_by_systemd_where_it_can() -> None:
    kernel = ("boot/vmlinuz-1", "boot/initrd.img-1")
    assert "etc/resolv.conf" not in system_links(_files(*kernel))
    links = system_links(_files(*kernel, "usr/lib/systemd/systemd-resolved"))
    assert links["etc/resolv.conf"] == "../run/systemd/resolve/stub-resolv.conf"


def test_without_jupyter_nothing_of_it_is_there() -> None:
    found = {**guest_files("Title", None), **guest_links(None)}
    assert not [path for path in found if "jupyter" in path or "banner" in path]
    assert f"{UNITS}/multi-user.target.wants/workshop-first-boot.service" in found


def test_every_unit_that_is_wanted_is_there() -> None:
    files, links = guest_files("Title", 8080), guest_links(8080)
    wanted = [target for path, target in links.items() if ".wants/" in path and target.startswith("../")]
    assert len(wanted) == 3
    assert all(f"{UNITS}/{target.removeprefix('../')}" in files for target in wanted)
    assert all(links[f"{UNITS}/{name}"] == "/dev/null" for name in MASKED)


def test_no_secret_and_no_password_is_set_beforehand() -> None:
    files = guest_files("Title", 8080)
    assert files["etc/machine-id"] == (b"uninitialized\n", 0o644)
    assert not [path for path in files if "shadow" in path or "host_key" in path or path.endswith("token")]


@pytest.mark.parametrize("name", ["workshop-first-boot", "workshop-banner"])
def test_the_scripts_are_shell(tmp_path: Path, name: str) -> None:
    script = tmp_path / name
    script.write_bytes(guest_files("Title", 8080)[f"usr/local/sbin/{name}"][0])
    subprocess.run(["sh", "-n", script], check=True)
