"""Verifying finds every way in which an object can be wrong, and touches nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.digest import Digest
from builder.store.objects import Blob, Store
from builder.store.verify import READ, set_aside, verify


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def overwrite(store: Store, blob: Blob, data: bytes) -> None:
    """What a failing disk, or root, does to an object."""
    path = store.path(blob.digest)
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def test_a_store_without_fault_is_found_so(store: Store) -> None:
    for size in (0, 1, READ - 1, READ, READ + 1, 3 * READ + 7):
        store.put_bytes(os.urandom(size))
    told: list[int] = []
    seen = verify(store, told.append)
    assert (seen.objects, seen.damaged, seen.unreadable, seen.foreign) == (6, (), (), ())
    assert seen.bytes == sum(told) == 6 * READ + 8


@pytest.mark.parametrize("size", [10, READ, 2 * READ + 5])
@pytest.mark.parametrize("spoil", ["flip", "cut", "grow", "empty"])
def test_a_damaged_object_is_set_aside_and_can_be_put_again(size: int, spoil: str, store: Store) -> None:
    data = os.urandom(size)
    blob, good = store.put_bytes(data), store.put_bytes(b"good")
    spoiled = {"flip": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1], "grow": data + b"x", "empty": b""}[spoil]
    overwrite(store, blob, spoiled)
    seen = verify(store)
    assert [(bad.digest, bad.size, bad.reason) for bad in seen.damaged] == [
        (blob.digest, len(spoiled), f"holds {Digest.of(spoiled)}")
    ]
    assert store.has(blob.digest), "looking changes nothing"
    set_aside(seen.damaged, store)
    assert not store.has(blob.digest) and store.has(good.digest)
    assert (store.root / "damaged" / blob.digest.hex).read_bytes() == spoiled
    assert store.put_bytes(data) == blob and verify(store).damaged == ()


def test_records_of_damaged_objects_go_with_them_and_others_stay(store: Store) -> None:
    bad, good = store.put_bytes(b"will be damaged"), store.put_bytes(b"good")
    store.remember("layer", "one", {"digest": bad.digest.hex, "diff_id": "0" * 64})
    store.remember("base", "two", [str(bad.digest), str(good.digest)])
    store.remember("layer", "three", {"digest": good.digest.hex})
    overwrite(store, bad, b"other bytes")
    assert set_aside(verify(store).damaged, store) == ["base/two", "layer/one"]
    assert store.recall("layer", "one") is None and store.recall("layer", "three") is not None


def test_what_is_not_ours_is_told_and_left_alone(store: Store) -> None:
    blob = store.put_bytes(b"ours")
    objects, shelf = store.root / "objects", store.path(blob.digest).parent
    (objects / "README").write_text("mine")
    (objects / "zz").mkdir()
    (shelf / "notes.txt").write_text("mine")
    (shelf / ("0" * 62)).mkdir()
    (shelf / ("1" * 62)).symlink_to(store.path(blob.digest))
    seen = verify(store)
    here = shelf.name
    assert set(seen.foreign) == {"README", "zz", f"{here}/notes.txt", f"{here}/{'0' * 62}", f"{here}/{'1' * 62}"}
    assert (seen.objects, seen.damaged) == (1, ())


def test_an_object_without_rights_is_unreadable_and_stays(store: Store) -> None:
    blob = store.put_bytes(b"secret")
    store.path(blob.digest).chmod(0)
    script = (
        "import sys; from pathlib import Path; from builder.store import objects, verify\n"
        "seen = verify.verify(objects.Store(Path(sys.argv[1])))\n"
        "print([(bad.digest.hex, bad.reason) for bad in seen.unreadable], seen.damaged)"
    )
    # root's power to read everything is taken from root
    weak = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*weak, sys.executable, "-c", script, store.root], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[('{blob.digest.hex}', 'cannot be read: Permission denied')] ()"
