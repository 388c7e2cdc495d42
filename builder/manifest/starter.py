"""A manifest to start from, with comments, and a first notebook, as `init` writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from builder.errors import OutputError
from builder.files import write_whole

MANIFEST = "manifest.yaml"
NOTEBOOK = "notebooks/hello.ipynb"

# A line that starts with `#` and no space is a key that is off: take the `#` away to use it.
_TEXT = """\
# A workshop. `python3 build.py build` turns it into a container image and a virtual machine.
# Lines that start with # and no space are possibilities: take the # away to use one.

workshop: {name}
title: {title}
version: "1"                        # in quotes: it is a text, not a number
#description: What attendees will learn, in a sentence or two.
#help: [Raise your hand., "https://example.org/questions"]

# What the system starts from: a Debian release, or a container image.
base: {{debian: bookworm}}

# What is installed for all repos.
packages:
  python: [jupyterlab]
  system: []                        # packages of the distribution, like git or graphviz
  npm: []

# JupyterLab with a token on port 8080. `services: {{}}` installs no service at all.
services:
  jupyter: {{port: 8080}}

# The virtual machine. `room` is the free space attendees have on its disk.
#appliance: {{cpus: 2, memory: 2 GB, room: 4 GB}}

# Where you will put what the output `updates` makes, so that `workshop update` at home finds newer repos.
#published: https://example.org/course

# What attendees work on. Each repo has one source: path, git, archive, pypi or npm.
repos:
  notebooks:
    path: notebooks
#    title: Say hello
#    data: {{data/words: words}}      # a data link: a folder in the repo → the dataset of datasets/words.yaml
#  course: {{git: "https://example.org/course.git", ref: v1.0}}
#  slides: {{npm: reveal.js, version: "5.1.0"}}

# A choice of repos and outputs for each venue; `build --profile NAME` takes another than default.
profiles:
  default: {{outputs: [oci, docker, ova]}}
#  stick: {{without: [slides], outputs: [ova], budget: 4 GB}}
"""


def starter(name: str) -> str:
    """A commented manifest for a workshop of this name; it loads and builds where `write_starter` put its notebook."""
    return _TEXT.format(name=_workshop_name(name), title=json.dumps(" ".join(name.split()) or "Workshop"))


def write_starter(folder: Path) -> tuple[Path, ...]:
    """Write a manifest and its notebook into a folder; raise OutputError when one of them is there already."""
    targets = (folder / NOTEBOOK, folder / MANIFEST)
    for target in targets:
        if target.exists() or target.is_symlink():
            raise OutputError(
                f"{target.relative_to(folder)} is there already, so nothing was written",
                hint="go on with it (python3 build.py plan), or start in an empty folder",
            )
    text = starter(folder.absolute().name)
    write_whole(targets[0], json.dumps(_notebook(), indent=1, sort_keys=True).encode() + b"\n")
    write_whole(targets[1], text.encode())
    return targets


def _workshop_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "workshop"


def _notebook() -> dict[str, Any]:
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [
        {"cell_type": "markdown", "id": "hello", "metadata": {}, "source": ["# Hello\n", "Run the cell below."]},
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "first",
            "metadata": {},
            "outputs": [],
            "source": ['print("It works.")'],
        },
    ]
    return {"cells": cells, "metadata": {"kernelspec": python}, "nbformat": 4, "nbformat_minor": 5}
