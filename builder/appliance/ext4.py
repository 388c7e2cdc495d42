"""An ext4 file system made from a table of nodes, without root, mounts or loop devices.

`debugfs` writes each node in order of path with a fixed clock: equal nodes give equal bytes, on any machine with the
same e2fsprogs, in any folder, as any user. (`mke2fs -d` takes owners, change times and order from the host.)
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from builder import places
from builder.appliance.nodes import Node, Nodes, bytes_of
from builder.errors import OutputError, ProgramError
from builder.run import Finished, run

MIB = 1 << 20
BLOCK = 4096
INODE = 256
MAX_LINKS = 60_000  # EXT4_LINK_MAX is 65,000
# Named one by one: what /etc/mke2fs.conf turns on differs, and GRUB 2.06 cannot read the newest features.
FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,"
    "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
)
EXTENDED = "root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
CLOCK = {"E2FSPROGS_FAKE_TIME": str(places.EPOCH), "MKE2FS_CONFIG": "/dev/null", "TZ": "UTC"}


@dataclass(frozen=True)
class Volume:
    """What tells one file system from another, and how much it holds."""

    label: str
    uuid: UUID
    inodes: int
    size: int
    """Bytes, a multiple of 1 MiB."""


def volume_for(nodes: Nodes, label: str, uuid: UUID, room: int) -> Volume:
    """A volume that holds `nodes` and leaves `room` bytes free."""
    inodes = len(nodes) + len(nodes) // 8 + room // 16384 + 1024
    size = _weight(nodes) + inodes * INODE + room
    # Journal, then bitmaps, group descriptors and those kept for growing.
    size += journal_size(size) + size // 64 + 16 * MIB
    return Volume(label, uuid, inodes, -(-size // MIB) * MIB)


def journal_size(size: int) -> int:
    return 16 * MIB if size < 1024 * MIB else 64 * MIB


def _weight(nodes: Nodes) -> int:
    """Bytes of the blocks that files, folders and their names take."""
    names = sum(len(os.fsencode(posixpath.basename(path))) + 16 for path in nodes)
    small = sum(BLOCK for node in nodes.values() if node.size or node.is_folder or len(node.target or "") > 59)
    return bytes_of(nodes.values()) + small + names * 2


def write_ext4(nodes: Nodes, image: Path, volume: Volume, scratch: Path, *, offset: int = 0) -> None:
    """Write a file system of `volume.size` bytes into `image`, a file long enough, at `offset`.

    Raises OutputError, saying by how much, when the nodes do not fit.
    """
    needed = volume_for(nodes, volume.label, volume.uuid, 0).size
    if volume.size < needed:
        raise OutputError(
            f"the disk {volume.label} is too small by {(needed - volume.size) / MIB:,.0f} MiB: "
            f"it has {volume.size // MIB:,} MiB and its content needs {needed // MIB:,} MiB",
            hint="give the appliance more room in manifest.yaml, or leave something out with a profile",
        )
    _filled(["mke2fs", "-q", "-F", "-t", "ext4", "-O", FEATURES, "-b", str(BLOCK), "-I", str(INODE), "-m", "0",
         "-N", str(volume.inodes), "-L", volume.label, "-U", str(volume.uuid),
         "-J", f"size={journal_size(volume.size) // MIB}",
         "-E", f"offset={offset},hash_seed={volume.uuid},{EXTENDED}",
         image, f"{volume.size // 1024}k"])  # fmt: skip
    script = scratch / f"{volume.label}.debugfs"
    script.write_bytes(b"".join(os.fsencode(line) + b"\n" for line in _commands(nodes, scratch)))
    done = _filled(["debugfs", "-w", "-f", script, f"{image}?offset={offset}" if offset else image])
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs ")]
    if said:
        raise ProgramError(f"debugfs could not write the disk {volume.label}: {said[0]}")


def _filled(words: Sequence[str | Path]) -> Finished:
    """Run a program that fills the image; when the disk below is full, say so as any other write does."""
    done = run(words, env=CLOCK, check=False)
    if os.strerror(errno.ENOSPC) in done.stderr:
        raise OSError(errno.ENOSPC, done.stderr.strip().splitlines()[-1])
    if done.code:
        raise ProgramError(f"{words[0]} ended with exit code {done.code}: {done.stderr.strip()}")
    return done


def _commands(nodes: Nodes, scratch: Path) -> Iterator[str]:
    """Folders first, then each folder's files, so that `write`, which knows no paths, stands in the right folder."""
    ordered = sorted(nodes.items(), key=lambda item: item[0].split("/"))
    for path, node in ordered:
        if node.is_folder:
            yield f"mkdir {_quoted('/' + path)}"
    first: dict[tuple[Path, int], list[str]] = {}
    standing = ""
    for path, node in sorted(ordered, key=lambda item: posixpath.dirname(item[0]).split("/")):
        if posixpath.dirname(path) != standing:
            standing = posixpath.dirname(path)
            yield f"cd {_quoted('/' + standing)}"
        if not node.is_folder:
            yield from _write(path, node, first, scratch)
    for names in first.values():
        if len(names) > 1:
            yield f"sif {_quoted('/' + names[0])} links_count {len(names)}"
    for path, node in ordered:
        if node.is_folder:
            yield from _marks(f"/{path}", node, stat.S_IFDIR | 0o755)


def _write(path: str, node: Node, first: dict[tuple[Path, int], list[str]], scratch: Path) -> Iterator[str]:
    if node.target is not None:
        yield f"symlink {_quoted('/' + path)} {_quoted(node.target)}"
        yield from _marks(f"/{path}", node, stat.S_IFLNK | 0o777)
        return
    assert node.source is not None
    key = (node.source, node.mode)
    if node.shared and key in first and len(first[key]) < MAX_LINKS:
        yield f"ln {_quoted('/' + first[key][0])} {_quoted('/' + path)}"
        first[key].append(path)
        return
    if node.shared:
        first[key] = [path]
    yield f"write {_quoted(str(node.source))} {_quoted(posixpath.basename(path))}"
    here = f"./{posixpath.basename(path)}"  # a bare `<8>` would be inode 8 to debugfs
    yield from _marks(here, node, 0)
    for number, (name, value) in enumerate(node.xattrs):
        kept = scratch / f"xattr-{node.source.name}-{number}"
        kept.write_bytes(value)
        yield f"ea_set -f {_quoted(str(kept))} {_quoted(here)} {_quoted(name)}"


def _marks(name: str, node: Node, mode: int) -> Iterator[str]:
    """Set what differs from what `debugfs` gave by itself."""
    told = {"mode": f"0{node.mode:o}" if node.mode != mode else "", "uid": node.uid or "", "gid": node.gid or ""}
    told["mtime"] = f"@{node.mtime}" if node.mtime != places.EPOCH else ""
    for field, value in told.items():
        if value:
            yield f"sif {_quoted(name)} {field} {value}"


def _quoted(text: str) -> str:
    if any(sign in text for sign in "\n\r\0"):
        raise OutputError(
            f"the name {text!r} holds a line break; no appliance can be made with it",
            hint="rename the file in its repo or dataset",
        )
    return '"' + text.replace('"', '""') + '"'
