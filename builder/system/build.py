"""Make systems: the workshop's own, and on top of it what an appliance needs to boot."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from builder.digest import Digest, key_of
from builder.files import share
from builder.manifest.packages import Packages
from builder.progress import Journal
from builder.sources.source import ONLINE, Network
from builder.store.objects import Store
from builder.system.base import base_image
from builder.system.bootstrap import debian_base
from builder.system.clients import Clients, machine_clients
from builder.system.dockerfile import appliance_dockerfile, system_dockerfile
from builder.system.engine import Blueprint, Engine
from builder.system.layout import read_exported, take_layers, write_base
from builder.system.system import System, recall_system

FORMAT = 1
_KEPT = ("Env",)
"""What of an engine's image settings is the system's; the rest is the engine's habit or the image part's choice."""


@dataclass(frozen=True)
class Workbench:
    """What every system is made with. `fresh` makes all stages again; `logs` gets one file per stage."""

    engine: Engine
    store: Store
    journal: Journal
    logs: Path
    fresh: bool = False
    ask_clients: Callable[[], Clients] = machine_clients
    network: Network = ONLINE

    @cached_property
    def clients(self) -> Clients:
        """Asked once, and only when something is built: asking pip and npm takes a second."""
        return self.ask_clients()


def build_debian_system(suite: str, packages: Packages, bench: Workbench, *, jupyter: bool) -> System:
    """A system on a bootstrapped Debian."""
    dockerfile = system_dockerfile(packages, jupyter=jupyter, bootstrapped=True)
    base = debian_base(suite, lambda: bench.clients, bench.store, bench.journal, bench.logs, fresh=bench.fresh)
    key = key_of({"dockerfile": dockerfile, "base": base.hex, "format": FORMAT})
    return _made("system", key, dockerfile, base, bench, f"system debian {suite}")


def build_image_system(
    pin: Mapping[str, str], folder: Path, packages: Packages, bench: Workbench, *, jupyter: bool
) -> System:
    """A system on the container image that the lock names; `oci:FOLDER[:TAG]` is relative to `folder`."""
    dockerfile = system_dockerfile(packages, jupyter=jupyter, bootstrapped=False)
    base = base_image(pin, folder, bench.store, bench.journal, bench.logs, network=bench.network)
    key = key_of({"dockerfile": dockerfile, "base": _identity(base), "format": FORMAT})
    return _made("system", key, dockerfile, base, bench, f"system on {pin['image']}")


def build_appliance_system(system: System, bench: Workbench, *, ssh: bool = False) -> System:
    """The system with a kernel and systemd on top."""
    dockerfile = appliance_dockerfile(ssh=ssh)
    key = key_of({"dockerfile": dockerfile, "base": _identity(system), "format": FORMAT})
    return _made("appliance-system", key, dockerfile, system, bench, "kernel and systemd")


def _identity(system: System) -> dict[str, Any]:
    return {"layers": [str(layer.diff_id) for layer in system.layers], "config": dict(system.config)}


def _made(kind: str, key: str, dockerfile: str, base: Digest | System, bench: Workbench, note: str) -> System:
    store = bench.store
    with bench.journal.stage(kind) as stage:
        known = None if bench.fresh else recall_system(kind, key, store)
        if known is not None:
            stage.cached = True
            return known
        with store.scratch(kind) as scratch:
            made = _build(scratch, dockerfile, base, bench, bench.logs / f"{kind}.log", note)
        system = System(made.layers, made.config, key)
        stage.bytes_out = system.size
        store.remember(kind, key, system.to_json())
        return system


def _build(scratch: Path, dockerfile: str, base: Digest | System, bench: Workbench, log: Path, note: str) -> System:
    context = scratch / "context"
    context.mkdir()
    layout: Path | None = None
    below: System | None = None
    if isinstance(base, Digest):
        share(bench.store.path(base), context / "base.tar")
    else:
        layout, below = scratch / "base", base
        write_base(base, layout, bench.store)
    secrets = bench.clients.write(scratch / "secrets")
    start = int(time.time())
    bench.engine.build(Blueprint(dockerfile, context, layout, secrets), scratch / "result", log)
    exported = read_exported(scratch / "result")
    layers = take_layers(exported, below.layers if below else (), bench.store, note, start)
    config: Mapping[str, Any] = exported.config.get("config") or {}
    return System(layers, {name: config[name] for name in _KEPT if config.get(name)}, "")
