"""Every block of docs/data.md loads, and is fetched from servers on loopback in the place of its addresses."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from data_hosts import KEY, Hosts, Reply
from ftp_server import ftp_served
from one_dataset import choice_of, contents, locked
from remotes import s3_bucket

from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.store.objects import Store

BLOCKS = re.findall(r"```yaml\n(.*?)```", (Path(__file__).parents[2] / "docs" / "data.md").read_text(), re.DOTALL)
WORDS = b"one\ntwo\nthree\n"
NEEDED = {"npm": "npm", "debian": "apt-get"}
EXPECTED: dict[str, set[str]] = {
    "mirror/down.txt": {"words.txt", "same/words.txt", "corpus/a.txt", "corpus/b.txt"},
    "s3://": {"words.txt", "from-s3.txt"},
    "local/": {"labels.csv", "pictures/one.png"},
    "pypi:": {"seattle-weather.csv"},
    "npm:": {"npm/package.json", "words"},
    "git:": {"one.csv"},
    "zenodo": {"words.csv", "read.me"},
    "DVN": {"a.txt", "figures/f.bin"},
    "ada/words, ref": {"data/a.csv"},
    "small-model": {"config.json", "model.bin"},
    "kaggle:": {"a.csv"},
    "gdrive:": {"words.txt"},
    "manual:": {"a.txt", "b.txt"},
    "concatenate:": {"words/all.txt"},
    "private:": {"words.txt"},
}
"""The files that the block with these words must come to."""
FOR_LIBRARIES = (
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5", "mnist.npz", "resnet18-f37072fd.pth", "20news-bydate_py3.pkz",
)  # fmt: skip
"""Stand-ins for what test_describing_caches.py lays out where libraries look."""


def archive() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, text in (
            ("corpus-1.0/README", "words\n"), ("corpus-1.0/text/a.txt", "a\n"), ("corpus-1.0/text/b.txt", "b\n"),
        ):  # fmt: skip
            made.writestr(zipfile.ZipInfo(name), text)
    return held.getvalue()


@pytest.fixture
def workshop(
    hosts: Hosts, git: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], dict[str, Any]]]:
    """All that the blocks name is on loopback or in the folder; gives a block's card, with addresses of loopback."""
    hosts.replies |= {"/words.txt": Reply(WORDS), "/corpus.zip": Reply(archive())}
    hosts.replies |= {f"/{name}": Reply(WORDS) for name in FOR_LIBRARIES}
    hosts.invenio("10.5281/zenodo.1234567", "1234567", {"words.csv": b"1", "read.me": b"2"})
    hosts.dataverse("10.7910/DVN/EXAMPLE", {"a.txt": b"a"}, ("t.csv", b"1"))
    hosts.figshare("10.6084/m9.figshare.1234567.v2", "1234567", 2, {"f.bin": b"f"})
    hosts.hub("ada/words", {"README.md": b"#", "data/a.csv": b"1"}, large={})
    hosts.hub("ada/small-model", {"config.json": b"{}"}, large={"model.bin": b"m"}, kind="model")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("a.csv", "1")
    hosts.kaggle("ada/words", 3, held.getvalue())
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    hosts.drive("1aBcDeFgHiJkLmNoPqRsT", WORDS, asks=True)
    _lessons(hosts, git, tmp_path / "lessons")
    _local(tmp_path / "w")
    with ftp_served() as ftp:
        ftp.files["/words.txt"] = WORDS

        def card(block: str) -> dict[str, Any]:
            text = block.replace("https://example.org", hosts.url).replace("ftp://example.org", ftp.url)
            return dict(yaml.safe_load(text))

        yield card


def _lessons(hosts: Hosts, git: Callable[..., str], folder: Path) -> None:
    """A repository on a plain web server."""
    (folder / "work" / "data").mkdir(parents=True)
    (folder / "work" / "data" / "one.csv").write_text("1")
    git(folder / "work", "init", "--quiet")
    git(folder / "work", "add", "--all")
    git(folder / "work", "commit", "--quiet", "--message", "one")
    git(folder / "work", "tag", "v1.0")
    git(folder, "clone", "--quiet", "--bare", "work", "bare")
    git(folder / "bare", "update-server-info")
    for path in (folder / "bare").rglob("*"):
        if path.is_file():
            hosts.replies[f"/lessons.git/{path.relative_to(folder / 'bare')}"] = Reply(path.read_bytes())
    listing = hosts.replies["/lessons.git/info/refs"]
    hosts.replies["/lessons.git/info/refs?service=git-upload-pack"] = listing


def _local(folder: Path) -> None:
    (folder / "local" / "pictures").mkdir(parents=True)
    (folder / "local" / "labels.csv").write_text("a,b\n")
    (folder / "local" / "pictures" / "one.png").write_bytes(b"\x89PNG")
    (folder / "local" / "pictures" / "notes.txt").write_text("not taken")
    (folder / "drop").mkdir()
    (folder / "drop" / "faces.zip").write_bytes(archive())


def test_every_kind_of_source_has_a_block() -> None:
    assert [words for words in EXPECTED if sum(words in block for block in BLOCKS) != 1] == []


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_loaded_and_fetched(
    block: str, workshop: Callable[[str], dict[str, Any]], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, program in NEEDED.items():
        if f"{kind}:" in block and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with contextlib.ExitStack() as stack:
        said = block
        if "s3://" in block:
            bucket = stack.enter_context(s3_bucket(monkeypatch)).removesuffix("/store")
            fsspec.filesystem("s3", skip_instance_cache=True).pipe_file(f"{bucket}/2026/words.txt", WORDS)
            said = block.replace("s3://example-bucket", bucket)
        card = workshop(said)
        choice = choice_of(tmp_path / "w", card.pop("files", [{"file": "local/labels.csv"}]), **card)
        if any(step.run is not None for step in choice.datasets["words"].recipe):
            return  # needs the workshop's own system; tests/system proves what it does
        lock = locked(choice, store)
        other = Store(tmp_path / "other")
        fetch(lock, choice, other, Journal())
    found = contents(lock, other)
    assert found == contents(lock, store) and found
    for words, files in EXPECTED.items():
        if words in block:
            assert found.keys() == files
