"""Both engines, and a small Debian to build on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry import Registry, running

from builder.digest import Digest
from builder.progress import Journal
from builder.store.objects import Store
from builder.system.bootstrap import debian_base
from builder.system.buildah import Buildah
from builder.system.clients import Clients, machine_clients
from builder.system.docker import Docker, docker_client
from builder.system.engine import Engine


@pytest.fixture(params=["buildah", "docker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each engine in turn; Docker's by the client the builder would choose."""
    if request.param == "buildah":
        yield Buildah(tmp_path / "storage")
        return
    request.getfixturevalue("docker_engine")
    client = docker_client()
    assert client is not None, "no docker client speaks BuildKit here"
    yield Docker(client)


@pytest.fixture(scope="session")
def debian_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that holds a bootstrapped Debian."""
    store = Store(tmp_path_factory.mktemp("debian") / "store")
    debian_base("bookworm", machine_clients, store, Journal(), store.root.parent / "logs")
    return store


@pytest.fixture(scope="session")
def debian(debian_store: Store) -> Digest:
    """The plain tar of that Debian."""
    return debian_base("bookworm", Clients, debian_store, Journal(), debian_store.root.parent / "logs")


@pytest.fixture
def store(debian_store: Store, tmp_path: Path) -> Store:
    """A store of the test's own in which that Debian is there already."""
    shutil.copytree(debian_store.root, tmp_path / "store", copy_function=os.link)
    return Store(tmp_path / "store")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry of the test's own, with nothing in it."""
    with running(tmp_path / "registry") as made:
        yield made


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[str]:
    """A user without any right but a range of ids of their own."""
    if os.geteuid() != 0:
        pytest.skip("making a user needs root")
    name = f"wsb{os.getpid()}"
    subprocess.run(["useradd", "--create-home", name], check=True)
    yield name
    subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)
