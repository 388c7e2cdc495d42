"""The listing's numbers, against counting by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.digest import Digest
from builder.store.listing import Count, Share, listing
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, put_tree


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def tree_of(store: Store, contents: list[bytes]) -> Digest:
    blobs = [store.put_bytes(content) for content in contents]
    entries = [Entry(f"{place}", blob.digest, blob.size, place % 2 == 0) for place, blob in enumerate(blobs)]
    return put_tree(Tree.of([*entries, Entry("link", target="0")]), store).digest


@given(trees=st.lists(st.lists(st.binary(max_size=2), min_size=1, max_size=6), max_size=4))
def test_shares_are_as_counted_by_hand(trees: list[list[bytes]], tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    listed = listing(store, [tree_of(store, contents) for contents in trees])
    for number, (contents, share) in enumerate(zip(trees, listed.shares, strict=True)):
        others = {one for place, other in enumerate(trees) if place != number for one in other}
        size = sum(map(len, set(contents)))
        assert share == Share(
            True, len(contents), sum(map(len, contents)), size, sum(map(len, set(contents) & others)), size
        )
    every = [one for contents in trees for one in contents]
    assert listed.saved == sum(map(len, every)) - sum(map(len, set(every)))


def test_objects_records_and_what_is_half_done_are_counted(store: Store) -> None:
    blob = store.put_bytes(b"12345")
    store.put_bytes(b"")
    store.remember("layer", "a", 1)
    store.remember("layer", "b", 1)
    (store.root / "partial").mkdir()
    (store.root / "partial/key").write_bytes(b"123")
    (store.root / "partial/key.lock").touch()
    (store.root / "objects/strange").touch()
    listed = listing(store, [])
    assert (listed.objects, listed.records, listed.foreign) == (Count(2, 5), {"layer": 2}, ("strange",))
    assert listed.others["partial"] == Count(1, 3)
    assert blob.size == 5


def test_a_tree_that_is_not_here_and_files_that_are_missing_are_told(store: Store) -> None:
    tree = tree_of(store, [b"here", b"missing"])
    store.path(Digest.of(b"missing")).unlink()
    absent, present = listing(store, [Digest.of(b"no tree"), tree]).shares
    assert not absent.is_here and (present.bytes, present.here) == (11, 4)
