"""A web server on loopback that does what it is told: cut the line, ignore ranges, lie, stall, refuse."""

from __future__ import annotations

import gzip
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What was asked: its headers, the port it came from, and how many bytes of a body went out for it."""

    headers: dict[str, str]
    port: int
    sent: int = 0


@dataclass
class Site:
    """What is served. `faults` are taken one per request, first to last; without one the answer is right.

    Faults: `cut:N` (close after N bytes of the body), `status:N`, `status:N:SECONDS` (Retry-After), `no-range`,
    `stall`, `wrong` (flipped bytes), `bit` (one flipped bit), `wrong-offset` (a 206 of another part than asked for),
    `length:N` (a length header that is wrong), `gzip` (packed, which nobody asked for), `redirect:ADDRESS`,
    `chunked` (no length told), `chunked:N` (and cut after N bytes), `drip` (a byte now and then).
    `headers` are sent with every file of that path; a Range whose If-Range is none of them gets the whole.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)


class _Answer(BaseHTTPRequestHandler):
    site: Site
    request_seen: Request
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        site = self.site
        site.requests.append((self.path, self.headers.get("Range")))
        headers = {name.title(): value for name, value in self.headers.items()}
        self.request_seen = Request(headers, self.client_address[1])
        site.asked.append(self.request_seen)
        fault = site.faults.pop(0) if site.faults else ""
        body = site.files.get(self.path)
        location = fault.partition(":")[2] if fault.startswith("redirect:") else site.redirects.get(self.path)
        if location is not None:
            self._send(302, b"", {"Location": location})
        elif fault.startswith("status:") or body is None:
            _, status, wait = [*fault.split(":", 2), "", ""][:3]
            self._send(int(status or 404), b"", {"Retry-After": wait} if wait else {})
        else:
            self._file(_spoilt(body, fault), fault)

    def _file(self, body: bytes, fault: str) -> None:
        headers = dict(self.site.headers.get(self.path, {}))
        if fault == "gzip":
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        start, last = self._start(headers, fault), len(body) - 1
        if start is not None and start > last:
            self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        elif fault == "wrong-offset":
            self._send(206, body, {"Content-Range": f"bytes 0-{last}/{len(body)}"})
        elif start is not None:
            self._send(206, body[start:], {**headers, "Content-Range": f"bytes {start}-{last}/{len(body)}"}, fault)
        else:
            self._send(200, body, headers, fault)

    def _start(self, headers: dict[str, str], fault: str) -> int | None:
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if asked is None or fault == "no-range" or (condition is not None and condition not in headers.values()):
            return None
        found = re.fullmatch(r"bytes=(\d+)-\d*", asked)
        return int(found[1]) if found else None

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: str = "") -> None:
        kind, _, number = fault.partition(":")
        self.send_response(status)
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", number if kind == "length" else str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind == "cut":
            self._body(body[: int(number)])
        elif kind == "stall":
            self._body(body[: len(body) // 2])
            self.site.reached.set()
            self.site.released.wait(30)
        elif kind == "chunked":
            self._chunks(body[: int(number or len(body))], is_whole=not number)
        elif kind == "drip":
            for place in range(200):
                self._body(body[place : place + 1])
                self.site.released.wait(0.02)
        else:
            self._body(body)
        self.close_connection = self.close_connection or kind in _CLOSING

    def _chunks(self, body: bytes, *, is_whole: bool) -> None:
        for start in range(0, len(body), _PIECE):
            piece = body[start : start + _PIECE]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if is_whole:
            self.wfile.write(b"0\r\n\r\n")

    def _body(self, body: bytes) -> None:
        for start in range(0, len(body), _PIECE):
            self.wfile.write(body[start : start + _PIECE])
            self.request_seen.sent += len(body[start : start + _PIECE])


def _spoilt(body: bytes, fault: str) -> bytes:
    if fault == "wrong":
        return bytes(byte ^ 1 for byte in body)
    if fault == "bit":
        middle = len(body) // 2
        return body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :]
    return body


_PIECE = 1 << 16
_CLOSING = ("cut", "stall", "length", "chunked", "drip")


@contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site on a free port of loopback, until the block ends; over https when a context is given."""
    site = Site()
    handler = type("Answer", (_Answer,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site.url = f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()
