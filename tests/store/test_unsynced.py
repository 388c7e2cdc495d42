"""A power cut, played by marks of another boot and by objects that lost their bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.store.objects import Store

OTHER_BOOT = "00000000-0000-0000-0000-000000000000-1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def marks(store: Store) -> list[str]:
    return [mark.name for mark in (store.root / "unsynced").iterdir()]


def cut_the_power(store: Store) -> None:
    """What the store looks like when the machine comes up again."""
    for mark in (store.root / "unsynced").iterdir():
        mark.rename(mark.with_name(OTHER_BOOT))


def tear(path: Path, data: bytes = b"") -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def test_a_mark_stands_from_the_first_object_until_the_disk_has_all(store: Store) -> None:
    assert marks(store) == []
    store.put_bytes(b"one")
    assert len(marks(store)) == 1 and marks(store)[0].endswith(f"-{os.getpid()}")
    store.settle()
    assert marks(store) == []


def test_what_was_in_the_store_already_needs_no_mark(store: Store) -> None:
    store.put_bytes(b"one")
    store.settle()
    store.put_bytes(b"one")
    assert marks(store) == []


@pytest.mark.parametrize("left", [b"", b"\0\0\0", b"one, but other bytes"])
def test_after_a_power_cut_torn_objects_are_gone_and_whole_ones_stay(left: bytes, store: Store) -> None:
    whole, torn = store.put_bytes(b"whole"), store.put_bytes(b"one")
    cut_the_power(store)
    tear(store.path(torn.digest), left)
    again = Store(store.root)
    assert again.torn == (torn.digest,)
    assert again.has(whole.digest) and not again.has(torn.digest)
    assert marks(again) == []


def test_objects_older_than_the_mark_are_not_read_again(store: Store) -> None:
    old = store.put_bytes(b"old")
    store.settle()
    tear(store.path(old.digest))
    os.utime(store.path(old.digest), (1, 1))
    store.put_bytes(b"young")
    cut_the_power(store)
    assert Store(store.root).torn == ()  # `store verify` finds it; opening the store must not read all of it


def test_what_is_not_ours_among_the_objects_is_left_alone(store: Store) -> None:
    blob = store.put_bytes(b"ours")
    (store.root / "objects" / "README").write_text("mine")
    (store.path(blob.digest).parent / "notes").write_text("mine")
    tear(store.path(blob.digest))
    cut_the_power(store)
    assert Store(store.root).torn == (blob.digest,)


def test_the_marks_of_ended_processes_go_and_those_of_living_ones_stay(store: Store) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        living, ended = f"{boot}-{child.pid}", f"{boot}-{2**22 + 1}"  # above the kernel's largest pid
        for name in (living, ended):
            (store.root / "unsynced" / name).touch()
        store.put_bytes(b"one")
        store.settle()
        assert marks(store) == [living]
    finally:
        child.communicate(b"\n")


def test_records_that_a_power_cut_tore_count_as_none(store: Store) -> None:
    store.remember("kind", "key", {"a": 1})
    (store.root / "records" / "kind" / "key").write_bytes(b"\0" * 7)
    assert store.recall("kind", "key") is None
