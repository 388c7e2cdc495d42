"""The Python environment of the command: `.venv` beside `build.py`.

Standard library only, as it works before anything is installed. A set of requirements counts as installed when `.venv`
holds a copy of its file, which is written last. So an environment that was killed half way is made anew, and so is one
whose requirements changed.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.errors import BuilderError, MissingProgramError, StoreError, failure_json
from builder.files import write_whole
from builder.programs import PYTHON_VENV
from builder.provision import provide
from builder.run import run

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


def prepare(args: Sequence[str]) -> int:
    """Make `.venv` for a command with these arguments, tell a failure as they ask for it, return an exit code."""
    try:
        with _alone():
            if not (_is_sound() and is_installed("requirements.txt")):
                _require_venv_module(yes="--yes" in args)
                _tell("setting up .venv (once; about half a minute)")
                _make()
    except BuilderError as error:
        _tell_failure(error, as_json="--json" in args)
        return error.exit_code
    return 0


def is_installed(requirements: str) -> bool:
    """Whether the requirements of this file of the checkout were installed to their end."""
    try:
        return (VENV / requirements).read_bytes() == (ROOT / requirements).read_bytes()
    except FileNotFoundError:
        return False


def _is_sound() -> bool:
    """Whether the environment has what it starts with; the Python it was made from may have gone."""
    return os.access(VENV / "bin" / "python", os.X_OK) and (VENV / "pyvenv.cfg").exists()


def install(requirements: str) -> None:
    """Install a pinned, hashed file of requirements into `.venv`, unless that was done."""
    with _alone():
        if not is_installed(requirements):
            _install(requirements)


def _make() -> None:
    (VENV / "requirements.txt").unlink(missing_ok=True)
    run([getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", VENV])
    _install("requirements.txt")


def _install(requirements: str) -> None:
    # Everything is pinned, so pip has nothing to resolve: --no-deps.
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    run([VENV / "bin" / "python", "-m", "pip", "install", *options, "-r", ROOT / requirements])
    write_whole(VENV / requirements, (ROOT / requirements).read_bytes())


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the checkout: a second first run waits here and then finds the work done."""
    descriptor = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not os.access(ROOT, os.W_OK):
            raise StoreError(
                f"{VENV} cannot be made: {ROOT} is not yours to write in", hint="work in a checkout of your own"
            )
        yield
    finally:
        os.close(descriptor)


def _require_venv_module(*, yes: bool) -> None:
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return
    provide([PYTHON_VENV], yes=yes, tell=_tell)
    importlib.invalidate_caches()
    if not importlib.util.find_spec("ensurepip"):
        raise MissingProgramError(
            f"{sys.executable} has no venv module",
            hint="run build.py with a Python that has one, such as /usr/bin/python3",
        )


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _tell_failure(error: BuilderError, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"ok": False, "error": failure_json(error)}) + "\n")
        return
    _tell(f"error: {error.message}")
    if error.hint:
        _tell(f"hint: {error.hint}")
