"""Trees: sorted, inside their folder, and the same bytes for the same entries."""

from __future__ import annotations

import random
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import SourceError, StoreError
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, get_tree, put_tree, require_inside

NAMES = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\\\0"), min_size=1, max_size=8
).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
DIGESTS = st.binary(max_size=4).map(Digest.of)
ENTRIES = st.builds(Entry, PATHS, DIGESTS, st.integers(0, 100), st.booleans())


def without_conflicts(entries: list[Entry]) -> list[Entry]:
    paths = {entry.path for entry in entries}
    parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    return [entry for entry in {entry.path: entry for entry in entries}.values() if entry.path not in parents]


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=12).map(without_conflicts), st.randoms(use_true_random=False))
def test_the_order_entries_come_in_does_not_matter(entries: list[Entry], order: random.Random) -> None:
    shuffled = entries.copy()
    order.shuffle(shuffled)
    tree = Tree.of(entries)
    assert tree == Tree.of(shuffled)
    assert tree.digest == Tree.of(shuffled).digest
    assert [entry.path for entry in tree.entries] == sorted(entry.path for entry in entries)


@settings(deadline=None)  # it writes to a disk that others use too
@given(entries=st.lists(ENTRIES, max_size=8).map(without_conflicts), target=st.text(min_size=1, max_size=5))
def test_a_tree_comes_back_from_the_store_as_it_was(
    entries: list[Entry], target: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    links = (
        [Entry("zz-link", target=target)] if target.isprintable() and all(e.path != "zz-link" for e in entries) else []
    )
    links = [] if any(entry.path.startswith("zz-link/") for entry in entries) else links
    tree = Tree.of([*entries, *links])
    blob = put_tree(tree, store)
    assert blob.digest == tree.digest
    assert get_tree(tree.digest, store) == tree


@settings(deadline=None)
@given(PATHS)
def test_plain_paths_are_accepted(path: str) -> None:
    require_inside(path, "here")


@given(
    PATHS,
    st.sampled_from(["/{}", "../{}", "{}/..", "./{}", "{}/", "a//{}", "{}\0", "a\\{}", "{}/../x", "", "{}\udcff"]),
)
def test_paths_that_leave_or_are_not_normal_are_refused(path: str, spoiled: str) -> None:
    with pytest.raises(SourceError):
        require_inside(spoiled.format(path), "here")


def test_a_path_twice_or_a_file_that_is_also_a_folder_is_refused() -> None:
    one = Digest.of(b"1")
    with pytest.raises(SourceError, match="a stands twice in here"):
        Tree.of([Entry("a", one), Entry("a", one, 1)])
    for parent in (Entry("a", one), Entry("a", target="b")):
        with pytest.raises(SourceError, match="a is both a file and a folder"):
            Tree.of([parent, Entry("a/b/c", one)])


def test_what_the_store_has_not_is_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    there, gone = store.put_bytes(b"there"), Digest.of(b"gone")
    tree = Tree.of([Entry("a", there.digest, 5), Entry("b", gone, 4), Entry("c", target="a")])
    assert [entry.path for entry in tree.missing(store)] == ["b"]
    assert tree.size == 9
    with pytest.raises(StoreError):
        get_tree(tree.digest, store)
