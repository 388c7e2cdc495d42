"""Where each library finds a dataset's files: the folders it keeps of its own, as links into the data area."""

from __future__ import annotations

import hashlib
import posixpath
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from builder.appliance.nodes import CONTENT_FOLDER, content_nodes
from builder.content.caches import caches_of
from builder.content.layout import Content, is_written
from builder.content.libraries import LIBRARIES, environment_script, home_links, libraries_of, variables
from builder.content.tree import lay_out
from builder.digest import Digest
from builder.errors import ManifestError
from builder.manifest import Caches, Card, Pin
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = {"repo": "owner/name", "type": "model", "revision": COMMIT}
FILES = {
    "weights/vgg.h5": b"weights",
    "mnist.npz": b"digits",
    "config.json": b"{}",
    "corpora/words/en": b"a\nb\n",
    "mnist/3.0.1/dataset_info.json": b"{}",
    "en_model-1.dist-info/METADATA": b"Name: en_model",
    "en_model/__init__.py": b"",
    "information.json": b"{}",
    "glove/__init__.py": b"def load_data(): pass",
}
DIRECT = {"nltk": "corpora", "spacy": "en_model*"}


class Shelf:
    """Datasets by name, in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cards: dict[str, Card] = {}
        self.trees: dict[str, Tree] = {}
        self.pins: dict[str, Pin] = {}

    def add(
        self,
        name: str,
        caches: Mapping[str, Any] | None,
        files: Mapping[str, bytes] = FILES,
        resolved: Mapping[str, str] = MappingProxyType({}),
        **where: str,
    ) -> None:
        said = {"title": name, "licence": "MIT", "files": [{"huggingface": "owner/name", "type": "model", **where}]}
        self.cards[name] = Card.model_validate({**said, "caches": caches} if caches else said)
        blobs = {path: self.store.put_bytes(data) for path, data in files.items()}
        tree = Tree.of(Entry(path, blob.digest, blob.size) for path, blob in blobs.items())
        self.trees[name] = tree
        self.pins[name] = Pin(kind="files", inputs="", resolved=resolved, tree=tree.digest, files=1, bytes=1)

    @property
    def content(self) -> Content:
        page = self.store.read(self.store.put_bytes(b"page").digest)
        caches = caches_of(self.cards, self.trees, self.pins, self.store)
        return Content({}, self.trees, page, caches, environment_script(self.cards))

    def tree(self) -> Tree:
        """All caches as one tree."""
        found = self.content.caches.items()
        return Tree.of(replace(entry, path=f"{name}/{entry.path}") for name, tree in found for entry in tree.entries)

    def laid_out(self, folder: Path) -> Path:
        lay_out(self.content, folder, self.store)
        return folder / "caches"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(Store(tmp_path / "store"))


PLACES = {
    "keras": ({"models": "weights/*.h5", "datasets": "mnist.npz"}, {"keras/models/vgg.h5": "weights/vgg.h5"}),
    "torch": ("weights", {"torch/hub/checkpoints/vgg.h5": "weights/vgg.h5"}),
    "sklearn": ("mnist.npz", {"sklearn/mnist.npz": "mnist.npz"}),
    "tfds": ("mnist", {"tfds/mnist/3.0.1/dataset_info.json": "mnist/3.0.1/dataset_info.json"}),
    "gensim": (["information.json", "glove"], {"gensim/glove/__init__.py": "glove/__init__.py"}),
    "kagglehub": ({"dataset": "o/n", "version": 3}, {"kagglehub/datasets/o/n/versions/3/mnist.npz": "mnist.npz"}),
    "huggingface": (HUB, {f"huggingface/hub/models--owner--name/snapshots/{COMMIT}/config.json": "config.json"}),
}


def test_every_library_a_card_can_name_is_tried_and_has_its_variable() -> None:
    assert {*PLACES, *DIRECT} == set(LIBRARIES) == set(Caches.model_fields)
    assert len({library.variable for library in LIBRARIES.values()}) == len(LIBRARIES)


@pytest.mark.parametrize("library", PLACES)
def test_files_stand_where_the_library_looks(shelf: Shelf, tmp_path: Path, library: str) -> None:
    said, expected = PLACES[library]
    shelf.add("words", {library: said})
    caches = shelf.laid_out(tmp_path / "tree")
    for place, path in expected.items():
        assert (caches / place).read_bytes() == FILES[path]
        assert (caches / place).resolve() == tmp_path / "tree/data/words" / path
    links = [path for path in caches.rglob("*") if path.is_symlink()]
    assert links and all(path.exists() and not path.readlink().is_absolute() for path in links)


@pytest.mark.parametrize("library", PLACES)
def test_the_guest_is_told_where_to_look(shelf: Shelf, library: str) -> None:
    shelf.add("words", {library: PLACES[library][0]})
    assert variables(shelf.cards) == {LIBRARIES[library].variable: f"/srv/workshop/caches/{library}"}
    assert home_links(shelf.cards).entries
    for entry in home_links(shelf.cards).entries:
        assert entry.target == f"/srv/workshop/caches/{library}"


@pytest.mark.parametrize("library", DIRECT)
def test_a_library_that_follows_no_links_is_led_to_the_datasets_themselves(shelf: Shelf, library: str) -> None:
    shelf.add("words", {library: DIRECT[library]})
    shelf.add("more", {library: DIRECT[library]})
    assert variables(shelf.cards) == {LIBRARIES[library].variable: "/srv/workshop/data/more:/srv/workshop/data/words"}
    assert not shelf.content.caches and not home_links(shelf.cards).entries
    shelf.add("other", {library: DIRECT[library]}, {path: data + b"!" for path, data in FILES.items()})
    with pytest.raises(ManifestError, match="the datasets more and other have different files for"):
        _ = shelf.content


def test_what_a_library_writes_to_is_the_attendee_s_and_what_it_must_trust_is_root_s(shelf: Shelf) -> None:
    shelf.add("words", {"keras": {"models": "weights"}, "sklearn": "mnist.npz"})
    written = {folder: is_written(folder) for folder in [*shelf.content.folders(), "repos/lab"]}
    assert written == {"data/words": False, "caches/keras": True, "caches/sklearn": False, "repos/lab": True}
    nodes = content_nodes(shelf.content, Path("page"), shelf.store)
    for library, expected in (("keras", (0o775, 1000, 100)), ("sklearn", (0o755, 0, 0))):
        node = nodes[f"{CONTENT_FOLDER}/caches/{library}"]
        assert (node.mode & 0o777, node.uid, node.gid) == expected
    assert nodes[f"{CONTENT_FOLDER}/caches"].is_folder


def test_a_workshop_without_caches_has_none(shelf: Shelf) -> None:
    shelf.add("words", None)
    assert not shelf.content.caches and list(shelf.content.folders()) == ["data/words"]
    assert libraries_of(shelf.cards) == [] and variables(shelf.cards) == {} and home_links(shelf.cards) == Tree(())
    assert shelf.content.environment == b""


def test_the_hub_s_layout_has_refs_snapshots_and_blobs_by_the_names_it_gives_them(shelf: Shelf) -> None:
    shelf.add("words", {"huggingface": {**HUB, "ref": "v1.0"}}, {"deep/model.bin": b"large", "config.json": b"{}"})
    base = "huggingface/hub/models--owner--name"
    found = shelf.tree().by_path
    ref = found[f"{base}/refs/v1.0"]
    assert ref.digest and shelf.store.read(ref.digest) == COMMIT.encode()
    large, small = hashlib.sha256(b"large").hexdigest(), hashlib.sha1(b"blob 2\0{}").hexdigest()
    assert found[f"{base}/snapshots/{COMMIT}/deep/model.bin"].target == f"../../../blobs/{large}"
    assert found[f"{base}/snapshots/{COMMIT}/config.json"].target == f"../../blobs/{small}"
    for entry in (entry for entry in found.values() if "/blobs/" in entry.path):
        target = posixpath.normpath(posixpath.join("caches", posixpath.dirname(entry.path), entry.target or ""))
        assert target in ("data/words/deep/model.bin", "data/words/config.json")


def test_the_hub_s_commit_is_the_locked_one_where_the_card_names_none(shelf: Shelf) -> None:
    shelf.add("words", {"huggingface": {"repo": "owner/name", "type": "model"}}, resolved={"0.commit": COMMIT})
    assert any(f"/snapshots/{COMMIT}/" in path for path in shelf.tree().by_path)


def test_the_hub_s_snapshot_is_known_as_the_branch_or_tag_that_the_files_are_from_too(shelf: Shelf) -> None:
    shelf.add(
        "words", {"huggingface": {"repo": "owner/name", "type": "model"}}, resolved={"0.commit": COMMIT}, ref="v1"
    )
    refs = {path.rpartition("/")[2] for path in shelf.tree().by_path if "/refs/" in path}
    assert refs == {"main", "v1"}


def test_a_lock_without_the_hub_s_commit_is_told(shelf: Shelf) -> None:
    shelf.add("words", {"huggingface": {"repo": "owner/name", "type": "model"}})
    with pytest.raises(ManifestError, match="the lock has no commit for owner/name"):
        shelf.tree()


def test_the_marker_of_kagglehub_says_that_the_version_is_complete(shelf: Shelf) -> None:
    shelf.add("words", {"kagglehub": {"dataset": "o/n", "version": 3, "files": "mnist.npz"}})
    assert shelf.tree().by_path["kagglehub/datasets/o/n/3.complete"].size == 0


@pytest.mark.parametrize(
    ("caches", "says"),
    [
        ({"torch": "*.pth"}, r"datasets/words.yaml: caches.torch: no file of the dataset is \*.pth"),
        ({"keras": {"models": ["weights", "vgg.h5"]}}, "caches.keras.models: no file of the dataset is vgg.h5"),
        ({"nltk": "mnist.npz"}, "caches.nltk: none of the files is .*: it looks for corpora/…"),
        ({"tfds": "corpora"}, "caches.tfds: none of the files is .*dataset_info.json"),
        ({"spacy": "en_model"}, "caches.spacy: none of the files is .*METADATA: it looks for an installed package"),
        ({"gensim": "glove"}, "caches.gensim: none of the files is information.json"),
        ({"huggingface": {**HUB, "files": "a"}}, "caches.huggingface.files: no file of the dataset is a"),
    ],
)
def test_patterns_that_fit_nothing_useful_are_told(shelf: Shelf, caches: Mapping[str, Any], says: str) -> None:
    shelf.add("words", caches)
    with pytest.raises(ManifestError, match=says):
        shelf.tree()


def test_two_datasets_with_different_files_for_one_place_are_told_with_both_names(shelf: Shelf) -> None:
    shelf.add("one", {"torch": "a.pth"}, {"a.pth": b"one"})
    shelf.add("two", {"torch": "a.pth"}, {"a.pth": b"two"})
    with pytest.raises(ManifestError, match=r"datasets one and two have different files for caches/torch/hub/check"):
        shelf.tree()


def test_two_datasets_with_the_same_file_share_its_place(shelf: Shelf) -> None:
    shelf.add("one", {"torch": "a.pth"}, {"a.pth": b"same"})
    shelf.add("two", {"torch": "sub"}, {"sub/a.pth": b"same"})
    assert shelf.tree().by_path["torch/hub/checkpoints/a.pth"].target == "../../../../data/one/a.pth"


def test_a_file_where_another_dataset_needs_a_folder_is_told_with_both_names(shelf: Shelf) -> None:
    shelf.add("one", {"sklearn": "a"}, {"a": b"file"})
    shelf.add("two", {"sklearn": "a"}, {"a/b": b"folder"})
    with pytest.raises(ManifestError, match=r"one and two have different files for caches/sklearn/a"):
        shelf.tree()


def test_equal_files_under_one_name_within_a_dataset_are_no_mistake(shelf: Shelf) -> None:
    shelf.add("one", {"torch": "**"}, {"a/x.pth": b"same", "b/x.pth": b"same"})
    assert "torch/hub/checkpoints/x.pth" in shelf.tree().by_path


def test_in_a_local_tree_a_script_tells_the_shell(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add("words", {"keras": {"models": "weights"}})
    caches = shelf.laid_out(tmp_path / "a tree")
    said = 'set -eu; . ./environment.sh; printf %s "$KERAS_HOME:$HF_HUB_OFFLINE"; cat "$KERAS_HOME/models/vgg.h5"'
    ran = subprocess.run(["sh", "-c", said], cwd=caches.parent, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{caches}/keras:1weights"


def test_the_same_workshop_gives_the_same_caches(shelf: Shelf, tmp_path: Path) -> None:
    other = Shelf(Store(tmp_path / "another store"))
    for one in (shelf, other):
        one.add("words", {library: said for library, (said, _) in PLACES.items()})
    assert shelf.tree().digest == other.tree().digest
    assert isinstance(shelf.tree().digest, Digest)
