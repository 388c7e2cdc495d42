"""What a lock and a build are told of repos, once each, while they are prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.preparation import Job, locked, prepared
from builder.progress import Journal
from builder.store.objects import Store

MANIFEST = """\
workshop: demo
base: {debian: bookworm}
repos:
  conda: {path: conda}
  digits: {path: digits}
  plain: {path: plain}
profiles:
  default: {}
  small: {with: [plain]}
"""
SCRIPT = "digits: binder/postBuild is not run; declare packages in workshop.yaml"
CONDA = "conda: environment.yml is not read; declare its packages in requirements.txt"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for file in ("conda/environment.yml", "digits/binder/postBuild", "plain/index.html"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("content\n")
    path = tmp_path / "manifest.yaml"
    path.write_text(MANIFEST)
    return path


def job_of(manifest: Path, profile: str | None = None) -> Job:
    return Job(manifest, profile, Store(manifest.parent / "store"), Journal())


@pytest.mark.parametrize("verb", [locked, prepared])
def test_a_repo_s_file_that_is_not_used_is_warned_of_once_each_time(manifest: Path, verb: type) -> None:
    for _ in range(2):
        job = job_of(manifest)
        verb(job)
        conda, script = job.journal.warnings
        assert conda.startswith(CONDA) and script.startswith(SCRIPT)


def test_nothing_is_said_of_repos_that_the_profile_leaves_out(manifest: Path) -> None:
    job = job_of(manifest, "small")
    locked(job)
    assert job.journal.warnings == []
