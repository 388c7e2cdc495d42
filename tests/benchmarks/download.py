"""Fetching from a web server on loopback, verified and stored, beside what a user would pick instead.

    python tests/benchmarks/download.py DIR [--runs 5] [--gigabytes 5]

An nginx serves a file of 1 GB and 2,000 files of 1 to 4 kB. Each fetch is a process of its own, into an empty folder,
side by side in one run: ours against curl for the large file, against aria2c -j16 -x1 for the small ones. Told are the
medians of the runs, of ours with and without the start of Python. Then a file of so many gigabytes, sent by a server
that makes them up, tells the peak memory. Needs nginx, curl and aria2c. DIR is emptied afterwards.
"""

from __future__ import annotations

import argparse
import http.server
import multiprocessing
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
SMALL_FILES = 2000
LARGE = 1000 * MIB
CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""
OURS = """
import hashlib, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from builder.digest import Digest
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Store
lines = [line.split() for line in Path(sys.argv[2]).read_text().splitlines()]
files = [WebFile((address,), address, Digest(digest) if digest != "-" else None) for address, digest in lines]
start = time.monotonic()
fetch_all(files, Store(Path(sys.argv[3])))
print(time.monotonic() - start)
"""


def make(folder: Path, address: str) -> None:
    """The files to serve, and lists of their addresses and digests, for us and for aria2c."""
    source = random.Random(1)
    (folder / "www" / "small").mkdir(parents=True)
    for number in range(SMALL_FILES):
        (folder / "www" / "small" / f"{number}.bin").write_bytes(source.randbytes(source.randint(1000, 4000)))
    with (folder / "www" / "large.bin").open("wb") as file:
        for _ in range(LARGE // MIB):
            file.write(source.randbytes(MIB))
    names = {"large": ["large.bin"], "small": [f"small/{number}.bin" for number in range(SMALL_FILES)]}
    for kind, wanted in names.items():
        told = subprocess.run(["sha256sum", *wanted], cwd=folder / "www", capture_output=True, text=True, check=True)
        pairs = [line.split() for line in told.stdout.splitlines()]
        (folder / kind).write_text("".join(f"{address}/{name} {digest}\n" for digest, name in pairs))
        (folder / f"{kind}.urls").write_text("".join(f"{address}/{name}\n" for name in wanted))


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
    folder.chmod(0o755)  # its worker is another user
    server = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def measured(words: list[str | Path], out: Path) -> tuple[float, str, float]:
    """Seconds, what it said, and peak memory in MB, of a process that fetches into `out`."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    os.sync()  # what the run before wrote is not this one's
    start = time.monotonic()
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"failed: {words[0]}")
    return time.monotonic() - start, said, usage.ru_maxrss / 1024


def ours(folder: Path, kind: str) -> list[str | Path]:
    return [sys.executable, "-c", OURS, ROOT, folder / kind, folder / "out"]


def compare(folder: Path, kind: str, name: str, theirs: list[str | Path], runs: int) -> None:
    whole, inner, other, peak = [], [], [], 0.0
    for _ in range(runs):
        seconds, said, memory = measured(ours(folder, kind), folder / "out")
        whole.append(seconds)
        inner.append(float(said))
        peak = max(peak, memory)
        other.append(measured(theirs, folder / "out")[0])
    a, b, c = map(statistics.median, (whole, inner, other))
    row(kind, f"{a:.2f}", f"{b:.2f}", name, f"{c:.2f}", f"{c / a:.2f}", f"{c / b:.2f}", f"{peak:.0f}")


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


class _Endless(http.server.BaseHTTPRequestHandler):
    length = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.length))
        self.end_headers()
        for _ in range(self.length // MIB):
            self.wfile.write(bytes(MIB))

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def serve(length: int, tell: Callable[[int], None]) -> None:
    _Endless.length = length
    with http.server.HTTPServer(("127.0.0.1", 0), _Endless) as server:
        tell(server.server_port)
        server.serve_forever()


def memory_of(folder: Path, gigabytes: int) -> None:
    """The peak memory of fetching a file larger than it."""
    fork = multiprocessing.get_context("fork")
    near, far = fork.Pipe()
    server = fork.Process(target=serve, args=(gigabytes * 1024 * MIB, far.send), daemon=True)
    server.start()
    (folder / "endless").write_text(f"http://127.0.0.1:{near.recv()}/zeros -\n")
    seconds, said, memory = measured(ours(folder, "endless"), folder / "out")
    server.terminate()
    row(f"{gigabytes} GiB", f"{seconds:.2f}", f"{float(said):.2f}", "", "", "", "", f"{memory:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gigabytes", type=int, default=5)
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    row("what", "ours, s", "without start, s", "other", "s", "ratio", "without start", "our peak MB")
    row("---", "---:", "---:", "---", "---:", "---:", "---:", "---:")
    try:
        with nginx(folder) as address:
            make(folder, address)
            curl = ["curl", "--silent", "--output", folder / "out" / "large.bin", f"{address}/large.bin"]
            compare(folder, "large", "curl", curl, chosen.runs)
            aria = ["aria2c", "--quiet", "-j16", "-x1", "-d", folder / "out", "-i", folder / "small.urls"]
            compare(folder, "small", "aria2c -j16 -x1", aria, chosen.runs)
        memory_of(folder, chosen.gigabytes)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
