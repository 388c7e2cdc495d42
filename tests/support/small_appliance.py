"""A workshop small enough to make an appliance of in a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from layers import layer, member

from builder.appliance.appliance import Appliance, build_appliance
from builder.appliance.ovf import ApplianceSpec, Port
from builder.content.layout import Content, link_data
from builder.progress import Journal
from builder.store.layers import Layer
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

START = b"#!/bin/sh\ncd /srv/workshop\nexec python3 -m http.server 8080\n"
SETTINGS = {"usr/local/bin/workshop-start": (START, 0o755)}
PORTS = {"jupyter": Port(18080, 8080), "demo": Port(18081, 8081)}


def spec(room: int = 0) -> ApplianceSpec:
    return ApplianceSpec("letters", "Letters & digits", "2026.11", "For tests", "", 2, 2 << 30, room, PORTS)


def unbootable(store: Store) -> Layer:
    """What an appliance's system has to have, without a system."""
    files = {
        "boot/vmlinuz-6.1.0-9": b"old",
        "boot/vmlinuz-6.1.0-31-amd64": b"kernel" * 999,
        "boot/initrd.img-6.1.0-31-amd64": b"initrd" * 9999,
        "etc/passwd": b"root:*:0:0::/root:/bin/sh\n",
    }
    return layer(store, [member(path, data) for path, data in files.items()])


def content(store: Store, notebook: bytes = b"{}") -> Content:
    cells, words = store.put_bytes(notebook), store.put_bytes(b"word\n" * 5000)
    repo = Tree.of([Entry("first.ipynb", cells.digest, cells.size), Entry("run.sh", cells.digest, cells.size, True)])
    data = Tree.of([Entry("all/words.txt", words.digest, words.size), Entry("again.txt", words.digest, words.size)])
    repos = {"spelling": link_data("spelling", repo, {"data": "words"})}
    caches = {"keras": Tree.of([Entry("models/words.h5", target="../../../data/words/again.txt")])}
    return Content(repos, {"words": data}, b"<h1>Letters</h1>", caches)


@dataclass(frozen=True)
class Bench:
    """A store and an output folder, and what the last build did."""

    store: Store
    out: Path

    def build(self, notebook: bytes = b"{}", system: Layer | None = None, room: int = 0) -> tuple[Appliance, list[str]]:
        """Build; the appliance, and the names of the stages that were not reused."""
        journal = Journal()
        layers = (system or unbootable(self.store),)
        made = build_appliance(
            layers, SETTINGS, content(self.store, notebook), spec(room), self.store, journal, self.out
        )
        return made, [stage.name for stage in journal.stages if not stage.cached]
