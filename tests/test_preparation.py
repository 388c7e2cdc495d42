"""What a lock and a build are told of repos, once each, while they are prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import LockError
from builder.preparation import Job, locked, prepared
from builder.progress import Journal
from builder.store.objects import Store
from builder.store.trees import Tree
from builder.system.workplace import Workplace

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


CARD = "title: Rides\nlicence: MIT\nfiles: [{file: rides.csv}]\nrecipe: [{run: make}]\n"
LINKED = "workshop: demo\nbase: {debian: bookworm}\nrepos: {a: {path: a, data: {d: rides}}, b: {path: b}}\n"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The Python packages of the system, each time a command runs; nothing is made."""
    told: list[tuple[str, ...]] = []

    def run(place: Workplace, command: str, files: Tree, store: Store) -> Tree:
        told.append(tuple(sorted(place.choice.packages.python)))
        return files

    monkeypatch.setattr(Workplace, "run", run)
    return told


def linked(folder: Path) -> Path:
    """A workshop whose repo a links to a dataset that a command makes, and whose repo b brings a package and a link."""
    for place, content in {
        "manifest.yaml": LINKED, "rides.csv": "1\n", "datasets/rides.yaml": CARD, "words.txt": "one\n",
        "a/x": "", "b/x": "",
        "datasets/words.yaml": "title: Words\nlicence: MIT\nfiles: [{file: words.txt}]\n",
        "b/workshop.yaml": "packages: {python: [idna]}\ndata: {w: words}\n",
    }.items():  # fmt: skip
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(content)
    return folder / "manifest.yaml"


def test_a_recipe_s_command_runs_in_a_system_with_the_packages_that_repos_bring(
    tmp_path: Path, ran: list[tuple[str, ...]]
) -> None:
    job = job_of(linked(tmp_path))
    ready = prepared(job)
    assert ran == [("idna",)]
    assert set(ready.lock.datasets) == {"rides", "words"} and ready.lock.datasets["rides"].recipe
    assert prepared(replace(job, locked=True)).lock == ready.lock
    assert ran == [("idna",)]


@pytest.mark.parametrize("name", ["rides", "datasets.rides", "words", "a", "repos.b"])
def test_whatever_is_locked_may_be_updated_by_its_name(name: str, tmp_path: Path, ran: list[tuple[str, ...]]) -> None:
    job = job_of(linked(tmp_path))
    first = locked(job).lock
    (tmp_path / "rides.csv").write_text("2\n")
    second = locked(replace(job, update=(name,))).lock
    assert second.datasets["rides"].tree != first.datasets["rides"].tree and len(ran) == 2


def test_what_is_nowhere_cannot_be_updated(tmp_path: Path, ran: list[tuple[str, ...]]) -> None:
    job = replace(job_of(linked(tmp_path)), update=("riders",))
    with pytest.raises(LockError, match="there is no riders to update") as caught:
        locked(job)
    assert "datasets.rides" in caught.value.hint and "datasets.words" in caught.value.hint
