"""Steps done once, whole, and so that they can be undone, also when killed in between.

`journal.json` says what is to be done before anything is; `done-<its digest>-<boot>` counts what is done. What is
replaced or removed stays reachable under `held/` until its bytes are known to be among the objects, so that even an
edit saved in that moment is found. At the end the journal becomes `last.json`, from which `undo` makes the steps back.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from at_home.changes import ASIDE, PLACE, REMOVE, Names, Step
from at_home.edition import FILE, read
from at_home.home import FOLDER, Home, Mark, is_digest, mark_of, to_disk, write_whole
from at_home.web import PARTIAL

JOURNAL, LAST = "journal.json", "last.json"
BOOT = Path("/proc/sys/kernel/random/boot_id")
KEPT = 1 << 20
"""Bytes up to which an original is kept at home, for `reset` and merges without a network."""


@dataclass(frozen=True)
class Task:
    """What is being done: a word for it, its steps, and the edition before and after."""

    word: str
    steps: tuple[Step, ...]
    before: dict[str, Any]
    after: dict[str, Any]

    def to_json(self) -> bytes:
        steps = [step.to_json() for step in self.steps]
        raw = {"word": self.word, "steps": steps, "before": self.before, "after": self.after}
        return json.dumps(raw, ensure_ascii=False).encode("utf-8", "surrogatepass")


def read_task(path: Path) -> Task | None:
    """None where there is none."""
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return Task(raw["word"], tuple(Step(**step) for step in raw["steps"]), raw["before"], raw["after"])


def begin(home: Home, task: Task) -> None:
    """From here on the task is done, if not by us then by the next call. All objects it needs are there."""
    write_whole(home.state / JOURNAL, task.to_json())


def finish(home: Home) -> list[str]:
    """Do what is left of a task that was begun; what has to be told of it. Nothing where none was."""
    task = read_task(home.state / JOURNAL)
    if task is None:
        return []
    told = _Work(home, home.state / _done_name((home.state / JOURNAL).read_bytes())).all(task.steps)
    write_whole(home.state / FILE, json.dumps(task.after, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    (home.state / JOURNAL).replace(home.state / LAST)
    return told


def _done_name(journal: bytes) -> str:
    """After the machine was switched off every step is looked at again: its disk may know less than was counted."""
    boot = BOOT.read_text().strip() if BOOT.exists() else "0"
    return f"done-{hashlib.sha256(journal).hexdigest()[:16]}-{boot}"


def tidy(home: Home) -> None:
    """Remove what neither `undo` nor, before it or after, `reset` or a merge needs."""
    last = read_task(home.state / LAST)
    if last is None:
        return
    kept = {step.before for step in last.steps}
    for raw in (last.before, last.after):
        for area in read(json.dumps(raw).encode(), LAST).areas.values():
            kept |= {one.mark for one in area.entries.values() if one.size <= KEPT and not area.is_data}
    for path in (home.state / "objects").glob("*/*"):
        if f"{path.parent.name}{path.name}" not in kept:
            path.unlink()
    for path in home.state.glob("done-*"):
        path.unlink()
    shutil.rmtree(home.state / PARTIAL, ignore_errors=True)


def backward(task: Task, names: Names, home: Home) -> Iterator[Step]:
    """The steps that undo a task; what was edited since moves aside first."""
    taken: set[str] = set()
    for step in reversed(task.steps):
        if step.do == ASIDE:
            yield Step(ASIDE, step.to, to=step.place)
            continue
        here = home.mark(step.place)
        if here == step.before:
            continue
        if here not in (None, step.after):
            to = names.aside(step.place, taken)
            taken.add(to)
            yield Step(ASIDE, step.place, to=to)
            here = None
        if step.before is None:
            yield Step(REMOVE, step.place, here)
        else:
            yield Step(PLACE, step.place, here, step.before, step.executable, names.beside(step.place, None, taken))


class _Work:
    """The steps of one task, of which some may have been done by a call that was killed."""

    def __init__(self, home: Home, done: Path) -> None:
        self._home = home
        self._done = done
        self._held = home.state / "held"
        self._told: list[str] = []

    def all(self, steps: Iterable[Step]) -> list[str]:
        count = len(self._done.read_bytes()) if self._done.exists() else 0
        self._held.mkdir(exist_ok=True)
        with self._done.open("ab", buffering=0) as done:
            for number, step in enumerate(steps):
                if number >= count:
                    self._one(number, step)
                    done.write(b".")
        return self._told

    def _one(self, number: int, step: Step) -> None:
        held = self._held / str(number)
        self._release(held, step)  # what a killed call left
        if step.do == ASIDE:
            self._aside(step)
        elif step.do == REMOVE:
            self._remove(step, held)
        else:
            self._place(step, held)

    def _aside(self, step: Step) -> None:
        source, target = self._home.path(step.place), self._home.path(step.to)
        if os.path.lexists(source) and not os.path.lexists(target) and not self._home.blocked(step.place):
            self._make_parents(step.to)
            source.rename(target)

    def _remove(self, step: Step, held: Path) -> None:
        if step.before is None or self._home.mark(step.place) != step.before:
            return
        self._hold(self._home.path(step.place), held)
        self._home.path(step.place).unlink()
        self._release(held, step)
        self._remove_empty(self._home.path(step.place).parent)

    def _remove_empty(self, folder: Path) -> None:
        while len(folder.relative_to(self._home.root).parts) > 2:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _place(self, step: Step, held: Path) -> None:
        path = self._home.path(step.place)
        part = path.with_name(f".{path.name[:200]}.workshop-new")
        here = self._home.mark(step.place)
        if here == step.after:
            with suppress(PermissionError):  # somebody else's file, with the right bytes
                self._set_mode(path, step)
        elif is_digest(step.after) and not self._home.object(str(step.after)).exists():
            self._told.append(f"{step.place} stays as it is: its other bytes are not here any more")
        elif here == step.before and not self._home.blocked(step.place):
            self._make_parents(step.place)
            self._write(part, step)
            if here is None:
                self._put_new(part, path, step)
            else:
                self._hold(path, held)
                part.replace(path)
                self._release(held, step)
        else:
            self._put_beside(step)
        if os.path.lexists(part):
            part.unlink()

    def _put_new(self, part: Path, path: Path, step: Step) -> None:
        """Give the new file its name, unless somebody took it in this moment."""
        try:
            os.link(part, path, follow_symlinks=False)
        except FileExistsError:
            self._put_beside(step)
        except OSError:  # a file system without hard links
            part.replace(path)

    def _put_beside(self, step: Step) -> None:
        """Somebody changed the place since this was decided: what stands there stays."""
        if step.to and step.to != step.place and is_digest(step.after):
            self._told.append(f"{step.place} was changed in this moment; yours stays, the new one is {step.to}")
            self._place(replace(step, place=step.to, before=None, to=""), self._held / "beside")

    def _write(self, part: Path, step: Step) -> None:
        if os.path.lexists(part):
            part.unlink()
        if not is_digest(step.after):
            part.symlink_to(str(step.after)[3:])
            self._own(part, step)
            return
        shutil.copyfile(self._home.object(str(step.after)), part)
        to_disk(part)
        self._set_mode(part, step)

    def _set_mode(self, path: Path, step: Step) -> None:
        if path.is_symlink():
            return
        mode = 0o444 if step.place.startswith("data/") else 0o664
        self._own(path, step)
        if (path.stat().st_mode & 0o777) != (mode | 0o111 if step.executable else mode):
            path.chmod(mode | 0o111 if step.executable else mode)

    def _own(self, path: Path, step: Step) -> None:
        """What root writes into the attendee's repos is the attendee's."""
        if os.geteuid() == 0 and step.place.startswith("repos/"):
            owner = self._home.state.stat()
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def _make_parents(self, place: str) -> None:
        missing = []
        folder = self._home.path(place).parent
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir(mode=0o755 if place.startswith("data/") else 0o775)
            self._own(one, Step(PLACE, place))

    def _hold(self, path: Path, held: Path) -> None:
        """Keep what stands at a path reachable, whatever takes its place."""
        if held.is_symlink() or held.exists():
            held.unlink()
        try:
            os.link(path, held, follow_symlinks=False)
        except OSError:  # another disk, or none that has hard links
            shutil.copy2(path, held, follow_symlinks=False)

    def _release(self, held: Path, step: Step) -> None:
        """Put what was held among the objects; when it is not what was replaced, an edit came in between: beside it."""
        mark: Mark = mark_of(held)
        if mark is None or mark == FOLDER:
            return
        path = self._home.path(step.place)
        if os.path.lexists(path) and os.path.samestat(held.lstat(), path.lstat()):
            held.unlink()  # nothing was replaced yet
        elif mark == step.before:
            self._keep(held, mark)
        else:
            saved = path.with_name(f"{path.stem}__saved-{str(mark)[:6]}{path.suffix}")
            shutil.move(str(held), str(saved))
            self._told.append(f"{step.place} was changed in this moment; yours is now {saved.name}")

    def _keep(self, held: Path, mark: Mark) -> None:
        target = self._home.object(str(mark))
        if held.is_symlink() or target.exists():
            held.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        held.replace(target)
