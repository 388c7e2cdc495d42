"""Strict, frozen models that tell every mistake at once, and pydantic's words turned into ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from builder.manifest.faults import Fault, nearest
from builder.manifest.positions import Document, KeyPath, read_as

Rule = tuple[KeyPath, str]

_TEXTS = {
    "missing": "is missing",
    "tuple_type": "must be a list: [one, two] or lines with dashes",
    "list_type": "must be a list: [one, two] or lines with dashes",
    "dict_type": "must be keys with values (key: value)",
    "mapping_type": "must be keys with values (key: value)",
    "model_type": "must be keys with values (key: value)",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


class Strict(BaseModel):
    """Unknown keys, wrong types and broken rules are all told in one go, not one kind after another.

    `rules` looks at the raw value, so it must take whatever stands there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    later: ClassVar[Mapping[str, str]] = {}
    """Keys that are known but not built yet, with what to use instead."""

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        """What must hold between keys: (path below this model, what is wrong)."""
        yield from ()

    @classmethod
    def keys(cls) -> set[str]:
        """The keys as written in the file."""
        return {field.alias or name for name, field in cls.model_fields.items()}

    @model_validator(mode="wrap")
    @classmethod
    def _every_mistake(cls, raw: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(raw, dict):
            return handler(raw)
        own = [*_key_mistakes(cls, raw), *cls.rules(raw)]
        try:
            made = handler(raw)
        except ValidationError as error:
            told = {path for path, _ in own}
            details = [detail for detail in error.errors(include_url=False) if detail["loc"] not in told]
            own_details = [_detail("rule", path, raw, text) for path, text in own]
            rest = [_detail(one["type"], one["loc"], one["input"], one["msg"]) for one in details]
            raise ValidationError.from_exception_data(cls.__name__, own_details + rest) from error
        if own:
            raise ValidationError.from_exception_data(
                cls.__name__, [_detail("rule", path, raw, text) for path, text in own]
            )
        return made


def wrong(text: str) -> PydanticCustomError:
    """A mistake found by a field's own check, in our words."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def _detail(kind: str, path: KeyPath, value: Any, text: str) -> InitErrorDetails:
    error = PydanticCustomError(kind, "{text}", {"text": text})
    return InitErrorDetails(type=error, loc=path, input=value)


def _key_mistakes(model: type[Strict], raw: Mapping[Any, Any]) -> Iterator[Rule]:
    for key, value in raw.items():
        if key in model.later:
            yield (str(key),), model.later[key]
        elif key not in model.keys() | set(model.model_fields):
            yield (str(key),), f"is not a key here{nearest(str(key), model.keys())}"
        elif value is None:
            yield (str(key),), "has no value; give it one, or leave the key out"


Model = TypeVar("Model", bound=Strict)


def validated(model: type[Model], document: Document) -> tuple[Model | None, list[Fault]]:
    """The model of a document, or None and all that is wrong with it."""
    if document.value is None and not document.faults:
        return None, [document.fault((), "the file is empty")]
    if document.value is None:
        return None, list(document.faults)
    try:
        return model.model_validate(document.value), list(document.faults)
    except ValidationError as error:
        faults = [_fault(document, detail) for detail in _telling(error)]
        return None, sorted([*document.faults, *faults], key=lambda fault: fault.line)


def _telling(error: ValidationError) -> Iterator[Any]:
    """The details of an error, without "empty" for a list whose items are all wrong and told already."""
    details = error.errors(include_url=False)
    inside = {detail["loc"][:-1] for detail in details}
    yield from (one for one in details if one["type"] != "too_short" or one["loc"] not in inside)


def _fault(document: Document, detail: Any) -> Fault:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    return document.fault(path, _text(document, path, detail))


def _text(document: Document, path: KeyPath, detail: Any) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "string_type":
        if isinstance(value, dict | list):
            return "must be one text, not a list or keys with values"
        written = document.texts.get(path, str(value))
        return f'{written or "an empty value"} is read as {read_as(value)}; put it in quotes: "{written}"'
    if kind == "literal_error":
        return f"{value!r} is not possible here; use {detail['msg'].removeprefix('Input should be ')}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{value} is not possible here; it {detail['msg'].replace('Input should', 'must')}"
    return _TEXTS.get(kind, str(detail["msg"]))
