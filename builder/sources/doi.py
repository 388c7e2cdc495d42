"""Files of the record that a DOI names, wherever it is published: resolved by the DOI system, read from its host.

`WORKSHOP_DOI_RESOLVER` names a mirror of the DOI system. The lock has the DOI of the version, and of each file its
name, its size and its host's checksum; the digest of the tree sees to it, as everywhere, that its bytes stay the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from builder.errors import SourceError
from builder.sources.hosted import HostedFile, Hosting
from builder.sources.record import Record, RecordFile, host_of, record_at
from builder.sources.selection import ALL, Selection
from builder.sources.source import ONLINE, Network, RefusedError
from builder.sources.web import Question, answer_to
from builder.store.objects import Store
from builder.store.trees import Tree

_RESOLVER = "https://doi.org"
_FILE = "file "


@dataclass(frozen=True)
class DoiRecord:
    """A DOI, of a version of a record or of all its versions (then the newest counts), and which files are taken."""

    doi: str
    selection: Selection = ALL
    network: Network = ONLINE
    is_local: bool = False

    def resolve(self) -> dict[str, str]:
        record = self._found(self.doi, "")
        files = {f"{_FILE}{file.path}": f"{file.checksum} {file.size}" for file in record.files}
        return {"doi": record.doi, "version": record.version, **files}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        files = tuple(_locked(key, said) for key, said in resolved.items() if key.startswith(_FILE))
        hosting = Hosting(f"doi:{resolved['doi']}", files, self.selection)
        addresses: dict[str, str] = {}
        if missing := hosting.missing(store):
            record = self._found(resolved["doi"], resolved["version"])
            addresses = {file.path: file.address for file in record.files}
            for file in missing:
                if file.path not in addresses:
                    raise SourceError(
                        f"{file.path} is no longer among the files of doi:{resolved['doi']}",
                        hint="look at its page; take its newest: python3 build.py lock --update NAME",
                    )
        return hosting.tree(addresses, store, host_of(resolved["doi"], self.network))

    def _found(self, doi: str, version: str) -> Record:
        return record_at(self._landing(doi), doi, version, self.network)

    def _landing(self, doi: str) -> str:
        """The address of the record's page. What the page itself answers does not count: some hosts refuse programs."""
        resolver = (os.environ.get("WORKSHOP_DOI_RESOLVER") or _RESOLVER).rstrip("/")
        question = Question(f"{resolver}/{quote(doi, safe='/')}")

        def attempt() -> str:
            with answer_to(question) as answer:
                if answer.address.startswith(f"{resolver}/"):
                    answer.require()
                return answer.address

        try:
            return self.network.ask(f"doi:{doi}", attempt)
        except RefusedError as error:
            raise SourceError(
                f"doi:{doi} is not known to the DOI system", hint="correct the doi in the card"
            ) from error


def _locked(key: str, said: str) -> HostedFile:
    checksum, _, size = said.partition(" ")
    return RecordFile(key.removeprefix(_FILE), "", int(size), checksum).hosted
