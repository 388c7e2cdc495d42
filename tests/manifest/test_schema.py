"""The JSON Schemas that editors use."""

from __future__ import annotations

import json
from typing import Any

from builder.manifest import Card, Manifest, card_schema, schema


def test_every_key_a_user_can_write_is_described() -> None:
    for made in (schema(), card_schema()):
        models = [made, *made["$defs"].values()]
        bare = [
            (one.get("title"), key)
            for one in models
            for key, raw in one.get("properties", {}).items()
            if not raw.get("description")
        ]
        assert bare == []


def test_the_schemas_name_the_keys_as_they_are_written() -> None:
    made = schema()
    assert set(made["properties"]) == Manifest.keys()
    assert {"with", "without"} <= set(made["$defs"]["Profile"]["properties"])
    assert set(card_schema()["properties"]) == Card.keys()


def test_unknown_keys_are_mistakes_in_an_editor_too() -> None:
    assert all(one.get("additionalProperties") is False for one in _models(schema()) + _models(card_schema()))


def test_the_schemas_are_json_and_the_same_each_time() -> None:
    assert json.dumps(schema()) == json.dumps(schema())
    assert schema()["$defs"]["Repo"]["oneOf"][0] == {"required": ["path"]}
    assert schema()["$defs"]["Profile"]["properties"]["budget"]["anyOf"][0]["type"] == "string"


def _models(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in [made, *made["$defs"].values()] if "properties" in one]
