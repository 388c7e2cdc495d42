"""`workshop` at home: what an update does to each kind of file, and that every edit is still there afterwards."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_server import served
from taken_home import TakenHome, edition

from builder.content.settings import AT_HOME

GUEST = Path(__file__).parents[2] / "builder/content/guest"
TEXT = b"one\ntwo\nthree\nfour\nfive\n"
MINE = TEXT.replace(b"one", b"mine")
THEIRS = TEXT.replace(b"five", b"theirs")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[TakenHome]:
    with served() as site:
        yield TakenHome(tmp_path / "guest", site)


def notebook(*sources: str, outputs: str = "", ids: bool = True) -> bytes:
    cells: list[dict[str, Any]] = []
    for number, source in enumerate(sources):
        out = [{"output_type": "stream", "name": "stdout", "text": [outputs]}] if outputs else []
        cell: dict[str, Any] = {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": out}
        cells.append({**cell, "execution_count": 1 if outputs else None, "metadata": {}})
        if ids:
            cells[-1]["id"] = f"cell-{source[:1]}{number}"
    return json.dumps({"nbformat": 4, "nbformat_minor": 5 if ids else 4, "metadata": {}, "cells": cells}).encode()


def sources(data: bytes) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(data)["cells"]]


def aside(home: TakenHome, pattern: str) -> bytes:
    (found,) = [data for place, data in home.files().items() if re.fullmatch(pattern, place)]
    assert isinstance(found, bytes)
    return found


def test_the_modules_are_all_listed_and_are_python_3_9_of_the_standard_library() -> None:
    assert sorted(AT_HOME) == sorted(path.name for path in (GUEST / "at_home").glob("*.py"))
    for path in (GUEST / "workshop", *(GUEST / "at_home").glob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(), feature_version=(3, 9))))
        imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        imported |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        assert {name.split(".")[0] for name in imported} <= {"at_home", *sys.stdlib_module_names}, path
        assert "__future__" in imported or path.name in ("workshop", "__init__.py"), path


def test_what_nobody_edited_is_replaced_and_comes_by_its_digest(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT, "b.py": b"b", "run.sh": b"go"}})
    home.publish({"lab": {"a.py": THEIRS, "b.py": b"b", "run.sh": b"went", "new/c.py": b"c"}})
    said = home.run("update")
    assert "repos/lab: now version 2" in said
    assert home.files() == {
        "repos/lab/a.py": THEIRS, "repos/lab/b.py": b"b", "repos/lab/new/c.py": b"c", "repos/lab/run.sh": b"went",
    }  # fmt: skip
    assert os.access(home.root / "repos/lab/run.sh", os.X_OK)
    assert (home.root / "repos/lab/a.py").stat().st_mode & 0o777 == 0o664
    b = hashlib.sha256(b"b").hexdigest()
    assert f"/objects/{b[:2]}/{b[2:]}" not in home.asked_for()
    assert "everything is the newest" in home.run("update")


def test_what_the_organisers_did_not_touch_stays_as_the_attendee_has_it(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT, "b.py": b"b"}})
    home.put("repos/lab/a.py", MINE)
    home.put("repos/lab/own/notes.txt", b"own")
    home.publish({"lab": {"a.py": TEXT, "b.py": b"newer"}})
    home.run("update")
    assert home.files() == {"repos/lab/a.py": MINE, "repos/lab/b.py": b"newer", "repos/lab/own/notes.txt": b"own"}


def test_changes_of_both_in_one_text_are_both_there(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.put("repos/lab/a.py", MINE)
    home.publish({"lab": {"a.py": THEIRS}})
    assert "merged" in home.run("update")
    assert home.files() == {"repos/lab/a.py": b"mine\ntwo\nthree\nfour\ntheirs\n"}


def test_where_both_changed_the_same_line_mine_stays_and_the_new_file_stands_beside(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.put("repos/lab/a.py", MINE)
    new = THEIRS.replace(b"one", b"other")
    home.publish({"lab": {"a.py": new}})
    assert "yours stays, the new one is a__2.py" in home.run("update")
    assert home.files() == {"repos/lab/a.py": b"mine\ntwo\nthree\nfour\ntheirs\n", "repos/lab/a__2.py": new}


def test_what_is_no_text_is_not_merged(home: TakenHome) -> None:
    home.install({"lab": {"a.png": b"\x89old"}})
    home.put("repos/lab/a.png", b"\x89mine")
    home.publish({"lab": {"a.png": b"\x89new"}})
    home.run("update")
    assert home.files() == {"repos/lab/a.png": b"\x89mine", "repos/lab/a__2.png": b"\x89new"}


def test_without_the_original_nothing_is_merged_and_both_stand_there(home: TakenHome) -> None:
    home.install({"lab": {"a.dat": TEXT}})  # of a kind that is not kept, and no longer published either
    home.put("repos/lab/a.dat", MINE)
    home.publish({"lab": {"a.dat": THEIRS}})
    home.run("update")
    assert home.files() == {"repos/lab/a.dat": MINE, "repos/lab/a__2.dat": THEIRS}


@pytest.mark.parametrize("ids", [True, False])
def test_notebooks_are_merged_cell_by_cell(home: TakenHome, ids: bool) -> None:
    home.install({"lab": {"a.ipynb": notebook("a = 1", "b = 2", "c = 3", ids=ids)}})
    mine = json.loads(notebook("a = 1", "b = 20  # mine", "c = 3", outputs="ran", ids=ids))
    notes = {"cell_type": "markdown", "metadata": {}, "source": ["my notes"]}
    mine["cells"].append({**notes, "id": "m"} if ids else notes)
    home.put("repos/lab/a.ipynb", json.dumps(mine).encode())
    home.publish({"lab": {"a.ipynb": notebook("a = 100", "b = 2", "c = 3", ids=ids)}})
    assert "merged" in home.run("update")
    merged = home.read("repos/lab/a.ipynb")
    assert sources(merged) == ["a = 100", "b = 20  # mine", "c = 3", "my notes"]
    cells = json.loads(merged)["cells"]
    assert cells[1]["outputs"] and cells[2]["outputs"] and not cells[0]["outputs"]
    assert len(home.files()) == 1


def test_a_cell_that_both_changed_is_mine_and_the_new_notebook_stands_beside(home: TakenHome) -> None:
    home.install({"lab": {"a.ipynb": notebook("a = 1", "b = 2")}})
    home.put("repos/lab/a.ipynb", notebook("a = 10", "b = 2"))
    new = notebook("a = 100", "b = 2", "c = 3")
    home.publish({"lab": {"a.ipynb": new}})
    home.run("update")
    assert sources(home.read("repos/lab/a.ipynb")) == ["a = 10", "b = 2", "c = 3"]
    assert home.read("repos/lab/a__2.ipynb") == new


BROKEN = (b"", b"{", b"[]", b'{"cells": 1, "nbformat": 4}', b'{"nbformat": 3, "worksheets": []}')


@pytest.mark.parametrize("broken", BROKEN)
def test_a_notebook_that_cannot_be_read_stays_with_the_new_one_beside(home: TakenHome, broken: bytes) -> None:
    home.install({"lab": {"a.ipynb": notebook("a")}})
    home.put("repos/lab/a.ipynb", broken)
    home.publish({"lab": {"a.ipynb": notebook("a", "b")}})
    home.run("update")
    assert home.files() == {"repos/lab/a.ipynb": broken, "repos/lab/a__2.ipynb": notebook("a", "b")}


def test_what_was_removed_goes_unless_it_was_edited(home: TakenHome) -> None:
    home.install({"lab": {"old/a.py": TEXT, "old/deep/b.py": b"b", "c.py": b"c"}})
    home.put("repos/lab/c.py", b"mine")
    home.publish({"lab": {"d.py": b"d"}})
    assert "repos/lab/c.py is no longer part of the workshop; yours stays" in home.run("update")
    assert home.files() == {"repos/lab/c.py": b"mine", "repos/lab/d.py": b"d"}
    assert not (home.root / "repos/lab/old").exists()


def test_what_the_attendee_deleted_comes_back(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT, "b.py": b"b"}})
    (home.root / "repos/lab/a.py").unlink()
    assert "lab/a.py: deleted" in home.run("status", "--from", home.site.url)
    home.publish({"lab": {"a.py": TEXT, "b.py": b"newer"}})
    home.run("update")
    assert home.read("repos/lab/a.py") == TEXT


def test_a_file_of_the_attendee_s_own_moves_aside_for_a_new_one(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.put("repos/lab/Untitled.ipynb", b"mine")
    home.put("repos/lab/same.py", b"same")
    home.put("repos/lab/folder", b"a file")
    home.put("repos/lab/file/inside.txt", b"a folder")
    home.publish({"lab": {"a.py": TEXT, "Untitled.ipynb": b"new", "same.py": b"same", "folder/x": b"x", "file": b"f"}})
    home.run("update")
    assert home.read("repos/lab/Untitled.ipynb") == b"new" and home.read("repos/lab/folder/x") == b"x"
    assert home.read("repos/lab/file") == b"f"
    assert aside(home, r"repos/lab/Untitled__\d{8}-\d{6}\.ipynb") == b"mine"
    assert aside(home, r"repos/lab/folder__\d{8}-\d{6}") == b"a file"
    assert aside(home, r"repos/lab/file__\d{8}-\d{6}/inside\.txt") == b"a folder"
    assert not [place for place in home.files() if "same__" in place]


def test_a_folder_becomes_a_file_and_a_file_a_folder(home: TakenHome) -> None:
    home.install({"lab": {"a/x.py": b"x", "b": b"b"}})
    home.publish({"lab": {"a": b"a", "b/y.py": b"y"}})
    home.run("update")
    assert home.files() == {"repos/lab/a": b"a", "repos/lab/b/y.py": b"y"}


def test_nothing_is_written_through_a_link_the_attendee_made(home: TakenHome, tmp_path: Path) -> None:
    home.install({"lab": {"sub/a.py": TEXT}})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.py").write_bytes(b"not yours")
    (home.root / "repos/lab/sub").rename(tmp_path / "moved")
    (home.root / "repos/lab/sub").symlink_to(tmp_path / "elsewhere")
    home.publish({"lab": {"sub/a.py": THEIRS}})
    home.run("update")
    assert (tmp_path / "elsewhere/a.py").read_bytes() == b"not yours"
    assert home.read("repos/lab/sub/a.py") == THEIRS and not (home.root / "repos/lab/sub").is_symlink()


def test_data_links_follow_unless_the_attendee_changed_them(home: TakenHome) -> None:
    links: dict[str, bytes | str] = {"data": "../../data/words", "more": "../../data/words"}
    home.install({"lab": links}, {"words": {"w.txt": b"w"}})
    (home.root / "repos/lab/more").unlink()
    home.put("repos/lab/more", "../../data/own")
    home.publish({"lab": {"data": "../../data/new", "more": "../../data/new"}}, {"words": {"w.txt": b"w"}})
    assert "leads elsewhere now" in home.run("update")
    assert home.files()["repos/lab/data"] == "../../data/new" and home.files()["repos/lab/more"] == "../../data/own"


def test_a_file_that_only_moved_is_not_fetched(home: TakenHome) -> None:
    large, data = b"large" * 1000, {"d": {"d.bin": b"data" * 1000}}
    home.install({"lab": {"a.bin": large, "b.py": b"b"}}, data)
    home.publish({"lab": {"moved/a.bin": large, "d.bin": b"data" * 1000, "b.py": b"b"}}, data)
    assert "0 bytes fetched" in home.run("update")
    assert home.asked_for() == ["/workshop.json"]
    assert home.read("repos/lab/moved/a.bin") == b"large" * 1000 and home.read("repos/lab/d.bin") == b"data" * 1000


def test_only_the_repos_that_are_named_are_updated_and_new_ones_come_when_named(home: TakenHome) -> None:
    home.install({"lab": {"a.py": b"a"}, "talk": {"t.md": b"t"}})
    home.publish({"lab": {"a.py": b"A"}, "talk": {"t.md": b"T"}, "extra": {"e.py": b"e"}})
    home.run("update", "lab")
    assert home.files() == {"repos/lab/a.py": b"A", "repos/talk/t.md": b"t"}
    assert "repos/extra: new; workshop update extra brings it" in home.run("update")
    assert home.read("repos/talk/t.md") == b"T" and not (home.root / "repos/extra").exists()
    home.run("update", "extra")
    assert home.read("repos/extra/e.py") == b"e"
    assert "there is no repo 'nothing'" in home.refused("update", "nothing")


def test_who_may_write_to_the_data_gets_newer_data(home: TakenHome) -> None:
    home.install({"lab": {"a.py": b"a"}}, {"words": {"w.txt": b"w"}})
    home.publish({"lab": {"a.py": b"a"}}, {"words": {"w.txt": b"more"}})
    assert "data/words: now version 2" in home.run("update")
    assert home.read("data/words/w.txt") == b"more"
    assert (home.root / "data/words/w.txt").stat().st_mode & 0o777 == 0o444


@pytest.fixture
def attendee_s() -> Iterator[TakenHome]:
    """A home whose data is root's, and whose repos and calls are an ordinary user's."""
    if os.geteuid() != 0:
        pytest.skip("only root can make what an ordinary user may not write to")
    with tempfile.TemporaryDirectory() as folder, served() as site:
        Path(folder).chmod(0o755)
        home = TakenHome(Path(folder), site, user=1000)
        home.install({"lab": {"a.py": b"a"}, "talk": {"t.md": b"t"}}, {"words": {"w.txt": b"w"}})
        for path in (home.root / "repos", *(home.root / "repos").rglob("*")):
            os.chown(path, 1000, 100)
        yield home


def test_newer_data_comes_with_a_new_image_where_it_is_not_ours(attendee_s: TakenHome) -> None:
    attendee_s.publish({"lab": {"a.py": b"A"}, "talk": {"t.md": b"t"}}, {"words": {"w.txt": b"more"}})
    assert "data/words: newer: version 2, 1 change, 4 bytes to fetch; comes with a new image" in attendee_s.run(
        "status"
    )
    assert "data/words: there is newer data, which comes with a new image" in attendee_s.run("update")
    assert attendee_s.read("data/words/w.txt") == b"w" and attendee_s.read("repos/lab/a.py") == b"A"
    assert "data/words: newer" in attendee_s.run("status"), "it still is"


def test_what_may_not_be_written_is_named_and_the_same_command_goes_on(attendee_s: TakenHome) -> None:
    attendee_s.publish({"lab": {"new/a.py": b"a"}, "talk": {"t.md": b"T"}}, {"words": {"w.txt": b"w"}})
    (attendee_s.root / "repos/lab").chmod(0o555)
    said = attendee_s.refused("update")
    assert "repos/lab" in said and "Permission denied" in said
    (attendee_s.root / "repos/lab").chmod(0o755)
    assert "what was cut short is done now" in attendee_s.run("update")
    found = {place: data for place, data in attendee_s.files().items() if place.startswith("repos")}
    assert found == {"repos/lab/new/a.py": b"a", "repos/talk/t.md": b"T"}


def test_status_says_what_is_here_what_was_edited_and_what_is_newer(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT, "b.py": b"b"}, "talk": {"t.md": b"t"}})
    home.put("repos/lab/a.py", MINE)
    home.publish({"lab": {"a.py": TEXT, "b.py": b"n" * 5000}, "talk": {"t.md": b"t"}})
    before = home.files()
    assert home.run("status").splitlines() == [
        "Demo, version 1", "repos/lab: newer: version 2, 1 change, 5 kB to fetch", "  lab/a.py: edited",
        "repos/talk: the newest",
    ]  # fmt: skip
    assert home.files() == before


def names(files: Iterable[str]) -> set[str]:
    """Paths without the times in them."""
    return {re.sub(r"__[\d-]+", "", place) for place in files}


def test_undo_goes_back_and_forth(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT, "b.py": b"b", "c.bin": b"\x80c", "gone.py": b"gone", "own.py": b"o"}})
    home.put("repos/lab/a.py", MINE)
    home.put("repos/lab/new.py", b"my own")
    before = home.files()
    home.publish({"lab": {"a.py": THEIRS, "b.py": b"B", "c.bin": b"\x80C", "new.py": b"new", "own.py": b"o"}})
    home.run("update")
    after = home.files()
    assert "back to before the last update" in home.run("undo")
    assert home.files() == before and "version 1" in home.run("status")
    home.run("undo")
    assert home.files() == after
    home.run("undo")
    home.run("reset", "lab")
    assert home.read("repos/lab/a.py") == TEXT and aside(home, r"repos/lab/a__\d{8}-\d{6}\.py") == MINE
    home.run("undo")
    home.run("update")
    assert names(home.files()) == names(after)


def test_undo_keeps_what_was_edited_since(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.publish({"lab": {"a.py": THEIRS, "b.py": b"b"}})
    home.run("update")
    home.put("repos/lab/a.py", b"edited since")
    home.put("repos/lab/b.py", b"this too")
    home.run("undo")
    assert home.read("repos/lab/a.py") == TEXT
    assert aside(home, r"repos/lab/a__\d{8}-\d{6}\.py") == b"edited since"
    assert aside(home, r"repos/lab/b__\d{8}-\d{6}\.py") == b"this too"


def test_reset_brings_originals_without_a_network_and_keeps_edits_beside(home: TakenHome) -> None:
    home.install({"lab": {"a.ipynb": TEXT, "b.py": b"b"}, "talk": {"t.md": b"t"}})
    home.put("repos/lab/a.ipynb", MINE)
    (home.root / "repos/lab/b.py").unlink()
    home.put("repos/lab/notes.txt", b"own")
    home.put("repos/talk/t.md", b"edited")
    home.run("reset", "lab")
    assert home.read("repos/lab/a.ipynb") == TEXT and home.read("repos/lab/b.py") == b"b"
    assert aside(home, r"repos/lab/a__\d{8}-\d{6}\.ipynb") == MINE
    assert home.read("repos/lab/notes.txt") == b"own" and home.read("repos/talk/t.md") == b"edited"
    assert home.site.requests == []
    home.run("undo")
    assert home.read("repos/lab/a.ipynb") == MINE and not (home.root / "repos/lab/b.py").exists()
    assert "there is no repo 'x'" in home.refused("reset", "x")


def test_reset_fetches_what_is_not_kept_or_says_what_it_cannot_bring(home: TakenHome) -> None:
    home.install({"lab": {"a.bin": b"\x80original"}})
    home.publish({"lab": {"a.bin": b"\x80original"}}, version="1")
    home.put("repos/lab/a.bin", b"mine")
    files, home.site.files = home.site.files, {}
    assert "404" in home.refused("reset", "lab")
    assert home.files() == {"repos/lab/a.bin": b"mine"}
    home.site.files = files
    home.run("reset", "lab")
    assert home.read("repos/lab/a.bin") == b"\x80original"


def test_a_second_update_merges_from_what_the_first_brought(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.put("repos/lab/a.py", MINE)
    home.publish({"lab": {"a.py": THEIRS}})
    home.run("update")
    home.publish({"lab": {"a.py": THEIRS.replace(b"three", b"THREE")}}, version="3")
    home.run("update")
    assert home.files() == {"repos/lab/a.py": b"mine\ntwo\nTHREE\nfour\ntheirs\n"}


def test_only_what_undo_and_reset_need_is_kept(home: TakenHome) -> None:
    home.install({"lab": {"a.bin": b"\x80" * 2_000_000}})
    home.publish({"lab": {"a.bin": b"\x81" * 2_000_000}})
    home.run("update")
    home.publish({"lab": {"a.bin": b"\x82" * 2_000_000}}, version="3")
    home.run("update")
    kept = [path for path in (home.root / "repos/.workshop/objects").rglob("*") if path.is_file()]
    assert [path.read_bytes()[:1] for path in kept] == [b"\x81"]


BAD = {
    "a path that leaves": {"path": "../x", "sha256": "0" * 64, "size": 1},
    "an absolute path": {"path": "/etc/x", "sha256": "0" * 64, "size": 1},
    "a link that leaves": {"path": "x", "target": "../../../../etc"},
    "an absolute link": {"path": "x", "target": "/etc"},
    "no digest": {"path": "x", "sha256": "../../x", "size": 1},
    "no size": {"path": "x", "sha256": "0" * 64},
    "a size below nothing": {"path": "x", "sha256": "0" * 64, "size": -1},
    "a path with a zero": {"path": "x\0y", "sha256": "0" * 64, "size": 1},
}


@pytest.mark.parametrize("entry", BAD.values(), ids=BAD)
def test_a_published_list_that_leads_out_is_refused(home: TakenHome, entry: dict[str, Any]) -> None:
    home.install({"lab": {"a.py": TEXT}})
    raw = edition("2", {"lab": {"a.py": THEIRS}})
    raw["repos"]["lab"]["tree"].append(entry)
    home.site.files["/workshop.json"] = json.dumps(raw).encode()
    assert "nothing was changed" in home.refused("update")
    assert home.files() == {"repos/lab/a.py": TEXT}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html>welcome to the hotel</html>", "is no list of a workshop's files"),
        (b"[]", "is no list of a workshop's files"),
        (json.dumps({**edition("2", {}), "format": 9}).encode(), "format 9"),
        (json.dumps({**edition("2", {}), "workshop": "other"}).encode(), "of the workshop 'other'"),
        (json.dumps({**edition("2", {}), "repos": {"../x": {"tree": []}}}).encode(), "is no list"),
        (json.dumps({**edition("2/../3", {})}).encode(), "is no list"),
        (json.dumps(edition("2", {"lab": {"a": "../../data/x", "a/b": b"b"}})).encode(), "is no list"),
        (b"[" * 100_000, "is no list"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_this_workshop_is_refused(home: TakenHome, data: bytes, said: str) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.site.files["/workshop.json"] = data
    assert said in home.refused("update")
    assert home.files() == {"repos/lab/a.py": TEXT}


def test_without_an_address_update_says_so_and_status_still_tells_edits(home: TakenHome) -> None:
    home.site.url = ""
    home.install({"lab": {"a.py": TEXT}})
    home.put("repos/lab/a.py", MINE)
    assert "not published anywhere" in home.refused("update")
    assert "lab/a.py: edited" in home.run("status")
    assert "no address" in home.refused("update", "--from", "/tmp")


def test_offline_everything_stays_and_status_says_what_it_can(home: TakenHome) -> None:
    home.site.url = "http://127.0.0.1:9"
    home.install({"lab": {"a.py": TEXT}})
    assert "try again when you are online" in home.refused("update")
    assert "cannot be reached" in home.run("status")


def test_nothing_published_yet_is_said_with_the_server_s_number(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    assert "404" in home.refused("update")


def test_wrong_bytes_are_not_used(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT}})
    home.publish({"lab": {"a.py": THEIRS}})
    home.site.faults = ["", "bit", "bit"]
    assert "its sha256 is another" in home.refused("update")
    assert home.files() == {"repos/lab/a.py": TEXT}
    home.run("update")
    assert home.read("repos/lab/a.py") == THEIRS


def test_a_cut_download_is_gone_on_with(home: TakenHome) -> None:
    big = os.urandom(3_000_000)
    home.install({"lab": {"a.bin": b"\x80"}})
    home.publish({"lab": {"a.bin": big}})
    home.site.faults = ["", "cut:1000000", "cut:1000000"]
    home.run("update")
    assert home.read("repos/lab/a.bin") == big
    assert [asked for _, asked in home.site.requests[-2:]] == ["bytes=1000000-", "bytes=2000000-"]


def test_a_server_without_ranges_or_with_another_part_is_no_harm(home: TakenHome) -> None:
    big = os.urandom(500_000)
    home.install({"lab": {"a.bin": b"\x80"}})
    home.publish({"lab": {"a.bin": big}})
    home.site.faults = ["", "cut:100000", "wrong-offset", "no-range"]
    home.run("update")
    assert home.read("repos/lab/a.bin") == big


def test_a_file_that_is_gone_from_the_server_leaves_everything_as_it_was(home: TakenHome) -> None:
    home.install({"lab": {"a.py": TEXT, "b.py": b"b"}})
    home.publish({"lab": {"a.py": THEIRS, "b.py": b"B"}})
    digest = hashlib.sha256(b"B").hexdigest()
    del home.site.files[f"/objects/{digest[:2]}/{digest[2:]}"]
    assert "404" in home.refused("update")
    assert home.files() == {"repos/lab/a.py": TEXT, "repos/lab/b.py": b"b"}


def test_two_at_once_are_kept_apart(home: TakenHome) -> None:
    home.install({"lab": {"a.bin": b"\x80"}})
    home.publish({"lab": {"a.bin": b"\x81" * 100_000}})
    home.site.faults = ["", "stall"]
    first = home.start("update")
    assert home.site.reached.wait(30)
    assert "another `workshop` is at work" in home.refused("update")
    home.site.released.set()
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, out + err
    assert home.read("repos/lab/a.bin") == b"\x81" * 100_000


def test_killed_at_any_moment_nothing_is_lost_and_the_next_goes_on(home: TakenHome) -> None:
    def many(word: bytes) -> dict[str, bytes | str]:
        return {f"f{number}/{number}.py": TEXT.replace(b"five", b"%s %d" % (word, number)) for number in range(150)}

    home.install({"lab": {**many(b"old"), "gone.py": b"gone"}})
    edited = {f"repos/lab/f{number}/{number}.py": number for number in range(0, 150, 3)}
    for place, number in edited.items():
        home.put(place, TEXT.replace(b"one", b"mine").replace(b"five", b"old %d" % number))
    home.put("repos/lab/new.py", b"my own")
    home.publish({"lab": {**many(b"new"), "new.py": b"new"}})
    journal = home.root / "repos/.workshop/journal.json"
    cut = midway = 0
    for attempt in range(400):
        running = home.start("update")
        while attempt % 2 and running.poll() is None and not journal.exists():
            time.sleep(0.001)
        time.sleep(0.005 * attempt)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        cut += running.returncode == -signal.SIGKILL
        midway += journal.exists()
        for place in edited:
            found = home.read(place)
            assert found.startswith(b"mine\n") and (b"old" in found or b"new" in found)
        if running.returncode == 0:
            break
    assert cut > 5 and midway
    home.run("update")
    for number in range(150):
        first = b"mine" if number % 3 == 0 else b"one"
        assert home.read(f"repos/lab/f{number}/{number}.py") == first + b"\ntwo\nthree\nfour\nnew %d\n" % number
    assert home.read("repos/lab/new.py") == b"new" and not (home.root / "repos/lab/gone.py").exists()
    assert aside(home, r"repos/lab/new__\d{8}-\d{6}\.py") == b"my own"
    assert not [place for place in home.files() if place.endswith(".workshop-new") or "__2." in place]
    home.run("undo")
    assert home.read("repos/lab/new.py") == b"my own" and home.read("repos/lab/gone.py") == b"gone"
