"""A workshop as loaded: the manifest with the cards it names, and what a profile chooses of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from builder.errors import ManifestError
from builder.manifest.card import Card
from builder.manifest.faults import Fault, nearest, refuse
from builder.manifest.licences import is_allowed
from builder.manifest.manifest import Manifest
from builder.manifest.packages import Packages
from builder.manifest.positions import Document, read_document
from builder.manifest.profile import Output, Profile
from builder.manifest.repo import Repo
from builder.manifest.repo_workshop import merge_repo
from builder.manifest.strict import validated

CARDS = "datasets"


@dataclass(frozen=True)
class Choice:
    """What one profile takes of a workshop: its repos, the datasets they link to, what they need, what to make."""

    profile: str
    repos: Mapping[str, Repo]
    datasets: Mapping[str, Card]
    packages: Packages
    outputs: tuple[Output, ...]
    budget: int | None
    private: bool
    manifest: Manifest
    folder: Path


@dataclass(frozen=True)
class Workshop:
    """A manifest without mistakes, its cards by name, and the folder its paths start from.

    `needs` are the packages that repos asked for in their own files (see `adopt`).
    """

    manifest: Manifest
    cards: Mapping[str, Card]
    folder: Path
    needs: Mapping[str, Packages] = field(default_factory=dict)

    def choose(self, profile: str | None = None) -> Choice:
        """What a profile takes; without a name `default`, or the only one there is. Raises ManifestError."""
        name = profile or self._default()
        chosen = self.manifest.profiles.get(name)
        if chosen is None:
            raise ManifestError(
                f"there is no profile {name!r}{nearest(name, self.manifest.profiles)}",
                hint=f"use --profile with one of: {', '.join(sorted(self.manifest.profiles))}",
            )
        repos = {repo: spec for repo, spec in sorted(self.manifest.repos.items()) if chosen.takes(repo)}
        refuse([Fault("", 0, f"profiles.{name}", text) for text in _private_links(chosen, repos, self.cards)])
        linked = {dataset for spec in repos.values() for dataset in spec.data.values()}
        datasets = {dataset: self.cards[dataset] for dataset in sorted(linked)}
        refuse(
            list(_licence_faults(name, chosen, datasets, repos)),
            hint=f"leave these repos out with `without`, or allow these licences in profiles.{name}.licences",
        )
        packages = self.manifest.packages.joined(self.needs[repo] for repo in repos if repo in self.needs)
        return Choice(
            name,
            repos,
            datasets,
            packages,
            chosen.outputs,
            chosen.budget,
            chosen.private,
            self.manifest,
            self.folder,
        )

    def _default(self) -> str:
        if "default" in self.manifest.profiles or len(self.manifest.profiles) > 1:
            return "default"
        return next(iter(self.manifest.profiles))

    def adopt(self, files: Mapping[str, Mapping[str, bytes]]) -> Workshop:
        """This workshop with what repos say about themselves: `{repo: {path: bytes}}` (see `repo_workshop.FILES`)."""
        repos, needs = dict(self.manifest.repos), dict(self.needs)
        for name, found in sorted(files.items()):
            links, needs[name] = merge_repo(repos[name], found, name)
            repos[name] = repos[name].model_copy(update={"data": links})
        wanted = [
            (dataset, Fault(name, 0, f"data.{path}", ""))
            for name in sorted(files)
            for path, dataset in sorted(repos[name].data.items())
            if dataset not in self.cards
        ]
        cards, faults = _load_cards(self.folder, wanted)
        refuse(faults)
        manifest = self.manifest.model_copy(update={"repos": repos})
        return replace(self, manifest=manifest, cards={**self.cards, **cards}, needs=needs)


def load(path: Path) -> Workshop:
    """Load a manifest and every card it names. Raises one ManifestError with all that is wrong in any of them."""
    document = read_document(path.name, _read(path))
    manifest, faults = validated(Manifest, document)
    if document.value is None and not document.faults:
        refuse(faults, hint="python3 build.py init")
    cards, card_faults = _load_cards(path.parent, _links(document))
    if manifest is not None:
        faults += [
            document.fault(("profiles", name), text)
            for name, profile in manifest.profiles.items()
            for text in _private_links(profile, manifest.repos, cards)
        ]
    refuse(sorted([*faults, *card_faults], key=lambda fault: (fault.file != path.name, fault.file, fault.line)))
    assert manifest is not None
    return Workshop(manifest, cards, path.parent)


def _private_links(profile: Profile, repos: Mapping[str, Repo], cards: Mapping[str, Card]) -> list[str]:
    """What is wrong with a profile that is not private and takes repos that link to private datasets."""
    if profile.private:
        return []
    return [
        f"holds the repo {name!r}, which links to the private dataset {dataset!r}; "
        f"add private: true to the profile, or without: [{name}]"
        for name, repo in repos.items()
        if profile.takes(name)
        for dataset in sorted(set(repo.data.values()))
        if dataset in cards and cards[dataset].private
    ]


def _licence_faults(
    name: str, profile: Profile, cards: Mapping[str, Card], repos: Mapping[str, Repo]
) -> Iterator[Fault]:
    """A mistake for each dataset whose licence a profile does not allow, with the repos that link to it."""
    if profile.licences is None:
        return
    allow = profile.licences.allow
    for dataset, card in cards.items():
        if not is_allowed(card.licence, allow):
            users = ", ".join(repo for repo, spec in repos.items() if dataset in spec.data.values())
            text = f"the profile {name} allows only {', '.join(allow)}, not {card.licence}; linked by {users}"
            yield Fault(f"{CARDS}/{dataset}.yaml", 0, "licence", text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ManifestError(f"there is no {path.name} here", hint="python3 build.py init", where=path.name) from error
    except OSError as error:
        raise ManifestError(
            f"{path.name} cannot be read: {error.strerror}", hint="name another with --manifest FILE", where=path.name
        ) from error


def _links(document: Document) -> list[tuple[str, Fault]]:
    """Every dataset a raw manifest names, and the mistake it would be if it had no card."""
    found = []
    repos = document.value.get("repos") if isinstance(document.value, dict) else None
    for repo, raw in repos.items() if isinstance(repos, dict) else ():
        links = raw.get("data") if isinstance(raw, dict) else None
        for path, dataset in links.items() if isinstance(links, dict) else ():
            if isinstance(dataset, str):
                found.append((dataset, document.fault(("repos", repo, "data", path), "")))
    return found


def _load_cards(folder: Path, wanted: Iterable[tuple[str, Fault]]) -> tuple[dict[str, Card], list[Fault]]:
    """Load each wanted card once; where there is none, the fault tells which are near."""
    cards: dict[str, Card] = {}
    faults: list[Fault] = []
    there = {path.stem: path for path in sorted((folder / CARDS).glob("*.yaml"))}
    asked: set[str] = set()
    for dataset, fault in wanted:
        if dataset not in there:
            text = f"there is no card {CARDS}/{dataset}.yaml{nearest(dataset, there)}"
            faults.append(replace(fault, text=text))
        elif dataset not in asked:
            asked.add(dataset)
            document = read_document(f"{CARDS}/{dataset}.yaml", _read(there[dataset]))
            card, found = validated(Card, document)
            faults += found
            if card is not None:
                cards[dataset] = card
    return cards, faults
