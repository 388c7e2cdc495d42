"""An appliance after an edit in one notebook, beside `mke2fs -d`, `qemu-img convert` and `tar` of the whole.

    PYTHONPATH=.:tests/support python tests/benchmarks/appliance_edit.py [--scale 1.0] [--folder DIR]

Workload W1 is on the content disk, and this machine's programs (FOLDERS) on the system disk; by hand, both are on one.
A Markdown table on stdout.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import w1
from image import DATASETS, edit, tree_of
from small_appliance import SETTINGS, spec, unbootable

from builder.appliance.appliance import build_appliance
from builder.content.layout import Content, link_data
from builder.progress import Journal
from builder.store.layers import TAR, Layer
from builder.store.objects import Store
from builder.store.trees import Tree

ROOM = 1 << 30
FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/share")
"""About as much as a workshop's system."""


def content_of(work: Path, datasets: dict[str, Tree], store: Store) -> Content:
    repos = {name: link_data(name, tree_of(work / name / "nb.ipynb", store), {}) for name in w1.REPOS}
    return Content(repos, datasets, b"<h1>W1</h1>", {})


def lay_out(content: Content, store: Store, folder: Path) -> None:
    """The files as `mke2fs -d` takes them; not part of what is measured."""
    for below, tree in content.folders().items():
        for entry in tree.entries:
            path = folder / below / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            assert entry.digest is not None
            os.link(store.path(entry.digest), path)


def system_of(folder: Path, store: Store) -> tuple[Layer, ...]:
    """A kernel's names and this machine's programs; they are laid out in `plain` too."""
    packed, plain = folder / "system.tar", folder / "plain"
    plain.mkdir()
    subprocess.run(["tar", "--sort=name", "-cf", packed, "-C", "/", *FOLDERS], check=True)
    subprocess.run(["tar", "-xf", packed, "-C", plain], check=True)
    blob = store.put_file(packed)
    packed.unlink()
    return (Layer(blob, blob.digest, TAR, "programs"), unbootable(store))


def by_hand(folder: Path) -> None:
    raw, vmdk = folder / "raw", folder / "disk.vmdk"
    size = int(subprocess.run(["du", "-sk", folder / "plain"], check=True, capture_output=True).stdout.split()[0])
    for words in (
        ["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder / "plain", raw, f"{size * 9 // 8 + (ROOM >> 10)}k"],
        ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, vmdk],
        ["tar", "-cf", folder / "by-hand.ova", "-C", folder, vmdk.name],
    ):
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    for path in (raw, vmdk, folder / "by-hand.ova"):
        path.unlink()


def timed(what: str, work: Callable[[], object]) -> tuple[str, float, float]:
    """Seconds by the clock, and of the processor, programs that were started included."""

    def spent() -> float:
        own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime

    start, before = time.monotonic(), spent()
    work()
    return what, time.monotonic() - start, spent() - before


def rows_in(folder: Path, scale: float) -> list[tuple[str, float, float]]:
    work, store = folder / "work", Store(folder / "store")
    w1.make(work, scale)
    datasets = {name: tree_of(work / path, store) for name, path in sorted(DATASETS.items())}
    system = system_of(folder, store)

    def ours() -> None:
        content, journal = content_of(work, datasets, store), Journal()
        build_appliance(system, SETTINGS, content, spec(ROOM), store, journal, folder / "out")
        store.settle()
        print(", ".join(f"{stage.name} {stage.seconds:.2f} s" for stage in journal.stages), file=sys.stderr)

    rows = [timed("ours, cold", ours)]
    edit(folder)
    rows += [timed("ours, after an edit in the first repo's notebook", ours), timed("ours, unchanged", ours)]
    lay_out(content_of(work, datasets, store), store, folder / "plain")
    return [*rows, timed("`mke2fs -d`, `qemu-img convert`, `tar`", lambda: by_hand(folder))]


def main() -> None:
    parser = argparse.ArgumentParser(description="An appliance after an edit, beside making it by hand.")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help="where to work; else a temporary folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        rows = rows_in(Path(name), chosen.scale)
    print("| what | seconds | of the processor | of by hand | of its processor |\n|---|---:|---:|---:|---:|")
    for what, seconds, spent in rows:
        print(f"| {what} | {seconds:.1f} | {spent:.1f} | {seconds / rows[-1][1]:.2f} | {spent / rows[-1][2]:.2f} |")


if __name__ == "__main__":
    main()
