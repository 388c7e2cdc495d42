"""Where the bytes of a digest come from: kept here, a file that holds them already, the published address."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from at_home.edition import Edition
from at_home.home import Home, HomeError, Mark, is_digest, keep_file
from at_home.web import Published

SPARE = 16 << 20
"""Bytes that an update leaves free, for the attendee's own next save."""


class Supply:
    """Brings bytes among the home's objects; what any file here holds is not fetched."""

    def __init__(self, home: Home, editions: Iterable[Edition], published: Published | None) -> None:
        self.fetched = 0
        self._home = home
        self._published = published
        self._places: dict[str, list[str]] = {}
        self._sizes: dict[str, int] = {}
        for edition in editions:
            for area in edition.areas.values():
                for entry in area.entries.values():
                    self._places.setdefault(entry.mark, []).append(entry.path)
                    self._sizes[entry.mark] = entry.size

    def missing(self, wanted: Iterable[str]) -> dict[str, int]:
        """Which of these digests have to be fetched, with their sizes; files here are only looked at by their size."""
        return {digest: self._sizes.get(digest, 0) for digest in wanted if not self._seems_here(digest)}

    def bring(self, wanted: Iterable[str]) -> None:
        """Have the bytes of all these digests among the objects."""
        left = {digest for digest in wanted if not self._home.object(digest).exists()}
        self._require_space(sum(self._sizes.get(digest, 0) for digest in left))
        left = {digest for digest in left if not self._taken_from_here(digest)}
        if not left:
            return
        sizes = {digest: self._sizes[digest] for digest in left}
        if self._published is None:
            names = ", ".join(sorted(self._places[digest][0] for digest in left))
            raise HomeError(f"the originals of {names} are not kept here, and no address is known to fetch them from; "
                            "nothing was changed")  # fmt: skip
        self._published.fetch(sizes, self._home)
        self.fetched += sum(sizes.values())

    def bytes_of(self, mark: Mark) -> bytes | None:
        """The bytes of a digest; None when they are not to be had."""
        if not is_digest(mark):
            return None
        digest = str(mark)
        if not self._home.object(digest).exists():
            try:
                self.bring([digest])
            except (HomeError, KeyError):
                return None
        return self._home.object(digest).read_bytes()

    def _seems_here(self, digest: str) -> bool:
        if self._home.object(digest).exists():
            return True
        return any(self._home.mark(place) == digest for place in self._places.get(digest, ()))

    def _taken_from_here(self, digest: str) -> bool:
        places = (self._home.path(place) for place in self._places.get(digest, ()))
        return any(place.is_file() and keep_file(self._home, place, digest) for place in places)

    def _require_space(self, size: int) -> None:
        """Twice: among the objects, and in their place."""
        free = shutil.disk_usage(self._home.state).free
        if free < 2 * size + SPARE:
            short = max(2 * size + SPARE - free, 1)
            raise HomeError(f"the disk of {self._home.root} has {short / 1e6:.1f} MB too little room for this; "
                            "nothing was changed")  # fmt: skip
