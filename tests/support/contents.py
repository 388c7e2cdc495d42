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
    """What the layers give together: the upper ones' members over the lower ones', whiteouts done and kept."""
    found: dict[str, Member] = {}
    for layer in layers:
        own = members_of_one(layer, store)
        for name in own:
            folder, mark, gone = name.rpartition(".wh.")
            if mark:
                path = folder + gone
                found = {
                    other: one for other, one in found.items() if other != path and not other.startswith(f"{path}/")
                }
        found |= own
    return found


def members_of_one(layer: Layer, store: Store) -> dict[str, Member]:
    """All members of a gzipped or plain layer; `./` and slashes taken off."""
    found = {}
    with tarfile.open(store.path(layer.blob.digest)) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isfile() else None
            found[info.name.removeprefix("./").strip("/")] = Member(info, file.read() if file else b"")
    return found
