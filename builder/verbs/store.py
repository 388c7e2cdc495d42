"""`build.py store`: look into the store, verify it, free what nothing needs, and share it with other machines."""

from __future__ import annotations

import click

from builder.verbs import store_gc, store_ls, store_verify
from builder.verbs.store_exchange import pull, push


@click.group()
def command() -> None:
    """Look into the store, verify it, free what nothing needs, and share it with other machines."""


command.add_command(store_ls.command, "ls")
command.add_command(store_verify.command, "verify")
command.add_command(store_gc.command, "gc")
command.add_command(push, "push")
command.add_command(pull, "pull")
