"""A virtual environment with the default workshop's Python packages, made once and kept in a cache folder."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.digest import key_of
from builder.files import remove_folder
from builder.manifest import load

MANIFEST = Path(__file__).parents[2] / "manifest.yaml"


@pytest.fixture(scope="session")
def guest_python() -> Path:
    """An interpreter with what the guest has; the first call takes a minute and needs the package index."""
    packages = [*load(MANIFEST).manifest.packages.python, "nbclient", "nbformat"]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "workshop-tests"
    folder = cache / f"venv-{key_of([sys.version_info[:2], packages])[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            remove_folder(folder)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "--quiet", *packages], check=True)
            (folder / "complete").touch()
    return folder / "bin" / "python"
