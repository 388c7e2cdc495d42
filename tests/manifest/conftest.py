"""A folder to write manifests and cards into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import ManifestError
from builder.manifest import Workshop, load

CARD = "title: A set\nlicence: MIT\nfiles:\n  - {pypi: vega_datasets, members: [data/*.csv]}\n"
HEAD = "workshop: demo\nbase: {debian: bookworm}\n"


class Desk:
    """Writes a manifest (after a valid head unless told otherwise) and cards, and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = folder / "manifest.yaml"

    def card(self, name: str, text: str = CARD) -> None:
        (self.folder / "datasets").mkdir(exist_ok=True)
        (self.folder / "datasets" / f"{name}.yaml").write_text(text)

    def load(self, text: str, *, head: str = HEAD) -> Workshop:
        self.manifest.write_text(head + text)
        return load(self.manifest)

    def told(self, text: str, *, head: str = HEAD) -> list[str]:
        """Every line of the error that loading this gives; the head takes lines 1 and 2."""
        with pytest.raises(ManifestError) as caught:
            self.load(text, head=head)
        assert caught.value.where == caught.value.message.split(": ")[0]
        return caught.value.message.splitlines()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def told(desk: Desk) -> Callable[[str], list[str]]:
    return desk.told
