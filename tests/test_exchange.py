"""A store shared by machines: whatever serves it, only what is missing travels, and nothing is believed unverified."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from remotes import ftp_server, s3_bucket
from workshops import call, workshop

from builder.digest import Digest
from builder.remote import CHUNK, Remote
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, put_tree
from builder.store.verify import verify

ROOT = Path(__file__).parents[1]
Say = Callable[..., tuple[int, dict[str, Any]]]
KINDS = ("folder", "memory", "ftp", "s3")


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where nothing is yet."""
    if request.param == "folder":
        yield str(tmp_path / "shared")
    elif request.param == "memory":
        yield f"memory://{secrets.token_hex(8)}/shared"
    elif request.param == "ftp":
        with ftp_server(tmp_path / "ftp") as served:
            yield served
    else:
        with s3_bucket(monkeypatch) as bucket:
            yield bucket


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def run(store: Store, manifest: Path, *words: str | Path) -> tuple[int, dict[str, Any]]:
        return call(capsys, "store", *words, "--manifest", manifest, "--store", store.root)

    return run


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return workshop(tmp_path / "one", {"a.csv": b"numbers", "large.bin": os.urandom(2 * CHUNK + 5), "empty": b""})


@pytest.fixture
def here(tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]) -> Store:
    """A store with the workshop in it and a layer that a build of it made."""
    store = Store(tmp_path / "here")
    assert call(capsys, "fetch", "--manifest", manifest, "--store", store.root)[0] == 0
    return store


@pytest.fixture
def there(tmp_path: Path) -> Store:
    """Another machine's store."""
    return Store(tmp_path / "there")


def objects(store: Store) -> dict[str, bytes]:
    return {path.parent.name + path.name: path.read_bytes() for path in (store.root / "objects").glob("*/*")}


def uses(store: Store, *records: str) -> None:
    """Register records as used by the workshop's last call, as a build does."""
    entry = next((store.root / "workshops").iterdir())
    raw = json.loads(entry.read_bytes())
    entry.write_text(json.dumps({**raw, "records": [*raw["records"], *records]}))


def path_of(content: bytes) -> str:
    digest = Digest.of(content).hex
    return f"objects/{digest[:2]}/{digest[2:]}"


def test_what_one_machine_pushes_another_pulls_once(
    address: str, here: Store, there: Store, manifest: Path, say: Say
) -> None:
    layer = here.put_bytes(b"a layer").digest
    here.remember("layer", "1" * 64, {"digest": layer.hex, "diff_id": "0" * 64})
    uses(here, f"layer/{'1' * 64}")
    unneeded = here.put_bytes(b"of another workshop").digest
    code, sent = say(here, manifest, "push", address)
    assert code == 0 and sent["objects"] >= 6 and sent["records"] >= 1
    again = say(here, manifest, "push", address)[1]
    assert (again["objects"], again["bytes"], again["records"]) == (0, 0, 0) and again["present"] == sent["objects"]
    code, taken = say(there, manifest, "pull", address)
    assert code == 0 and taken["absent"] == [] and taken["bytes"] > 2 * CHUNK
    assert there.read(layer) == b"a layer" and there.recall("layer", "1" * 64) is not None
    assert not there.has(unneeded) and verify(there).damaged == ()
    assert objects(there).items() <= objects(here).items()
    again = say(there, manifest, "pull", address)[1]
    assert (again["objects"], again["bytes"], again["records"]) == (0, 0, 0)
    assert say(there, manifest, "gc")[1]["bytes"] == 0


def test_all_means_all(address: str, here: Store, there: Store, manifest: Path, say: Say) -> None:
    here.put_bytes(b"of another workshop")
    assert say(here, manifest, "push", "--all", address)[0] == 0
    assert say(there, manifest, "pull", "--all", address)[0] == 0
    assert objects(there) == objects(here)


def test_wrong_bytes_are_not_kept_and_the_right_ones_are(
    address: str, here: Store, there: Store, manifest: Path, say: Say
) -> None:
    say(here, manifest, "push", address)
    Remote(address).write(path_of(b"numbers"), b"numbres")
    code, said = say(there, manifest, "pull", address)
    assert code == 6 and path_of(b"numbers") in said["error"]["message"] and "1 objects" in said["error"]["message"]
    assert "wellguarded" not in json.dumps(said)
    assert verify(there).damaged == () and not there.has(Digest.of(b"numbers")) and there.has(Digest.of(b"{}"))


def test_a_file_cut_short_over_there_is_sent_again(
    address: str, here: Store, there: Store, manifest: Path, say: Say
) -> None:
    say(here, manifest, "push", address)
    Remote(address).write(path_of(b"numbers"), b"numb")
    assert say(there, manifest, "pull", address)[0] == 6
    assert say(here, manifest, "push", address)[1]["objects"] == 1
    assert say(there, manifest, "pull", address)[0] == 0 and there.has(Digest.of(b"numbers"))


def test_where_nothing_is_cannot_be_pulled_from(address: str, here: Store, manifest: Path, say: Say) -> None:
    code, said = say(here, manifest, "pull", address)
    assert code == 5 and "holds no store" in said["error"]["message"] and "wellguarded" not in json.dumps(said)


def test_what_is_not_there_is_told_and_left_to_fetch(
    tmp_path: Path, here: Store, there: Store, manifest: Path, say: Say
) -> None:
    say(here, manifest, "push", tmp_path / "shared")
    (tmp_path / "shared" / path_of(b"numbers")).unlink()
    code, said = say(there, manifest, "pull", tmp_path / "shared")
    assert code == 0 and said["absent"] == [Digest.of(b"numbers").hex]


def test_a_file_longer_than_its_listing_does_not_fill_the_disk(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects/x").write_bytes(bytes(3 * CHUNK))
    remote = Remote(str(tmp_path))
    assert sum(map(len, remote.chunks("objects/x", 2 * CHUNK))) == 2 * CHUNK
    assert sum(map(len, remote.chunks("objects/x", 5))) == 5


def test_records_that_speak_of_this_machine_stay_here(tmp_path: Path, here: Store, manifest: Path, say: Say) -> None:
    layer = here.put_bytes(b"a layer").digest
    here.remember("seen", "1" * 64, {"folder": str(tmp_path), "files": {"a": [1, layer.hex]}})
    here.remember("archive", "2" * 64, {"digest": "0" * 64, "stamp": [1, 2, 3]})
    uses(here, f"seen/{'1' * 64}", f"archive/{'2' * 64}")
    for words in ((), ("--all",)):
        assert say(here, manifest, "push", *words, tmp_path / "shared")[0] == 0
    shared = [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert not {"seen", "archive"} & {path.parent.name for path in shared}
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in shared)


def test_that_something_is_private_is_said(tmp_path: Path, here: Store, manifest: Path, say: Say) -> None:
    assert say(here, manifest, "push", tmp_path / "shared")[1]["warnings"] == []
    private = manifest.read_text().replace("{path: notes,", "{path: notes, private: true,")
    manifest.write_text(private.replace("{outputs: [oci]}", "{outputs: [oci], private: true}"))
    said = say(here, manifest, "push", tmp_path / "shared")[1]
    assert len(said["warnings"]) == 1 and "notes" in said["warnings"][0]


@pytest.mark.parametrize(
    "entry",
    [Entry("../../escaped", Digest.of(b"x"), 1), Entry("a", target="../../etc"), Entry("/abs", Digest.of(b"x"), 1)],
)
def test_a_record_whose_tree_leads_out_is_refused(
    entry: Entry, tmp_path: Path, here: Store, there: Store, manifest: Path, say: Say
) -> None:
    here.put_bytes(b"x")
    tree = put_tree(Tree((entry,)), here).digest
    here.remember("unpacked", "1" * 64, tree.hex)
    uses(here, f"unpacked/{'1' * 64}")
    say(here, manifest, "push", tmp_path / "shared")
    code, said = say(there, manifest, "pull", tmp_path / "shared")
    assert code == 5 and "unpacked/111" in said["error"]["message"] and there.recall("unpacked", "1" * 64) is None


@pytest.mark.parametrize("text", [b"", b"{", b'{"records": 5}', b'["x"]', b'{"records": ["../../../etc/passwd"]}'])
def test_a_list_of_records_that_is_damaged_does_no_harm(
    text: bytes, tmp_path: Path, here: Store, there: Store, manifest: Path, say: Say
) -> None:
    say(here, manifest, "push", tmp_path / "shared")
    (tmp_path / "shared/workshops/small.json").write_bytes(text)
    code, said = say(there, manifest, "pull", tmp_path / "shared")
    assert code == (0 if b"passwd" in text else 5), said
    assert list((there.root / "records").rglob("passwd")) == []


def test_forbidden_is_said_so_without_the_password(tmp_path: Path, here: Store, manifest: Path, say: Say) -> None:
    with ftp_server(tmp_path / "ftp", permissions="elr") as address:
        code, said = say(here, manifest, "push", address)
        assert code == 5 and "wellguarded" not in json.dumps(said) and "127.0.0.1" in said["error"]["message"]
        wrong = address.replace("wellguarded", "guessed")
        code, said = say(here, manifest, "push", wrong)
        assert code == 5 and "guessed" not in json.dumps(said)


@pytest.mark.parametrize("address", ["nope://x", "ftp://127.0.0.1:1/x", "s3://team/x"])
def test_a_place_that_is_not_there_is_named(
    address: str, here: Store, manifest: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wellguarded")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for verb in ("push", "pull"):
        code, said = say(here, manifest, verb, address)
        assert code == 5 and address in said["error"]["message"] and said["error"]["hint"]
        assert "wellguarded" not in json.dumps(said)


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_driver_that_is_not_installed_is_named(here: Store, manifest: Path, say: Say) -> None:
    code, said = say(here, manifest, "push", "gs://team/x")
    assert code == 5 and "driver" in said["error"]["message"] and "pip install gcsfs" in said["error"]["hint"]


def test_no_space_while_pulling_is_said_and_nothing_half_stays(
    tmp_path: Path, here: Store, manifest: Path, say: Say
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    options = ["-o", "size=4m"]
    if subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", small], check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        store = Store(small / "store")
        say(here, manifest, "push", tmp_path / "shared")
        code, said = say(store, manifest, "pull", tmp_path / "shared")
        assert code == 7 and "no space left" in said["error"]["message"]
        assert verify(store).damaged == () and list((store.root / "scratch").iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_killed_half_way_the_next_call_moves_only_what_is_missing(
    verb: str, tmp_path: Path, here: Store, there: Store, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {f"{number}.bin": os.urandom(20_000) for number in range(600)}
    manifest = workshop(tmp_path / "many", data, "many")
    call(capsys, "fetch", "--manifest", manifest, "--store", here.root)
    total = len(list(here.root.glob("objects/*/*")))
    shared = tmp_path / "shared"
    if verb == "pull":
        say(here, manifest, "push", shared)
    store, filled = (here, shared) if verb == "push" else (there, there.root)
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from builder.cli import main; main(sys.argv[1:])"
    words = [sys.executable, "-c", script, "store", verb, shared, "--manifest", manifest, "--store", store.root]
    child = subprocess.Popen([*words, "--quiet"], stdout=subprocess.DEVNULL)
    while len(list(filled.glob("objects/*/*"))) < 100 and child.poll() is None:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.wait(20)
    moved = len(list(filled.glob("objects/*/*")))
    code, said = say(store, manifest, verb, shared)
    assert code == 0 and said["objects"] <= total - moved + 1  # one may have been under way
    assert verify(Store(filled)).damaged == ()
    assert all(there.has(Digest.of(one)) for one in data.values()) if verb == "pull" else True


@pytest.mark.slow
def test_a_machine_that_pulled_builds_the_same_bytes_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = workshop(tmp_path / "one", {"a.csv": b"numbers"})
    manifest.write_text(manifest.read_text().replace("[oci]", "[oci, docker]"))
    outputs = []
    for name, words in (("here", ["--yes"]), ("there", ["--offline", "--locked"])):
        place = ["--manifest", manifest, "--store", tmp_path / name]
        if name == "there":
            assert call(capsys, "store", "pull", tmp_path / "shared", *place)[0] == 0
        code, said = call(capsys, "build", *place, "--out", tmp_path / f"out-{name}", *words)
        assert code == 0, said
        outputs.append([(one["kind"], one["digest"], one["bytes"]) for one in said["outputs"]])
        assert call(capsys, "store", "gc", *place)[1]["bytes"] == 0
        assert call(capsys, "store", "push", tmp_path / "shared", *place)[0] == 0
    assert outputs[0] == outputs[1]
