"""What is put on a web server: the folder itself, and that a guest of an earlier build is brought to it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from contents import members_of
from faulty_server import Site, served
from taken_home import TakenHome
from workshops import call, workshop

from builder.content.layout import Content, link_data
from builder.content.published import write_published
from builder.digest import Digest
from builder.errors import OutputError
from builder.files import chunks_of
from builder.pipeline import image_of
from builder.preparation import Job, prepared
from builder.progress import Journal
from builder.store.objects import Store
from builder.store.trees import Entry, Tree
from builder.system.system import System

ADDRESS = "https://example.org/small"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def content(store: Store, notebook: bytes, edition: bytes) -> Content:
    def tree(path: str, data: bytes) -> Tree:
        return Tree.of([Entry(path, store.put_bytes(data).digest, len(data))])

    repo = link_data("lab", tree("a.ipynb", notebook), {"data": "words"})
    return Content({"lab": repo}, {"words": tree("w.txt", b"words")}, b"page", edition=edition)


def whole(folder: Path) -> dict[str, bytes]:
    """All files of a published folder; each object is what its name says."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, data in found.items():
        if name.startswith("objects/"):
            assert hashlib.sha256(data).hexdigest() == name.removeprefix("objects/").replace("/", "")
    return found


def test_the_folder_has_the_edition_and_every_file_and_no_other(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "w.updates"
    blob = write_published(content(store, b"one", b"{1}"), folder, store)
    found = whole(folder)
    assert found.pop("workshop.json") == b"{1}" and sorted(found.values()) == [b"one", b"words"]
    assert (blob.digest, blob.size) == (Digest.of(b"{1}"), 3 + 3 + 5)
    write_published(content(store, b"two", b"{2}"), folder, store)
    assert sorted(whole(folder).values()) == [b"two", b"words", b"{2}"]


def test_the_same_again_writes_nothing(store: Store, tmp_path: Path) -> None:
    write_published(content(store, b"one", b"{1}"), tmp_path / "w", store)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*")}
    write_published(content(store, b"one", b"{1}"), tmp_path / "w", store)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("*")} == before


def test_what_is_cut_short_is_brought_again_and_leftovers_go(store: Store, tmp_path: Path) -> None:
    write_published(content(store, b"one", b"{1}"), tmp_path / "w", store)
    (cut,) = [path for path in (tmp_path / "w/objects").rglob("*") if path.is_file() and path.read_bytes() == b"one"]
    cut.unlink()
    cut.write_bytes(b"o")
    cut.with_name("x.part").write_bytes(b"")
    (tmp_path / "w/.workshop.json.1-ab").write_bytes(b"")
    write_published(content(store, b"one", b"{1}"), tmp_path / "w", store)
    assert sorted(whole(tmp_path / "w").values()) == [b"one", b"words", b"{1}"]


def test_a_folder_or_file_of_somebody_else_is_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w/thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds something else"):
        write_published(content(store, b"one", b"{1}"), tmp_path / "w", store)
    with pytest.raises(OutputError, match="is a file"):
        write_published(content(store, b"one", b"{1}"), tmp_path / "w/thesis.txt", store)
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["thesis.txt"]


def publishing(folder: Path) -> Path:
    """A workshop whose only output is what is published, with files enough to be killed among."""
    manifest = workshop(folder, {"n.csv": b"1,2\n", **{f"{n}.bin": os.urandom(200_000) for n in range(40)}})
    text = manifest.read_text().replace("outputs: [oci]", "outputs: [updates]")
    manifest.write_text(f"{text}published: {ADDRESS}\n")
    return manifest


def test_the_output_needs_no_engine_and_says_where_it_goes(tmp_path: Path, capsys: Any) -> None:
    manifest = publishing(tmp_path / "w")
    words = ("--manifest", manifest, "--store", tmp_path / "store", "--out", tmp_path / "out")
    code, said = call(capsys, "build", *words)
    (made,) = said["outputs"]
    assert (code, made["kind"]) == (0, "updates")
    edition = json.loads(whole(tmp_path / "out/small.updates")["workshop.json"])
    assert (edition["workshop"], edition["version"], edition["published"]) == ("small", "1", ADDRESS)
    assert made["digest"] == str(Digest.of_chunks(chunks_of(tmp_path / "out/small.updates/workshop.json")))
    assert call(capsys, "build", *words, "--locked")[1]["outputs"] == said["outputs"]


def test_killed_at_any_moment_what_is_named_is_there(tmp_path: Path) -> None:
    manifest = publishing(tmp_path / "w")
    script = [sys.executable, Path(__file__).parents[2] / "build.py", "build", "--manifest", manifest, "--quiet",
              "--store", tmp_path / "store", "--out", tmp_path / "out"]  # fmt: skip
    folder, cut = tmp_path / "out/small.updates", 0
    subprocess.run(script, check=True)
    for attempt in range(6):
        (manifest.parent / "notes/one.ipynb").write_bytes(b"{%d}" % attempt)
        for number in range(40):
            (manifest.parent / f"numbers/{number}.bin").write_bytes(os.urandom(200_000))
        running = subprocess.Popen(script)
        enough = len(list((folder / "objects").glob("*/*"))) + 6 * attempt
        while running.poll() is None and len(list((folder / "objects").glob("*/*"))) <= enough:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        cut += running.wait() == -signal.SIGKILL
        edition = json.loads((folder / "workshop.json").read_bytes())
        for area in (*edition["repos"].values(), *edition["datasets"].values()):
            for entry in area["tree"]:
                if "sha256" in entry:
                    path = folder / "objects" / entry["sha256"][:2] / entry["sha256"][2:]
                    assert Digest.of_chunks(chunks_of(path)).hex == entry["sha256"]
    assert cut
    subprocess.run(script, check=True)
    whole(folder)


def unpacked(manifest: Path, home: TakenHome) -> None:
    """Lay the content of a workshop's image out as an engine would."""
    job = Job(manifest, None, Store(manifest.parent / "store"), Journal())
    ready = prepared(job)
    image = image_of(ready.choice, ready.content, System((), {}, ""), job.store, job.journal)
    members = members_of(image.layers, job.store)
    for place in ("srv/workshop/repos", "srv/workshop/repos/.workshop"):
        info = members[place].info
        assert (info.mode, info.uid, info.gid) == (0o775, 1000, 100), "the attendee may add to it"
    for path, member in sorted(members.items()):
        target = home.prefix / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if member.info.issym():
            target.symlink_to(member.info.linkname)
        elif member.info.isfile():
            target.write_bytes(member.data)
            target.chmod(member.info.mode)


def serve(site: Site, folder: Path) -> None:
    site.files = {f"/{name}": data for name, data in whole(folder).items()}


def test_a_guest_of_an_earlier_build_is_brought_to_what_is_published(tmp_path: Path, capsys: Any) -> None:
    manifest = publishing(tmp_path / "w")
    with served() as site:
        home = TakenHome(tmp_path / "guest", site)
        unpacked(manifest, home)
        assert home.run("status", "--from", "http://127.0.0.1:9").splitlines()[:1] == ["Small, version 1"]
        (manifest.parent / "notes/two.py").write_text("2")
        manifest.write_text(manifest.read_text().replace('version: "1"', 'version: "2"'))
        code, _ = call(
            capsys, "build", "--manifest", manifest, "--store", tmp_path / "store", "--out", tmp_path / "out"
        )
        assert code == 0
        serve(site, tmp_path / "out/small.updates")
        home.put("repos/notes/one.ipynb", b'{"mine": 1}')
        assert "1 file changed, 1 bytes fetched" in home.run("update", "--from", site.url)
        assert home.read("repos/notes/two.py") == b"2" and home.read("repos/notes/one.ipynb") == b'{"mine": 1}'
        assert home.files()["repos/notes/data/numbers"] == "../../../data/numbers"
        home.run("reset", "notes")
        assert home.read("repos/notes/one.ipynb") == b"{}"
