"""The options every verb takes, and the decorator that turns a function into a verb."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from builder.progress import Journal
from builder.result import Result
from builder.terminal import Terminal


@dataclass(frozen=True)
class Options:
    """The words of one call, and the journal it writes."""

    manifest: Path = Path("manifest.yaml")
    profile: str | None = None
    store: Path = Path("store")
    out: Path = Path("out")
    locked: bool = False
    offline: bool = False
    no_cache: bool = False
    yes: bool = False
    engine: str = "auto"
    json: bool = False
    verbose: bool = False
    quiet: bool = False
    journal: Journal = field(default_factory=Journal)
    terminal: Terminal = field(default_factory=Terminal)


@dataclass(frozen=True)
class Answer:
    """A verb's result together with the call it answers."""

    options: Options
    result: Result


def default_store() -> Path:
    """`$WORKSHOP_STORE`, else a folder in the user's cache folder."""
    if chosen := os.environ.get("WORKSHOP_STORE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "workshop"


_COMMON = (
    click.option("--manifest", type=click.Path(path_type=Path), default=Path("manifest.yaml"), show_default=True,
                 help="The workshop to work on."),
    click.option("--profile", help="Which of the manifest's profiles."),
    click.option("--store", type=click.Path(path_type=Path),
                 help="Where everything fetched and made is kept.  [default: $WORKSHOP_STORE, else your cache folder]"),
    click.option("--out", type=click.Path(path_type=Path), default=Path("out"), show_default=True,
                 help="Where outputs go."),
    click.option("--locked", is_flag=True, help="A missing or stale lock is an error (for CI)."),
    click.option("--offline", is_flag=True, help="Contact nothing outside."),
    click.option("--no-cache", is_flag=True, help="Run every stage again; the store is still used."),
    click.option("--yes", is_flag=True, help="Install missing system programs without asking."),
    click.option("--engine", type=click.Choice(["auto", "docker", "buildah"]), default="auto", show_default=True,
                 help="What builds the system."),
    click.option("--json", is_flag=True, help="One JSON object on stdout."),
    click.option("-v", "--verbose", is_flag=True, help="Tell every program that is run."),
    click.option("--quiet", is_flag=True, help="Tell only warnings and errors."),
)  # fmt: skip


def verb(function: Callable[..., Result]) -> click.Command:
    """Make a verb of `function(options, **its_own_options)`; its docstring is its help, its module its name."""

    @functools.wraps(function)
    def call(**words: Any) -> Answer:
        common = {name: words.pop(name) for name in Options.__dataclass_fields__ if name in words}
        common["store"] = common["store"] or default_store()
        with Terminal(quiet=common["quiet"]) as terminal:
            options = Options(**common, journal=Journal(terminal.listen), terminal=terminal)
            return Answer(options, function(options, **words))

    for option in reversed(_COMMON):
        call = option(call)
    return click.command(name=function.__module__.rpartition(".")[2])(call)
