"""`workshop` where attendees use it, as their user: in a real container and in a booted appliance."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from dockerd import client
from faulty_server import served
from guest_system import bootable_layer
from qemu import booted, disks_of
from workshops import workshop

from builder.appliance.appliance import build_appliance
from builder.content.published import write_published
from builder.content.settings import START, settings
from builder.image.archive import write_archive
from builder.pipeline import appliance_spec, image_of
from builder.preparation import Job, Prepared, prepared
from builder.progress import Journal
from builder.store.objects import Store
from builder.system.system import System

pytestmark = pytest.mark.slow
NAME = "workshop-at-home:1"
NOTES = "/srv/workshop/repos/notes"
UPDATES = "usr/share/updates"
SITE = "http://127.0.0.1:9000"


def book(*sources: str) -> bytes:
    cells = [
        {"id": f"c{number}", "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": one}
        for number, one in enumerate(sources)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()


def sources(data: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(data)["cells"]]


OLD, MINE, NEW = book("a = 1", "b = 2"), book("a = 1", "b = 20"), book("a = 100", "b = 2", "c = 3")


@dataclass(frozen=True)
class Twice:
    """A workshop as it was built and as it was published later, by path; and a store with a system for it."""

    job: Job
    first: Prepared
    published: dict[str, bytes]

    @property
    def system(self) -> System:
        return System((bootable_layer(self.job.store),), {}, "")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    folder = tmp_path_factory.mktemp("twice")
    manifest = workshop(folder, {"n.csv": b"1,2\n"})
    job = Job(manifest, None, Store(folder / "store"), Journal())
    (folder / "notes/one.ipynb").write_bytes(OLD)
    (folder / "notes/gone.py").write_bytes(b"gone")
    first = prepared(job)
    (folder / "notes/one.ipynb").write_bytes(NEW)
    (folder / "notes/gone.py").unlink()
    (folder / "notes/more.py").write_bytes(b"more")
    (folder / "numbers/n.csv").write_bytes(b"1,2\n3,4\n")
    manifest.write_text(manifest.read_text().replace('version: "1"', 'version: "2"'))
    out = folder / "out/small.updates"
    write_published(prepared(replace(job, update=("notes", "numbers"))).content, out, job.store)
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return Twice(job, first, files)


@pytest.fixture(params=[(), ("--volume", "/srv/workshop/repos")], ids=["in itself", "in a volume"])
def container(twice: Twice, tmp_path: Path, docker_engine: str | None, request: pytest.FixtureRequest) -> Iterator[str]:
    docker = client() or "docker"
    image = image_of(twice.first.choice, twice.first.content, twice.system, twice.job.store, twice.job.journal)
    write_archive(image, tmp_path / "small.tar", twice.job.store, [NAME])
    subprocess.run([docker, "load", "-i", tmp_path / "small.tar"], check=True, capture_output=True)
    words = [docker, "run", "--detach", "--network", "host", *request.param, "--entrypoint", "sleep", NAME, "600"]
    running = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield running
    finally:
        subprocess.run([docker, "rm", "--force", "--volumes", running], capture_output=True, check=True)
        subprocess.run([docker, "rmi", "--force", NAME], capture_output=True, check=True)


def within(container: str, *words: str, data: bytes | None = None) -> str:
    """What a command of the container's own user prints."""
    docker = [client() or "docker", "exec", *(["-i"] if data else []), "--env", "no_proxy=*", container]
    done = subprocess.run([*docker, *words], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode()


def test_an_edited_notebook_in_a_container_is_brought_up_to_date(twice: Twice, container: str) -> None:
    with served() as site:
        site.files = {f"/{path}": data for path, data in twice.published.items()}
        within(container, "sh", "-c", f"cat > {NOTES}/one.ipynb", data=MINE)
        assert "notes/one.ipynb: edited" in within(container, "workshop", "status", "--from", "http://127.0.0.1:9")
        status = within(container, "workshop", "status", "--from", site.url)
        assert "repos/notes: newer: version 2" in status
        assert "data/numbers: newer" in status and "comes with a new image" in status
        said = within(container, "workshop", "update", "--from", site.url)
        assert "merged" in said and "newer data, which comes with a new image" in said
        assert sources(within(container, "cat", f"{NOTES}/one.ipynb")) == ["a = 100", "b = 20", "c = 3"]
        assert within(container, "ls", NOTES).split() == ["data", "more.py", "one.ipynb"]
        assert within(container, "cat", f"{NOTES}/data/numbers/n.csv") == "1,2\n"
        assert "everything is the newest" in within(container, "workshop", "update", "notes", "--from", site.url)
        within(container, "workshop", "undo")
        assert within(container, "cat", f"{NOTES}/one.ipynb").encode() == MINE
        assert within(container, "ls", NOTES).split() == ["data", "gone.py", "one.ipynb"]
        within(container, "workshop", "reset", "notes")
        assert within(container, "cat", f"{NOTES}/one.ipynb").encode() == OLD


AT_START = f"""#!/bin/sh
export no_proxy='*'
python3 -m http.server --bind 127.0.0.1 --directory /{UPDATES} 9000 &
until python3 -c "import urllib.request as r; r.urlopen('{SITE}/workshop.json')"; do sleep 1; done
cp /usr/share/mine.ipynb {NOTES}/one.ipynb
workshop update --from {SITE} > {NOTES}/said 2>&1
cp {NOTES}/one.ipynb {NOTES}/merged.ipynb
workshop undo >> {NOTES}/said 2>&1
workshop reset notes >> {NOTES}/said 2>&1
cd /srv/workshop
exec python3 -m http.server 8080
"""


def test_an_edited_notebook_in_a_booted_appliance_is_brought_up_to_date(twice: Twice, tmp_path: Path) -> None:
    own = {path: found for path, found in settings(8080).items() if path != START}
    own |= {f"{UPDATES}/{path}": (data, 0o644) for path, data in twice.published.items()}
    own |= {START: (AT_START.encode(), 0o755), "usr/share/mine.ipynb": (MINE, 0o644)}
    spec = replace(appliance_spec(twice.first.choice), room=256 << 20)
    system = twice.system.layers
    made = build_appliance(system, own, twice.first.content, spec, twice.job.store, twice.job.journal, tmp_path / "out")
    with booted(disks_of(made.path, tmp_path / "disks"), tmp_path) as machine:
        machine.wait_for_http("/")
        said = machine.wait_for_http("/repos/notes/said")
        assert "repos/notes: now version 2" in said and "merged" in said, said
        assert "data/numbers: there is newer data, which comes with a new image" in said
        assert sources(machine.wait_for_http("/repos/notes/merged.ipynb")) == ["a = 100", "b = 20", "c = 3"]
        assert machine.wait_for_http("/repos/notes/one.ipynb").encode() == OLD
        assert machine.wait_for_http("/repos/notes/gone.py") == "gone"
