"""`build.py check`: hold what was built, or comes from elsewhere, against the rules it must keep."""

from __future__ import annotations

import click

from builder.verbs import check_appliance


@click.group()
def command() -> None:
    """Hold what was built, or comes from elsewhere, against the rules it must keep."""


command.add_command(check_appliance.command, "appliance")
