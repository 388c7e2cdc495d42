"""A file on the web, and the fetching of many: from the first address that has it, verified, into the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import requests

from builder.digest import Digest
from builder.errors import BuilderError, IntegrityError, SourceError
from builder.sources.http import Download
from builder.sources.source import ONLINE, Network, RefusedError
from builder.sources.together import Outcome, outcomes
from builder.store.objects import Blob, Store

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Checks:
    """What a host says about a file beside its sha256, in hex: checked as well. `git_blob` is git's name of a file."""

    md5: str | None = None
    sha1: str | None = None
    git_blob: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class WebFile:
    """One file: the addresses where it is, tried in order, and what is known of its bytes.

    `name` is how it is called in messages and in a tree. Without `sha256` the first fetch tells it. `headers` (a token)
    go to the hosts of `addresses` only, never to one that they redirect to.
    """

    addresses: tuple[str, ...]
    name: str
    sha256: Digest | None = None
    checks: Checks = Checks()
    size: int | None = None
    headers: Headers = field(default=(), repr=False)


@dataclass(frozen=True)
class Page:
    """A small answer, in memory: `address` is where it was in the end, after redirects."""

    address: str
    body: bytes
    headers: Mapping[str, str]


def fetch_files(files: Sequence[WebFile], store: Store, network: Network = ONLINE) -> list[Outcome[Blob]]:
    """All files, side by side: for each, in their order, its object or the error that told why there is none."""
    return outcomes(lambda file: _fetched(file, store, network), files, 16)


def fetch_page(address: str, network: Network = ONLINE, headers: Headers = ()) -> Page:
    """What a host's API answers; RefusedError when it says no, SourceError when it cannot be had."""
    answer = network.ask(address, lambda: requests.get(address, headers=dict(headers), timeout=60))
    if answer.status_code != 200:
        raise RefusedError(
            f"{address} cannot be read: the server answers {answer.status_code} {answer.reason}", answer.status_code
        )
    return Page(answer.url, answer.content, answer.headers)


def _fetched(file: WebFile, store: Store, network: Network) -> Blob:
    failure: BuilderError = SourceError(f"{file.name} has no address")
    for address in file.addresses:
        try:
            if file.sha256 is not None:
                return Download(address, file.sha256, network).bring(store)
            body = fetch_page(address, network, file.headers).body
            if file.checks.md5 not in (None, hashlib.md5(body).hexdigest()):
                raise IntegrityError(f"{file.name} is not what was expected")
            return store.put_bytes(body)
        except BuilderError as error:
            failure = error
    raise failure
