"""The verb that runs the tests: it passes words on, and ends as pytest ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HARMLESS = "tests/test_hosts.py"


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "build.py", "test", "--fast", *words],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_words_go_to_pytest_and_its_summary_comes_last() -> None:
    done = call(HARMLESS, "-k", "would_be_found", "-q")
    assert done.returncode == 0, done.stderr
    assert "1 passed" in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_exit_code_is_that_of_pytest() -> None:
    done = call(HARMLESS, "-k", "there_is_no_such_test")
    assert done.returncode == 5
    assert "deselected" in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_with_json_stdout_is_one_object_and_pytest_speaks_on_stderr() -> None:
    done = call(HARMLESS, "-k", "there_is_no_such_test", "--json")
    value = json.loads(done.stdout)
    assert (value["ok"], value["error"]["kind"]) == (False, "tests")
    assert "deselected" in done.stderr
