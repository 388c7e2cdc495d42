"""What goes into an image; and from one lock, elsewhere: the same tree, the same bytes in every layer of ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from contents import Member, members_of

from builder.content.layout import places_of
from builder.image.oci import Image
from builder.pipeline import image_of
from builder.preparation import Job, Prepared, prepared
from builder.progress import Journal
from builder.store.objects import Store
from builder.system.system import System

ROOT = Path(__file__).parents[1]
NO_SYSTEM = System((), {}, "")


def checked_out(folder: Path) -> Path:
    """A copy of the default workshop, without anything built."""
    for name in ("examples", "datasets"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("manifest.yaml", "manifest.lock"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder / "manifest.yaml"


def made(folder: Path) -> tuple[Prepared, Image]:
    """The default workshop prepared in a folder with a store of its own, and its image without a system below."""
    manifest = checked_out(folder)
    job = Job(manifest, None, Store(folder / "store"), Journal(), locked=True)
    ready = prepared(job)
    return ready, image_of(ready.choice, ready.content, NO_SYSTEM, job.store, job.journal)


CARD = """\
title: Weights
licence: MIT OR Apache-2.0
citation: Someone, 2020
files: [{file: weights}]
caches: {keras: {models: net.h5}, sklearn: table.pkz}
"""
MANIFEST = """\
workshop: demo
base: {debian: bookworm}
repos: {lab: {path: lab, data: {data/weights: weights, words: words}}}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The manifest of a workshop with a repo and two datasets, one of them for libraries."""
    files = {"weights/net.h5": "net", "weights/table.pkz": "table", "words/words.txt": "a", "lab/a.py": ""}
    files |= {"datasets/weights.yaml": CARD, "manifest.yaml": MANIFEST}
    files |= {"datasets/words.yaml": "title: Words\nlicence: CC0-1.0\nfiles: [{file: words}]\n"}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path / "manifest.yaml"


def config_of(manifest: Path) -> tuple[dict[str, Any], dict[str, Member], list[str]]:
    """An image's configuration, what its layers hold, and their notes."""
    job = Job(manifest, None, Store(manifest.parent / "store"), Journal())
    ready = prepared(job)
    image = image_of(ready.choice, ready.content, NO_SYSTEM, job.store, job.journal)
    config = json.loads(job.store.read(image.config.digest))["config"]
    return config, members_of(image.layers, job.store), [layer.note for layer in image.layers]


def test_the_image_s_labels_say_the_licence_and_citation_of_each_dataset(small: Path) -> None:
    labels = config_of(small)[0]["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "CC0-1.0 AND (MIT OR Apache-2.0)"
    assert labels["workshop.dataset.weights.licence"] == "MIT OR Apache-2.0"
    assert labels["workshop.dataset.weights.citation"] == "Someone, 2020"
    assert labels["workshop.dataset.words.licence"] == "CC0-1.0"
    assert "workshop.dataset.words.citation" not in labels


def test_libraries_are_told_where_to_look_and_find_links_to_the_data_there(small: Path) -> None:
    config, members, notes = config_of(small)
    told = "KERAS_HOME=/srv/workshop/caches/keras"
    assert told in config["Env"] and told in members["etc/workshop/environment"].data.decode().splitlines()
    links = {path: member.info.linkname for path, member in members.items() if member.info.issym()}
    assert links["srv/workshop/caches/keras/models/net.h5"] == "../../../data/weights/net.h5"
    assert links["home/workshop/.keras"] == "/srv/workshop/caches/keras"
    for library, expected in (("keras", (0o775, 1000, 100)), ("sklearn", (0o755, 0, 0))):
        info = members[f"srv/workshop/caches/{library}"].info
        assert (info.mode, info.uid, info.gid) == expected
    assert notes == [
        "dataset weights", "dataset words", "cache keras", "cache sklearn", "repo lab", "originals",
        "links in the home", "settings and landing page",
    ]  # fmt: skip


def test_a_workshop_without_caches_has_no_trace_of_them(small: Path) -> None:
    (small.parent / "datasets/weights.yaml").write_text(CARD[: CARD.index("caches")])
    config, members, notes = config_of(small)
    assert not [path for path in members if "caches" in path or path.startswith("home/")]
    assert len(notes) == 5 and not any("KERAS" in one for one in config["Env"])


@pytest.mark.slow
def test_two_folders_give_the_same_tree_and_the_same_layers(tmp_path: Path) -> None:
    (one, first), (two, second) = made(tmp_path / "one"), made(tmp_path / "another place")
    assert places_of(one.content) == places_of(two.content)
    assert [layer.blob for layer in first.layers] == [layer.blob for layer in second.layers]
    assert first.manifest == second.manifest


@pytest.mark.slow
def test_a_data_layer_is_the_same_whichever_repos_are_chosen(tmp_path: Path) -> None:
    manifest = checked_out(tmp_path)
    store, digests = Store(tmp_path / "store"), []
    for profile in ("default", "small"):
        job = Job(manifest, profile, store, Journal())
        ready = prepared(job)
        image = image_of(ready.choice, ready.content, NO_SYSTEM, store, job.journal)
        digests.append({layer.note: layer.blob for layer in image.layers})
    assert "repo transfer" not in digests[1]
    assert digests[0]["dataset fashion-mnist"] == digests[1]["dataset fashion-mnist"]
