"""The image config: what runs, as whom, and what the image says of itself (OCI image specification 1.1, config.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from builder import places
from builder.digest import canonical_json
from builder.errors import OutputError
from builder.store.layers import Layer

MOST_LAYERS = 127
"""What overlayfs and the engines above it take."""
SECOND = 1_000_000_000
EPOCH = datetime.fromtimestamp(places.EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
FROM_BASE = ("Env", "Entrypoint", "Cmd", "User", "WorkingDir", "Labels", "StopSignal")


@dataclass(frozen=True)
class Healthcheck:
    """Docker's field: how to see that the service answers; times in seconds."""

    test: Sequence[str]
    interval: int = 30
    timeout: int = 5
    start_period: int = 60
    retries: int = 3

    def to_json(self) -> dict[str, Any]:
        return {
            "Test": ["CMD", *self.test],
            "Interval": self.interval * SECOND,
            "Timeout": self.timeout * SECOND,
            "StartPeriod": self.start_period * SECOND,
            "Retries": self.retries,
        }


@dataclass(frozen=True)
class Runtime:
    """How a container of the image runs; what is left empty is as in the base. `ports` are TCP."""

    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    user: str = ""
    folder: str = ""
    ports: Sequence[int] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None


def image_config(
    layers: Sequence[Layer],
    runtime: Runtime,
    *,
    base: Mapping[str, Any] | None = None,
    architecture: str = "amd64",
) -> bytes:
    """The config as canonical JSON; `base` is that of the image whose layers come first, and its `config` is built on.

    Raises OutputError for more layers than engines take.
    """
    if len(layers) > MOST_LAYERS:
        raise OutputError(
            f"the image would have {len(layers)} layers; engines take {MOST_LAYERS}",
            hint="choose fewer repos and datasets with --profile NAME, or join small datasets into one",
        )
    return canonical_json(
        {
            "architecture": architecture,
            "os": "linux",
            "created": EPOCH,
            "config": _container((base or {}).get("config") or {}, runtime),
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
            "history": [{"created": EPOCH, "created_by": layer.note} for layer in layers],
        }
    )


def _container(base: Mapping[str, Any], runtime: Runtime) -> dict[str, Any]:
    kept = {name: base[name] for name in FROM_BASE if base.get(name)}
    env = dict(word.partition("=")[::2] for word in kept.get("Env", ())) | dict(runtime.env)
    if runtime.entrypoint:
        kept.pop("Cmd", None)  # it was an argument of the base's own entry point
    own: dict[str, Any] = {
        "Entrypoint": list(runtime.entrypoint),
        "Cmd": list(runtime.command),
        "User": runtime.user,
        "WorkingDir": runtime.folder,
        "ExposedPorts": {f"{port}/tcp": {} for port in sorted(runtime.ports)},
        "Healthcheck": runtime.healthcheck.to_json() if runtime.healthcheck else None,
        "Env": [f"{name}={value}" for name, value in sorted(env.items())],
        "Labels": {**kept.get("Labels", {}), **runtime.labels},
    }
    return {**kept, **{name: value for name, value in own.items() if value}}
