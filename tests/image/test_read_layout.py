"""Layouts that others made: each lie in them is found, and named."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from builder.digest import Digest, canonical_json
from builder.errors import BuilderError, IntegrityError, SourceError
from builder.image.oci import Image, write_layout
from builder.image.validate import validate_layout
from builder.store.compress import BLOCK, plain_chunks, put_layer
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD
from builder.store.layout import CONFIG, INDEX, MANIFEST, REF_NAME, read_layout
from builder.store.objects import Store

PLAIN = b"not quite a tar, but layers are bytes here\n" * 1000


class Foreign:
    """A layout written by hand, so that any part of it can be wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layer: dict[str, Any] = self.put(TAR_GZIP, gzip.compress(PLAIN, mtime=0))
        self.config: dict[str, Any] = {"architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"]}}
        self.diff_ids = [str(Digest.of(PLAIN))]
        self.entry: dict[str, Any] = {}
        self.more: list[dict[str, Any]] = []

    def put(self, media_type: str, data: bytes) -> dict[str, Any]:
        path = self.folder / "blobs/sha256" / Digest.of(data).hex
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}

    def write(self) -> Path:
        rootfs = {"type": "layers", "diff_ids": self.diff_ids}
        config = self.put(CONFIG, canonical_json({**self.config, "rootfs": rootfs}))
        manifest = self.put(MANIFEST, canonical_json({"config": config, "layers": [self.layer]}))
        manifests = [{**manifest, "annotations": {REF_NAME: "v1"}, **self.entry}, *self.more]
        (self.folder / "index.json").write_bytes(canonical_json({"manifests": manifests}))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return self.folder


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return Foreign(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("media_type", "pack"),
    [
        (TAR, bytes),
        (TAR_GZIP, lambda data: gzip.compress(data, mtime=0)),
        (TAR_GZIP, lambda data: gzip.compress(data[:5000]) + gzip.compress(data[5000:])),
        (TAR_ZSTD, zstandard.compress),
        (TAR_ZSTD, lambda data: zstandard.compress(data[:5000]) + zstandard.compress(data[5000:])),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress),
        ("application/vnd.docker.image.rootfs.diff.tar", bytes),
    ],
)
def test_every_way_to_pack_a_layer_is_read(
    foreign: Foreign, store: Store, media_type: str, pack: Callable[[bytes], bytes]
) -> None:
    foreign.layer = foreign.put(media_type, pack(PLAIN))
    config, [layer] = read_layout(foreign.write(), "v1", store)
    assert config["config"] == {"Env": ["A=b"]}
    assert b"".join(plain_chunks(store.chunks(layer.blob.digest), layer.media_type)) == PLAIN


def test_the_platform_is_chosen_from_an_index_of_several(foreign: Foreign, store: Store) -> None:
    folder = foreign.write()
    [entry] = json.loads((folder / "index.json").read_bytes())["manifests"]
    del entry["annotations"]
    wanted = {**entry, "platform": {"os": "linux", "architecture": "amd64"}}
    other = {**entry, "digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "arm64"}}
    nested = foreign.put(INDEX, canonical_json({"manifests": [other, wanted]}))
    (folder / "index.json").write_bytes(canonical_json({"manifests": [{**nested, "annotations": {REF_NAME: "v2"}}]}))
    assert read_layout(folder, "v2", store)[1][0].diff_id == Digest.of(PLAIN)
    with pytest.raises(SourceError, match="holds 0 images for s390x"):
        read_layout(folder, None, store, architecture="s390x")


def cut_blob(foreign: Foreign) -> None:
    path = foreign.folder / "blobs/sha256" / foreign.layer["digest"].removeprefix("sha256:")
    path.write_bytes(path.read_bytes()[:-1])


def flip_blob(foreign: Foreign) -> None:
    path = foreign.folder / "blobs/sha256" / foreign.layer["digest"].removeprefix("sha256:")
    path.write_bytes(b"X" + path.read_bytes()[1:])


LIES: dict[str, tuple[Callable[[Foreign], object], type[BuilderError], str]] = {
    "path trick": (lambda it: it.layer.update(digest="sha256:../../../etc/passwd"), SourceError, "not a sha256 digest"),
    "other hash": (lambda it: it.layer.update(digest="sha512:" + "a" * 128), SourceError, "not a sha256 digest"),
    "no digest": (lambda it: it.layer.pop("digest"), SourceError, "not a sha256 digest"),
    "no such blob": (lambda it: it.layer.update(digest="sha256:" + "a" * 64), IntegrityError, "no such blob"),
    "wrong size": (lambda it: it.layer.update(size=7), IntegrityError, r"is \d+ bytes; its descriptor says 7"),
    "no size": (lambda it: it.layer.pop("size"), IntegrityError, "broken descriptor"),
    "cut": (cut_blob, IntegrityError, "its descriptor says"),
    "flipped": (flip_blob, IntegrityError, "expected sha256:.* received sha256:"),
    "diff id": (lambda it: it.diff_ids.__setitem__(0, "sha256:" + "b" * 64), IntegrityError, "expected sha256:bbbb"),
    "count": (lambda it: it.diff_ids.append("sha256:" + "b" * 64), IntegrityError, "names 2 layers and the manifest 1"),
    "layer type": (lambda it: it.layer.update(mediaType="text/plain"), SourceError, "media type 'text/plain'"),
    "encrypted": (lambda it: it.layer.update(mediaType=f"{TAR_GZIP}+encrypted"), SourceError, "media type"),
    "entry type": (lambda it: it.entry.update(mediaType="text/plain"), SourceError, "which is not an image"),
    "arm64": (lambda it: it.config.update(architecture="arm64"), SourceError, "is for linux/arm64; linux/amd64"),
    "windows": (lambda it: it.config.update(os="windows"), SourceError, "is for windows/amd64"),
    "not gzip": (lambda it: it.__setattr__("layer", it.put(TAR_GZIP, PLAIN)), IntegrityError, "is damaged"),
    "cut gzip": (
        lambda it: it.__setattr__("layer", it.put(TAR_GZIP, gzip.compress(PLAIN)[:-9])), IntegrityError, "is cut short",
    ),
    "other tag": (lambda it: it.entry.update(annotations={REF_NAME: "v9"}), SourceError, "holds 0 images for the tag"),
    "two of a tag": (
        lambda it: it.more.append({"mediaType": MANIFEST, "digest": "x", "size": 1, "annotations": {REF_NAME: "v1"}}),
        SourceError, "holds 2 images for the tag 'v1'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_layout_that_lies_is_refused(foreign: Foreign, store: Store, lie: str) -> None:
    tell, error, words = LIES[lie]
    tell(foreign)
    with pytest.raises(error, match=words):
        read_layout(foreign.write(), "v1", store)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "is not an OCI image layout"), ("{", "is not JSON"), ("[]", "is not a JSON object")],
)
def test_a_folder_without_a_readable_index_is_refused(
    tmp_path: Path, store: Store, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "index.json").write_text(text)
    with pytest.raises(SourceError, match=words):
        read_layout(tmp_path, None, store)


def test_a_manifest_that_holds_itself_ends(foreign: Foreign, store: Store) -> None:
    inner = foreign.put(INDEX, canonical_json({"manifests": []}))
    for _ in range(9):
        inner = foreign.put(INDEX, canonical_json({"manifests": [inner]}))
    foreign.write()
    (foreign.folder / "index.json").write_bytes(canonical_json({"manifests": [inner]}))
    with pytest.raises(SourceError, match="which is not an image"):
        read_layout(foreign.folder, None, store)


def test_bytes_do_not_depend_on_how_they_were_handed_over(store: Store) -> None:
    data = random.Random(4).randbytes(BLOCK) + b"text " * (BLOCK // 2)
    whole = put_layer([data], store, note="x")
    for size in (1000, 65_536, BLOCK, BLOCK + 1):
        assert put_layer((data[at : at + size] for at in range(0, len(data), size)), store, note="x") == whole
    assert gzip.decompress(store.read(whole.blob.digest)) == data


def test_a_stream_that_fails_half_way_leaves_nothing(store: Store) -> None:
    def broken():
        yield b"a" * (5 * BLOCK)
        raise SourceError("the source went away")

    for packed in (True, False):
        with pytest.raises(SourceError, match="went away"):
            put_layer(broken(), store, note="x", packed=packed)
    assert not list((store.root / "scratch").iterdir())
    assert not [path for path in (store.root / "objects").rglob("*") if path.is_file()]


def test_every_fault_of_a_layout_is_told_at_once(tmp_path: Path, image: Image, store: Store) -> None:
    out = tmp_path / "out"
    write_layout(image, out, store)
    first, second = (out / "blobs/sha256" / layer.blob.digest.hex for layer in image.layers)
    first.unlink()
    second.unlink()
    second.write_bytes(b"other")
    (out / "blobs/sha256/stray").write_bytes(b"")
    with pytest.raises(BuilderError) as told:
        validate_layout(out)
    message = told.value.message
    assert f"{image.layers[0].blob.digest}: missing" in message
    assert f"{image.layers[1].blob.digest}: 5 bytes, not" in message
    assert "stray: nothing refers to it" in message


def test_a_config_that_names_other_tars_is_a_fault(foreign: Foreign) -> None:
    foreign.diff_ids = ["sha256:" + "b" * 64]
    folder = foreign.write()
    with pytest.raises(BuilderError, match=f"its tar is {Digest.of(PLAIN)}, not sha256:bbbb"):
        validate_layout(folder)
