"""A file from a web server, known by its sha256 before it is asked for.

What has arrived stays in `partial/<key>` of the store when the line is cut or the build killed; the next try asks for
the rest only. Bytes enter the store when all of them are there and match; what does not match is deleted.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from builder.digest import Digest, key_of
from builder.errors import SourceError
from builder.files import CHUNK, chunks_of, space_is_named
from builder.sources.source import ONLINE, Network, UnreachableError, redacted
from builder.store.objects import Blob, Store, mismatch

_CONNECT_SECONDS = 15
_SILENT_SECONDS = 60
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.HTTPError,
    requests.exceptions.ChunkedEncodingError,
)


@dataclass(frozen=True)
class Download:
    """An address, and the digest its bytes must have. `silence` is how long a server may say nothing, in seconds."""

    url: str
    digest: Digest
    network: Network = ONLINE
    silence: float = _SILENT_SECONDS

    @property
    def name(self) -> str:
        """The address as it may be shown: what follows `?` may be a signature that opens it."""
        return redacted(self.url).partition("?")[0]

    @property
    def file_name(self) -> str:
        return unquote(urlsplit(self.url).path).rsplit("/", 1)[-1] or urlsplit(self.url).hostname or "file"

    def bring(self, store: Store) -> Blob:
        """The bytes, verified; from the store when they are there, else from the server, going on where it ended."""
        if store.has(self.digest):
            return Blob(self.digest, store.size(self.digest))
        with _partial(store, key_of([self.url, self.digest.hex])) as part, space_is_named(store.root):
            if store.has(self.digest):  # another build fetched it while this one waited
                return Blob(self.digest, store.size(self.digest))
            resumed = part.exists() and part.stat().st_size > 0
            received = self.network.ask(self.name, lambda: self._complete(part))
            if received != self.digest and resumed:
                part.unlink()  # the old beginning may be what is wrong
                received = self.network.ask(self.name, lambda: self._complete(part))
            if received != self.digest:
                part.unlink()
                raise mismatch(self.digest, received, self.name)
            return store.adopt(part, received)

    def _complete(self, part: Path) -> Digest:
        """Ask for what is missing of `part`, append it, and give the digest of the whole."""
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"  # without If-Range: by its digest a changed file is found in the end
        try:
            patience = (_CONNECT_SECONDS, self.silence)
            with requests.get(self.url, headers=headers, stream=True, timeout=patience) as answer:
                self._require_answer(answer, part)
                go_on = answer.status_code == 206 and _starts_at(answer, have)
                return self._received(answer, part, go_on)
        except _BROKEN as error:
            host = urlsplit(self.url).hostname
            reason = self._reason(error)
            raise UnreachableError(
                f"{host} broke off or cannot be reached for {self.name}: {reason}", hint=_AGAIN
            ) from error
        except requests.RequestException as error:
            raise SourceError(
                f"{self.name} cannot be fetched: {self._reason(error)}", hint="correct the url"
            ) from error

    def _reason(self, error: Exception) -> str:
        cause = error.args[0] if error.args else error
        return redacted(str(getattr(cause, "reason", cause)).replace(self.url, self.name))

    def _require_answer(self, answer: requests.Response, part: Path) -> None:
        if answer.status_code in (200, 206):
            return
        said = f"{answer.status_code} {answer.reason}"
        if answer.status_code == 416 and part.exists():
            part.unlink()
            raise UnreachableError(f"{self.name} is not as long as what has arrived of it", hint=_AGAIN)
        if answer.status_code in _PASSING:
            raise UnreachableError(f"{urlsplit(self.url).hostname} answers {said} for {self.name}", hint=_AGAIN)
        raise SourceError(f"{self.name} cannot be fetched: the server answers {said}", hint="correct the url")

    def _received(self, answer: requests.Response, part: Path, go_on: bool) -> Digest:
        hasher = hashlib.sha256()
        if go_on:
            for chunk in chunks_of(part):
                hasher.update(chunk)
        with part.open("ab" if go_on else "wb", buffering=0) as file:
            while chunk := answer.raw.read1(CHUNK, decode_content=False):
                file.write(chunk)
                hasher.update(chunk)
        return Digest(hasher.hexdigest())


def _starts_at(answer: requests.Response, offset: int) -> bool:
    """Whether a 206 is the rest that was asked for (RFC 9110, section 14.4)."""
    return answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


@contextmanager
def _partial(store: Store, key: str) -> Iterator[Path]:
    """The place of an unfinished download, held by one build at a time."""
    folder = store.root / "partial"
    folder.mkdir(exist_ok=True)
    with (folder / f"{key}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder / key


_AGAIN = "look at the network, then run again; what has arrived is kept"
