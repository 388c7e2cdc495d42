"""Small workshops of local folders, made and brought into a store as the command does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder import cli


def workshop(folder: Path, data: Mapping[str, bytes], name: str = "small") -> Path:
    """A workshop with a repo `notes` and a dataset `numbers` that has these files; its manifest's path."""
    for path, content in {"notes/one.ipynb": b"{}", **{f"numbers/{path}": data[path] for path in data}}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets" / "numbers.yaml").write_text("title: Numbers\nlicence: CC0-1.0\nfiles:\n  - file: numbers\n")
    (folder / "manifest.yaml").write_text(
        f'workshop: {name}\ntitle: Small\nversion: "1"\nbase: {{debian: bookworm}}\n'
        "repos:\n  notes: {path: notes, data: {data/numbers: numbers}}\n"
        "profiles:\n  default: {outputs: [oci]}\n"
    )
    return folder / "manifest.yaml"


def call(capsys: Any, *words: str | Path) -> tuple[int, dict[str, Any]]:
    """Run the command with `--json`; its exit code and its one object."""
    capsys.readouterr()
    code = cli.main([*map(str, words), "--json"])
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, said
