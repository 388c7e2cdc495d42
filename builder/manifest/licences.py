"""Licences as SPDX expressions (SPDX 2.3, annex D): what a profile allows, and all licences of a workshop as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from builder.manifest.fields import matching
from builder.manifest.strict import Strict

LicencePattern = Annotated[
    str, matching(r"[\w.+*?:-]+( WITH [\w.+*?:-]+)?", "is no licence, like MIT, CC-BY-4.0 or LicenseRef-*")
]
_TOKENS = re.compile(r"[()]|[^\s()]+")
_MOST_TOKENS = 200
_WORDS = ("(", ")", "AND", "OR", "WITH")


class Licences(Strict):
    """What a venue may hand out."""

    allow: tuple[LicencePattern, ...] = Field(
        min_length=1, description="Licences that datasets may have; `*` stands for the rest of a name"
    )


def is_allowed(expression: str, allow: Sequence[str]) -> bool:
    """Whether one may have the data under what is allowed: of `A OR B` one, of `A AND B` both.

    What is no expression is taken for one name, so that it can be allowed as it is written.
    """
    tokens = _TOKENS.findall(expression)
    try:
        if len(tokens) > _MOST_TOKENS:
            raise ValueError
        return _Reading(tokens, allow).whole()
    except ValueError:
        return _is_named(expression, allow)


def all_of(expressions: Iterable[str]) -> str:
    """One expression for all of them."""
    different = sorted(set(expressions))
    bracket = len(different) > 1
    return " AND ".join(
        f"({one})" if bracket and re.search(r"\bor\b", one, re.IGNORECASE) else one for one in different
    )


def _is_named(licence: str, allow: Sequence[str]) -> bool:
    return any(fnmatchcase(licence.lower(), pattern.lower()) for pattern in allow)


class _Reading:
    """An expression read from left to right; ValueError where it is none. AND binds closer than OR."""

    def __init__(self, tokens: Sequence[str], allow: Sequence[str]) -> None:
        self._rest: Iterator[str] = iter(tokens)
        self._allow = allow
        self._now = next(self._rest, "")

    def whole(self) -> bool:
        found = self._either()
        if self._now:
            raise ValueError
        return found

    def _either(self) -> bool:
        found = self._both()
        while self._takes("OR"):
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._takes("AND"):
            found = self._one() and found
        return found

    def _one(self) -> bool:
        if self._takes("("):
            found = self._either()
            if not self._takes(")"):
                raise ValueError
            return found
        name = self._name()
        return _is_named(f"{name} WITH {self._name()}" if self._takes("WITH") else name, self._allow)

    def _name(self) -> str:
        name = self._now
        if not name or name.upper() in _WORDS:
            raise ValueError
        self._now = next(self._rest, "")
        return name

    def _takes(self, word: str) -> bool:
        taken = self._now.upper() == word
        if taken:
            self._now = next(self._rest, "")
        return taken
