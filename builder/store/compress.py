"""Layers into the store and out of it: compressed by all cores, hashed plain and packed in one pass, in flat memory.

A compressed layer is gzip members of one mebibyte each, end to end, as RFC 1952 section 2.2 allows and every engine
reads. Members do not depend on each other, so cores share the work; libdeflate gives the same bytes on every processor,
which ISA-L does not.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import IO, Any

import deflate
import zstandard
from isal import isal_zlib

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.objects import Store

BLOCK = 1 << 20
LEVEL = 6
FORMAT = f"gzip-members libdeflate-{LEVEL} {BLOCK}"
"""Part of every key that stands for compressed bytes."""
THREADS = max(2, os.cpu_count() or 2)


def put_layer(chunks: Iterable[bytes], store: Store, *, note: str, packed: bool = True) -> Layer:
    """Take a plain tar in as a layer, gzipped or, with `packed` False, as it is."""
    with store.scratch("layer") as folder:
        part = folder / "blob"
        with part.open("wb", buffering=0) as file:
            plain, blob = (_write_packed if packed else _write_plain)(blocks_of(chunks), file)
        return Layer(store.adopt(part, blob), plain, TAR_GZIP if packed else TAR, note)


def blocks_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of exactly BLOCK, the last one maybe shorter: pieces must not depend on who writes."""
    held = bytearray()
    for chunk in chunks:
        if not held and len(chunk) == BLOCK:
            yield bytes(chunk)
            continue
        held += chunk
        while len(held) >= BLOCK:
            yield bytes(held[:BLOCK])
            del held[:BLOCK]
    if held:
        yield bytes(held)


def _write_packed(blocks: Iterable[bytes], file: IO[bytes]) -> tuple[Digest, Digest]:
    plain, packed = hashlib.sha256(), hashlib.sha256()
    pending: deque[Future[bytes]] = deque()

    def write_first() -> None:
        member = pending.popleft().result()
        packed.update(member)
        file.write(member)

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        in_order = stack.enter_context(Ordered(plain.update))
        for block in blocks:
            in_order.give(block)
            pending.append(pool.submit(_member, block))
            if len(pending) > 2 * THREADS:
                write_first()
        while pending:
            write_first()
    return Digest(plain.hexdigest()), Digest(packed.hexdigest())


def _member(block: bytes) -> bytes:
    return bytes(deflate.gzip_compress(block, LEVEL))


def _write_plain(blocks: Iterable[bytes], file: IO[bytes]) -> tuple[Digest, Digest]:
    hasher = hashlib.sha256()
    with Ordered(hasher.update) as in_order:
        for block in blocks:
            in_order.give(block)
            file.write(block)
    digest = Digest(hasher.hexdigest())
    return digest, digest


class Ordered:
    """Calls `take` on each piece, in order, on a thread of its own a few pieces behind; raises what that raised."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._pool = ThreadPoolExecutor(1)
        self._pending: deque[Future[object]] = deque()

    def give(self, piece: bytes) -> None:
        self._pending.append(self._pool.submit(self._take, piece))
        if len(self._pending) > 8:
            self._pending.popleft().result()

    def __enter__(self) -> Ordered:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            while self._pending and kind is None:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)


def plain_chunks(chunks: Iterable[bytes], media_type: str, origin: str = "here") -> Iterator[bytes]:
    """The plain tar of a layer's bytes. Raises IntegrityError when they are cut or damaged."""
    if media_type == TAR:
        return iter(chunks)
    if media_type == TAR_GZIP:
        return _unpack(chunks, lambda: isal_zlib.decompressobj(wbits=31), origin)
    if media_type == TAR_ZSTD:
        return _unpack(chunks, lambda: zstandard.ZstdDecompressor().decompressobj(), origin)
    raise SourceError(f"{origin} has the media type {media_type!r}, which is not a layer that can be read")


def _unpack(chunks: Iterable[bytes], fresh: Callable[[], Any], origin: str) -> Iterator[bytes]:
    """Members or frames end to end; small bites, so that what they blow up to stays small as well."""
    decoder = fresh()
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), 1 << 16):
                bite = chunk[start : start + (1 << 16)]
                while bite:
                    if decoder.eof:
                        decoder = fresh()
                    if plain := decoder.decompress(bite):
                        yield plain
                    bite = decoder.unused_data if decoder.eof else b""
    except (isal_zlib.error, zstandard.ZstdError) as error:  # type: ignore[misc]  # isal's stub calls it an instance
        raise IntegrityError(f"{origin} is damaged: {error}", hint="fetch or build it again") from error
    if not decoder.eof:
        raise IntegrityError(f"{origin} is cut short", hint="fetch or build it again")
