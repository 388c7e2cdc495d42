"""`build.py init`: write a manifest to start from."""

from __future__ import annotations

import json

import click

from builder.manifest.schema import schema
from builder.manifest.starter import write_starter
from builder.options import Options, verb
from builder.result import Result


@verb
@click.option("--schema", "as_schema", is_flag=True, help="Print the manifest's JSON Schema instead.")
def command(options: Options, as_schema: bool) -> Result:
    """Write a commented manifest and a first notebook, which build as they are.

    Nothing that is there already is overwritten.
    """
    if as_schema:
        shape = schema()
        return Result(text=json.dumps(shape, indent=2), facts={"schema": shape})
    written = write_starter(options.manifest.parent)
    names = [str(path) for path in written]
    text = "\n".join([*(f"wrote {name}" for name in names), "", "next: python3 build.py plan"])
    return Result(text=text, facts={"written": names})
