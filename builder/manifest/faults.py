"""Mistakes in files a user wrote: gathered one by one, told all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from builder.errors import ManifestError


@dataclass(frozen=True)
class Fault:
    """One mistake: file, line (0 when it has none), key (`repos.digits.ref`), and what is wrong."""

    file: str
    line: int
    key: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.text) if part)


def refuse(faults: Sequence[Fault], *, hint: str = "correct this, then run: python3 build.py plan") -> None:
    """Raise one ManifestError that carries every fault; do nothing when there is none."""
    if not faults:
        return
    raise ManifestError("\n".join(dict.fromkeys(map(str, faults))), hint=hint, where=faults[0].where)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known name is near, else `; known are a, b` when there are few, else nothing."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(names)}" if 0 < len(names) <= 20 else ""


def dotted(path: Iterable[str | int]) -> str:
    """`("repos", "digits", "ref")` as `repos.digits.ref`, list positions as `[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
