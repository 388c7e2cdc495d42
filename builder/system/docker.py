"""The docker engine: a running Docker, spoken to by the first client on PATH that speaks BuildKit."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from builder.errors import EngineError
from builder.run import environment, run
from builder.system.engine import BASE, Blueprint, build_with, proxy_options

_STEP = re.compile(r"^#\d+ (\[\s*\S*\s*\d+/\d+\] .*)$", re.MULTILINE)
_BUILTIN_UNTIL = 23
"""From this version on, a client needs the buildx plugin for BuildKit."""


class Docker:
    """Builds by the client at `client`; the engine keeps no image of ours afterwards."""

    name = "docker"

    def __init__(self, client: str) -> None:
        self.client = client

    def build(self, blueprint: Blueprint, result: Path, log: Path) -> None:
        tag = f"workshop-{uuid.uuid4().hex[:12]}"
        made = [f"{tag}:system"]
        try:
            if blueprint.base:
                self._load(blueprint.base, f"{tag}:base", log)
                made.append(f"{tag}:base")
            words = [
                self.client,
                "build",
                *("--network", "host" if blueprint.has_network else "none"),
                *("--progress", "plain", "--no-cache"),  # the store is the cache; its key knows more
                *(["--build-arg", f"BASE={tag}:base"] if blueprint.base else []),
                *(proxy_options() if blueprint.has_network else []),
                *blueprint.secret_options(),
                *("--tag", f"{tag}:system", "--file", str(blueprint.write_dockerfile())),
                str(blueprint.context),
            ]
            build_with(self.name, words, log, _STEP, {"DOCKER_BUILDKIT": "1"})
            self._save(f"{tag}:system", result)
        finally:
            run([self.client, "rmi", "--force", *made], check=False)

    def _load(self, base: Path, tag: str, log: Path) -> None:
        archive = base.with_suffix(".tar")
        run(["tar", "--create", "--file", archive, "--directory", base, "."])
        try:
            done = run([self.client, "load", "--input", archive], check=False)
        finally:
            archive.unlink(missing_ok=True)
        if done.code != 0:
            raise EngineError(f"docker cannot load the base image: {done.stderr.strip()}", hint="docker info")
        run([self.client, "tag", f"{BASE}:{BASE}", tag])
        run([self.client, "rmi", f"{BASE}:{BASE}"], check=False)

    def _save(self, tag: str, result: Path) -> None:
        archive = result.with_suffix(".tar")
        result.mkdir()
        try:
            run([self.client, "save", "--output", archive, tag])
            run(["tar", "--extract", "--file", archive, "--directory", result])
        finally:
            archive.unlink(missing_ok=True)


def docker_client() -> str | None:
    """The first docker on PATH that speaks BuildKit to a running engine, or None."""
    for folder in environment()["PATH"].split(":"):
        program = Path(folder) / "docker"
        if program.is_file() and os.access(program, os.X_OK) and _can_build(str(program)):
            return str(program)
    return None


def _can_build(program: str) -> bool:
    versions = run([program, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"], check=False)
    if versions.code != 0:
        return False
    major = versions.stdout.split(".", 1)[0]
    builtin = major.isdigit() and int(major) < _BUILTIN_UNTIL
    return builtin or run([program, "buildx", "version"], check=False).code == 0
