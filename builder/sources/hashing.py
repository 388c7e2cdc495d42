"""Bytes hashed in a thread of their own, while the next ones are on their way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

from builder.sources.expected import Hasher

_AHEAD = 16
"""How many pieces may wait for the hash: memory stays flat when the line is faster than it."""


def hashed(pieces: Iterable[bytes], hashers: dict[str, Hasher]) -> dict[str, Hasher]:
    """Run through the pieces, whatever that does, and give the hashers having seen them all."""
    ahead: queue.Queue[bytes | None] = queue.Queue(_AHEAD)

    def labour() -> None:
        while (piece := ahead.get()) is not None:
            for hasher in hashers.values():
                hasher.update(piece)

    thread = threading.Thread(target=labour, daemon=True)
    thread.start()
    try:
        for piece in pieces:
            ahead.put(piece)
    finally:
        ahead.put(None)
        thread.join()
    return hashers
