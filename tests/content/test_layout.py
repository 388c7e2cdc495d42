"""Data links: where they point, and where they must not be placed."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.content.layout import Content, link_data, places_of
from builder.digest import Digest
from builder.errors import ManifestError
from builder.store.trees import Entry, Tree

CONTENT = Digest.of(b"content")
names = st.text("abcdefgh-_.0123456789", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))


def tree(*paths: str) -> Tree:
    return Tree.of(Entry(path, CONTENT, 7) for path in paths)


@given(st.lists(names, min_size=1, max_size=5))
def test_a_data_link_resolves_to_its_dataset_however_deep_it_stands(parts: list[str]) -> None:
    linked = link_data("digits", Tree(()), {"/".join(parts): "clothes"})
    entry = linked.entries[0]
    folder = posixpath.dirname(f"/srv/workshop/repos/digits/{entry.path}")
    assert posixpath.normpath(posixpath.join(folder, entry.target or "")) == "/srv/workshop/data/clothes"


@pytest.mark.parametrize(
    ("paths", "link", "says"),
    [
        (("data/clothes/a.csv",), "data/clothes", "the repo has data/clothes/a.csv there"),
        (("data",), "data", "the repo has data there"),
        (("data",), "data/clothes", "data is a file"),
    ],
)
def test_a_data_link_does_not_take_the_place_of_a_file(paths: tuple[str, ...], link: str, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        link_data("digits", tree(*paths), {link: "clothes"})


def test_a_data_link_does_not_leave_the_repo_through_a_link_of_the_repo() -> None:
    outward = Tree.of([Entry("data", target="../../elsewhere")])
    with pytest.raises(ManifestError, match="would leave the repo"):
        link_data("digits", outward, {"data/clothes": "clothes"})


def test_a_dataset_shared_by_two_repos_stands_once() -> None:
    repos = {name: link_data(name, tree("a.ipynb"), {"data/c": "clothes"}) for name in ("one", "two")}
    places = places_of(Content(repos, {"clothes": tree("train.gz")}, b"page"))
    assert [path for path in places if path.endswith("train.gz")] == ["data/clothes/train.gz"]
    assert places["repos/one/data/c"] == places["repos/two/data/c"] == "../../../data/clothes"
