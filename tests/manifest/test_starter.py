"""What `init` writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from builder.errors import OutputError
from builder.manifest import load, starter, write_starter


def test_the_starter_loads_and_its_notebook_is_where_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "My Workshop: 2026!"
    folder.mkdir()
    written = write_starter(folder)
    workshop = load(folder / "manifest.yaml")
    assert workshop.manifest.workshop == "my-workshop-2026"
    assert workshop.manifest.title == "My Workshop: 2026!"
    assert [path.relative_to(folder).as_posix() for path in written] == ["notebooks/hello.ipynb", "manifest.yaml"]
    assert workshop.choose().repos["notebooks"].path == "notebooks"


def test_every_possibility_in_the_starter_s_comments_loads_when_switched_on(desk: Any) -> None:
    text = re.sub(r"^#(?! )|^#(?=  \S+: [\[{]|    \S+:)", "", starter("demo"), flags=re.MULTILINE)
    desk.card("words")
    manifest = desk.load(text, head="").manifest
    assert set(manifest.repos) == {"notebooks", "course", "slides"}
    assert manifest.repos["notebooks"].data == {"data/words": "words"}
    assert set(manifest.profiles) == {"default", "stick"} and manifest.help and manifest.description


@pytest.mark.parametrize("name", ["", "---", "日本", "a" * 200, "-x", "x\ny: 1", 'quo"te', "{brace}", "#"])
def test_any_folder_name_gives_a_manifest_that_loads(name: str, desk: Any) -> None:
    assert desk.load(starter(name), head="").manifest.workshop


@pytest.mark.parametrize("there", ["manifest.yaml", "notebooks/hello.ipynb"])
def test_nothing_is_written_over(there: str, tmp_path: Path) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(OutputError, match=f"{there} is there already, so nothing was written"):
        write_starter(tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_the_first_notebook_is_valid_and_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = nbformat.read(write_starter(tmp_path)[0], as_version=4)
    nbformat.validate(notebook)
    exec(compile(notebook.cells[1].source, "hello", "exec"), {})
    assert capsys.readouterr().out == "It works.\n"
