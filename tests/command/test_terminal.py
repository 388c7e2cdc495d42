"""What people see on stderr: lines everywhere, movement and colour only where they are wanted."""

from __future__ import annotations

import io
import os
import pty
import threading
from collections.abc import Callable

import pytest

from builder.progress import Event, Journal, Stage
from builder.terminal import Terminal, bytes_of, line_of


def work(terminal: Terminal) -> None:
    journal = Journal(terminal.listen)
    with terminal:
        with journal.stage("fetch words") as stage:
            stage.bytes_in = 2_500_000
        with journal.stage("system") as stage:
            stage.cached = True
        journal.warn("no KVM [here]")


def on_a_terminal(act: Callable[[Terminal], None]) -> str:
    """What a real pseudo-terminal shows."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        act(Terminal(stream=stream))
        stream.flush()
        os.set_blocking(ours, False)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except BlockingIOError:
            pass
    os.close(ours)
    return shown.decode()


def test_without_a_terminal_there_is_one_plain_line_per_stage() -> None:
    stream = io.StringIO()
    work(Terminal(stream=stream))
    lines = stream.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["fetch", "words"], ["system", "reused"], ["warning:", "no"]]
    assert "2.5 MB" in lines[0]
    assert "\x1b" not in stream.getvalue()


def test_quiet_leaves_only_warnings() -> None:
    stream = io.StringIO()
    work(Terminal(quiet=True, stream=stream))
    assert stream.getvalue() == "warning: no KVM [here]\n"


def test_a_terminal_gets_colour_and_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = on_a_terminal(work)
    assert "\x1b[33mwarning: no KVM [here]" in shown
    assert "reused" in shown


def test_a_terminal_names_what_is_under_way_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    def many(terminal: Terminal) -> None:
        with terminal:
            for name in ("one", "two", "three", "four", "five"):
                terminal.listen(Event(stage=Stage(f"[{name}]")))

    shown = on_a_terminal(many)
    assert "[one] · [two] · [three] and 2 more" in shown
    assert "[four]" not in shown


def test_no_color_is_obeyed_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = on_a_terminal(work)
    assert "reused" in shown
    assert not any(f"\x1b[{colour}m" in shown for colour in range(30, 48))


def test_stages_of_many_threads_each_get_their_line() -> None:
    stream = io.StringIO()
    with Terminal(stream=stream) as terminal:
        journal = Journal(terminal.listen)

        def one(number: int) -> None:
            with journal.stage(f"part-{number}"):
                pass

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {line.split()[0] for line in stream.getvalue().splitlines()} == {f"part-{number}" for number in range(20)}
    assert terminal.running == []


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (4 * 10**9, "4.0 GB")]
)
def test_sizes_are_decimal(size: int, text: str) -> None:
    assert bytes_of(size) == text


def test_a_line_tells_reused_from_made() -> None:
    assert line_of(Stage("a", 3.21, bytes_in=1000, bytes_out=500)).endswith("3.2 s   1.0 kB → 500 B")
    assert line_of(Stage("a", cached=True)).split() == ["a", "reused"]


def test_a_terminal_shows_what_has_come_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("builder.progress.TOLD_EVERY", 0.0)

    def fetched(terminal: Terminal) -> None:
        journal = Journal(terminal.listen)
        with terminal, journal.stage("fetch datasets.words"):
            journal.arrive(1_000_000)
            journal.arrive(234_000_000)

    assert "fetch datasets.words · 235.0 MB received, 235.0 MB/s" in on_a_terminal(fetched)


def test_bytes_under_way_print_no_lines_without_a_terminal() -> None:
    stream = io.StringIO()
    journal = Journal(Terminal(stream=stream).listen)
    journal.arrive(1_000_000)
    assert journal.arrived == 1_000_000 and stream.getvalue() == ""
