"""The default workshop's builds, timed: cold, with nothing changed, and after an edit in one notebook.

    PYTHONPATH=. python3 tests/benchmarks/default_workshop.py [--folder DIR] [--keep-store DIR]

Copies the workshop to DIR, builds it with a store of its own, and prints a table in Markdown. Memory is the largest
resident size of any one process of the builder itself; engines and package clients are not in it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "examples/words/01-bigrams.ipynb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--keep-store", type=Path, default=None, help="use this store; the first row is then not cold")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        store = chosen.keep_store or folder / "store"
        for part in ("manifest.yaml", "manifest.lock"):
            shutil.copyfile(ROOT / part, folder / part)
        for part in ("examples", "datasets"):
            shutil.copytree(ROOT / part, folder / part)
        print("| build | seconds | of which disks and `.ova` | peak MB | stages that ran |\n|---|---:|---:|---:|---|")
        print(row("cold", folder, store))
        print(row("nothing changed", folder, store))
        edit(folder / NOTEBOOK)
        print(row("a notebook edited, image only", folder, store, "--profile", "ci"))
        print(row("a notebook edited, all outputs", folder, store))


def row(what: str, folder: Path, store: Path, *words: str) -> str:
    start = time.monotonic()
    peak, result = built(folder, store, words)
    seconds = time.monotonic() - start
    stages = result["stages"]
    disks = sum(stage["seconds"] for stage in stages if stage["name"] in ("system disk", "content disk", "ova"))
    ran = [
        f"{stage['name']} {stage['seconds']:.1f}" for stage in stages if not stage["cached"] and stage["seconds"] > 0.1
    ]
    return f"| {what} | {seconds:.1f} | {disks:.1f} | {peak} | {', '.join(ran)} |"


def built(folder: Path, store: Path, words: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
    """One build: the builder's peak resident size in MB, and its JSON."""
    command = [sys.executable, str(ROOT / "build.py"), "build", "--json", "--quiet", "--store", str(store), *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_of(status))
        time.sleep(0.05)
    assert process.stdout
    if process.returncode != 0:
        sys.exit(process.stdout.read().decode())
    return peak, json.load(process.stdout)


def peak_of(status: Path) -> int:
    try:
        lines = status.read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max((int(line.split()[1]) // 1000 for line in lines if line.startswith("VmHWM")), default=0)


def edit(notebook: Path) -> None:
    content = json.loads(notebook.read_bytes())
    content["cells"][0]["source"] = ["An edit.\n", *content["cells"][0]["source"]]
    notebook.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
