"""A dataset's card, `datasets/<name>.yaml`: what it is, under which licence, and where each of its files comes from."""

from __future__ import annotations

from typing import Any

from pydantic import Field, StrictBool

from builder.manifest.fields import Line, WebAddress
from builder.manifest.file_spec import FileSpec
from builder.manifest.strict import Strict


class Card(Strict):
    """A named set of files that repos share."""

    title: Line = Field(description="What attendees call it")
    description: str = Field("", description="What is in it, for the landing page")
    licence: Line = Field(description="Its licence, as SPDX writes it: MIT, CC-BY-4.0, CC0-1.0")
    citation: str | None = Field(None, description="How to cite it")
    homepage: WebAddress | None = Field(None, description="Where it is described")
    private: StrictBool = Field(False, description="Only profiles that are private may hold a repo that links to it")
    files: tuple[FileSpec, ...] = Field(min_length=1, description="Its files, source by source")

    def inputs(self) -> dict[str, Any]:
        """What decides which bytes this dataset has: the key of its pin."""
        inputs: dict[str, Any] = {"files": [spec.inputs() for spec in self.files]}
        if any(spec.manual for spec in self.files):
            inputs["licence"] = self.licence  # whoever got the file accepted this one, and no other
        return inputs
