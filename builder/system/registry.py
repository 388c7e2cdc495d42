"""Container images in registries, read through skopeo, which knows this machine's registries, mirrors and logins.

Formats: OCI image specification 1.1, manifest.md and image-index.md; Docker's image manifest version 2, schema 2.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.digest import Digest, canonical_json
from builder.errors import IntegrityError, SourceError
from builder.files import remove_folder
from builder.run import Finished, run
from builder.sources.source import Network, UnreachableError, redacted
from builder.store.layout import MANIFEST, blob_path
from builder.store.objects import mismatch

PLATFORM = {"os": "linux", "architecture": "amd64"}
_LAYOUT = "name a layout here: oci:FOLDER"
_MESSAGE = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
_DAMAGED = re.compile(r"digest (did not|does not|didn't|doesn't) match|digest mismatch|does not match.*sha256:", re.I)
_REFUSED = (
    (r"manifest unknown|name unknown|not known to registry|not found|\b404\b",
     f"correct base.image in the manifest, or {_LAYOUT}"),
    (r"unauthorized|denied|authentication required|\b40[13]\b",
     f"correct base.image, log in with skopeo login, or {_LAYOUT}"),
    (r"HTTP response to HTTPS client", "only a registry on this machine itself may speak plain http"),
    (r"certificate|x509", "make this machine trust that registry's certificate"),
)  # fmt: skip
_UNREACHABLE = re.compile(
    r"connection refused|no such host|server misbehaving|timeout|deadline|reset by peer|unreachable|\bEOF\b"
    r"|no route|broken pipe|temporary failure|\b50[0234]\b", re.I
)  # fmt: skip


@dataclass(frozen=True)
class Offered:
    """What a reference stands for on linux/amd64: the digest of the image's manifest, the bytes of its layers."""

    digest: Digest
    bytes: int


def look_up(reference: str, network: Network) -> Offered:
    """Ask the registry. Raises SourceError for an image that is not there, not for linux/amd64, or cannot be had."""
    _, named = _parts(reference)
    manifest, digest = _manifest(reference, Digest.parse(named) if named else None, network)
    if "manifests" in manifest:
        digest = _for_platform(reference, manifest["manifests"])
        manifest, _ = _manifest(reference, digest, network)
    try:
        size = sum(int(layer["size"]) for layer in manifest["layers"])
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"the image {reference} has a manifest that cannot be read", hint=_LAYOUT) from error
    _require_platform(reference, _object(_asked(["--config", "--raw"], reference, digest, network), reference))
    return Offered(digest, size)


def pull(reference: str, digest: Digest, layout: Path, log: Path, network: Network) -> None:
    """Copy exactly the image of this manifest into a folder, as an OCI layout."""
    copied = layout / "copied"

    def attempt() -> None:
        remove_folder(copied)
        words = ["skopeo", "copy", *_plain(reference, "--src-tls-verify=false")]
        done = run([*words, f"docker://{pinned(reference, digest)}", f"dir:{copied}"], log_file=log, check=False)
        _require_done(done, reference, log)

    layout.mkdir(parents=True)
    log.unlink(missing_ok=True)
    network.ask(f"the image {reference}", attempt)
    _as_layout(copied, layout, digest, reference)


def pinned(reference: str, digest: Digest) -> str:
    """The reference with this digest in the place of its own tag or digest."""
    return f"{_untagged(reference)}@{digest}"


def is_on_loopback(reference: str) -> bool:
    """Whether a reference names a registry on this machine; only there is plain http allowed, as with Docker."""
    first, slash, _ = reference.partition("/")
    host = first.partition(":")[0]
    if not slash or (first == host and "." not in host and host != "localhost"):
        return False  # a name in the machine's default registry
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(reference: str) -> tuple[str, str]:
    """Name with tag, and digest or the empty text."""
    name, _, digest = reference.partition("@")
    return name, digest


def _untagged(reference: str) -> str:
    folder, slash, last = _parts(reference)[0].rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def _plain(reference: str, option: str) -> list[str]:
    return [option] if is_on_loopback(reference) else []


def _manifest(reference: str, digest: Digest | None, network: Network) -> tuple[dict[str, Any], Digest]:
    text = _asked(["--raw"], reference, digest, network)
    received = Digest.of(text.encode())
    if digest is not None and received != digest:
        raise mismatch(digest, received, f"the registry of {reference}")
    return _object(text, reference), received


def _object(text: str, reference: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise SourceError(f"the image {reference} has a manifest or config that is no JSON object", hint=_LAYOUT)
    return read


def _asked(options: list[str], reference: str, digest: Digest | None, network: Network) -> str:
    wanted = pinned(reference, digest) if digest else reference

    def attempt() -> str:
        words = ["skopeo", "inspect", *options, *_plain(reference, "--tls-verify=false"), f"docker://{wanted}"]
        done = run(words, check=False)
        _require_done(done, reference, None)
        return done.stdout

    return network.ask(f"the image {reference}", attempt)


def _for_platform(reference: str, entries: Any) -> Digest:
    """The digest of the manifest for linux/amd64, the plainest variant of it first."""
    platforms = [(entry.get("platform") or {}, entry) for entry in entries if isinstance(entry, dict)]
    found = [(platform.get("variant", ""), entry) for platform, entry in platforms if _suits(platform)]
    if not found:
        made_for = {f"{platform.get('os')}/{platform.get('architecture')}" for platform, _ in platforms}
        raise _wrong_platform(reference, ", ".join(sorted(made_for - {"unknown/unknown"})) or "no platform")
    try:
        return Digest.parse(min(found, key=lambda one: str(one[0]))[1]["digest"])
    except (KeyError, ValueError) as error:
        raise SourceError(f"the image {reference} has an index that cannot be read", hint=_LAYOUT) from error


def _require_platform(reference: str, config: Mapping[str, Any]) -> None:
    if not _suits(config):
        raise _wrong_platform(reference, f"{config.get('os')}/{config.get('architecture')}")


def _suits(platform: Mapping[str, Any]) -> bool:
    return all(platform.get(key) == value for key, value in PLATFORM.items())


def _wrong_platform(reference: str, made_for: str) -> SourceError:
    return SourceError(
        f"the image {reference} is for {made_for}; linux/amd64 is needed", hint="name another in base.image"
    )


def _require_done(done: Finished, reference: str, log: Path | None) -> None:
    if done.code == 0:
        return
    said = _MESSAGE.findall(done.stderr)
    tail = said[-1] if said else (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    tail = redacted(tail.replace('\\"', '"'))
    whole = f"; the whole log is in {log}" if log else ""
    message = f"the image {reference} cannot be had: {tail[:400]}"
    told = tail.replace(_parts(reference)[0], "").replace(_untagged(reference), "")  # an image may be called anything
    if _DAMAGED.search(told):
        raise IntegrityError(f"{message}; nothing was kept", hint=f"ask who runs that registry{whole}")
    for words, hint in _REFUSED:
        if re.search(words, told):
            raise SourceError(message, hint=f"{hint}{whole}")
    kind = UnreachableError if _UNREACHABLE.search(told) else SourceError
    raise kind(message, hint=f"see whether this machine reaches that registry, or {_LAYOUT}{whole}")


def _as_layout(copied: Path, layout: Path, digest: Digest, reference: str) -> None:
    """Turn what skopeo's `dir:` left, where manifests and blobs keep their bytes, into an OCI layout."""
    manifest = (copied / "manifest.json").read_bytes()
    if (received := Digest.of(manifest)) != digest:
        raise mismatch(digest, received, f"the registry of {reference}")
    blob_path(layout, digest).parent.mkdir(parents=True)
    for path in copied.iterdir():
        if re.fullmatch("[0-9a-f]{64}", path.name):
            path.rename(blob_path(layout, Digest(path.name)))
    blob_path(layout, digest).write_bytes(manifest)
    kind = json.loads(manifest).get("mediaType", MANIFEST)
    entry = {"mediaType": kind, "digest": str(digest), "size": len(manifest)}
    (layout / "index.json").write_bytes(canonical_json({"schemaVersion": 2, "manifests": [entry]}))
