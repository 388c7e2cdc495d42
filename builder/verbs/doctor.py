"""`build.py doctor`: is this machine able; what is missing and how to get it."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from builder.doctor import MISSING, Fact, Wish, examine, remedies, wish_of
from builder.errors import ManifestError, MissingProgramError
from builder.manifest.workshop import load
from builder.options import Options, verb
from builder.result import Result

STYLES = {"ok": "green", "missing": "bold red"}


@verb
def command(options: Options) -> Result:
    """Tell whether this machine is able, what is missing, and how to get it.

    Looks at what the manifest's profile asks for; at everything when there is no manifest to read.
    """
    facts = examine(_wish(options), options.store)
    commands = remedies(facts)
    missing = [fact.name for fact in facts if fact.state == MISSING]
    failure = None
    if missing:
        failure = MissingProgramError(f"missing here: {', '.join(missing)}", hint="; ".join(commands))
    shown = {"facts": [fact.to_json() for fact in facts], "commands": list(commands)}
    return Result(text=_table(facts), facts=shown, failure=failure)


def _wish(options: Options) -> Wish:
    try:
        return wish_of(load(options.manifest).choose(options.profile), options.engine)
    except ManifestError as error:
        options.journal.warn(f"{options.manifest} says not what to look for, so everything is: {error.message}")
        return Wish(engine=options.engine)


def _table(facts: tuple[Fact, ...]) -> str:
    """The facts for people; coloured on a terminal unless NO_COLOR says otherwise."""
    table = Table("what", "state", "for", Column("found, or how to get it", overflow="fold"), box=None, pad_edge=False)
    for fact in facts:
        state = f"[{STYLES.get(fact.state, 'dim')}]{fact.state}[/]"
        table.add_row(escape(fact.name), state, escape(fact.purpose), escape(fact.remedy or fact.found))
    # Where nobody can scroll sideways, nothing may be cut off either.
    console = Console() if sys.stdout.isatty() else Console(width=200, no_color=True)
    with console.capture() as text:
        console.print(table)
    return text.get()
