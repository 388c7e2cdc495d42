"""The archive for `docker load`: the same blobs as the layout, the same bytes each time, whole or not there."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from docker.auth import INDEX_NAME
from images import runtime

from builder.digest import Digest
from builder.errors import OutputError, StoreError
from builder.image.archive import normal_name, write_archive
from builder.image.oci import Image, compose
from builder.store.layers import TAR_ZSTD, Layer
from builder.store.objects import Store

TAGS = ["digits:2026.11", "digits:latest"]


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        infos = archive.getmembers()
        assert len({info.name for info in infos}) == len(infos)
        return {info.name: archive.extractfile(info).read() for info in infos if info.isfile()}


def test_every_blob_stands_in_it_once_under_its_digest(tmp_path: Path, image: Image, store: Store) -> None:
    twice = compose([*image.layers, image.layers[0]], runtime(), store)
    blob = write_archive(twice, tmp_path / "image.tar", store, TAGS)
    found = read(tmp_path / "image.tar")
    [loaded] = json.loads(found["manifest.json"])
    assert loaded["RepoTags"] == TAGS
    config = json.loads(found[loaded["Config"]])
    assert len(loaded["Layers"]) == len(config["rootfs"]["diff_ids"]) == 3
    for name, data in found.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    for entry in json.loads(found["index.json"])["manifests"]:
        manifest = json.loads(found[f"blobs/sha256/{entry['digest'].removeprefix('sha256:')}"])
        parts = [manifest["config"], *manifest["layers"]]
        assert [f"blobs/sha256/{part['digest'].removeprefix('sha256:')}" for part in parts] == [
            loaded["Config"], *loaded["Layers"],
        ]  # fmt: skip
        assert [part["size"] for part in parts] == [len(found[name]) for name in [loaded["Config"], *loaded["Layers"]]]
    assert blob.digest == Digest.of((tmp_path / "image.tar").read_bytes())
    assert blob.size == (tmp_path / "image.tar").stat().st_size


def test_the_same_image_gives_the_same_archive_anywhere(tmp_path: Path, image: Image, store: Store) -> None:
    one = write_archive(image, tmp_path / "a/one.tar", store, TAGS)
    two = write_archive(image, tmp_path / "b/two.tar", store, TAGS)
    assert one == two
    assert (tmp_path / "a/one.tar").read_bytes() == (tmp_path / "b/two.tar").read_bytes()


def test_an_unchanged_archive_is_not_written_again(tmp_path: Path, image: Image, store: Store) -> None:
    path = tmp_path / "image.tar"
    first = write_archive(image, path, store, TAGS)
    inode = path.stat().st_ino
    assert write_archive(image, path, store, TAGS) == first
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("change", ["bytes", "gone", "tags", "image"])
def test_a_changed_archive_is_written_again(tmp_path: Path, image: Image, store: Store, change: str) -> None:
    path, tags = tmp_path / "image.tar", TAGS
    write_archive(image, path, store, tags)
    wanted = write_archive(image, tmp_path / "wanted.tar", store, tags)
    if change == "bytes":
        path.write_bytes(b"other")
    elif change == "gone":
        path.unlink()
    elif change == "tags":
        tags = ["other:1"]
    else:
        image = compose(image.layers[:1], runtime(), store)
    blob = write_archive(image, path, store, tags)
    assert blob.digest == Digest.of(path.read_bytes())
    assert (blob == wanted) == (change in ("bytes", "gone"))


def test_a_write_that_fails_half_way_keeps_the_old_archive(tmp_path: Path, image: Image, store: Store) -> None:
    path = tmp_path / "out" / "image.tar"
    write_archive(image, path, store, TAGS)
    before = path.read_bytes()
    after = compose(image.layers[::-1], runtime(), store)
    store.path(image.layers[0].blob.digest).unlink()
    with pytest.raises(StoreError, match="is not in the store"):
        write_archive(after, path, store, TAGS)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["image.tar"]


KILLED = """
import os, signal, sys
from pathlib import Path
from builder.files import whole_file

with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half" * 100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_write_keeps_the_old_archive_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(b"old")
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-c", KILLED, path], env=env, check=False)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["image.tar"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, image: Image, store: Store) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(StoreError, match="no space left while writing in"):
            write_archive(image, small / "image.tar", store, TAGS)
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("tags", [[], ["Digits:1"], ["digits"], ["digits:1", "../x:1"], ["a b:1"], ["x:"], [":1"]])
def test_names_engines_would_refuse_are_refused(tmp_path: Path, image: Image, store: Store, tags: list[str]) -> None:
    with pytest.raises(OutputError, match="name"):
        write_archive(image, tmp_path / "image.tar", store, tags)
    assert not (tmp_path / "image.tar").exists()


@pytest.mark.parametrize("tag", ["localhost/digits:1", "registry.test:5000/digits:1", "registry.test/a/b:1"])
def test_a_name_with_a_host_is_already_spelled_out(tag: str) -> None:
    assert normal_name(tag) == tag


@pytest.mark.parametrize(("tag", "rest"), [("digits:1", "/library/digits:1"), ("team/digits:1", "/team/digits:1")])
def test_a_short_name_gets_the_host_engines_would_add(tag: str, rest: str) -> None:
    assert normal_name(tag) == INDEX_NAME + rest


def test_zstd_layers_are_refused(tmp_path: Path, image: Image, store: Store) -> None:
    layer = Layer(image.layers[0].blob, image.layers[0].diff_id, TAR_ZSTD, "dataset one")
    with pytest.raises(OutputError, match=r"'dataset one' is .*zstd"):
        write_archive(compose([layer], runtime(), store), tmp_path / "image.tar", store, TAGS)
