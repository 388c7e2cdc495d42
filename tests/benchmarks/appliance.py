"""One disk made into a streamOptimized VMDK by us and by qemu-img: give it a disk image, or it makes one.

PYTHONPATH=. python tests/benchmarks/appliance.py [DISK.raw] [--runs 3]
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from builder.appliance.grains import FAST, SMALL, Deflater
from builder.appliance.vmdk import write_vmdk

MIB = 1 << 20


@dataclass(frozen=True)
class Row:
    """One way: seconds by the clock, seconds of the processor, bytes of the VMDK."""

    what: str
    seconds: float
    spent: float
    size: int


def _made(path: Path, size: int = 4096 * MIB, data: int = 1024 * MIB) -> Path:
    """A sparse disk: text that deflates by two thirds, and noise that does not."""
    chance = random.Random(7)
    words = [chance.randbytes(chance.randint(2, 9)).hex().encode() for _ in range(4000)]
    with path.open("wb") as file:
        file.truncate(size)
        for number in range(data // MIB):
            file.seek(number * (size // (data // MIB)))
            text = b" ".join(chance.choices(words, k=90_000))[:MIB]
            file.write(text if number % 4 else chance.randbytes(MIB))
    return path


def spent() -> float:
    """Seconds of the processor so far, programs that were started included."""
    own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime


def timed(what: str, vmdk: Path, work: Callable[[], object]) -> Row:
    start, before = time.monotonic(), spent()
    work()
    return Row(what, time.monotonic() - start, spent() - before, vmdk.stat().st_size)


def runs_of(raw: Path, folder: Path) -> list[Row]:
    """Each way once."""

    def ours(name: str, deflater: Deflater, earlier: Path | None = None) -> None:
        with (folder / name).open("wb") as sink:
            write_vmdk(raw, sink, UUID(int=7), deflater=deflater, earlier=earlier)

    small, again, fast, theirs = (folder / name for name in ("small", "again", "fast", "theirs"))
    words = ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, theirs]
    return [
        timed("ours", small, lambda: ours("small", SMALL)),
        timed("ours, all of it in an earlier VMDK", again, lambda: ours("again", SMALL, small)),
        timed("ours, `--fast`", fast, lambda: ours("fast", FAST)),
        timed("`qemu-img convert`", theirs, lambda: subprocess.run(words, check=True)),
    ]


def median(runs: list[list[Row]], index: int) -> Row:
    seconds = statistics.median(run[index].seconds for run in runs)
    return Row(runs[0][index].what, seconds, statistics.median(run[index].spent for run in runs), runs[0][index].size)


def main() -> None:
    parser = argparse.ArgumentParser(description="Disk to streamOptimized VMDK, beside qemu-img.")
    parser.add_argument("disk", type=Path, nargs="?", help="a raw disk image; else one is made")
    parser.add_argument("--runs", type=int, default=3, help="medians are shown")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = chosen.disk or _made(folder / "raw")
        runs = [runs_of(raw, folder) for _ in range(chosen.runs)]
        rows = [median(runs, index) for index in range(len(runs[0]))]
        last = rows[-1]
        print(f"disk of {raw.stat().st_size / MIB:,.0f} MiB, {raw.stat().st_blocks * 512 / MIB:,.0f} MiB of data\n")
        print("| made by | seconds | of the processor | MiB | times as fast | of its size |")
        print("|---|---:|---:|---:|---:|---:|")
        for row in rows:
            print(f"| {row.what} | {row.seconds:.1f} | {row.spent:.1f} | {row.size / MIB:,.1f} "
                  f"| {last.seconds / row.seconds:.1f} | {row.size / last.size:.3f} |")  # fmt: skip


if __name__ == "__main__":
    main()
