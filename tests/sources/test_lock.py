"""Locking and fetching whole workshops."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from faulty_server import Site

from builder.digest import Digest
from builder.errors import BuilderError, IntegrityError, LockError, SourceError, StoreError
from builder.manifest import Choice, Lock, load
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.sources.lock import pruned, resolve
from builder.sources.source import Network
from builder.store.objects import Store
from builder.store.trees import Tree, get_tree

WORDS = b"one two three " * 5000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "workshop"
    (made / "lessons").mkdir(parents=True)
    (made / "lessons" / "one.ipynb").write_text("{}")
    (made / "datasets").mkdir()
    return made


def choice(folder: Path, repos: dict[str, object], cards: dict[str, list[dict[str, object]]] | None = None) -> Choice:
    manifest = {
        "workshop": "course",
        "title": "A course",
        "version": "1",
        "base": {"debian": "bookworm"},
        "repos": repos,
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    for name, files in (cards or {}).items():
        card = {"title": name, "licence": "CC0-1.0", "files": files}
        (folder / "datasets" / f"{name}.yaml").write_text(yaml.safe_dump(card))
    return load(folder / "manifest.yaml").choose()


def tree_of(lock: Lock, dataset: str, store: Store) -> Tree:
    return get_tree(lock.datasets[dataset].tree, store)


@pytest.fixture
def whole(folder: Path, repository: Path, site: Site) -> Choice:
    """A git repo, a folder, an archive and two datasets, one from a web server."""
    with tarfile.open(folder / "slides.tar.gz", "w:gz") as made:
        made.add(folder / "lessons", "slides-1.0")
    site.files["/words.txt"] = WORDS
    (folder / "scores.csv").write_text("1,2")
    lessons = {"path": "lessons", "data": {"data/words": "words", "data/scores": "scores"}}
    repos = {
        "lessons": lessons,
        "course": {"git": str(repository), "ref": "main"},
        "slides": {"archive": "slides.tar.gz"},
    }
    web = {"url": f"{site.url}/words.txt", "sha256": Digest.of(WORDS).hex, "to": "en/words.txt"}
    return choice(folder, repos, {"words": [web], "scores": [{"file": "scores.csv"}]})


def test_everything_named_is_locked_and_in_the_store(whole: Choice, store: Store, repository: Path) -> None:
    journal = Journal()
    lock = resolve(whole, None, store, journal)
    assert set(lock.repos) == {"lessons", "course", "slides"} and set(lock.datasets) == {"words", "scores"}
    for pin in (*lock.repos.values(), *lock.datasets.values()):
        tree = get_tree(pin.tree, store)
        assert tree.missing(store) == []
        assert (pin.files, pin.bytes) == (len(tree.entries), tree.size)
    assert [entry.path for entry in tree_of(lock, "words", store).entries] == ["en/words.txt"]
    assert get_tree(lock.repos["slides"].tree, store).by_path.keys() == {"one.ipynb"}
    assert {stage.name for stage in journal.stages} >= {"lock repos.course", "lock datasets.words"}
    assert str(store.root) not in lock.text() and str(repository) not in lock.text()


def test_the_same_manifest_gives_the_same_lock_in_another_store(whole: Choice, store: Store, tmp_path: Path) -> None:
    assert resolve(whole, None, store, Journal()) == resolve(whole, None, Store(tmp_path / "other"), Journal())


def test_a_pin_stays_until_it_is_updated(
    whole: Choice, store: Store, repository: Path, git: Callable[..., str]
) -> None:
    old = resolve(whole, None, store, Journal())
    (repository / "new.txt").write_text("new")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "new")
    assert resolve(whole, old, store, Journal()) == old
    assert resolve(whole, old, store, Journal(), update=["lessons"]) == old
    new = resolve(whole, old, store, Journal(), update=["course"])
    assert new.repos["course"].resolved["commit"] == git(repository, "rev-parse", "HEAD")
    assert new.datasets == old.datasets


def test_a_local_folder_is_looked_at_each_time(whole: Choice, store: Store) -> None:
    old = resolve(whole, None, store, Journal())
    (whole.folder / "lessons" / "two.ipynb").write_text("{}")
    new = resolve(whole, old, store, Journal())
    assert new.repos["lessons"].files == old.repos["lessons"].files + 1
    with pytest.raises(LockError, match=r"stale: repos\.lessons") as caught:
        resolve(whole, old, store, Journal(), locked=True)
    assert caught.value.hint == "python3 build.py lock"
    assert resolve(whole, new, store, Journal(), locked=True) == new


def test_locked_without_a_lock_or_with_a_changed_manifest_is_an_error(whole: Choice, store: Store) -> None:
    with pytest.raises(LockError, match=r"there is no manifest\.lock"):
        resolve(whole, None, store, Journal(), locked=True)
    old = resolve(whole, None, store, Journal())
    changed = choice(whole.folder, {"course": {"git": "elsewhere", "ref": "main"}})
    with pytest.raises(LockError, match=r"says something else about repos\.course"):
        resolve(changed, old, store, Journal(), locked=True)


def test_a_name_that_is_not_there_cannot_be_updated(whole: Choice, store: Store) -> None:
    with pytest.raises(LockError, match="there is no curse to update"):
        resolve(whole, None, store, Journal(), update=["curse"])


def test_pins_of_what_is_no_longer_named_are_pruned(whole: Choice, store: Store) -> None:
    lock = resolve(whole, None, store, Journal())
    smaller = choice(whole.folder, {"lessons": {"path": "lessons", "data": {"data": "words"}}})
    kept = pruned(resolve(smaller, lock, store, Journal()), smaller)
    assert (set(kept.repos), set(kept.datasets)) == ({"lessons"}, {"words"})


def test_every_failure_is_told_and_what_succeeded_stays(folder: Path, store: Store, site: Site) -> None:
    site.files["/words.txt"] = WORDS
    web = {"url": f"{site.url}/words.txt", "sha256": Digest.of(WORDS).hex}
    bad = {"url": f"{site.url}/words.txt", "sha256": Digest.of(b"").hex}
    repos = {
        "gone": {"path": "gone", "data": {"good": "words", "bad": "wrong"}},
        "far": {"git": "http://127.0.0.1:9/x.git", "ref": "main"},
    }
    chosen = choice(folder, repos, {"words": [web], "wrong": [bad]})
    with pytest.raises(SourceError) as caught:
        resolve(chosen, None, store, Journal(), network=Network(2, 0))
    for said in (
        "3 of 4 failed",
        "repos.gone: the folder gone is not there",
        "repos.far: 127.0.0.1",
        "datasets.wrong: ",
    ):
        assert said in caught.value.message
    assert store.has(Digest.of(WORDS))


def test_fetch_brings_only_what_is_missing_and_says_which(whole: Choice, store: Store, tmp_path: Path) -> None:
    lock = resolve(whole, None, store, Journal())
    journal = Journal()
    fetch(lock, whole, store, journal)
    assert all(stage.cached for stage in journal.stages) and len(journal.stages) == 5
    other, journal = Store(tmp_path / "other"), Journal()
    fetch(lock, whole, other, journal)
    assert not any(stage.cached for stage in journal.stages)
    assert sum(stage.bytes_in for stage in journal.stages) == sum(
        pin.bytes for pin in (*lock.repos.values(), *lock.datasets.values())
    )
    journal = Journal()
    other.path(Digest.of(WORDS)).unlink()
    fetch(lock, whole, other, journal)
    assert [stage.name for stage in journal.stages if not stage.cached] == ["fetch datasets.words"]


def test_fetch_offline_names_what_is_missing_and_asks_nobody(whole: Choice, store: Store, site: Site) -> None:
    lock = resolve(whole, None, store, Journal())
    offline = Network(is_offline=True)
    fetch(lock, whole, store, Journal(), network=offline)
    store.path(Digest.of(WORDS)).unlink()
    asked = len(site.requests)
    with pytest.raises(SourceError, match=r"datasets\.words: .*words\.txt is not in the store"):
        fetch(lock, whole, store, Journal(), network=offline)
    assert len(site.requests) == asked


def test_fetch_of_a_folder_that_changed_says_the_lock_is_stale(whole: Choice, store: Store, tmp_path: Path) -> None:
    lock = resolve(whole, None, store, Journal())
    (whole.folder / "lessons" / "one.ipynb").write_text("[]")
    with pytest.raises(LockError, match=r"repos\.lessons has changed since it was locked"):
        fetch(lock, whole, Store(tmp_path / "other"), Journal())


def test_fetch_of_a_tree_that_is_not_the_locked_one_is_an_integrity_error(
    whole: Choice, store: Store, tmp_path: Path
) -> None:
    lock = resolve(whole, None, store, Journal())
    pin = lock.repos["course"].model_copy(update={"tree": Digest.of(b"another tree")})
    forged = lock.model_copy(update={"repos": {**lock.repos, "course": pin}})
    with pytest.raises(IntegrityError, match=r"repos\.course is not what was locked: expected"):
        fetch(forged, whole, Store(tmp_path / "other"), Journal())


def test_the_parts_of_a_dataset_are_renamed_and_joined(folder: Path, store: Store) -> None:
    (folder / "scores.csv").write_text("1,2")
    (folder / "more").mkdir()
    (folder / "more" / "a.txt").write_text("a")
    (folder / "more" / "b.md").write_text("b")
    with tarfile.open(folder / "x.tar", "w") as made:
        made.add(folder / "more", "x-1/in")
    parts: list[dict[str, object]] = [
        {"file": "scores.csv", "to": "table.csv"},
        {"file": "more", "to": "text", "members": ["*.txt"]},
        {"file": "x.tar", "unpack": True, "strip": 2, "members": ["x-1/in/b.md"], "to": "read/me.md"},
        {"file": "more"},
    ]
    lock = resolve(
        choice(folder, {"l": {"path": "lessons", "data": {"d": "all"}}}, {"all": parts}), None, store, Journal()
    )
    names = [entry.path for entry in tree_of(lock, "all", store).entries]
    assert names == ["a.txt", "b.md", "read/me.md", "table.csv", "text/a.txt"]


def test_two_files_of_a_dataset_at_one_path_are_an_error(folder: Path, store: Store) -> None:
    (folder / "a.csv").write_text("1")
    (folder / "b.csv").write_text("2")
    parts: list[dict[str, object]] = [{"file": "a.csv", "to": "x.csv"}, {"file": "b.csv", "to": "x.csv"}]
    chosen = choice(folder, {"l": {"path": "lessons", "data": {"d": "twice"}}}, {"twice": parts})
    with pytest.raises(SourceError, match=r"datasets\.twice: x\.csv stands twice"):
        resolve(chosen, None, store, Journal())


def _resolve(manifest: Path, root: Path) -> None:
    resolve(load(manifest).choose(), None, Store(root), Journal())


def test_two_builds_at_once_on_one_store_both_succeed(whole: Choice, store: Store, site: Site) -> None:
    fork = multiprocessing.get_context("spawn")
    builds = [fork.Process(target=_resolve, args=(whole.folder / "manifest.yaml", store.root)) for _ in range(2)]
    for build in builds:
        build.start()
    for build in builds:
        build.join(60)
    assert [build.exitcode for build in builds] == [0, 0]
    assert len(site.requests) == 1
    fetch(resolve(whole, None, store, Journal()), whole, store, Journal(), network=Network(is_offline=True))


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_after_kill_9_at_any_moment_the_next_run_goes_on(whole: Choice, store: Store, delay: float) -> None:
    build = multiprocessing.get_context("fork").Process(
        target=_resolve, args=(whole.folder / "manifest.yaml", store.root)
    )
    build.start()
    build.join(delay)  # the kill falls wherever it falls: what must hold does not depend on it
    build.kill()
    build.join(20)
    with store.shared():
        lock = resolve(whole, None, store, Journal())
        fetch(lock, whole, store, Journal(), network=Network(is_offline=True))
    for path in (store.root / "objects").rglob("*"):
        assert path.is_dir() or Digest.of(path.read_bytes()).hex == path.parent.name + path.name


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def _may_mount() -> bool:
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not _may_mount(), reason="needs the right to mount a small disk")
@pytest.mark.parametrize(
    ("kind", "size"), [("folder", 2), ("web", 2), ("archive", 2), ("git", 2), ("git", 5)]
)  # in 5 MB the mirror fits, and what is checked out of it does not
def test_a_full_disk_is_named_and_nothing_half_written_stays(
    kind: str, size: int, folder: Path, tmp_path: Path, site: Site, git: Callable[..., str]
) -> None:
    big = os.urandom(3 << 20)
    (folder / "lessons" / "big.bin").write_bytes(big)
    site.files["/big.bin"] = big
    if kind == "archive":
        with tarfile.open(folder / "big.tar", "w") as made:
            made.add(folder / "lessons", "x")
    if kind == "git":
        git(folder / "lessons", "init", "--quiet")
        git(folder / "lessons", "add", "--all")
        git(folder / "lessons", "commit", "--quiet", "--message", "x")
    small: dict[str, object] = {"path": "datasets", "data": {"d": "big"}}
    web: dict[str, object] = {"url": f"{site.url}/big.bin", "sha256": Digest.of(big).hex}
    repo = {"folder": {"path": "lessons"}, "archive": {"archive": "big.tar"}, "git": {"git": "lessons"}, "web": small}[
        kind
    ]
    chosen = choice(folder, {"r": repo}, {"big": [web]})
    with small_disk(tmp_path / "disk", f"{size}m") as disk:
        store = Store(disk / "store")
        with pytest.raises(StoreError, match="no space left") as caught:
            resolve(chosen, None, store, Journal(), network=Network(2, 0))
        assert "--store" in caught.value.hint
        for path in (store.root / "objects").rglob("*"):
            assert path.is_dir() or Digest.of(path.read_bytes()).hex == path.parent.name + path.name
        assert list((store.root / "scratch").iterdir()) == []


def test_looking_at_what_is_there_is_fast_enough_to_do_every_time(folder: Path, store: Store) -> None:
    for number in range(2000):
        (folder / "lessons" / f"{number}.txt").write_text(str(number))
    chosen = choice(folder, {"l": {"path": "lessons"}})
    lock = resolve(chosen, None, store, Journal())
    shutil.rmtree(folder / "lessons")  # so that anything but a look into the store would fail
    start = time.monotonic()
    fetch(lock, chosen, store, Journal())
    print(f"2000 files looked at in {time.monotonic() - start:.3f} s")


def test_no_failure_is_a_traceback(folder: Path, store: Store) -> None:
    (folder / "lessons" / "one.ipynb").unlink()
    (folder / "lessons").rmdir()
    (folder / "lessons").write_text("a file, not a folder")
    with pytest.raises(BuilderError, match="the folder lessons is not there"):
        resolve(choice(folder, {"l": {"path": "lessons"}}), None, store, Journal())
