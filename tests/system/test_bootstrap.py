"""A bootstrapped Debian is the same from run to run, and one that does not exist is an error that says so."""

from pathlib import Path

import pytest

from builder.digest import Digest
from builder.errors import SourceError
from builder.progress import Journal
from builder.store.objects import Store
from builder.system.apt import AptSource
from builder.system.bootstrap import debian_base
from builder.system.clients import Clients, machine_clients


@pytest.mark.slow
def test_two_bootstraps_give_the_same_bytes(debian: Digest, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert debian_base("bookworm", machine_clients, store, Journal(), tmp_path / "logs") == debian


@pytest.mark.slow
def test_a_suite_that_does_not_exist_is_named_with_the_log(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(SourceError, match="Debian nosuchsuite could not be bootstrapped") as caught:
        debian_base("nosuchsuite", machine_clients, store, Journal(), tmp_path / "logs")
    assert str(tmp_path / "logs/base.log") in caught.value.hint
    assert not any((store.root / "objects").iterdir())


@pytest.mark.slow
def test_a_mirror_that_cannot_be_reached_is_an_error_and_keeps_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    nobody = Clients(apt=(AptSource("http://127.0.0.1:9/debian", "", ("main",), ()),))
    with pytest.raises(SourceError, match="could not be bootstrapped"):
        debian_base("bookworm", lambda: nobody, store, Journal(), tmp_path / "logs")
    assert not any((store.root / "objects").iterdir())
    assert not any((store.root / "scratch").iterdir())
