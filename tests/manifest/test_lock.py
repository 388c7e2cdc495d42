"""The lock: written whole, read strictly, compared for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import LockError
from builder.manifest import Lock, Pin, changes, read_lock, write_lock

A, B = Digest("a" * 64), Digest("b" * 64)


def _pin(tree: Digest = A, **resolved: str) -> Pin:
    return Pin(kind="git", inputs="k", resolved=resolved, tree=tree, files=2, bytes=30)


LOCK = Lock(base={"debian": "bookworm"}, repos={"digits": _pin(commit="c" * 40)}, datasets={"words": _pin(B)})


def test_a_lock_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_lock(tmp_path / "manifest.lock", LOCK)
    assert read_lock(tmp_path / "manifest.lock") == LOCK


def test_a_lock_s_text_is_sorted_indented_and_ends_with_a_line_end() -> None:
    text = LOCK.text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert json.loads(text)["repos"]["digits"]["tree"] == f"sha256:{'a' * 64}"


@given(st.permutations(["a", "b", "c", "d"]))
def test_equal_locks_have_equal_text_whatever_the_order(names: list[str]) -> None:
    lock = Lock(repos={name: _pin(**{other: other for other in names}) for name in names})
    ordered = sorted(names)
    assert lock.text() == Lock(repos={name: _pin(**{one: one for one in ordered}) for name in ordered}).text()


def test_no_lock_is_none(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "manifest.lock") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("<<<<<<< HEAD\n{}", "not JSON"),
        ("[]", "the whole:"),
        ('{"lock": 2}', "its format is 2, this release reads 1"),
        ('{"lock": 1, "more": 1}', "more:"),
        ('{"lock": 1, "repos": {"a": {"kind": "git"}}}', "repos.a."),
        (LOCK.text().replace("sha256:aaa", "sha256:xyz"), "repos.digits.tree: "),
        (LOCK.text().replace('"bytes": 30', '"bytes": -1'), "bytes: "),
        ("[" * 100_000, "not JSON"),
        ("\udcff", "not JSON"),
    ],
)
def test_what_is_no_lock_is_told_with_what_to_do(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.lock"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(LockError, match=r"manifest\.lock is no lock: ") as caught:
        read_lock(path)
    assert told in caught.value.message and "\n" not in caught.value.message
    assert caught.value.hint == "remove it, then run: python3 build.py lock"


def test_a_failed_write_leaves_the_old_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.lock"
    write_lock(path, LOCK)
    monkeypatch.setattr("os.replace", _cut)
    with pytest.raises(KeyboardInterrupt):
        write_lock(path, Lock())
    assert read_lock(path) == LOCK
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.lock"]


def _cut(*_: object) -> None:
    raise KeyboardInterrupt


def test_changes_are_told_a_line_each() -> None:
    new = Lock(
        base={"debian": "trixie"},
        repos={"digits": _pin(B, commit="d" * 40), "more": _pin()},
        datasets={},
    )
    assert changes(LOCK, new) == [
        "base: debian bookworm → trixie",
        f"repos.digits: commit {'c' * 12} → {'d' * 12}",
        "repos.more: new",
        "datasets.words: gone",
    ]


def test_changed_files_without_another_version_are_told_by_their_digest() -> None:
    assert changes(Lock(repos={"a": _pin(A)}), Lock(repos={"a": _pin(B)})) == [
        f"repos.a: files {'a' * 12} → {'b' * 12}"
    ]


def test_equal_locks_have_no_changes_and_a_first_lock_is_all_new() -> None:
    assert changes(LOCK, LOCK) == []
    assert changes(None, LOCK) == ["base: debian none → bookworm", "repos.digits: new", "datasets.words: new"]
