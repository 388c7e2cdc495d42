"""What a profile allows datasets to be licensed under."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import ManifestError
from builder.manifest.licences import all_of, is_allowed

ALLOW = ("MIT", "CC-BY-*", "LicenseRef-house", "GPL-2.0-only WITH Classpath-exception-2.0")
names = st.sampled_from(["MIT", "CC-BY-4.0", "GPL-3.0-only", "CC0-1.0"])
expressions = st.recursive(
    names,
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
        lambda found: "({} {} {})".format(*found)
    ),
)


@pytest.mark.parametrize(
    "licence",
    [
        "MIT", "mit", "CC-BY-4.0", "(MIT)", "MIT AND CC-BY-SA-4.0", "GPL-3.0-only OR MIT", "MIT OR GPL-3.0-only AND X",
        "GPL-3.0-only AND (X OR Y) OR CC-BY-4.0", "LicenseRef-house", "GPL-2.0-only WITH Classpath-exception-2.0",
    ],
)  # fmt: skip
def test_an_allowed_licence_is_allowed(licence: str) -> None:
    assert is_allowed(licence, ALLOW)


@pytest.mark.parametrize(
    "licence",
    [
        "CC0-1.0", "MIT AND CC0-1.0", "(MIT OR X) AND Y", "LicenseRef-other", "GPL-2.0-only", "MIT OR", "MIT CC-BY-4.0",
        "OR", "(MIT", "MIT)", "", "MIT WITH", "GPL-2.0-only WITH other", "MIT OR ()", "(" * 5000 + "MIT", "AND " * 5000,
    ],
)  # fmt: skip
def test_everything_else_is_not(licence: str) -> None:
    assert not is_allowed(licence, ALLOW)


def test_what_is_no_expression_can_be_allowed_as_it_is_written() -> None:
    assert is_allowed("free for teaching", ("free for teaching",)) and not is_allowed("free for teaching", ALLOW)


@given(expressions, st.lists(names, max_size=3))
def test_an_expression_is_as_its_words_say(expression: str, allow: list[str]) -> None:
    words = expression.replace("(", "( ").replace(")", " )").split()
    python = " ".join(
        word.lower() if word in ("AND", "OR") else word if word in "()" else str(word in allow) for word in words
    )
    assert is_allowed(expression, allow) == eval(python)  # of True, False, and, or and brackets that stand above


def test_the_licences_of_a_workshop_are_one_expression() -> None:
    assert all_of(["MIT", "CC0-1.0 OR X", "MIT"]) == "(CC0-1.0 OR X) AND MIT"
    assert all_of(["MIT OR X"]) == "MIT OR X" and all_of([]) == "" and all_of(["MIT", "LicenseRef-or"])


CARD = "title: A\nlicence: {}\nfiles: [{{file: x}}]\n"
MANIFEST = """\
repos:
  a: {path: x, data: {d: words}}
  b: {path: x, data: {d: words, e: people}}
profiles:
  default: {}
  venue: {licences: {allow: [MIT, CC-BY-*]}}
  small: {without: [b], licences: {allow: [MIT]}}
"""


def test_a_profile_that_does_not_allow_a_licence_names_dataset_licence_card_and_repos(desk: Any) -> None:
    desk.card("words", CARD.format("GPL-3.0-only"))
    desk.card("people", CARD.format("LicenseRef-own"))
    workshop = desk.load(MANIFEST)
    with pytest.raises(ManifestError) as caught:
        workshop.choose("venue")
    assert caught.value.message.splitlines() == [
        "datasets/people.yaml: licence: the profile venue allows only MIT, CC-BY-*, not LicenseRef-own; linked by b",
        "datasets/words.yaml: licence: the profile venue allows only MIT, CC-BY-*, not GPL-3.0-only; linked by a, b",
    ]
    assert "profiles.venue.licences" in caught.value.hint
    assert set(workshop.choose("default").datasets) == {"people", "words"}


def test_a_profile_looks_only_at_the_datasets_it_takes(desk: Any) -> None:
    desk.card("words", CARD.format("MIT"))
    desk.card("people", CARD.format("LicenseRef-private"))
    assert set(desk.load(MANIFEST).choose("small").datasets) == {"words"}


def test_a_dataset_that_a_repo_links_to_of_its_own_accord_is_looked_at_as_well(desk: Any) -> None:
    desk.card("people", CARD.format("LicenseRef-private"))
    workshop = desk.load("repos: {a: {path: x}}\nprofiles: {venue: {licences: {allow: [MIT]}}}\n")
    grown = workshop.adopt({"a": {"workshop.yaml": b"data: {d: people}\n"}})
    with pytest.raises(ManifestError, match=r"datasets/people\.yaml: licence"):
        grown.choose("venue")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{}", "profiles.default.licences.allow: is missing"),
        ("{allow: []}", "profiles.default.licences.allow: must not be empty"),
        ("{allow: [MIT OR X]}", "'MIT OR X' is no licence, like MIT"),
        ("{deny: [MIT]}", "profiles.default.licences.deny: is not a key here"),
        ("[MIT]", "profiles.default.licences: must be keys with values"),
    ],
)
def test_a_mistake_in_what_is_allowed_is_told(desk: Any, said: str, says: str) -> None:
    assert any(says in line for line in desk.told(f"profiles: {{default: {{licences: {said}}}}}\n"))
