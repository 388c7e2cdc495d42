"""Archives, good ones and those made to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import BuilderError, MissingProgramError, SourceError
from builder.sources import archive, seven_zip
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


def seven_zip_of(files: dict[str, bytes]) -> bytes:
    """A 7z archive; names that no folder here could hold are given to its members afterwards."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number, data in enumerate(files.values()):
            (folder / f"{number:05}").write_bytes(data)
        seven_zip_program(folder, "a", "x.7z", *sorted(path.name for path in folder.iterdir()))
        seven_zip_program(
            folder,
            "rn",
            "x.7z",
            *(word for n, name in enumerate(files) for word in (f"{n:05}", name.replace("\\", "/"))),
        )
        return (folder / "x.7z").read_bytes()


def seven_zip_program(folder: Path, verb: str, *words: str) -> None:
    program = next(filter(None, map(shutil.which, seven_zip.PROGRAMS)))
    subprocess.run([program, verb, "-snl", *words], cwd=folder, check=True, capture_output=True)


MAKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "tar": tar_of,
    "tar.gz": lambda files: tar_of(files, "w:gz"),
    "tar.bz2": lambda files: tar_of(files, "w:bz2"),
    "tar.xz": lambda files: tar_of(files, "w:xz"),
    "tar.zst": lambda files: zstandard.compress(tar_of(files)),
    "zip": zip_of,
    "7z": seven_zip_of,
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


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("data", [b"", b"1,2\n", b"\0" * 2048, b"1,2,3\n" * 400_000])
def test_a_single_packed_file_is_unpacked_under_its_name(
    packer: str, data: bytes, tmp_path: Path, store: Store
) -> None:
    digest = store.put_bytes(PACKERS[packer](data)).digest
    (entry,) = archive.unpack(digest, "x", store, name=f"data.csv.{packer}").entries
    assert entry.path == "data.csv" and entry.digest is not None and store.read(entry.digest) == data
    (other,) = archive.unpack(digest, "x", store, name=f"data.{packer.upper()}").entries
    assert other.path == "data"


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_pieces_one_after_the_other_are_one_file(packer: str, store: Store) -> None:
    pack = PACKERS[packer]
    digest = store.put_bytes(pack(b"1") + pack(b"2" * 300_000) + pack(b"") + pack(b"3")).digest
    (entry,) = archive.unpack(digest, "x", store, name=f"data.{packer}").entries
    assert entry.digest == Digest.of(b"1" + b"2" * 300_000 + b"3")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_file_whose_name_says_tar_but_is_none_is_refused(packer: str, store: Store) -> None:
    digest = store.put_bytes(PACKERS[packer](b"1,2\n" * 1000)).digest
    with pytest.raises(SourceError, match="not a readable archive"):
        archive.unpack(digest, "x", store, name=f"data.tar.{packer}")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_tar_is_a_tar_whatever_its_name(packer: str, store: Store) -> None:
    digest = store.put_bytes(PACKERS[packer](tar_of(FILES))).digest
    assert archive.unpack(digest, "x", store, name=f"data.{packer}").by_path.keys() == FILES.keys()


@pytest.mark.parametrize("packer", PACKERS)
def test_a_cut_packed_file_is_a_clear_error(packer: str, store: Store) -> None:
    whole = PACKERS[packer](bytes(range(256)) * 4000)
    digest = store.put_bytes(whole[:-20]).digest
    with pytest.raises(SourceError, match="not a readable archive"):
        archive.unpack(digest, "x", store, name=f"data.{packer}")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_file_that_would_fill_the_disk_is_refused(
    packer: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_SLACK", 1 << 20)
    monkeypatch.setattr(archive, "MAX_RATIO", 2)
    digest = store.put_bytes(PACKERS[packer](b"\0" * (32 << 20))).digest
    with pytest.raises(SourceError, match="far more than its size allows"):
        archive.unpack(digest, "bomb", store, name=f"data.{packer}")
    assert list((store.root / "scratch").iterdir()) == []


@pytest.mark.parametrize("kind", MAKERS)
def test_of_chosen_members_nothing_else_enters_the_store(kind: str, tmp_path: Path, store: Store) -> None:
    files = {"a.csv": b"wanted", "b.csv": b"not wanted" * 300_000, "c.csv": b"not wanted either"}
    digest = store.put_bytes(MAKERS[kind](files)).digest
    tree = archive.unpack(digest, kind, store, Selection(("a.csv",)))
    kept = {path.parent.name + path.name for path in (store.root / "objects").rglob("*") if path.is_file()}
    assert kept == {digest.hex, tree.digest.hex, *(entry.digest.hex for entry in tree.entries if entry.digest)}


def test_names_of_a_tar_that_are_not_utf_8_are_refused(store: Store) -> None:
    data = tar_of({"caf\udce9.txt": b"x"}, "w")
    with pytest.raises(SourceError, match=r"name is not UTF-8; rename it"):
        archive.unpack(store.put_bytes(data).digest, "x.tar", store)


def test_names_of_a_zip_are_utf_8_also_where_it_does_not_say_so_or_they_are_refused(store: Store) -> None:
    unflagged = zip_of({"cafe_.txt": b"x"}).replace(b"cafe_", "café".encode())
    assert archive.unpack(store.put_bytes(unflagged).digest, "x.zip", store).by_path.keys() == {"café.txt"}
    flagged = zip_of({"café.txt": b"x"})
    assert archive.unpack(store.put_bytes(flagged).digest, "x.zip", store).by_path.keys() == {"café.txt"}
    latin = zip_of({"cafe.txt": b"x"}).replace(b"cafe", b"caf\xe9")
    with pytest.raises(SourceError, match=r"name is not UTF-8; rename it"):
        archive.unpack(store.put_bytes(latin).digest, "x.zip", store)
    broken = flagged.replace("é".encode(), b"\xe9_")
    with pytest.raises(SourceError, match="not a readable archive"):
        archive.unpack(store.put_bytes(broken).digest, "x.zip", store)


def seven_zip_with_links(tmp_path: Path, links: dict[str, str]) -> bytes:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "a").write_text("a")
    (folder / "go").write_text("go")
    (folder / "go").chmod(0o755)
    (folder / "none").touch()
    for name, target in links.items():
        (folder / name).symlink_to(target)
    seven_zip_program(folder, "a", "x.7z", "a", "go", "none", *links)
    return (folder / "x.7z").read_bytes()


def test_links_empty_and_executable_files_of_a_7z_are_kept(tmp_path: Path, store: Store) -> None:
    given = seven_zip_with_links(tmp_path, {"b": "a", "zz": "./go"})
    tree = archive.unpack(store.put_bytes(given).digest, "x.7z", store).by_path
    assert (tree["b"].target, tree["zz"].target) == ("a", "./go")
    assert [path for path, entry in tree.items() if entry.executable] == ["go"]
    assert tree["none"].size == 0 and tree["a"].size == 1


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd"])
def test_a_link_of_a_7z_that_leaves_is_refused(target: str, tmp_path: Path, store: Store) -> None:
    given = seven_zip_with_links(tmp_path, {"out": target})
    with pytest.raises(SourceError, match="leads out of it"):
        archive.unpack(store.put_bytes(given).digest, "x.7z", store)


@pytest.mark.parametrize("mode", ["-mhe=on", "-mhe=off"])
def test_an_encrypted_7z_is_refused_without_asking_for_its_password(mode: str, tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.csv").write_text("1")
    seven_zip_program(tmp_path, "a", "-psecret", mode, "x.7z", "a.csv")
    with pytest.raises(SourceError, match=r"in x\.7z is encrypted"):
        archive.unpack(store.put_file(tmp_path / "x.7z").digest, "x.7z", store)


def test_a_7z_without_its_program_says_what_to_install(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.put_bytes(seven_zip_of(FILES)).digest
    monkeypatch.setattr(seven_zip, "PROGRAMS", ("no-such-program-here",))
    with pytest.raises(MissingProgramError, match=r"x\.7z is a 7z archive") as caught:
        archive.unpack(digest, "x.7z", store)
    assert caught.value.hint == "apt install 7zip"


def test_a_7z_of_many_members_is_read_in_their_order(store: Store) -> None:
    files = {f"{n:03}": bytes([n % 251]) * (n * 20_000 % 2_500_000) for n in range(60)}
    tree = archive.unpack(store.put_bytes(seven_zip_of(files)).digest, "x.7z", store)
    assert {entry.path: store.read(entry.digest) for entry in tree.entries if entry.digest} == files


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_pipes_and_sockets_of_a_zip_are_refused(kind: int, store: Store) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        member = zipfile.ZipInfo("null")
        member.external_attr = (kind | 0o644) << 16
        made.writestr(member, b"")
    with pytest.raises(SourceError, match="device or pipe"):
        archive.unpack(store.put_bytes(buffer.getvalue()).digest, "x.zip", store)
