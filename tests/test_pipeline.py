"""From one lock, in another folder and with another store: the same tree, and the same bytes in every layer of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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
