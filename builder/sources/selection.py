"""Which members of an archive or package are taken, and how much of their path is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from builder.errors import SourceError
from builder.sources.links import require_links_inside
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class Selection:
    """Which paths are taken: those that a pattern names after `root` leading parts are off; no pattern takes all.

    `*` and `?` stay within one part of a path, `**` crosses parts, and a pattern that names a folder takes all in it.
    `strip` more leading parts are dropped from what is taken; what has no more parts than that is left out.
    """

    patterns: tuple[str, ...] = ()
    strip: int = 0
    root: int = 0

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(_expression(pattern)) for pattern in self.patterns)

    def _inner(self, path: str) -> str:
        return "/".join(path.split("/")[self.root :])

    def takes(self, path: str) -> bool:
        inner = self._inner(path)
        return not self.patterns or any(expression.fullmatch(inner) for expression in self._expressions)

    def of(self, entries: Iterable[Entry], origin: str) -> Tree:
        """The tree of what is taken. Raises SourceError for a pattern that takes nothing, or when nothing is left."""
        taken = [entry for entry in entries if self.takes(entry.path)]
        for pattern, expression in zip(self.patterns, self._expressions, strict=True):
            if not any(expression.fullmatch(self._inner(entry.path)) for entry in taken):
                raise SourceError(f"no member of {origin} is {pattern}", hint="correct members in the card")
        parts = [(entry, entry.path.split("/")[self.root + self.strip :]) for entry in taken]
        placed = [replace(entry, path="/".join(rest)) for entry, rest in parts if rest]
        if taken and not placed:
            raise SourceError(f"nothing is left of {origin} after strip: {self.strip}", hint="make strip smaller")
        return require_links_inside(Tree.of(placed, origin=origin), origin)

    @property
    def is_one_file(self) -> bool:
        """Whether exactly one member is named, without a wildcard."""
        return len(self.patterns) == 1 and not re.search(r"[*?\[]", self.patterns[0])


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./").rstrip("/"))
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(special.get(part, re.escape(part)) for part in parts) + "(?:/.*)?"


def placed(tree: Tree, to: str | None, *, is_one_file: bool) -> Iterator[Entry]:
    """A tree's entries at `to`: the name of the only file when `is_one_file`, else the folder of all."""
    for entry in tree.entries:
        if to is None:
            yield entry
        elif is_one_file and len(tree.entries) == 1:
            yield replace(entry, path=to)
        else:
            yield replace(entry, path=f"{to}/{entry.path}")


ALL = Selection()
