"""A file system comes out with every name, owner, mode and byte, sound and the same each time."""

import os
import stat
import subprocess
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.appliance.ext4 import MIB, Volume, volume_for, write_ext4
from builder.appliance.nodes import Node, Nodes, add_parents, folder, link
from builder.errors import OutputError
from builder.run import environment

ID = UUID("5a1f0e0c-3f0b-4c39-9d53-1f6a3f0a7a11")
NAMES = st.text(
    st.characters(blacklist_characters="\0\n\r/", blacklist_categories=("Cs",)), min_size=1, max_size=40
).filter(lambda name: name not in (".", "..", "lost+found") and len(name.encode()) < 200)


def _file(tmp_path: Path, name: str, data: bytes, **fields: object) -> Node:
    source = tmp_path / f"source-{name}"
    source.write_bytes(data)
    return Node(stat.S_IFREG | 0o644, source=source, size=len(data), **fields)  # type: ignore[arg-type]


def _made(folder: Path, nodes: Nodes, room: int = 0, *, offset: int = 0, volume: Volume | None = None) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    image = folder / "image"
    volume = volume or volume_for(nodes, "test", ID, room)
    with image.open("wb") as file:
        file.truncate(offset + volume.size)
    write_ext4(nodes, image, volume, folder, offset=offset)
    return image


def _ask(image: Path, question: str) -> str:
    done = subprocess.run(
        ["debugfs", "-R", question, image], capture_output=True, text=True, check=True, env=environment()
    )
    return done.stdout


def _check(image: Path) -> None:
    done = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout


def test_owners_modes_times_and_links_come_out(tmp_path: Path) -> None:
    shared = _file(tmp_path, "s", b"twice", shared=True)
    nodes: Nodes = {
        "d": folder(0o2775, 1000, 100),
        "d/suid": Node(stat.S_IFREG | 0o4755, 5, 70000, 1_000_000_000, _file(tmp_path, "a", b"data").source, 4),
        "d/link": link('../some where/"else"'),
        "d/one": shared,
        "two": shared,
        "d/capable": _file(tmp_path, "c", b"x", xattrs=(("security.capability", b"\x01\0\0\2"),)),
    }
    image = _made(tmp_path / "made", nodes)
    _check(image)
    assert "Mode:  02775" in _ask(image, "stat /d")
    shown = _ask(image, "stat /d/suid")
    assert "Mode:  04755" in shown and "User:     5   Group: 70000" in shown and "mtime: 0x3b9aca00" in shown
    assert 'Fast link dest: "../some where/"else""' in _ask(image, "stat /d/link")
    assert "Links: 2" in _ask(image, "stat /two")
    assert "security.capability (4)" in _ask(image, "stat /d/capable")
    assert _ask(image, "cat /d/one") == "twice"


@given(names=st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_is_written_as_it_is(tmp_path: Path, names: list[list[str]]) -> None:
    nodes: Nodes = {}
    for number, parts in enumerate(names):
        path = "/".join(parts)
        if path not in nodes and all(not (p in nodes and not nodes[p].is_folder) for p in _parents(path)):
            add_parents(nodes, path, folder())
            nodes[path] = _file(tmp_path, str(number), path.encode(), mtime=number)
    image = _made(tmp_path / "made", nodes)
    _check(image)
    out = tmp_path / "out"
    subprocess.run(["rm", "-rf", out], check=True)
    out.mkdir()
    _ask(image, f"rdump / {out}")
    found = {str((Path(base) / name).relative_to(out)) for base, _, files in os.walk(out) for name in files}
    assert found == {path for path, node in nodes.items() if not node.is_folder}
    assert all((out / path).read_bytes() == path.encode() for path in found)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def test_two_runs_in_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    def nodes(base: Path) -> Nodes:
        base.mkdir()
        return {"a": folder(), **{f"a/{n}": _file(base, str(n), bytes([n]) * n * 100) for n in range(60)}}

    one = _made(tmp_path / "1", nodes(tmp_path / "x"))
    two = _made(tmp_path / "2", dict(reversed(nodes(tmp_path / "y").items())))
    assert one.read_bytes() == two.read_bytes()


def test_an_offset_leaves_what_is_before_it(tmp_path: Path) -> None:
    image = _made(tmp_path / "made", {"a": _file(tmp_path, "a", b"1")}, offset=MIB)
    assert image.read_bytes()[:MIB] == bytes(MIB)
    assert _ask(Path(f"{image}?offset={MIB}"), "cat /a") == "1"


def test_there_is_the_room_that_was_asked_for(tmp_path: Path) -> None:
    nodes: Nodes = {f"{n}": _file(tmp_path, "a", b"1") for n in range(3000)}
    shown = subprocess.run(
        ["dumpe2fs", "-h", _made(tmp_path / "made", nodes, 100 * MIB)], capture_output=True, text=True, check=True
    ).stdout
    free = next(int(line.split()[-1]) for line in shown.splitlines() if line.startswith("Free blocks"))
    assert free * 4096 >= 100 * MIB


@given(sizes=st.lists(st.integers(0, 300_000), max_size=200), folders=st.integers(1, 50))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_volume_without_room_still_holds_its_content(tmp_path: Path, sizes: list[int], folders: int) -> None:
    nodes: Nodes = {f"{number}": folder() for number in range(folders)}
    for number, size in enumerate(sizes):
        nodes[f"{number % folders}/{'n' * 100}{number}"] = _file(tmp_path, str(number), b"x" * size)
    _check(_made(tmp_path / "made", nodes))


def test_a_disk_too_small_says_by_how_much(tmp_path: Path) -> None:
    nodes: Nodes = {"big": _file(tmp_path, "big", bytes(range(256)) * 4096 * 40)}
    fits = volume_for(nodes, "test", ID, 0)
    small = Volume("test", ID, fits.inodes, fits.size - 30 * MIB)
    with pytest.raises(OutputError, match=r"too small by 30 MiB"):
        _made(tmp_path / "made", nodes, volume=small)


@pytest.mark.parametrize("name", ["a\nrm b", "Icon\r"])
def test_a_name_with_a_line_break_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="line break"):
        _made(tmp_path / "made", {name: _file(tmp_path, "a", b"1")})


def test_another_volume_has_another_seed(tmp_path: Path) -> None:
    nodes: Nodes = {"a": _file(tmp_path, "a", b"1")}
    other = volume_for(nodes, "test", uuid5(ID, "x"), 0)
    assert _made(tmp_path / "1", nodes).read_bytes() != _made(tmp_path / "2", nodes, volume=other).read_bytes()
