"""Parts of `workshop` at home that no call reaches at will: laws of merging, edits in the midst of an update."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from faulty_server import served
from hypothesis import given
from hypothesis import strategies as st
from taken_home import TakenHome

sys.path.insert(0, str(Path(__file__).parents[2] / "builder/content/guest"))

from at_home import journal, web  # type: ignore[import-not-found]
from at_home.changes import ASIDE, PLACE, REMOVE, Step  # type: ignore[import-not-found]
from at_home.home import Home, keep  # type: ignore[import-not-found]
from at_home.merge import merge, merged_lines  # type: ignore[import-not-found]


def test_nothing_is_taken_from_where_it_could_be_changed_on_the_way() -> None:
    follow = web._Redirects().redirect_request
    request = urllib.request.Request("https://example.org/workshop.json")
    with pytest.raises(urllib.error.URLError, match="not encrypted"):
        follow(request, None, 302, "", HTTPMessage(), "http://example.org/workshop.json")
    assert follow(request, None, 302, "", HTTPMessage(), "https://elsewhere.example/w").full_url.startswith("https://e")


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "e\n"]), max_size=12)


@given(LINES, LINES, LINES)
def test_merging_has_the_laws_of_merging(base: list[str], mine: list[str], theirs: list[str]) -> None:
    assert merged_lines(base, base, theirs) == (theirs, False)
    assert merged_lines(base, mine, base) == (mine, False)
    assert merged_lines(base, mine, mine) == (mine, False)
    lines, clashes = merged_lines(base, mine, theirs)
    other, other_clashes = merged_lines(base, theirs, mine)
    assert clashes == other_clashes
    assert clashes or lines == other


@given(LINES, LINES, LINES)
def test_a_line_that_only_the_attendee_has_is_in_what_comes_out(
    base: list[str], mine: list[str], theirs: list[str]
) -> None:
    own = [f"mine {line}" for line in mine]
    mixed = [line for pair in zip(base, own, strict=False) for line in pair] + own[len(base) :]
    lines, _ = merged_lines(base, mixed, theirs)
    assert [line for line in lines if line.startswith("mine")] == [line for line in mixed if line.startswith("mine")]


def book(cells: list[tuple[str, str]], ids: bool) -> bytes:
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source,
         **({"id": name} if ids else {})}
        for name, source in cells
    ]  # fmt: skip
    return json.dumps({"nbformat": 4, "nbformat_minor": 5 if ids else 4, "metadata": {}, "cells": made}).encode()


CELLS = st.lists(st.tuples(st.sampled_from("pqrstu"), st.sampled_from(["x", "y\nz", ""])), max_size=6)
UNIQUE = CELLS.map(lambda cells: list(dict(cells).items()))


@given(UNIQUE, UNIQUE, UNIQUE, st.booleans())
def test_notebooks_keep_every_cell_of_the_attendee_s(
    base: list[tuple[str, str]], mine: list[tuple[str, str]], theirs: list[tuple[str, str]], ids: bool
) -> None:
    own = [*mine, ("own", "only mine")]
    found = merge("a.ipynb", book(base, ids), book(own, ids), book(theirs, ids))
    assert found is not None
    cells = json.loads(found.data)["cells"]
    assert "only mine" in ["".join(cell["source"]) for cell in cells]
    if ids:
        assert len({cell["id"] for cell in cells}) == len(cells)
        kept = {cell["id"]: "".join(cell["source"]) for cell in cells}
        for name, source in own:
            untouched = dict(base).get(name) == source
            assert untouched or kept[name] == source or dict(theirs).get(name) not in (None, dict(base).get(name))
    assert merge("a.ipynb", book(base, ids), book(own, ids), book(own, ids)).clashes is False


@pytest.fixture
def home(tmp_path: Path) -> Iterator[TakenHome]:
    with served() as site:
        yield TakenHome(tmp_path / "guest", site)


def begun(home: TakenHome, *steps: Step) -> Home:
    """An update that was killed after it was written down."""
    inside = Home(home.root)
    raw = json.loads((inside.state / "edition.json").read_bytes())
    journal.begin(inside, journal.Task("update", steps, raw, {**raw, "version": "2"}))
    return inside


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_saved_between_deciding_and_doing_stays(home: TakenHome) -> None:
    home.install({"lab": {"a.py": b"a", "b.py": b"b", "c.py": b"c"}})
    inside = Home(home.root)
    new = keep(inside, b"new")
    begun(
        home,
        Step(REMOVE, "repos/lab/b.py", sha(b"b")),
        Step(ASIDE, "repos/lab/c.py", to="repos/lab/c__1.py"),
        Step(PLACE, "repos/lab/a.py", sha(b"a"), new, to="repos/lab/a__2.py"),
        Step(PLACE, "repos/lab/d.py", None, new, to="repos/lab/d__2.py"),
    )
    for place in ("a", "b", "d"):
        home.put(f"repos/lab/{place}.py", b"saved just now")
    (home.root / "repos/lab/c.py").unlink()
    home.publish({"lab": {}}, version="1")
    assert "cut short" in home.run("status")
    said = home.refused("update", "nothing")
    assert "there is no repo" in said
    assert home.files() == {
        "repos/lab/a.py": b"saved just now", "repos/lab/a__2.py": b"new", "repos/lab/b.py": b"saved just now",
        "repos/lab/d.py": b"saved just now", "repos/lab/d__2.py": b"new",
    }  # fmt: skip


def test_an_edit_saved_in_the_very_moment_of_replacing_is_found_again(home: TakenHome) -> None:
    home.install({"lab": {"a.py": b"a"}})
    inside = begun(home, Step(PLACE, "repos/lab/a.py", sha(b"a"), keep(Home(home.root), b"new")))
    (inside.state / "held").mkdir()
    (inside.state / "held/0").write_bytes(b"saved into the old file")  # killed after it was replaced
    home.put("repos/lab/a.py", b"new")
    home.refused("update")
    assert b"saved into the old file" in home.files().values() and home.read("repos/lab/a.py") == b"new"


def test_a_step_killed_between_holding_and_replacing_is_done_again(home: TakenHome) -> None:
    home.install({"lab": {"a.py": b"a"}})
    inside = begun(home, Step(PLACE, "repos/lab/a.py", sha(b"a"), keep(Home(home.root), b"new")))
    (inside.state / "held").mkdir()
    os.link(home.root / "repos/lab/a.py", inside.state / "held/0")
    home.put("repos/lab/.a.py.workshop-new", b"ne")
    home.refused("update")
    assert home.files() == {"repos/lab/a.py": b"new"}
    home.run("undo")
    assert home.files() == {"repos/lab/a.py": b"a"}


def test_what_was_done_before_a_kill_may_be_edited_since(home: TakenHome) -> None:
    home.install({"lab": {"a.py": b"a"}})
    inside = Home(home.root)
    begun(home, Step(PLACE, "repos/lab/a.py", sha(b"a"), keep(inside, b"new"), to="repos/lab/a__2.py"))
    (inside.state / journal._done_name((inside.state / "journal.json").read_bytes())).write_bytes(b".")
    home.put("repos/lab/a.py", b"new, edited")
    home.refused("update")
    assert home.files() == {"repos/lab/a.py": b"new, edited"}


def test_a_full_disk_is_said_before_anything_changes(home: TakenHome, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=30m", "none", home.prefix], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk needs the right to mount one")
    try:
        home = TakenHome(home.prefix, home.site)
        home.install({"lab": {"a.bin": b"\x80"}})
        home.publish({"lab": {"a.bin": os.urandom(12_000_000)}})
        assert "too little room" in home.refused("update")
        assert home.files() == {"repos/lab/a.bin": b"\x80"}
        home.publish({"lab": {"a.bin": b"\x81" * 4_000_000}})
        home.run("update")
        inside = Home(home.root)
        digest = keep(inside, b"\x82" * 4_000_000)
        steps = [Step(PLACE, f"repos/lab/{number}.bin", None, digest) for number in range(9)]
        begun(home, *steps)
        assert "no space left" in home.refused("update")
        for path in (home.root / "repos/lab").glob("?.bin"):
            assert path.stat().st_size == 4_000_000
    finally:
        subprocess.run(["umount", home.prefix], check=True)
