"""An edition: what the workshop's repos and datasets are, each file by path and sha256.

One is installed; a newer one may stand at the published address, as `workshop.json`. What came from outside is trusted
only after `read` has looked at every name, so that nothing it says can lead out of the workshop's folder.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from at_home.home import HomeError

FORMAT = 1
FILE = "edition.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_HEX = re.compile(r"[0-9a-f]{64}")
_KINDS = {"repos": "repos", "datasets": "data"}
"""Key in the edition → folder below the root."""


@dataclass(frozen=True)
class Entry:
    """A file or a link, as it was made by the workshop's organisers."""

    path: str
    mark: str
    size: int = 0
    executable: bool = False

    @property
    def is_link(self) -> bool:
        return self.mark.startswith("-> ")


@dataclass(frozen=True)
class Area:
    """A repo or dataset: where it stands below the root, its title and version, its entries by place."""

    folder: str
    title: str
    version: str
    entries: Mapping[str, Entry]

    @property
    def name(self) -> str:
        return self.folder.partition("/")[2]

    @property
    def is_data(self) -> bool:
        return self.folder.startswith("data/")

    def is_same(self, other: Area | None) -> bool:
        return other is not None and self.entries == other.entries


@dataclass(frozen=True)
class Edition:
    """All areas by their folder, and where newer ones are published."""

    raw: Mapping[str, Any]
    areas: Mapping[str, Area]

    @property
    def workshop(self) -> str:
        return str(self.raw["workshop"])

    @property
    def version(self) -> str:
        return str(self.raw["version"])

    @property
    def published(self) -> str:
        return str(self.raw.get("published", ""))

    def having(self, other: Edition, folders: set[str]) -> dict[str, Any]:
        """The raw edition with these areas taken from another, each with its version."""
        merged = json.loads(json.dumps(self.raw))
        for key, folder in _KINDS.items():
            for name, area in other.raw[key].items():
                if f"{folder}/{name}" in folders:
                    merged[key][name] = {**area, "version": area.get("version", other.version)}
        if all(area.is_same(other.areas.get(folder)) or folder in folders for folder, area in self.areas.items()):
            merged["version"] = other.version
        merged["published"] = other.published or self.published
        return merged


def read(data: bytes, origin: str) -> Edition:
    """Raises HomeError for what is no edition, or whose names lead out of the workshop."""
    try:
        raw = json.loads(data)
        if raw["format"] != FORMAT:
            raise HomeError(f"{origin} has format {raw['format']}, which this workshop is too old to read; "
                            "ask for a new image")  # fmt: skip
        _require(_WORD.fullmatch(raw["version"]), raw["version"])
        _require(isinstance(raw["workshop"], str), "workshop")
        areas = {area.folder: area for area in _areas(raw)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HomeError(f"{origin} is no list of a workshop's files ({error}); nothing was changed") from error
    return Edition(raw, areas)


def _areas(raw: Mapping[str, Any]) -> Iterator[Area]:
    for key, folder in _KINDS.items():
        for name, one in raw[key].items():
            _require(_NAME.fullmatch(name), name)
            base = f"{folder}/{name}"
            entries = {entry.path: entry for entry in (_entry(base, item) for item in one["tree"])}
            _require_no_clash(entries)
            yield Area(base, str(one.get("title", name)), str(one.get("version", raw["version"])), entries)


def _entry(base: str, item: Mapping[str, Any]) -> Entry:
    path = item["path"]
    parts = path.split("/")
    _require(not any(part in ("", ".", "..") for part in parts) and "\0" not in path and "\\" not in path, path)
    place = f"{base}/{path}"
    if "target" in item:
        target = item["target"]
        led = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        _require(target and not target.startswith("/") and led.split("/")[0] in _KINDS.values(), target)
        _require("\0" not in target, target)
        return Entry(place, f"-> {target}")
    _require(_HEX.fullmatch(item["sha256"]) and type(item["size"]) is int and item["size"] >= 0, path)
    return Entry(place, item["sha256"], item["size"], item.get("executable") is True)


def _require_no_clash(entries: Mapping[str, Entry]) -> None:
    for place in entries:
        above = posixpath.dirname(place)
        while above:
            _require(above not in entries, place)
            above = posixpath.dirname(above)


def _require(holds: object, word: object) -> None:
    if not holds:
        raise ValueError(f"it has {word!r}")
