"""Cards of datasets."""

from __future__ import annotations

from typing import Any

import pytest

from builder.errors import ManifestError

HEX = "b" * 64
USE = "repos: {a: {path: x, data: {d: words}}}\n"
FULL = f"""\
title: Words
description: Many.
licence: CC0-1.0
citation: Someone, 2020
homepage: https://example.org/words
files:
  - {{url: "https://example.org/w.zip", sha256: {HEX}, unpack: true, members: ["*.txt"], strip: 1, to: texts}}
  - {{file: local/words.txt, to: words.txt}}
  - {{pypi: vega_datasets, version: "0.9.0", members: ["data/*.csv"]}}
  - {{npm: "@scope/words"}}
  - {{debian: wamerican, members: [usr/share/dict/american-english], strip: 3}}
"""


def test_a_card_with_every_key_loads(desk: Any) -> None:
    desk.card("words", FULL)
    card = desk.load(USE).cards["words"]
    assert [spec.kind for spec in card.files] == ["url", "file", "pypi", "npm", "debian"]
    assert card.files[0].strip == 1 and card.files[0].to == "texts"


def test_the_inputs_of_a_card_are_what_decides_its_bytes(desk: Any) -> None:
    desk.card("words", FULL)
    before = desk.load(USE).cards["words"].inputs()
    assert before["files"][1] == {"file": "local/words.txt", "to": "words.txt"}
    assert before["files"][0]["sha256"] == f"sha256:{HEX}"
    desk.card("words", FULL.replace("title: Words", "title: Other").replace("Many", "Few").replace("CC0-1.0", "MIT"))
    assert desk.load(USE).cards["words"].inputs() == before
    desk.card("words", FULL.replace("strip: 3", "strip: 2"))
    assert desk.load(USE).cards["words"].inputs() != before


HEAD = "title: A\nlicence: MIT\n"
MISTAKES = {
    "title: A\nfiles: [{pypi: a}]": "datasets/words.yaml:1: licence: is missing",
    "title: A\nlicense: MIT\nfiles: [{pypi: a}]": "words.yaml:2: license: is not a key here; did you mean 'licence'?",
    f"{HEAD}files: []": "datasets/words.yaml:3: files: must not be empty",
    f"{HEAD}files: {{pypi: a}}": "words.yaml:3: files: must be a list",
    f"{HEAD}files: [a]": "words.yaml:3: files[0]: must be keys with values",
    f"{HEAD}files:\n  - {{pypi: a}}\n  - {{}}": "words.yaml:5: files[1]: has no source; give one of url, file",
    f"{HEAD}files: [{{pypi: a, npm: b}}]": "words.yaml:3: files[0].npm: stands beside pypi; give only one of",
    f"{HEAD}files: [{{url: 'https://x/y'}}]": "words.yaml:3: files[0].sha256: is missing: what is fetched",
    f"{HEAD}files: [{{url: 'gopher://x/y', sha256: {HEX}}}]": "files[0].url: 'gopher://x/y' must be an address that",
    f"{HEAD}files: [{{url: [], md5: {HEX[:32]}}}]": "files[0].url: must be an address, or a list of addresses",
    f"{HEAD}files: [{{url: 3, md5: {HEX[:32]}}}]": "files[0].url: must be an address, or a list of addresses",
    f"{HEAD}files: [{{url: ['https://x/y', 'x'], md5: {HEX[:32]}}}]": "files[0].url: 'x' must be an address that",
    f"{HEAD}files: [{{url: 'https://x/y', md5: {HEX}}}]": "files[0].md5: 'bbbb",
    f"{HEAD}files: [{{url: 'https://x/y', sha1: abc}}]": "files[0].sha1: 'abc' is no sha1 digest",
    f"{HEAD}files: [{{url: 'https://x/y', sha256: {HEX}, size: 4 GB}}]": "files[0].size: must be a whole number",
    f"{HEAD}files: [{{pypi: a, etag: x}}]": "files[0].etag: goes with url, not with pypi",
    f"{HEAD}files: [{{url: 's3://bucket', sha256: {HEX}}}]": "files[0].url: 's3://bucket' names no file; write it like s3://",
    f"{HEAD}files: [{{url: 'ftp://me@x/y', sha256: {HEX}}}]": "files[0].url: the address holds a user name",
    f"{HEAD}files: [{{url: 's3://bucket/key'}}]": "files[0].sha256: is missing: what is fetched",
    f"{HEAD}files: [{{gdrive: 1a2b3c4d5e6f}}]": "files[0].sha256: is missing: what is fetched",
    f"{HEAD}files: [{{gdrive: 'https://x', sha256: {HEX}}}]": "files[0].gdrive: 'https://x' is no file id",
    f"{HEAD}files: [{{doi: 'https://doi.org/10.1/a'}}]": "is no DOI, like 10.5281/zenodo.1234567",
    f"{HEAD}files: [{{doi: 10.5281/zenodo.1, sha256: {HEX}}}]": "files[0].sha256: goes with url or file or gdrive",
    f"{HEAD}files: [{{huggingface: a/b/c}}]": "files[0].huggingface: 'a/b/c' is no name on the hub",
    f"{HEAD}files: [{{huggingface: a/b, type: datset}}]": "files[0].type: 'datset' is not possible here; use",
    f"{HEAD}files: [{{git: a, type: model}}]": "files[0].type: goes with huggingface, not with git",
    f"{HEAD}files: [{{pypi: a, ref: main}}]": "files[0].ref: goes with git or huggingface, not with pypi",
    f"{HEAD}files: [{{kaggle: titanic}}]": "files[0].kaggle: 'titanic' is no dataset of Kaggle, like owner/name",
    f"{HEAD}files: [{{kaggle: a/b, version: v3}}]": "files[0].version: is no version of a Kaggle dataset",
    f"{HEAD}files: [{{manual: a.csv}}]": "files[0].from: is missing: name the page where a person gets the file",
    f"{HEAD}files: [{{manual: ../a, from: 'https://x/y'}}]": "files[0].manual: '../a' must be the name of a file",
    f"{HEAD}files: [{{file: a, say: hello}}]": "files[0].say: goes with manual, not with file",
    f"{HEAD}files: [{{hugingface: a/b}}]": "files[0].hugingface: is not a key here; did you mean 'huggingface'?",
    f"{HEAD}files: [{{url: 'https:///y', sha256: {HEX}}}]": "files[0].url: 'https:///y' is no address",
    f"{HEAD}files: [{{file: a, version: '1'}}]": "files[0].version: goes with pypi or npm or debian or kaggle, not",
    f"{HEAD}files: [{{pypi: a, unpack: true}}]": "files[0].unpack: goes with url or file or gdrive or manual, not",
    f"{HEAD}files: [{{file: a, to: ../b}}]": "files[0].to: '../b' must be a path inside its folder",
    f"{HEAD}files: [{{file: /a}}]": "files[0].file: '/a' must be a path relative to the manifest's folder",
    f"{HEAD}files: [{{pypi: a, members: [/etc/*]}}]": "files[0].members[0]: '/etc/*' must be a path inside its folder",
    f"{HEAD}files: [{{pypi: a, strip: -1}}]": "files[0].strip: -1 is not possible here",
    f"{HEAD}files: [{{pypi: a, version: 1.10}}]": 'version: 1.10 is read as a number; put it in quotes: "1.10"',
    f"{HEAD}files: [{{debian: Bad_Name}}]": "files[0].debian: 'Bad_Name' is no name of a Debian package",
    "": "datasets/words.yaml:1: the file is empty",
    "title: [": "datasets/words.yaml:2: is not valid YAML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_card_is_told_with_its_line(text: str, desk: Any) -> None:
    desk.card("words", f"{text}\n" if text else "")
    lines = desk.told(USE)
    assert any(MISTAKES[text] in line for line in lines), lines


def test_a_card_that_no_repo_names_is_not_read(desk: Any) -> None:
    desk.card("words", FULL)
    desk.card("other", "broken: [")
    assert set(desk.load(USE).cards) == {"words"}


def test_a_broken_card_that_two_repos_name_is_told_once(desk: Any) -> None:
    desk.card("words", "title: A\nlicence: MIT\n")
    lines = desk.told("repos: {a: {path: x, data: {d: words}}, b: {path: y, data: {d: words}}}\n")
    assert lines == ["datasets/words.yaml:1: files: is missing"]


def test_without_any_cards_the_missing_one_is_told(desk: Any) -> None:
    assert desk.told(USE) == ["manifest.yaml:3: repos.a.data.d: there is no card datasets/words.yaml"]


def test_of_a_file_that_a_person_gets_the_licence_counts_and_the_words_do_not(desk: Any) -> None:
    text = f"{HEAD}files: [{{manual: a.csv, from: 'https://x/y', say: sign up}}]"
    inputs = []
    for card in (text, text.replace("sign up", "log in").replace("x/y", "x/z"), text.replace("MIT", "CC0-1.0")):
        desk.card("words", card)
        inputs.append(desk.load(USE).cards["words"].inputs())
    assert inputs[0] == inputs[1] != inputs[2]


def test_a_private_dataset_is_for_private_profiles_only(desk: Any) -> None:
    desk.card("words", FULL + "private: true\n")
    assert desk.told(USE) == [
        "manifest.yaml:1: profiles.default: holds the repo 'a', which links to the private dataset 'words'; "
        "add private: true to the profile, or without: [a]"
    ]
    open_one = USE + "profiles:\n  default: {private: true}\n  open: {outputs: [oci]}\n"
    assert [line.partition(": holds")[0] for line in desk.told(open_one)] == ["manifest.yaml:6: profiles.open"]
    loaded = desk.load(open_one.replace("open: {", "open: {without: [a], "))
    assert loaded.choose().private and set(loaded.choose().datasets) == {"words"}
    assert not loaded.choose("open").datasets


def test_a_repo_s_own_file_does_not_bring_a_private_dataset_into_an_open_profile(desk: Any) -> None:
    desk.card("words", FULL + "private: true\n")
    loaded = desk.load("repos: {a: {path: x}}\n").adopt({"a": {"workshop.yaml": b"data: {d: words}"}})
    with pytest.raises(ManifestError, match=r"profiles\.default: holds the repo 'a', which links to the private"):
        loaded.choose()


RECIPE = """\
recipe:
  - {unpack: "*.zip", members: [a/*], strip: 1, to: texts}
  - rename: {texts/a.csv: b.csv}
  - {head: 1000, of: [b.csv]}
  - {concatenate: ["*.csv"], to: all.csv, header: 1}
  - keep: [all.csv]
  - remove: "*.md"
  - run: |
      sort all.csv >sorted.csv
      rm all.csv
"""


def test_a_recipe_with_every_step_loads_and_is_no_part_of_what_is_fetched(desk: Any) -> None:
    desk.card("words", FULL)
    plain = desk.load(USE).cards["words"]
    desk.card("words", FULL + RECIPE)
    card = desk.load(USE).cards["words"]
    assert [step.kind for step in card.recipe] == ["unpack", "rename", "head", "concatenate", "keep", "remove", "run"]
    assert card.recipe[0].unpack == ("*.zip",) and card.recipe[5].remove == ("*.md",)
    assert card.inputs() == plain.inputs() and plain.recipe_key is None
    desk.card("words", FULL + RECIPE.replace("1000", "100"))
    assert desk.load(USE).cards["words"].recipe_key not in (None, card.recipe_key)


STEP_MISTAKES = {
    "{head: 3, tail: 4}": "words.yaml:5: recipe[0].tail: is not a key here; known are",
    "{heads: 3}": "words.yaml:5: recipe[0].heads: is not a key here; did you mean 'head'?",
    "{}": "words.yaml:5: recipe[0]: is no step; give one of unpack, rename, head",
    "{head: 3, keep: a}": "words.yaml:5: recipe[0].keep: stands beside head; give only one of unpack, rename",
    "head": "words.yaml:5: recipe[0]: must be keys with values",
    "{head: 0}": "recipe[0].head: 0 is not possible here; it must be greater than or equal to 1",
    "{head: yes}": "recipe[0].head: must be a whole number, without quotes",
    "{head: '3'}": "recipe[0].head: must be a whole number, without quotes",
    "{head: 3, of: ../a}": "words.yaml:5: recipe[0].of[0]: '../a' must be a path inside its folder",
    "{head: 3, to: a}": "recipe[0].to: goes with unpack or concatenate, not with head",
    "{keep: []}": "recipe[0].keep: must not be empty",
    "{keep: a, members: b}": "recipe[0].members: goes with unpack, not with keep",
    "{concatenate: a}": "recipe[0].to: is missing: name the file that the others are joined to",
    "{concatenate: a, to: b, header: -1}": "recipe[0].header: -1 is not possible here",
    "{rename: {a: /b}}": "recipe[0].rename.a: '/b' must be a path inside its folder",
    "{rename: {../a: b}}": "'../a' must be a path inside its folder",
    "{rename: [a, b]}": "recipe[0].rename: must be keys with values",
    "{rename: {}}": "recipe[0].rename: must not be empty",
    "{unpack: 3}": "recipe[0].unpack: must be a list",
    "{unpack: a.zip, strip: 51}": "recipe[0].strip: 51 is not possible here",
    "{run: ' '}": "recipe[0].run: ' ' is no command",
    "{run: [a, b]}": "recipe[0].run: must be one text, not a list",
    "{run: }": "recipe[0].run: has no value",
}


@pytest.mark.parametrize("step", STEP_MISTAKES)
def test_a_mistake_in_a_recipe_is_told_with_its_line(step: str, desk: Any) -> None:
    desk.card("words", f"{HEAD}files: [{{pypi: a}}]\nrecipe:\n  - {step}\n")
    lines = desk.told(USE)
    assert any(STEP_MISTAKES[step] in line for line in lines), lines
