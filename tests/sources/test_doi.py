"""Records behind DOIs, at hosts of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_hosts import Hosts, Reply, md5
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.store.objects import Store

DOI = "10.5281/zenodo.1234567"
FILES = {"words list.csv": b"one,two\n", "read.me": b"words"}


def lock_of(tmp_path: Path, store: Store, *files: dict[str, Any]) -> Any:
    return locked(choice_of(tmp_path / "w", list(files)), store)


@pytest.mark.parametrize("is_zenodo", [True, False])
def test_a_record_of_zenodo_or_another_invenio(hosts: Hosts, store: Store, tmp_path: Path, is_zenodo: bool) -> None:
    hosts.invenio(DOI, "1234567", FILES, is_zenodo=is_zenodo)
    lock = lock_of(tmp_path, store, {"doi": DOI})
    assert contents(lock, store) == FILES
    assert resolved(lock) == {
        "0.doi": DOI,
        "0.version": "",
        "0.file words list.csv": f"md5:{md5(FILES['words list.csv'])} 8",
        "0.file read.me": f"md5:{md5(b'words')} 5",
    }
    assert hosts.url not in lock.text()


def test_only_the_wanted_files_are_fetched(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    lock = lock_of(tmp_path, store, {"doi": DOI, "members": ["*.csv"], "to": "tables"})
    assert contents(lock, store) == {"tables/words list.csv": b"one,two\n"}
    assert hosts.asked("/content") == ["/api/records/1234567/files/words%20list.csv/content"]


def test_the_doi_of_all_versions_is_locked_to_the_newest(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    hosts.redirect("/doi-system/10.5281/zenodo.1", f"/invenio/doi/{DOI}")
    choice = choice_of(tmp_path / "w", [{"doi": "10.5281/zenodo.1"}])
    lock = locked(choice, store)
    assert resolved(lock)["0.doi"] == DOI
    hosts.redirect("/doi-system/10.5281/zenodo.1", "/records/newer")
    other = Store(tmp_path / "other")
    fetch(lock, choice, other, Journal())
    assert contents(lock, other) == FILES


def test_two_entries_of_one_record_ask_for_it_once(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    lock_of(tmp_path, store, {"doi": DOI, "members": ["*.csv"]}, {"doi": DOI, "members": ["read.me"]})
    assert hosts.asked("/doi-system/")[:1] == [f"/doi-system/{DOI}"]
    assert len(hosts.asked("/content")) == 2


def test_a_dataset_of_dataverse_comes_as_it_was_uploaded(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.dataverse("10.7910/DVN/ABC", {"a.txt": b"text"}, ("t.csv", b"1,2\n"))
    lock = lock_of(tmp_path, store, {"doi": "10.7910/DVN/ABC"})
    assert contents(lock, store) == {"raw/a.txt": b"text", "t.csv": b"1,2\n"}
    assert resolved(lock)["0.version"] == "2.1"
    assert resolved(lock)["0.file raw/a.txt"] == "sha1:372ea08cab33e71c02c651dbc83a474d32c676ea 4"


def test_an_article_of_figshare_at_its_version(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.figshare("10.6084/m9.figshare.123456.v2", "123456", 2, {"f.bin": b"figures"})
    lock = lock_of(tmp_path, store, {"doi": "10.6084/m9.figshare.123456.v2"})
    assert contents(lock, store) == {"f.bin": b"figures"}
    assert resolved(lock)["0.version"] == "2"


def test_bytes_that_are_not_the_listed_ones_are_not_kept(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    hosts.replies["/api/records/1234567/files/read.me/content"].body = b"WORDS"
    with pytest.raises(IntegrityError, match=f"expected md5:{md5(b'words')}"):
        lock_of(tmp_path, store, {"doi": DOI})
    assert not store.has(Digest.of(b"WORDS")) and store.has(Digest.of(FILES["words list.csv"]))


def test_what_the_host_changed_after_the_lock_is_told(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    choice = choice_of(tmp_path / "w", [{"doi": DOI}])
    lock = locked(choice, store)
    hosts.invenio(DOI, "1234567", {**FILES, "read.me": b"other"})
    with pytest.raises(IntegrityError, match="are not the expected ones"):
        fetch(lock, choice, Store(tmp_path / "other"), Journal())
    hosts.invenio(DOI, "1234567", {"words list.csv": FILES["words list.csv"]})
    with pytest.raises(SourceError, match=r"read\.me is no longer among the files of doi"):
        fetch(lock, choice, Store(tmp_path / "third"), Journal())


def test_a_lock_that_was_broken_off_does_not_fetch_a_file_twice(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    missing = hosts.replies.pop("/api/records/1234567/files/read.me/content")
    with pytest.raises(SourceError, match="404"):
        lock_of(tmp_path, store, {"doi": DOI})
    hosts.replies["/api/records/1234567/files/read.me/content"] = missing
    hosts.requests.clear()
    assert contents(lock_of(tmp_path, store, {"doi": DOI}), store) == FILES
    assert hosts.asked("/content") == ["/api/records/1234567/files/read.me/content"]


def test_an_unknown_doi(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"doi:10\.5281/zenodo\.1 is not known to the DOI system"):
        lock_of(tmp_path, store, {"doi": "10.5281/zenodo.1"})


def test_a_host_of_another_kind_is_named(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.redirect("/doi-system/10.1000/182", "/handbook/index.html")
    with pytest.raises(SourceError, match=r"leads to .*/handbook/index\.html, no record of InvenioRDM"):
        lock_of(tmp_path, store, {"doi": "10.1000/182"})


@pytest.mark.parametrize(
    ("status", "said"), [(403, "may not be read"), (404, "is not at its host"), (410, "withdrawn")]
)
def test_a_host_that_says_no(hosts: Hosts, store: Store, tmp_path: Path, status: int, said: str) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    hosts.replies["/api/records/1234567"] = Reply(status=status)
    with pytest.raises(SourceError, match=f"doi:{DOI} .*{said}"):
        lock_of(tmp_path, store, {"doi": DOI})


BAD = b'{"id": 1, "files": [{"key": "a", "size": 1, "checksum": "sha256:no"}]}'


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b'{"files": [{"key": 1}]}', b"\xff", BAD])
def test_an_answer_that_is_not_as_documented(hosts: Hosts, store: Store, tmp_path: Path, answer: bytes) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    hosts.replies["/api/records/1234567"] = Reply(answer)
    with pytest.raises(SourceError, match="cannot be understood"):
        lock_of(tmp_path, store, {"doi": DOI})


def test_a_record_without_open_files(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.invenio(DOI, "1234567", {})
    with pytest.raises(SourceError, match="has no files that everyone may read"):
        lock_of(tmp_path, store, {"doi": DOI})


def test_a_pattern_that_selects_nothing_is_told_before_anything_is_fetched(
    hosts: Hosts, store: Store, tmp_path: Path
) -> None:
    hosts.invenio(DOI, "1234567", FILES)
    with pytest.raises(SourceError, match=r"no member of doi:.* is \*\.tsv"):
        lock_of(tmp_path, store, {"doi": DOI, "members": ["*.csv", "*.tsv"]})
    assert hosts.asked("/content") == []


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a//b"])
def test_a_name_that_leaves_the_dataset_is_refused(hosts: Hosts, store: Store, tmp_path: Path, name: str) -> None:
    hosts.invenio(DOI, "1234567", {name: b"x"})
    with pytest.raises(SourceError, match="not a plain path"):
        lock_of(tmp_path, store, {"doi": DOI})
