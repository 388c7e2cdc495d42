"""One disk made into a streamOptimized VMDK by us and by qemu-img: give it a disk image, or it makes one.

python tests/benchmarks/appliance.py [DISK.raw]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[2]))

from builder.appliance.grains import FAST, SMALL  # found by the line above
from builder.appliance.vmdk import write_vmdk

MIB = 1 << 20


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


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = Path(sys.argv[1]) if len(sys.argv) > 1 else _made(folder / "raw")
        rows = []
        for what, deflater in (("ours, --fast", FAST), ("ours", SMALL)):
            start = time.monotonic()
            with (folder / "ours.vmdk").open("wb") as sink:
                made = write_vmdk(raw, sink, UUID(int=zlib.crc32(b"disk")), deflater=deflater)
            rows.append((what, time.monotonic() - start, made.blob.size))
        start = time.monotonic()
        subprocess.run(
            [
                "qemu-img",
                "convert",
                "-f",
                "raw",
                "-O",
                "vmdk",
                "-o",
                "subformat=streamOptimized",
                raw,
                folder / "q.vmdk",
            ],
            check=True,
        )
        rows.append(("qemu-img convert", time.monotonic() - start, (folder / "q.vmdk").stat().st_size))
        print(f"disk of {raw.stat().st_size / MIB:,.0f} MiB, {raw.stat().st_blocks * 512 / MIB:,.0f} MiB of data\n")
        print("| made by | seconds | MiB | of qemu-img's seconds | of its size |\n|---|---|---|---|---|")
        for what, seconds, size in rows:
            part, share = seconds / rows[-1][1], size / rows[-1][2]
            print(f"| {what} | {seconds:.1f} | {size / MIB:,.1f} | {part:.2f} | {share:.2f} |")


if __name__ == "__main__":
    main()
