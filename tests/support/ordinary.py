"""A program of ours run by an ordinary user, with this checkout and its packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_as(user: str, program: str, *words: str) -> list[str]:
    """Run a Python program in the user's home; the words it prints."""
    home = Path(f"~{user}").expanduser()
    file = home / "program.py"
    file.write_text(program)
    shutil.chown(file, user)
    path = ":".join([str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    as_user = ["runuser", "-u", user, "--", "env", f"HOME={home}", f"PYTHONPATH={path}"]
    done = subprocess.run(
        [*as_user, python_of(user), str(file), *words], cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def python_of(user: str) -> str:
    """An interpreter of this version that the user may start; the tests' own may stand in root's home."""
    for program in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        words = ["runuser", "-u", user, "--", program, "-c", ""]
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return program
    pytest.skip("no interpreter of this version that an ordinary user may start")
