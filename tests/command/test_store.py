"""`build.py store`: several workshops with one store, looked after."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workshops import call, workshop

from builder import cli
from builder.digest import Digest
from builder.store.objects import Store

ROOT = Path(__file__).parents[2]
Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def say(store: Store, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: str | Path, manifest: Path | None = None) -> tuple[int, dict[str, Any]]:
        place = ["--manifest", manifest] if manifest else []
        return call(capsys, *words, *place, "--store", store.root)

    return run


def objects(store: Store) -> dict[str, bytes]:
    return {path.parent.name + path.name: path.read_bytes() for path in (store.root / "objects").glob("*/*")}


def names(store: Store) -> list[Path]:
    return list((store.root / "objects").glob("*/*"))


def spoil(store: Store, content: bytes, other: bytes = b"other bytes") -> Digest:
    path = store.path(Digest.of(content))
    path.chmod(0o644)
    path.write_bytes(other)
    return Digest.of(content)


def test_two_workshops_share_what_is_equal_and_the_listing_says_so(tmp_path: Path, say: Call) -> None:
    one = workshop(tmp_path / "one", {"a.csv": b"both" * 100, "b.csv": b"only one"}, "one")
    two = workshop(tmp_path / "two", {"c.csv": b"both" * 100, "d.csv": b"both" * 100}, "two")
    for manifest in (one, two):
        assert say("fetch", manifest=manifest)[0] == 0
    code, said = say("store", "ls")
    assert code == 0 and said["ok"] and said["saved"] == 2 * 400 + 2  # and the notebooks
    assert [(row["name"], row["manifest"], row["state"]) for row in said["workshops"]] == [
        ("one", str(one), "here"),
        ("two", str(two), "here"),
    ]
    pins = {(row["name"], pin["what"]): pin for row in said["workshops"] for pin in row["pins"]}
    assert pins["one", "dataset numbers"]["shared"] == 400 and pins["one", "dataset numbers"]["bytes"] == 408
    assert pins["two", "dataset numbers"]["distinct"] == 400 and pins["two", "dataset numbers"]["bytes"] == 800
    assert said["objects"]["count"] == len(objects(Store(tmp_path / "store")))


def test_right_after_a_fetch_there_is_nothing_to_free(tmp_path: Path, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"a"})
    for verb in ("lock", "fetch", "tree"):
        assert say(verb, "--out", tmp_path / "out", manifest=manifest)[0] == 0
    assert say("store", "gc")[1]["bytes"] == 0


def test_what_the_lock_no_longer_names_goes_and_the_rest_can_still_be_built(
    tmp_path: Path, store: Store, say: Call
) -> None:
    one = workshop(tmp_path / "one", {"a.csv": b"old numbers"}, "one")
    two = workshop(tmp_path / "two", {"a.csv": b"other numbers"}, "two")
    for manifest in (one, two):
        say("fetch", manifest=manifest)
    workshop(tmp_path / "one", {"a.csv": b"new numbers"}, "one")
    say("fetch", manifest=one)
    before = objects(store)
    code, dry = say("store", "gc")
    assert code == 0 and not dry["deleted"] and objects(store) == before
    code, done = say("store", "gc", "--delete")
    assert done["deleted"] and done["heaps"] == dry["heaps"] and done["bytes"] == dry["bytes"] > 0
    assert {"new numbers", "other numbers"} <= {data.decode() for data in objects(store).values()}
    assert b"old numbers" not in objects(store).values()
    for manifest in (one, two):
        shutil.rmtree(manifest.parent / "numbers")
        _, said = say("store", "ls")
        assert all(pin["here"] == pin["distinct"] for row in said["workshops"] for pin in row["pins"])


def test_a_workshop_that_is_gone_lets_its_bytes_go(tmp_path: Path, store: Store, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    say("fetch", manifest=manifest)
    shutil.rmtree(manifest.parent)
    assert say("store", "gc")[1]["gone"] == [str(manifest)]
    assert say("store", "gc", "--delete")[0] == 0
    assert objects(store) == {} and say("store", "ls")[1]["workshops"] == []


def test_a_removed_lock_keeps_its_bytes_while_the_manifest_is_there(tmp_path: Path, store: Store, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    say("fetch", manifest=manifest)
    manifest.with_suffix(".lock").unlink()
    say("store", "gc", "--delete")
    assert b"numbers" in objects(store).values()


def test_a_workshop_on_a_disk_that_is_not_mounted_is_kept(tmp_path: Path, store: Store, say: Call) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", stick], check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        manifest = workshop(stick / "one", {"a.csv": b"numbers"})
        say("fetch", manifest=manifest)
    finally:
        subprocess.run(["umount", stick], check=True)
    assert say("store", "ls")[1]["workshops"][0]["state"] == "away"
    say("store", "gc", "--delete")
    assert b"numbers" in objects(store).values()
    assert say("store", "gc", "--delete", "--forget", manifest)[0] == 0
    assert objects(store) == {}


@pytest.mark.parametrize("text", ["", "{", '{"lock": 99}', "[" * 100_000])
def test_a_lock_that_cannot_be_read_forbids_removal_and_is_named(
    text: str, tmp_path: Path, store: Store, say: Call
) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    say("fetch", manifest=manifest)
    manifest.with_suffix(".lock").write_text(text)
    before = objects(store)
    code, said = say("store", "gc", "--delete")
    assert code == 7 and str(manifest.with_suffix(".lock")) in said["error"]["message"]
    assert "--forget" in said["error"]["hint"] and objects(store) == before
    assert say("store", "gc", "--delete", "--forget", manifest)[0] == 0


def test_a_registration_that_cannot_be_read_forbids_removal(tmp_path: Path, store: Store, say: Call) -> None:
    say("fetch", manifest=workshop(tmp_path / "one", {"a.csv": b"numbers"}))
    entry = next((store.root / "workshops").iterdir())
    entry.write_bytes(entry.read_bytes()[:-10])
    before = objects(store)
    code, said = say("store", "gc", "--delete")
    assert code == 7 and entry.name in said["error"]["message"] and objects(store) == before
    bad = spoil(store, b"numbers")
    code, said = say("store", "verify")
    assert code == 6 and [one["digest"] for one in said["damaged"]] == [str(bad)] and said["warnings"]
    assert say("fetch", manifest=entry.parents[2] / "one" / "manifest.yaml")[0] == 0, "it is written anew"
    assert say("store", "gc", "--delete")[0] == 0 and store.has(bad)


def test_to_forget_a_workshop_nobody_knows_is_a_mistake(tmp_path: Path, say: Call) -> None:
    code, said = say("store", "gc", "--forget", tmp_path / "manifest.yaml")
    assert code == 7 and "no workshop with the manifest" in said["error"]["message"]


def test_a_call_that_fails_keeps_what_the_one_before_used(tmp_path: Path, store: Store, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    say("fetch", manifest=manifest)
    layer = store.put_bytes(b"a layer").digest
    entry = next((store.root / "workshops").iterdir())
    raw = json.loads(entry.read_bytes())
    entry.write_text(json.dumps({**raw, "digests": [*raw["digests"], layer.hex]}))
    shutil.rmtree(manifest.parent / "numbers")
    assert say("fetch", manifest=manifest)[0] != 0
    say("store", "gc", "--delete")
    assert store.has(layer) and b"numbers" in objects(store).values()


def test_what_a_recipe_starts_from_is_kept_while_the_lock_is_the_same(tmp_path: Path, store: Store, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"one\ntwo\nthree\n", "b.csv": b"x\n"})
    package = tmp_path / "git"
    package.mkdir()
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", package]
    subprocess.run([*git, "init", "-q"], check=True)
    shutil.copytree(manifest.parent / "numbers", package / "numbers")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    card = manifest.parent / "datasets" / "numbers.yaml"
    text = (
        f"title: Numbers\nlicence: CC0-1.0\nfiles:\n  - git: {package}\n    members: ['numbers/*']\nrecipe:\n  - head: "
    )
    card.write_text(f"{text}2\n")
    for _ in range(3):
        assert say("fetch", manifest=manifest)[0] == 0
    say("store", "gc", "--delete")
    shutil.rmtree(package)
    shutil.rmtree(store.root / "git")
    card.write_text(f"{text}1\n")
    code, said = say("fetch", manifest=manifest)
    assert code == 0, said
    assert b"one\n" in objects(store).values()


def test_a_running_build_is_waited_for(
    tmp_path: Path, store: Store, say: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    say("fetch", manifest=workshop(tmp_path / "one", {"a.csv": b"numbers"}))
    before = len(objects(store))
    store.put_bytes(b"of the build that runs")
    with (store.root / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        asked = threading.Thread(target=cli.main, args=(["store", "gc", "--delete", "--store", str(store.root)],))
        asked.start()
        said = ""
        while "a build is using the store" not in said:
            said += capsys.readouterr().err
            assert asked.is_alive()
            time.sleep(0.01)
        assert len(objects(store)) == before + 1
        fcntl.flock(file, fcntl.LOCK_UN)
        asked.join(20)
    assert len(objects(store)) == before


def test_a_damaged_object_is_named_with_the_command_that_brings_it_back(
    tmp_path: Path, store: Store, say: Call
) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers", "b.csv": b"letters"}, "one")
    say("fetch", manifest=manifest)
    assert say("store", "verify")[0] == 0
    bad, lost = spoil(store, b"numbers"), spoil(store, b"{}", b"")
    stray = store.put_bytes(b"nobody's").digest
    spoil(store, b"nobody's")
    code, said = say("store", "verify")
    assert code == 6 and said["error"]["kind"] == "integrity" and not said["ok"]
    named = {one["digest"]: one["named_by"] for one in said["damaged"]}
    again = f"python3 build.py fetch --manifest {manifest}"
    assert named[str(bad)] == [f"dataset numbers of one: {again}"]
    assert f"repo notes of one: {again}" in named[str(lost)] and named[str(stray)] == []
    assert say("fetch", manifest=manifest)[0] == 0
    assert say("store", "verify")[0] == 0 and objects(store)[bad.hex] == b"numbers"


def test_a_damaged_tree_stops_gc_until_verify_set_it_aside(tmp_path: Path, store: Store, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    say("fetch", manifest=manifest)
    lock = json.loads(manifest.with_suffix(".lock").read_bytes())
    tree = store.path(Digest.parse(lock["datasets"]["numbers"]["tree"]))
    tree.chmod(0o644)
    tree.write_bytes(tree.read_bytes().replace(Digest.of(b"numbers").hex.encode(), b"0" * 64))
    code, said = say("store", "gc", "--delete")
    assert code == 6 and "store verify" in said["error"]["hint"] and b"numbers" in objects(store).values()
    assert say("store", "verify")[0] == 6
    assert say("fetch", manifest=manifest)[0] == 0 and say("store", "gc", "--delete")[0] == 0
    assert b"numbers" in objects(store).values()


def test_a_store_nobody_is_known_to_use_is_not_emptied(store: Store, say: Call) -> None:
    store.put_bytes(b"of a workshop that an older release built")
    code, said = say("store", "gc", "--delete")
    assert code == 7 and "build each workshop once" in said["error"]["hint"]
    assert len(objects(store)) == 1
    assert say("store", "gc")[1]["bytes"] > 0


def test_mirrors_stay_while_a_lock_names_one_of_their_commits(tmp_path: Path, store: Store, say: Call) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C"]
    for name in ("kept", "dropped", "inner"):
        (tmp_path / name).mkdir()
        subprocess.run([*git, tmp_path / name, "init", "-q"], check=True)
        (tmp_path / name / "one.ipynb").write_text(name)
        subprocess.run([*git, tmp_path / name, "add", "."], check=True)
        subprocess.run([*git, tmp_path / name, "commit", "-qm", "one"], check=True)
    allowed = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", tmp_path / "inner", "inner"]
    subprocess.run([*git, tmp_path / "kept", *allowed], check=True)
    subprocess.run([*git, tmp_path / "kept", "commit", "-qm", "two"], check=True)
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    plain = manifest.read_text()
    manifest.write_text(
        plain.replace("repos:\n", f"repos:\n  k: {{git: {tmp_path}/kept}}\n  d: {{git: {tmp_path}/dropped}}\n")
    )
    assert say("fetch", manifest=manifest)[0] == 0
    assert say("store", "gc")[1]["heaps"] == []
    manifest.write_text(plain.replace("repos:\n", f"repos:\n  k: {{git: {tmp_path}/kept}}\n"))
    say("fetch", manifest=manifest)
    heaps = {heap["kind"]: heap["count"] for heap in say("store", "gc", "--delete")[1]["heaps"]}
    assert heaps["mirrors"] == 2  # the folder and its lock
    assert len([path for path in (store.root / "git").iterdir() if path.is_dir()]) == 2


def test_kill_9_of_the_command_leaves_a_store_that_is_right(tmp_path: Path, store: Store, say: Call) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    say("fetch", manifest=manifest)
    for number in range(3000):
        store.put_bytes(b"garbage %d" % number)
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from builder.cli import main; main(sys.argv[1:])"
    words = [sys.executable, "-c", script, "store", "gc", "--delete", "--store", str(store.root)]
    for _ in range(3):
        before = len(names(store))
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while len(names(store)) == before and child.poll() is None:
            pass  # until it has begun
        child.kill()
        child.wait(20)
        assert say("store", "verify")[0] == 0
    assert say("store", "gc", "--delete")[0] == 0
    assert b"numbers" in objects(store).values() and not any(
        data.startswith(b"garb") for data in objects(store).values()
    )
