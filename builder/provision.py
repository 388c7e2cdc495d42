"""Installing missing programs: one plan of commands, run as root, or by sudo after asking, else told to the user."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from builder.errors import MissingProgramError, ProgramError
from builder.programs import Program, is_root, missing
from builder.run import attach, find, run

Command = tuple[str, ...]
APT_LISTS = Path("/var/lib/apt/lists")
STALE = 24 * 3600
"""Seconds after which the machine's package lists are fetched anew before anything is installed."""

# Never a question from a package: there may be nobody to answer.
UNASKED = ("env", "DEBIAN_FRONTEND=noninteractive")
APT = (*UNASKED, "apt-get")


def ensure(needs: Iterable[str], *, yes: bool, tell: Callable[[str], None]) -> None:
    """Have every program that these needs ask for. Raise MissingProgramError naming the one command otherwise.

    What this machine's distribution has no package of is left out.
    """
    provide([program for program in missing(needs) if _is_packaged(program)], yes=yes, tell=tell)


def provide(programs: Sequence[Program], *, yes: bool, tell: Callable[[str], None]) -> None:
    """Install these programs if this machine and its user let us."""
    if not programs:
        return
    names = ", ".join(program.name for program in programs)
    commands = plan(programs)
    if not commands:
        raise MissingProgramError(f"not installed: {names}", hint="install them with this machine's package manager")
    if not is_root():
        commands = _through_sudo(commands, names, yes)
    tell(f"installing {names}")
    for command in commands:
        tell(f"+ {shlex.join(command)}")
        done = run(command, check=False)
        # Lists that cannot be fetched anew may still be good enough; the installation itself must succeed.
        if done.code != 0 and "update" not in command:
            tail = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise ProgramError(f"installing {names} failed:\n  {tail}", hint=line(plan(programs)))


def plan(programs: Sequence[Program], *, lists: Path = APT_LISTS) -> tuple[Command, ...]:
    """The commands that install these programs here, empty when no known package manager is."""
    if find("apt-get"):
        packages = sorted({program.debian for program in programs if program.debian})
        update = [(*APT, "update")] if _are_stale(lists) else []
        return (*update, (*APT, "install", "-y", *packages))
    if find("dnf"):
        return (("dnf", "install", "-y", *sorted({program.fedora for program in programs if program.fedora})),)
    return ()


def _is_packaged(program: Program) -> bool:
    if find("apt-get"):
        return program.debian != ""
    return program.fedora != "" or not find("dnf")


def line(commands: Iterable[Command]) -> str:
    """Commands as one line for people to paste; they may be asked things."""
    prefix = () if is_root() else ("sudo",)
    plain = (command[len(UNASKED) :] if command[: len(UNASKED)] == UNASKED else command for command in commands)
    return " && ".join(shlex.join((*prefix, *command)) for command in plain)


def _are_stale(lists: Path) -> bool:
    fetched = [file.stat().st_mtime for file in lists.glob("*_Packages*")] if lists.is_dir() else []
    return not fetched or time.time() - max(lists.stat().st_mtime, *fetched) > STALE


def _through_sudo(commands: Sequence[Command], names: str, yes: bool) -> tuple[Command, ...]:
    refusal = MissingProgramError(f"not installed: {names}", hint=line(commands))
    if not find("sudo"):
        raise refusal
    has_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not yes:
        if not has_terminal:
            raise refusal
        sys.stderr.write(f"{names} missing. Install with sudo? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise refusal
    # Let sudo ask for its password now; without a terminal it must not ask at all.
    if attach(["sudo", "-v"] if has_terminal else ["sudo", "-n", "true"], quiet=not has_terminal) != 0:
        raise refusal
    return tuple(("sudo", "-n", *command) for command in commands)
