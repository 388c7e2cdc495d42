"""Files out of a PyPI, npm or Debian package, found by the machine's own clients and settings.

No registry is named here: pip, npm and apt know theirs. The package file stays in the store, so it is fetched once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from builder.digest import Digest
from builder.errors import ProgramError, SourceError
from builder.files import chunks_of
from builder.run import run
from builder.sources.archive import unpack
from builder.sources.packed import resolved_as
from builder.sources.selection import ALL, Selection
from builder.sources.source import ONLINE, Network, redacted
from builder.store.objects import Blob, Store, mismatch
from builder.store.trees import Tree


@dataclass(frozen=True)
class Registry:
    """One ecosystem: how its client puts a package into a folder, and which version a package file's name tells.

    `download(name, version, wanted file name or "", folder)`.
    """

    word: str
    download: Callable[[str, str | None, str, Path], None]
    version_of: Callable[[str, str], str]


@dataclass(frozen=True)
class PackageSource:
    """A package by name, and its version; without one the newest is resolved."""

    registry: Registry
    name: str
    store: Store
    version: str | None = None
    sha256: Digest | None = None
    selection: Selection = ALL
    network: Network = ONLINE
    is_local: bool = False

    @property
    def _label(self) -> str:
        return f"the {self.registry.word} package {self.name}" + (f" {self.version}" if self.version else "")

    def resolve(self) -> dict[str, str]:
        file, blob = self._fetched("", self.sha256)
        return {"version": self.registry.version_of(self.name, file), "file": file, **resolved_as(blob)}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        digest, file = Digest.parse(resolved["sha256"]), resolved["file"]
        exact = replace(self, version=resolved["version"], store=store)
        if not store.has(digest):
            exact._fetched(file, digest)
        root = 0 if file.endswith((".whl", ".deb")) else 1  # npm packages and sdists stand in a folder of their own
        return unpack(digest, exact._label, store, replace(self.selection, root=root))

    def _fetched(self, file: str, expected: Digest | None) -> tuple[str, Blob]:
        with self.store.scratch("package") as folder:
            try:
                self.network.ask(self._label, lambda: self.registry.download(self.name, self.version, file, folder))
            except ProgramError as error:
                if "No space left" in error.message:
                    raise  # the scratch folder says it in our words
                raise self._failure(error) from error
            found = sorted(path for path in folder.iterdir() if path.is_file())
            if len(found) != 1:
                raise SourceError(
                    f"{self._label} came as {len(found)} files instead of one", hint="name an exact version"
                )
            received = Digest.of_chunks(chunks_of(found[0]))
            if expected is not None and received != expected:
                raise mismatch(expected, received, self._label)
            return found[0].name, self.store.adopt(found[0], received)

    def _failure(self, error: ProgramError) -> SourceError:
        lines = [line.strip() for line in redacted(error.message).splitlines()]
        told = [line for line in lines if line.startswith(("ERROR:", "E:", "npm error", "npm ERR!"))] or lines[-1:]
        reason = max(told, key=lambda line: (":/" not in line, len(line)))  # the one that is a sentence
        hint = "look at its name, its version and the network"
        if self.registry is DEBIAN:
            hint = (
                "refresh the list of packages: apt-get update; or take the newest: python3 build.py lock --update NAME"
            )
        return SourceError(f"{self._label} cannot be had: {reason}", hint=hint)


def _pip(name: str, version: str | None, file: str, folder: Path) -> None:
    what = f"{name}=={version}" if version else name
    words = (
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-input",
        "--disable-pip-version-check",
        "--quiet",
    )
    if not file.endswith((".tar.gz", ".zip")):
        try:
            run([*words, "--only-binary=:all:", "--dest", folder, what])
            return
        except ProgramError:
            if file:
                raise
    run([*words, "--no-binary=:all:", "--dest", folder, what])  # pip runs an sdist's own code to learn its name


def _npm(name: str, version: str | None, file: str, folder: Path) -> None:
    run(["npm", "pack", "--ignore-scripts", "--loglevel=error", f"{name}@{version}" if version else name], cwd=folder)


def _apt(name: str, version: str | None, file: str, folder: Path) -> None:
    run(["apt-get", "--quiet", "download", f"{name}={version}" if version else name], cwd=folder)


def _pip_version(name: str, file: str) -> str:
    return file.split("-")[1] if file.endswith(".whl") else _stem(file).rpartition("-")[2]


def _npm_version(name: str, file: str) -> str:
    return _stem(file).removeprefix(name.removeprefix("@").replace("/", "-") + "-")


def _apt_version(name: str, file: str) -> str:
    return unquote(file.split("_")[1])  # apt writes the colon of an epoch as %3a


def _stem(file: str) -> str:
    return file.removesuffix(".tgz").removesuffix(".zip").removesuffix(".tar.gz")


PYPI = Registry("PyPI", _pip, _pip_version)
NPM = Registry("npm", _npm, _npm_version)
DEBIAN = Registry("Debian", _apt, _apt_version)
