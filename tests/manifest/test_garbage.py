"""Whatever stands in a file, it loads or is told as a ManifestError; nothing else comes out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import ManifestError
from builder.manifest import FILES, load, merge_repo
from builder.manifest.manifest import Manifest
from builder.manifest.repo import Repo

KEYS = st.sampled_from(
    sorted({*Manifest.keys(), *Repo.keys(), "jupyter", "ssh", "with", "default", "files", "licence"})
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a", "git", "oci"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
VALID = yaml.safe_load(
    """
workshop: demo
title: Demo
base: {debian: bookworm}
help: [x]
packages: {system: [git], python: [numpy], npm: []}
services: {jupyter: {port: 8080}, ssh: {port: 2222, authorized_keys: [KEY]}}
appliance: {cpus: 2, memory: 2 GB}
repos: {a: {path: x, data: {d: words}, pages: [x]}, b: {git: "https://x/y", ref: v1, private: true}}
profiles: {p: {without: [b], outputs: [oci], budget: 4 GB}}
""".replace("KEY", f"ssh-ed25519 {'A' * 68}")
)
CARD = yaml.safe_load("{title: A, licence: MIT, files: [{pypi: a, members: [x], strip: 1}]}")
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _load(folder: Path, manifest: bytes, card: bytes = b"title: A\nlicence: MIT\nfiles: [{pypi: a}]\n") -> None:
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets" / "words.yaml").write_bytes(card)
    (folder / "manifest.yaml").write_bytes(manifest)
    try:
        load(folder / "manifest.yaml").choose("p")
    except ManifestError as error:
        assert str(error) and error.hint


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, part in parts for deeper in _paths(part, (*path, key)))]


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = _with(value[path[0]], path[1:], new)
    return changed


@QUICK
@given(JSON)
def test_any_json_is_loaded_or_told(tmp_path: Path, value: Any) -> None:
    _load(tmp_path, json.dumps(value).encode())


@QUICK
@given(st.sampled_from(_paths(VALID)), JSON)
def test_a_valid_manifest_with_anything_in_any_place_is_loaded_or_told(tmp_path: Path, path: Any, value: Any) -> None:
    _load(tmp_path, json.dumps(_with(VALID, path, value)).encode())


@QUICK
@given(st.sampled_from(_paths(CARD)), JSON)
def test_a_valid_card_with_anything_in_any_place_is_loaded_or_told(tmp_path: Path, path: Any, value: Any) -> None:
    _load(tmp_path, json.dumps(VALID).encode(), json.dumps(_with(CARD, path, value)).encode())


@QUICK
@given(st.binary(max_size=60) | st.text("{}[]:,-#&*!|>'\"%@` \n\tab01", max_size=60).map(str.encode))
def test_any_bytes_are_loaded_or_told(tmp_path: Path, data: bytes) -> None:
    _load(tmp_path, data)


@QUICK
@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=40), max_size=4))
def test_any_bytes_in_a_repo_s_own_files_are_merged_or_told(files: dict[str, bytes]) -> None:
    try:
        merge_repo(Repo(path="x"), files)
    except ManifestError as error:
        assert str(error) and error.hint


def test_what_these_tests_start_from_is_valid(tmp_path: Path) -> None:
    _load(tmp_path, json.dumps(VALID).encode(), json.dumps(CARD).encode())
    assert load(tmp_path / "manifest.yaml").choose("p").datasets
