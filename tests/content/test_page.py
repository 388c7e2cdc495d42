"""The landing page: what stands on it, where its links lead, and that it asks nothing of the network."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.content.page import is_address, page_of, render, size_text
from builder.content.views import DatasetView, Link, RepoView, WorkshopView, notebooks_of, pages_of
from builder.manifest import load
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

REPOS = (
    RepoView(
        "digits", "Digits & clothes", "By hand.",
        notebooks=(Link("lab/01 first.ipynb", "Hello <numbers>"),), pages=(Link("demo.html", "The demo"),),
        links={"data/clothes": "clothes"},
    ),
)  # fmt: skip
DATASETS = (
    DatasetView(
        "clothes", "Clothes", "MIT", "Ten kinds.", "Cite me", "https://example.org/c", 30_900_000, 4, ("digits",)
    ),
)
WORKSHOP = WorkshopView("Deep learning", "2026.11", "All of it.", ("Ask.", "https://example.org/help"))


class Links(HTMLParser):
    """Every element's attributes, and the text of the page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def anchors(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == "a"]


def put(store: Store, files: dict[str, bytes]) -> Tree:
    return Tree.of(Entry(path, store.put_bytes(data).digest, len(data)) for path, data in files.items())


def notebook(*texts: str) -> bytes:
    return json.dumps({"cells": [{"cell_type": "markdown", "source": [text]} for text in texts]}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_notebook_opens_in_jupyterlab_and_knows_its_file() -> None:
    anchors = Links(render(WORKSHOP, REPOS, DATASETS)).anchors
    assert {
        "href": "../lab/tree/repos/digits/lab/01%20first.ipynb",
        "data-file": "repos/digits/lab/01%20first.ipynb",
    } in anchors
    assert {"href": "../lab/tree/data/clothes", "data-file": "data/clothes"} in anchors
    assert {"href": "repos/digits/demo.html"} in anchors


def test_without_jupyter_nothing_leads_there() -> None:
    page = render(WORKSHOP, REPOS, DATASETS, jupyter=False)
    assert b"../lab" not in page
    assert {"href": "repos/digits/lab/01%20first.ipynb"} in Links(page).anchors


def test_the_page_says_licence_citation_size_users_and_help() -> None:
    text = Links(render(WORKSHOP, REPOS, DATASETS)).text
    for said in (
        "Licence: MIT",
        "Cite me",
        "4 files, 30.9 MB",
        "Ten kinds.",
        "Ask.",
        "version 2026.11",
        "Digits & clothes",
    ):
        assert said in text


def test_what_organisers_wrote_is_text_and_never_markup() -> None:
    page = render(WorkshopView("<script>alert(1)</script>"), REPOS, ())
    assert b"<script>alert" not in page
    assert "Hello <numbers>" in Links(page).text


def test_the_page_loads_nothing_from_anywhere() -> None:
    for tag, attributes in Links(render(WORKSHOP, REPOS, DATASETS)).found:
        assert "src" not in attributes
        assert tag != "link" or attributes["href"] == "data:,"


@pytest.mark.parametrize("line", ["javascript:alert(1)", "data:text/html,x", "see https://example.org"])
def test_help_that_is_no_web_or_mail_address_is_not_a_link(line: str) -> None:
    assert not is_address(line)
    page = Links(render(WorkshopView("T", help=(line,)), (), ()))
    assert line in page.text
    assert all(anchor["href"] != line for anchor in page.anchors)


def test_the_same_views_give_the_same_bytes() -> None:
    assert render(WORKSHOP, REPOS, DATASETS) == render(WORKSHOP, REPOS, DATASETS)


@given(st.text())
def test_any_title_makes_a_page_in_utf_8(title: str) -> None:
    assert render(WorkshopView(title.encode(errors="ignore").decode()), (), ()).startswith(b"<!DOCTYPE html>")


def test_a_notebook_is_called_by_its_first_heading(store: Store) -> None:
    tree = put(store, {"02.ipynb": notebook("text\n# Second #1 \nmore"), "01-a_b.ipynb": notebook("## no title")})
    assert notebooks_of(tree, store) == (Link("01-a_b.ipynb", "01 a b"), Link("02.ipynb", "Second #1"))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b'{"cells": [{}]}', b'{"cells": 3}', b"[" * 100_000])
def test_a_broken_notebook_is_called_by_its_file(store: Store, data: bytes) -> None:
    assert notebooks_of(put(store, {"lab/my-own.ipynb": data}), store) == (Link("lab/my-own.ipynb", "my own"),)


def test_checkpoints_and_hidden_folders_are_not_shown(store: Store) -> None:
    tree = put(store, {".ipynb_checkpoints/a.ipynb": notebook("# A"), ".x.html": b"", ".hidden/b.html": b""})
    assert notebooks_of(tree, store) == ()
    assert pages_of(tree, store, ["**/*.html"]) == ()


def test_pages_are_those_at_the_top_unless_the_repo_names_others(store: Store) -> None:
    tree = put(store, {
        "index.html": b"<html><title>\n Talk &amp; tea </title>",
        "deep/er/index.html": b"no title", "a.txt": b"", "deep/b.html": b"",
    })  # fmt: skip
    assert pages_of(tree, store) == (Link("index.html", "Talk & tea"),)
    assert pages_of(tree, store, []) == ()
    assert [page.path for page in pages_of(tree, store, ["deep/*.html"])] == ["deep/b.html"]
    assert [page.path for page in pages_of(tree, store, ["**/*.html"])] == [
        "deep/b.html",
        "deep/er/index.html",
        "index.html",
    ]
    assert pages_of(tree, store, ["deep/*/*.html"]) == (Link("deep/er/index.html", "er"),)


def test_the_page_shows_repos_in_the_manifests_order_and_only_the_chosen(tmp_path: Path, store: Store) -> None:
    (tmp_path / "manifest.yaml").write_text(
        "workshop: w\nbase: {debian: bookworm}\n"
        "repos:\n  zebra: {path: z}\n  ant: {path: a, title: The ant}\n  bee: {path: b}\n"
        "profiles: {default: {without: [bee]}}\n"
    )
    choice = load(tmp_path / "manifest.yaml").choose()
    page = page_of(choice, {name: Tree(()) for name in choice.repos}, {}, store).decode()
    assert page.index('id="zebra"') < page.index('id="ant"')
    assert "The ant" in page
    assert 'id="bee"' not in page


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (4_420_000_000, "4.42 GB")]
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


def test_the_page_says_which_libraries_find_a_dataset_by_themselves() -> None:
    known = replace(DATASETS[0], libraries=("Keras", "NLTK"))
    assert "Found without a path by Keras, NLTK" in Links(render(WORKSHOP, REPOS, [known])).text
    assert "Found without" not in Links(render(WORKSHOP, REPOS, DATASETS)).text
