"""Which engine builds: the one asked for, else buildah when it is installed, else a running Docker."""

from __future__ import annotations

from pathlib import Path

from builder.errors import EngineError
from builder.run import find
from builder.store.objects import Store
from builder.system.buildah import Buildah
from builder.system.docker import Docker, docker_client
from builder.system.engine import Engine

ENGINES = ("auto", "docker", "buildah")
_HINT = "python3 build.py doctor says what to install"


def choose_engine(name: str, store: Store) -> Engine:
    """The engine of that name, or the best one for `auto`; raise EngineError when it cannot build here."""
    if name not in ENGINES:
        raise EngineError(f"there is no engine {name!r}", hint=f"choose one of {', '.join(ENGINES)}")
    if name in ("auto", "buildah") and find("buildah"):
        return Buildah(_storage(store))
    if name == "buildah":
        raise EngineError("buildah is not installed", hint=_HINT)
    client = docker_client()
    if client is not None:
        return Docker(client)
    if name == "docker":
        raise EngineError(
            "no docker client here speaks BuildKit to a running engine",
            hint=f"start the engine, or add buildx; {_HINT}",
        )
    raise EngineError("there is no engine: neither buildah nor a running Docker", hint=_HINT)


def _storage(store: Store) -> Path:
    return store.root / "buildah"
