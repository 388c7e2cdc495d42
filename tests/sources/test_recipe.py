"""Recipes: what each step makes of files, and how little is done again when one of them changes."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulty_server import Site
from hypothesis import given
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import IntegrityError, LockError, MissingProgramError, SourceError
from builder.manifest import Choice, Step, load
from builder.progress import Journal
from builder.sources import seven_zip, steps
from builder.sources.dataset import require_distinct
from builder.sources.fetch import fetch
from builder.sources.lock import resolve
from builder.sources.package import PackageSource
from builder.sources.recipe import follow
from builder.sources.source import Network
from builder.sources.steps import taken
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, get_tree

OFFLINE = Network(is_offline=True)
NUMBERS = b"".join(b"%d,%d\n" % (n, n * n) for n in range(200_000))


def tree_of(files: dict[str, bytes | str], store: Store) -> Tree:
    """A tree of files, and of links where a text stands for the bytes."""
    entries = []
    for path, data in files.items():
        if isinstance(data, str):
            entries.append(Entry(path, target=data))
        else:
            blob = store.put_bytes(data)
            entries.append(Entry(path, blob.digest, blob.size, executable=path.endswith(".sh")))
    return Tree.of(entries)


def files_of(tree: Tree, store: Store) -> dict[str, bytes | str]:
    return {entry.path: store.read(entry.digest) if entry.digest else entry.target or "" for entry in tree.entries}


def after(step: dict[str, Any], files: dict[str, bytes | str], store: Store) -> dict[str, bytes | str]:
    return files_of(taken(Step.model_validate(step), tree_of(files, store), store), store)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


SOME: dict[str, bytes | str] = {"a.csv": b"1\n2\n3\n", "b/c.csv": b"4\n5", "b/d.md": b"x", "e": "a.csv"}
STEPS: list[tuple[dict[str, Any], dict[str, bytes | str]]] = [
    ({"head": 1}, {"a.csv": b"1\n", "b/c.csv": b"4\n", "b/d.md": b"x", "e": "a.csv"}),
    ({"head": 3}, SOME),
    ({"head": 2, "of": "**/*.csv"}, {**SOME, "a.csv": b"1\n2\n"}),
    ({"rename": {"a.csv": "z", "b": "f"}}, {"z": SOME["a.csv"], "f/c.csv": b"4\n5", "f/d.md": b"x", "e": "a.csv"}),
    ({"rename": {"b": "f", "b/d.md": "d"}}, {"a.csv": SOME["a.csv"], "f/c.csv": b"4\n5", "d": b"x", "e": "a.csv"}),
    ({"rename": {"a.csv": "b/c.csv", "b/c.csv": "a.csv"}}, {**SOME, "a.csv": b"4\n5", "b/c.csv": SOME["a.csv"]}),
    ({"concatenate": "**/*.csv", "to": "a.csv"}, {"a.csv": b"1\n2\n3\n4\n5", "b/d.md": b"x", "e": "a.csv"}),
    ({"concatenate": ["b"], "to": "all"}, {"a.csv": SOME["a.csv"], "all": b"4\n5x", "e": "a.csv"}),
    ({"concatenate": ["b/c.csv", "a.csv"], "to": "z", "header": 1}, {"z": b"1\n2\n3\n5", "b/d.md": b"x", "e": "a.csv"}),
    ({"concatenate": ["b"], "to": "all", "header": 1}, {"a.csv": SOME["a.csv"], "all": b"4\n5\n", "e": "a.csv"}),
    ({"keep": "*.csv"}, {"a.csv": SOME["a.csv"]}),
    ({"keep": ["b", "e"]}, {"b/c.csv": b"4\n5", "b/d.md": b"x", "e": "a.csv"}),
    ({"remove": ["b", "e"]}, {"a.csv": SOME["a.csv"]}),
    ({"remove": "**/*.md"}, {path: data for path, data in SOME.items() if path != "b/d.md"}),
]  # fmt: skip


@pytest.mark.parametrize(("step", "left"), STEPS, ids=[str(step) for step, _ in STEPS])
def test_a_step_makes_of_files_what_it_says(step: dict[str, Any], left: dict[str, bytes | str], store: Store) -> None:
    assert after(step, SOME, store) == left


ARCHIVE = zipped({"x/a.csv": b"a", "x/b.csv": b"b", "y/a.csv": b"c"})
UNPACKED: list[tuple[dict[str, Any], dict[str, bytes]]] = [
    ({"unpack": "in/one.zip"}, {"in/x/a.csv": b"a", "in/x/b.csv": b"b", "in/y/a.csv": b"c"}),
    ({"unpack": "in/*.zip", "strip": 1, "members": ["x"]}, {"in/a.csv": b"a", "in/b.csv": b"b"}),
    ({"unpack": "**/*.zip", "to": "out", "members": "*/b.csv"}, {"out/x/b.csv": b"b"}),
    ({"unpack": "in", "to": "out.csv", "members": "y/a.csv"}, {"out.csv": b"c"}),
]


@pytest.mark.parametrize(("step", "made"), UNPACKED, ids=[str(step) for step, _ in UNPACKED])
def test_what_is_in_an_archive_takes_its_place(step: dict[str, Any], made: dict[str, bytes], store: Store) -> None:
    assert after(step, {"in/one.zip": ARCHIVE, "kept": b"k"}, store) == {**made, "kept": b"k"}


def test_packed_files_lose_their_ending_and_may_be_many(store: Store) -> None:
    packed: dict[str, bytes | str] = {"d/a.csv.gz": gzip.compress(b"a"), "d/b.csv.xz": lzma.compress(b"b")}
    assert after({"unpack": "d/*"}, packed, store) == {"d/a.csv": b"a", "d/b.csv": b"b"}
    assert after({"unpack": "d/a.csv.gz", "to": "z.csv"}, packed, store)["z.csv"] == b"a"
    assert after({"unpack": "d/*", "to": "z"}, packed, store) == {"z/a.csv": b"a", "z/b.csv": b"b"}


def test_the_pieces_of_a_split_archive_are_joined_and_unpacked(store: Store) -> None:
    pieces: dict[str, bytes | str] = {f"x.zip.{n:03}": ARCHIVE[n * 50 : n * 50 + 50] for n in range(20)}
    joined = after({"concatenate": "x.zip.*", "to": "x.zip"}, pieces, store)
    assert after({"unpack": "x.zip", "members": "y"}, joined, store) == {"y/a.csv": b"c"}


def test_executable_files_stay_so(store: Store) -> None:
    tree = tree_of({"run.sh": b"1\n2\n", "x": b""}, store)
    made = taken(Step.model_validate({"head": 1}), tree, store)
    assert made.by_path["run.sh"].executable and not made.by_path["x"].executable


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"head": 1, "of": "*.cvs"}, r"no file is \*\.cvs; did you mean 'a\.csv'\?"),
    ({"keep": ["*.csv", "gone"]}, "no file is gone"),
    ({"remove": "gone"}, "no file is gone"),
    ({"remove": ["a.csv", "b", "e"]}, "no file is left"),
    ({"rename": {"a.cvs": "x"}}, r"there is no a\.cvs; did you mean 'a\.csv'\?"),
    ({"rename": {"a.csv": "e"}}, "e stands twice"),
    ({"rename": {"a.csv": "e/x"}}, "e is both a file and a folder"),
    ({"concatenate": "e", "to": "x"}, "e is a link, which cannot be joined"),
    ({"concatenate": "*.txt", "to": "x"}, r"no file is \*\.txt"),
    ({"concatenate": "*.csv", "to": "b/d.md"}, r"b/d\.md stands twice"),
    ({"unpack": "*.zip"}, r"no file is \*\.zip"),
    ({"unpack": "a.csv"}, r"a\.csv is not a readable archive"),
    ({"unpack": "e"}, "e is a link, no archive"),
]


@pytest.mark.parametrize(("step", "told"), WRONG, ids=[str(step) for step, _ in WRONG])
def test_what_the_files_do_not_allow_is_told(step: dict[str, Any], told: str, store: Store) -> None:
    with pytest.raises(SourceError, match=told):
        after(step, SOME, store)


def test_first_lines_of_what_is_packed_are_refused_instead_of_cut(store: Store) -> None:
    with pytest.raises(SourceError, match=r"a\.csv\.gz is packed, so it has no lines") as caught:
        after({"head": 1}, {"a.csv.gz": gzip.compress(b"1\n2\n")}, store)
    assert caught.value.hint == "unpack it in a step before"


def test_a_member_that_would_hide_another_file_is_refused(store: Store) -> None:
    with pytest.raises(SourceError, match=r"a\.csv stands twice"):
        after({"unpack": "one.zip", "strip": 1, "members": "x"}, {"one.zip": ARCHIVE, "a.csv": b""}, store)


def test_a_link_that_leads_out_after_a_step_is_refused(store: Store) -> None:
    with pytest.raises(SourceError, match="leads out of it"):
        after({"rename": {"in/link": "link"}}, {"in/link": "../a", "a": b""}, store)


@given(data=st.binary(max_size=400), lines=st.integers(1, 50), cut=st.integers(1, 60))
def test_the_first_lines_are_those_of_the_whole(
    data: bytes, lines: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = data.replace(b"\x07", b"\n")
    chunks = [data[at : at + cut] for at in range(0, len(data), cut)]
    assert b"".join(steps._first_lines(iter(chunks), lines)) == b"".join(_lines(data)[:lines])
    assert b"".join(steps._without_lines(iter(chunks), lines)) == b"".join(_lines(data)[lines:])


def _lines(data: bytes) -> list[bytes]:
    return io.BytesIO(data).readlines()


def test_the_first_lines_of_a_large_file_are_read_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tree_of({"n.csv": NUMBERS * 5}, store)
    read = []
    chunks = store.chunks

    def counted(digest: Digest) -> Any:
        for chunk in chunks(digest):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(store, "chunks", counted)
    made = taken(Step.model_validate({"head": 100_000}), tree, store)
    assert files_of(made, store)["n.csv"] == b"".join(_lines(NUMBERS)[:100_000])
    assert sum(read) < len(NUMBERS)


# What is remembered


def recipe(*steps: dict[str, Any]) -> tuple[Step, ...]:
    return tuple(Step.model_validate(step) for step in steps)


def never() -> Tree:
    pytest.fail("asked for what it had")


def test_a_step_is_done_once_and_those_before_a_changed_one_not_again(store: Store) -> None:
    given_tree = tree_of({"a.csv": NUMBERS, "b": b"b"}, store)
    first = follow(recipe({"keep": "a.csv"}, {"head": 9}), given_tree.digest, lambda: given_tree, store)
    assert follow(recipe({"keep": "a.csv"}, {"head": 9}), given_tree.digest, never, store) == first
    made = follow(recipe({"keep": "a.csv"}, {"head": 5}), given_tree.digest, never, store)
    assert files_of(made, store) == {"a.csv": b"".join(_lines(NUMBERS)[:5])}
    store.path(Digest.of(NUMBERS)).unlink()
    assert follow(recipe({"keep": "a.csv"}, {"head": 9}), given_tree.digest, never, store) == first
    with pytest.raises(pytest.fail.Exception):
        follow(recipe({"keep": "a.csv"}, {"head": 6}), given_tree.digest, never, store)


def test_a_mistake_names_its_step(store: Store) -> None:
    tree = tree_of(SOME, store)
    with pytest.raises(SourceError, match=r"^recipe\[1\]\.keep: no file is gone"):
        follow(recipe({"head": 1}, {"keep": "gone"}), tree.digest, lambda: tree, store)


def test_a_missing_program_stays_a_missing_program(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seven_zip, "PROGRAMS", ("no-such-program-here",))
    tree = tree_of({"x.7z": seven_zip.MAGIC + b"x" * 50}, store)
    with pytest.raises(MissingProgramError, match=r"recipe\[0\]\.unpack: x\.7z is a 7z archive") as caught:
        follow(recipe({"unpack": "x.7z"}), tree.digest, lambda: tree, store)
    assert caught.value.hint == "apt install 7zip"


# Whole workshops


@pytest.fixture
def workshop(tmp_path: Path) -> Callable[..., Choice]:
    """Writes a workshop with one dataset, `rides`, and chooses it."""
    folder = tmp_path / "workshop"
    (folder / "datasets").mkdir(parents=True)
    (folder / "lesson").mkdir()
    (folder / "lesson" / "one.ipynb").write_text("{}")

    def write(files: list[dict[str, Any]], *steps: dict[str, Any]) -> Choice:
        repos = {"lesson": {"path": "lesson", "data": {"data": "rides"}}}
        (folder / "manifest.yaml").write_text(
            yaml.safe_dump({"workshop": "w", "base": {"debian": "bookworm"}, "repos": repos})
        )
        card = {"title": "Rides", "licence": "CC0-1.0", "files": files, "recipe": list(steps)}
        (folder / "datasets" / "rides.yaml").write_text(yaml.safe_dump(card))
        return load(folder / "manifest.yaml").choose()

    return write


def big_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=0) as made:
        for name, data in (("d/one.csv", NUMBERS), ("d/two.csv", NUMBERS[::-1]), ("d/three.csv", b"3" * 1_000_000)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


SEEDS: dict[str, Callable[[dict[str, Any]], tuple[dict[str, Any], list[dict[str, Any]]]]] = {
    "in files": lambda web: ({**web, "unpack": True, "members": ["d/one.csv"], "to": "one.csv"}, []),
    "as a step": lambda web: (web, [{"unpack": "*.tar.xz", "members": ["d/one.csv"], "strip": 1}]),
}


@pytest.mark.parametrize("form", SEEDS)
def test_the_first_lines_of_one_member_of_a_big_archive(
    form: str, workshop: Callable[..., Choice], store: Store, site: Site, tmp_path: Path
) -> None:
    archive = big_archive()
    site.files["/rides.tar.xz"] = archive
    web, unpack = SEEDS[form]({"url": f"{site.url}/rides.tar.xz", "sha256": Digest.of(archive).hex})
    first = resolve(workshop([web], *unpack, {"head": 100_000}), None, store, Journal())
    tree = get_tree(first.datasets["rides"].tree, store)
    assert files_of(tree, store) == {"one.csv": b"".join(_lines(NUMBERS)[:100_000])}
    assert not store.has(Digest.of(NUMBERS[::-1])) and not store.has(Digest.of(b"3" * 1_000_000))

    store.path(Digest.of(archive)).unlink()
    site.files.clear()
    asked = len(site.requests)
    shorter = workshop([web], *unpack, {"head": 1000})
    second = resolve(shorter, first, store, Journal(), network=OFFLINE)
    tree = get_tree(second.datasets["rides"].tree, store)
    assert files_of(tree, store) == {"one.csv": b"".join(_lines(NUMBERS)[:1000])}
    assert second.datasets["rides"].resolved == first.datasets["rides"].resolved
    fetch(second, shorter, store, Journal(), network=OFFLINE)
    assert len(site.requests) == asked == 1

    elsewhere = Store(tmp_path / "elsewhere")
    site.files["/rides.tar.xz"] = archive
    fetch(second, shorter, elsewhere, Journal())
    assert files_of(get_tree(second.datasets["rides"].tree, elsewhere), elsewhere) == files_of(tree, store)


def test_a_changed_recipe_makes_a_lock_stale(workshop: Callable[..., Choice], store: Store, tmp_path: Path) -> None:
    (tmp_path / "workshop" / "a.csv").write_bytes(NUMBERS)
    old = resolve(workshop([{"file": "a.csv"}], {"head": 10}), None, store, Journal())
    assert resolve(workshop([{"file": "a.csv"}], {"head": 10}), old, store, Journal(), locked=True) == old
    for changed in (workshop([{"file": "a.csv"}], {"head": 11}), workshop([{"file": "a.csv"}])):
        with pytest.raises(LockError, match=r"says something else about datasets\.rides"):
            resolve(changed, old, store, Journal(), locked=True)
        with pytest.raises(LockError, match=r"datasets\.rides is not in manifest\.lock as the manifest has it"):
            fetch(old, changed, store, Journal())
    new = resolve(workshop([{"file": "a.csv"}]), old, store, Journal())
    assert new.datasets["rides"].recipe is None and '"recipe"' not in new.text()


def test_a_changed_recipe_asks_no_registry_for_a_newer_version(
    workshop: Callable[..., Choice], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = store.put_bytes(zipped({"data/one.csv": NUMBERS})).digest
    answers = iter([{"version": "1.0", "sha256": package.hex, "file": "x-1.0.whl"}])
    monkeypatch.setattr(PackageSource, "resolve", lambda _: next(answers))
    files = [{"pypi": "x", "members": ["data/*.csv"]}]
    old = resolve(workshop(files, {"head": 10}), None, store, Journal())
    new = resolve(workshop(files, {"head": 5}), old, store, Journal(), network=OFFLINE)
    assert new.datasets["rides"].resolved == old.datasets["rides"].resolved
    assert new.datasets["rides"].bytes < old.datasets["rides"].bytes
    with pytest.raises(StopIteration):
        resolve(workshop([{"pypi": "x"}], {"head": 5}), old, store, Journal(), network=OFFLINE)


def test_a_local_file_is_looked_at_each_time_and_its_recipe_followed_again(
    workshop: Callable[..., Choice], store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "workshop" / "a.csv"
    file.write_bytes(b"1\n2\n3\n")
    chosen = workshop([{"file": "a.csv"}], {"head": 2})
    old = resolve(chosen, None, store, Journal())
    file.write_bytes(b"1\n2\n4\n")
    assert resolve(chosen, old, store, Journal()) == old
    file.write_bytes(b"0\n2\n4\n")
    new = resolve(chosen, old, store, Journal())
    assert files_of(get_tree(new.datasets["rides"].tree, store), store) == {"a.csv": b"0\n2\n"}


def test_parts_that_are_known_are_not_brought_again_when_another_is_gone(
    workshop: Callable[..., Choice], store: Store, site: Site
) -> None:
    web = []
    for name in ("one", "two"):
        site.files[f"/{name}"] = name.encode()
        web.append({"url": f"{site.url}/{name}", "sha256": Digest.of(name.encode()).hex})
    chosen = workshop(web)
    lock = resolve(chosen, None, store, Journal())
    store.path(Digest.of(b"two")).unlink()
    site.requests.clear()
    fetch(lock, chosen, store, Journal())
    assert [path for path, _ in site.requests] == ["/two"]


@pytest.mark.parametrize(
    "paths",
    [
        ("a/Read.me", "a/READ.ME"),
        ("A/x", "a/x"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "strasse"),
        ("Data", "data/x"),
    ],
)
def test_paths_that_differ_only_by_case_are_refused(paths: tuple[str, str], store: Store) -> None:
    tree = tree_of(dict.fromkeys(paths, b"x"), store)
    with pytest.raises(SourceError, match="disks that ignore case keep only one") as caught:
        require_distinct(tree)
    assert caught.value.hint == "rename or remove one of them in the card's recipe"
    assert require_distinct(tree_of({"a/x": b"", "A/y": b"", "b": b""}, store))


@pytest.mark.parametrize("form", ["files", "archive"])
def test_a_recipe_may_part_what_differs_only_by_case(
    form: str, workshop: Callable[..., Choice], store: Store, tmp_path: Path
) -> None:
    (tmp_path / "workshop" / "x.zip").write_bytes(zipped({"a.csv": b"1", "A.csv": b"2"}))
    files = [{"file": "x.zip", "unpack": form == "files"}]
    first = [] if form == "files" else [{"unpack": "x.zip"}]
    with pytest.raises(SourceError, match=r"datasets\.rides: the dataset holds A\.csv and a\.csv"):
        resolve(workshop(files, *first), None, store, Journal())
    lock = resolve(workshop(files, *first, {"rename": {"A.csv": "b.csv"}}), None, store, Journal())
    tree = get_tree(lock.datasets["rides"].tree, store)
    assert files_of(tree, store) == {"a.csv": b"1", "b.csv": b"2"}


def test_a_packed_file_of_a_card_is_unpacked_under_its_name(
    workshop: Callable[..., Choice], store: Store, tmp_path: Path, site: Site
) -> None:
    packed = gzip.compress(b"1,2")
    (tmp_path / "workshop" / "here.csv.gz").write_bytes(packed)
    site.files["/there.csv.gz?raw=1"] = packed
    web = {"url": f"{site.url}/there.csv.gz?raw=1", "sha256": Digest.of(packed).hex, "unpack": True}
    local = {"file": "here.csv.gz", "unpack": True}
    lock = resolve(workshop([web, local, {**local, "to": "in/z.csv"}]), None, store, Journal())
    tree = get_tree(lock.datasets["rides"].tree, store)
    assert files_of(tree, store) == dict.fromkeys(["here.csv", "in/z.csv", "there.csv"], b"1,2")


# Commands: what they do in a real system stands in tests/system/test_command.py


@dataclass
class Counting:
    """Runs nothing: leaves a file with the number of its call, or the same each time."""

    key: str = "bookworm"
    repeats: bool = True
    commands: list[str] = field(default_factory=list)

    def run(self, command: str, files: Tree, store: Store) -> Tree:
        self.commands.append(command)
        return tree_of({"made": str(0 if self.repeats else len(self.commands)).encode()}, store)


RUN = {"run": "make"}


def test_a_command_runs_once_for_the_same_files_in_the_same_system(store: Store) -> None:
    tree, runner = tree_of(SOME, store), Counting()
    made = follow(recipe({"keep": "a.csv"}, RUN), tree.digest, lambda: tree, store, runner)
    assert files_of(made, store) == {"made": b"0"} and runner.commands == ["make"]
    follow(recipe({"keep": "a.csv"}, RUN), tree.digest, never, store, runner)
    assert runner.commands == ["make"]
    follow(recipe({"keep": "a.csv"}, RUN), tree.digest, never, store, replace(runner, key="trixie"))
    follow(recipe({"keep": "b"}, RUN), tree.digest, lambda: tree, store, runner)
    assert runner.commands == ["make"] * 3


def test_a_command_that_makes_other_files_than_before_is_an_integrity_error(store: Store) -> None:
    tree, runner = tree_of(SOME, store), Counting(repeats=False)
    made = follow(recipe(RUN), tree.digest, lambda: tree, store, runner)
    store.path(made.digest).unlink()
    with pytest.raises(IntegrityError, match=rf"recipe\[0\]\.run: .* expected the tree {made.digest}, received"):
        follow(recipe(RUN), tree.digest, lambda: tree, store, runner)


def test_a_command_that_makes_other_files_than_locked_elsewhere_is_an_integrity_error(
    workshop: Callable[..., Choice], store: Store, site: Site, tmp_path: Path
) -> None:
    site.files["/a.csv"] = b"1"
    chosen = workshop([{"url": f"{site.url}/a.csv", "sha256": Digest.of(b"1").hex}], RUN)
    runner = Counting(repeats=False)
    lock = resolve(chosen, None, store, Journal(), runner=runner)
    assert lock.datasets["rides"].tree == tree_of({"made": b"1"}, store).digest
    assert resolve(chosen, lock, store, Journal(), runner=runner) == lock
    with pytest.raises(IntegrityError, match=r"datasets\.rides is not what was locked") as caught:
        fetch(lock, chosen, Store(tmp_path / "elsewhere"), Journal(), runner=runner)
    assert caught.value.hint.startswith("let the command of its recipe depend on nothing but its files")


def test_a_command_needs_a_system(store: Store) -> None:
    tree = tree_of(SOME, store)
    with pytest.raises(SourceError, match=r"recipe\[0\]\.run: there is no system to run it in"):
        follow(recipe(RUN), tree.digest, lambda: tree, store)
