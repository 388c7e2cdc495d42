"""One file from one address, gone on with where an earlier try ended, compared with what is known of it, stored.

Small files are received in memory; larger ones in the store's `partial/`, hashed in a thread of their own meanwhile.
Pieces of two answers are joined when a digest will tell whether they belong together, or when the server says that
the file is still the one the first piece is of.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.digest import Digest
from builder.errors import BuilderError, IntegrityError
from builder.files import chunks_of
from builder.manifest.fields import is_web
from builder.sources.expected import Expected, Hasher
from builder.sources.hashing import hashed
from builder.sources.partial import Partial
from builder.sources.source import Network, UnreachableError, shown
from builder.sources.web import AGAIN, Answer, Headers, Question, answer_to
from builder.store.objects import Blob, Store, mismatch

SMALL = 1 << 20
_GOOD_PIECE = 1 << 20
_LEAST_SPEED = 500
"""Bytes a second; a server that is slower for as long as it may be silent counts as silent. As git's lowSpeedLimit."""


@dataclass(frozen=True)
class Received:
    """A whole body: its hashes, its bytes when it is small, and how the server says they are packed.

    It is joined when its beginning is of an earlier answer.
    """

    hashers: dict[str, Hasher]
    size: int
    is_joined: bool = False
    body: bytes | None = None
    encoding: str = ""

    @property
    def digest(self) -> Digest:
        return Digest(self.hashers["sha256"].hexdigest())


@dataclass(frozen=True)
class Download:
    """One address of a file."""

    address: str
    expected: Expected
    network: Network
    headers: Headers
    silence: float

    @property
    def name(self) -> str:
        return shown(self.address)

    def bring(self, store: Store, part: Partial) -> Blob:
        """The file as an object; IntegrityError, and nothing kept, when it is not the expected one."""
        received = self._right(part)
        if received.body is not None:
            return store.put_bytes(received.body)
        blob = store.adopt(part.path, received.digest)
        part.drop()
        return blob

    def _right(self, part: Partial) -> Received:
        """What is as expected; a wrong whole that was joined may have a wrong beginning, so it is asked for anew."""
        turn = 1
        while True:
            received = self.network.ask(self.name, lambda: self._insisted(part))
            wrong = self._difference(received)
            if wrong is None:
                return received
            part.drop()
            if not received.is_joined or turn >= self.network.tries:
                raise wrong
            turn += 1

    def _insisted(self, part: Partial) -> Received:
        """Try as long as each try brings a good piece; a line that is cut now and then is no reason to give up."""
        while True:
            before = part.size
            try:
                return self._received(part)
            except UnreachableError as error:
                if error.wait or part.size - before < _GOOD_PIECE:
                    raise

    def _received(self, part: Partial) -> Received:
        if not is_web(self.address):
            return self._by_driver(part)
        validator = part.validator(self.address)
        if part.size and not (validator or self.expected.is_known):
            part.drop()
        have = part.size
        headers = [*self.headers]
        if have:
            headers.append(("Range", f"bytes={have}-"))
            if validator:
                headers.append(("If-Range", validator))
        with answer_to(Question(self.address, tuple(headers), silence=self.silence)) as answer:
            if answer.status == 416 and have:
                return self._all_there(answer, part)
            answer.require(200, 206)
            self._require_known(answer)
            if answer.status == 206:
                self._require_rest(answer, part, have, validator)
                return self._appended(answer, part)
            if answer.length is not None and answer.length <= SMALL:
                part.drop()
                return self._in_memory(answer)
            part.begin(self.address, _validator(answer))
            return self._appended(answer, part)

    def _by_driver(self, part: Partial) -> Received:
        from builder.sources import remote  # fsspec takes long to import, and few need it

        if not self.expected.is_known:
            part.drop()
        is_joined = part.size > 0
        remote.receive(self.address, part.path, self.network.arrived)
        return Received(hashed(chunks_of(part.path), self.expected.hashers()), part.size, is_joined)

    def _all_there(self, answer: Answer, part: Partial) -> Received:
        """There is nothing after what has arrived: it is the whole, or of another file."""
        received = Received(hashed(chunks_of(part.path), self.expected.hashers()), part.size, is_joined=True)
        whole = answer.range[1] if answer.range else None
        if whole not in (None, part.size) or not self.expected.is_known or self._difference(received):
            part.drop()
            raise UnreachableError(f"{self.name} is not as long as what has arrived of it", hint=AGAIN)
        return received

    def _require_known(self, answer: Answer) -> None:
        """Say at once what its head tells: that it is not the expected file."""
        self.expected.require_etag(answer.headers.get("ETag", ""), self.name)
        size = answer.range[1] if answer.status == 206 and answer.range else answer.length
        if size is not None and not answer.encoding:
            self.expected.require_size(size, self.name)

    def _require_rest(self, answer: Answer, part: Partial, have: int, validator: str | None) -> None:
        """A 206 must be the rest that was asked for, of the version that the beginning is of."""
        is_rest = answer.range is not None and answer.range[0] == have and have > 0
        is_same = not validator or _validator(answer) in ("", validator)
        if not (is_rest and is_same):
            part.drop()
            raise UnreachableError(f"{self.name} came as another piece than the one asked for", hint=AGAIN)

    def _in_memory(self, answer: Answer) -> Received:
        body = b"".join(_guarded(answer))
        self.network.arrived(len(body))
        hashers = self.expected.hashers()
        for hasher in hashers.values():
            hasher.update(body)
        return Received(hashers, len(body), body=body, encoding=answer.encoding)

    def _appended(self, answer: Answer, part: Partial) -> Received:
        is_joined = part.size > 0
        hashers = hashed(_beginning_and(part.path, self._bounded(answer, part)), self.expected.hashers())
        return Received(hashers, part.size, is_joined, encoding=answer.encoding)

    def _bounded(self, answer: Answer, part: Partial) -> Iterator[bytes]:
        """The pieces of a body, no more than the file has bytes."""
        have = part.size
        for piece in _guarded(answer):
            have += len(piece)
            self.network.arrived(len(piece))
            if not answer.encoding and self.expected.size is not None and have > self.expected.size:
                part.drop()
                self.expected.require_size(have, self.name)
            yield piece

    def _difference(self, received: Received) -> BuilderError | None:
        wrong = self.expected.difference(received.hashers, self.name)
        if received.encoding and (wrong is not None or not self.expected.is_known):
            return IntegrityError(
                f"{self.name} came packed as {received.encoding}, which was not asked for, and as such its bytes are "
                "not the expected ones; they were thrown away",
                hint="give a mirror that sends the file as it is",
            )
        if wrong is None and not received.encoding and self.expected.size not in (None, received.size):
            return mismatch(f"{self.expected.size} bytes", f"{received.size} bytes", self.name)
        return wrong


def _validator(answer: Answer) -> str:
    """What If-Range may name (RFC 9110, section 13.1.5): a strong ETag, else the date of the last change."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _guarded(answer: Answer) -> Iterator[bytes]:
    """The pieces of a body; UnreachableError when they come slower than anybody would wait for."""
    start, count = time.monotonic(), 0
    for piece in answer.pieces():
        count += len(piece)
        yield piece
        elapsed = time.monotonic() - start
        if elapsed > answer.question.silence:
            if count < _LEAST_SPEED * elapsed:
                raise UnreachableError(
                    f"{shown(answer.address)} comes at {count / elapsed:.0f} bytes a second", hint=AGAIN
                )
            start, count = time.monotonic(), 0


def _beginning_and(path: Path, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes that are in a file, then others, which are appended to it."""
    with path.open("ab", buffering=0) as file:
        yield from chunks_of(path)
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[file.write(left) :]
            yield piece
