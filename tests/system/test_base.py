"""Base images, from a real registry: what a tag stands for is asked once, and only the locked bytes are used."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from registry import PASSWORD, USER, Registry, needs_registry, plain_layer, running

from builder import cli
from builder.digest import Digest
from builder.errors import IntegrityError, LockError, SourceError
from builder.manifest.lock import Lock
from builder.manifest.manifest import Base
from builder.progress import Journal
from builder.sources.source import Network
from builder.store.objects import Store
from builder.system.base import base_image, base_size, resolve_base
from builder.system.registry import is_on_loopback, look_up, pinned

pytestmark = needs_registry
HASTY, OFFLINE = Network(2, 0), Network(is_offline=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def locked(base: dict[str, str], folder: Path, old: Lock | None = None, **words: Any) -> dict[str, str]:
    words = {"locked": False, "update": False, "network": HASTY, **words}
    return resolve_base(Base(**base), folder, old, Journal(), **words)


def brought(pin: dict[str, str], folder: Path, store: Store, network: Network = HASTY) -> tuple[list[str], bool]:
    """What the image's settings say, and whether it was in the store."""
    journal = Journal()
    system = base_image(pin, folder, store, journal, folder / "logs", network=network)
    assert all(store.has(layer.blob.digest) for layer in system.layers)
    return system.config["Env"], journal.stages[-1].cached


def test_a_tag_is_locked_to_a_digest_and_its_image_brought(registry: Registry, tmp_path: Path, store: Store) -> None:
    digest = registry.put_image("course/base", "one", "first")
    pin = locked({"image": f"{registry.host}/course/base:one"}, tmp_path)
    size = len(plain_layer("first"))
    assert pin == {"image": f"{registry.host}/course/base:one", "digest": str(digest), "bytes": str(size)}
    assert base_size(pin, store) is None
    assert brought(pin, tmp_path, store) == (["SAYS=first"], False)
    assert base_size(pin, store) == size
    assert list((store.root / "scratch").iterdir()) == []


def test_an_image_in_dockers_own_format_keeps_its_digest(registry: Registry, tmp_path: Path, store: Store) -> None:
    digest = registry.put_image("base", "one", "docker's", docker=True)
    pin = locked({"image": f"{registry.host}/base:one"}, tmp_path)
    assert pin["digest"] == str(digest)
    assert brought(pin, tmp_path, store) == (["SAYS=docker's"], False)


def test_a_tag_that_moves_changes_nothing_until_it_is_updated(registry: Registry, tmp_path: Path, store: Store) -> None:
    base = {"image": f"{registry.host}/base:latest"}
    registry.put_image("base", "latest", "old")
    old = Lock(base=locked(base, tmp_path))
    new_digest = registry.put_image("base", "latest", "new")
    assert locked(base, tmp_path, old) == old.base
    assert locked(base, tmp_path, old, locked=True) == old.base
    assert brought(dict(old.base), tmp_path, store) == (["SAYS=old"], False)
    new = locked(base, tmp_path, old, update=True)
    assert new["digest"] == str(new_digest)
    assert brought(new, tmp_path, store) == (["SAYS=new"], False)


def test_what_is_in_the_store_needs_no_registry_whatever_its_name(
    registry: Registry, tmp_path: Path, store: Store
) -> None:
    base = {"image": f"{registry.host}/base:one"}
    registry.put_image("base", "one", "here")
    pin = locked(base, tmp_path)
    brought(pin, tmp_path, store)
    registry.stop()
    assert locked(base, tmp_path, Lock(base=pin), network=OFFLINE) == pin
    assert brought(pin, tmp_path, store) == (["SAYS=here"], True)
    assert brought(pin, tmp_path, store, OFFLINE) == (["SAYS=here"], True)
    renamed = {**pin, "image": f"{registry.host}/base:two"}
    assert brought(renamed, tmp_path, store, OFFLINE) == (["SAYS=here"], True)
    system = base_image(renamed, tmp_path, store, Journal(), tmp_path / "logs")
    assert {layer.note for layer in system.layers} == {f"base {registry.host}/base:two"}


def test_offline_says_what_is_missing(registry: Registry, tmp_path: Path, store: Store) -> None:
    base = {"image": f"{registry.host}/base:one"}
    registry.put_image("base", "one", "there")
    with pytest.raises(SourceError, match="base:one is not in the store, and --offline") as caught:
        locked(base, tmp_path, network=OFFLINE)
    assert caught.value.hint == "python3 build.py fetch"
    pin = locked(base, tmp_path)
    with pytest.raises(SourceError, match="base:one is not in the store, and --offline"):
        brought(pin, tmp_path, store, OFFLINE)


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_is_locked_to_its_manifest_for_this_platform(
    registry: Registry, tmp_path: Path, store: Store, docker: bool
) -> None:
    images = {
        "linux/arm64": registry.put_image("base", "arm", "arm", platform="linux/arm64", docker=docker),
        "linux/amd64/v3": registry.put_image("base", "new", "new", docker=docker),
        "linux/amd64": registry.put_image("base", "plain", "plain", docker=docker),
        "unknown/unknown": registry.put_image("base", "proof", "proof", docker=docker),
    }
    index = registry.put_index("base", "all", images, docker=docker)
    for reference in ("base:all", f"base@{index}", f"base:all@{index}"):
        pin = locked({"image": f"{registry.host}/{reference}"}, tmp_path)
        assert pin["digest"] == str(images["linux/amd64"])
        assert brought(pin, tmp_path, store)[0] == ["SAYS=plain"]


def test_an_image_for_another_platform_is_refused(registry: Registry, tmp_path: Path) -> None:
    arm = registry.put_image("base", "arm", "arm", platform="linux/arm64")
    registry.put_image("base", "windows", "windows", platform="windows/amd64")
    registry.put_index("base", "all", {"linux/arm64": arm, "unknown/unknown": arm})
    for tag, told in {"arm": "linux/arm64", "windows": "windows/amd64", "all": "linux/arm64"}.items():
        with pytest.raises(SourceError, match=f"base:{tag} is for {told}; linux/amd64 is needed"):
            locked({"image": f"{registry.host}/base:{tag}"}, tmp_path)


@pytest.mark.parametrize("reference", ["base:none", "nothing:one", f"base@{Digest.of(b'none')}"])
def test_an_image_the_registry_does_not_know_is_named(registry: Registry, tmp_path: Path, reference: str) -> None:
    registry.put_image("base", "one", "first")
    with pytest.raises(SourceError, match=f"the image {registry.host}/{reference} cannot be had: ") as caught:
        locked({"image": f"{registry.host}/{reference}"}, tmp_path)
    assert "correct base.image in the manifest" in caught.value.hint
    assert "time=" not in caught.value.message


@pytest.mark.parametrize("image", ["base:one", "denied/unauthorized:404"])
def test_a_registry_that_is_not_there_is_asked_again_and_then_named(
    registry: Registry, tmp_path: Path, image: str
) -> None:
    registry.stop()
    with pytest.raises(SourceError, match=f"/{image} cannot be had: .*connection refused.*tried 2 times") as caught:
        locked({"image": f"{registry.host}/{image}"}, tmp_path)
    assert "whether this machine reaches that registry, or name a layout here: oci:FOLDER" in caught.value.hint


def test_a_registry_that_stops_before_the_image_is_brought_is_named_with_the_log(
    registry: Registry, tmp_path: Path, store: Store
) -> None:
    registry.put_image("base", "one", "first")
    pin = locked({"image": f"{registry.host}/base:one"}, tmp_path)
    registry.stop()
    with pytest.raises(SourceError, match="base:one cannot be had") as caught:
        brought(pin, tmp_path, store)
    assert str(tmp_path / "logs/base.log") in caught.value.hint
    assert list((store.root / "scratch").iterdir()) == []
    registry.start()
    assert brought(pin, tmp_path, store) == (["SAYS=first"], False)


def test_bytes_that_are_not_the_locked_ones_are_not_kept(registry: Registry, tmp_path: Path, store: Store) -> None:
    registry.put_image("base", "one", "first")
    pin = locked({"image": f"{registry.host}/base:one"}, tmp_path)
    layer = registry.blob(Digest.of(plain_layer("first")))
    layer.write_bytes(layer.read_bytes().replace(b"first", b"worse"))
    with pytest.raises(IntegrityError, match="base:one"):
        brought(pin, tmp_path, store)
    assert not any((store.root / "objects").iterdir())


def test_a_registry_that_wants_a_login_takes_the_users_own(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "private", has_login=True) as registry:
        registry.put_image("base", "one", "private")
        base = {"image": f"{registry.host}/base:one"}
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
        with pytest.raises(SourceError, match="base:one cannot be had") as caught:
            locked(base, tmp_path)
        assert "skopeo login" in caught.value.hint
        login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
        pin = locked(base, tmp_path)
        assert brought(pin, tmp_path, store) == (["SAYS=private"], False)
        assert PASSWORD not in Lock(base=pin).text() + (tmp_path / "logs/base.log").read_text()


def test_a_layout_is_looked_at_each_time(registry: Registry, tmp_path: Path, store: Store) -> None:
    base = {"image": "oci:image:one"}
    copy(registry, tmp_path / "image", "old")
    old = Lock(base=locked(base, tmp_path))
    assert brought(dict(old.base), tmp_path, store)[0] == ["SAYS=old"]
    copy(registry, tmp_path / "image", "new")
    with pytest.raises(LockError, match=r"manifest\.lock is stale: base: digest .* → "):
        locked(base, tmp_path, old, locked=True)
    fresh = Store(tmp_path / "fresh")
    with pytest.raises(LockError, match="oci:image:one has changed since it was locked"):
        brought(dict(old.base), tmp_path, fresh)
    new = locked(base, tmp_path, old)
    assert brought(new, tmp_path, store, OFFLINE) == (["SAYS=new"], False)


def copy(registry: Registry, layout: Path, text: str) -> None:
    """Have an image that says `text` in a layout, as `one`."""
    registry.put_image("base", "one", text)
    words = ["skopeo", "copy", "--src-tls-verify=false", f"docker://{registry.host}/base:one", f"oci:{layout}:one"]
    subprocess.run(words, check=True, capture_output=True)


def test_a_layout_for_another_platform_is_refused_when_it_is_locked(registry: Registry, tmp_path: Path) -> None:
    registry.put_image("base", "one", "arm", platform="linux/arm64")
    words = ["skopeo", "copy", "--src-tls-verify=false", f"docker://{registry.host}/base:one", f"oci:{tmp_path}/image"]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(SourceError, match="is for linux/arm64; linux/amd64 is needed"):
        locked({"image": "oci:image"}, tmp_path)


def test_locked_without_the_base_in_the_lock_asks_nobody(tmp_path: Path) -> None:
    image, debian = {"image": "127.0.0.1:9/base:one"}, {"debian": "bookworm"}
    for old in (Lock(), Lock(base=debian), Lock(base={**image, "digest": "sha256:short"})):
        with pytest.raises(LockError, match=r"stale: it has no digest for base\.image 127"):
            locked(image, tmp_path, old, locked=True)
    with pytest.raises(LockError, match=r"there is no manifest\.lock"):
        locked(image, tmp_path, None, locked=True)
    with pytest.raises(LockError, match=r"stale: base: debian none → bookworm"):
        locked(debian, tmp_path, Lock(), locked=True)
    assert locked(debian, tmp_path, Lock(base=debian), locked=True) == debian


def called(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON of a call in a workshop's folder."""
    places = ["--manifest", str(folder / "manifest.yaml"), "--store", str(folder / "store"), "--out", str(folder)]
    code = cli.main([*words, *places, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_verbs_lock_plan_and_fetch_a_base(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/one.txt").write_text("1")
    reference, size = f"{registry.host}/base:one", len(plain_layer("first"))
    (tmp_path / "manifest.yaml").write_text(
        "workshop: small\ntitle: Small\nversion: '1'\nrepos: {base: {path: notes}}\n"
        f"base: {{image: '{reference}'}}\n"
    )
    digest = registry.put_image("base", "one", "first")

    def base_row() -> dict[str, Any]:
        row: dict[str, Any] = called(capsys, tmp_path, "plan")[1]["plan"]["rows"][0]
        return row

    unlocked = {"what": "base", "kind": "image", "bytes": 0, "here": 0, "to_fetch": 0, "is_locked": False}
    assert base_row().items() >= unlocked.items()
    code, said = called(capsys, tmp_path, "fetch", "--locked")
    assert (code, said["error"]["kind"]) == (4, "lock")
    assert called(capsys, tmp_path, "lock")[0] == 0
    assert json.loads((tmp_path / "manifest.lock").read_text())["base"]["digest"] == str(digest)
    assert (base_row()["bytes"], base_row()["to_fetch"]) == (size, size)
    assert called(capsys, tmp_path, "fetch", "--locked")[0] == 0
    assert (base_row()["here"], base_row()["to_fetch"]) == (size, 0)
    newer = registry.put_image("base", "one", "second")
    assert called(capsys, tmp_path, "lock", "--update", "repos.base")[1]["changed"] == []
    changed = called(capsys, tmp_path, "lock", "--update", "base")[1]["changed"]
    assert any(f"base: digest {digest.short} → {newer.short}" in line for line in changed)
    registry.stop()
    code, said = called(capsys, tmp_path, "fetch", "--offline", "--locked")
    assert (code, said["error"]["kind"]) == (5, "source")
    assert f"{reference} is not in the store" in said["error"]["message"]


def test_only_registries_on_this_machine_may_speak_plain_http() -> None:
    for reference in ("localhost/a", "localhost:5000/a:1", "127.0.0.1:5000/a", "127.1.2.3/a/b@sha256:0"):
        assert is_on_loopback(reference)
    for reference in ("debian", "debian:12", "library/debian", "10.0.0.1:5000/a", "localhost", "localhost.test/a"):
        assert not is_on_loopback(reference)


def test_a_digest_takes_the_place_of_the_tag() -> None:
    digest = Digest.of(b"")
    for reference in ("host:5000/a/b:1", "host:5000/a/b", f"host:5000/a/b:1@{Digest.of(b'x')}"):
        assert pinned(reference, digest) == f"host:5000/a/b@{digest}"
    assert pinned("debian:bookworm", digest) == f"debian@{digest}"


def test_a_manifest_that_cannot_be_read_is_refused(registry: Registry, tmp_path: Path) -> None:
    digest = registry.put_image("base", "one", "first")
    registry.blob(digest).write_bytes(b"[]")
    with pytest.raises(SourceError, match="base:one"):
        look_up(f"{registry.host}/base:one", HASTY)
