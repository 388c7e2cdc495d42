"""Container images that a system starts from: out of a registry, or from an OCI layout on this machine's disk."""

from __future__ import annotations

from pathlib import Path

from builder.digest import Digest, key_of
from builder.errors import SourceError
from builder.progress import Journal
from builder.run import run
from builder.store.layout import read_layout
from builder.store.objects import Store
from builder.system.system import System, recall_system

_LOCAL = "oci:"


def base_image(
    reference: str, folder: Path, store: Store, journal: Journal, logs: Path, *, fresh: bool = False
) -> System:
    """The image's layers in the store, each verified. `fresh` asks the registry again what a tag stands for."""
    with journal.stage("base") as stage:
        if reference.startswith(_LOCAL):
            place, _, tag = reference.removeprefix(_LOCAL).partition(":")
            return _from_layout(folder / place, tag or None, reference, store)
        key = key_of({"image": reference})
        known = None if fresh else recall_system("base-image", key, store)
        if known is not None:
            stage.cached = True
            return known
        with store.scratch("base") as scratch:
            _copy(reference, scratch / "image", logs / "base.log")
            system = _from_layout(scratch / "image", "base", reference, store)
        stage.bytes_in = system.size
        store.remember("base-image", key, system.to_json())
        return system


def _from_layout(layout: Path, tag: str | None, reference: str, store: Store) -> System:
    if not (layout / "index.json").is_file():
        raise SourceError(f"{layout} is no OCI layout: it has no index.json", hint="correct base.image in the manifest")
    config, layers = read_layout(layout, tag, store, note=f"base {reference}")
    settings = config.get("config") or {}
    identity = Digest.parse(key_of([layer.to_json() for layer in layers]))
    return System(layers, {"Env": settings["Env"]} if settings.get("Env") else {}, identity.hex)


def _copy(reference: str, layout: Path, log: Path) -> None:
    log.unlink(missing_ok=True)
    words = ["skopeo", "copy", "--retry-times", "3", "--override-os", "linux", "--override-arch", "amd64"]
    done = run([*words, f"docker://{reference}", f"oci:{layout}:base"], log_file=log, check=False)
    if done.code == 0:
        return
    tail = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    raise SourceError(
        f"the image {reference} cannot be had: {tail[:400]}",
        hint=f"look at base.image in the manifest, or name a layout here: oci:FOLDER; the whole log is in {log}",
    )
