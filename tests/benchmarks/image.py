"""Workload W1 to images, side by side with BuildKit and one COPY per repo: a Markdown table on stdout.

    PYTHONPATH=. python tests/benchmarks/image.py [--scale 1.0] [--folder DIR]

Needs a Docker engine and skopeo. BuildKit's work happens in the engine, so its memory is not in the table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import w1

from builder import places
from builder.image.archive import write_archive
from builder.image.config import Runtime
from builder.image.layer import content_layer
from builder.image.oci import Image, compose, write_layout
from builder.sources.intake import put_files
from builder.store.objects import Store
from builder.store.trees import Tree

DOCKER = "/usr/bin/docker"
DATASETS = {
    "vgg": "cnn/data/weights", "images": "cnn/data/images", "corpus": "rnn/data/corpus.txt",
    **{f"own-{repo}": f"{repo}/data/own.bin" for repo in w1.REPOS},
}  # fmt: skip
TAG = "workshop-benchmark:w1"


@dataclass(frozen=True)
class Row:
    """One line of the table; `size` in bytes, `memory` in bytes at the peak, both None where not measured."""

    who: str
    what: str
    seconds: float
    size: int | None = None
    memory: int | None = None


def tree_of(path: Path, store: Store) -> Tree:
    """A file or a folder into the store."""
    files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
    root = path.parent if path.is_file() else path
    return Tree.of(put_files([(file.relative_to(root).as_posix(), file) for file in files], path.name, store))


def image_of(work: Path, store: Store) -> Image:
    """Each dataset once, then each repo with nothing but its notebook."""
    layers = [
        content_layer(tree_of(work / path, store), f"{places.ROOT}/data/{name}", store, note=f"dataset {name}")
        for name, path in sorted(DATASETS.items())
    ]
    for repo in w1.REPOS:
        tree = tree_of(work / repo / "nb.ipynb", store)
        place = f"{places.ROOT}/repos/{repo}"
        layers.append(content_layer(tree, place, store, uid=1000, gid=100, writable=True, note=f"repo {repo}"))
    return compose(layers, Runtime(), store)


def measured(who: str, what: str, words: Sequence[str], **env: str) -> Row:
    """Run a command; its time, and the most memory it or one of its children held."""
    start = time.monotonic()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **env})
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise SystemExit(f"{words} failed")
    return Row(who, what, seconds, memory=usage.ru_maxrss * 1024)


def size_of(path: Path) -> int:
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def rows_of_ours(folder: Path) -> list[Row]:
    def step(what: str, out: str) -> Row:
        row = measured("ours", what, [sys.executable, __file__, "--step", out, "--folder", str(folder)])
        return Row(row.who, row.what, row.seconds, size_of(folder / out), row.memory)

    rows = [step("OCI layout, cold, files taken into the store too", "layout")]
    rows.append(step("unchanged, every file hashed again", "layout"))
    edit(folder)
    rows.append(step("after an edit in the first repo", "layout"))
    return [*rows, step("archive for `docker load`, files hashed again", "image.tar")]


def rows_of_buildkit(folder: Path) -> list[Row]:
    build = [DOCKER, "build", "-q", "-t", TAG, str(folder / "work")]
    rows = [
        measured("BuildKit", "`docker build`, cold", [*build, "--no-cache"], DOCKER_BUILDKIT="1"),
        measured("BuildKit", "unchanged", build, DOCKER_BUILDKIT="1"),
    ]
    edit(folder)
    rows.append(measured("BuildKit", "after an edit in the first repo", build, DOCKER_BUILDKIT="1"))
    saved, packed = folder / "saved.tar", folder / "packed"
    rows.append(measured("BuildKit", "`docker save`", [DOCKER, "save", "-o", str(saved), TAG]))
    copy = ["skopeo", "copy", "--insecure-policy", f"docker-archive:{saved}", f"oci:{packed}:w1"]
    rows.append(measured("BuildKit", "and `skopeo copy` to an OCI layout, gzipped", copy))
    subprocess.run([DOCKER, "image", "rm", "-f", TAG], check=False, capture_output=True)
    sizes = [None, None, None, size_of(saved), size_of(packed)]
    return [Row(row.who, row.what, row.seconds, size) for row, size in zip(rows, sizes, strict=True)]


def edit(folder: Path) -> None:
    with (folder / "work" / w1.REPOS[0] / "nb.ipynb").open("a") as notebook:
        notebook.write("\n")


def table(rows: Sequence[Row], whole: int) -> str:
    lines = ["| who | what | seconds | MB | of `docker save` | peak MB |", "|---|---|---:|---:|---:|---:|"]
    for row in rows:
        size = f"{row.size / 1e6:.1f} | {row.size / whole:.3f}" if row.size is not None else "– | –"
        memory = f"{row.memory / 1e6:.0f}" if row.memory is not None else "–"
        lines.append(f"| {row.who} | {row.what} | {row.seconds:.2f} | {size} | {memory} |")
    return "\n".join(lines)


def one_step(folder: Path, out: str) -> None:
    store = Store(folder / "store")
    image = image_of(folder / "work", store)
    if out == "layout":
        write_layout(image, folder / out, store)
    else:
        write_archive(image, folder / out, store, [TAG])


def main() -> None:
    parser = argparse.ArgumentParser(description="Workload W1 to images, beside BuildKit.")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="where to work; else a temporary folder")
    parser.add_argument("--step", choices=["layout", "image.tar"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        one_step(chosen.folder, chosen.step)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        w1.make(folder / "work", chosen.scale)
        theirs = rows_of_buildkit(folder)
        rows = [*rows_of_ours(folder), *theirs]
        print(table(rows, theirs[3].size or 1))


if __name__ == "__main__":
    main()
