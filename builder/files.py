"""Writes that appear whole or not at all, and links that share bytes without sharing a writable file."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from builder.errors import ProgramError, StoreError

CHUNK = 1 << 20
FICLONE = 0x40049409  # linux/fs.h


@contextmanager
def space_is_named(folder: Path) -> Iterator[None]:
    """Turn 'no space left' into a sentence that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_space(folder) from error
    except ProgramError as error:
        if os.strerror(errno.ENOSPC) not in error.message:
            raise
        raise _no_space(folder) from error


def _no_space(folder: Path) -> StoreError:
    return StoreError(
        f"no space left while writing in {folder}",
        hint="free some space, or choose another disk with --store DIR and --out DIR; what is complete is kept",
    )


@contextmanager
def whole_file(path: Path, mode: int = 0o644, *, synced: bool = True) -> Iterator[IO[bytes]]:
    """Open a file beside `path`; it takes that name when the block ends without an error.

    Unless `synced` is False it is on the disk by then; without, a power cut may leave any bytes under the name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:100]}.{os.getpid()}-{secrets.token_hex(4)}")
    with space_is_named(path.parent):
        handle, has_name = _open_part(part)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), mode)
                if synced:
                    os.fsync(file.fileno())
                if not has_name:
                    # Python follows the link only when it is given a descriptor, which an absolute path never uses
                    os.link(f"/proc/self/fd/{file.fileno()}", part, src_dir_fd=file.fileno(), follow_symlinks=True)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if synced:
            sync_folder(path.parent)


def _open_part(part: Path) -> tuple[int, bool]:
    """A descriptor to write to, and whether it has a name; what has none is gone when we are killed."""
    if Path("/proc/self/fd").exists():
        try:
            return os.open(part.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), False
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
                raise
    return os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), True


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a small file whole or not at all."""
    with whole_file(path, mode) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def chunks_of(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(size):
            yield chunk


def share(source: Path, target: Path, *, writable: bool = False, link: bool = True) -> None:
    """Give `target` the bytes of `source` by the first way that works: reflink, hard link, copy.

    A hard link is the same file: there is none where the target is to be `writable`, and none without `link`, which is
    for places where root works, whom the mode of a file does not stop.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with space_is_named(target.parent):
        if not _reflink(source, target):
            if link and not writable and _hard_link(source, target):
                return
            shutil.copyfile(source, target)
        target.chmod(0o644 if writable else 0o444)


def _reflink(source: Path, target: Path) -> bool:
    """Whether the file system let both share their blocks until one is written to (ioctl_ficlone(2))."""
    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
            return True
        except OSError:
            pass
    target.unlink()
    return False


def _hard_link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise
    return True


def remove_folder(folder: Path) -> None:
    """Remove a folder and all in it, also where its own files forbid it."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)
    shutil.rmtree(folder)
