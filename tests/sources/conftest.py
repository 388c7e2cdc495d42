"""A store, a web server that misbehaves, and git repositories made on the spot."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data_hosts import Hosts, data_hosts
from faulty_server import Site, served

from builder.sources.source import Network
from builder.store.objects import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as running:
        yield running


@pytest.fixture
def hasty() -> Network:
    """As patient as the real one, without the pauses."""
    return Network(tries=4, pause=0)


@pytest.fixture
def git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Run git as somebody, whoever runs the tests and whatever their settings are: git(folder, "init", …)."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    somebody = {
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }  # fmt: skip

    def call(folder: Path, *words: str) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        settings = ("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *settings, *words],
            cwd=folder,
            env={**os.environ, **somebody},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    return call


@pytest.fixture
def repository(git: Callable[..., str], tmp_path: Path) -> Path:
    """A repository with a file, an executable, a link, the tag v1 and, after it, one commit more on main."""
    folder = tmp_path / "repository"
    git(folder, "init", "--quiet")
    (folder / "lesson").mkdir()
    (folder / "lesson" / "one.ipynb").write_text("{}")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "first").symlink_to("lesson/one.ipynb")
    commit(git, folder, "first")
    git(folder, "tag", "--annotate", "--message", "v1", "v1")
    (folder / "two.txt").write_text("two")
    commit(git, folder, "second")
    return folder


def commit(git: Callable[..., str], folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hosts]:
    """Hosts of data on loopback, and a home without anybody's token."""
    for name in list(os.environ):
        if name.startswith(("HF_", "KAGGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    with data_hosts(monkeypatch.setenv) as running:
        yield running
