"""A real Docker engine for the tests: the one that runs, else one of our own, ended when the tests end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# What containers and kernels allow differs: from the engine as it comes to one with neither bridge nor overlay.
WAYS = ((), ("--iptables=false",), ("--iptables=false", "--bridge=none", "--storage-driver=vfs"))
PATIENCE = 60


def client() -> str | None:
    """The Debian client speaks BuildKit where a newer one without its plugin refuses."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker")


def answers(host: str | None) -> bool:
    """Whether an engine answers at this address (None: where the client's own settings say)."""
    docker = client()
    if docker is None:
        return False
    words = [docker, *(["--host", host] if host else []), "info"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def own_engine(folder: Path) -> Iterator[str]:
    """Start `dockerd` with all that it keeps in `folder`; give its address."""
    if os.geteuid() != 0:
        pytest.skip("no Docker engine runs, and starting one needs root")
    for number, way in enumerate(WAYS):
        place = folder / str(number)
        place.mkdir()
        host = f"unix://{place}/docker.sock"
        with (place / "log").open("wb") as log:
            options = [f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"]
            engine = subprocess.Popen(["dockerd", "--host", host, *options, *way], stdout=log, stderr=log)
        try:
            if _is_up(engine, host):
                yield host
                return
        finally:
            engine.terminate()
            engine.wait(PATIENCE)
            for mounted in place.glob("exec/netns/*"):  # of the host's network: the engine leaves it there
                subprocess.run(["umount", mounted], capture_output=True, check=False)
    pytest.fail(f"dockerd does not start here: {(place / 'log').read_text()[-2000:]}")


def _is_up(engine: subprocess.Popen[bytes], host: str) -> bool:
    end = time.monotonic() + PATIENCE
    while engine.poll() is None and time.monotonic() < end:
        if answers(host):
            return True
        time.sleep(0.2)
    return False


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """An engine that answers; `DOCKER_HOST` points at it, so that everything started by the tests uses it."""
    if answers(None):
        yield os.environ.get("DOCKER_HOST")
        return
    with own_engine(tmp_path_factory.mktemp("engine")) as host, pytest.MonkeyPatch.context() as settings:
        settings.setenv("DOCKER_HOST", host)
        yield host
