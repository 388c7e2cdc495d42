"""Datasets of a Kaggle on loopback."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from data_hosts import KEY, Hosts
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.store.objects import Store

NAME = "ada/words"


def archive(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, text in files.items():
            made.writestr(zipfile.ZipInfo(f"{name}.csv"), text)
    return held.getvalue()


ZIP = archive(a="1", b="2")


def lock_of(tmp_path: Path, store: Store, **spec: Any) -> Any:
    return locked(choice_of(tmp_path / "w", [{"kaggle": NAME, **spec}]), store)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    monkeypatch.setenv("KAGGLE_KEY", KEY)


def test_the_newest_version_is_locked_and_unpacked(hosts: Hosts, store: Store, tmp_path: Path, token: None) -> None:
    hosts.kaggle(NAME, 3, ZIP)
    lock = lock_of(tmp_path, store, members=["b.csv"], to="words.csv")
    assert contents(lock, store) == {"words.csv": b"2"}
    assert resolved(lock) == {"0.version": "3", "0.sha256": Digest.of(ZIP).hex, "0.size": str(len(ZIP))}
    assert KEY not in lock.text()
    assert {secret.partition(" ")[0] for secret in hosts.secrets if "Basic" in secret} == {"127.0.0.1"}


def test_a_version_on_the_card_is_not_asked_for(hosts: Hosts, store: Store, tmp_path: Path, token: None) -> None:
    hosts.kaggle(NAME, 2, ZIP)
    assert contents(lock_of(tmp_path, store, version="2"), store) == {"a.csv": b"1", "b.csv": b"2"}
    assert hosts.asked("/view/") == []


def test_another_archive_than_the_locked_one_is_refused(
    hosts: Hosts, store: Store, tmp_path: Path, token: None
) -> None:
    hosts.kaggle(NAME, 3, ZIP)
    choice = choice_of(tmp_path / "w", [{"kaggle": NAME}])
    lock = locked(choice, store)
    hosts.kaggle(NAME, 3, archive(a="other"))
    with pytest.raises(IntegrityError, match="are not the expected ones") as caught:
        fetch(lock, choice, Store(tmp_path / "other"), Journal())
    assert "s3cret" not in str(caught.value)


def test_the_token_is_read_from_kaggle_json(
    hosts: Hosts, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.kaggle(NAME, 3, ZIP)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kaggle.json").write_text(json.dumps({"username": "ada", "key": KEY}))
    assert contents(lock_of(tmp_path, store), store).keys() == {"a.csv", "b.csv"}
    (tmp_path / "kaggle.json").write_text("{}")
    with pytest.raises(SourceError, match=r"kaggle\.json cannot be read as a token"):
        lock_of(tmp_path, Store(tmp_path / "other"))


def test_without_a_token_it_is_said_how_to_get_one_and_what_to_accept(
    hosts: Hosts, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="the Kaggle dataset ada/words needs a token, and there is none") as caught:
        lock_of(tmp_path, store)
    assert "kaggle.json" in caught.value.hint and f"{hosts.url}/kaggle/datasets/{NAME}" in caught.value.hint
    assert "licence" in caught.value.hint and hosts.requests == []


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [(401, "token is not accepted", "make a new token"), (403, "may not be read", "accept its conditions"),
     (404, "is not there", "correct its name")],
)  # fmt: skip
def test_a_no_is_explained(
    hosts: Hosts, store: Store, tmp_path: Path, token: None, status: int, said: str, hint: str
) -> None:
    hosts.kaggle(NAME, 3, ZIP)
    hosts.replies[f"/kaggle/api/v1/datasets/download/{NAME}?datasetVersionNumber=3"].status = status
    with pytest.raises(SourceError, match=said) as caught:
        lock_of(tmp_path, store)
    assert hint in caught.value.hint and KEY not in str(caught.value)
