"""The appliance made whole: two disks, each kept in the store by what it was made of, and one `.ova` file.

The system disk changes with packages and settings, the content disk with repos and datasets; after an edit in a
notebook only the latter is made again, and of it only what changed is deflated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from builder import places
from builder.appliance import nodes as table
from builder.appliance.disk import write_system_disk
from builder.appliance.ext4 import volume_for, write_ext4
from builder.appliance.grains import SMALL, Deflater
from builder.appliance.guest import (
    CONTENT_LABEL,
    JUPYTER,
    SYSTEM_LABEL,
    add_links,
    guest_files,
    guest_links,
    system_links,
)
from builder.appliance.kept import DiskShop, kept_disk
from builder.appliance.ova import write_ova
from builder.appliance.ovf import ApplianceSpec, Disk, describe
from builder.appliance.rootfs import read_layers
from builder.content.layout import Content
from builder.digest import Digest, key_of
from builder.progress import Journal
from builder.store.layers import Layer
from builder.store.objects import Store


@dataclass(frozen=True)
class Appliance:
    """The file that VirtualBox imports; `unpacked` is what it takes on the attendee's disk, in bytes."""

    path: Path
    digest: Digest
    bytes: int
    unpacked: int


def build_appliance(
    system: tuple[Layer, ...],
    settings: Mapping[str, tuple[bytes, int]],
    content: Content,
    spec: ApplianceSpec,
    store: Store,
    journal: Journal,
    out: Path,
    deflater: Deflater = SMALL,
) -> Appliance:
    """Write `out/<name>.ova`.

    `system` holds a kernel and systemd; `settings` (path → bytes, mode) are laid over it. Raises OutputError,
    ManifestError, MissingProgramError, StoreError when there is no space.
    """
    forward = spec.ports[JUPYTER].host if JUPYTER in spec.ports else None
    files = {**settings, **guest_files(spec.title, forward)}
    shop = DiskShop(store, journal, deflater)
    disks = (
        _system_disk(system, files, guest_links(forward), spec, shop),
        _content_disk(content, spec, shop),
    )
    return _archive(spec, disks, store, journal, out / f"{spec.name}.ova")


def _system_disk(
    system: tuple[Layer, ...],
    files: Mapping[str, tuple[bytes, int]],
    links: dict[str, str],
    spec: ApplianceSpec,
    shop: DiskShop,
) -> Disk:
    def make(raw: Path, scratch: Path, uuid: UUID) -> None:
        nodes = read_layers(system, shop.store, scratch / "layers")
        table.add_files(nodes, files, scratch / "files")
        add_links(nodes, links | system_links(nodes))
        home = table.folder(0o775, places.UID, places.GID)
        for path, node in ((places.HOME, home), (places.ROOT, table.folder())):
            table.add_parents(nodes, path, table.folder())
            nodes.setdefault(path, node)
        write_system_disk(nodes, raw, volume_for(nodes, SYSTEM_LABEL, uuid, spec.room), scratch)

    inputs = {
        "layers": [layer.diff_id.hex for layer in system],
        "files": {path: [Digest.of(data).hex, mode] for path, (data, mode) in files.items()},
        "links": links,
        "room": spec.room,
    }
    return kept_disk("system disk", f"{spec.name}-system.vmdk", inputs, make, shop)


def _content_disk(content: Content, spec: ApplianceSpec, shop: DiskShop) -> Disk:
    def make(raw: Path, scratch: Path, uuid: UUID) -> None:
        page = scratch / "page"
        page.write_bytes(content.page)
        nodes = table.content_nodes(content, page, shop.store)
        volume = volume_for(nodes, CONTENT_LABEL, uuid, spec.room)
        with raw.open("xb") as file:
            file.truncate(volume.size)
        write_ext4(nodes, raw, volume, scratch)

    inputs = {
        "trees": {folder: tree.digest.hex for folder, tree in content.guest_folders().items()},
        "page": Digest.of(content.page).hex,
        "room": spec.room,
    }
    return kept_disk("content disk", f"{spec.name}-content.vmdk", inputs, make, shop)


def _archive(spec: ApplianceSpec, disks: tuple[Disk, ...], store: Store, journal: Journal, path: Path) -> Appliance:
    """Write the `.ova`, unless the file of this name is known to be just that."""
    description = describe(spec, disks)
    key = key_of(
        {
            "ovf": Digest.of(description).hex,
            "disks": [disk.blob.digest.hex for disk in disks],
            "path": str(path.absolute()),
        }
    )
    with journal.stage("ova") as running:
        known = store.recall("ova", key)
        running.cached = known is not None and _state(path) == known["state"]
        if known is None or not running.cached:
            blob = write_ova(path, spec.name, description, {disk.file: disk.blob for disk in disks}, store)
            known = {"digest": blob.digest.hex, "size": blob.size, "state": _state(path)}
            store.remember("ova", key, known)
        running.bytes_out = known["size"]
    return Appliance(path, Digest(known["digest"]), known["size"], sum(disk.used for disk in disks))


def _state(path: Path) -> list[int]:
    """What changes when a file is written or replaced."""
    if not path.exists():
        return []
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]
