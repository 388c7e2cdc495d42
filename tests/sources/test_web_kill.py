"""Builds that end in the middle of a fetch: what arrived is right, is used, and is not asked for again."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_server import Site

from builder.digest import Digest
from builder.files import chunks_of
from builder.sources.source import Network
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Store

ROOT = Path(__file__).parents[2]
MOMENTS = 200
SOURCE = random.Random(11)
BODIES = [SOURCE.randbytes(size) for size in (9_000_000, 3_000_000, *(2000 + 100 * n for n in range(30)))]
TOTAL = sum(map(len, BODIES))
FETCH = """
import sys
from pathlib import Path
from builder.digest import Digest
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Store
address, digest, store = sys.argv[1:]
fetch_all([WebFile((address,), "a", Digest(digest))], Store(Path(store)))
"""


def wanted(site: Site, turn: str) -> list[WebFile]:
    site.files = {f"/{place}": body for place, body in enumerate(BODIES)}
    return [
        WebFile((f"{site.url}/{place}",), str(place), Digest.of(body), headers=(("X-Turn", turn),))
        for place, body in enumerate(BODIES)
    ]


def fetch(files: list[WebFile], root: Path) -> None:
    fetch_all(files, Store(root), Network(tries=1))


def objects(store: Store) -> list[Path]:
    return [path for path in (store.root / "objects").rglob("*") if path.is_file()]


def held(store: Store) -> int:
    """The bytes that arrived and stayed."""
    unfinished = [path for path in (store.root / "partial").glob("*") if path.suffix != ".from"]
    return sum(path.stat().st_size for path in (*objects(store), *unfinished))


@pytest.mark.slow
def test_after_kill_9_at_any_moment_nothing_is_wrong_and_only_the_rest_is_asked_for(site: Site, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    start = time.monotonic()
    fetch(wanted(site, "first"), tmp_path / "first")
    whole = time.monotonic() - start
    kept = []
    for turn in range(MOMENTS):
        store = Store(tmp_path / str(turn))
        build = fork.Process(target=fetch, args=(wanted(site, "killed"), store.root))
        build.start()
        build.join(random.uniform(0, 1.3 * whole))  # falls wherever it falls: what must hold does not depend on it
        build.kill()
        build.join(20)
        for path in objects(store):
            assert Digest.of_chunks(chunks_of(path)).hex == path.parent.name + path.name
        kept.append(held(store))
        fetch(wanted(site, str(turn)), store.root)
        sent = sum(one.sent for one in site.asked if one.headers["X-Turn"] == str(turn))
        assert sent <= TOTAL - kept[-1]
        assert all(Digest.of(store.read(Digest.of(body))) == Digest.of(body) for body in BODIES)
        assert held(store) == TOTAL
    assert any(0 < size < TOTAL for size in kept)  # else no kill fell into a fetch


def test_ctrl_c_ends_a_fetch_at_once_and_keeps_what_arrived(site: Site, store: Store, hasty: Network) -> None:
    site.files["/a"] = BODIES[0]
    site.faults = ["stall"]
    words = [sys.executable, "-c", FETCH, f"{site.url}/a", Digest.of(BODIES[0]).hex, str(store.root)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE) as build:
        assert site.reached.wait(30)
        while held(store) < len(BODIES[0]) // 2:
            assert build.poll() is None
            time.sleep(0.01)
        build.send_signal(signal.SIGINT)
        assert build.wait(20) == -signal.SIGINT
    have = held(store)
    fetch_all([WebFile((f"{site.url}/a",), "a", Digest.of(BODIES[0]))], store, hasty)
    assert site.requests[-1] == ("/a", f"bytes={have}-")
