"""The lock, `manifest.lock`: everything the manifest names, resolved to commits, versions, digests and sizes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from builder.digest import Digest
from builder.errors import LockError
from builder.files import write_whole
from builder.manifest.fields import Sha256

Count = Annotated[StrictInt, Field(ge=0)]


class Pin(BaseModel):
    """One repo or dataset, resolved.

    `inputs` is the key of what the manifest or card says, `resolved` what that came to (commit, version, file digests),
    `tree` the digest of the files, of which there are `files` with `bytes` in all. `recipe` is the key of a dataset's
    recipe: when only that changes, what was resolved stays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    inputs: str
    recipe: str | None = None
    resolved: Mapping[str, str]
    tree: Sha256
    files: Count
    bytes: Count

    def is_for(self, inputs: str, recipe: str | None = None) -> bool:
        """Whether the manifest or card still says what this was made from."""
        return (self.inputs, self.recipe) == (inputs, recipe)


class Lock(BaseModel):
    """The pins of a workshop, and what its base came to. No host path or credential is in it.

    `base` is empty before it is locked, else `debian`, or `image` as the manifest has it and the `digest` of the
    manifest it stands for on linux/amd64, with the `bytes` of its layers where a registry said them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    lock: Literal[1] = 1
    base: Mapping[str, str] = {}
    repos: Mapping[str, Pin] = {}
    datasets: Mapping[str, Pin] = {}

    def text(self) -> str:
        """The lock file's text: the same for equal locks."""
        return (
            json.dumps(self.model_dump(mode="json", exclude_none=True), indent=2, sort_keys=True, ensure_ascii=False)
            + "\n"
        )


def read_lock(path: Path) -> Lock | None:
    """Read a lock; None when there is none. Raises LockError for one that cannot be read."""
    try:
        return Lock.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
        if first["loc"] == ("lock",):
            cause = f"its format is {first['input']!r}, this release reads 1"
    except (ValueError, RecursionError) as error:
        cause = f"not JSON ({error})"
    except OSError as error:
        cause = error.strerror or "cannot be read"
    raise LockError(
        f"{path.name} is no lock: {cause}", hint="remove it, then run: python3 build.py lock", where=path.name
    )


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock whole or not at all."""
    write_whole(path, lock.text().encode())


def changes(old: Lock | None, new: Lock) -> list[str]:
    """What differs from `old` to `new`, a line each: `repos.digits: commit abc → def`."""
    before = old or Lock()
    return [
        *_differences("base", before.base, new.base),
        *_pin_changes("repos", before.repos, new.repos),
        *_pin_changes("datasets", before.datasets, new.datasets),
    ]


def _pin_changes(group: str, old: Mapping[str, Pin], new: Mapping[str, Pin]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"{group}.{name}: new"
        elif name not in new:
            yield f"{group}.{name}: gone"
        elif old[name] != new[name]:
            yield from _pin_change(f"{group}.{name}", old[name], new[name])


def _pin_change(what: str, old: Pin, new: Pin) -> Iterator[str]:
    resolved = [*_differences(what, {"kind": old.kind, **old.resolved}, {"kind": new.kind, **new.resolved})]
    yield from resolved
    if resolved:
        return
    if old.tree != new.tree:
        yield f"{what}: files {old.tree.short} → {new.tree.short}"
    else:
        yield f"{what}: asked for in another way, the same files"


def _differences(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{what}: {key} {_brief(old.get(key))} → {_brief(new.get(key))}"


def _brief(value: str | None) -> str:
    if value is None:
        return "none"
    try:
        return Digest.parse(value).short
    except ValueError:
        return value[:12] if len(value) == 40 else value
