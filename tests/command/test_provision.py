"""Missing programs: one plan, no question where nobody can answer, the one command to run otherwise."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from builder import provision
from builder.errors import MissingProgramError
from builder.programs import APPLIANCE, BUILDAH, GIT, PROGRAMS, TESTS, Program, missing, needed
from builder.run import find

ROOT = Path(__file__).parents[2]
ABSENT = Program("thing", ("no-such-thing",), "nothing", frozenset({"thing"}), "thing-deb", "thing-rpm")
needs_apt = pytest.mark.skipif(find("apt-get") is None, reason="not a Debian machine")


def ignore(text: str) -> None:
    """Nobody reads it."""


@needs_apt
def test_a_plan_is_one_installation_of_sorted_packages_each_once(tmp_path: Path) -> None:
    lists = fresh_lists(tmp_path)
    again = Program("thing too", ("no-such-thing",), "", frozenset(), "thing-deb", "")
    first = Program("a", ("no-such-thing",), "", frozenset(), "a-deb", "")
    (command,) = provision.plan([ABSENT, again, first], lists=lists)
    assert command[-3:] == ("-y", "a-deb", "thing-deb")
    assert "DEBIAN_FRONTEND=noninteractive" in command


@needs_apt
def test_package_lists_are_fetched_when_there_are_none_or_only_old_ones(tmp_path: Path) -> None:
    assert provision.plan([ABSENT], lists=tmp_path / "none")[0][-1] == "update"
    lists = fresh_lists(tmp_path)
    old = time.time() - 3 * 24 * 3600
    for path in (*lists.iterdir(), lists):
        os.utime(path, (old, old))
    assert [command[-1] for command in provision.plan([ABSENT], lists=lists)] == ["update", "thing-deb"]


def test_nothing_missing_plans_nothing_and_says_nothing() -> None:
    said: list[str] = []
    provision.provide([], yes=False, tell=said.append)
    assert said == []


@needs_apt
def test_without_a_terminal_nothing_is_asked_and_the_one_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "is_root", lambda: False)
    with (
        Path(os.devnull).open() as nobody,
        monkeypatch.context() as patch,
        pytest.raises(MissingProgramError) as caught,
    ):
        patch.setattr(sys, "stdin", nobody)
        provision.provide([ABSENT], yes=False, tell=ignore)
    assert caught.value.message == "not installed: thing"
    assert caught.value.hint.startswith("sudo apt-get ")
    assert caught.value.hint.endswith("install -y thing-deb")


@needs_apt
@pytest.mark.skipif(find("sudo") is None, reason="there is no sudo")
@pytest.mark.parametrize("answer", ["n", "", "what"])
def test_on_a_terminal_it_asks_and_no_means_no(answer: str) -> None:
    code = (
        "import sys; from builder import provision; from tests.command.test_provision import ABSENT\n"
        "from builder.errors import MissingProgramError\n"
        "provision.is_root = lambda: False\n"
        "try: provision.provide([ABSENT], yes=False, tell=print)\n"
        "except MissingProgramError as error: sys.exit(error.exit_code)\n"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, f"{answer}\n".encode())
        assert child.wait(30) == 9
    os.close(ours)
    assert b"thing missing. Install with sudo?" in shown


def test_a_machine_without_a_known_package_manager_is_told_the_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(provision, "find", lambda name: None)
    with pytest.raises(MissingProgramError, match="not installed: thing"):
        provision.provide([ABSENT], yes=True, tell=ignore)


def test_what_the_distribution_has_no_package_of_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "missing", lambda needs: (replace(ABSENT, fedora=""),))
    monkeypatch.setattr(provision, "find", {"dnf": "/usr/bin/dnf"}.get)
    provision.ensure(["tests"], yes=True, tell=pytest.fail)


def test_programs_are_found_by_name_and_by_place(tmp_path: Path) -> None:
    file = tmp_path / "kernel.img"
    program = Program("grub", (str(file),), "", frozenset(), "grub", "grub")
    assert program.found() is None
    file.touch()
    assert program.found() == str(file)
    assert ABSENT.found() is None


def test_programs_are_missing_only_for_what_needs_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin")
    assert "git" in {program.name for program in missing([GIT])}
    assert {program.name for program in missing([GIT])} == {"git"}
    assert missing([]) == ()


def test_the_table_has_a_package_for_every_program_on_both_families() -> None:
    assert all(program.debian and program.needs and program.purpose for program in PROGRAMS)
    without = {program.name for program in PROGRAMS if not program.fedora}
    assert without == {"docker-registry"}, "only what a test can be left out for"
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)


def test_tests_need_all_that_builds_need() -> None:
    built = set(needed([GIT, BUILDAH, APPLIANCE]))
    assert built <= set(needed([TESTS]))


def fresh_lists(tmp_path: Path) -> Path:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "archive_dists_bookworm_main_binary-amd64_Packages.lz4").touch()
    return lists
