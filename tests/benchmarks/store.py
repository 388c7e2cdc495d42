"""A store with very many objects: listing it, telling what gc would free, and verifying it.

    python tests/benchmarks/store.py DIR [--objects 1000000]

DIR/store gets that many objects of 12 bytes, half of them in the trees of a registered workshop, and stays for the next
run. Each command runs in a process of its own, from a warm cache; time and peak memory are of that process. Beside it
stands what a user would pick instead: find and du for the listing, sha256sum for verifying.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from workshops import workshop  # noqa: E402

from builder.digest import canonical_json  # noqa: E402
from builder.manifest import Lock, Pin, write_lock  # noqa: E402
from builder.store.objects import Store  # noqa: E402
from builder.store.workshops import Registration, register  # noqa: E402

DATASETS = 4
COMMAND = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from builder.cli import main; sys.exit(main(sys.argv[1:]))"


def make(folder: Path, count: int) -> None:
    """A store of so many objects and the workshop that uses half of them."""
    store = Store(folder / "store")
    for number in range(256):
        (store.root / "objects" / f"{number:02x}").mkdir(exist_ok=True)
    files: list[list[dict[str, object]]] = [[] for _ in range(DATASETS)]
    for number in range(count):
        data = b"%012d" % number
        digest = hashlib.sha256(data).hexdigest()
        descriptor = os.open(f"{store.root}/objects/{digest[:2]}/{digest[2:]}", os.O_CREAT | os.O_WRONLY, 0o444)
        os.write(descriptor, data)
        os.close(descriptor)
        if number % 2 == 0:
            entry = {"path": f"{number:012d}.txt", "sha256": digest, "size": len(data)}
            files[number // 2 % DATASETS].append(entry)
    manifest = workshop(folder / "workshop", {"a": b"a"})
    trees = [store.put_bytes(canonical_json(entries)).digest for entries in files]
    counts = [len(entries) for entries in files]
    pins = {
        f"d{place}": Pin(kind="files", inputs="0" * 64, resolved={}, tree=tree, files=size, bytes=12 * size)
        for place, (tree, size) in enumerate(zip(trees, counts, strict=True))
    }
    write_lock(manifest.with_suffix(".lock"), Lock(datasets=pins))
    named = [str(manifest), str(manifest.with_suffix(".lock"))]
    register(Registration("small", *named, "fetch", "", "", manifest.parent.stat().st_dev), store.root)


def measured(words: list[str]) -> tuple[float, float, float, str]:
    """Seconds, those of a processor (which other work beside it does not change), peak memory in MB, what it said."""
    start = time.monotonic()
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, _, usage = os.wait4(child.pid, 0)
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--objects", type=int, default=1_000_000)
    chosen = parser.parse_args()
    root = chosen.folder / "store"
    if not root.exists():
        start = time.monotonic()
        maker = multiprocessing.get_context("fork").Process(target=make, args=(chosen.folder, chosen.objects))
        maker.start()  # a process of its own: the memory of this one counts for those it starts
        maker.join()
        print(f"made in {time.monotonic() - start:.0f} s")
    ours = [sys.executable, "-c", COMMAND, "store"]
    rows = {
        "store ls": [*ours, "ls", "--store", str(root)],
        "find | du -s": ["sh", "-c", f"find {root}/objects -type f | wc -l; du -sb {root}/objects"],
        "store gc (dry run)": [*ours, "gc", "--store", str(root)],
        "store verify": [*ours, "verify", "--store", str(root)],
        "sha256sum, 2 at a time": [
            "sh", "-c", f"find {root}/objects -type f -print0 | xargs -0 -P 2 -n 5000 sha256sum | wc -l",
        ],
    }  # fmt: skip
    print(f"{'':24}  {'seconds':>8}  {'cpu':>6}  {'MB':>6}")
    for name, words in rows.items():
        seconds, busy, memory, said = measured(words)
        print(f"{name:24}  {seconds:8.1f}  {busy:6.1f}  {memory:6.0f}  {' '.join(said.split())[-70:]}")


if __name__ == "__main__":
    main()
