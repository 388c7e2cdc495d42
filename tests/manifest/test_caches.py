"""What a card says about the caches of libraries."""

from __future__ import annotations

from typing import Any

import pytest

USE = "repos: {a: {path: x, data: {d: words}}}\n"
HEAD = "title: A\nlicence: MIT\nfiles: [{huggingface: owner/words, type: model}, {file: extra}]\ncaches:\n"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FULL = f"""\
  keras: {{models: weights/*.h5, datasets: [mnist.npz]}}
  torch: ["*.pth"]
  huggingface: {{repo: owner/words, type: model, revision: {COMMIT}, ref: v1, files: "*.json"}}
  kagglehub: {{dataset: owner/words, version: 3}}
  nltk: corpora/**
  sklearn: ["*.pkz"]
  tfds: mnist
  spacy: en_core_web_sm*
  gensim: [information.json, glove]
"""


def test_a_card_with_every_library_loads(desk: Any) -> None:
    desk.card("words", HEAD + FULL)
    caches = desk.load(USE).cards["words"].caches
    assert caches.keras.models == ("weights/*.h5",) and caches.sklearn == ("*.pkz",)
    assert caches.huggingface.revision == COMMIT and caches.kagglehub.version == 3


def test_caches_do_not_change_which_bytes_a_dataset_has(desk: Any) -> None:
    desk.card("words", HEAD + FULL)
    before = desk.load(USE).cards["words"].inputs()
    desk.card("words", HEAD + "  torch: other.pth\n")
    assert desk.load(USE).cards["words"].inputs() == before


def test_the_hub_s_commit_may_be_left_to_the_lock_of_the_same_repository(desk: Any) -> None:
    desk.card("words", HEAD + "  huggingface: {repo: owner/words, type: model}\n")
    assert desk.load(USE).cards["words"].caches.huggingface.revision is None


MISTAKES = {
    "  {}": "words.yaml:4: caches: is empty; name at least one library",
    "  kera: {models: a}": "words.yaml:5: caches.kera: is not a key here; did you mean 'keras'?",
    "  keras: {}": "words.yaml:5: caches.keras: is empty; give models or datasets",
    "  keras: [a]": "words.yaml:5: caches.keras: must be keys with values",
    "  keras: {weights: a}": "words.yaml:5: caches.keras.weights: is not a key here",
    "  torch: []": "words.yaml:5: caches.torch: must not be empty",
    "  torch: [../a]": "words.yaml:5: caches.torch[0]: '../a' must be a path inside its folder",
    "  huggingface: {type: model}": "words.yaml:5: caches.huggingface.repo: is missing",
    "  huggingface: {repo: other/words}": "caches.huggingface.revision: is missing: no file of the card is from",
    "  huggingface: {repo: owner/words, revision: main}": "'main' is no commit: that is 40 hex digits",
    "  huggingface: {repo: owner/words, ref: ../x}": "is no branch, tag or commit",
    "  kagglehub: {dataset: a/b}": "caches.kagglehub.version: is missing",
    "  kagglehub: {dataset: a/b, version: '3'}": "caches.kagglehub.version: must be a whole number",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_line(desk: Any, text: str) -> None:
    desk.card("words", HEAD + text)
    assert any(MISTAKES[text] in line for line in desk.told(USE)), desk.told(USE)
