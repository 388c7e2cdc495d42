"""Files are read again only when they may have changed; nothing that changed is ever missed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.digest import Digest
from builder.errors import IntegrityError
from builder.sources import intake
from builder.sources.folder import FileSource, FolderSource
from builder.store.objects import Store
from builder.store.trees import Tree

LONG_AGO = 1_500_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files whose bytes were read."""
    names: list[str] = []
    read = intake._Intake._read

    def told(self: intake._Intake, file: object, state: object, name: str, expected: object) -> Digest:
        names.append(name)
        return read(self, file, state, name, expected)  # type: ignore[arg-type]

    monkeypatch.setattr(intake._Intake, "_read", told)
    return names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files; no file counts as too young to be known."""
    monkeypatch.setattr("builder.sources.seen.STEP", -(10**12))
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"a" * 10)
    (folder / "inner" / "big.bin").write_bytes(b"b" * (2 << 20))
    return folder


def taken(folder: Path, store: Store) -> Tree:
    return FolderSource(folder, "f").bring({}, store)


def test_a_second_look_reads_nothing_and_gives_the_same_tree(folder: Path, store: Store, reads: list[str]) -> None:
    first = taken(folder, store)
    assert sorted(reads) == ["f/a.csv", "f/inner/big.bin"]
    reads.clear()
    assert taken(folder, store) == first and reads == []
    assert taken(folder, Store(store.root)) == first and reads == []


def test_a_changed_file_of_the_same_size_is_read_again(folder: Path, store: Store, reads: list[str]) -> None:
    taken(folder, store)
    reads.clear()
    (folder / "a.csv").write_bytes(b"z" * 10)
    assert taken(folder, store).by_path["a.csv"].digest == Digest.of(b"z" * 10)
    assert reads == ["f/a.csv"]


def test_a_file_whose_time_was_set_back_is_read_again(folder: Path, store: Store, reads: list[str]) -> None:
    os.utime(folder / "a.csv", (LONG_AGO, LONG_AGO))
    taken(folder, store)
    (folder / "a.csv").write_bytes(b"z" * 10)
    os.utime(folder / "a.csv", (LONG_AGO, LONG_AGO))
    assert taken(folder, store).by_path["a.csv"].digest == Digest.of(b"z" * 10)


def test_another_file_renamed_into_the_place_is_read_again(folder: Path, store: Store) -> None:
    taken(folder, store)
    other = folder.parent / "other"
    other.write_bytes(b"z" * 10)
    other.rename(folder / "a.csv")
    assert taken(folder, store).by_path["a.csv"].digest == Digest.of(b"z" * 10)


def test_a_file_as_young_as_the_look_is_read_again(tmp_path: Path, store: Store, reads: list[str]) -> None:
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "a").write_bytes(b"a")
    taken(tmp_path / "young", store)
    taken(tmp_path / "young", store)
    assert reads == ["f/a", "f/a"]


def test_a_file_whose_object_is_gone_is_read_again(folder: Path, store: Store, reads: list[str]) -> None:
    tree = taken(folder, store)
    reads.clear()
    digest = tree.by_path["a.csv"].digest
    assert digest is not None
    store.path(digest).unlink()
    assert taken(folder, store) == tree and reads == ["f/a.csv"] and store.has(digest)


def test_a_forgetful_store_reads_everything(folder: Path, store: Store, reads: list[str]) -> None:
    taken(folder, store)
    reads.clear()
    taken(folder, Store(store.root, is_forgetful=True))
    assert len(reads) == 2


def test_equal_files_are_stored_once(folder: Path, store: Store) -> None:
    (folder / "copy.bin").write_bytes((folder / "inner" / "big.bin").read_bytes())
    taken(folder, store)
    assert sum(1 for path in (store.root / "objects").rglob("*") if path.is_file()) == 2


def test_a_known_single_file_is_still_held_against_its_digest(folder: Path, store: Store, reads: list[str]) -> None:
    file = folder / "a.csv"
    FileSource(file, "a.csv").bring({}, store)
    reads.clear()
    with pytest.raises(IntegrityError, match="not the expected file"):
        FileSource(file, "a.csv", Digest.of(b"else")).bring({}, store)
    assert reads == []
