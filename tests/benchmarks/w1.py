"""Workload W1: four repos whose data overlap, 20,014 files, about 1.77 GB of which 0.69 GB is unique.

    python tests/benchmarks/w1.py DIR [--scale 1.0]

DIR/<repo>/ holds nb.ipynb and data/, each repo with its own full copy of what it uses; DIR/Dockerfile is what people
write today, one COPY per repo. The bytes are the same on every machine and every run. The scale multiplies the large
files' sizes and the number of small files.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

REPOS = ("cnn", "rnn", "transfer", "style")
MIB = 1 << 20
NOTEBOOK = '{"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5}\n'


def make(folder: Path, scale: float = 1.0) -> None:
    """Write the workload into `folder`."""
    for number, repo in enumerate(REPOS):
        data = folder / repo / "data"
        write_random(data / "weights" / "vgg.h5", int(300 * MIB * scale), seed=7)
        write_random(data / "own.bin", int(60 * MIB * scale), seed=100 + number)
        (folder / repo / "nb.ipynb").write_text(NOTEBOOK)
    for repo in ("cnn", "transfer"):
        write_small_files(folder / repo / "data" / "images", int(10_000 * scale), seed=3)
    for repo in ("rnn", "style"):
        write_text(folder / repo / "data" / "corpus.txt", int(100 * MIB * scale), seed=5)
    copies = "\n".join(f"COPY {repo} /home/user/{repo}" for repo in REPOS)
    (folder / "Dockerfile").write_text(f"FROM scratch\n{copies}\n")


def write_random(path: Path, size: int, seed: int) -> None:
    """Bytes that do not compress, like trained weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = random.Random(seed)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(source.randbytes(min(MIB, size - start)))


def write_text(path: Path, size: int, seed: int) -> None:
    """Bytes that compress, like a corpus."""
    source = random.Random(seed)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    words = [bytes(source.choices(letters, k=source.randint(2, 9))) for _ in range(20_000)]
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(b" ".join(source.choices(words, k=240_000))[: min(MIB, size - start)])


def write_small_files(folder: Path, count: int, seed: int) -> None:
    """Many small files, like a folder of pictures."""
    source = random.Random(seed)
    for number in range(count):
        shelf = folder / f"{number % 100:02d}"
        shelf.mkdir(parents=True, exist_ok=True)
        (shelf / f"{number}.bin").write_bytes(source.randbytes(source.randint(500, 4000)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make workload W1.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    chosen = parser.parse_args()
    make(chosen.folder, chosen.scale)
