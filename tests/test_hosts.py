"""No file names a registry, a mirror or an index: those are the machine's own settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Written in pieces, so that this file is not the first to break its own rule.
REGISTRIES = [
    ".".join(name)
    for name in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("deb", "debian", "org"),
        ("security", "debian", "org"), ("snapshot", "debian", "org"), ("archive", "ubuntu", "com"),
        ("fedoraproject", "org"), ("docker", "io/"), ("quay", "io"), ("ghcr", "io"), ("gcr", "io"),
        ("yarnpkg", "com"), ("jsdelivr", "net"), ("unpkg", "com"), ("anaconda", "org"),
    )
]  # fmt: skip
PATTERN = re.compile("|".join(re.escape(name) for name in REGISTRIES))
FOLDERS = ("builder", "dockerfiles", "datasets", "docs", "examples", "tests", ".ci")
FILES = sorted(
    path
    for path in (*ROOT.glob("*"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*")))
    if path.is_file() and "__pycache__" not in path.parts
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_names_a_registry(path: Path) -> None:
    assert PATTERN.findall(path.read_text(errors="replace")) == []


def test_a_registry_would_be_found() -> None:
    assert all(PATTERN.search(f"https://{name}/simple") for name in REGISTRIES)
