"""Files that a person gets: from the drop folder into the store, with who accepted which licence in the lock."""

from __future__ import annotations

import getpass
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Site
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.store.objects import Store

FILE: dict[str, Any] = {
    "manual": "faces.csv",
    "from": "https://example.org/faces",
    "say": "Sign up, accept,\ndownload.",
}
BYTES = b"name,face\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "workshop"
    (made / "drop").mkdir(parents=True)
    return made


@pytest.fixture(autouse=True)
def _somebody(git: Callable[..., str], folder: Path) -> None:
    git(folder, "config", "--global", "user.name", "Ada")
    git(folder, "config", "--global", "user.email", "ada@example.org")


def test_a_file_in_the_drop_folder_is_taken_in_and_the_lock_says_who_accepted_what(folder: Path, store: Store) -> None:
    (folder / "drop" / "faces.csv").write_bytes(BYTES)
    lock = locked(choice_of(folder, [FILE], licence="LicenseRef-faces"), store)
    assert contents(lock, store) == {"faces.csv": BYTES}
    assert resolved(lock) == {
        "0.sha256": Digest.of(BYTES).hex,
        "0.size": str(len(BYTES)),
        "0.licence": "LicenseRef-faces",
        "0.accepted_by": "Ada <ada@example.org>",
    }
    assert str(folder) not in lock.text()


def test_without_the_file_page_words_licence_and_place_are_told(folder: Path, store: Store) -> None:
    with pytest.raises(SourceError) as caught:
        locked(choice_of(folder, [FILE]), store)
    assert "faces.csv has to be got by a person, from https://example.org/faces: Sign up, accept, download." in str(
        caught.value
    )
    assert str(folder / "drop" / "faces.csv") in caught.value.hint and "licence, CC0-1.0" in caught.value.hint


def test_the_file_is_not_needed_again_where_the_store_has_it(folder: Path, store: Store) -> None:
    place = folder / "drop" / "faces.csv"
    place.write_bytes(BYTES)
    choice = choice_of(folder, [FILE])
    lock = locked(choice, store)
    place.unlink()
    assert locked(choice, store, lock, locked=True) == lock
    fetch(lock, choice, store, Journal())


def test_in_another_store_the_same_file_is_needed_and_no_other_will_do(folder: Path, store: Store) -> None:
    place = folder / "drop" / "faces.csv"
    place.write_bytes(BYTES)
    choice = choice_of(folder, [FILE])
    lock = locked(choice, store)
    other = Store(folder / "other")
    place.write_bytes(b"another")
    with pytest.raises(IntegrityError, match=r"faces\.csv is not the expected file"):
        fetch(lock, choice, other, Journal())
    assert not other.has(Digest.of(b"another"))
    place.unlink()
    with pytest.raises(SourceError, match="has to be got by a person"):
        fetch(lock, choice, other, Journal())
    place.write_bytes(BYTES)
    fetch(lock, choice, other, Journal())
    assert contents(lock, other) == {"faces.csv": BYTES}


def test_a_digest_on_the_card_must_match(folder: Path, store: Store) -> None:
    (folder / "drop" / "faces.csv").write_bytes(b"a page that says: log in")
    with pytest.raises(IntegrityError, match=r"faces\.csv is not the expected file"):
        locked(choice_of(folder, [{**FILE, "sha256": Digest.of(BYTES).hex}]), store)


def test_an_archive_is_unpacked_and_another_drop_folder_may_be_named(
    folder: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("faces/a.csv", "a")
        archive.writestr("faces/b.txt", "b")
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "faces.zip").write_bytes(held.getvalue())
    monkeypatch.setenv("WORKSHOP_DROP", str(tmp_path / "downloads"))
    spec = {**FILE, "manual": "faces.zip", "unpack": True, "members": ["**/*.csv"], "strip": 1}
    assert contents(locked(choice_of(folder, [spec]), store), store) == {"a.csv": b"a"}


def test_another_licence_has_to_be_accepted_anew(folder: Path, store: Store) -> None:
    (folder / "drop" / "faces.csv").write_bytes(BYTES)
    old = locked(choice_of(folder, [FILE]), store)
    new = locked(choice_of(folder, [FILE], licence="MIT"), store, old)
    assert resolved(new)["0.licence"] == "MIT"


def test_who_is_no_user_of_git_is_known_by_their_login(folder: Path, store: Store, git: Callable[..., str]) -> None:
    git(folder, "config", "--global", "--unset", "user.name")
    git(folder, "config", "--global", "--unset", "user.email")
    (folder / "drop" / "faces.csv").write_bytes(BYTES)
    assert resolved(locked(choice_of(folder, [FILE]), store))["0.accepted_by"] == getpass.getuser()


def test_all_that_fails_is_listed_with_what_to_do_and_the_rest_goes_on(folder: Path, store: Store, site: Site) -> None:
    site.files["/a.txt"] = b"a"
    there = {"url": f"{site.url}/a.txt", "sha256": Digest.of(b"a").hex}
    gone = {"url": f"{site.url}/gone.txt", "sha256": Digest.of(b"gone").hex}
    with pytest.raises(SourceError) as caught:
        locked(choice_of(folder, [FILE, {"file": "none.csv"}, there, gone]), store)
    told = str(caught.value)
    assert "files[0]: faces.csv has to be got by a person" in told and f"put it at {folder}/drop/faces.csv" in told
    assert "files[1]: the file none.csv is not there" in told
    assert "gone.txt cannot be fetched: the server answers 404" in told and "3 of " in told
    assert store.has(Digest.of(b"a"))
    (folder / "drop" / "faces.csv").write_bytes(BYTES)
    (folder / "none.csv").write_bytes(b"found")
    with pytest.raises(SourceError, match=r"gone\.txt cannot be fetched: the server answers 404"):
        locked(choice_of(folder, [FILE, {"file": "none.csv"}, there, gone]), store)
    assert store.has(Digest.of(BYTES)), "what a person brought need not be brought again"
