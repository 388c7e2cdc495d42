"""The reference in docs/manifest.md says every key there is, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from builder.manifest.caches import Caches, Hub, Kaggle, Keras
from builder.manifest.card import Card
from builder.manifest.file_spec import FileSpec
from builder.manifest.licences import Licences
from builder.manifest.manifest import Appliance, Base, Jupyter, Manifest, Services, Ssh
from builder.manifest.packages import Packages
from builder.manifest.profile import Profile
from builder.manifest.recipe import Step
from builder.manifest.repo import Repo
from builder.manifest.strict import Strict

TEXT = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))


def test_the_examples_load(desk: Any) -> None:
    manifest, card, made = BLOCKS
    desk.card("fashion-mnist", made)
    assert [step.kind for step in desk.load(manifest, head="").cards["fashion-mnist"].recipe] == [
        "unpack",
        "concatenate",
        "head",
        "rename",
        "run",
        "keep",
    ]
    desk.card("fashion-mnist", card)
    workshop = desk.load(manifest, head="")
    assert set(workshop.manifest.profiles) == {"default", "stick", "teachers"} and workshop.cards


@pytest.mark.parametrize(
    ("section", "models"),
    [
        ("The workshop", [Manifest, Base, Packages, Services, Jupyter, Ssh, Appliance]),
        ("A repo", [Repo]),
        ("A profile", [Profile, Licences]),
        ("A card", [Card, FileSpec]),
        ("A recipe", [Step]),
        ("Caches", [Caches, Keras, Hub, Kaggle]),
    ],
)
def test_every_key_is_in_the_reference(section: str, models: list[type[Strict]]) -> None:
    named = set(re.findall(r"`([\w-]+)`", SECTIONS[section]))
    assert {key for model in models for key in model.keys()} <= named  # noqa: SIM118  # keys() is the model's own
