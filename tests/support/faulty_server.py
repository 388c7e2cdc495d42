"""A web server on loopback that does what it is told: cut the line, ignore ranges, lie, stall, refuse."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served. `faults` are taken one per request, first to last; without one the answer is right.

    Faults: `cut:N` (close after N bytes of the body), `status:N`, `no-range`, `stall`, `wrong` (flipped bytes),
    `wrong-offset` (a 206 of another part than asked for).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)


class _Answer(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        site = self.site
        asked = self.headers.get("Range")
        site.requests.append((self.path, asked))
        fault = site.faults.pop(0) if site.faults else ""
        body = site.files.get(self.path)
        if fault.startswith("status:") or body is None:
            self._send(int(fault.partition(":")[2] or 404), b"")
            return
        if fault == "wrong":
            body = bytes(byte ^ 1 for byte in body)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and fault != "no-range" else None
        if start is not None and start >= len(body):
            self._send(416, b"")
            return
        if fault == "wrong-offset":
            self._send(206, body, f"bytes 0-{len(body) - 1}/{len(body)}")
        elif start is not None:
            self._send(206, body[start:], f"bytes {start}-{len(body) - 1}/{len(body)}", fault)
        else:
            self._send(200, body, "", fault)

    def _send(self, status: int, body: bytes, content_range: str = "", fault: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        if fault.startswith("cut:"):
            self.wfile.write(body[: int(fault[4:])])
            self.close_connection = True
        elif fault == "stall":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.site.reached.set()
            self.site.released.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(body)


@contextmanager
def served() -> Iterator[Site]:
    """A site on a free port of loopback, until the block ends."""
    site = Site()
    handler = type("Answer", (_Answer,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()
