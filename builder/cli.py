"""The command: words in, one call, result out. The one place that shows failures and decides exit codes."""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from builder.errors import BuilderError, OutputError, failure_json
from builder.options import Answer

VERBS = {
    "init": "Write a manifest to start from.",
    "plan": "Tell what a build would fetch, reuse, make and weigh.",
    "lock": "Resolve what the manifest names and write manifest.lock.",
    "fetch": "Bring everything locked into the store.",
    "tree": "Lay out repos with their data links in a local folder.",
    "build": "Make the profile's outputs.",
    "check": "Hold what was built, or comes from elsewhere, against the rules it must keep.",
    "store": "Look into the store, verify it, free what nothing needs, share it.",
    "doctor": "Tell whether this machine is able, what is missing, and how to get it.",
    "test": "Install what the tests need and run them.",
}
"""Each is the module of that name in `builder.verbs`, imported only when it is called."""

USAGE, BUG, STOPPED, CLOSED = 2, 70, 130, 141


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"builder.verbs.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], VERBS, 1)
            raise click.UsageError(f"there is no verb {args[0]!r}" + "".join(f"; did you mean {n}?" for n in near), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, subcommand_metavar="VERB [OPTIONS]")
def command() -> None:
    """Build workshops into container images and VirtualBox appliances."""


def main(args: Sequence[str]) -> int:
    """Run the command with these words; return its exit code."""
    as_json, verbose = "--json" in args, "-v" in args or "--verbose" in args
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        logging.getLogger("builder").setLevel(logging.DEBUG)
    try:
        return _answered(command.main(list(args), prog_name="build.py", standalone_mode=False))
    except click.UsageError as error:
        return _misused(error, as_json)
    except BuilderError as error:
        return _failed(error, as_json)
    except (KeyboardInterrupt, click.Abort):
        return _stopped(as_json)
    except BrokenPipeError:
        # Whoever read our results has gone; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except OSError as error:
        if verbose:
            traceback.print_exc()
        return _failed(_unusable(error), as_json)
    except Exception as error:
        if verbose:
            traceback.print_exc()
        return _bug(error, as_json)


def _answered(answer: Any) -> int:
    if not isinstance(answer, Answer):  # --help was asked for
        return int(answer or 0)
    options, result = answer.options, answer.result
    if options.json:
        _write_json(result.to_json(options.journal))
    else:
        if result.text:
            click.echo(result.text.rstrip("\n"))
        if result.failure and not result.is_told:
            _tell(result.failure)
    sys.stdout.flush()
    return result.exit_code


def _failed(error: BuilderError, as_json: bool) -> int:
    if as_json:
        _write_json({"ok": False, "error": failure_json(error)})
    else:
        _tell(error)
    return error.exit_code


def _misused(error: click.UsageError, as_json: bool) -> int:
    if not as_json:
        error.show()
        return USAGE
    hint = error.ctx.command_path if error.ctx else "build.py"
    _write_failure("usage", error.format_message(), f"python3 {hint} --help")
    return USAGE


def _stopped(as_json: bool) -> int:
    if as_json:
        _write_failure("stopped", "stopped", "run it again: what is complete is kept")
    else:
        click.echo("\nstopped; what is complete is kept", err=True)
    return STOPPED


def _bug(error: Exception, as_json: bool) -> int:
    message = f"this is a bug in the builder: {type(error).__name__}: {error}"
    if as_json:
        _write_failure("bug", message, "run it again with -v and report what it says")
    else:
        click.echo(f"error: {message}\nhint: run it again with -v and report what it says", err=True)
    return BUG


def _unusable(error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{error.filename}: {reason}" if error.filename else reason, hint="python3 build.py doctor")


def _tell(error: BuilderError) -> None:
    where = f"{error.where}: " if error.where and error.where not in error.message else ""
    click.echo(f"error: {where}{error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)


def _write_failure(kind: str, message: str, hint: str) -> None:
    _write_json({"ok": False, "error": {"kind": kind, "message": message, "hint": hint, "where": ""}})


def _write_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))
