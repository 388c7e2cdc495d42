"""A store on another machine, at an fsspec address: a folder, s3://, ftp:// and whatever else fsspec has a driver for.

It has a store's own layout, so that a folder at the other end is itself a store. Credentials come from the environment
or the driver's own settings. What appears there is whole: object stores take a file whole or not at all; elsewhere it
is written under `scratch/` and renamed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]  # it has no types

from builder.errors import SourceError
from builder.sources.remote import driver_hint, failures, said
from builder.sources.source import shown
from builder.store.collect import PART

CHUNK = 8 << 20
_TAKE_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"}

_GIVEN_ON = ("sftp://", "ssh://")
"""Their driver gives every setting on to ssh; it remembers no listings anyway."""


class Remote:
    """The other end. Every failure is a SourceError that names its address, without a credential that stands in it."""

    def __init__(self, address: str) -> None:
        self.name = shown(address)
        self._address = address
        self._lines = threading.local()
        files, root = self._opened()
        self._root = str(root).rstrip("/")
        kinds = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        self._takes_whole = bool(kinds & _TAKE_WHOLE)
        self._is_local = "file" in kinds
        self._shared = files if files.async_impl or self._is_local else None
        self._lines.files = files
        self._folders: set[str] = set()
        self._making = threading.Lock()

    def _opened(self) -> tuple[Any, str]:
        try:
            with self._named():
                fresh = {} if self._address.startswith(_GIVEN_ON) else {"use_listings_cache": False}
                files, root = fsspec.url_to_fs(self._address, skip_instance_cache=True, **fresh)
                return files, str(root)
        except ValueError as error:
            raise SourceError(f"{self.name} is no address that can be used: {said(error)}", hint=_ADDRESS) from error
        except ImportError as error:
            hint = driver_hint(self._address.partition("://")[0])
            raise SourceError(f"{self.name} needs a driver that is not installed", hint=hint) from error

    @property
    def _files(self) -> Any:
        """The driver; where it has one connection that threads cannot share, each thread's own."""
        if self._shared is not None:
            return self._shared
        if not hasattr(self._lines, "files"):
            self._lines.files, _ = self._opened()
        return self._lines.files

    def place(self, path: str) -> str:
        return f"{self._root}/{path}"

    def listed(self, folder: str) -> dict[str, int]:
        """The files of a folder with their sizes in bytes; none when it is not there."""
        with self._named():
            try:
                found = self._files.ls(self.place(folder), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
        rows = (item for item in found if item["type"] == "file")
        return {item["name"].rstrip("/").rpartition("/")[2]: int(item["size"] or 0) for item in rows}

    def folders(self, folder: str) -> list[str]:
        """The folders in a folder; none when it is not there."""
        with self._named():
            try:
                found = self._files.ls(self.place(folder), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(item["name"].rstrip("/").rpartition("/")[2] for item in found if item["type"] == "directory")

    def require(self) -> None:
        """Raise SourceError when there is no store."""
        if not self.folders("objects"):
            raise SourceError(f"{self.name} holds no store", hint="fill it first: python3 build.py store push REMOTE")

    def read(self, path: str) -> bytes | None:
        """A small file's bytes, or None when it is not there."""
        with self._named():
            try:
                return bytes(self._files.cat_file(self.place(path)))
            except FileNotFoundError:
                return None

    def chunks(self, path: str, size: int) -> Iterator[bytes]:
        """At most so many bytes of a file: who serves it may not fill our disk."""
        if size <= CHUNK:
            with self._named():
                data = bytes(self._files.cat_file(self.place(path), start=0, end=size))
            yield data
            return
        with self._named(), self._files.open(self.place(path), "rb", block_size=CHUNK, cache_type="readahead") as file:
            while size > 0 and (chunk := file.read(min(CHUNK, size))):
                size -= len(chunk)
                yield chunk

    def write(self, path: str, source: Path | bytes) -> None:
        """Put a file there, whole or not at all."""
        with self._named():
            if self._takes_whole:
                self._send(source, self.place(path))
                return
            part = f"scratch/{PART}{secrets.token_hex(8)}"
            self._make_folder(part)
            self._make_folder(path)
            self._send(source, self.place(part))
            if not self._is_local and self._files.exists(self.place(path)):
                self._files.rm_file(self.place(path))  # not every server renames over a file
            self._files.mv(self.place(part), self.place(path))

    def _send(self, source: Path | bytes, place: str) -> None:
        if isinstance(source, bytes):
            self._files.pipe_file(place, source)
        else:
            self._files.put_file(str(source), place)

    def _make_folder(self, path: str) -> None:
        folder = self.place(path).rpartition("/")[0]
        with self._making:  # two that make the same folder at once fail on some servers
            if folder not in self._folders:
                self._files.makedirs(folder, exist_ok=True)
                self._folders.add(folder)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise SourceError(f"{self.name} forbids it: {said(error)}", hint=_RIGHTS) from error
        except failures() as error:
            raise SourceError(f"{self.name} cannot be used: {said(error)}", hint=_AGAIN) from error


_ADDRESS = "name a folder, or an address such as s3://BUCKET/FOLDER"
_RIGHTS = "look at the credentials in the environment, and whether they may read and write there"
_AGAIN = "look at the address and the network, then run again: what has arrived is kept"
