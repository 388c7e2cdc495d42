"""What docs/data.md shows of libraries' caches: each card is fetched, and its files stand where the library looks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from data_hosts import COMMIT, Hosts, Reply

from builder.preparation import Job, prepared
from builder.progress import Journal
from builder.store.objects import Store

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
BLOCKS = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "caches:" in block]
WORDS = b"one\ntwo\nthree\n"
MANIFEST = "workshop: demo\nbase: {debian: bookworm}\nrepos: {lab: {path: lab, data: {data: shown}}}\n"
EXPECTED = {
    "mnist.npz": {
        "keras/datasets/mnist.npz",
        "keras/models/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "torch/hub/checkpoints/resnet18-f37072fd.pth",
    },
    "ada/words": {f"huggingface/hub/datasets--ada--words/snapshots/{COMMIT}/data/a.csv"},
    "pkz": {"sklearn/20news-bydate_py3.pkz"},
}


@pytest.mark.parametrize("words", EXPECTED)
def test_the_files_of_a_block_stand_where_libraries_look(words: str, hosts: Hosts, tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if words in block]
    hosts.replies |= {f"/{path}": Reply(WORDS) for path in re.findall(r"https://example\.org/(\S+)", block)}
    hosts.hub("ada/words", {"README.md": b"#", "data/a.csv": b"1"}, large={})
    card = yaml.safe_load(block.replace("https://example.org", hosts.url))
    for folder in ("datasets", "lab"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lab/a.py").write_text("")
    (tmp_path / "datasets/shown.yaml").write_text(json.dumps({"title": "Shown", "licence": "MIT", **card}))
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    content = prepared(Job(tmp_path / "manifest.yaml", None, Store(tmp_path / "store"), Journal())).content
    found = {f"{name}/{entry.path}" for name, tree in content.caches.items() for entry in tree.entries}
    assert found >= EXPECTED[words]
    assert content.environment


def test_every_block_with_caches_is_tried() -> None:
    assert len(BLOCKS) == len(EXPECTED)
