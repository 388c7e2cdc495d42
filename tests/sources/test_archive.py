"""Archives, good ones and those made to do harm."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.errors import BuilderError, SourceError
from builder.sources import archive
from builder.sources.selection import ALL, Selection
from builder.store.objects import Store
from builder.store.trees import Tree

FILES = {"top/a.txt": b"a", "top/sub/b.csv": b"b" * 5000, "top/sub/c.txt": b""}


def tar_of(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as made:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


def deb_of(files: dict[str, bytes], mode: str) -> bytes:
    def member(name: str, data: bytes) -> bytes:
        return f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)

    data = tar_of(files, mode) if mode != "zst" else zstandard.compress(tar_of(files))
    return (
        b"!<arch>\n" + member("debian-binary", b"2.0\n") + member("control.tar", b"odd") + member("data.tar.xz", data)
    )


MAKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "tar": tar_of,
    "tar.gz": lambda files: tar_of(files, "w:gz"),
    "tar.bz2": lambda files: tar_of(files, "w:bz2"),
    "tar.xz": lambda files: tar_of(files, "w:xz"),
    "tar.zst": lambda files: zstandard.compress(tar_of(files)),
    "zip": zip_of,
    "deb.xz": lambda files: deb_of(files, "w:xz"),
    "deb.gz": lambda files: deb_of(files, "w:gz"),
    "deb.zst": lambda files: deb_of(files, "zst"),
}


def unpack(path: Path, origin: str, store: Store, selection: Selection = ALL) -> Tree:
    return archive.unpack(store.put_file(path).digest, origin, store, selection)


def put(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "given"
    path.write_bytes(data)
    return path


def tar_with(tmp_path: Path, *infos: tarfile.TarInfo) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for info in infos:
            made.addfile(info, io.BytesIO(b"x" * info.size) if info.isreg() else None)
    return put(tmp_path, buffer.getvalue())


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.mode = kind, link, size, mode
    return made


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_gives_the_same_tree(kind: str, tmp_path: Path, store: Store) -> None:
    tree = unpack(put(tmp_path, MAKERS[kind](FILES)), kind, store)
    assert {entry.path: store.read(entry.digest) for entry in tree.entries if entry.digest} == FILES
    assert list((store.root / "scratch").iterdir()) == []


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", ["../out.txt", "/etc/passwd", "top/../../out.txt", "a\\..\\b"])
def test_paths_that_leave_are_refused(kind: str, name: str, tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError, match="not a plain path inside"):
        unpack(put(tmp_path, MAKERS[kind]({"ok.txt": b"", name: b"x"})), kind, store)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind: bytes, tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError, match="device or pipe"):
        unpack(tar_with(tmp_path, info("null", kind)), "evil.tar", store)


@pytest.mark.parametrize(
    "links",
    [
        {"out": "../etc/passwd"},
        {"out": "/etc/passwd"},
        {"deep/er/down": "../..", "out": "deep/er/down/../etc"},
        {"round": "about", "about": "round"},
    ],
)
def test_links_that_leave_also_by_way_of_others_are_refused(
    links: dict[str, str], tmp_path: Path, store: Store
) -> None:
    members = [info(name, tarfile.SYMTYPE, target) for name, target in links.items()]
    with pytest.raises(SourceError, match="leads out of it"):
        unpack(tar_with(tmp_path, *members), "evil.tar", store)


def test_a_link_of_a_zip_that_leaves_is_refused(tmp_path: Path, store: Store) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        member = zipfile.ZipInfo("out")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(member, "../../etc/passwd")
    with pytest.raises(SourceError, match="leads out of it"):
        unpack(put(tmp_path, buffer.getvalue()), "evil.zip", store)


def test_a_file_below_a_link_is_refused(tmp_path: Path, store: Store) -> None:
    given = tar_with(tmp_path, info("d", tarfile.SYMTYPE, "."), info("d/file", size=1))
    with pytest.raises(SourceError, match="both a file and a folder"):
        unpack(given, "evil.tar", store)


def test_hard_links_share_bytes_also_with_members_that_were_not_chosen(tmp_path: Path, store: Store) -> None:
    given = tar_with(tmp_path, info("data/a", size=3, mode=0o755), info("twin", tarfile.LNKTYPE, "data/a"))
    tree = unpack(given, "x.tar", store, Selection(("twin",)))
    assert [(entry.path, entry.size, entry.executable) for entry in tree.entries] == [("twin", 3, True)]


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "nowhere"])
def test_hard_links_to_what_the_archive_does_not_hold_are_refused(target: str, tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError):
        unpack(tar_with(tmp_path, info("twin", tarfile.LNKTYPE, target)), "evil.tar", store)


def test_links_inside_are_kept(tmp_path: Path, store: Store) -> None:
    given = tar_with(tmp_path, info("./a/b", size=1), info("./a/c", tarfile.SYMTYPE, "../a/b"))
    assert unpack(given, "x.tar", store).by_path["a/c"].target == "../a/b"


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        (("top/a.txt",), ["top/a.txt"]),
        (("top/sub",), ["top/sub/b.csv", "top/sub/c.txt"]),
        (("*.txt", "top/*.txt"), None),
        (("**/*.txt",), ["top/a.txt", "top/sub/c.txt"]),
        (("top/*",), ["top/a.txt", "top/sub/b.csv", "top/sub/c.txt"]),
        (("top/?.txt",), ["top/a.txt"]),
    ],
)
def test_patterns_choose_members(
    patterns: tuple[str, ...], taken: list[str] | None, tmp_path: Path, store: Store
) -> None:
    given = put(tmp_path, tar_of(FILES))
    if taken is None:
        with pytest.raises(SourceError, match=r"no member of x\.tar is \*\.txt"):
            unpack(given, "x.tar", store, Selection(patterns))
    else:
        assert [entry.path for entry in unpack(given, "x.tar", store, Selection(patterns)).entries] == taken


def test_leading_folders_are_dropped_and_dropping_all_is_an_error(tmp_path: Path, store: Store) -> None:
    given = put(tmp_path, tar_of(FILES))
    assert [entry.path for entry in unpack(given, "x", store, Selection(strip=1)).entries] == [
        "a.txt",
        "sub/b.csv",
        "sub/c.txt",
    ]
    with pytest.raises(SourceError, match="nothing is left"):
        unpack(given, "x", store, Selection(strip=5))


def test_two_members_that_fall_on_one_path_are_an_error(tmp_path: Path, store: Store) -> None:
    given = put(tmp_path, tar_of({"a/x": b"1", "b/x": b"2"}))
    with pytest.raises(SourceError, match="x stands twice"):
        unpack(given, "x.tar", store, Selection(strip=1))


def test_an_archive_is_read_once_and_again_only_when_bytes_of_it_are_gone(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = put(tmp_path, tar_of(FILES))
    tree = unpack(given, "x.tar", store)
    with monkeypatch.context() as patch:
        patch.delattr(archive, "members")
        assert unpack(given, "x.tar", store) == tree
    gone = tree.by_path["top/a.txt"].digest
    assert gone is not None
    store.path(gone).unlink()
    assert unpack(given, "x.tar", store) == tree and store.has(gone)


def test_many_and_large_members_keep_their_order_and_bytes(tmp_path: Path, store: Store) -> None:
    files = {f"{n:03}": bytes([n % 251]) * (n * 20_000 % 2_500_000) for n in range(200)}
    tree = unpack(put(tmp_path, tar_of(files)), "x.tar", store)
    assert {entry.path: store.read(entry.digest) for entry in tree.entries if entry.digest} == files


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path, store: Store) -> None:
    tree = unpack(put(tmp_path, tar_of({"inner.zip": zip_of({"x": b"x"})})), "x.tar", store)
    assert tree.by_path.keys() == {"inner.zip"}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_truncated_archive_is_a_clear_error(kind: str, tmp_path: Path, store: Store) -> None:
    whole = MAKERS[kind]({"data": bytes(range(256)) * 400})
    with pytest.raises(SourceError, match=r"readable|not as long"):
        unpack(put(tmp_path, whole[: len(whole) // 2]), "cut", store)


@pytest.mark.parametrize(
    "data", [b"", b"no archive at all", b"PK\x03\x04" + b"\0" * 50, b"!<arch>\nxx", b"\x1f\x8b\x08"]
)
def test_what_is_no_archive_is_a_clear_error(data: bytes, tmp_path: Path, store: Store) -> None:
    with pytest.raises(SourceError, match="not a readable"):
        unpack(put(tmp_path, data), "none", store)


def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_SLACK", 1 << 20)
    bomb = put(tmp_path, tar_of({"zeros": b"\0" * (32 << 20)}, "w:xz"))
    with pytest.raises(SourceError, match="far more than its size allows"):
        unpack(bomb, "bomb.tar.xz", store)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    with pytest.raises(SourceError, match="far more than its size allows"):
        unpack(put(tmp_path, zip_of({str(n): b"" for n in range(5)})), "many.zip", store)


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path, store: Store) -> None:
    honest = zip_of({"zeros": b"\0" * 100_000})
    lie = honest.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(SourceError):
        unpack(put(tmp_path, lie), "lie.zip", store)


@settings(max_examples=150, deadline=None)
@example(data=b"\x01", kind="zip", at=965)  # a directory that says its member begins before the file
@given(data=st.binary(max_size=300), kind=st.sampled_from(sorted(MAKERS)), at=st.integers(0, 2000))
def test_damage_anywhere_is_an_error_of_ours_or_harmless(
    data: bytes, kind: str, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    whole = bytearray(MAKERS[kind]({"a/b": b"text" * 50, "c": b"d"}))
    whole[at % len(whole) : at % len(whole) + len(data)] = data
    try:
        tree = unpack(put(folder, bytes(whole)), kind, Store(folder / "store"))
    except BuilderError:
        return
    assert all(not entry.path.startswith(("/", "..")) for entry in tree.entries)
