"""Taking workload W1 in from local folders, beside `cp -r` followed by `sha256sum` of all, in one run.

    PYTHONPATH=. python3 tests/benchmarks/ingest.py [--scale 1.0] [--runs 5] [--work DIR]
    PYTHONPATH=. python3 tests/benchmarks/ingest.py --sparse GB         # one sparse file instead: time and memory

Every run writes into folders of its own, and nothing is removed in between: ext4 makes files slowly for some seconds
after many were removed. Prints a table of medians.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import w1

from builder.sources.folder import FolderSource
from builder.store.objects import Store
from builder.store.trees import put_tree

PEER = "cp -r {source} {target} && find {target} -type f -print0 | xargs -0 sha256sum > {target}.sums"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder on the disk to measure; left out, a temporary one")
    parser.add_argument("--sparse", type=float, metavar="GB", help="take one sparse file of this size in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        if chosen.sparse:
            measure_sparse(Path(folder), int(chosen.sparse * 10**9))
            return
        measure(Path(folder), chosen.scale, chosen.runs)


def measure(work: Path, scale: float, runs: int) -> None:
    source = work / "w1"
    w1.make(source, scale)
    subprocess.run(["sync"], check=True)
    time.sleep(3)  # files younger than two seconds are read again the next time
    peer, cold, warm = [], [], []
    for run in range(runs):
        peer.append(seconds(lambda run=run: copied(source, work / f"copy-{run}")))
        store = Store(work / f"store-{run}")
        cold.append(seconds(lambda store=store: taken(source, store)))
        warm.append(seconds(lambda store=store: taken(source, store)))
    print("| who | what | seconds | of `cp` and `sha256sum` |\n|---|---|---:|---:|")
    base = statistics.median(peer)
    print(f"| coreutils | `cp -r`, then `sha256sum` of all | {base:.2f} | 1 |")
    for what, times in (("taken in, cold", cold), ("again, nothing changed", warm)):
        print(
            f"| ours | {what} | {statistics.median(times):.2f} | {base / statistics.median(times):.1f} times as fast |"
        )


def measure_sparse(work: Path, size: int) -> None:
    (work / "dataset").mkdir()
    with (work / "dataset" / "huge.bin").open("wb") as file:
        file.truncate(size)
    took = seconds(lambda: taken(work / "dataset", Store(work / "store")))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size / 1e9:.0f} GB sparse: {took:.1f} s, {size / 1e9 / took:.2f} GB/s, peak {peak:.0f} MB of memory")


def copied(source: Path, target: Path) -> None:
    subprocess.run(["bash", "-c", PEER.format(source=source, target=target)], check=True)


def taken(source: Path, store: Store) -> None:
    put_tree(FolderSource(source, source.name).bring({}, store), store)


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
