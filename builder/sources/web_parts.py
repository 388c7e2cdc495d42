"""The parts of a dataset that are files of the web, fetched side by side, with all failures told together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.sources.packed import WebFileSource, resolved_as
from builder.sources.source import Source
from builder.sources.unpacked import Unpacked
from builder.sources.web_file import fetch_all
from builder.store.objects import Store


def resolve_together(sources: Iterable[Source]) -> dict[Source, dict[str, str]]:
    """What those of the sources that are files of the web resolve to."""
    found = {source: web for source in sources if (web := _web(source)) is not None}
    files = list(dict.fromkeys(found.values()))
    blobs = fetch_all([web.file for web in files], files[0].store, files[0].network) if files else []
    fetched = dict(zip(files, blobs, strict=True))
    return {source: resolved_as(fetched[web]) for source, web in found.items()}


def bring_together(wanted: Iterable[tuple[Source, Mapping[str, str]]], store: Store) -> None:
    """Have those of the sources that are files of the web in the store, as they are locked."""
    found = [(web, resolved) for source, resolved in wanted if (web := _web(source)) is not None]
    if found:
        files = dict.fromkeys(web.locked(resolved) for web, resolved in found)
        fetch_all(list(files), store, found[0][0].network)


def is_of_web(source: Source) -> bool:
    """Whether a source is a file of the web, or what is in one."""
    return _web(source) is not None


def _web(source: Source) -> WebFileSource | None:
    inner = source.archive if isinstance(source, Unpacked) else source
    return inner if isinstance(inner, WebFileSource) else None
