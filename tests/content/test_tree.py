"""The local tree: complete, sharing the store's bytes, and never in the way of someone's edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.content.layout import Content, link_data
from builder.content.tree import lay_out
from builder.errors import OutputError
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def content(store: Store, notebook: bytes = b"{}", extra: bool = False) -> Content:
    book, data, page = store.put_bytes(notebook), store.put_bytes(b"pixels"), store.put_bytes(b"<html>")
    entries = [Entry("one.ipynb", book.digest, book.size), Entry("run.sh", book.digest, book.size, executable=True)]
    if extra:
        entries.append(Entry("extra.txt", book.digest, book.size))
    repo = link_data("digits", Tree.of(entries), {"data/clothes": "clothes"})
    clothes = Tree.of([Entry("train.gz", data.digest, data.size)])
    return Content({"digits": repo}, {"clothes": clothes}, store.read(page.digest))


def test_a_notebook_reads_its_data_through_the_link(store: Store, tmp_path: Path) -> None:
    lay_out(content(store), tmp_path / "tree", store)
    repo = tmp_path / "tree/repos/digits"
    assert (repo / "data/clothes/train.gz").read_bytes() == b"pixels"
    assert (repo / "data/clothes").is_symlink()
    assert (repo / "run.sh").stat().st_mode & 0o111
    assert (tmp_path / "tree/index.html").read_bytes() == b"<html>"


def test_data_is_read_only_and_repos_are_not(store: Store, tmp_path: Path) -> None:
    lay_out(content(store), tmp_path / "tree", store)
    assert not (tmp_path / "tree/data/clothes/train.gz").stat().st_mode & 0o222
    assert (tmp_path / "tree/repos/digits/one.ipynb").stat().st_mode & 0o200


def test_laying_out_twice_writes_nothing_the_second_time(store: Store, tmp_path: Path) -> None:
    first = lay_out(content(store), tmp_path / "tree", store)
    second = lay_out(content(store), tmp_path / "tree", store)
    assert first.written and not second.written and not second.edited


def test_a_newer_notebook_arrives_and_a_dropped_file_goes(store: Store, tmp_path: Path) -> None:
    lay_out(content(store, extra=True), tmp_path / "tree", store)
    placed = lay_out(content(store, b'{"new": 1}'), tmp_path / "tree", store)
    assert (tmp_path / "tree/repos/digits/one.ipynb").read_bytes() == b'{"new": 1}'
    assert placed.removed == ("repos/digits/extra.txt",)
    assert not (tmp_path / "tree/repos/digits/extra.txt").exists()


def test_an_edited_notebook_is_left_alone(store: Store, tmp_path: Path) -> None:
    lay_out(content(store), tmp_path / "tree", store)
    mine = tmp_path / "tree/repos/digits/one.ipynb"
    mine.write_bytes(b"my own answer")
    placed = lay_out(content(store, b'{"new": 1}'), tmp_path / "tree", store)
    assert mine.read_bytes() == b"my own answer"
    assert placed.edited == ("repos/digits/one.ipynb",)


def test_editing_a_notebook_does_not_change_the_store(store: Store, tmp_path: Path) -> None:
    made = content(store)
    lay_out(made, tmp_path / "tree", store)
    with (tmp_path / "tree/repos/digits/one.ipynb").open("r+b") as file:
        file.write(b"XX")
    entry = made.repos["digits"].by_path["one.ipynb"]
    assert entry.digest is not None
    assert store.read(entry.digest) == b"{}"


def test_a_folder_with_other_things_in_it_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="did not write"):
        lay_out(content(store), tmp_path / "home", store)


def test_nothing_is_written_through_a_link_put_in_the_way(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    lay_out(Content({}, {}, content(store).page), tmp_path / "tree", store)
    (tmp_path / "tree/repos").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="symbolic link"):
        lay_out(content(store), tmp_path / "tree", store)
    assert not list((tmp_path / "elsewhere").iterdir())
