"""Files of a Google Drive on loopback."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from data_hosts import PAGE, Hosts, Reply
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.store.objects import Store

ID = "1aBcDeFgHiJkLm-n_p"
BODY = b"<html>a file that looks like a page</html>"


def lock_of(tmp_path: Path, store: Store, body: bytes = BODY, **spec: Any) -> Any:
    return locked(choice_of(tmp_path / "w", [{"gdrive": ID, "sha256": Digest.of(body).hex, **spec}]), store)


@pytest.mark.parametrize("asks", [True, False])
def test_a_file_comes_whether_or_not_drive_asks_first(hosts: Hosts, store: Store, tmp_path: Path, asks: bool) -> None:
    hosts.drive(ID, BODY, asks=asks)
    lock = lock_of(tmp_path, store, to="page.html")
    assert contents(lock, store) == {"page.html": BODY}
    assert resolved(lock) == {"0.sha256": Digest.of(BODY).hex, "0.size": str(len(BODY))}


def test_an_archive_is_unpacked(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("in/a.csv", "1")
    hosts.drive(ID, held.getvalue(), asks=True)
    lock = lock_of(tmp_path, store, held.getvalue(), unpack=True, strip=1)
    assert contents(lock, store) == {"a.csv": b"1"}


def test_another_file_is_refused(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.drive(ID, b"other", asks=True)
    with pytest.raises(IntegrityError):
        lock_of(tmp_path, store)
    assert not store.has(Digest.of(b"other"))


@pytest.mark.parametrize(
    "reply",
    [Reply(b"<html>Quota exceeded</html>", headers={"Content-Type": PAGE}), Reply(status=404), Reply(status=403)],
)
def test_what_is_not_shared_or_not_given_out_is_explained(
    hosts: Hosts, store: Store, tmp_path: Path, reply: Reply
) -> None:
    hosts.replies[f"/drive/uc?export=download&id={ID}"] = reply
    with pytest.raises(SourceError, match=f"the Google Drive file {ID}") as caught:
        lock_of(tmp_path, store)
    assert "share it with everyone who has the link" in caught.value.hint
