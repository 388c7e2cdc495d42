"""What an engine does: take the steps of a Dockerfile, and leave the image they give in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from builder.errors import EngineError
from builder.run import run

BASE = "workshop-base"
"""The tag of the image that a blueprint starts from, in its layout."""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Blueprint:
    """A Dockerfile, the folder its ADD steps see, and the files its steps may read but not keep.

    `base` is a folder that is an OCI layout and an unpacked docker archive; its image is what `ARG BASE` stands for.
    Without a network the steps reach nothing, neither this machine's loopback.
    """

    dockerfile: str
    context: Path
    base: Path | None = None
    secrets: Mapping[str, Path] = field(default_factory=dict)
    has_network: bool = True

    def write_dockerfile(self) -> Path:
        path = self.context.parent / "Dockerfile"
        path.write_text(self.dockerfile)
        return path

    def secret_options(self) -> list[str]:
        return [word for name, path in sorted(self.secrets.items()) for word in ("--secret", f"id={name},src={path}")]


class Engine(Protocol):
    """Builds images; `name` is what `--engine` calls it."""

    name: str

    def build(self, blueprint: Blueprint, result: Path, log: Path) -> None:
        """Leave an OCI layout or an unpacked docker archive in `result`; raise EngineError naming the failed step."""


def build_with(
    engine: str,
    words: Sequence[str | Path],
    log: Path,
    step: re.Pattern[str],
    env: Mapping[str, str],
    cwd: Path | None = None,
) -> None:
    """Run an engine's build; on failure say at which step, with its last lines."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    done = run(words, cwd=cwd, env=env, log_file=log, check=False)
    if done.code == 0:
        return
    text = log.read_text(errors="replace")
    steps = step.findall(text)
    where = f" at {shortened(steps[-1])}" if steps else ""
    ending = f"exit code {done.code}" if done.code > 0 else f"signal {-done.code}"
    tail = "\n  ".join(shortened(line) for line in text.rstrip().splitlines()[-12:])
    raise EngineError(
        f"{engine} stopped{where}, with {ending}:\n  {tail}",
        hint=f"the whole log is in {log}; run again when it is mended",
    )


def shortened(line: str, limit: int = 200) -> str:
    """One line of a log, without the words that name this build's own files."""
    line = re.sub(r"--mount=\S+ +", "", line.strip())
    return line if len(line) <= limit else f"{line[:limit]} …"


def proxy_options() -> list[str]:
    """The proxies of this machine, for the time of the build only: engines keep these arguments out of the image."""
    return [word for name in PROXIES if name in os.environ for word in ("--build-arg", name)]
