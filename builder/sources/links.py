"""Symbolic links of a tree, followed as a file system would: none may lead out of it."""

from __future__ import annotations

from builder.errors import SourceError
from builder.store.trees import Tree

_HOPS = 40  # as Linux's MAXSYMLINKS


def require_links_inside(tree: Tree, origin: str) -> Tree:
    """The same tree; SourceError for a link that leaves it, also by way of other links, or leads round in a circle."""
    for entry in tree.entries:
        if entry.is_link and not _stays(tree, entry.path):
            raise SourceError(
                f"the symbolic link {entry.path} -> {entry.target} in {origin} leads out of it; nothing was kept",
                hint="make the link relative and let it end inside, or replace it by the file it points to",
            )
    return tree


def _stays(tree: Tree, path: str) -> bool:
    standing: list[str] = []
    ahead = path.split("/")[::-1]
    hops = 0
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not standing:
                return False
            standing.pop()
            continue
        standing.append(part)
        entry = tree.by_path.get("/".join(standing))
        if entry is not None and entry.target is not None:
            hops += 1
            if hops > _HOPS or entry.target.startswith("/"):
                return False
            standing.pop()
            ahead.extend(entry.target.split("/")[::-1])
    return True
