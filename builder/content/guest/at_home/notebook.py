"""Notebooks merged cell by cell: edited cells stay, new and corrected ones come, outputs are nobody's edit.

Cells are told apart by their ids (nbformat 4.5), else by what they hold. The file is written as Jupyter writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

Cell = dict[str, Any]
Lines = Callable[[Sequence[str], Sequence[str], Sequence[str]], tuple[list[str], bool]]
RESULTS = ("outputs", "execution_count")
IDS_SINCE = 5
"""The minor version of nbformat 4 in which every cell has an id."""


def is_notebook(name: str) -> bool:
    return name.endswith(".ipynb")


def merged_notebook(base: bytes, mine: bytes, theirs: bytes, lines: Lines) -> tuple[bytes, bool] | None:
    """The merged notebook, and whether something clashed; None when one of them is no notebook of the same format."""
    try:
        books = [json.loads(data) for data in (base, mine, theirs)]
        if len({book["nbformat"] for book in books}) != 1:
            return None
        old, own, new = (_by_id(cells) for cells in _identified([book["cells"] for book in books]))
        cells, clashes = _merged_cells(old, own, new, lines)
        fields = _merged_fields(*books)
        book = {**fields, "cells": _with_ids(cells) if fields["nbformat_minor"] >= IDS_SINCE else cells}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    text = json.dumps(book, indent=1, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode("utf-8", "surrogatepass"), clashes


def _identified(books: list[list[Cell]]) -> list[list[tuple[str, Cell]]]:
    """Every cell with an id: its own where all have one, else that of the first book's cell that it descends from."""
    ids = [[cell.get("id") for cell in cells] for cells in books]
    if all(None not in own and len(set(own)) == len(own) for own in ids):
        return [[(cell["id"], cell) for cell in cells] for cells in books]
    base = [(str(number), cell) for number, cell in enumerate(books[0])]
    return [base, *(_descended(books[0], cells) for cells in books[1:])]


def _descended(base: list[Cell], cells: list[Cell]) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = []
    before, after = [json.dumps(_content(cell)) for cell in base], [json.dumps(_content(cell)) for cell in cells]
    for kind, start, end, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for step, cell in enumerate(cells[first:last]):
            paired = kind in ("equal", "replace") and start + step < end
            paired = paired and base[start + step]["cell_type"] == cell["cell_type"]
            known = sum(own.startswith("new ") for own, _ in found)
            name = str(start + step) if paired else f"new {known} {after[first + step]}"
            found.append((name, cell))
    return found


def _by_id(cells: list[tuple[str, Cell]]) -> dict[str, Cell]:
    return dict(cells)


def _merged_cells(
    old: dict[str, Cell], own: dict[str, Cell], new: dict[str, Cell], lines: Lines
) -> tuple[list[Cell], bool]:
    found, clashes = [], False
    for name in _order(list(old), list(own), list(new)):
        cell, clash = _merged_cell(old.get(name), own.get(name), new.get(name), lines)
        clashes = clashes or clash
        found += [cell] if cell is not None else []
    return found, clashes


def _order(old: list[str], own: list[str], new: list[str]) -> list[str]:
    """The attendee's order, with each cell that only the organisers have after the one it follows with them."""
    order = list(own)
    for place, name in enumerate(new):
        if name not in order:
            before = [other for other in new[:place] if other in order]
            order.insert(order.index(before[-1]) + 1 if before else 0, name)
    return order


def _merged_cell(old: Cell | None, own: Cell | None, new: Cell | None, lines: Lines) -> tuple[Cell | None, bool]:
    """One cell of the three; None where it is gone. Clashes where one side's change is not in what comes out."""
    if own is None:
        return (new, False) if old is None else (None, new is not None and _content(new) != _content(old))
    if new is None:
        is_gone = old is not None and _content(own) == _content(old)
        return (None, False) if is_gone else (own, False)
    if _content(own) == _content(new):
        return own, False
    if old is not None and _content(own) == _content(old):
        return new, False
    if old is not None and _content(new) == _content(old):
        return own, False
    source, clashes = lines(_source(old or {}), _source(own), _source(new))
    rest_clashes = old is None or _rest(new) not in (_rest(old), _rest(own))
    kept = own if old is None or _rest(own) != _rest(old) else {**new, **_results(own)}
    return {**kept, "source": source}, clashes or rest_clashes


def _with_ids(cells: list[Cell]) -> list[Cell]:
    """Each cell with an id that no other has; those that have one keep it."""
    found: list[Cell] = []
    taken: set[str] = set()
    for number, cell in enumerate(cells):
        own = cell.get("id")
        text = json.dumps([number, _content(cell)])
        name = own if own and own not in taken else hashlib.sha256(text.encode()).hexdigest()[:12]
        taken.add(name)
        found.append({**cell, "id": name})
    return found


def _source(cell: Cell) -> list[str]:
    source = cell.get("source", "")
    return "".join(source).splitlines(keepends=True)


def _content(cell: Cell) -> list[Any]:
    return [_source(cell), _rest(cell)]


def _rest(cell: Cell) -> dict[str, Any]:
    """What is said in a cell beside its text: its kind, attachments, tags; not what running it leaves."""
    tags = cell.get("metadata", {}).get("tags", [])
    return {"kind": cell["cell_type"], "attachments": cell.get("attachments", {}), "tags": tags}


def _results(cell: Cell) -> Cell:
    return {key: cell[key] for key in RESULTS if key in cell}


def _merged_fields(old: dict[str, Any], own: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    metadata = {**new.get("metadata", {}), **own.get("metadata", {})}
    for key, value in new.get("metadata", {}).items():
        if own.get("metadata", {}).get(key) == old.get("metadata", {}).get(key):
            metadata[key] = value
    minor = max(own["nbformat_minor"], new["nbformat_minor"])
    return {"nbformat": own["nbformat"], "nbformat_minor": minor, "metadata": metadata}
