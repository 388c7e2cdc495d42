"""JSON Schemas of the files a user writes, so that an editor completes and checks them."""

from __future__ import annotations

from typing import Any

from builder.manifest.card import Card
from builder.manifest.manifest import Manifest
from builder.manifest.strict import Strict

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.yaml`."""
    return _schema(Manifest)


def card_schema() -> dict[str, Any]:
    """The JSON Schema of a dataset's card."""
    return _schema(Card)


def _schema(model: type[Strict]) -> dict[str, Any]:
    return {"$schema": DIALECT, **model.model_json_schema(by_alias=True, mode="validation")}
