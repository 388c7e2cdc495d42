"""A disk is made once; made anew it is what a first build would give, and it deflates only what changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from small_appliance import SETTINGS, Bench, content, spec, unbootable
from vmdk_reader import GRAIN

from builder.appliance.appliance import build_appliance
from builder.appliance.grains import FAST, SMALL, Deflater
from builder.appliance.kept import DiskShop, kept_disk
from builder.appliance.ovf import Disk
from builder.exchange import is_useful_elsewhere
from builder.progress import Journal
from builder.store.objects import Store

Grains = list[bytes]


def _grain(number: int) -> bytes:
    return b" ".join(b"%d" % (number * count) for count in range(20_000))[:GRAIN]


def _make(grains: Grains) -> Callable[[Path, Path, UUID], None]:
    return lambda raw, scratch, uuid: raw.write_bytes(b"".join(grains)) and None


def _kept(store: Store, grains: Grains, deflater: Deflater = SMALL) -> tuple[Disk, bool, int]:
    """The disk, whether it was there, and how many grains were deflated."""
    count = 0

    def counted(grain: bytes) -> bytes | bytearray:
        nonlocal count
        count += 1
        return deflater.pack(grain)

    journal = Journal()
    # Equal to the real one wherever deflaters are compared: by name.
    shop = DiskShop(store, journal, Deflater(deflater.name, counted))
    inputs: dict[str, Any] = {"grains": [grain.hex() for grain in grains]}
    disk = kept_disk("content disk", "w-content.vmdk", inputs, _make(grains), shop)
    return disk, journal.stages[0].cached, count


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


OLD = [_grain(number) for number in range(1, 20)]
NEW = [*OLD[:7], _grain(99), *OLD[8:]]


def test_one_changed_grain_is_deflated_and_the_disk_is_that_of_a_first_build(store: Store, tmp_path: Path) -> None:
    _, _, first = _kept(store, OLD)
    disk, cached, again = _kept(store, NEW)
    assert (first, cached, again) == (19, False, 1)
    assert disk == _kept(Store(tmp_path / "other"), NEW)[0]


def test_going_back_makes_nothing_and_the_next_edit_starts_from_there(store: Store) -> None:
    old, _, _ = _kept(store, OLD)
    _kept(store, [_grain(500 + number) for number in range(19)])
    assert _kept(store, OLD) == (old, True, 0)
    assert _kept(store, NEW)[2] == 1


def test_without_the_earlier_disk_everything_is_deflated(store: Store) -> None:
    old, _, _ = _kept(store, OLD)
    store.path(old.blob.digest).unlink()
    assert _kept(store, NEW)[2] == 19


def test_a_forgetful_store_takes_nothing_over(store: Store) -> None:
    _kept(store, OLD)
    assert _kept(Store(store.root, is_forgetful=True), NEW)[2] == 19


def test_a_fast_disk_lends_no_grain_to_a_small_one(store: Store, tmp_path: Path) -> None:
    fast, _, _ = _kept(store, OLD, FAST)
    small, cached, count = _kept(store, OLD, SMALL)
    assert (cached, count) == (False, 19)
    assert small.blob != fast.blob
    assert small == _kept(Store(tmp_path / "other"), OLD)[0]


def test_a_small_disk_that_is_there_serves_in_haste(store: Store) -> None:
    small, _, _ = _kept(store, OLD, SMALL)
    assert _kept(store, OLD, FAST) == (small, True, 0)


def test_which_disk_was_last_is_told_to_no_other_machine(store: Store) -> None:
    _kept(store, OLD)
    (note,) = (store.root / "records" / "last-disk").iterdir()
    (disk,) = (store.root / "records" / "disk").iterdir()
    assert not is_useful_elsewhere(f"last-disk/{note.name}", store)
    assert is_useful_elsewhere(f"disk/{disk.name}", store)


def test_a_store_with_the_earlier_disk_and_one_without_give_the_same_appliance(bench: Bench, tmp_path: Path) -> None:
    bench.build()
    edited, made = bench.build(notebook=b'{"cells": []}')
    assert "content disk" in made
    fresh, _ = Bench(Store(tmp_path / "other"), tmp_path / "else").build(notebook=b'{"cells": []}')
    assert edited.path.read_bytes() == fresh.path.read_bytes()


def test_a_fast_appliance_is_another_file_of_the_same_disks(bench: Bench, tmp_path: Path) -> None:
    fast_store = Store(tmp_path / "fast")
    fast = build_appliance(
        (unbootable(fast_store),), SETTINGS, content(fast_store), spec(), fast_store, Journal(), tmp_path / "out2", FAST
    )
    small, _ = bench.build()
    assert fast.digest != small.digest
    assert fast.unpacked == small.unpacked
