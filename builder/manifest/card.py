"""A dataset's card, `datasets/<name>.yaml`: what it is, under which licence, and where each of its files comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, StrictBool

from builder.digest import key_of
from builder.manifest.caches import Caches, hub_rules
from builder.manifest.fields import Line, WebAddress
from builder.manifest.file_spec import FileSpec
from builder.manifest.recipe import Step
from builder.manifest.strict import Rule, Strict


class Card(Strict):
    """A named set of files that repos share."""

    title: Line = Field(description="What attendees call it")
    description: str = Field("", description="What is in it, for the landing page")
    licence: Line = Field(description="Its licence, as SPDX writes it: MIT, CC-BY-4.0, CC0-1.0")
    citation: str | None = Field(None, description="How to cite it")
    homepage: WebAddress | None = Field(None, description="Where it is described")
    private: StrictBool = Field(False, description="Only profiles that are private may hold a repo that links to it")
    files: tuple[FileSpec, ...] = Field(min_length=1, description="Its files, source by source")
    recipe: tuple[Step, ...] = Field((), description="What is made of the files, step by step; left out, nothing")
    caches: Caches | None = Field(None, description="Which libraries find which of its files by themselves")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        yield from hub_rules(raw)

    def inputs(self) -> dict[str, Any]:
        """What decides which bytes are fetched: the key of its pin."""
        inputs: dict[str, Any] = {"files": [spec.inputs() for spec in self.files]}
        if any(spec.manual for spec in self.files):
            inputs["licence"] = self.licence  # whoever got the file accepted this one, and no other
        return inputs

    @property
    def recipe_key(self) -> str | None:
        """The key of what becomes of those bytes; apart, so that another recipe leaves them as they are locked."""
        return key_of([step.inputs() for step in self.recipe]) if self.recipe else None

    @property
    def has_command(self) -> bool:
        """Whether a command makes its files, for which the workshop's system is needed."""
        return any(step.run is not None for step in self.recipe)
