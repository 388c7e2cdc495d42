"""The store: whole or nothing, whatever happens."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import IntegrityError, StoreError
from builder.store.objects import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def objects(store: Store) -> list[Path]:
    return [path for path in (store.root / "objects").rglob("*") if path.is_file()]


def scratch(store: Store) -> list[Path]:
    return list((store.root / "scratch").iterdir())


@settings(max_examples=50, deadline=None)
@given(chunks=st.lists(st.binary(max_size=100)))
def test_what_is_put_comes_back(chunks: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    blob = store.put(chunks)
    assert store.read(blob.digest) == b"".join(chunks) == b"".join(store.chunks(blob.digest))
    assert blob.size == store.size(blob.digest) == len(b"".join(chunks))
    assert blob.digest == Digest.of(b"".join(chunks))


@pytest.mark.parametrize(
    "put",
    [
        lambda store, path: store.put([path.read_bytes()]),
        lambda store, path: store.put_bytes(path.read_bytes()),
        lambda store, path: store.put_file(path),
        lambda store, path: store.put_file(path, expected=Digest.of(path.read_bytes())),
    ],
)
@pytest.mark.parametrize("size", [0, 10, (1 << 20) + 1])
def test_every_way_in_gives_one_read_only_object(
    put: Callable[[Store, Path], object], size: int, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"x" * size)
    put(store, path)
    put(store, path)
    assert len(objects(store)) == 1
    assert stat.S_IMODE(objects(store)[0].stat().st_mode) == 0o444
    assert path.read_bytes() == b"x" * size and os.access(path, os.W_OK)
    assert scratch(store) == []


@pytest.mark.parametrize("size", [10, (1 << 20) + 1])
def test_bytes_that_do_not_match_are_not_kept(size: int, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"x" * size)
    wrong, right = Digest.of(b"else"), Digest.of(b"x" * size)
    for put in (lambda: store.put([b"x" * size], expected=wrong), lambda: store.put_file(path, expected=wrong)):
        with pytest.raises(IntegrityError, match=f"expected {wrong}, received {right}"):
            put()
    assert objects(store) == [] and scratch(store) == []
    assert path.exists()


def test_a_writer_that_fails_half_way_leaves_nothing(store: Store) -> None:
    def half() -> Iterator[bytes]:
        yield b"first half"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        store.put(half())
    assert objects(store) == [] and scratch(store) == []


def test_a_scratch_file_is_taken_over_and_gone_from_scratch(store: Store) -> None:
    for _ in range(2):
        with store.scratch("test") as folder:
            (folder / "made").write_bytes(b"made")
            assert store.adopt(folder / "made", Digest.of(b"made")).size == 4
            assert not (folder / "made").exists()
    assert len(objects(store)) == 1 and scratch(store) == []


def _write_for_ever(root: Path, told: object) -> None:
    def endless() -> Iterator[bytes]:
        told.set()  # type: ignore[attr-defined]
        while True:
            yield b"x" * 1000

    store = Store(root)
    with store.scratch("folder") as folder:
        (folder / "half").write_text("half")
        store.put(endless())


def test_what_a_killed_build_left_is_swept_and_what_a_living_one_holds_stays(store: Store) -> None:
    fork = multiprocessing.get_context("fork")
    told = fork.Event()
    build = fork.Process(target=_write_for_ever, args=(store.root, told))
    build.start()
    assert told.wait(20)
    with store.shared():
        assert len(scratch(store)) == 2
    build.kill()
    build.join(20)
    assert objects(store) == []
    with store.shared():
        assert scratch(store) == []


def test_two_that_put_the_same_bytes_at_once_both_succeed(store: Store) -> None:
    def inner() -> Iterator[bytes]:
        yield b"same"
        store.put([b"same", b" bytes"])  # the other one ends first
        yield b" bytes"

    blob = store.put(inner())
    assert store.read(blob.digest) == b"same bytes" and len(objects(store)) == 1


def test_what_is_not_there_is_a_store_error(store: Store) -> None:
    for ask in (store.read, store.size):
        with pytest.raises(StoreError, match="is not in the store"):
            ask(Digest.of(b"never put"))


def test_a_record_comes_back_and_a_damaged_one_counts_as_none(store: Store) -> None:
    assert store.recall("layer", "key") is None
    store.remember("layer", "key", {"a": [1, 2]})
    assert store.recall("layer", "key") == {"a": [1, 2]}
    path = store.root / "records" / "layer" / "key"
    path.write_bytes(json.dumps({"a": 1}).encode()[:-2])
    assert store.recall("layer", "key") is None


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made") as caught:
        Store(tmp_path / "file" / "store")
    assert "--store" in caught.value.hint


def test_a_folder_half_filled_is_gone_after_a_failure(store: Store) -> None:
    with pytest.raises(RuntimeError), store.scratch("x") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").touch()
        (folder / "a").chmod(0o500)
        raise RuntimeError
    assert scratch(store) == []


@pytest.mark.parametrize("ending", [b"", b"end"])
def test_a_file_with_holes_takes_no_more_of_the_disk_in_the_store(ending: bytes, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"start")
        file.truncate(64 << 20)
        file.seek(0, os.SEEK_END)
        file.write(ending)
    blob = store.put_file(path)
    assert blob.digest == Digest.of(path.read_bytes()) and blob.size == (64 << 20) + len(ending)
    assert store.read(blob.digest) == path.read_bytes()
    assert store.path(blob.digest).stat().st_blocks * 512 < 4 << 20
