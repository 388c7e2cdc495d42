"""The source of a dataset: all files of its card, each renamed as the card says, and what its recipe makes of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from builder.digest import Digest, key_of
from builder.errors import SourceError
from builder.manifest import Card, Step
from builder.sources.part import Part, Surroundings, part_of
from builder.sources.recipe import Runner, follow
from builder.sources.source import ONLINE, Network, Source
from builder.sources.together import outcomes, values
from builder.sources.web_parts import bring_together, is_of_web, resolve_together
from builder.store.objects import Store
from builder.store.trees import Tree, get_tree, put_tree

Resolved = Mapping[str, str]
Key = TypeVar("Key")
Value = TypeVar("Value")
_WORKERS = 4


@dataclass(frozen=True)
class DatasetSource:
    """All parts of a dataset. What part n resolved to is recorded under keys that start with `n.`."""

    parts: tuple[Part, ...]
    recipe: tuple[Step, ...] = ()
    runner: Runner | None = None

    @property
    def is_local(self) -> bool:
        return any(part.source.is_local for part in self.parts)

    def resolve(self) -> dict[str, str]:
        """A package that several parts take files from is asked for once, so that all get the same version."""
        wholes = [part.whole for part in self.parts]

        def answers_of(places: Sequence[int]) -> dict[Source, dict[str, str]]:
            found = resolve_together(wholes[place] for place in places)
            return {wholes[place]: found.get(wholes[place]) or wholes[place].resolve() for place in places}

        answers = self._all_tried(answers_of, [wholes.index(whole) for whole in dict.fromkeys(wholes)])
        return {f"{place}.{key}": value for place, whole in enumerate(wholes) for key, value in answers[whole].items()}

    def _all_tried(self, work: Callable[[Sequence[int]], dict[Key, Value]], places: Sequence[int]) -> dict[Key, Value]:
        """Do the work on all parts that are files of the web at once, and on each other one; tell all failures."""
        web = [place for place in places if is_of_web(self.parts[place].source)]
        groups = sorted([*([web] if web else []), *([place] for place in places if place not in web)])
        if len(groups) == 1:
            return work(groups[0])
        titles = [" and ".join(f"files[{place}]" for place in group) for group in groups]
        made = values(outcomes(work, groups, _WORKERS), titles)
        return {key: value for found in made for key, value in found.items()}

    def bring(self, resolved: Resolved, store: Store) -> Tree:
        """Parts and steps whose outcome is known and still in the store are not gone through again."""
        known = {place: self._known(place, resolved, store) for place in range(len(self.parts))}
        missing = [place for place, tree in known.items() if tree is None]
        found = {place: tree for place, tree in known.items() if tree is not None}
        found.update(self._brought(missing, resolved, store))

        def whole() -> Tree:
            gone = [place for place, tree in found.items() if tree.missing(store)]
            return self._joined({**found, **self._brought(gone, resolved, store)})

        if not self.recipe:
            return require_distinct(whole())
        return require_distinct(follow(self.recipe, self._joined(found).digest, whole, store, self.runner))

    def _brought(self, places: Sequence[int], resolved: Resolved, store: Store) -> dict[int, Tree]:
        def trees_of(group: Sequence[int]) -> dict[int, Tree]:
            bring_together(((self.parts[place].source, _own(place, resolved)) for place in group), store)
            return {place: self._brought_one(place, resolved, store) for place in group}

        return self._all_tried(trees_of, places)

    def _brought_one(self, place: int, resolved: Resolved, store: Store) -> Tree:
        tree = self.parts[place].source.bring(_own(place, resolved), store)
        put_tree(tree, store)
        store.remember("part", self._key(place, resolved), tree.digest.hex)
        return tree

    def _known(self, place: int, resolved: Resolved, store: Store) -> Tree | None:
        """What a part gave before, unless it is local: that is looked at each time. Its files may be gone."""
        made = None if self.parts[place].source.is_local else store.recall("part", self._key(place, resolved))
        return get_tree(Digest(made), store) if made is not None and store.has(Digest(made)) else None

    def _key(self, place: int, resolved: Resolved) -> str:
        return key_of({"inputs": self.parts[place].inputs, "resolved": _own(place, resolved)})

    def _joined(self, trees: Mapping[int, Tree]) -> Tree:
        placed = (entry for place, part in enumerate(self.parts) for entry in part.placed(trees[place]))
        return Tree.of(placed, origin="the dataset")


def _own(place: int, resolved: Resolved) -> dict[str, str]:
    """What one part resolved to."""
    start = f"{place}."
    return {key.removeprefix(start): value for key, value in resolved.items() if key.startswith(start)}


def require_distinct(tree: Tree) -> Tree:
    """The same tree. Raises SourceError for two paths that the disks of many attendees would take for one.

    Windows and macOS ignore the case of letters; macOS also how an accent is written.
    """
    seen: dict[str, str] = {}
    for entry in tree.entries:
        folded = unicodedata.normalize("NFC", entry.path).casefold()
        if folded in seen:
            raise _one_of_two(seen[folded], entry.path)
        seen[folded] = entry.path
    for folded, path in seen.items():
        folder = folded.rpartition("/")[0]
        while folder:
            if folder in seen:
                raise _one_of_two(seen[folder], path)
            folder = folder.rpartition("/")[0]
    return tree


def _one_of_two(first: str, second: str) -> SourceError:
    return SourceError(
        f"the dataset holds {first} and {second}, of which disks that ignore case keep only one",
        hint="rename or remove one of them in the card's recipe",
    )


def of_files(
    card: Card, folder: Path, store: Store, network: Network = ONLINE, runner: Runner | None = None
) -> DatasetSource:
    """Where a dataset's files come from; `folder` is where the card's paths start (the manifest's folder)."""
    around = Surroundings(folder, card.licence, store, network)
    return DatasetSource(tuple(part_of(spec, around) for spec in card.files), card.recipe, runner)
