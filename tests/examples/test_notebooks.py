"""The default workshop's notebooks: valid, without outputs, and each runs without a network in under a minute."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from builder.content.layout import Content, link_data
from builder.content.page import page_of
from builder.content.tree import lay_out
from builder.manifest import load
from builder.progress import Journal
from builder.sources.lock import resolve
from builder.store.objects import Store
from builder.store.trees import get_tree

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.relative_to(ROOT / "examples") for path in (ROOT / "examples").rglob("*.ipynb"))
DEADLINE = 60  # seconds, for a cell; a whole notebook gets START_UP more, for its kernel on a busy machine
START_UP = 20
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # busy cores make threads wait for each other
RUN = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
nbformat.validate(book)
NotebookClient(book, timeout=int(sys.argv[2]), resources={"metadata": {"path": "."}}).execute()
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_a_notebook_is_stored_without_outputs_and_with_stable_cells(path: Path) -> None:
    book = json.loads((ROOT / "examples" / path).read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in book["cells"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", name) for name in names)
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_a_notebook_teaches_with_a_title_exercises_and_links_that_lead_somewhere(path: Path) -> None:
    book = json.loads((ROOT / "examples" / path).read_text())
    texts = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown"]
    assert texts[0].startswith("# ")
    assert any("Exercises" in text for text in texts)
    for target in re.findall(r"\]\(([^)]+\.(?:ipynb|html))\)", "\n".join(texts)):
        assert (ROOT / "examples" / path.parent / target).exists()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default workshop laid out from its real sources."""
    folder = tmp_path_factory.mktemp("workshop")
    store, journal = Store(folder / "store"), Journal()
    choice = load(ROOT / "manifest.yaml").choose()
    lock = resolve(choice, None, store, journal)
    repos = {name: get_tree(lock.repos[name].tree, store) for name in choice.repos}
    datasets = {name: get_tree(lock.datasets[name].tree, store) for name in choice.datasets}
    page = page_of(choice, repos, datasets, store)
    store.put_bytes(page)
    linked = {name: link_data(name, tree, choice.repos[name].data) for name, tree in repos.items()}
    lay_out(Content(linked, datasets, page), folder / "tree", store)
    return folder / "tree"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_a_notebook_runs_offline_within_its_deadline(path: Path, workshop: Path, guest_python: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("cutting the network off needs root")
    offline = [
        "unshare",
        "--net",
        "sh",
        "-c",
        'ip link set lo up && exec "$@"',
        "sh",
    ]  # the kernel is spoken to on loopback
    folder = workshop / "repos" / path.parent
    done = subprocess.run(
        [*offline, guest_python, "-c", RUN, folder / path.name, str(DEADLINE)],
        cwd=folder, env={**os.environ, **ONE_THREAD}, timeout=DEADLINE + START_UP,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_every_relative_link_of_the_landing_page_slides_and_demo_leads_to_a_file(workshop: Path) -> None:
    pages = [workshop / "index.html", *workshop.glob("repos/slides/*.html"), *workshop.glob("repos/browser/*.html")]
    assert len(pages) == 3
    for page in pages:
        text = page.read_text()
        targets = re.findall(r'(?:data-file|src|href)="((?!https?:|data:|#|\.\./lab)[^"]+)"', text)
        assert len(targets) >= 2
        assert [target for target in targets if not (page.parent / target).exists()] == []
