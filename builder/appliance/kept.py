"""A disk kept in the store by what it was made of; one that must be made anew reuses what it shares with the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from builder.appliance.grains import SMALL, Deflater
from builder.appliance.ovf import Disk
from builder.appliance.vmdk import write_vmdk
from builder.digest import Digest, key_of
from builder.progress import Journal
from builder.store.objects import Blob, Store

FORMAT = 2
"""Raised when the same inputs are to give other bytes."""

MakeDisk = Callable[[Path, Path, UUID], None]
"""Makes the raw disk at the first path, with a folder for scratch, for a UUID."""


@dataclass(frozen=True)
class DiskShop:
    """Where disks are kept and told of, and how they are deflated."""

    store: Store
    journal: Journal
    deflater: Deflater


def kept_disk(what: str, file: str, inputs: dict[str, Any], make: MakeDisk, shop: DiskShop) -> Disk:
    """The disk made from these inputs before, or made now; `file` is its name in the `.ova`."""
    key = key_of({"format": FORMAT, "what": what, **inputs})
    uuid = uuid5(NAMESPACE_OID, key)
    with shop.journal.stage(what) as running:
        known = _recalled(key, shop)
        running.cached = known is not None
        if known is None:
            known = _made(make, uuid, file, shop)
            shop.store.remember("disk", _key_for(shop.deflater, key), known)
        _note_last(file, known, shop.store)
        running.bytes_in, running.bytes_out = known["capacity"], known["size"]
    return Disk(file, Blob(Digest(known["digest"]), known["size"]), known["capacity"], known["used"], uuid)


def _key_for(deflater: Deflater, key: str) -> str:
    return key if deflater == SMALL else key_of({"disk": key, "deflater": deflater.name})


def _recalled(key: str, shop: DiskShop) -> Any | None:
    """What was made before; a disk that was deflated well serves those who are in a hurry too."""
    for one in dict.fromkeys((key, _key_for(shop.deflater, key))):
        known = shop.store.recall("disk", one)
        if known is not None and shop.store.has(Digest(known["digest"])):
            return known
    return None


def _made(make: MakeDisk, uuid: UUID, file: str, shop: DiskShop) -> dict[str, Any]:
    store, deflater = shop.store, shop.deflater
    with store.scratch("disk") as scratch:
        raw, packed = scratch / "raw", scratch / "vmdk"
        make(raw, scratch, uuid)
        with packed.open("xb") as sink:
            made = write_vmdk(raw, sink, uuid, deflater=deflater, earlier=_last(file, deflater, store))
        store.adopt(packed, made.blob.digest)
    return {
        "digest": made.blob.digest.hex,
        "size": made.blob.size,
        "capacity": made.capacity,
        "used": made.used,
        "deflater": deflater.name,
    }


def _last(file: str, deflater: Deflater, store: Store) -> Path | None:
    """The VMDK that the last appliance had under this name, if it is here and was deflated the same way."""
    note = store.recall("last-disk", _note_key(file, deflater.name))
    if note is None or not store.has(Digest(note["digest"])):
        return None
    return store.path(Digest(note["digest"]))


def _note_last(file: str, known: dict[str, Any], store: Store) -> None:
    # The path keeps the note on this machine: unlike other records it changes, so another's would soon be out of date.
    note = {"digest": known["digest"], "store": str(store.root)}
    key = _note_key(file, known["deflater"])
    if store.recall("last-disk", key) != note:
        store.remember("last-disk", key, note)


def _note_key(file: str, deflater: str) -> str:
    return key_of({"file": file, "deflater": deflater})
