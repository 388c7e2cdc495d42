"""What every guest carries: which files, which variables, and nothing of Jupyter where there is none."""

from __future__ import annotations

import subprocess

from builder.content.settings import ENVIRONMENT, HEALTH, JUPYTER_FILES, START, environment, settings


def test_without_a_service_only_the_environment_is_there() -> None:
    assert list(settings(None)) == [ENVIRONMENT]
    assert "WORKSHOP_PORT" not in environment(None)


def test_with_jupyter_its_files_are_there_in_order_and_programs_can_be_started() -> None:
    found = settings(8080)
    assert list(found) == sorted([ENVIRONMENT, *JUPYTER_FILES])
    assert found[START][1] == found[HEALTH][1] == 0o755
    assert not any(path.startswith("/") for path in found)


def test_the_same_call_gives_the_same_bytes() -> None:
    assert settings(8080) == settings(8080)


def test_the_offline_switches_can_be_left_out() -> None:
    assert environment(8080)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(8080, offline=False)


def test_the_environment_file_is_what_a_shell_and_systemd_read_as_the_same_variables() -> None:
    text = settings(8888)[ENVIRONMENT][0].decode()
    read = subprocess.run(
        ["sh", "-c", f"set -a; {text} env"], env={}, capture_output=True, text=True, check=True
    ).stdout
    assert {line for line in read.splitlines() if not line.startswith("PWD=")} == {
        f"{name}={value}" for name, value in environment(8888).items()
    }
    assert all("'" not in line and '"' not in line for line in text.splitlines())


def test_programs_of_the_workshop_come_before_those_of_the_system() -> None:
    assert environment(None)["PATH"].startswith("/opt/workshop/venv/bin:")


def test_the_start_program_is_a_shell_script_without_mistakes() -> None:
    subprocess.run(["sh", "-n"], input=settings(8080)[START][0], check=True)
