"""`build.py test`: install what the tests need and run them; what they say last is pytest's summary."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import click

from builder import environment
from builder.errors import BuilderError
from builder.options import Options, verb
from builder.programs import APT, GIT, NPM, TESTS
from builder.provision import ensure
from builder.result import Result
from builder.run import attach

CHECKS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))


class TestsError(BuilderError):
    """A test, or a look at the code itself, failed."""

    kind = "tests"

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, hint="the failures are told above")
        self.exit_code = exit_code  # type: ignore[misc]  # pytest's own, which tells how it failed


@verb
@click.option("--fast", is_flag=True, help="Leave out the tests that need minutes.")
@click.argument("pytest_words", nargs=-1, type=click.UNPROCESSED)
def command(options: Options, fast: bool, pytest_words: tuple[str, ...]) -> Result:
    """Install what the tests need and run them.

    Without words of your own, the code is looked at by ruff and mypy as well. Further words go to pytest:
    `build.py test -k lock -x`.
    """
    words = (*(("-m", "not slow") if fast else ()), *pytest_words)
    with options.terminal.pause():
        ensure([GIT, NPM, APT] if fast else [TESTS], yes=options.yes, tell=options.journal.tell)
        environment.install("requirements-test.txt")
        results = sys.stderr if options.json else None
        untidy = [] if pytest_words else [check for check in CHECKS if _run(check, results) != 0]
        code = _run(("pytest", *words), results)
    if code == 0 and not untidy:
        return Result()
    return Result(failure=_failure(code, untidy), is_told=True)


command.context_settings = {"ignore_unknown_options": True}


def _failure(code: int, untidy: Sequence[tuple[str, ...]]) -> TestsError:
    names = [*(" ".join(check) for check in untidy), *(["pytest"] if code else [])]
    return TestsError(f"failed: {', '.join(names)}", code or 1)


def _run(words: tuple[str, ...], stdout: IO[str] | None) -> int:
    """Run a tool of the environment in the checkout, on our terminal."""
    told = ("TERM", "NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "PYTEST_ADDOPTS")
    env = {name: os.environ[name] for name in told if name in os.environ}
    python = Path(sys.executable)
    return attach([python, "-m", *words], cwd=environment.ROOT, env=env, stdout=stdout)
