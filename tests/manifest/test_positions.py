"""YAML with the line of every key, and what is refused before any model sees it."""

from __future__ import annotations

import pytest

from builder.manifest.positions import DEEPEST, read_document


def _told(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return [str(fault) for fault in read_document("m.yaml", data).faults]


def test_every_key_and_item_knows_its_line() -> None:
    document = read_document("m.yaml", b"a: 1\nb:\n  c:\n    - x\n    - y: [1,\n        2]\n")
    assert document.value == {"a": 1, "b": {"c": ["x", {"y": [1, 2]}]}}
    lines = [document.line(path) for path in [("a",), ("b", "c"), ("b", "c", 1, "y"), ("b", "c", 1, "y", 1)]]
    assert lines == [1, 3, 5, 6]


def test_a_path_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    document = read_document("m.yaml", b"a: 1\nb:\n  c: 2\n")
    assert document.line(("b", "missing", "deeper")) == 2


def test_the_text_of_a_scalar_is_kept_as_written() -> None:
    document = read_document("m.yaml", b"version: 3.10\nref: 0123456\n")
    assert document.texts[("version",)] == "3.10"
    assert document.texts[("ref",)] == "0123456"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", "m.yaml:3: a: stands twice; first in line 1"),
        ("x:\n  a: 1\n  a: 3\n", "m.yaml:3: x.a: stands twice; first in line 2"),
        ("no: 1\n", 'm.yaml:1: the key no is read as true or false; put it in quotes: "no"'),
        ("a:\n  12: 1\n", 'm.yaml:2: a: the key 12 is read as a number; put it in quotes: "12"'),
        ("? [a, b]\n: 1\n", "m.yaml:1: has a key that is not text"),
        ("a: &x 1\nb: *x\n", "m.yaml:1: uses an anchor or alias"),
        ("a: !!python/object:os.system 1\n", "m.yaml:1: uses a tag"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2: holds a second document"),
        ('a: "\\x01"\n', "m.yaml:1: a: holds a control character"),
        ('a: "\\ud800"\n', "m.yaml:1: is not valid YAML: found invalid Unicode"),
        ("a: [1, 2\nb: 3\n", "m.yaml:2: is not valid YAML"),
        ("a: 'x\n", "m.yaml:2: is not valid YAML"),
        ("a:\n\t- x\n", "m.yaml:2: is not valid YAML"),
        ("a: \x00\n", "m.yaml: is not valid YAML"),
        (b"a: x\nb: \xff\n", "m.yaml:2: is not UTF-8 text"),
        ("[" * (DEEPEST + 1), f"m.yaml:1: is nested more than {DEEPEST} deep"),
        ("[" * 200_000, f"m.yaml:1: is nested more than {DEEPEST} deep"),
        ("a: '" + "x" * 5_000_000 + "'", "m.yaml: is 5,000,005 bytes long"),
    ],
)
def test_what_no_model_should_meet_is_told_with_its_line(text: str | bytes, told: str) -> None:
    faults = _told(text)
    assert faults and faults[0].startswith(told), faults


def test_a_number_too_long_or_a_day_that_is_none_stays_text() -> None:
    document = read_document("m.yaml", f"a: {'9' * 6000}\nb: 2026-13-45\n".encode())
    assert document.faults == []
    assert document.value == {"a": "9" * 6000, "b": "2026-13-45"}


def test_the_equals_sign_and_the_merge_sign_are_text() -> None:
    assert read_document("m.yaml", b"a: =\nb: <<\n").value == {"a": "=", "b": "<<"}
    assert _told("<<: {a: 1}\n") == ['m.yaml:1: the key << is read as something else than text; put it in quotes: "<<"']


def test_an_empty_file_and_one_of_comments_have_no_value() -> None:
    assert read_document("m.yaml", b"").value is None
    assert read_document("m.yaml", b"# nothing\n").value is None


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter() -> None:
    document = read_document("m.yaml", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.value == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2
