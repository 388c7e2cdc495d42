"""A workshop whose datasets are made by commands in its own system, which is the one its outputs get."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.manifest import load
from builder.progress import Journal
from builder.sources.fetch import fetch
from builder.sources.lock import resolve
from builder.store.objects import Store
from builder.store.trees import get_tree
from builder.system.build import Workbench
from builder.system.buildah import Buildah
from builder.system.workplace import Workplace, system_of

pytestmark = pytest.mark.slow

MANIFEST = """\
workshop: demo
base: {debian: bookworm}
packages: {python: [idna]}
services: {}
repos: {a: {path: a, data: {names: names, counts: counts}}}
"""
CARDS = {
    "names": "python3 make.py <names.txt >encoded.txt && rm make.py",
    "counts": "wc -l <names.txt >lines && rm make.py names.txt",
}
PROGRAM = "import idna, sys\nfor line in sys.stdin: print(idna.encode(line.strip()).decode())\n"


def test_datasets_are_made_side_by_side_in_one_system(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "datasets").mkdir()
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    (tmp_path / "make.py").write_text(PROGRAM)
    (tmp_path / "names.txt").write_text("köln\nzürich\n")
    for name, command in CARDS.items():
        card = (
            f"title: A\nlicence: MIT\nfiles: [{{file: make.py}}, {{file: names.txt}}]\nrecipe: [{{run: '{command}'}}]\n"
        )
        (tmp_path / "datasets" / f"{name}.yaml").write_text(card)
    choice, journal = load(tmp_path / "manifest.yaml").choose(), Journal()
    bench = Workbench(Buildah(tmp_path / "storage"), store, journal, tmp_path / "logs")
    asked: list[Workbench] = []
    base = {"debian": "bookworm"}
    workplace = Workplace(choice, base, lambda: asked.append(bench) or bench)

    lock = resolve(choice, None, store, journal, runner=workplace)
    made = {name: get_tree(lock.datasets[name].tree, store).by_path for name in CARDS}
    assert made["names"].keys() == {"names.txt", "encoded.txt"} and made["counts"].keys() == {"lines"}
    encoded = made["names"]["encoded.txt"].digest
    assert encoded is not None and store.read(encoded) == b"xn--kln-sna\nxn--zrich-kva\n"
    assert asked == [bench] and [stage.cached for stage in journal.stages if stage.name == "system"] == [False]

    again = Workplace(choice, base, lambda: pytest.fail("made a system for what was made before"))
    assert resolve(choice, lock, store, journal, runner=again) == lock
    fetch(lock, choice, store, journal, runner=again)
    system_of(choice, base, bench)
    assert [stage.cached for stage in journal.stages if stage.name == "system"] == [False, True]
