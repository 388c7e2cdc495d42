"""What happened, stage by stage, told while it happens; how it is shown is the command's affair."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

TOLD_EVERY = 0.25
"""Seconds between two words about bytes under way."""


@dataclass(frozen=True)
class Stage:
    """One finished stage: what it took, in seconds and bytes, and whether an earlier result was used."""

    name: str
    seconds: float = 0.0
    cached: bool = False
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True)
class Event:
    """A stage that started (`done` False) or ended, a remark (`text` only), or how many bytes came from outside."""

    stage: Stage | None = None
    done: bool = False
    text: str = ""
    arrived: int = 0


class Running:
    """The stage under way; a part says here what it read, wrote, or found already made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cached = False
        self.bytes_in = 0
        self.bytes_out = 0


def _silent(event: Event) -> None:
    """Nobody listens."""


@dataclass
class Journal:
    """All stages and warnings of one call, in the order they ended."""

    listener: Callable[[Event], None] = _silent
    stages: list[Stage] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    arrived: int = 0
    _told: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[Running]:
        """Time a stage; it is recorded when it ends without an error."""
        running = Running(name)
        self.listener(Event(stage=Stage(name)))
        start = time.monotonic()
        yield running
        done = replace(
            Stage(name),
            seconds=round(time.monotonic() - start, 3),
            cached=running.cached,
            bytes_in=running.bytes_in,
            bytes_out=running.bytes_out,
        )
        self.stages.append(done)
        self.listener(Event(stage=done, done=True))

    def arrive(self, count: int) -> None:
        """So many more bytes came from outside; called for every piece, from any thread, and told now and then."""
        self.arrived += count
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY:
            self._told = now
            self.listener(Event(arrived=self.arrived))

    def tell(self, text: str) -> None:
        """A remark for people."""
        self.listener(Event(text=text))

    def warn(self, text: str) -> None:
        """Something to look at that does not stop the build."""
        self.warnings.append(text)
        self.listener(Event(text=f"warning: {text}"))
