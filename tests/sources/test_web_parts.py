"""A dataset whose files come from the web: fetched together, locked by what came, failures told together."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Site
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import BuilderError, IntegrityError, SourceError
from builder.manifest import Choice
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.sources.source import Network
from builder.store.objects import Store

WORDS = b"one\ntwo\n"
CALM = Network(tries=1, pause=0)


def zipped(**members: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return held.getvalue()


def workshop(site: Site, tmp_path: Path, *files: dict[str, Any]) -> Choice:
    """A dataset of such files; `url` may be a path on the site, or several."""
    full = [
        {**file, "url": [site.url + path for path in given] if isinstance(given, list) else site.url + given}
        for file in files
        for given in [file["url"]]
    ]
    return choice_of(tmp_path / "w", full)


def test_files_and_archives_of_a_dataset_come_each_once(site: Site, store: Store, tmp_path: Path) -> None:
    packed = zipped(a=b"a", b=b"b")
    site.files = {"/words.txt": WORDS, "/all.zip": packed}
    archive = {"url": "/all.zip", "sha256": Digest.of(packed).hex, "unpack": True}
    choice = workshop(
        site,
        tmp_path,
        {"url": "/words.txt", "sha256": Digest.of(WORDS).hex},
        {**archive, "members": ["a"], "to": "one.txt"},
        {**archive, "members": ["b"]},
    )
    lock = locked(choice, store)
    assert contents(lock, store) == {"words.txt": WORDS, "one.txt": b"a", "b": b"b"}
    assert resolved(lock)["0.size"] == str(len(WORDS))
    assert resolved(lock)["1.size"] == resolved(lock)["2.size"] == str(len(packed))
    assert sorted(path for path, _ in site.requests) == ["/all.zip", "/words.txt"]
    assert site.url not in lock.text()


@pytest.mark.parametrize("name", ["md5", "sha1"])
def test_the_first_fetch_locks_the_sha256_which_then_rules(site: Site, store: Store, tmp_path: Path, name: str) -> None:
    site.files["/a"] = WORDS
    choice = workshop(site, tmp_path, {"url": "/a", name: hashlib.new(name, WORDS).hexdigest()})
    lock = locked(choice, store)
    assert resolved(lock) == {"0.sha256": Digest.of(WORDS).hex, "0.size": "8"}
    assert len(site.requests) == 1
    other = Store(tmp_path / "other")
    fetch(lock, choice, other, Journal(), network=CALM)
    assert contents(lock, other) == {"a": WORDS}
    site.files["/a"] = b"one\ntoo\n"
    with pytest.raises(IntegrityError, match=f"expected {Digest.of(WORDS)}"):
        fetch(lock, choice, Store(tmp_path / "third"), Journal(), network=CALM)


def test_a_wrong_md5_locks_nothing(site: Site, store: Store, tmp_path: Path) -> None:
    site.files["/a"] = WORDS
    with pytest.raises(IntegrityError, match="expected md5:0000"):
        locked(workshop(site, tmp_path, {"url": "/a", "md5": "0" * 32}), store)


def test_what_the_manifest_says_in_full_is_locked_without_asking_twice(
    site: Site, store: Store, tmp_path: Path
) -> None:
    site.files["/a"] = WORDS
    choice = workshop(site, tmp_path, {"url": "/a", "sha256": Digest.of(WORDS).hex, "size": 8, "etag": "v1"})
    site.headers["/a"] = {"ETag": '"v1"'}
    assert resolved(locked(choice, store)) == {"0.sha256": Digest.of(WORDS).hex, "0.size": "8"}
    assert len(site.requests) == 1
    site.headers["/a"] = {"ETag": '"v2"'}
    with pytest.raises(IntegrityError, match="expected the ETag v1, received the ETag v2"):
        locked(choice, Store(tmp_path / "other"))


def test_all_files_that_cannot_be_had_are_told_and_the_others_stay(site: Site, store: Store, tmp_path: Path) -> None:
    site.files = {"/good.txt": WORDS, "/changed.txt": b"other"}
    digest = Digest.of(WORDS).hex
    wrong = {"url": "/gone.txt", "sha256": Digest.of(b"gone").hex, "size": 4}
    good = {"url": "/good.txt", "sha256": digest}
    lost = {"url": ["/lost.txt", "/changed.txt"], "sha256": Digest.of(b"x").hex}
    choice = workshop(site, tmp_path, wrong, good, lost)
    with pytest.raises(SourceError) as caught:
        locked(choice, store)
    for said in ("gone.txt: http", "/lost.txt cannot be fetched", "/changed.txt are not the expected"):
        assert said in caught.value.message
    assert store.has(Digest.of(WORDS))


def test_a_mirror_in_the_card_is_used(site: Site, store: Store, tmp_path: Path) -> None:
    site.files["/b.txt"] = WORDS
    choice = workshop(site, tmp_path, {"url": ["/a.txt", "/b.txt"], "sha256": Digest.of(WORDS).hex})
    assert contents(locked(choice, store), store) == {"a.txt": WORDS}


def test_offline_a_file_that_is_not_here_is_named(site: Site, store: Store, tmp_path: Path) -> None:
    choice = workshop(site, tmp_path, {"url": "/a.txt", "md5": "0" * 32})
    with pytest.raises(BuilderError, match=r"a\.txt is not in the store, and --offline forbids"):
        locked(choice, store, network=Network(is_offline=True))
    assert site.requests == []
