"""Layers are laid over each other as the OCI image specification says, and cannot reach out of the root."""

import stat
import tarfile
from pathlib import Path

import pytest
from layers import hard_link, layer, member, symlink

from builder.appliance.nodes import Nodes
from builder.appliance.rootfs import read_layers
from builder.digest import Digest
from builder.errors import OutputError
from builder.store.layers import TAR, TAR_GZIP, TAR_ZSTD, Layer
from builder.store.objects import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _read(tmp_path: Path, store: Store, *layers: Layer) -> Nodes:
    return read_layers(layers, store, tmp_path / "scratch")


def _text(nodes: Nodes, path: str) -> bytes:
    source = nodes[path].source
    assert source is not None
    return source.read_bytes()


@pytest.mark.parametrize("media_type", [TAR, TAR_GZIP, TAR_ZSTD])
def test_a_layer_is_read_however_it_is_compressed(tmp_path: Path, store: Store, media_type: str) -> None:
    one = layer(store, [member("./etc"), member("./etc/name", b"x", uid=7, gid=8, mode=0o4750, mtime=99)], media_type)
    node = _read(tmp_path, store, one)["etc/name"]
    assert (node.mode, node.uid, node.gid, node.mtime) == (stat.S_IFREG | 0o4750, 7, 8, 99)


def test_a_later_layer_wins(tmp_path: Path, store: Store) -> None:
    nodes = _read(tmp_path, store, layer(store, [member("a", b"old")]), layer(store, [member("a", b"new")]))
    assert _text(nodes, "a") == b"new"


def test_a_whiteout_hides_a_file_and_a_whole_folder(tmp_path: Path, store: Store) -> None:
    below = layer(store, [member("a/b/c", b"1"), member("a/keep", b"2"), member("a/bc", b"3")])
    above = layer(store, [member("a/.wh.b", b"")])
    assert set(_read(tmp_path, store, below, above)) == {"a", "a/keep", "a/bc"}


def test_an_opaque_folder_hides_what_was_below_and_keeps_what_its_layer_brings(tmp_path: Path, store: Store) -> None:
    below = layer(store, [member("a/old/x", b"1"), member("b", b"2")])
    above = layer(store, [member("a"), member("a/new/y", b"3"), member("a/.wh..wh..opq", b"")])
    assert set(_read(tmp_path, store, below, above)) == {"a", "a/new", "a/new/y", "b"}


def test_a_file_in_place_of_a_folder_leaves_nothing_of_it(tmp_path: Path, store: Store) -> None:
    nodes = _read(tmp_path, store, layer(store, [member("a/b", b"1")]), layer(store, [member("a", b"2")]))
    assert set(nodes) == {"a"}


def test_hard_links_are_one_node(tmp_path: Path, store: Store) -> None:
    nodes = _read(tmp_path, store, layer(store, [member("a", b"1"), hard_link("b", "./a")]))
    assert nodes["a"] is nodes["b"]


def test_a_path_through_a_link_stands_where_the_link_leads(tmp_path: Path, store: Store) -> None:
    below = layer(store, [member("usr/bin"), symlink("bin", "usr/bin"), symlink("out", "../../../usr")])
    nodes = _read(tmp_path, store, below, layer(store, [member("bin/tool", b"1"), member("out/x", b"2")]))
    assert {"usr/bin/tool", "usr/x"} <= set(nodes)
    assert nodes["bin"].target == "usr/bin"


def test_devices_and_pipes_are_left_out(tmp_path: Path, store: Store) -> None:
    kinds = [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    members = [member(f"dev/{number}", b"", type=kind) for number, kind in enumerate(kinds)]
    assert set(_read(tmp_path, store, layer(store, [member("dev"), *members]))) == {"dev"}


def test_capabilities_are_kept(tmp_path: Path, store: Store) -> None:
    fields = {"pax_headers": {"SCHILY.xattr.security.capability": "\x01\x00\x02"}}
    nodes = _read(tmp_path, store, layer(store, [member("ping", b"1", **fields)]))
    assert nodes["ping"].xattrs == (("security.capability", b"\x01\x00\x02"),)


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "a\nb"])
def test_a_name_that_is_no_plain_path_is_refused(tmp_path: Path, store: Store, name: str) -> None:
    with pytest.raises(OutputError, match="not a plain path"):
        _read(tmp_path, store, layer(store, [member(name, b"1")]))


def test_an_absolute_name_stays_inside(tmp_path: Path, store: Store) -> None:
    assert set(_read(tmp_path, store, layer(store, [member("/etc/x", b"1")]))) == {"etc", "etc/x"}


def test_links_without_an_end_are_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(OutputError, match="never end"):
        _read(tmp_path, store, layer(store, [symlink("a", "b"), symlink("b", "a"), member("a/x", b"1")]))


def test_a_hard_link_to_nothing_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(OutputError, match="is no file"):
        _read(tmp_path, store, layer(store, [hard_link("a", "/etc/shadow")]))


def test_a_file_below_a_file_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(OutputError, match="a is not a folder"):
        _read(tmp_path, store, layer(store, [member("a", b"1"), member("a/b", b"2")]))


@pytest.mark.parametrize("media_type", [TAR, TAR_GZIP, TAR_ZSTD])
def test_a_damaged_layer_is_named(tmp_path: Path, store: Store, media_type: str) -> None:
    whole = store.read(layer(store, [member("a", bytes(range(256)) * 50)], media_type).blob.digest)
    cut = store.put_bytes(whole[: len(whole) // 2] if media_type != TAR else whole[:700])
    with pytest.raises(OutputError, match=cut.digest.hex):
        _read(tmp_path, store, Layer(cut, cut.digest, media_type, "cut"))


def test_an_unknown_media_type_is_named(tmp_path: Path, store: Store) -> None:
    blob = store.put_bytes(b"x")
    with pytest.raises(OutputError, match="application/x-lha"):
        _read(tmp_path, store, Layer(blob, Digest.of(b"x"), "application/x-lha", "odd"))
