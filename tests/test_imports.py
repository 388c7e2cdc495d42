"""A part imports only parts left of it, and no package that is not among the requirements."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (
    {"errors", "digest", "files", "run", "progress", "places", "programs", "provision", "environment"},
    {"store"},
    {"manifest"},
    {"sources"},
    {"content"},
    {"system"},
    {"image"},
    {"appliance"},
    {"check"},
    {"preparation", "pipeline", "plan", "doctor", "holdings", "remote", "exchange"},
    {"result", "terminal", "options"},
    {"verbs"},
    {"cli"},
)
# What a package is imported as, where that is not its name.
IMPORTED_AS = {"pyyaml": "yaml"}
# Parts of a requirement that it documents under a name of their own.
COMPANIONS = {"pydantic": "pydantic_core", "requests": "urllib3"}
STANDARD_ONLY = {
    "build.py",
    "errors.py",
    "digest.py",
    "files.py",
    "run.py",
    "programs.py",
    "provision.py",
    "environment.py",
}
# What stands in `guest` runs inside images, with the packages that are there.
MODULES = sorted(path for path in (ROOT / "builder").rglob("*.py") if "guest" not in path.parts)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT / "builder").parts[0].removesuffix(".py")


def imported(source: str) -> set[str]:
    """Dotted names that a source imports, wherever in it; `from a import b` counts as `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rank(part: str) -> int:
    return next(place for place, parts in enumerate(ORDER) if part in parts)


def wrong_directions(part: str, source: str) -> set[str]:
    """Imports of `part` that point to the right of it."""
    own = {name.split(".")[1] for name in imported(source) if name.startswith("builder.")}
    return {other for other in own if rank(other) > rank(part)}


def strangers(source: str, allowed: set[str]) -> set[str]:
    """Imports that are neither ours, nor Python's, nor allowed."""
    return {name.split(".")[0] for name in imported(source)} - allowed - {"builder"} - sys.stdlib_module_names


def requirements() -> set[str]:
    names = re.findall(r"^([A-Za-z0-9_]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    packages = {IMPORTED_AS.get(name.lower(), name.lower()) for name in names}
    return packages | {companion for package, companion in COMPANIONS.items() if package in packages}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    if path != ROOT / "builder" / "__init__.py":
        assert wrong_directions(part_of(path), path.read_text()) == set()


@pytest.mark.parametrize("path", [*MODULES, ROOT / "build.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_imported_packages_are_requirements(path: Path) -> None:
    allowed = set() if path.name in STANDARD_ONLY and path.parent in (ROOT, ROOT / "builder") else requirements()
    assert strangers(path.read_text(), allowed) == set()


def test_every_part_has_its_place_in_the_order() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts <= set().union(*ORDER)


def test_a_wrong_import_is_found() -> None:
    assert wrong_directions("store", "from builder.image import layer") == {"image"}
    assert wrong_directions("store", "def late():\n    import builder.cli") == {"cli"}
    assert strangers("import numpy.linalg, json", {"yaml"}) == {"numpy"}
