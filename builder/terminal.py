"""What people see while a command works, on stderr: a line per finished stage, and on a terminal what is under way."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TextIO

from builder.progress import Event, Stage

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

SHOWN = 3
"""How many of the stages under way are named."""

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class Terminal:
    """A journal's listener; use it as a context manager around the work. `quiet` leaves only warnings."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.running: list[str] = []
        self.arrived = 0
        self.first = 0.0
        self.lock = threading.Lock()
        self.console: Console | None = None
        self.status: Status | None = None
        if not quiet and self.stream.isatty() and os.environ.get("TERM") not in (None, "dumb"):
            # Imported only where it is seen: it is a tenth of a second of every start.
            from rich.console import Console

            self.console = Console(file=self.stream, highlight=False)
            self.status = self.console.status("")

    def listen(self, event: Event) -> None:
        """Show an event; called from any thread."""
        with self.lock:
            if event.arrived:
                self.arrived = event.arrived
                self.first = self.first or time.monotonic()
                self._show_running()
                return
            if event.stage is None:
                if not self.quiet or event.text.startswith("warning: "):
                    self._write(event.text, "yellow" if event.text.startswith("warning: ") else "")
                return
            if not event.done:
                self.running.append(event.stage.name)
            elif event.stage.name in self.running:
                self.running.remove(event.stage.name)
            if event.done and not self.quiet:
                self._write(line_of(event.stage), "dim" if event.stage.cached else "")
            self._show_running()

    def pause(self) -> AbstractContextManager[object]:
        """Nothing moves inside this block: for a question, or a program that has the terminal."""
        return _Paused(self) if self.status else nullcontext()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def _write(self, text: str, style: str) -> None:
        if self.console:
            self.console.print(text, style=style or None, markup=False, soft_wrap=True)
        else:
            self.stream.write(f"{text}\n")
            self.stream.flush()

    def _show_running(self) -> None:
        if self.status is None:
            return
        from rich.markup import escape

        if self.running:
            more = f" and {len(self.running) - SHOWN} more" if len(self.running) > SHOWN else ""
            self.status.update(escape(" · ".join(self.running[:SHOWN]) + more + self._arrived_text()))
            self.status.start()
        else:
            self.status.stop()

    def _arrived_text(self) -> str:
        """What has come from outside, while something comes: a stage that only computes shows nothing."""
        if not any(name.startswith(("lock ", "fetch ")) for name in self.running) or not self.arrived:
            return ""
        seconds = max(time.monotonic() - self.first, 1.0)
        return f" · {bytes_of(self.arrived)} received, {bytes_of(int(self.arrived / seconds))}/s"


class _Paused:
    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def __enter__(self) -> None:
        if self.terminal.status:
            self.terminal.status.stop()

    def __exit__(self, *_: object) -> None:
        self.terminal._show_running()


def line_of(stage: Stage) -> str:
    """A finished stage, as `name   reused` or `name   3.2 s   12.0 MB → 4.1 MB`."""
    took = "reused" if stage.cached else f"{stage.seconds:.1f} s"
    sizes = [bytes_of(size) for size in (stage.bytes_in, stage.bytes_out) if size]
    return f"  {stage.name:<32} {took:>8}   {' → '.join(sizes)}".rstrip()


def bytes_of(size: int) -> str:
    """A size for people, in decimal units, as disks and sticks are sold."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
