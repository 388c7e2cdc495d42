"""A file on the web, and the fetching of many: from the first address that has it, verified, into the store."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from builder.digest import Digest, key_of
from builder.errors import BuilderError, IntegrityError, SourceError
from builder.files import space_is_named
from builder.manifest.fields import is_web
from builder.sources.download import Download
from builder.sources.expected import NO_CHECKS, Checks, Expected
from builder.sources.partial import partial_of
from builder.sources.source import ONLINE, Network, shown
from builder.sources.together import Outcome, outcomes, values
from builder.sources.web import AT_ONCE, SILENCE, Headers, Question, answer_to
from builder.store.objects import Blob, Store

_PAGE_LIMIT = 64 << 20


@dataclass(frozen=True)
class WebFile:
    """One file: the addresses where it is, tried in order, and what is known of its bytes.

    `name` is how it is called in messages and in a tree. Without `sha256` the first fetch tells it. `headers` (a token)
    go to the hosts of `addresses` only, never to one that they redirect to. `silence` is how long a server may say
    nothing, in seconds.
    """

    addresses: tuple[str, ...]
    name: str
    sha256: Digest | None = None
    checks: Checks = NO_CHECKS
    size: int | None = None
    headers: Headers = field(default=(), repr=False)
    silence: float = SILENCE

    @property
    def expected(self) -> Expected:
        return Expected(self.sha256, self.checks, self.size)

    @property
    def key(self) -> str:
        """Names the place of what has arrived: one for all mirrors when the digest is known."""
        return self.sha256.hex if self.sha256 else key_of(self.addresses[0])


@dataclass(frozen=True)
class Page:
    """A small answer, in memory: `address` is where it was in the end, after redirects."""

    address: str
    body: bytes
    headers: Mapping[str, str]


def name_in(address: str) -> str:
    """What a file is called when nobody says it: the last word of its address."""
    parts = urlsplit(address)
    return posixpath.basename(unquote(parts.path)) or parts.hostname or "file"


def fetch_files(files: Sequence[WebFile], store: Store, network: Network = ONLINE) -> list[Outcome[Blob]]:
    """All files, side by side: for each, in their order, its object or the error that told why there is none."""
    return outcomes(lambda file: _fetched(file, store, network), files, AT_ONCE)


def fetch_all(files: Sequence[WebFile], store: Store, network: Network = ONLINE) -> list[Blob]:
    """All files; when some cannot be had, the others are in the store, and one error tells every failure."""
    made = fetch_files(files, store, network)
    if len(made) == 1 and made[0].error is not None:
        raise made[0].error
    return values(made, [file.name for file in files])


def sizes_of(files: Sequence[WebFile], network: Network = ONLINE) -> list[int | None]:
    """How many bytes each file has, asked without fetching them; None where the server does not say."""
    return [one.value for one in outcomes(lambda file: _size(file, network), files, AT_ONCE)]


def fetch_page(address: str, network: Network = ONLINE, headers: Headers = ()) -> Page:
    """What a host's API answers; RefusedError when it says no, SourceError when it cannot be had."""

    def attempt() -> Page:
        with answer_to(Question(address, headers)) as answer:
            answer.require(200)
            body = bytearray()
            for piece in answer.pieces():
                body += piece
                if len(body) > _PAGE_LIMIT:
                    raise SourceError(f"{shown(address)} is longer than any answer of an API is", hint="correct it")
            return Page(answer.address, bytes(body), answer.headers)

    return network.ask(shown(address), attempt)


def _fetched(file: WebFile, store: Store, network: Network) -> Blob:
    if file.sha256 is not None and store.has(file.sha256):
        return Blob(file.sha256, store.size(file.sha256))
    network.require_online(file.name)
    failures: list[BuilderError] = []
    with partial_of(file.key, store) as part, space_is_named(store.root):
        if file.sha256 is not None and store.has(file.sha256):  # another build fetched it while this one waited
            return Blob(file.sha256, store.size(file.sha256))
        for address in file.addresses:
            try:
                return Download(address, file.expected, network, file.headers, file.silence).bring(store, part)
            except (SourceError, IntegrityError) as error:
                failures.append(error)
    raise _none_of(file, failures)


def _none_of(file: WebFile, failures: Sequence[BuilderError]) -> BuilderError:
    if len(failures) == 1:
        return failures[0]
    kind = IntegrityError if all(isinstance(error, IntegrityError) for error in failures) else SourceError
    told = "".join(f"\n    {error}" for error in failures)
    return kind(f"{file.name} cannot be had from any of its {len(failures)} addresses:{told}", hint=failures[-1].hint)


def _size(file: WebFile, network: Network) -> int | None:
    if file.size is not None or network.is_offline:
        return file.size
    for address in file.addresses:
        try:
            return _told_size(address, file)
        except SourceError:
            continue
    return None


def _told_size(address: str, file: WebFile) -> int | None:
    if not is_web(address):
        from builder.sources import remote  # fsspec takes long to import, and few need it

        return remote.size_of(address)
    with answer_to(Question(address, file.headers, "HEAD", file.silence)) as answer:
        if answer.status == 200 and answer.length is not None and not answer.encoding:
            return answer.length
    first_byte = (*file.headers, ("Range", "bytes=0-0"))
    with answer_to(Question(address, first_byte, silence=file.silence)) as answer:
        answer.require(200, 206)
        return None if answer.encoding else answer.range[1] if answer.range else answer.length
