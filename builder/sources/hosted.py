"""Files that a host lists with checksums of its own: picked before they are fetched, checked as the host says.

What a checksum other than sha256 turned out to be is remembered in the store, so that no file is fetched twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from builder.digest import Digest, key_of
from builder.sources.expected import NO_CHECKS, Checks
from builder.sources.selection import Selection
from builder.sources.service import Service
from builder.sources.source import RefusedError
from builder.sources.together import Outcome, values
from builder.sources.web_file import WebFile, fetch_files
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class HostedFile:
    """A file as its host lists it: its path, its size in bytes, what is known of its bytes."""

    path: str
    size: int | None
    sha256: Digest | None = None
    checks: Checks = NO_CHECKS

    def known(self, store: Store) -> Digest | None:
        """Its sha256, when the host says it or it was fetched before."""
        if self.sha256 is not None or not self._is_checked:
            return self.sha256
        found = store.recall("hosted", self._key)
        return None if found is None else Digest(found)

    def remember(self, digest: Digest, store: Store) -> None:
        if self.sha256 is None and self._is_checked:
            store.remember("hosted", self._key, digest.hex)

    @property
    def _is_checked(self) -> bool:
        return any((self.checks.md5, self.checks.sha1, self.checks.git_blob))

    @property
    def _key(self) -> str:
        return key_of({"size": self.size, **asdict(self.checks)})


@dataclass(frozen=True)
class Hosting:
    """Files of one host: what they are called together, and which of them are wanted."""

    name: str
    files: tuple[HostedFile, ...]
    selection: Selection

    def taken(self) -> list[HostedFile]:
        """The selected files; SourceError for a pattern that selects none."""
        self.selection.of((Entry(file.path) for file in self.files), self.name)
        return [file for file in self.files if self.selection.takes(file.path)]

    def missing(self, store: Store) -> list[HostedFile]:
        """The selected files that have to be fetched."""
        known = ((file, file.known(store)) for file in self.taken())
        return [file for file, digest in known if digest is None or not store.has(digest)]

    def tree(self, addresses: Mapping[str, str], store: Store, service: Service) -> Tree:
        """The selected files, fetched from `addresses` where the store has them not."""
        missing = self.missing(store)
        made = fetch_files([self._web_file(file, addresses, service) for file in missing], store, service.network)
        for file, outcome in zip(missing, made, strict=True):
            if outcome.value is not None:
                file.remember(outcome.value.digest, store)
        fetched = values([_told(outcome, service) for outcome in made], [file.path for file in missing])
        new = {file.path: blob.digest for file, blob in zip(missing, fetched, strict=True)}
        entries = []
        for file in self.taken():
            digest = new.get(file.path) or file.known(store)
            assert digest is not None  # it was fetched, or known before
            entries.append(Entry(file.path, digest, store.size(digest)))
        return self.selection.of(entries, self.name)

    def _web_file(self, file: HostedFile, addresses: Mapping[str, str], service: Service) -> WebFile:
        name = f"{file.path} of {self.name}"
        return WebFile((addresses[file.path],), name, file.sha256, file.checks, file.size, service.headers)


def _told(outcome: Outcome[Blob], service: Service) -> Outcome[Blob]:
    return Outcome(error=service.named(outcome.error)) if isinstance(outcome.error, RefusedError) else outcome
