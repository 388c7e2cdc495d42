"""Sharing bytes without sharing a writable file, by each way that a disk may offer."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from builder.content.layout import Content
from builder.content.tree import lay_out
from builder.files import share
from builder.store.objects import Store
from builder.store.trees import Entry, Tree
from builder.store.verify import verify

DATA = os.urandom(300_000)


def mounted(place: Path, *words: str | Path) -> Iterator[Path]:
    place.mkdir()
    if subprocess.run(["mount", *words, place], check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=200k", "tmpfs")


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "other", "-t", "tmpfs", "tmpfs")


@pytest.fixture
def reflink_disk(tmp_path: Path) -> Iterator[Path]:
    """XFS on a loop device."""
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("mkfs.xfs is not installed")
    image = tmp_path / "xfs.img"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    yield from mounted(tmp_path / "xfs", "-o", "loop", image)


def source_in(folder: Path) -> Path:
    path = folder / "source"
    path.write_bytes(DATA)
    path.chmod(0o444)
    return path


def shared_bytes(path: Path) -> int:
    """How many blocks of a file are another file's too, as the file system says."""
    said = subprocess.run(["filefrag", "-v", path], capture_output=True, text=True, check=True).stdout
    return said.count("shared")


@pytest.mark.parametrize("writable", [True, False])
def test_a_reflink_is_taken_where_there_is_one(writable: bool, reflink_disk: Path) -> None:
    source, target = source_in(reflink_disk), reflink_disk / "folder" / "target"
    share(source, target, writable=writable)
    os.sync()
    assert shared_bytes(target) > 0 and target.stat().st_nlink == 1
    assert target.stat().st_mode & 0o777 == (0o644 if writable else 0o444)
    target.chmod(0o644)
    target.write_bytes(b"mine")
    assert source.read_bytes() == DATA


def test_a_hard_link_is_next_and_is_read_only(tmp_path: Path) -> None:
    source, target = source_in(tmp_path), tmp_path / "target"
    share(source, target)
    if shared_bytes(target):
        pytest.skip("this disk has reflinks")
    assert target.samefile(source) and target.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(("writable", "link"), [(True, True), (False, False)])
def test_what_may_be_written_to_is_no_link(writable: bool, link: bool, tmp_path: Path) -> None:
    source, target = source_in(tmp_path), tmp_path / "target"
    share(source, target, writable=writable, link=link)
    assert not target.samefile(source) and target.read_bytes() == DATA
    assert target.stat().st_mode & 0o777 == (0o644 if writable else 0o444)


def test_across_disks_it_is_a_copy(tmp_path: Path, other_disk: Path) -> None:
    source, target = source_in(tmp_path), other_disk / "target"
    share(source, target)
    assert target.read_bytes() == DATA and target.stat().st_mode & 0o777 == 0o444


def test_a_disk_that_is_full_is_named(tmp_path: Path, small_disk: Path) -> None:
    with pytest.raises(Exception, match=f"no space left while writing in {small_disk}"):
        share(source_in(tmp_path), small_disk / "target")


def content(store: Store) -> Content:
    data, page = store.put_bytes(DATA), store.put_bytes(b"<html>")
    repo = Tree.of([Entry("one.ipynb", data.digest, data.size)])
    return Content(
        {"one": repo}, {"numbers": Tree.of([Entry("a.csv", data.digest, data.size)])}, store.read(page.digest)
    )


def write_to(files: Iterable[Path]) -> None:
    """Write in every way to every file, as a notebook does that was told the wrong name."""
    for path in files:
        for mode in ("r+b", "ab", "wb"):
            with suppress(PermissionError), path.open(mode) as file:
                file.write(b"mine")


def test_what_root_writes_into_the_tree_does_not_reach_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    lay_out(content(store), tmp_path / "tree", store)
    write_to(path for path in (tmp_path / "tree").rglob("*") if path.is_file())
    assert verify(store).damaged == ()


def _as_attendee(folder: Path) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    store = Store(folder / "store")
    lay_out(content(store), folder / "tree", store)
    assert (folder / "tree/data/numbers/a.csv").stat().st_nlink == 2
    write_to(path for path in (folder / "tree").rglob("*") if path.is_file())


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_an_attendee_writes_into_the_tree_does_not_reach_the_store() -> None:
    with TemporaryDirectory() as name:  # others may not enter tmp_path
        folder = Path(name)
        folder.chmod(0o777)
        attendee = multiprocessing.get_context("fork").Process(target=_as_attendee, args=(folder,))
        attendee.start()
        attendee.join(60)
        assert attendee.exitcode == 0
        assert verify(Store(folder / "store")).damaged == ()
        assert (folder / "tree/repos/one/one.ipynb").read_bytes() == b"mine"
