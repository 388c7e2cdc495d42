"""`build.py` in a fresh copy: it makes its environment once, whole or nothing, and then is quick."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTING_UP = "setting up .venv"


def plain_python() -> str:
    """The Python that this environment was made from, as on a machine where nothing is installed yet."""
    return str(getattr(sys, "_base_executable", sys.executable))


def start(checkout: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [plain_python(), checkout / "build.py", *words],
        cwd="/",
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def call(checkout: Path, *words: str, **env: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    child = start(checkout, *words, **env)
    out, err = child.communicate(timeout=300)
    return child.returncode, out, err


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the command whose help needs only click, so that making its environment is quick."""
    folder = tmp_path / "check out"
    shutil.copytree(ROOT / "builder", folder / "builder", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "build.py", folder)
    pinned = (ROOT / "requirements.txt").read_text()
    click = re.search(r"^click==(?:[^\n]*\\\n)*[^\n]*\n", pinned, re.MULTILINE)
    assert click is not None
    (folder / "requirements.txt").write_text(click[0])
    return folder


def test_the_first_run_makes_the_environment_and_the_second_leaves_it_alone(checkout: Path) -> None:
    code, out, err = call(checkout, "--help")
    assert (code, "Verbs:" in out) == (0, True), err
    assert SETTING_UP in err
    made = (checkout / ".venv" / "requirements.txt").stat().st_mtime_ns
    code, out, err = call(checkout, "--help", PYTHONPATH="/nowhere", PYTHONHOME="")
    assert (code, err) == (0, "")
    assert (checkout / ".venv" / "requirements.txt").stat().st_mtime_ns == made


def test_two_first_runs_at_once_make_it_once(checkout: Path) -> None:
    children = [start(checkout, "--help") for _ in range(2)]
    told = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sum(SETTING_UP in err for _, err in told) == 1
    assert all("Verbs:" in out for out, _ in told)


def test_an_environment_killed_half_way_is_made_anew(checkout: Path) -> None:
    child = start(checkout, "--help")
    python = checkout / ".venv" / "bin" / "python"
    until(python.exists)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert not (checkout / ".venv" / "requirements.txt").exists()
    code, out, err = call(checkout, "--help")
    assert (code, "Verbs:" in out) == (0, True), err
    assert SETTING_UP in err


def test_ctrl_c_while_it_is_made_is_130_without_a_traceback(checkout: Path) -> None:
    child = start(checkout, "--help")
    until((checkout / ".venv" / "bin" / "python").exists)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert not (checkout / ".venv" / "requirements.txt").exists()


@pytest.mark.slow
def test_a_broken_or_outdated_environment_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").write_text("#!/bin/false\n")
    assert call(checkout, "--help")[0] == 0
    with (checkout / "requirements.txt").open("a") as file:
        file.write("# newer\n")
    code, _, err = call(checkout, "--help")
    assert (code, SETTING_UP in err) == (0, True)
    (checkout / ".venv" / "bin" / "python").unlink()
    code, _, err = call(checkout, "--help")
    assert (code, SETTING_UP in err) == (0, True)


@pytest.mark.slow
def test_a_package_whose_bytes_are_not_the_pinned_ones_is_refused(checkout: Path) -> None:
    pinned = (checkout / "requirements.txt").read_text()
    (checkout / "requirements.txt").write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", pinned))
    code, out, err = call(checkout, "--help")
    assert (code, out) == (8, "")
    assert "hash" in err.lower()
    assert "Traceback" not in err
    code, out, _ = call(checkout, "doctor", "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (8, "program")


def test_a_checkout_that_cannot_be_written_is_a_sentence(checkout: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from builder import environment\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "sys.exit(environment.prepare([]))\n"
    )
    for folder in (checkout, *checkout.parents):
        if folder == Path("/tmp") or folder == Path("/"):
            break
        folder.chmod(0o555)
    done = subprocess.run([plain_python(), "-c", code, checkout], cwd="/", capture_output=True, text=True, check=False)
    checkout.chmod(0o755)
    assert done.returncode == 7, done.stderr
    assert "not yours to write" in done.stderr


def test_a_python_without_its_venv_module_names_the_package(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None\n")
    bare = {"PYTHONPATH": str(tmp_path / "lacking"), "PATH": str(tmp_path)}
    code, out, err = call(checkout, "--help", **bare)
    assert (code, out) == (9, "")
    assert "not installed: python3-venv" in err
    assert "Traceback" not in err


def test_an_old_python_can_read_the_file_and_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (ROOT / "build.py").read_text()
    ast.parse(source, feature_version=(3, 5))
    assert "__future__" not in source
    spec = importlib.util.spec_from_file_location("build_py", ROOT / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    assert build.main() == 9
    assert "needs Python 3.11 or newer; this is 3.8" in capsys.readouterr().err


def test_ci_runs_the_two_commands_of_the_readme_and_nothing_else() -> None:
    shown = re.findall(
        r"^```sh\n(python3 build.py (?:build|test))\n```$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    run = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("python3")]
    assert shown == ["python3 build.py build", "python3 build.py test"]
    assert run == [f"{command} --yes" for command in shown]


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_every_requirement_is_pinned_hashed_and_named_without_a_host(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    packages = re.findall(r"^([A-Za-z0-9._-]+)==\S+ .*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    wanted = re.findall(r"^([A-Za-z0-9._-]+)", (ROOT / f"{name}.in").read_text(), re.MULTILINE)
    assert {plain(package) for package in wanted if not package.startswith("-")} <= {plain(name) for name in packages}
    assert len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) == len(packages)


@pytest.mark.slow
def test_the_whole_command_sets_itself_up_and_then_answers_quickly(checkout: Path) -> None:
    shutil.copy(ROOT / "requirements.txt", checkout)
    code, out, err = call(checkout, "doctor", "--json")
    assert code in (0, 9), err
    assert json.loads(out)["facts"]
    begin = time.monotonic()
    assert call(checkout, "--help")[0] == 0
    seconds = time.monotonic() - begin
    print(f"build.py --help took {seconds:.3f} s")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def until(happens: Callable[[], bool]) -> None:
    """Wait for something another process does; fail when it does not within a minute."""
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)
