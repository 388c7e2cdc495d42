"""One question to a web server and its answer: proxies, logins and redirects seen to, every failure in our words."""

from __future__ import annotations

import email.utils
import functools
import os
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import certifi
import urllib3

from builder.errors import SourceError
from builder.sources.login import login_of
from builder.sources.redirect import LONGEST, next_address, require_address
from builder.sources.source import RefusedError, UnreachableError, redacted, shown

Headers = tuple[tuple[str, str], ...]

AT_ONCE = 16
"""How many questions are under way at one time, in all; `PER_HOST` of them to one host."""
PER_HOST = 8
SILENCE = 60.0
_CONNECT_SECONDS = 15.0
_PIECE = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
AGAIN = "look at the network, then run again; what has arrived is kept"
_all = threading.BoundedSemaphore(AT_ONCE)
_hosts: dict[str, threading.BoundedSemaphore] = {}
_making = threading.Lock()


@dataclass(frozen=True)
class Question:
    """An address and what is asked of it. `headers` go to its host only, never to one that it redirects to.

    `silence` is how long a server may say nothing, in seconds.
    """

    address: str
    headers: Headers = ()
    method: str = "GET"
    silence: float = SILENCE

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""


@dataclass(frozen=True)
class Answer:
    """What came back: `address` is where it came from in the end. The body is read once, piece by piece."""

    question: Question
    address: str
    status: int
    reason: str
    headers: Mapping[str, str]
    raw: urllib3.BaseHTTPResponse

    @property
    def length(self) -> int | None:
        """How many bytes the body has, when the server says so."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdigit() else None

    @property
    def encoding(self) -> str:
        """How the body is packed for the way; asked for is nothing, which some servers do not mind."""
        told = self.headers.get("Content-Encoding", "").strip().lower()
        return "" if told == "identity" else told

    @property
    def range(self) -> tuple[int, int | None] | None:
        """Where this piece begins, and how long the whole is (RFC 9110, section 14.4)."""
        unit, _, rest = self.headers.get("Content-Range", "").partition(" ")
        piece, _, whole = rest.partition("/")
        start = piece.partition("-")[0]
        if unit != "bytes" or not (start.isdigit() or piece == "*"):
            return None
        return int(start) if start.isdigit() else 0, int(whole) if whole.isdigit() else None

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes; UnreachableError when it ends before its length."""
        with faults_named(self.question):
            while piece := self.raw.read1(_PIECE, decode_content=False):
                yield piece

    def require(self, *statuses: int) -> None:
        """Raise UnreachableError for what may pass, RefusedError for what will not."""
        if self.status in statuses:
            return
        name, said = shown(self.question.address), f"{self.status} {self.reason}".strip()
        if self.status in _PASSING:
            raise UnreachableError(f"{self.question.host} answers {said} for {name}", hint=AGAIN, wait=self._wait())
        hint = _LOGIN if self.status in (401, 403, 407) else "correct the url, or give a mirror beside it"
        raise RefusedError(f"{name} cannot be fetched: the server answers {said}", self.status, hint=hint)

    def _wait(self) -> float:
        """Retry-After in seconds, which may be given as a date (RFC 9110, section 10.2.3)."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isdigit():
            return float(text[:9])
        then = email.utils.parsedate_tz(text)
        now = email.utils.parsedate_tz(self.headers.get("Date", ""))
        if then is None or now is None:
            return 0.0
        return float(max(0, email.utils.mktime_tz(then) - email.utils.mktime_tz(now)))


@contextmanager
def answer_to(question: Question) -> Iterator[Answer]:
    """Ask, following redirects; the connection is kept for the next question when the body was read to its end."""
    address = question.address
    require_address(address)
    for _ in range(LONGEST + 1):
        with _turn(urlsplit(address).netloc), _sent(question, address) as answer:
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or location is None:
                yield answer
                return
        address = next_address(question.address, address, location)
    raise SourceError(f"{shown(question.address)} redirects more than {LONGEST} times in a row", hint="correct the url")


@contextmanager
def faults_named(question: Question) -> Iterator[None]:
    """Turn what the connection raises into UnreachableError, or SourceError for what will not pass by itself."""
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        name, reason = shown(question.address), _reason(error, question.address)
        if isinstance(error, urllib3.exceptions.LocationValueError):
            raise SourceError(f"{name} is no address: {reason}", hint="correct the url") from error
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            raise SourceError(f"{question.host} cannot prove who it is: {reason}", hint=_TRUST) from error
        raise UnreachableError(
            f"{question.host} broke off or cannot be reached for {name}: {reason}", hint=AGAIN
        ) from error


def _reason(error: Exception, address: str) -> str:
    cause = getattr(error, "reason", None) or getattr(error, "original_error", None) or error
    text = str(cause).partition("object at ")[2].partition(": ")[2] or str(cause)
    return redacted(" ".join(text.replace(address, shown(address)).split())) or type(cause).__name__


@contextmanager
def _turn(host: str) -> Iterator[None]:
    """Wait until the host, and then this machine, has not too much to do for us already."""
    with _hosts.setdefault(host, threading.BoundedSemaphore(PER_HOST)), _all:
        yield


@contextmanager
def _sent(question: Question, address: str) -> Iterator[Answer]:
    parts = urlsplit(address)
    headers = urllib3.HTTPHeaderDict({"Accept-Encoding": "identity", "User-Agent": "workshop-image-builder"})
    headers.update(login_of(parts.hostname or ""))
    if parts.netloc == urlsplit(question.address).netloc:
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers.update(urllib3.make_headers(basic_auth=login))
        headers.update(question.headers)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
    patience = urllib3.Timeout(connect=_CONNECT_SECONDS, read=question.silence)
    with faults_named(question):
        raw = _pool(_proxy_of(parts.scheme, parts.netloc.rpartition("@")[2])).request(
            question.method, bare, headers=headers, timeout=patience, redirect=False, retries=False,
            preload_content=False, decode_content=False,
        )  # fmt: skip
    try:
        yield Answer(question, address, raw.status, raw.reason or "", raw.headers, raw)
    finally:
        raw.close()
        raw.release_conn()


def _proxy_of(scheme: str, host: str) -> str:
    """The proxy that the environment names for a host, or nothing."""
    if urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    found = proxies.get(scheme) or proxies.get("all") or ""
    return found if not found or "://" in found else f"http://{found}"


def _pool(proxy: str) -> urllib3.PoolManager:
    """Kept connections; a process that was forked has its own."""
    with _making:
        return _new_pool(os.getpid(), proxy)


@functools.cache
def _new_pool(process: int, proxy: str) -> urllib3.PoolManager:
    keywords: dict[str, Any] = {"num_pools": 64, "maxsize": PER_HOST, "ssl_context": _trust()}
    if not proxy:
        return urllib3.PoolManager(**keywords)
    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    return urllib3.ProxyManager(bare, proxy_headers=headers, **keywords)


def _trust() -> ssl.SSLContext:
    """The machine's certificates and certifi's; only those of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE when one is set."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if bundle:
        return ssl.create_default_context(cafile=bundle)
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


_LOGIN = "log in: put the host's user and password into ~/.netrc; or correct the url"
_TRUST = "name the file with your network's certificates in REQUESTS_CA_BUNDLE"
