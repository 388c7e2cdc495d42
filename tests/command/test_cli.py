"""Words in, one call, result out: exit codes, sentences, and the one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder import cli, errors
from builder.digest import Digest
from builder.errors import BudgetError, BuilderError
from builder.options import Options, verb
from builder.result import Output, Result
from builder.verbs import check, store

ROOT = Path(__file__).parents[2]
CODES = {
    "error": 1,
    "budget": 1,
    "manifest": 3,
    "lock": 4,
    "source": 5,
    "integrity": 6,
    "store": 7,
    "program": 8,
    "missing-program": 9,
    "engine": 10,
    "output": 11,
    "check": 12,
}
KINDS = [BuilderError, *(kind for kind in vars(errors).values() if kind in BuilderError.__subclasses__())]

GROUPS = {"store": store.command, "check": check.command}
"""Verbs that have verbs of their own."""
ALL_VERBS = [
    *(name for name in cli.VERBS if name not in GROUPS),
    *(f"{name} {own}" for name, group in GROUPS.items() for own in group.commands),
]

Install = Callable[[Callable[[Options], Result]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a function the verb `try`, by the same way as every other."""

    def put(function: Callable[[Options], Result]) -> None:
        module = types.ModuleType("builder.verbs.try")
        module.command = verb(function)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "builder.verbs.try", module)
        monkeypatch.setitem(cli.VERBS, "try", "Only for this test.")

    return put


def only_json(text: str) -> dict[str, Any]:
    """The one object on stdout; anything beside it fails."""
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_failure_has_its_documented_exit_code_and_is_one_sentence_with_a_hint(
    kind: type[BuilderError], install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: Options) -> Result:
        raise kind("the thing is not well", hint="python3 build.py doctor", where="manifest.yaml:14")

    install(fail)
    assert cli.main(["try"]) == CODES[kind.kind]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: manifest.yaml:14: the thing is not well\nhint: python3 build.py doctor\n"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_failure_is_one_json_object(
    kind: type[BuilderError], install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: Options) -> Result:
        options.journal.tell("before it failed")
        raise kind("the thing is not well", hint="do this", where="manifest.yaml:14")

    install(fail)
    assert cli.main(["try", "--json"]) == CODES[kind.kind]
    error = {"kind": kind.kind, "message": "the thing is not well", "hint": "do this", "where": "manifest.yaml:14"}
    assert only_json(capsys.readouterr().out) == {"ok": False, "error": error}


def test_every_kind_of_failure_is_documented_here() -> None:
    assert {kind.kind for kind in KINDS} == set(CODES)


def test_a_result_is_text_on_stdout_and_progress_on_stderr(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: Options) -> Result:
        with options.journal.stage("digits") as stage:
            stage.cached = True
        return Result(text="docker run it")

    install(work)
    assert cli.main(["try"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "docker run it\n"
    assert "digits" in shown.err
    assert "reused" in shown.err


def test_success_is_one_json_object_of_outputs_stages_and_warnings(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = Digest.of(b"image")

    def work(options: Options) -> Result:
        with options.journal.stage("image") as stage:
            stage.bytes_in, stage.bytes_out = 10, 4
        options.journal.warn("no KVM")
        return Result((Output("oci", Path("out/x.oci"), digest, 4),), text="for people", facts={"extra": 1})

    install(work)
    assert cli.main(["try", "--json"]) == 0
    value = only_json(capsys.readouterr().out)
    (stage,) = value.pop("stages")
    assert stage.pop("seconds") >= 0
    assert stage == {"name": "image", "cached": False, "bytes_in": 10, "bytes_out": 4}
    output = {"kind": "oci", "path": "out/x.oci", "digest": str(digest), "bytes": 4}
    assert value == {"ok": True, "outputs": [output], "warnings": ["no KVM"], "extra": 1}


def test_a_verb_may_tell_all_it_found_and_still_say_no(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    def over(options: Options) -> Result:
        return Result(text="the plan", facts={"bytes": 9}, failure=BudgetError("9 B are more than 4 B"))

    install(over)
    assert cli.main(["try", "--json"]) == 1
    value = only_json(capsys.readouterr().out)
    assert (value["ok"], value["bytes"], value["error"]["kind"]) == (False, 9, "budget")
    assert cli.main(["try"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("the plan\n", "error: 9 B are more than 4 B\n")


def test_a_bug_says_so_and_shows_a_traceback_only_with_v(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    def slip(options: Options) -> Result:
        raise KeyError("layer")

    install(slip)
    assert cli.main(["try"]) == 70
    brief = capsys.readouterr()
    assert "this is a bug" in brief.err
    assert "Traceback" not in brief.err
    assert cli.main(["try", "-v"]) == 70
    assert "Traceback" in capsys.readouterr().err
    assert cli.main(["try", "--json"]) == 70
    assert only_json(capsys.readouterr().out)["error"]["kind"] == "bug"


def test_a_stop_by_ctrl_c_is_130_without_a_traceback(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(options: Options) -> Result:
        raise KeyboardInterrupt

    install(stop)
    assert cli.main(["try"]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert cli.main(["try", "--json"]) == 130
    assert only_json(capsys.readouterr().out)["error"]["kind"] == "stopped"


def test_a_file_that_cannot_be_written_is_named(
    install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def write(options: Options) -> Result:
        (tmp_path / "no" / "folder").write_text("")
        return Result()

    install(write)
    assert cli.main(["try"]) == 11
    assert f"{tmp_path}/no/folder: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["bild"], ["doctor", "--engin", "x"], ["doctor", "--engine", "podman"], ["doctor", "x"]]
)
def test_wrong_words_are_a_usage_error_that_points_at_the_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--help" in shown.err
    assert cli.main([*words, "--json"]) == 2
    error = only_json(capsys.readouterr().out)["error"]
    assert error["kind"] == "usage"
    assert "--help" in error["hint"]


def test_a_verb_that_is_nearly_right_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bild"]) == 2
    assert "there is no verb 'bild'; did you mean build?" in capsys.readouterr().err


@pytest.mark.parametrize("name", ALL_VERBS)
def test_every_verb_has_help_with_the_common_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"build.py {name}" in text
    for option in ("--manifest", "--profile", "--store", "--out", "--locked", "--offline", "--json", "--yes"):
        assert option in text


@pytest.mark.parametrize("name", ALL_VERBS)
def test_every_verb_stands_in_the_readme(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text()


def test_the_store_is_chosen_by_option_then_environment_then_cache_folder(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def look(options: Options) -> Result:
        seen.append(options.store)
        return Result()

    install(look)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.delenv("WORKSHOP_STORE", raising=False)
    cli.main(["try"])
    monkeypatch.setenv("WORKSHOP_STORE", "/shared")
    cli.main(["try"])
    cli.main(["try", "--store", "/mine"])
    assert seen == [Path("/cache/workshop"), Path("/shared"), Path("/mine")]


def test_help_imports_nothing_that_only_work_needs() -> None:
    heavy = "{'rich', 'pydantic', 'yaml', 'urllib3', 'docker', 'aiohttp', 'jinja2'}"
    code = f"import sys; from builder.cli import main; main(['--help']); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_reader_that_goes_away_is_no_bug() -> None:
    code = "from builder.cli import main; import sys; sys.exit(main(['--help']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        told = child.stderr.read()
        assert child.wait() != 70
    assert b"Traceback" not in told
    assert b"bug" not in told
