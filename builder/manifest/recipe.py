"""A card's recipe: the steps that make the dataset of the files that were fetched, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictInt, WithJsonSchema

from builder.manifest.fields import PlainPath, matching
from builder.manifest.repo import one_of_schema, source_rules
from builder.manifest.strict import Rule, Strict

STEPS = ("unpack", "rename", "head", "concatenate", "keep", "remove", "run")
_BELONGS = {
    "members": ("unpack",),
    "strip": ("unpack",),
    "of": ("head",),
    "header": ("concatenate",),
    "to": ("unpack", "concatenate"),
}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[
    tuple[PlainPath, ...],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Lines = Annotated[StrictInt, Field(ge=1)]
Command = Annotated[str, matching(r"(?s).*\S.*", "is no command")]


class Step(Strict, json_schema_extra=one_of_schema(STEPS)):
    """One change to the files so far. Patterns: `*` stays within a folder, `**` goes across, a folder is all in it."""

    unpack: Patterns | None = Field(
        None, min_length=1, description="Archives or compressed files: what is in them takes their place"
    )
    rename: Mapping[PlainPath, PlainPath] | None = Field(
        None, min_length=1, description="New paths of files or folders: {old: new}"
    )
    head: Lines | None = Field(None, description="How many first lines to keep of each file")
    concatenate: Patterns | None = Field(
        None, min_length=1, description="Files to join, in the order of their paths; `to` takes their place"
    )
    keep: Patterns | None = Field(None, min_length=1, description="Files to keep; all others go")
    remove: Patterns | None = Field(None, min_length=1, description="Files that go")
    run: Command | None = Field(
        None, description="A shell command in the workshop's system; what is in its folder afterwards are the files"
    )
    members: Patterns = Field((), description="Files to take out of the archives (unpack); left out, all")
    strip: Annotated[StrictInt, Field(ge=0, le=50)] = Field(
        0, description="How many leading folders to drop from what is taken (unpack)"
    )
    of: Patterns = Field((), description="Files to shorten (head); left out, all")
    header: Annotated[StrictInt, Field(ge=0)] = Field(
        0, description="How many lines at the top of each file to keep of the first only (concatenate)"
    )
    to: PlainPath | None = Field(
        None, description="The joined file (concatenate); the single file or the folder of many (unpack)"
    )

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        yield from source_rules(raw, STEPS, _BELONGS, none="is no step")
        if "concatenate" in raw and "to" not in raw:
            yield ("to",), "is missing: name the file that the others are joined to"

    @property
    def kind(self) -> str:
        return next(kind for kind in STEPS if getattr(self, kind) is not None)

    def inputs(self) -> dict[str, Any]:
        """What decides what this step makes of given files."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
