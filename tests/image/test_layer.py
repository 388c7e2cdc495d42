"""Layers of content: the tar says what the tree says, and the same tree gives the same bytes."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import random_bytes

from builder import places
from builder.digest import Digest
from builder.errors import StoreError
from builder.image.layer import content_layer, files_layer
from builder.store.compress import plain_chunks
from builder.store.layers import TAR, TAR_GZIP, Layer
from builder.store.objects import Store
from builder.store.trees import Entry, Tree

PREFIX = "srv/workshop/data/set"


def plain(layer: Layer, store: Store) -> bytes:
    return b"".join(plain_chunks(store.chunks(layer.blob.digest), layer.media_type))


def members(layer: Layer, store: Store) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(plain(layer, store))) as archive:
        listed = archive.getmembers()
    assert len({info.name for info in listed}) == len(listed)
    return {info.name: info for info in listed}


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=12).map("/".join)
contents = st.one_of(st.binary(max_size=3000).map(lambda data: (data, False)), st.just((b"x" * 700, True)), names)


def without_collisions(found: dict[str, object]) -> dict[str, object]:
    return {path: it for path, it in found.items() if not any(other.startswith(f"{path}/") for other in found)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.dictionaries(paths, contents, max_size=12).map(without_collisions), writable=st.booleans())
def test_any_tree_comes_back_from_its_tar(store: Store, found: dict, writable: bool) -> None:
    entries = []
    for path, it in found.items():
        if isinstance(it, str):
            entries.append(Entry(path, target=it))
        else:
            entries.append(Entry(path, store.put_bytes(it[0]).digest, len(it[0]), it[1]))
    tree = Tree.of(entries)
    layer = content_layer(tree, PREFIX, store, uid=7, gid=8, writable=writable, note="any")
    data = plain(layer, store)
    assert Digest.of(data) == layer.diff_id
    read = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            assert info.mtime == places.EPOCH and info.uname == info.gname == ""
            path = info.name.removeprefix(f"{PREFIX}/")
            if info.issym():
                read.append(Entry(path, target=info.linkname))
            elif info.isfile():
                file = archive.extractfile(info)
                assert file is not None
                content = file.read()
                read.append(Entry(path, Digest.of(content), len(content), bool(info.mode & 0o100)))
    assert Tree.of(read) == tree


def test_the_same_tree_gives_the_same_blob_in_another_store(tmp_path: Path) -> None:
    made = []
    for number in (1, 2):
        store = Store(tmp_path / f"store{number}")
        texts = {f"{name}.txt": name.encode() * 90_000 for name in ("one", "two", "three")}
        entries = [Entry(path, store.put_bytes(data).digest, len(data)) for path, data in texts.items()]
        made.append(content_layer(Tree.of(entries[:: 3 - 2 * number]), PREFIX, store, note="texts"))
    assert made[0] == made[1]


def test_a_second_call_makes_nothing_and_takes_the_new_note(store: Store, make_tree) -> None:
    tree = make_tree({"a": b"a" * 10_000})
    first = content_layer(tree, PREFIX, store, note="old name")
    for entry in tree.entries:
        store.path(entry.digest).unlink()
    second = content_layer(tree, PREFIX, store, note="new name")
    assert second.blob == first.blob and second.note == "new name"


def test_a_recorded_layer_whose_bytes_are_gone_is_made_again(store: Store, make_tree) -> None:
    tree = make_tree({"a": b"a" * 10_000})
    first = content_layer(tree, PREFIX, store, note="a")
    store.path(first.blob.digest).unlink()
    assert content_layer(tree, PREFIX, store, note="a") == first
    assert store.has(first.blob.digest)


@pytest.mark.parametrize("other", [{"uid": 5}, {"gid": 5}, {"writable": True}])
def test_another_owner_makes_another_layer(store: Store, make_tree, other: dict) -> None:
    tree = make_tree({"a": b"a"})
    assert content_layer(tree, PREFIX, store, note="a") != content_layer(tree, PREFIX, store, note="a", **other)


def test_data_may_not_be_written_and_the_folders_above_belong_to_root(store: Store, make_tree) -> None:
    tree = make_tree({"x/run": b"#!", "x/read": b"r"}, {"link": "x/read"}, executable=("x/run",))
    found = members(content_layer(tree, PREFIX, store, uid=3, gid=4, note="data"), store)
    shown = {name: (info.mode, info.uid, info.gid) for name, info in found.items()}
    assert shown == {
        "srv": (0o755, 0, 0),
        "srv/workshop": (0o755, 0, 0),
        "srv/workshop/data": (0o755, 0, 0),
        PREFIX: (0o755, 3, 4),
        f"{PREFIX}/link": (0o777, 3, 4),
        f"{PREFIX}/x": (0o755, 3, 4),
        f"{PREFIX}/x/read": (0o444, 3, 4),
        f"{PREFIX}/x/run": (0o555, 3, 4),
    }


def test_a_writable_tree_may_be_written_by_its_group(store: Store, make_tree) -> None:
    tree = make_tree({"x/run": b"#!", "x/read": b"r"}, executable=("x/run",))
    found = members(content_layer(tree, PREFIX, store, uid=1000, gid=100, writable=True, note="repo"), store)
    modes = [found[f"{PREFIX}{rest}"].mode for rest in ("", "/x", "/x/read", "/x/run")]
    assert modes == [0o775, 0o775, 0o664, 0o775]


@pytest.mark.parametrize("length", [99, 100, 101, 155, 255, 256, 300, 1000])
def test_long_and_foreign_names_and_targets_survive(store: Store, make_tree, length: int) -> None:
    path = "/".join(["übung" * 10] * 30)[:length].rstrip("/")
    tree = make_tree({path: b"here"}, {"link": "../" * (length // 3)})
    found = members(content_layer(tree, PREFIX, store, note="long"), store)
    assert found[f"{PREFIX}/{path}"].size == 4
    assert found[f"{PREFIX}/link"].linkname == "../" * (length // 3)


def test_short_plain_names_need_no_pax_records(store: Store, make_tree) -> None:
    data = plain(content_layer(make_tree({"a/b.txt": b"b"}), PREFIX, store, note="short"), store)
    assert b"PaxHeader" not in data


@pytest.mark.parametrize(
    ("files", "media_type"),
    [
        ({"weights.bin": random_bytes(600_000)}, TAR),
        ({"text.txt": b"word " * 100_000}, TAR_GZIP),
        ({"weights.bin": random_bytes(600_000), "text.txt": b"word " * 100_000}, TAR_GZIP),
        ({f"{number}.bin": random_bytes(1500, number) for number in range(200)}, TAR_GZIP),
        ({}, TAR_GZIP),
    ],
)
def test_only_what_gets_smaller_is_gzipped(store: Store, make_tree, files: dict, media_type: str) -> None:
    layer = content_layer(make_tree(files), PREFIX, store, note="some")
    assert layer.media_type == media_type
    assert (layer.diff_id == layer.blob.digest) == (media_type == TAR)


def test_missing_and_cut_objects_are_named(store: Store, make_tree) -> None:
    tree = make_tree({"notes.txt": b"n" * 3000})
    [entry] = tree.entries
    store.path(entry.digest).chmod(0o644)
    store.path(entry.digest).write_bytes(b"n")
    with pytest.raises(StoreError, match=r"notes\.txt.* has 1 bytes in the store; 3000 are expected"):
        content_layer(tree, PREFIX, store, note="cut")
    store.path(entry.digest).unlink()
    with pytest.raises(StoreError, match="is not in the store"):
        content_layer(tree, PREFIX, store, note="gone")
    assert list((store.root / "scratch").iterdir()) == []


def test_settings_keep_their_modes_and_their_folders_belong_to_root(store: Store) -> None:
    files = {"home/workshop/.config/x": (b"x", 0o640), "etc/start": (b"#!/bin/sh\n", 0o755)}
    found = members(files_layer(files, store, uid=1000, gid=100, note="settings"), store)
    assert list(found) == [
        "etc",
        "etc/start",
        "home",
        "home/workshop",
        "home/workshop/.config",
        "home/workshop/.config/x",
    ]
    assert (found["home/workshop/.config/x"].mode, found["home/workshop/.config/x"].uid) == (0o640, 1000)
    assert (found["etc"].mode, found["etc"].uid) == (0o755, 0)
