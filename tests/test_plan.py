"""What a plan tells: bytes on the wire, here, in the image, and saved; and how it looks."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Site, served

from builder import cli
from builder.digest import Digest
from builder.plan import Plan, Row, plan
from builder.preparation import Job, foreseen, prepared
from builder.progress import Journal
from builder.sources.packed import WebFileSource
from builder.sources.sizes import ToFetch, asked_sizes
from builder.sources.source import Network
from builder.sources.web_file import WebFile
from builder.store.objects import Store
from builder.verbs.plan import text_of

BIG, SMALL = b"weights " * 200_000, b"a,b\n1,2\n"
MANIFEST = """\
workshop: demo
base: {debian: bookworm}
repos:
  one: {path: one, data: {data/net: net}}
  two: {path: two, data: {data/net: net, more: net}}
profiles: {default: {outputs: [docker]}}
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as running:
        running.files |= {"/net.bin": BIG, "/table.csv": SMALL}
        yield running


@pytest.fixture
def manifest(tmp_path: Path, site: Site) -> Path:
    """Two repos, the first of which carries the dataset's large file too; the card's second file has an equal twin."""
    for path, data in (("one/own.bin", BIG), ("one/a.py", b"a"), ("two/b.py", b"b")):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets/net.yaml").write_text(card(site))
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    return tmp_path / "manifest.yaml"


def card(site: Site) -> str:
    return (
        "title: A network\nlicence: CC-BY-4.0\ncitation: Someone, 2020\nfiles:\n"
        f"  - {{url: '{site.url}/net.bin', sha256: {Digest.of(BIG).hex}}}\n"
        f"  - {{url: '{site.url}/table.csv', sha256: {Digest.of(SMALL).hex}}}\n"
        f"  - {{url: '{site.url}/table.csv', sha256: {Digest.of(SMALL).hex}, to: twin.csv}}\n"
    )


def job_of(manifest: Path, store: str = "store", **words: Any) -> Job:
    return Job(manifest, None, Store(manifest.parent / store), Journal(), **words)


def planned(job: Job) -> Plan:
    choice, lock = foreseen(job)
    return plan(choice, lock, job.store, job.network)


def rows(found: Plan) -> dict[str, Row]:
    return {row.what: row for row in found.rows}


def test_once_all_is_here_nothing_is_fetched_and_what_is_saved_is_counted(manifest: Path) -> None:
    prepared(job_of(manifest))
    found = rows(planned(job_of(manifest)))
    net, one, size = found["dataset net"], found["repo one"], len(BIG) + 2 * len(SMALL)
    assert (net.bytes, net.here, net.to_fetch, net.is_exact) == (size, size, 0, True)
    assert (net.saved_image, net.saved_store) == (2 * size, len(SMALL))
    assert (net.licence, net.citation) == ("CC-BY-4.0", "Someone, 2020")
    assert (one.bytes, one.saved_store, one.twice) == (len(BIG) + 1, len(BIG), {"net": len(BIG)})
    assert found["repo two"].saved == 0 and not found["repo two"].twice


def test_before_the_lock_servers_tell_how_much_there_is_and_nothing_is_written(manifest: Path) -> None:
    found = planned(job_of(manifest))
    assert rows(found)["dataset net"].to_fetch == len(BIG) + 2 * len(SMALL)
    assert rows(found)["dataset net"].is_exact and not found.is_known
    assert rows(found)["repo one"] == Row("repo one", "path")
    assert not (manifest.parent / "manifest.lock").exists()


def test_offline_nobody_is_asked(manifest: Path, site: Site) -> None:
    net = rows(planned(job_of(manifest, offline=True)))["dataset net"]
    assert (net.to_fetch, net.is_exact) == (0, False) and not site.requests


def test_with_a_lock_and_an_empty_store_the_lock_tells_the_bytes_on_the_wire(manifest: Path, site: Site) -> None:
    prepared(job_of(manifest))
    site.requests.clear()
    found = rows(planned(job_of(manifest, "another store")))
    net, two = found["dataset net"], found["repo two"]
    assert (net.to_fetch, net.is_exact, net.here) == (len(BIG) + len(SMALL), True, 0)  # equal files are fetched once
    assert (two.bytes, two.to_fetch, two.is_exact) == (1, 0, True)  # it is on this machine
    assert not site.requests


def test_what_is_here_of_a_dataset_is_not_fetched_again(manifest: Path) -> None:
    prepared(job_of(manifest))
    store = Store(manifest.parent / "store")
    store.path(Digest.of(SMALL)).unlink()
    net = rows(planned(job_of(manifest)))["dataset net"]
    assert (net.to_fetch, net.here) == (len(SMALL), len(BIG))


@pytest.mark.parametrize("kept", ["", "1."])
def test_a_lock_that_does_not_tell_all_bytes_on_the_wire_gives_a_guess(manifest: Path, kept: str) -> None:
    prepared(job_of(manifest))
    path = manifest.with_suffix(".lock")
    lock = json.loads(path.read_text())
    told = {key: value for key, value in lock["datasets"]["net"]["resolved"].items() if kept and key.startswith(kept)}
    lock["datasets"]["net"]["resolved"] = {"0.commit": "0" * 40, **told}
    path.write_text(json.dumps(lock))
    net = rows(planned(job_of(manifest, "another store")))["dataset net"]
    assert (net.to_fetch, net.is_exact) == (net.bytes, False)


def test_a_server_that_says_nothing_is_not_waited_for(site: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/net.bin"
        files = [WebFile((one,), "net.bin") for one in (address, f"{site.url}/net.bin")]
        sources = [WebFileSource(file, Store(tmp_path / "store")) for file in files]
        assert asked_sizes(sources, Network(), 0.5) == [ToFetch(0, is_exact=False), ToFetch(len(BIG), is_exact=True)]


def test_a_dataset_that_a_repo_links_to_of_its_own_accord_is_in_the_plan(manifest: Path) -> None:
    (manifest.parent / "two/workshop.yaml").write_text("data: {extra: other}\n")
    text = (manifest.parent / "datasets/net.yaml").read_text()
    (manifest.parent / "datasets/other.yaml").write_text(text)
    prepared(job_of(manifest))
    assert "dataset other" in rows(planned(job_of(manifest)))


def test_the_total_is_the_sum_of_the_rows(manifest: Path) -> None:
    prepared(job_of(manifest))
    found = planned(job_of(manifest))
    for name in ("bytes", "here", "to_fetch", "saved_image", "saved_store"):
        assert getattr(found.total, name) == sum(getattr(row, name) for row in found.rows)
    said = found.to_json()
    assert said["total"]["saved_image"] == found.total.saved_image and said["rows"][0]["licence"] == "CC-BY-4.0"


LONG = Plan(
    "default",
    (
        Row("dataset imagenet-in-very-small-pieces-for-a-day", "files", 10**9, 10**8, 9 * 10**8, True,
            saved_image=3 * 10**9, licence="LicenseRef-imagenet-for-research-and-teaching"),
        Row("dataset words", "files", to_fetch=5000, is_exact=False, licence="MIT"),
        Row("repo digits", "git", 10**6, 0, 10**6, True, is_exact=False, saved_store=7000, twice={"words": 3 * 10**6}),
        Row("repo slides", "path"),
    ),
    {"docker": 10**9, "ova": 2 * 10**9},
    is_known=False,
    budget=4 * 10**9,
)  # fmt: skip


@pytest.mark.parametrize("width", [20, 80, 120])
def test_no_line_is_longer_than_the_terminal_and_columns_stand_below_each_other(width: int) -> None:
    lines = text_of(LONG, width).splitlines()
    assert all(len(line) <= max(width, 80) for line in lines)
    table = lines[: lines.index("")]
    assert len({len(line.split("  ")[0]) > 0 for line in table[1:]}) == 1
    end = table[0].index("in image") + len("in image")
    assert all(line[end : end + 2] == "  " and line[end - 1] != " " for line in table)


READS = """\
                                        to fetch    here  in image  saved  licence
dataset imagenet-in-very-small-pieces…    900 MB  100 MB      1 GB   3 GB  LicenseRef-imagenet-for-research-and-teaching
dataset words                             ≥ 5 kB       –         ?      –  MIT
repo digits                               ≈ 1 MB       –      1 MB   7 kB
repo slides                                    –       –         ?      –
total                                   ≥ 901 MB  100 MB    ≥ 1 GB   3 GB

outputs: at least docker 1 GB, ova 2 GB; 3 GB in all; budget 4 GB
saved in the image: 3 GB, since all data links lead to one copy
saved in the store: 7 kB, since equal files are kept once
3 MB of the dataset words are in the image again, as files of repo digits; take them out there and link to the dataset
python3 build.py lock pins what is not locked yet: dataset words, repo slides"""


def test_at_120_letters_the_plan_reads_like_this() -> None:
    assert text_of(LONG, 120) == READS


def test_a_workshop_without_repos_has_a_plan() -> None:
    assert "outputs: not known yet" in text_of(replace(LONG, rows=(), weights={"docker": 0}), 80)


def test_the_verb_tells_the_plan_and_refuses_a_licence_the_profile_does_not_allow(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--manifest", str(manifest), "--store", str(manifest.parent / "store")]
    assert cli.main(["plan", *words]) == 0
    assert "CC-BY-4.0" in capsys.readouterr().out
    allowed = "{outputs: [docker], licences: {allow: [MIT]}}"
    manifest.write_text(MANIFEST.replace("{outputs: [docker]}", allowed))
    for verb in ("plan", "build"):
        assert cli.main([verb, *words]) == 3
        told = capsys.readouterr().err
        assert "datasets/net.yaml: licence: the profile default allows only MIT, not CC-BY-4.0" in told
        assert "linked by one, two" in told
