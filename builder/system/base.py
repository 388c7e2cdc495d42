"""Container images that a system starts from, pinned in the lock: a registry's, or an OCI layout on this machine.

A registry is asked what a tag stands for only when the lock does not say it; a layout is looked at each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from builder.digest import Digest, key_of
from builder.errors import LockError, SourceError
from builder.manifest.lock import Lock, changes
from builder.manifest.manifest import Base
from builder.progress import Journal
from builder.sources.source import ONLINE, Network
from builder.store.layout import image_digest, read_layout
from builder.store.objects import Store
from builder.system.registry import look_up, pull
from builder.system.system import System, recall_system

BASE = "base"
"""What `lock --update` calls it."""
_LOCAL = "oci:"
_KIND = "base-image"
_HINT = "python3 build.py lock"


def is_local(reference: str) -> bool:
    """Whether a reference names an OCI layout on this machine."""
    return reference.startswith(_LOCAL)


def resolve_base(
    base: Base, folder: Path, old: Lock | None, journal: Journal, network: Network, *, locked: bool, update: bool
) -> dict[str, str]:
    """What the lock says of the base: `debian`, or `image` as the manifest has it with the digest of its manifest.

    What `old` says stays while the manifest says the same, unless `update`. With `locked`, a difference is a LockError.
    """
    if locked and old is None:
        raise LockError("there is no manifest.lock", hint=_HINT, where="manifest.lock")
    known = old.base if old else {}
    if base.debian is not None:
        now = {"debian": base.debian}
    elif is_local(str(base.image)):
        layout, tag = _place(str(base.image), folder)
        now = {"image": str(base.image), "digest": str(_digest_of_layout(layout, tag))}
    elif not update and is_pinned(known, str(base.image)):
        now = dict(known)
    elif locked:
        raise _stale(f"it has no digest for base.image {base.image}")
    else:
        now = _asked(str(base.image), known, journal, network)
    if locked and now != known:
        raise _stale("; ".join(changes(Lock(base=known), Lock(base=now))))
    return now


def is_pinned(pin: Mapping[str, str], reference: str) -> bool:
    """Whether the lock says what a reference stands for."""
    try:
        return pin.get("image") == reference and bool(Digest.parse(pin.get("digest", "")))
    except ValueError:
        return False


def base_image(
    pin: Mapping[str, str], folder: Path, store: Store, journal: Journal, logs: Path, *, network: Network = ONLINE
) -> System:
    """The layers of the image that the lock names, in the store, each verified."""
    reference, digest = pin["image"], Digest.parse(pin["digest"])
    with journal.stage("base") as stage:
        known = _recalled(reference, digest, store)
        if known is not None:
            stage.cached = True
            return known
        if is_local(reference):
            layout, tag = _place(reference, folder)
            if _digest_of_layout(layout, tag) != digest:
                raise LockError(f"the base {reference} has changed since it was locked", hint=_HINT)
            system = _from_layout(layout, tag, reference, digest, store)
        else:
            with store.scratch("base") as scratch:
                pull(reference, digest, scratch / "image", logs / "base.log", network)
                system = _from_layout(scratch / "image", None, reference, digest, store)
        stage.bytes_in = system.size
        store.remember(_KIND, _key(digest), system.to_json())
        return system


def base_size(pin: Mapping[str, str], store: Store) -> int | None:
    """The bytes of a locked image's layers when they are in the store, else None."""
    known = _recalled(pin["image"], Digest.parse(pin["digest"]), store)
    return known.size if known is not None else None


def _asked(reference: str, known: Mapping[str, str], journal: Journal, network: Network) -> dict[str, str]:
    with journal.stage(f"lock {BASE}") as stage:
        offered = look_up(reference, network)
        now = {"image": reference, "digest": str(offered.digest), "bytes": str(offered.bytes)}
        stage.cached = now == known
    return now


def _recalled(reference: str, digest: Digest, store: Store) -> System | None:
    """The image as it was brought before, under whatever name."""
    known = recall_system(_KIND, _key(digest), store)
    if known is None:
        return None
    layers = tuple(replace(layer, note=_note(reference)) for layer in known.layers)
    return replace(known, layers=layers)


def _key(digest: Digest) -> str:
    return key_of({"manifest": digest.hex})


def _note(reference: str) -> str:
    return f"base {reference}"


def _place(reference: str, folder: Path) -> tuple[Path, str | None]:
    place, _, tag = reference.removeprefix(_LOCAL).partition(":")
    return folder / place, tag or None


def _digest_of_layout(layout: Path, tag: str | None) -> Digest:
    if not (layout / "index.json").is_file():
        raise SourceError(f"{layout} is no OCI layout: it has no index.json", hint="correct base.image in the manifest")
    return image_digest(layout, tag)


def _from_layout(layout: Path, tag: str | None, reference: str, digest: Digest, store: Store) -> System:
    config, layers = read_layout(layout, tag, store, note=_note(reference))
    settings = config.get("config") or {}
    return System(layers, {"Env": settings["Env"]} if settings.get("Env") else {}, _key(digest))


def _stale(why: str) -> LockError:
    return LockError(f"manifest.lock is stale: {why}", hint=_HINT, where="manifest.lock")
