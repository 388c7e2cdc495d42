"""Layers for tests, made from a few words each."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable
from io import BytesIO

import zstandard

from builder.digest import Digest
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.objects import Store

COMPRESSED = {TAR: bytes, TAR_GZIP: gzip.compress, TAR_ZSTD: zstandard.compress}


def member(name: str, data: bytes | None = None, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A tar member: a file when there is `data`, else a folder; `fields` are set on its TarInfo."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.mode, info.size = (0o755 if data is None else 0o644), len(data or b"")
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data or b""


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=tarfile.LNKTYPE, linkname=target)


def layer(store: Store, members: Iterable[tuple[tarfile.TarInfo, bytes]], media_type: str = TAR) -> Layer:
    """A layer in the store that holds `members` in the order given."""
    plain = BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, BytesIO(data))
    packed = store.put_bytes(COMPRESSED[media_type](plain.getvalue()))
    return Layer(packed, Digest.of(plain.getvalue()), media_type, "a test's layer")
