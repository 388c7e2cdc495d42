"""What is in layers, by path."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

from builder.store.layers import Layer
from builder.store.objects import Store


@dataclass(frozen=True)
class Member:
    info: tarfile.TarInfo
    data: bytes


def members_of(layers: Iterable[Layer], store: Store) -> dict[str, Member]:
    """All members of gzipped or plain layers, the upper ones' over the lower ones'; `./` and slashes taken off."""
    found = {}
    for layer in layers:
        with tarfile.open(store.path(layer.blob.digest)) as tar:
            for info in tar:
                file = tar.extractfile(info) if info.isfile() else None
                found[info.name.removeprefix("./").strip("/")] = Member(info, file.read() if file else b"")
    return found
