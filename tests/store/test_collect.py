"""Collecting: what is marked stays, what nothing needs goes, and killed half way it is still right."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import IntegrityError
from builder.store.collect import OLD, Heap, Kept, collect
from builder.store.marks import Marks
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, put_tree
from builder.store.verify import verify


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def tree_of(store: Store, *contents: bytes) -> str:
    blobs = [store.put_bytes(content) for content in contents]
    tree = Tree.of(Entry(f"{place}.txt", blob.digest, blob.size) for place, blob in enumerate(blobs))
    return put_tree(tree, store).digest.hex


def kept(store: Store, *digests: str, records: tuple[str, ...] = (), mirrors: tuple[str, ...] | None = ()) -> Kept:
    marks = Marks()
    for digest in digests:
        marks.follow(digest, store)
    return Kept(marks, records, mirrors)


def by_kind(heaps: list[Heap]) -> dict[str, int]:
    return {heap.kind: heap.count for heap in heaps if heap.count}


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=40), st.binary(min_size=32, max_size=32))
def test_marks_are_a_set(raw: set[bytes], other: bytes) -> None:
    marks, digests = Marks(), {one.hex() for one in raw}
    for digest in [*digests, *digests]:
        marks.add(digest)
    assert {f"{n:02x}{rest}" for n in range(256) for rest in marks.on(f"{n:02x}")} == digests
    assert all(digest in marks for digest in digests)
    assert (other.hex() in marks) == (other in raw)


def test_a_mark_that_would_stand_across_two_others_is_not_found() -> None:
    marks, raw = Marks(), bytes(range(32))
    marks.add((b"\0" * 32).hex())
    marks.add((b"\0" * 16 + raw[:16]).hex())
    assert (b"\0" * 32).hex() in marks and (b"\0" * 31 + b"\1").hex() not in marks


def test_a_tree_keeps_its_files_and_the_rest_goes(store: Store) -> None:
    tree, _ = tree_of(store, b"one", b"two"), tree_of(store, b"two", b"three")
    dry = collect(store, kept(store, tree), delete=False)
    assert by_kind(dry) == {"objects": 2}
    assert len(list((store.root / "objects").rglob("*/*"))) == 5, "a dry run removes nothing"
    done = collect(store, kept(store, tree), delete=True)
    assert [(heap.count, heap.bytes) for heap in done] == [(heap.count, heap.bytes) for heap in dry]
    left = {path.read_bytes() for path in (store.root / "objects").rglob("*/*")}
    assert {b"one", b"two"} < left and len(left) == 3
    assert by_kind(collect(store, kept(store, tree), delete=True)) == {}


def test_a_record_goes_with_what_it_names_unless_that_is_kept_anyway(store: Store) -> None:
    tree, layer = tree_of(store, b"file"), store.put_bytes(b"layer").digest.hex
    store.remember("unpacked", "0" * 64, tree)
    store.remember("layer", "1" * 64, {"digest": layer, "diff_id": "f" * 64})
    store.remember("layer", "2" * 64, {"digest": "e" * 64})
    assert by_kind(collect(store, kept(store, tree), delete=True)) == {"records": 2, "objects": 1}
    assert store.recall("unpacked", "0" * 64) == tree
    assert store.recall("layer", "1" * 64) is None and store.recall("layer", "2" * 64) is None


def test_a_record_that_is_asked_for_stays(store: Store) -> None:
    store.remember("weight", "0" * 64, {"oci": 5})
    assert by_kind(collect(store, kept(store, records=(f"weight/{'0' * 64}",)), delete=True)) == {}


def test_a_damaged_tree_stops_it_before_its_files_are_lost(store: Store) -> None:
    tree = tree_of(store, b"one", b"two")
    path = store.path(Digest(tree))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(IntegrityError, match="which files it has is not known"):
        kept(store, tree)


def test_half_done_work_that_nobody_goes_on_with_goes(store: Store) -> None:
    made = (
        "partial/young", "partial/old", "partial/old.lock", "damaged/x", "scratch/1-alive", "scratch/push-young",
        "scratch/push-old", "git/a/HEAD", "git/b/HEAD", "git/b.lock", "records/layer/.half.1-2",
    )  # fmt: skip
    for name in made:
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).write_text("x")
    (store.root / "scratch/4194999-gone").mkdir()  # above the largest process id
    for name in ("partial/old", "partial/old.lock", "scratch/push-old"):
        os.utime(store.root / name, (time.time() - OLD - 60,) * 2)
    assert by_kind(collect(store, kept(store, mirrors=("a",)), delete=True)) == {
        "mirrors": 2, "partial downloads": 2, "scratch": 2, "damaged objects": 1, "half-written records": 1,
    }  # fmt: skip
    left = {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}
    assert left == {"partial/young", "scratch/1-alive", "scratch/push-young", "git/a/HEAD"} | {
        name for name in left if "unsynced" in name
    }


def test_a_download_one_file_of_which_is_young_is_left_alone(store: Store) -> None:
    (store.root / "partial").mkdir()
    for name in ("key", "key.validator"):
        (store.root / "partial" / name).write_text("x")
    os.utime(store.root / "partial/key.validator", (0, 0))
    assert by_kind(collect(store, kept(store), delete=True)) == {}


def test_without_knowing_the_mirrors_none_goes(store: Store) -> None:
    (store.root / "git/a").mkdir(parents=True)
    assert by_kind(collect(store, kept(store, mirrors=None), delete=True)) == {}


def test_what_is_not_ours_is_left_alone(store: Store) -> None:
    (store.root / "objects/README").write_text("mine")
    (store.root / "objects/ab").mkdir()
    (store.root / "objects/ab/notes").write_text("mine")
    assert by_kind(collect(store, kept(store), delete=True)) == {}
    assert (store.root / "objects/README").exists() and (store.root / "objects/ab/notes").exists()


def _collect_slowly(root: Path, tree: str, told: object) -> None:
    store = Store(root)
    stays = kept(store, tree)
    told.set()  # type: ignore[attr-defined]
    collect(store, stays, delete=True)


@pytest.mark.parametrize("delay", [0, 0.002, 0.005, 0.01, 0.02, 0.04])
def test_killed_half_way_it_leaves_a_store_that_is_right(delay: float, store: Store) -> None:
    tree = tree_of(store, b"one", b"two")
    for number in range(400):
        garbage = store.put_bytes(b"garbage %d" % number)
        store.remember("layer", f"{number:064x}", {"digest": garbage.digest.hex})
    fork = multiprocessing.get_context("fork")
    told = fork.Event()
    child = fork.Process(target=_collect_slowly, args=(store.root, tree, told))
    child.start()
    assert told.wait(20)
    time.sleep(delay)
    child.kill()
    child.join(20)
    assert verify(store).damaged == ()
    for path in (store.root / "records/layer").iterdir():
        record = store.recall("layer", path.name)
        assert record is not None and store.has(Digest(record["digest"])), "a record never outlives its object"
    collect(store, kept(store, tree), delete=True)
    assert len(list((store.root / "objects").rglob("*/*"))) == 3
