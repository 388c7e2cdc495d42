"""The source of a dataset: all files of its card, each renamed as the card says, together one tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.manifest import Card
from builder.sources.part import Part, Surroundings, part_of
from builder.sources.source import ONLINE, Network, Source
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


@dataclass(frozen=True)
class DatasetSource:
    """All parts of a dataset. What part n resolved to is recorded under keys that start with `n.`."""

    parts: tuple[Part, ...]

    @property
    def is_local(self) -> bool:
        return any(part.source.is_local for part in self.parts)

    def resolve(self) -> dict[str, str]:
        """A package that several parts take files from is asked for once, so that all get the same version."""
        answers: dict[Source, dict[str, str]] = {}
        for part in self.parts:
            if part.whole not in answers:
                answers[part.whole] = part.whole.resolve()
        return {
            f"{place}.{key}": value
            for place, part in enumerate(self.parts)
            for key, value in answers[part.whole].items()
        }

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        entries: list[Entry] = []
        for place, part in enumerate(self.parts):
            start = f"{place}."
            own = {key.removeprefix(start): value for key, value in resolved.items() if key.startswith(start)}
            entries.extend(part.placed(part.source.bring(own, store)))
        return Tree.of(entries, origin="the dataset")


def of_files(card: Card, folder: Path, store: Store, network: Network = ONLINE) -> DatasetSource:
    """Where a dataset's files come from; `folder` is where the card's paths start (the manifest's folder)."""
    around = Surroundings(folder, card.licence, store, network)
    return DatasetSource(tuple(part_of(spec, around) for spec in card.files))
