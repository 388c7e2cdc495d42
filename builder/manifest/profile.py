"""A profile: which repos and outputs one venue gets, and how much they may weigh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, StrictBool

from builder.manifest.faults import nearest
from builder.manifest.fields import Name, Size
from builder.manifest.licences import Licences
from builder.manifest.strict import Rule, Strict

Output = Literal["oci", "docker", "ova", "updates"]
OUTPUTS: tuple[Output, ...] = ("oci", "docker", "ova")
"""What is made unless a profile says otherwise."""
LATER_OUTPUTS = ("kit",)


class Profile(Strict):
    """A named choice of repos and outputs, with a budget."""

    later = {"check": "comes with a later release; leave it out"}  # noqa: RUF012  # a ClassVar of Strict

    only: tuple[Name, ...] | None = Field(None, alias="with", description="Only these repos")
    without: tuple[Name, ...] = Field((), description="All repos but these")
    outputs: tuple[Output, ...] = Field(OUTPUTS, min_length=1, description="What to make")
    budget: Size | None = Field(None, description="The most all outputs together may weigh")
    private: StrictBool = Field(False, description="Private repos may be in its outputs")
    licences: Licences | None = Field(None, description="Which licences its datasets may have; left out, any")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        if "with" in raw and "without" in raw:
            yield ("without",), "stands beside with; give only one of the two"
        for key in ("with", "without", "outputs"):
            listed = raw[key] if isinstance(raw.get(key), list) else []
            for place, name in enumerate(listed):
                if name in listed[:place]:
                    yield (key, place), f"{name!r} stands there twice"
                elif key == "outputs" and name in LATER_OUTPUTS:
                    yield (key, place), f"{name} comes with a later release; use {', '.join(OUTPUTS)}"

    def takes(self, repo: str) -> bool:
        """Whether a repo is in this profile's outputs."""
        return (self.only is None or repo in self.only) and repo not in self.without


def profile_rules(profiles: Mapping[Any, Any], repos: Mapping[Any, Any]) -> Iterator[Rule]:
    """What must hold between raw profiles and raw repos: names exist, private repos stay in private profiles."""
    for name, raw in profiles.items():
        if not isinstance(raw, dict):
            continue
        named = {key: raw[key] if isinstance(raw.get(key), list) else None for key in ("with", "without")}
        for key, listed in named.items():
            for place, repo in enumerate(listed or ()):
                if isinstance(repo, str) and repo not in repos:
                    yield ("profiles", name, key, place), f"there is no repo {repo!r}{nearest(repo, map(str, repos))}"
        if raw.get("private") is True:
            continue
        for repo in private_repos(repos):
            if (named["with"] is None or repo in named["with"]) and repo not in (named["without"] or ()):
                yield (
                    ("profiles", name),
                    f"holds the private repo {repo!r}; add private: true to the profile, or without: [{repo}]",
                )


def private_repos(repos: Mapping[Any, Any]) -> list[Any]:
    """Names of raw repos that say they are private."""
    return [name for name, raw in repos.items() if isinstance(raw, dict) and raw.get("private") is True]
