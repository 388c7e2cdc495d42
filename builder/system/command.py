"""A recipe's command, run in a system: no network, a copy of its files, and what it leaves there is the new tree."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from builder.digest import key_of
from builder.errors import EngineError, ProgramError, SourceError
from builder.files import share
from builder.sources.archive import chosen_members
from builder.sources.selection import Selection
from builder.store.objects import Store
from builder.store.trees import Tree
from builder.system.build import Workbench
from builder.system.dockerfile import command_dockerfile
from builder.system.engine import Blueprint, shortened
from builder.system.layout import read_exported, require_plain, write_base
from builder.system.system import System

FOLDER = "tmp/dataset"
_MARK = "--- the command of the recipe"
_SAID = re.compile(rf"{_MARK}\n(.*?)(?:{_MARK}: (\d+)\n.*)?\Z", re.DOTALL)
_PREFIX = re.compile(r"^#\d+ [\d.]+ ", re.MULTILINE)
"""What BuildKit puts before each line of a step."""
_LINES = 12


def run_command(command: str, files: Tree, system: System, bench: Workbench) -> Tree:
    """The tree of what a shell command leaves in a folder with these files, all bytes in the store.

    Raises ProgramError with its last lines when it fails, SourceError for what no dataset may hold.
    """
    log = bench.logs / f"run-{key_of([command, files.digest.hex])[:12]}.log"
    with (
        bench.journal.stage(f"run {shortened(command.strip().splitlines()[0], 60)}") as stage,
        bench.store.scratch("run") as scratch,
    ):
        _lay(files, scratch / "context/files", bench.store)
        (scratch / "context/command").write_text(command)
        write_base(system, scratch / "base", bench.store)
        blueprint = Blueprint(
            command_dockerfile(FOLDER, _MARK), scratch / "context", scratch / "base", has_network=False
        )
        try:
            bench.engine.build(blueprint, scratch / "result", log)
        except EngineError as error:
            raise _failure(log, error) from error
        tree = _left(scratch / "result", system, bench.store)
        stage.bytes_in, stage.bytes_out = files.size, tree.size
        return tree


def _lay(files: Tree, folder: Path, store: Store) -> None:
    """Files to be read; the engine shows them read-only, and what is in the store stays read-only for everybody."""
    folder.mkdir(parents=True)
    for entry in files.entries:
        place = folder / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.target is not None:
            place.symlink_to(entry.target)
        elif entry.digest is not None and entry.executable:
            shutil.copyfile(store.path(entry.digest), place)
            place.chmod(0o755)
        elif entry.digest is not None:
            share(store.path(entry.digest), place)


def _left(result: Path, system: System, store: Store) -> Tree:
    layers = read_exported(result).layers
    if len(layers) <= len(system.layers):
        raise EngineError("the engine kept nothing of what the command made", hint="try the other one: --engine")
    path, diff_id = layers[-1]
    require_plain(path, diff_id)
    origin = "what the command left"
    found = chosen_members(path, origin, store, Selection((FOLDER,)))
    if not found:
        raise SourceError("the command left no files", hint="let it write its files into the folder it starts in")
    return Selection((FOLDER,), strip=len(FOLDER.split("/"))).of(found.values(), origin)


def _failure(log: Path, error: EngineError) -> EngineError | ProgramError:
    """The command's own failure when it had begun, else the engine's."""
    text = _PREFIX.sub("", log.read_text(errors="replace"))
    said = _SAID.search(text)
    if said is None:
        return error
    lines = "\n  ".join(map(shortened, said[1].rstrip().splitlines()[-_LINES:]))
    ending = f"exit code {said[2]}" if said[2] else "no word"
    return ProgramError(
        f"the command ended with {ending}:\n  {lines or '(it said nothing)'}", hint=f"the whole log is in {log}"
    )
