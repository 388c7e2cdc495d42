"""Packages, through the machine's own clients and settings."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.sources.dataset import DatasetSource
from builder.sources.package import DEBIAN, NPM, PYPI, PackageSource
from builder.sources.part import Part
from builder.sources.selection import Selection
from builder.sources.source import Network
from builder.store.objects import Store

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="not a Debian machine")
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def wheel(folder: Path, version: str, text: str = "words") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"course_words-{version}-py3-none-any.whl"
    info = f"course_words-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("course_words/words.txt", text)
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: course-words\nVersion: {version}\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index of our own, which pip learns of through its own settings."""
    root = tmp_path / "index"
    (root / "course-words").mkdir(parents=True)
    handler = functools.partial(_Quiet, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    yield root
    server.shutdown()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_the_newest_version_is_resolved_and_then_stays(index: Path, store: Store) -> None:
    wheel(index / "course-words", "1.0")
    source = PackageSource(PYPI, "course-words", store)
    resolved = source.resolve()
    assert resolved["version"] == "1.0"
    assert set(resolved) == {"version", "sha256", "size", "file"}
    wheel(index / "course-words", "2.0", "newer words")
    old = source.bring(resolved, store).by_path["course_words/words.txt"]
    assert old.digest == Digest.of(b"words")
    assert source.resolve()["version"] == "2.0"


def test_a_locked_package_comes_again_from_its_index_and_is_the_same(index: Path, store: Store, tmp_path: Path) -> None:
    wheel(index / "course-words", "1.0")
    first = PackageSource(PYPI, "course-words", store)
    resolved = first.resolve()
    wheel(index / "course-words", "2.0")
    other = Store(tmp_path / "other")
    again = PackageSource(PYPI, "course-words", other).bring(resolved, other)
    assert again == first.bring(resolved, store)


def test_a_package_whose_bytes_changed_is_not_used(index: Path, store: Store, tmp_path: Path) -> None:
    made = wheel(index / "course-words", "1.0")
    resolved = PackageSource(PYPI, "course-words", store).resolve()
    made.unlink()
    changed = wheel(index / "course-words", "1.0", "other words")
    other = Store(tmp_path / "other")
    with pytest.raises(
        IntegrityError, match=f"expected sha256:{resolved['sha256']}.*PyPI package|PyPI package.*expected"
    ):
        PackageSource(PYPI, "course-words", other).bring(resolved, other)
    assert not other.has(Digest.of(changed.read_bytes()))


def test_once_fetched_a_package_needs_no_index(index: Path, store: Store) -> None:
    made = wheel(index / "course-words", "1.0")
    source = PackageSource(PYPI, "course-words", store, network=Network())
    resolved = source.resolve()
    made.unlink()
    offline = PackageSource(PYPI, "course-words", store, network=Network(is_offline=True))
    assert "course_words/words.txt" in offline.bring(resolved, store).by_path
    with pytest.raises(SourceError, match="--offline"):
        offline.resolve()


def test_a_package_that_two_parts_of_a_dataset_use_is_asked_for_once(index: Path, store: Store) -> None:
    wheel(index / "course-words", "1.0")
    takes = [Selection((pattern,)) for pattern in ("course_words/*.txt", "*.dist-info/METADATA")]
    parts = [
        Part(str(place), PackageSource(PYPI, "course-words", store, selection=one), None, False)
        for place, one in enumerate(takes)
    ]
    asked: list[str] = []

    def counted(name: str, version: str | None, file: str, folder: Path) -> None:
        asked.append(name)
        PYPI.download(name, version, file, folder)

    registry = replace(PYPI, download=counted)
    dataset = DatasetSource(tuple(replace(part, source=replace(part.source, registry=registry)) for part in parts))
    resolved = dataset.resolve()
    assert asked == ["course-words"]
    assert resolved["0.sha256"] == resolved["1.sha256"]
    names = {entry.path for entry in dataset.bring(resolved, store).entries}
    assert names == {"course_words/words.txt", "course_words-1.0.dist-info/METADATA"}


@pytest.mark.parametrize("version", [None, "9.9"])
def test_a_package_or_version_that_is_not_there_is_named(index: Path, store: Store, version: str | None) -> None:
    with pytest.raises(SourceError, match="the PyPI package course-words"):
        PackageSource(PYPI, "course-words", store, version).resolve()


@needs_npm
def test_an_npm_package_stands_without_its_package_folder(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "course-slides"
    package.mkdir()
    (package / "package.json").write_text(json.dumps({"name": "course-slides", "version": "1.2.0"}))
    (package / "index.html").write_text("<p>")
    monkeypatch.setenv("HOME", str(tmp_path))
    source = PackageSource(NPM, f"file:{package}", store, selection=Selection(("*.html",)))
    resolved = {**source.resolve(), "version": "1.2.0"}
    assert resolved["file"] == "course-slides-1.2.0.tgz"
    assert [entry.path for entry in source.bring(resolved, store).entries] == ["index.html"]


@pytest.mark.parametrize(
    ("name", "file", "version"),
    [("reveal.js", "reveal.js-5.1.0.tgz", "5.1.0"), ("@a/b-c", "a-b-c-1.0.0-rc.1.tgz", "1.0.0-rc.1")],
)
def test_npm_file_names_tell_their_version(name: str, file: str, version: str) -> None:
    assert NPM.version_of(name, file) == version


def test_file_names_of_pypi_and_debian_tell_their_version() -> None:
    assert PYPI.version_of("a-b", "a_b-1.0.post1-py3-none-any.whl") == "1.0.post1"
    assert PYPI.version_of("a-b", "a-b-1.0.tar.gz") == "1.0"
    assert DEBIAN.version_of("x", "x_1%3a2.0-1_all.deb") == "1:2.0-1"


@needs_apt
def test_a_debian_package_comes_through_the_machines_own_sources(store: Store) -> None:
    source = PackageSource(DEBIAN, "wamerican", store, selection=Selection(("usr/share/dict/american-english",), 3))
    resolved = source.resolve()
    entry = source.bring(resolved, store).by_path["american-english"]
    assert entry.size > 500_000
    assert "://" not in json.dumps(resolved)


@needs_apt
def test_a_debian_package_that_is_unknown_says_how_to_refresh_the_list(store: Store) -> None:
    with pytest.raises(SourceError, match="the Debian package no-such-package-here") as caught:
        PackageSource(DEBIAN, "no-such-package-here", store).resolve()
    assert "apt-get update" in caught.value.hint
