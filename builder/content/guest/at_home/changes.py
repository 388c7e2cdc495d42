"""What an update does to each file, decided before anything is touched; the rules are nbgitpuller's.

| the organisers | the attendee | what comes of it |
|---|---|---|
| changed it | did not | theirs |
| changed it | changed other lines or cells | both |
| changed it | changed the same, or it is no text | the attendee's stays; theirs stands beside, as `name__VERSION.ext` |
| did not | changed it | the attendee's |
| removed it | did not change it | gone |
| removed it | changed it | the attendee's |
| have it | removed it | theirs again |
| added it | has something of that name | theirs; the attendee's moves aside, to `name__20261123-101500.ext` |
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from at_home.edition import Area, Entry
from at_home.home import FOLDER, Home, Mark, is_digest, mark_of
from at_home.merge import Merged, merge

REMOVE, ASIDE, PLACE = "remove", "aside", "place"
LARGEST_MERGE = 8 << 20
"""Bytes; larger texts are kept as they are, with theirs beside."""


@dataclass(frozen=True)
class Step:
    """One change of one place, to be done once however often it is begun.

    `before` and `after` are marks; `to` is where what stands there goes, or where new bytes go when it was changed
    since this was decided.
    """

    do: str
    place: str
    before: Mark = None
    after: Mark = None
    executable: bool = False
    to: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Changes:
    """The steps, in the order in which they can be done, and what the attendee is told."""

    removed: list[Step] = field(default_factory=list)
    aside: list[Step] = field(default_factory=list)
    placed: list[Step] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        return [*self.removed, *self.aside, *self.placed]

    def needed(self) -> set[str]:
        """The digests of all bytes that are put somewhere."""
        return {str(step.after) for step in self.placed if is_digest(step.after) and step.after != step.before}


@dataclass(frozen=True)
class Names:
    """How what steps aside is called: the attendee's by the time, the organisers' by their version."""

    home: Home
    time: str
    version: str

    def aside(self, place: str, taken: set[str]) -> str:
        return self._free(place, self.time, taken, None)

    def beside(self, place: str, mark: Mark, taken: set[str]) -> str:
        return self._free(place, self.version, taken, mark)

    def _free(self, place: str, word: str, taken: set[str], mark: Mark) -> str:
        """A name that is free, or already holds `mark`."""
        folder, name = posixpath.split(place)
        stem, ending = posixpath.splitext(name)
        number = 1
        while True:
            more = f"-{number}" if number > 1 else ""
            found = posixpath.join(folder, f"{stem}__{word}{more}{ending}")
            there = self.home.mark(found)
            if found not in taken and (there is None or (mark is not None and there == mark)):
                return found
            number += 1


Bytes = Callable[[Mark], Optional[bytes]]  # noqa: UP045 - Python 3.9
"""The bytes of a digest, from wherever they are to be had; None when they are not."""


class Update:
    """Decides for one area after the other, and collects what is to be done."""

    def __init__(self, home: Home, names: Names, bytes_of: Bytes, keep: Callable[[bytes], str]) -> None:
        self.changes = Changes()
        self._home = home
        self._names = names
        self._bytes_of = bytes_of
        self._keep = keep
        self._taken: set[str] = set()
        self._aside: set[str] = set()

    def area(self, old: Area | None, new: Area) -> None:
        """Bring an area from what it was installed as to what it is now."""
        before: Mapping[str, Entry] = old.entries if old else {}
        for place in sorted({*before, *new.entries}):
            here, entry = self._home.mark(place), new.entries.get(place)
            if entry is None:
                self._dropped(place, before[place], here)
            elif here == entry.mark:
                self._executable(entry, before.get(place))
            elif here is None or (place in before and here == before[place].mark):
                self._place(entry, here, before)
            elif place not in before:
                if not self._is_all_dropped(place, before, new.entries):
                    self._move_aside(place)
                self._place(entry, None, before)
            elif before[place].mark != entry.mark:
                self._both(before[place], entry, here)

    def reset(self, area: Area) -> None:
        """Bring an area back to what it was installed as; what was edited moves aside."""
        for place, entry in sorted(area.entries.items()):
            here = self._home.mark(place)
            if here == entry.mark:
                continue
            if here is not None:
                self._move_aside(place)
            self._place(entry, None, {})

    def _dropped(self, place: str, old: Entry, here: Mark) -> None:
        if here == old.mark:
            self.changes.removed.append(Step(REMOVE, place, here))
        elif here is not None:
            self.changes.told.append(f"{place} is no longer part of the workshop; yours stays, since you edited it")

    def _is_all_dropped(self, place: str, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> bool:
        """Whether a folder stands there of which nothing is left once the organisers' removed files are gone."""
        folder = self._home.path(place)
        if not folder.is_dir() or folder.is_symlink():
            return False
        inside = [f"{place}/{path.relative_to(folder)}" for path in folder.rglob("*") if mark_of(path) != FOLDER]
        return all(one in before and one not in after and self._home.mark(one) == before[one].mark for one in inside)

    def _executable(self, entry: Entry, old: Entry | None) -> None:
        if old is not None and old.executable != entry.executable:
            self.changes.placed.append(Step(PLACE, entry.path, entry.mark, entry.mark, entry.executable))

    def _place(self, entry: Entry, here: Mark, before: Mapping[str, Entry]) -> None:
        blocked = self._home.blocked(entry.path)
        if blocked is not None and blocked not in self._aside and not self._goes(blocked, before):
            self._move_aside(blocked)
        self._put(entry, here, entry.mark)

    def _goes(self, blocked: str, before: Mapping[str, Entry]) -> bool:
        """Whether what stands in the way is the organisers' own, which they removed."""
        return blocked in before and self._home.mark(blocked) == before[blocked].mark

    def _put(self, entry: Entry, here: Mark, after: Mark) -> None:
        beside = self._names.beside(entry.path, None, self._taken)
        self.changes.placed.append(Step(PLACE, entry.path, here, after, entry.executable, beside))

    def _move_aside(self, place: str) -> None:
        to = self._names.aside(place, self._taken)
        self._taken.add(to)
        self._aside.add(place)
        self.changes.aside.append(Step(ASIDE, place, to=to))
        self.changes.told.append(f"{place}: yours is now {posixpath.basename(to)}")

    def _both(self, old: Entry, new: Entry, here: Mark) -> None:
        merged = self._merged(old, new, here)
        if merged is not None:
            after = self._keep(merged.data)
            if after != here:
                self._put(new, here, after)
        if merged is not None and not merged.clashes:
            self.changes.told.append(f"{new.path}: your edits and the new version are merged")
        elif new.is_link:
            self.changes.told.append(
                f"{new.path} leads elsewhere now ({new.mark[3:]}); yours stays, since you changed it"
            )
        else:
            self._put_beside(new)

    def _put_beside(self, new: Entry) -> None:
        place = self._names.beside(new.path, new.mark, self._taken)
        self._taken.add(place)
        if self._home.mark(place) is None:
            self.changes.placed.append(Step(PLACE, place, None, new.mark, new.executable, place))
        name = posixpath.basename(place)
        self.changes.told.append(
            f"{new.path}: you and the new version changed the same; yours stays, the new one is {name}"
        )

    def _merged(self, old: Entry, new: Entry, here: Mark) -> Merged | None:
        if not all(map(is_digest, (old.mark, new.mark, here))) or max(old.size, new.size) > LARGEST_MERGE:
            return None
        mine = self._home.path(new.path).read_bytes()
        if len(mine) > LARGEST_MERGE or self._keep(mine) != here:
            return None
        base, theirs = self._bytes_of(old.mark), self._bytes_of(new.mark)
        if base is None or theirs is None:
            return None
        return merge(new.path, base, mine, theirs)


def edits(home: Home, area: Area) -> Iterator[tuple[str, str]]:
    """Each place the attendee changed, with what happened to it; own files are not looked for."""
    for place, entry in sorted(area.entries.items()):
        here = home.mark(place)
        if here is None:
            yield place, "deleted"
        elif here != entry.mark:
            yield place, "a folder now" if here == FOLDER else "edited"
