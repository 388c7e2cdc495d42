"""`workshop`: what an attendee types at home, and what is said back."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from at_home import journal
from at_home.changes import Names, Update, edits
from at_home.edition import FILE, Area, Edition, read
from at_home.home import Home, HomeError, failures_named, is_digest, keep
from at_home.supply import Supply
from at_home.web import Published

UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
SHOWN = 20


def main(words: Sequence[str], root: str) -> int:
    """0 when done, 1 when something stands in the way, which is said in a sentence."""
    asked = _parser().parse_args(words)
    home = Home(Path(root))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # names need not be UTF-8
    os.umask(0o002)  # as the repos are: whoever is in the group may write
    try:
        with failures_named(home.root):
            asked.verb(home, asked)
    except HomeError as error:
        print(f"workshop: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("workshop: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="workshop", description="Newer notebooks without losing an edit.")
    verbs = parser.add_subparsers(required=True, metavar="status|update|undo|reset")
    status = verbs.add_parser("status", help="what is here, what you edited, what is newer")
    status.set_defaults(verb=_status)
    update = verbs.add_parser("update", help="bring what is newer; your edits stay")
    update.add_argument("repos", nargs="*", metavar="REPO", help="only these")
    update.set_defaults(verb=_update)
    for verb in (status, update):
        verb.add_argument(
            "--from", dest="address", metavar="ADDRESS", help="where to look instead of where it is published"
        )
    undo = verbs.add_parser("undo", help="back to before the last update or reset; again: forth")
    undo.set_defaults(verb=_undo)
    reset = verbs.add_parser("reset", help="the originals of a repo; what you edited is kept beside them")
    reset.add_argument("repos", nargs="+", metavar="REPO")
    reset.set_defaults(verb=_reset, address=None)
    return parser


def _installed(home: Home) -> Edition:
    try:
        data = (home.state / FILE).read_bytes()
    except FileNotFoundError:
        raise HomeError(f"{home.root} holds no workshop that knows what was installed") from None
    return read(data, str(home.state / FILE))


def _published(edition: Edition, address: str | None) -> Published | None:
    found = address or edition.published
    return Published(found) if found else None


def _status(home: Home, asked: argparse.Namespace) -> None:
    installed = _installed(home)
    published = _published(installed, asked.address)
    newest, why = None, "it is not published anywhere, so nothing newer is known"
    if published is not None:
        try:
            newest = published.edition(installed.workshop)
        except HomeError as error:
            why = str(error)
    print(f"{installed.raw.get('title') or installed.workshop}, version {installed.version}")
    if (home.state / journal.JOURNAL).exists():
        print("an update was cut short; workshop update goes on with it")
    supply = Supply(home, [edition for edition in (newest, installed) if edition], published)
    for area in installed.areas.values():
        _show(home, area, newest.areas.get(area.folder) if newest else area, supply, newest is not None)
    if newest is None:
        print(f"what is newer: {why}")
        return
    for folder in sorted(set(newest.areas) - set(installed.areas)):
        area = newest.areas[folder]
        print(f"{area.folder}: new, {_size(sum(entry.size for entry in area.entries.values()))}"
              + ("" if area.is_data else f"; workshop update {area.name}"))  # fmt: skip


def _show(home: Home, area: Area, newest: Area | None, supply: Supply, is_known: bool) -> None:
    if newest is None:
        state = "no longer published"
    elif area.is_same(newest):
        state = "the newest" if is_known else f"version {area.version}"
    else:
        old, new = area.entries, newest.entries
        places = [place for place in {**old, **new} if old.get(place) != new.get(place)]
        wanted = {new[place].mark for place in places if place in new}
        fetched = sum(supply.missing(filter(is_digest, wanted)).values())
        state = f"newer: version {newest.version}, {_counted(len(places), 'change')}, {_size(fetched)} to fetch"
        if area.is_data and not _is_ours(home, area):
            state += "; comes with a new image"
    print(f"{area.folder}: {state}")
    if not area.is_data:
        _tell(f"  {place.partition('/')[2]}: {what}" for place, what in edits(home, area))


def _is_ours(home: Home, area: Area) -> bool:
    """Whether we may change an area: data belongs to root."""
    return not area.is_data or os.access(home.path("data"), os.W_OK)


def _update(home: Home, asked: argparse.Namespace) -> None:
    with home.alone():
        _go_on(home)
        installed = _installed(home)
        published = _published(installed, asked.address)
        if published is None:
            raise HomeError("this workshop is not published anywhere; workshop update --from ADDRESS looks elsewhere")
        newest = published.edition(installed.workshop)
        chosen = _chosen(installed, newest, asked.repos)
        mine = [area for area in chosen if _is_ours(home, area)]
        supply = Supply(home, (newest, installed), published)
        names = Names(home, _time(), newest.version)
        update = Update(home, names, supply.bytes_of, lambda data: keep(home, data))
        for area in mine:
            update.area(installed.areas.get(area.folder), area)
        supply.bring(update.changes.needed())
        after = installed.having(newest, {area.folder for area in mine})
        task = journal.Task("update", tuple(update.changes.steps), dict(installed.raw), after)
        told = _done(home, task, update.changes.told)
        _say_of_update(installed, newest, chosen, home)
        print(f"{_counted(len(task.steps), 'file')} changed, {_size(supply.fetched)} fetched")
        _tell(told)


def _chosen(installed: Edition, newest: Edition, names: Sequence[str]) -> list[Area]:
    """What differs of what is asked for; without names, of what is installed."""
    known = {area.name: area for area in newest.areas.values() if not area.is_data}
    for name in names:
        if name not in known:
            raise HomeError(f"there is no repo {name!r}; there are: {', '.join(sorted(known))}")
    folders = {f"repos/{name}" for name in names} if names else set(installed.areas)
    return [
        area
        for folder, area in sorted(newest.areas.items())
        if folder in folders and not area.is_same(installed.areas.get(folder))
    ]


def _say_of_update(installed: Edition, newest: Edition, chosen: Sequence[Area], home: Home) -> None:
    if not chosen:
        print("everything is the newest")
    for area in chosen:
        if _is_ours(home, area):
            print(f"{area.folder}: now version {area.version}")
        else:
            print(f"{area.folder}: there is newer data, which comes with a new image")
    for folder in sorted(set(newest.areas) - set(installed.areas) - {area.folder for area in chosen}):
        if folder.startswith("repos/"):
            print(f"{folder}: new; workshop update {newest.areas[folder].name} brings it")
    _say_of_missing_data(chosen, home)


def _say_of_missing_data(chosen: Sequence[Area], home: Home) -> None:
    for area in chosen:
        for entry in area.entries.values():
            if entry.is_link and "/data/" in entry.mark and not home.path(entry.path).exists():
                print(f"{entry.path} leads to data that is not here; it comes with a new image")


def _undo(home: Home, asked: argparse.Namespace) -> None:
    with home.alone():
        _go_on(home)
        last = journal.read_task(home.state / journal.LAST)
        if last is None:
            raise HomeError("nothing was updated or reset here yet")
        names = Names(home, _time(), str(last.before["version"]))
        steps = tuple(journal.backward(last, names, home))
        if not all(home.object(str(step.after)).exists() for step in steps if is_digest(step.after)):
            raise HomeError("what was here before is not kept any more; workshop reset REPO brings originals back")
        _done(home, journal.Task("undo", steps, last.after, last.before), ())
        print(f"back to before the last {last.word}: {_counted(len(steps), 'file')} changed; workshop undo goes forth")


def _reset(home: Home, asked: argparse.Namespace) -> None:
    with home.alone():
        _go_on(home)
        installed = _installed(home)
        supply = Supply(home, [installed], _published(installed, asked.address))
        update = Update(home, Names(home, _time(), installed.version), supply.bytes_of, lambda data: keep(home, data))
        for name in asked.repos:
            area = installed.areas.get(f"repos/{name}")
            if area is None:
                raise HomeError(f"there is no repo {name!r} here")
            update.reset(area)
        supply.bring(update.changes.needed())
        raw = dict(installed.raw)
        _tell(_done(home, journal.Task("reset", tuple(update.changes.steps), raw, raw), update.changes.told))
        count = len(update.changes.placed)
        print(f"{_counted(count, 'file')} as they were" if count else "everything is as it was; nothing to reset")


def _go_on(home: Home) -> None:
    """Finish what was cut short."""
    if (home.state / journal.JOURNAL).exists():
        told = journal.finish(home)
        print("what was cut short is done now")
        _tell(told)


def _done(home: Home, task: journal.Task, told: Iterable[str]) -> list[str]:
    if not task.steps and task.before == task.after:
        return list(told)
    journal.begin(home, task)
    more = journal.finish(home)
    journal.tidy(home)
    return [*told, *more]


def _tell(lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if number == SHOWN:
            print("  and more")
            return
        print(line)


def _time() -> str:
    return time.strftime("%Y%m%d-%H%M%S")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _size(size: int) -> str:
    for unit, factor in UNITS:
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"
