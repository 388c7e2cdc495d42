"""Local folders and files."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.sources import intake
from builder.sources.folder import FileSource, FolderSource
from builder.store.objects import Store


@pytest.fixture
def lesson(tmp_path: Path) -> Path:
    folder = tmp_path / "lesson"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    (folder / "sub" / "run").write_text("#!")
    (folder / "sub" / "run").chmod(0o750)
    (folder / "link").symlink_to("sub/run")
    return folder


def paths(folder: Path, store: Store) -> list[str]:
    return [entry.path for entry in FolderSource(folder, "lesson").bring({}, store).entries]


def test_a_folder_is_read_sorted_with_links_and_executables(lesson: Path, store: Store) -> None:
    tree = FolderSource(lesson, "lesson").bring({}, store)
    assert [entry.path for entry in tree.entries] == ["b.txt", "link", "sub/run"]
    assert tree.by_path["sub/run"].executable and tree.by_path["link"].target == "sub/run"


def test_what_tools_leave_behind_is_skipped(lesson: Path, store: Store) -> None:
    before = paths(lesson, store)
    for name in (".git", "__pycache__", ".ipynb_checkpoints", ".venv", "node_modules"):
        (lesson / "sub" / name).mkdir()
        (lesson / "sub" / name / "x").touch()
    (lesson / ".DS_Store").touch()
    assert paths(lesson, store) == before


def test_times_and_write_rights_do_not_change_the_tree(lesson: Path, store: Store) -> None:
    before = FolderSource(lesson, "lesson").bring({}, store)
    os.utime(lesson / "b.txt", (1, 1))
    (lesson / "b.txt").chmod(0o600)
    assert FolderSource(lesson, "lesson").bring({}, store) == before


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "sub/../../secret"])
def test_links_that_leave_the_folder_are_refused(lesson: Path, store: Store, target: str) -> None:
    (lesson / "out").symlink_to(target)
    with pytest.raises(SourceError, match=r"out -> .* leads out of it"):
        paths(lesson, store)


def test_sockets_and_pipes_are_refused(lesson: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lesson)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("talk")
        with pytest.raises(SourceError, match="lesson/talk is a device, socket or pipe"):
            paths(lesson, store)
    (lesson / "talk").unlink()
    os.mkfifo(lesson / "pipe")
    with pytest.raises(SourceError, match="lesson/pipe is a device, socket or pipe"):
        paths(lesson, store)


def test_a_name_that_is_not_utf8_is_refused(lesson: Path, store: Store) -> None:
    (lesson / os.fsdecode(b"\xff")).touch()
    with pytest.raises(SourceError, match="not UTF-8"):
        paths(lesson, store)


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_file_that_changes_while_it_is_read_is_refused(
    lesson: Path, store: Store, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    (lesson / "growing").write_bytes(b"x" * size)

    def then_growth(put: Callable[..., Digest]) -> Callable[..., Digest]:
        def put_and_grow(self: intake._Intake, descriptor: int, name: str, expected: Digest | None) -> Digest:
            digest = put(self, descriptor, name, expected)
            if name.endswith("growing"):
                with (lesson / "growing").open("ab") as file:
                    file.write(b"more")
            return digest

        return put_and_grow

    for put in ("_put_small", "_put_large"):
        monkeypatch.setattr(intake._Intake, put, then_growth(getattr(intake._Intake, put)))
    with pytest.raises(SourceError, match="lesson/growing changed while it was read"):
        paths(lesson, store)


def test_a_missing_folder_and_a_missing_file_are_named(tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError, match="the folder lessons is not there"):
        FolderSource(tmp_path / "lessons", "lessons").resolve()
    with pytest.raises(SourceError, match=r"the file a\.csv is not there"):
        FileSource(tmp_path / "a.csv", "a.csv").bring({}, store)


def test_a_file_with_another_digest_than_its_card_says_is_not_used(lesson: Path, store: Store) -> None:
    wrong = Digest.of(b"else")
    with pytest.raises(IntegrityError, match=f"expected {wrong}, received {Digest.of(b'b')}"):
        FileSource(lesson / "b.txt", "b.txt", wrong).bring({}, store)
    assert not store.has(Digest.of(b"b"))
    assert FileSource(lesson / "b.txt", "b.txt", Digest.of(b"b")).bring({}, store).size == 1
