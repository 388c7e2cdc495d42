"""What is published: the newest edition, and its files by digest, fetched side by side, gone on with when cut."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from at_home.edition import Edition, read
from at_home.home import CHUNK, Home, HomeError, digest_of, to_disk

LIST = "workshop.json"
LARGEST_LIST = 256 << 20
PATIENCE = 30
TRIES = 4
AT_ONCE = 6
PARTIAL = "partial"
_CUT = (http.client.HTTPException, ConnectionError, TimeoutError)


class Published:
    """A folder on a web server, as `build.py build` makes it with the output `updates`."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._require_web()

    def _require_web(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise HomeError(f"{self.address!r} is no address that starts with https:// or http://")

    def edition(self, workshop: str) -> Edition:
        """The newest edition; HomeError when there is none, or it is another workshop's."""
        address = f"{self.address}/{LIST}"
        try:
            with _opened(address) as answer:
                data = answer.read(LARGEST_LIST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(address, error) from error
        found = read(data[: LARGEST_LIST + 1], address)
        if found.workshop != workshop:
            raise HomeError(
                f"{address} is of the workshop {found.workshop!r}, not of {workshop!r}; nothing was changed"
            )
        return found

    def fetch(self, wanted: Mapping[str, int], home: Home) -> None:
        """Bring objects (digest → bytes) into the home; what is there is not asked for again."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(self._bring, digest, size, home) for digest, size in sorted(wanted.items())]
            try:
                for one in running:
                    one.result()
            except BaseException:
                for one in running:
                    one.cancel()
                raise

    def _bring(self, digest: str, size: int, home: Home) -> None:
        target, part = home.object(digest), home.state / PARTIAL / digest
        if target.exists():
            return
        part.parent.mkdir(exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            self._receive(digest, size, part)
            if digest_of(part) == digest:
                to_disk(part)
                part.replace(target)
                return
            part.unlink()  # perhaps only what a cut download left was wrong
        raise HomeError(
            f"{self._object(digest)} is not the file that {LIST} names: its sha256 is another; nothing was changed. "
            "Try again later, and tell the organisers if it stays so"
        )

    def _receive(self, digest: str, size: int, part: Path) -> None:
        """All bytes of a file, from where an earlier download ended; never more than it is said to have."""
        address = self._object(digest)
        for left in reversed(range(TRIES)):
            have = part.stat().st_size if part.exists() else 0
            if have >= size and part.exists():
                return
            try:
                with _opened(address, have) as answer, part.open("ab" if answer.status == 206 else "wb") as file:
                    room = size - file.tell()
                    while room > 0 and (chunk := answer.read(min(CHUNK, room))):
                        file.write(chunk)
                        room -= len(chunk)
                if room == 0:
                    return
                failure: Exception = HomeError(f"{address} was cut")
            except urllib.error.HTTPError as error:
                raise _unreachable(address, error) from error
            except (urllib.error.URLError, *_CUT) as error:
                failure = error
            if not left:
                raise _unreachable(address, failure)

    def _object(self, digest: str) -> str:
        return f"{self.address}/objects/{digest[:2]}/{digest[2:]}"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to where nobody can change what is sent, if that is where it started."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]  # as Python's
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it leads to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opened(address: str, start: int = 0) -> http.client.HTTPResponse:
    headers = {"Accept-Encoding": "identity", "User-Agent": "workshop"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(_Redirects)
    answer: http.client.HTTPResponse = opener.open(urllib.request.Request(address, headers=headers), timeout=PATIENCE)
    if start and answer.status == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        answer.close()
        raise http.client.HTTPException("the server sent another part than was asked for")
    return answer


def _unreachable(address: str, error: Exception) -> HomeError:
    if isinstance(error, urllib.error.HTTPError):
        said = f"{address} cannot be had: the server says {error.code} {error.reason}"
        return HomeError(f"{said}. Nothing was changed; ask the organisers")
    reason = getattr(error, "reason", None) or error
    return HomeError(f"{address} cannot be reached ({reason}). Nothing was changed; try again when you are online")
