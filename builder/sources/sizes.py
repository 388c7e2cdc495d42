"""How much there is to fetch, before anything is fetched: as the lock says it, else as servers do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from builder.digest import Digest
from builder.manifest import Pin
from builder.sources.dataset import DatasetSource
from builder.sources.packed import WebFileSource
from builder.sources.source import Network, Source
from builder.sources.together import outcomes
from builder.sources.unpacked import Unpacked
from builder.sources.web import AT_ONCE
from builder.sources.web_file import WebFile, sizes_of
from builder.store.objects import Store

SILENCE = 2.0
"""Seconds in which a server has to say how long a file is: a plan is looked at, not waited for."""


@dataclass(frozen=True)
class ToFetch:
    """Bytes on the wire; `is_exact` is False where there may be more, since some part's length is not known."""

    bytes: int
    is_exact: bool


def locked_size(pin: Pin, store: Store) -> ToFetch | None:
    """What the lock says is to be fetched of something that is not whole in the store; None when it says nothing."""
    found = dict(_files(pin.resolved))
    if _unknown(pin.resolved):
        return None
    missing = {digest: size for digest, size in found.items() if not store.has(Digest(digest))}
    if not found or None in missing.values():
        return None
    return ToFetch(sum(size or 0 for size in missing.values()), is_exact=True)


def _unknown(resolved: Mapping[str, str]) -> bool:
    """Whether a part of a dataset is known by something else than the digest of a file (a commit, a record)."""
    parts = {key.partition(".")[0] for key in resolved}
    return any(part.isdecimal() and f"{part}.sha256" not in resolved for part in parts)


def _files(resolved: Mapping[str, str]) -> Iterator[tuple[str, int | None]]:
    """Each file that a pin names: its digest, and its bytes where they are recorded beside it."""
    for key, value in resolved.items():
        start, _, word = key.rpartition("sha256")
        if not word and key.endswith("sha256"):
            size = resolved.get(f"{start}size", "")
            yield value, int(size) if size.isdecimal() else None


def asked_sizes(sources: Sequence[Source], network: Network, seconds: float) -> list[ToFetch]:
    """What servers say of sources that are not locked; after `seconds` what was not answered counts as not known."""
    files = [(place, replace(file, silence=SILENCE)) for place, one in enumerate(sources) for file in _web_files(one)]
    told: dict[int, int | None] = {}

    def ask(number: int) -> None:
        (told[number],) = sizes_of([files[number][1]], network)

    asking = threading.Thread(target=lambda: outcomes(ask, range(len(files)), AT_ONCE), daemon=True)
    asking.start()
    asking.join(seconds)
    known = dict(told)  # the rest may go on while we are done
    sizes: list[list[int | None]] = [[] for _ in sources]
    for number, (place, _) in enumerate(files):
        sizes[place].append(known.get(number))
    return [_sum(found, _parts(source)) for found, source in zip(sizes, sources, strict=True)]


def _sum(sizes: Sequence[int | None], parts: int) -> ToFetch:
    is_exact = len(sizes) == parts and None not in sizes
    return ToFetch(sum(size or 0 for size in sizes), is_exact)


def _parts(source: Source) -> int:
    """How many of its parts come from elsewhere."""
    own = [part.source for part in source.parts] if isinstance(source, DatasetSource) else [source]
    return sum(not one.is_local for one in own)


def _web_files(source: Source) -> Iterator[WebFile]:
    if isinstance(source, DatasetSource):
        for part in source.parts:
            yield from _web_files(part.source)
    elif isinstance(source, Unpacked):
        yield from _web_files(source.archive)
    elif isinstance(source, WebFileSource):
        yield source.file
