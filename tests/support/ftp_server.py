"""An FTP server on loopback: what a client needs to look a file up and to read it from any byte on (RFC 959, 3659)."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class FtpSite:
    """What is served by path, and to whom. `reads` are the first bytes asked for; each of `cuts` shortens a read."""

    files: dict[str, bytes] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    reads: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"ftp://127.0.0.1:{self.port}"


class _Session(socketserver.StreamRequestHandler):
    site: FtpSite

    def handle(self) -> None:
        # The client's ABOR comes as urgent data.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.user, self.offset = "", 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.say("220 ready")
        with self.listener, suppress(ConnectionError):
            for line in self.rfile:
                word, _, rest = line.decode(errors="replace").strip().partition(" ")
                self.answer(word.upper(), rest)

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def answer(self, word: str, rest: str) -> None:
        match word:
            case "USER":
                self.user = rest
                self.say("331 password?")
            case "PASS":
                right = self.site.login in (None, (self.user, rest))
                self.say("230 in" if right else "530 not you")
            case "TYPE" | "NOOP" | "ABOR" | "CWD":
                self.say("226 done" if word == "ABOR" else "200 done")
            case "PASV":
                port = self.listener.getsockname()[1]
                self.say(f"227 here (127,0,0,1,{port // 256},{port % 256})")
            case "REST":
                self.offset = int(rest)
                self.say("350 go on")
            case "MLSD":
                self.list(rest)
            case "RETR" if rest in self.site.files:
                self.read(rest)
            case _:
                self.say("550 not here")

    def list(self, folder: str) -> None:
        inner = folder.rstrip("/") + "/"
        names = {path: data for path, data in self.site.files.items() if path.startswith(inner)}
        lines = [f"type=file;size={len(data)}; {path.removeprefix(inner)}\r\n" for path, data in names.items()]
        self.send("".join(lines).encode())

    def read(self, path: str) -> None:
        self.site.reads.append(self.offset)
        data, self.offset = self.site.files[path][self.offset :], 0
        if self.site.cuts:
            self.send(data[: self.site.cuts.pop(0)], ending="426 cut")
        else:
            self.send(data)

    def send(self, data: bytes, ending: str = "226 all of it") -> None:
        self.say("150 coming")
        connection, _ = self.listener.accept()
        try:
            with connection:
                connection.sendall(data)
        except ConnectionError:
            ending = "426 you left"
        self.say(ending)


@contextmanager
def ftp_served() -> Iterator[FtpSite]:
    """A site on a free port, until the block ends."""
    site = FtpSite()
    session = type("Session", (_Session,), {"site": site})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), session) as server:
        server.daemon_threads = True
        server.block_on_close = False
        site.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield site
        finally:
            server.shutdown()
