"""What the README tells people to type works, and what it shows them to write loads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from builder import cli
from builder.manifest import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TEXTS = README + "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
SHELL = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
YAML = re.findall(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
INLINE = sorted(set(re.findall(r"`python3 build\.py ((?!VERB)[^`]+)`", TEXTS)))
LONG = re.compile(r"^(python3 build\.py (?:build|test)\b.*)$", re.MULTILINE)
"""What tests/test_default_workshop.py and CI run in full; here only its words are read, by asking for help as well."""
UNTOLD = (".git", ".venv", "out", "my-workshop", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout that shares the environment, which takes half a minute to make."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*UNTOLD), symlinks=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def typed(block: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the lines of a block in a checkout as they stand, up to the first that fails."""
    env = {**os.environ, "WORKSHOP_STORE": str(checkout.parent / "store")}
    words = ["sh", "-eu", "-c", LONG.sub(r"\1 --help", block)]
    return subprocess.run(
        words, cwd=checkout, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.splitlines()[-1])
def test_a_shell_block_runs_as_it_stands(block: str, checkout: Path) -> None:
    done = typed(block, checkout)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_a_block_with_a_mistake_would_not_run(checkout: Path) -> None:
    assert typed("python3 build.py build --otu x\n", checkout).returncode == cli.USAGE
    assert typed("python3 build.py biuld\n", checkout).returncode == cli.USAGE


def test_the_workshop_that_init_writes_stands_where_the_readme_says(checkout: Path) -> None:
    (block,) = [block for block in SHELL if " init " in block]
    assert "repo " in typed(block, checkout).stdout
    assert (checkout / "my-workshop" / "manifest.yaml").is_file()


@pytest.mark.parametrize("words", INLINE)
def test_a_command_named_in_the_text_is_one(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: build.py {words.split()[0]} ")


def test_the_manifest_and_the_card_load_together(tmp_path: Path) -> None:
    manifest, card = YAML
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "fashion-mnist.yaml").write_text(card)
    (tmp_path / "manifest.yaml").write_text(manifest)
    workshop = load(tmp_path / "manifest.yaml")
    assert set(workshop.manifest.profiles) == {"default", "small"} and set(workshop.cards) == {"fashion-mnist"}
