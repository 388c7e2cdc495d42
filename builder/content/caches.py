"""What stands in the libraries' folders: links to the datasets' files, laid out as each library keeps its own."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from builder import places
from builder.content.libraries import LIBRARIES, libraries_of
from builder.errors import ManifestError
from builder.manifest import Card, Hub, Pin
from builder.sources.selection import Selection
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

# The hub's own .gitattributes for new repositories; files of these kinds and large ones are named by their sha256.
_LARGE = (
    "*.7z", "*.arrow", "*.bin", "*.bz2", "*.ckpt", "*.ftz", "*.gz", "*.h5", "*.joblib", "*.lz4", "*.mlmodel", "*.model",
    "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot", "*.parquet", "*.pb", "*.pickle", "*.pkl", "*.pt", "*.pth", "*.rar",
    "*.safetensors", "*.tar", "*.tflite", "*.tgz", "*.wasm", "*.xz", "*.zip", "*.zst", "*tfevents*",
)  # fmt: skip
_LARGE_SIZE = 10 * 2**20


@dataclass(frozen=True)
class _Placed:
    """An entry of the caches, and which dataset it is from."""

    entry: Entry
    dataset: str


def caches_of(
    cards: Mapping[str, Card], trees: Mapping[str, Tree], pins: Mapping[str, Pin], store: Store
) -> dict[str, Tree]:
    """What stands in each library's folder below `caches/`, for those that a card names.

    Raises ManifestError for patterns that fit nothing, and for two datasets that want different files in one place.
    """
    placed: dict[str, _Placed] = {}
    for dataset, card in sorted(cards.items()):
        for entry in _Dataset(dataset, card, trees[dataset], pins[dataset], store).entries():
            before = placed.setdefault(entry.path, _Placed(entry, dataset))
            if _content(before.entry, trees) != _content(entry, trees):
                raise _clash(entry.path, before.dataset, dataset)
    _require_no_file_above(placed)
    found: dict[str, list[Entry]] = {name: [] for name in libraries_of(cards) if not LIBRARIES[name].is_direct}
    for path, one in placed.items():
        library, _, inner = path.partition("/")
        if library in found:
            found[library].append(replace(one.entry, path=inner))
    return {library: Tree.of(entries, origin=f"{places.CACHES}/{library}") for library, entries in found.items()}


@dataclass(frozen=True)
class _Dataset:
    """One dataset's part of the caches."""

    name: str
    card: Card
    tree: Tree
    pin: Pin
    store: Store

    def entries(self) -> Iterator[Entry]:
        caches = self.card.caches
        if caches is None:
            return
        if caches.keras:
            for kind in ("models", "datasets"):
                yield from self._named(f"keras.{kind}", getattr(caches.keras, kind), f"keras/{kind}")
        yield from self._named("torch", caches.torch or (), "torch/hub/checkpoints")
        for library in ("gensim", "nltk", "sklearn", "spacy", "tfds"):
            yield from self._whole(library, getattr(caches, library) or ())
        if caches.huggingface:
            yield from self._snapshot(caches.huggingface)
        if caches.kagglehub:
            version, files = caches.kagglehub.version, caches.kagglehub.files
            base = f"kagglehub/datasets/{caches.kagglehub.dataset}"
            for entry in self._taken("kagglehub.files", files or ("**",)):
                yield self._link(f"{base}/versions/{version}/{entry.path}", entry)
            yield _file(f"{base}/{version}.complete", b"", self.store)

    def _named(self, key: str, patterns: tuple[str, ...], folder: str) -> Iterator[Entry]:
        """Each file under its own name in one folder."""
        for entry in self._taken(key, patterns):
            yield self._link(f"{folder}/{posixpath.basename(entry.path)}", entry)

    def _whole(self, library: str, patterns: tuple[str, ...]) -> Iterator[Entry]:
        """Each file under its path in the dataset."""
        taken, needs, reason = self._taken(library, patterns), LIBRARIES[library].needs, LIBRARIES[library].reason
        if patterns and needs and not any(fnmatchcase(entry.path, needs) for entry in taken):
            raise ManifestError(
                f"datasets/{self.name}.yaml: caches.{library}: none of the files is {needs}: {reason}",
                hint="add it to `files`, or give them their places with `to` or `strip`",
            )
        for entry in taken:
            yield self._link(f"{library}/{entry.path}", entry)

    def _snapshot(self, hub: Hub) -> Iterator[Entry]:
        """The hub's layout: refs name a commit, its snapshot links to blobs, and these here into the data area."""
        commit = hub.revision or self._locked_commit(hub)
        base = f"huggingface/hub/{hub.type}s--{hub.repo.replace('/', '--')}"
        for entry in self._taken("huggingface.files", hub.files or ("**",)):
            if entry.digest is not None:
                blob = f"blobs/{_blob_name(entry, self.store)}"
                yield self._link(f"{base}/{blob}", entry)
                up = "../" * (entry.path.count("/") + 2)
                yield Entry(f"{base}/snapshots/{commit}/{entry.path}", target=f"{up}{blob}")
        asked = {spec.ref for spec in self.card.files if spec.huggingface == hub.repo and hub.revision is None}
        for ref in sorted({hub.ref, *(ref for ref in asked if ref and ref != commit)}):
            yield _file(f"{base}/refs/{ref}", commit.encode(), self.store)

    def _locked_commit(self, hub: Hub) -> str:
        for place, spec in enumerate(self.card.files):
            if spec.huggingface == hub.repo and (commit := self.pin.resolved.get(f"{place}.commit")):
                return commit
        raise ManifestError(
            f"datasets/{self.name}.yaml: caches.huggingface: the lock has no commit for {hub.repo}",
            hint="add `revision`, the 40 hex digits of the commit",
        )

    def _taken(self, key: str, patterns: tuple[str, ...]) -> list[Entry]:
        for pattern in patterns:
            one = Selection((pattern,))
            if not any(one.takes(entry.path) for entry in self.tree.entries):
                some = ", ".join(entry.path for entry in self.tree.entries[:5])
                raise ManifestError(
                    f"datasets/{self.name}.yaml: caches.{key}: no file of the dataset is {pattern}",
                    hint=f"it holds {some}{' …' if len(self.tree.entries) > 5 else ''}",
                )
        chosen = Selection(patterns)
        return [entry for entry in self.tree.entries if patterns and chosen.takes(entry.path)]

    def _link(self, path: str, entry: Entry) -> Entry:
        up = "../" * (path.count("/") + 1)
        return Entry(path, target=f"{up}{places.DATA}/{self.name}/{entry.path}")


def _blob_name(entry: Entry, store: Store) -> str:
    """What the hub calls a file: its sha256 where it is large, else git's name of it."""
    assert entry.digest is not None
    name = posixpath.basename(entry.path)
    if entry.size >= _LARGE_SIZE or any(fnmatchcase(name, pattern) for pattern in _LARGE):
        return entry.digest.hex
    data = store.read(entry.digest)
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _file(path: str, data: bytes, store: Store) -> Entry:
    blob = store.put_bytes(data)
    store.hold(blob)
    return Entry(path, blob.digest, blob.size)


def _content(entry: Entry, trees: Mapping[str, Tree]) -> object:
    """What a program finds at an entry: the same for two links that lead to equal files."""
    head, mark, rest = (entry.target or "").partition(f"{places.DATA}/")
    if not mark or head.strip("./"):
        return entry
    dataset, _, path = rest.partition("/")
    there = trees[dataset].by_path[path]
    return there.digest or entry.target


def _clash(path: str, one: str, other: str) -> ManifestError:
    return ManifestError(
        f"the datasets {one} and {other} have different files for {places.CACHES}/{path}",
        hint=f"take one of them out of `caches` in datasets/{one}.yaml or datasets/{other}.yaml",
    )


def _require_no_file_above(placed: Mapping[str, _Placed]) -> None:
    for path, one in placed.items():
        above = path.rpartition("/")[0]
        while above:
            if above in placed:
                raise _clash(above, placed[above].dataset, one.dataset)
            above = above.rpartition("/")[0]
