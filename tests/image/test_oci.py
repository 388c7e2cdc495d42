"""The OCI layout: valid at any moment, quick when nothing changed, and read back only when every byte is right."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from images import random_bytes, runtime

from builder.errors import OutputError
from builder.image.config import Runtime
from builder.image.layer import content_layer
from builder.image.oci import Image, compose, write_layout
from builder.image.validate import validate_layout
from builder.store.layers import Layer
from builder.store.layout import read_layout
from builder.store.objects import Store


def state(folder: Path) -> dict[str, tuple[int, int]]:
    found = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def test_a_written_layout_is_valid_and_read_back_as_it_was(tmp_path: Path, image: Image, store: Store) -> None:
    manifest = write_layout(image, tmp_path / "out", store, "2026.11")
    validate_layout(tmp_path / "out")
    config, layers = read_layout(tmp_path / "out", "2026.11", Store(tmp_path / "other"))
    assert manifest == image.manifest
    assert config == json.loads(store.read(image.config.digest))
    assert [(layer.blob, layer.diff_id, layer.media_type) for layer in layers] == [
        (layer.blob, layer.diff_id, layer.media_type) for layer in image.layers
    ]


def test_the_same_image_gives_the_same_files_anywhere(tmp_path: Path, image: Image, store: Store) -> None:
    for name in ("one", "two"):
        write_layout(image, tmp_path / name, store)
    assert subprocess.run(["diff", "-r", tmp_path / "one", tmp_path / "two"], check=False).returncode == 0


def test_nothing_changed_writes_nothing(tmp_path: Path, image: Image, store: Store) -> None:
    write_layout(image, tmp_path / "out", store)
    before = state(tmp_path / "out")
    write_layout(image, tmp_path / "out", store)
    assert state(tmp_path / "out") == before


def test_a_new_image_takes_the_place_of_the_old_and_shares_its_blobs(
    tmp_path: Path, image: Image, store: Store, make_tree
) -> None:
    write_layout(image, tmp_path / "out", store)
    more = content_layer(make_tree({"c": b"c"}), "srv/workshop/data/three", store, note="dataset three")
    after = compose([image.layers[0], more], runtime(), store)
    write_layout(after, tmp_path / "out", store)
    validate_layout(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out/blobs/sha256").iterdir()}
    assert names == {blob.digest.hex for blob in (*after.blobs, after.manifest)}


@pytest.mark.parametrize("harm", ["cut", "gone", "index"])
def test_a_damaged_layout_is_mended(tmp_path: Path, image: Image, store: Store, harm: str) -> None:
    out = tmp_path / "out"
    write_layout(image, out, store)
    victim = out / "index.json" if harm == "index" else out / "blobs/sha256" / image.layers[0].blob.digest.hex
    victim.unlink()
    if harm == "cut":
        victim.write_bytes(b"half")
    write_layout(image, out, store)
    validate_layout(out)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path, image: Image, store: Store) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="holds something else"):
        write_layout(image, tmp_path, store)
    assert not (tmp_path / "blobs").exists()
    with pytest.raises(OutputError, match="is a file"):
        write_layout(image, tmp_path / "thesis.txt", store)


@pytest.mark.parametrize("tag", ["", "a b", "x:y", "-x", "ä", "x" * 129])
def test_a_tag_nobody_could_use_is_refused(tmp_path: Path, image: Image, store: Store, tag: str) -> None:
    with pytest.raises(OutputError, match="cannot be an image's tag"):
        write_layout(image, tmp_path / "out", store, tag)


WRITER = """
import sys
from pathlib import Path
from builder import files
from builder.image import oci
from builder.store.layers import Layer
from builder.store.objects import Store
import json, os

def stop(frame, event, argument):
    if event == "line" and frame.f_code.co_filename in (oci.__file__, files.__file__):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
    return stop

root, which, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store(root / "store")
layers = [Layer.from_json(raw) for raw in json.loads((root / which).read_text())]
image = oci.compose(layers, oci.Runtime(), store)
sys.settrace(stop)
oci.write_layout(image, root / "out", store)
sys.settrace(None)
print(image.manifest.digest)
"""


def test_killed_at_any_line_the_layout_is_the_old_or_the_new_one(tmp_path: Path, make_tree, store: Store) -> None:
    """Every tenth line of writing is a place to die; the next run finishes from there."""
    places = ("old", "new")
    for name in places:
        tree = make_tree({f"{name}.bin": random_bytes(3000, len(name)), "text": name.encode() * 3000})
        layers = [content_layer(tree, f"srv/workshop/data/{name}", store, note=name)]
        (tmp_path / name).write_text(json.dumps([layer.to_json() for layer in layers]))

    def write(which: str, lines: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", WRITER, str(tmp_path), which, str(lines)]
        return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})

    old = write("old", -1).stdout.strip()
    deaths, lines = 0, 5
    while True:
        shutil.rmtree(tmp_path / "out")
        write("old", -1)
        done = write("new", lines)
        index = json.loads((tmp_path / "out/index.json").read_bytes())
        if done.returncode == 0:
            new = done.stdout.strip()
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        deaths += 1
        named = {entry["digest"] for entry in index["manifests"]}
        assert len(named) == 1
        read_layout(tmp_path / "out", "latest", Store(tmp_path / f"read{lines}"))
        finished = write("new", -1)
        assert finished.returncode == 0, finished.stderr
        validate_layout(tmp_path / "out")
        assert not list((tmp_path / "out").rglob(".*"))
        lines += 10
    assert deaths >= 10 and old != new


def test_more_layers_than_engines_take_are_refused(store: Store, layers: tuple[Layer, ...]) -> None:
    compose([layers[0]] * 127, Runtime(), store)
    with pytest.raises(OutputError, match="would have 128 layers; engines take 127"):
        compose([layers[0]] * 128, Runtime(), store)
