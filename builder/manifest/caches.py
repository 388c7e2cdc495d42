"""A card's caches: which libraries find which of its files on their own, where each of them looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StrictInt

from builder.manifest.fields import GitRef, HubName, KaggleName, matching
from builder.manifest.file_spec import HubType
from builder.manifest.recipe import Patterns
from builder.manifest.strict import Rule, Strict

Commit = Annotated[str, matching(r"[0-9a-f]{40}", "is no commit: that is 40 hex digits")]
Files = Annotated[Patterns, Field(min_length=1)]


class Keras(Strict):
    """What `keras.utils.get_file` finds, each under its own name."""

    models: Patterns = Field((), description="Weights, like those of keras.applications")
    datasets: Patterns = Field((), description="Files of keras.datasets, like mnist.npz, and of get_file")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        if not raw:
            yield (), "is empty; give models or datasets"


class Hub(Strict):
    """A snapshot of a repository of the Hugging Face hub."""

    repo: HubName = Field(description="The repository: owner/name")
    type: HubType = Field("dataset", description="What the repository is")
    revision: Commit | None = Field(None, description="Its commit; left out, the one locked for these files")
    ref: GitRef = Field("main", description="The branch or tag that this commit is known as")
    files: Patterns = Field((), description="Which files of the dataset; left out, all")


class Kaggle(Strict):
    """A version of a dataset of Kaggle, as kagglehub keeps it."""

    dataset: KaggleName = Field(description="The dataset: owner/name")
    version: Annotated[StrictInt, Field(ge=1)] = Field(description="Its version, a number")
    files: Patterns = Field((), description="Which files of the dataset; left out, all")


class Caches(Strict):
    """Files by library; patterns as everywhere: `*` stays within a folder, `**` goes across, a folder is all in it."""

    keras: Keras | None = Field(None, description="Keras: models and datasets by name")
    torch: Files | None = Field(None, description="torch.hub's checkpoints, by name")
    huggingface: Hub | None = Field(None, description="A snapshot of a repository of the hub")
    kagglehub: Kaggle | None = Field(None, description="A version of a dataset of Kaggle")
    nltk: Files | None = Field(None, description="NLTK's corpora/…, tokenizers/… and so on, with their folders")
    sklearn: Files | None = Field(None, description="What scikit-learn's fetch_… functions keep")
    tfds: Files | None = Field(None, description="TensorFlow Datasets: name/version/…")
    spacy: Files | None = Field(None, description="An unpacked model package: its folder and its .dist-info")
    gensim: Files | None = Field(None, description="gensim.downloader's information.json and name/…")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        if not raw:
            yield (), "is empty; name at least one library"


def hub_rules(raw: Mapping[str, Any]) -> Iterator[Rule]:
    """On a raw card: the hub's commit is given, or locked because a file of the card comes from that repository."""
    caches, files = raw.get("caches"), raw.get("files")
    hub = caches.get("huggingface") if isinstance(caches, dict) else None
    if not isinstance(hub, dict) or "repo" not in hub or "revision" in hub:
        return
    specs = [spec for spec in files if isinstance(spec, dict)] if isinstance(files, list) else []
    if not any(spec.get("huggingface") == hub["repo"] for spec in specs):
        text = f"is missing: no file of the card is from huggingface: {hub['repo']}, so name the commit"
        yield ("caches", "huggingface", "revision"), text
