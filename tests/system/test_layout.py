"""Images on disk are verified to the last byte when they are read, and can be read again when they were written."""

import gzip
import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zstandard

from builder.digest import Digest
from builder.errors import EngineError, IntegrityError, SourceError
from builder.manifest.manifest import Base
from builder.progress import Journal
from builder.sources.source import ONLINE
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.layout import read_layout
from builder.store.objects import Store
from builder.system.base import resolve_base
from builder.system.layout import read_exported, take_layers, write_base
from builder.system.system import System

PACKED = {TAR: lambda data: data, TAR_GZIP: gzip.compress, TAR_ZSTD: zstandard.compress}


def small_tar(name: str = "etc/motd") -> bytes:
    sink = BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = 5, 1_000_000_000
        tar.addfile(member, BytesIO(b"hello"))
    return sink.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def layout(folder: Path, store: Store, media_type: str = TAR_GZIP, **config: Any) -> System:
    plain = small_tar()
    layer = Layer(store.put_bytes(PACKED[media_type](plain)), Digest.of(plain), media_type, "small")
    system = System((layer,), {"Env": ["A=b"], **config}, "key")
    write_base(system, folder, store)
    return system


def resolved(reference: str, folder: Path) -> dict[str, str]:
    return resolve_base(Base(image=reference), folder, None, Journal(), ONLINE, locked=False, update=False)


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()  # the blob may share its bytes with the store
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize("media_type", PACKED)
def test_a_written_base_is_read_again_whatever_packs_its_layers(tmp_path: Path, store: Store, media_type: str) -> None:
    written = layout(tmp_path / "base", store, media_type)
    config, layers = read_layout(tmp_path / "base", None, Store(tmp_path / "other"), note="small")
    assert layers == written.layers
    assert config["config"] == {"Env": ["A=b"]}


def test_an_engines_result_is_read_from_either_form(tmp_path: Path, store: Store) -> None:
    written = layout(tmp_path / "base", store)
    as_archive = read_exported(tmp_path / "base")
    (tmp_path / "base/manifest.json").unlink()
    assert read_exported(tmp_path / "base") == as_archive
    assert [digest for _, digest in as_archive.layers] == [written.layers[0].diff_id]


def test_layers_of_the_base_are_not_taken_twice(tmp_path: Path, store: Store) -> None:
    written = layout(tmp_path / "base", store)
    assert take_layers(read_exported(tmp_path / "base"), written.layers, store, "new", 0) == written.layers


def test_a_result_on_another_base_is_refused(tmp_path: Path, store: Store) -> None:
    layout(tmp_path / "base", store)
    other = Layer(store.put_bytes(b"x"), Digest.of(b"y"), TAR, "other")
    with pytest.raises(EngineError, match="did not build on the base"):
        take_layers(read_exported(tmp_path / "base"), (other,), store, "new", 0)


@pytest.mark.parametrize("media_type", [TAR, TAR_GZIP])
def test_a_damaged_layer_of_an_engine_is_refused_and_not_kept(tmp_path: Path, store: Store, media_type: str) -> None:
    written = layout(tmp_path / "base", store, media_type)
    exported = read_exported(tmp_path / "base")
    plain = small_tar("etc/issue")
    path = exported.layers[0][0]
    path.unlink()
    path.write_bytes(PACKED[media_type](plain))
    fresh = Store(tmp_path / "fresh")
    with pytest.raises(IntegrityError, match=f"expected {written.layers[0].diff_id}"):
        take_layers(exported, (), fresh, "new", 0)
    assert not any((fresh.root / "objects").iterdir())


def test_a_damaged_blob_of_a_base_image_is_refused_and_not_kept(tmp_path: Path, store: Store) -> None:
    written = layout(tmp_path / "base", store)
    damage(tmp_path / "base/blobs/sha256" / written.layers[0].blob.digest.hex)
    fresh = Store(tmp_path / "fresh")
    with pytest.raises(IntegrityError, match=str(written.layers[0].blob.digest)):
        read_layout(tmp_path / "base", None, fresh, note="small")
    assert not any((fresh.root / "objects").iterdir())


def test_a_digest_that_climbs_out_of_the_layout_is_refused(tmp_path: Path, store: Store) -> None:
    layout(tmp_path / "base", store)
    index = json.loads((tmp_path / "base/index.json").read_text())
    index["manifests"][0]["digest"] = "sha256:../../../secret"
    (tmp_path / "base/index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match="not a sha256 digest"):
        read_layout(tmp_path / "base", None, store, note="small")


def test_a_tag_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, store: Store) -> None:
    layout(tmp_path / "base", store)
    with pytest.raises(SourceError, match="workshop-base"):
        resolved("oci:base:latest", tmp_path)


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no OCI layout: it has no index\.json"):
        resolved("oci:nothing", tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"manifests": []}', '{"manifests": [{}, {}]}', "[]"])
def test_an_engines_index_that_is_none_is_refused(tmp_path: Path, store: Store, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(EngineError, match="left no image"):
        read_exported(tmp_path)
