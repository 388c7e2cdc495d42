"""The buildah engine: no daemon, root or not; its storage is a folder of the store, never the user's own containers."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.run import run
from builder.system.engine import BASE, Blueprint, build_with

_STEP = re.compile(r"^STEP \d+/\d+: .*$", re.MULTILINE)


class Buildah:
    """Builds in `storage`, which is empty again when no build uses it."""

    name = "buildah"

    def __init__(self, storage: Path) -> None:
        self.storage = storage.absolute()

    def build(self, blueprint: Blueprint, result: Path, log: Path) -> None:
        # Relative, since buildah makes an image's name of it, and a name takes neither `/.cache` nor capitals.
        folder = blueprint.base.parent if blueprint.base else None
        base = ["--build-arg", f"BASE=oci:{blueprint.base.name}:{BASE}"] if blueprint.base else []
        with self._held():
            words = [
                *([] if blueprint.has_network else self._isolated()),
                *self._words("bud"),
                *([] if blueprint.has_network else ["--http-proxy=false"]),
                *("--isolation", "chroot", "--layers=false", "--format", "oci", "--force-rm"),
                *base,
                *blueprint.secret_options(),
                *("--tag", f"oci:{result}:system"),  # straight into a layout: the storage would be one more copy
                *("--file", str(blueprint.write_dockerfile())),
                str(blueprint.context),
            ]
            build_with(self.name, words, log, _STEP, self._environment(), folder)

    def _isolated(self) -> list[str]:
        """Words before buildah's own that leave it no network: a chroot has that of whoever starts it."""
        own = [] if os.geteuid() == 0 else self._words("unshare")
        return [*own, "unshare", "--net", "--ipc"]

    def _words(self, verb: str) -> list[str]:
        return ["buildah", "--root", f"{self.storage}/root", "--runroot", f"{self.storage}/run", verb]

    def _environment(self) -> dict[str, str]:
        # An ordinary user without a session has no XDG_RUNTIME_DIR; one that belongs to somebody else is refused.
        folder = self.storage / "session"
        folder.mkdir(parents=True, exist_ok=True)
        return {"XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder)}

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Use the storage beside other builds; whoever finds it unused sweeps it, also what a killed build left."""
        self.storage.mkdir(parents=True, exist_ok=True)
        with (self.storage / "lock").open("a") as file:
            self._sweep_if_unused(file.fileno())
            fcntl.flock(file, fcntl.LOCK_SH)
            try:
                yield
            finally:
                self._sweep_if_unused(file.fileno())

    def _sweep_if_unused(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        folders = [self.storage / name for name in ("root", "run", "session")]
        if any(folder.exists() for folder in folders):
            env = self._environment()
            run([*self._words("rm"), "--all"], env=env, check=False)  # unmounts what a killed build left mounted
            remove = ["rm", "-rf", *map(str, folders)]
            run(remove if os.geteuid() == 0 else [*self._words("unshare"), *remove], env=env, check=False)
            run(remove, check=False)
