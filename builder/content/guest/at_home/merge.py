"""Three-way merges: what the attendee and the organisers changed, both kept; where they clash the attendee's stays.

As nbgitpuller does with `git merge -Xours`, without git. Who merges is told whether something clashed, and then keeps
the organisers' file beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from at_home.notebook import is_notebook, merged_notebook


@dataclass(frozen=True)
class Merged:
    """The bytes that hold both sides' changes, and whether some of the organisers' had to be left out."""

    data: bytes
    clashes: bool


def merge(name: str, base: bytes, mine: bytes, theirs: bytes) -> Merged | None:
    """None for what cannot be merged, as pictures."""
    if is_notebook(name):
        return _as_merged(merged_notebook(base, mine, theirs, merged_lines))
    try:
        texts = [data.decode("utf-8") for data in (base, mine, theirs)]
    except UnicodeDecodeError:
        return None
    if any("\0" in text for text in texts):
        return None
    base_lines, mine_lines, their_lines = (text.splitlines(keepends=True) for text in texts)
    lines, clashes = merged_lines(base_lines, mine_lines, their_lines)
    return Merged("".join(lines).encode("utf-8"), clashes)


def _as_merged(found: tuple[bytes, bool] | None) -> Merged | None:
    return None if found is None else Merged(*found)


def merged_lines(base: Sequence[str], mine: Sequence[str], theirs: Sequence[str]) -> tuple[list[str], bool]:
    """Both sides' changes to a sequence; where both changed the same place otherwise, `mine` and True."""
    result: list[str] = []
    clashes = False
    at = mine_at = their_at = 0
    for start, mine_start, their_start, length in _anchors(base, mine, theirs):
        old, own, new = base[at:start], mine[mine_at:mine_start], theirs[their_at:their_start]
        if list(own) == list(old):
            result += new
        else:
            result += own
            clashes = clashes or (list(new) != list(old) and list(new) != list(own))
        result += base[start : start + length]
        at, mine_at, their_at = start + length, mine_start + length, their_start + length
    return result, clashes


def _anchors(base: Sequence[str], mine: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches that all three have, in order: where they start in each, and how long they are; an empty one last."""
    ours = SequenceMatcher(None, base, mine, autojunk=False).get_matching_blocks()
    others = SequenceMatcher(None, base, theirs, autojunk=False).get_matching_blocks()
    first = second = 0
    while first < len(ours) and second < len(others):
        a, b = ours[first], others[second]
        start, end = max(a.a, b.a), min(a.a + a.size, b.a + b.size)
        if start < end:
            yield start, a.b + start - a.a, b.b + start - b.a, end - start
        if a.a + a.size < b.a + b.size:
            first += 1
        else:
            second += 1
    yield len(base), len(mine), len(theirs), 0
