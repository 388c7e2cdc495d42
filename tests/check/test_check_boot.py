"""A sound appliance is started both ways, used and shut down; a real Jupyter runs a notebook; VirtualBox agrees."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import guest_python  # noqa: F401  # a fixture
from guest_system import bootable_layer
from small_appliance import Bench
from taken_apart import Apart
from virtualbox import opened

from builder import cli
from builder.check.notebook import run_notebook
from builder.check.qemu import EndedError, Machine, booted, free_port
from builder.check.virtualbox import imported
from builder.errors import CheckError, MissingProgramError
from builder.run import started
from builder.store.objects import Store

TOKEN = "0123456789ab"
ROOM = 256 << 20


def _notebook(*cells: str) -> str:
    made = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def jupyter(guest_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:  # noqa: F811
    """A Jupyter as guests have it; a call puts a notebook where it looks, and tells its address."""
    folder, port = tmp_path_factory.mktemp("room"), free_port()
    (folder / "repos").mkdir()
    words = [
        guest_python,
        "-m",
        "jupyter",
        "server",
        f"--port={port}",
        "--allow-root",
        "--no-browser",
        "--ip=127.0.0.1",
    ]
    words += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]

    def put(name: str, *cells: str) -> str:
        (folder / "repos" / name).write_text(_notebook(*cells))
        return f"http://127.0.0.1:{port}"

    with started(words, log_file=folder / "log") as process:
        Machine({"jupyter": port}, folder / "log", folder / "none", process).wait_for_answer("jupyter", "/api")
        yield put


def test_a_notebook_is_run_in_its_folder_cell_after_cell(jupyter: Callable[..., str]) -> None:
    address = jupyter("b.ipynb", "from pathlib import Path", "Path('seen').write_text(str(6 * 7))")
    assert run_notebook(address, TOKEN, "repos/b.ipynb").cells == 2
    jupyter("c.ipynb", "assert open('seen').read() == '42'")
    assert run_notebook(address, TOKEN, "repos/c.ipynb").cells == 1


def test_a_notebook_that_fails_is_told_with_its_cell(jupyter: Callable[..., str]) -> None:
    address = jupyter("bad.ipynb", "x = 1", "x / 0")
    with pytest.raises(CheckError, match=r"repos/bad\.ipynb, cell 2 failed in the guest: ZeroDivisionError"):
        run_notebook(address, TOKEN, "repos/bad.ipynb")


def test_the_smallest_notebook_is_taken(jupyter: Callable[..., str]) -> None:
    address = jupyter("a-small.ipynb", "1")
    assert run_notebook(address, TOKEN).path == "repos/a-small.ipynb"


def test_a_wrong_token_is_told(jupyter: Callable[..., str]) -> None:
    with pytest.raises(CheckError, match="403"):
        run_notebook(jupyter("b.ipynb", "1"), "wrong")


def test_a_machine_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    with (
        booted([], tmp_path, {"jupyter": 80}, acceleration=("-accel", "no-such-thing")) as machine,
        pytest.raises(EndedError, match="QEMU ended with 1"),
    ):
        machine.wait_for_answer("jupyter")


def test_what_breaks_a_rule_is_not_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Bench(Store(tmp_path / "store"), tmp_path / "out").build()[0].path
    broken = Apart.of(path).with_text("VMSVGA", "VBoxVGA").write(tmp_path / "letters.ova")
    assert cli.main(["check", "appliance", "--boot", "--json", str(broken)]) == 12
    told = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in told["stages"]] == ["rules"] and told["boots"] == []


def test_without_qemu_the_check_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="qemu"), booted([], tmp_path, {}):
        pass


@pytest.mark.slow
def test_it_is_started_both_ways_and_shut_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(Store(tmp_path / "store"), tmp_path / "out")
    made, _ = bench.build(system=bootable_layer(bench.store), room=ROOM)
    assert cli.main(["check", "appliance", "--boot", "--json", str(made.path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(boot["firmware"], boot["service"], boot["notebook"]) for boot in told["boots"]] == [
        ("bios", "jupyter", None), ("uefi", "jupyter", None),
    ]  # fmt: skip
    names = {stage["name"] for stage in told["stages"]}
    assert {"bios: jupyter answers", "bios: power off", "uefi: jupyter answers", "uefi: power off"} <= names


@pytest.fixture
def virtualbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A VBoxManage on PATH: the real one, in its own root, which sees this test's folder."""
    if os.geteuid() != 0:
        pytest.skip("a root folder with VirtualBox needs root")
    with opened() as box:
        inside = box.root / str(tmp_path).lstrip("/")
        inside.mkdir(parents=True)
        subprocess.run(["mount", "--bind", tmp_path, inside], check=True)
        program = tmp_path / "bin" / "VBoxManage"
        program.parent.mkdir()
        names = 'VBOX_USER_HOME="$VBOX_USER_HOME" VBOX_IPC_SOCKETID="$VBOX_IPC_SOCKETID" PATH=/usr/bin:/bin'
        program.write_text(
            f'#!/bin/sh\nexec /usr/sbin/chroot {box.root} /usr/bin/env -i HOME={box.home} {names} VBoxManage "$@"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", inside], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("virtualbox")
def test_virtualbox_itself_is_asked_and_leaves_nothing(tmp_path: Path) -> None:
    path = Bench(Store(tmp_path / "store"), tmp_path / "out").build()[0].path
    (tmp_path / "one").mkdir()
    assert imported(path, tmp_path / "one") == ()
    assert not list((tmp_path / "one").rglob("*.vmdk"))
    broken = Apart.of(path).with_text("</Envelope>", "</Envelop>").write(tmp_path / "letters.ova")
    (tmp_path / "two").mkdir()
    (finding,) = imported(broken, tmp_path / "two")
    assert finding.rule == "virtualbox.import"
