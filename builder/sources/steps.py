"""The steps of a recipe but `run`: each takes a tree whose bytes are in the store and gives another such tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from builder.errors import SourceError
from builder.manifest import Step
from builder.manifest.faults import nearest
from builder.sources.archive import unpack
from builder.sources.links import require_links_inside
from builder.sources.members import is_packed, name_inside
from builder.sources.selection import Selection, placed
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


def taken(step: Step, tree: Tree, store: Store) -> Tree:
    """The tree after a step that needs nothing but the store. Raises SourceError for what the files do not allow."""
    made = Tree.of(_STEPS[step.kind](step, tree, store), origin="the dataset")
    if not made.entries:
        raise SourceError("no file is left", hint="correct the recipe in the card")
    return require_links_inside(made, "the dataset")


def _unpacked(step: Step, tree: Tree, store: Store) -> Iterator[Entry]:
    archives = _chosen(step.unpack or (), tree)
    yield from _others(archives, tree)
    selection = Selection(step.members, step.strip)
    for archive in archives:
        folder, _, name = archive.path.rpartition("/")
        if archive.digest is None:
            raise SourceError(f"{archive.path} is a link, no archive", hint="name the file it points to")
        inside = unpack(archive.digest, archive.path, store, selection, name)
        is_one_file = len(archives) == 1 and (selection.is_one_file or name_inside(name) is not None)
        yield from placed(inside, step.to or folder or None, is_one_file=is_one_file and step.to is not None)


def _renamed(step: Step, tree: Tree, _: Store) -> Iterator[Entry]:
    names = dict(step.rename or {})
    used: set[str] = set()
    for entry in tree.entries:
        old = next((name for name in _itself_and_folders(entry.path) if name in names), None)
        if old is not None:
            used.add(old)
        yield entry if old is None else replace(entry, path=names[old] + entry.path.removeprefix(old))
    for old in names:
        if old not in used:
            raise SourceError(f"there is no {old}{nearest(old, tree.by_path)}", hint="correct the recipe in the card")


def _itself_and_folders(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _shortened(step: Step, tree: Tree, store: Store) -> Iterator[Entry]:
    files = [entry for entry in _chosen(step.of, tree) if entry.digest is not None]
    yield from _others(files, tree)
    for file in files:
        assert file.digest is not None
        if is_packed(store.path(file.digest)):
            raise SourceError(f"{file.path} is packed, so it has no lines", hint="unpack it in a step before")
        blob = store.put(_first_lines(store.chunks(file.digest), step.head or 0))
        yield replace(file, digest=blob.digest, size=blob.size)


def _first_lines(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Reads no further than needed."""
    for chunk in chunks:
        ends = chunk.count(b"\n")
        if ends >= lines:
            yield chunk[: _end_of_line(chunk, lines)]
            return
        lines -= ends
        yield chunk


def _end_of_line(chunk: bytes, line: int) -> int:
    at = 0
    for _ in range(line):
        at = chunk.index(b"\n", at) + 1
    return at


def _concatenated(step: Step, tree: Tree, store: Store) -> Iterator[Entry]:
    parts = _chosen(step.concatenate or (), tree)
    for part in parts:
        if part.digest is None:
            raise SourceError(f"{part.path} is a link, which cannot be joined", hint="name the file it points to")
    blob = store.put(_joined(parts, step.header, store))
    yield from _others(parts, tree)
    yield Entry(step.to or "", blob.digest, blob.size)


def _joined(parts: Sequence[Entry], header: int, store: Store) -> Iterator[bytes]:
    """Byte by byte, as the pieces of a split archive need it; with headers line by line."""
    is_line_open = False
    for place, part in enumerate(parts):
        assert part.digest is not None
        if header and is_line_open:
            yield b"\n"
        chunks = store.chunks(part.digest)
        for chunk in _without_lines(chunks, header) if place else chunks:
            is_line_open = not chunk.endswith(b"\n")
            yield chunk


def _without_lines(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    for chunk in chunks:
        ends = chunk.count(b"\n") if lines else 0
        rest = chunk[_end_of_line(chunk, lines) :] if ends >= lines else b""
        lines = max(0, lines - ends)
        if rest:
            yield rest


def _kept(step: Step, tree: Tree, _: Store) -> Iterable[Entry]:
    return _chosen(step.keep or (), tree)


def _removed(step: Step, tree: Tree, _: Store) -> Iterable[Entry]:
    return _others(_chosen(step.remove or (), tree), tree)


def _chosen(patterns: tuple[str, ...], tree: Tree) -> list[Entry]:
    """What the patterns name, all without any. Raises SourceError for one that names nothing."""
    for pattern in patterns:
        if not any(map(Selection((pattern,)).takes, tree.by_path)):
            raise SourceError(
                f"no file is {pattern}{nearest(pattern, tree.by_path)}", hint="correct the recipe in the card"
            )
    selection = Selection(patterns)
    return [entry for entry in tree.entries if selection.takes(entry.path)]


def _others(chosen: Iterable[Entry], tree: Tree) -> Iterator[Entry]:
    paths = {entry.path for entry in chosen}
    return (entry for entry in tree.entries if entry.path not in paths)


_STEPS = {
    "unpack": _unpacked,
    "rename": _renamed,
    "head": _shortened,
    "concatenate": _concatenated,
    "keep": _kept,
    "remove": _removed,
}
