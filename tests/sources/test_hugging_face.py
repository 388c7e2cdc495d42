"""Repositories of a hub on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_hosts import COMMIT, TOKEN, Hosts, Reply
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.sources.source import Network
from builder.store.objects import Store

NAME = "ada/words"
FILES = {"README.md": b"# Words", "data/a b.csv": b"one,two\n", ".gitattributes": b"*.bin lfs"}
LARGE = {"data/big.bin": b"big " * 1000}
SPEC = {"huggingface": NAME}


def lock_of(tmp_path: Path, store: Store, **spec: Any) -> Any:
    return locked(choice_of(tmp_path / "w", [{**SPEC, **spec}]), store)


def test_all_files_come_at_the_commit_of_the_main_branch(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.hub(NAME, FILES, large=LARGE)
    lock = lock_of(tmp_path, store)
    assert contents(lock, store) == {**FILES, **LARGE}
    assert resolved(lock) == {"0.commit": COMMIT}
    assert len(hosts.asked("/tree/")) == 3, "the listing has pages"


@pytest.mark.parametrize("kind", ["model", "space"])
def test_models_and_spaces_have_addresses_of_their_own(hosts: Hosts, store: Store, tmp_path: Path, kind: str) -> None:
    hosts.hub(NAME, FILES, large=LARGE, kind=kind)
    assert contents(lock_of(tmp_path, store, type=kind, members=["data"]), store).keys() == {
        "data/a b.csv",
        "data/big.bin",
    }


def test_a_name_without_an_owner_and_a_tag(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.hub("words", FILES, large={})
    hosts.replies["/hub/api/datasets/words/revision/refs%2Fpr%2F1"] = hosts.replies[
        "/hub/api/datasets/words/revision/main"
    ]
    lock = lock_of(tmp_path, store, huggingface="words", ref="refs/pr/1", members=["README.md"], to="words.md")
    assert contents(lock, store) == {"words.md": b"# Words"}


def test_only_the_wanted_files_are_fetched(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.hub(NAME, FILES, large=LARGE)
    lock_of(tmp_path, store, members=["**/*.csv"])
    assert hosts.asked("/resolve/") == [f"/hub/datasets/{NAME}/resolve/{COMMIT}/data/a%20b.csv"]


def test_a_token_opens_what_is_private_and_goes_to_the_hub_only(
    hosts: Hosts, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.hub(NAME, FILES, large=LARGE, token=TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    lock = lock_of(tmp_path, store)
    assert contents(lock, store) == {**FILES, **LARGE}
    assert TOKEN not in lock.text()
    assert set(hosts.secrets) == {f"127.0.0.1 Bearer {TOKEN}", "localhost"}


def test_the_token_is_found_where_the_hub_s_own_client_keeps_it(
    hosts: Hosts, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.hub(NAME, FILES, large={}, token=TOKEN)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "huggingface").mkdir(parents=True)
    (tmp_path / "cache" / "huggingface" / "token").write_text(f"{TOKEN}\n")
    assert contents(lock_of(tmp_path, store), store) == FILES


def test_without_a_token_it_is_said_how_to_get_in(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.hub(NAME, FILES, large=LARGE, token=TOKEN)
    with pytest.raises(SourceError, match=f"the dataset {NAME} may not be read, or is not there") as caught:
        lock_of(tmp_path, store)
    assert "HF_TOKEN" in caught.value.hint


def test_files_with_conditions_of_a_repository_that_everyone_may_list(
    hosts: Hosts, store: Store, tmp_path: Path
) -> None:
    hosts.hub(NAME, FILES, large=LARGE)
    hosts.replies[f"/hub/datasets/{NAME}/resolve/{COMMIT}/README.md"] = Reply(status=403)
    with pytest.raises(SourceError, match=r"README\.md: .* may not be read") as caught:
        lock_of(tmp_path, store)
    assert "accept them on its page" in caught.value.hint
    assert store.has(Digest.of(LARGE["data/big.bin"])), "what succeeded stays"


def test_what_is_not_there_is_named(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.hub(NAME, FILES, large={})
    with pytest.raises(SourceError, match=f"the dataset {NAME} at v9 is not there"):
        lock_of(tmp_path, store, ref="v9")
    with pytest.raises(SourceError, match="the model ada/words is not there"):
        lock_of(tmp_path, store, type="model")
    with pytest.raises(SourceError, match=r"no member of ada/words on the hub is \*\.tsv"):
        lock_of(tmp_path, store, members=["*.tsv"])


@pytest.mark.parametrize("path", ["README.md", "data/big.bin"])
def test_other_bytes_than_the_listed_ones_are_not_kept(hosts: Hosts, store: Store, tmp_path: Path, path: str) -> None:
    hosts.hub(NAME, FILES, large=LARGE)
    place = next(key for key in hosts.replies if key.endswith(path) and hosts.replies[key].status == 200)
    hosts.replies[place].body = hosts.replies[place].body.swapcase()
    with pytest.raises(IntegrityError, match="not the expected ones"):
        lock_of(tmp_path, store)
    assert not store.has(Digest.of(hosts.replies[place].body))


def test_a_lock_is_fetched_at_its_commit_also_when_the_branch_moved(hosts: Hosts, store: Store, tmp_path: Path) -> None:
    hosts.hub(NAME, FILES, large=LARGE)
    choice = choice_of(tmp_path / "w", [SPEC])
    lock = locked(choice, store)
    hosts.json(f"/hub/api/datasets/{NAME}/revision/main", {"sha": "f" * 40})
    other = Store(tmp_path / "other")
    fetch(lock, choice, other, Journal())
    assert contents(lock, other) == {**FILES, **LARGE}


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"sha": "not hex"}', b"<html>"])
def test_an_answer_that_is_not_as_documented(hosts: Hosts, store: Store, tmp_path: Path, answer: bytes) -> None:
    hosts.hub(NAME, FILES, large={})
    hosts.replies[f"/hub/api/datasets/{NAME}/revision/main"] = Reply(answer)
    with pytest.raises(SourceError, match="cannot be understood"):
        lock_of(tmp_path, store)


@pytest.mark.parametrize(
    "spec", [SPEC, {"doi": "10.5281/zenodo.1"}, {"kaggle": NAME}, {"gdrive": "1aBcDeFgHiJk", "sha256": "a" * 64}]
)
def test_offline_no_host_is_asked(
    hosts: Hosts, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: dict[str, str]
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    with pytest.raises(SourceError, match="--offline forbids"):
        locked(choice_of(tmp_path / "w", [spec]), store, network=Network(is_offline=True))
    assert hosts.requests == []
