"""The default workshop, the whole way: built by the command, then used as attendees will use it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dockerd import client
from qemu import booted, disks_of
from virtualbox import opened

from builder.digest import Digest
from builder.files import chunks_of
from builder.image.validate import validate_layout

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r"http://127\.0\.0\.1:8080/\?token=([0-9a-f]{12})")

pytestmark = pytest.mark.slow


def built(out: Path, *words: str) -> dict[str, Any]:
    """What `build.py build --json` says; it uses the user's own store, as the README's command does."""
    done = subprocess.run(
        [sys.executable, ROOT / "build.py", "build", "--yes", "--json", "--out", out, *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("default")


@pytest.fixture(scope="module")
def outputs(out: Path) -> dict[str, Path]:
    return {one["kind"]: Path(one["path"]) for one in built(out)["outputs"]}


@pytest.fixture(scope="module")
def container(outputs: dict[str, Path], docker_engine: str | None) -> Iterator[str]:
    """A running container of the loaded image, with no network but its own loopback, as in a room without wifi."""
    docker = client()
    assert docker
    loaded = subprocess.run([docker, "load", "-i", outputs["docker"]], capture_output=True, text=True, check=True)
    name = loaded.stdout.split("Loaded image:")[1].strip()
    words = [docker, "run", "--detach", "--network", "none", name]
    running = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield running
    finally:
        subprocess.run([docker, "rm", "--force", "--volumes", running], capture_output=True, check=True)
        subprocess.run([docker, "rmi", "--force", name], capture_output=True, check=True)


def in_container(container: str, *words: str) -> str:
    done = subprocess.run(
        [client() or "docker", "exec", container, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_jupyter_answers_in_the_container_and_its_health_says_so(container: str) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        state = subprocess.run(
            [client() or "docker", "exec", container, "/usr/local/bin/workshop-health"],
            capture_output=True,
            check=False,
        )
        if state.returncode == 0:
            break
        time.sleep(0.5)
    assert state.returncode == 0, state.stderr
    assert in_container(container, "id", "-u").strip() == "1000"


@pytest.mark.parametrize("notebook", ["digits/01-perceptron.ipynb", "words/01-bigrams.ipynb"])
def test_a_notebook_runs_in_the_container(container: str, notebook: str) -> None:
    folder, _, name = notebook.partition("/")
    script = f"cd /srv/workshop/repos/{folder} && jupyter nbconvert --to notebook --execute --stdout {name}"
    ran = json.loads(in_container(container, "sh", "-c", script))
    assert any(cell.get("outputs") for cell in ran["cells"] if cell["cell_type"] == "code")


def test_nothing_of_this_machine_is_in_the_container(container: str) -> None:
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    hosts = set(re.findall(r"https?://(?:[^/@\s']*@)?([^/\s':]+)", settings.stdout))
    for word in (*hosts, str(ROOT)):
        script = f"grep -rIlwF -- '{word}' /etc /home /opt/workshop/venv/pyvenv.cfg /var/log 2>/dev/null || true"
        assert not in_container(container, "sh", "-c", script).strip(), word


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_appliance_boots_to_jupyter(outputs: dict[str, Path], tmp_path: Path, firmware: str) -> None:
    with booted(disks_of(outputs["ova"], tmp_path), tmp_path, firmware=firmware) as machine:
        assert "version" in json.loads(machine.wait_for_http("/api"))
        assert machine.ssh_banner() is None, "nobody asked for ssh"
        token = ADDRESS.search(machine.wait_for_console("token="))
        assert token
        asked = urllib.request.Request(
            f"http://127.0.0.1:{machine.port}/api/contents/repos/digits/data/fashion-mnist",
            headers={"Authorization": f"token {token.group(1)}"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            names = {one["name"] for one in json.load(answer)["content"]}
        assert any("train" in name for name in names), names


@pytest.mark.skipif(os.geteuid() != 0, reason="a root folder with VirtualBox needs root")
def test_virtualbox_imports_the_appliance(outputs: dict[str, Path]) -> None:
    with opened() as virtualbox:
        shown = virtualbox.import_appliance(outputs["ova"], "default-workshop")
    assert (shown["cpus"], shown["firmware"]) == ("2", "BIOS")
    assert "jupyter,tcp,127.0.0.1,8080,,8080" in {shown[key] for key in shown if key.startswith("Forwarding")}


def test_two_builds_from_one_lock_in_two_folders_are_the_same(
    outputs: dict[str, Path], out: Path, tmp_path: Path
) -> None:
    assert digests_of(built(tmp_path, "--locked")) == digests_of(built(out, "--locked"))


def test_a_build_with_nothing_changed_runs_no_stage_but_looks(outputs: dict[str, Path], out: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in outputs.values()}
    stages = {stage["name"]: stage["cached"] for stage in built(out)["stages"]}
    assert stages["system"] and stages["appliance-system"] and stages["system disk"] and stages["content disk"]
    assert {path: path.stat().st_mtime_ns for path in outputs.values()} == before


def digests_of(result: dict[str, Any]) -> dict[str, str]:
    return {one["kind"]: one["digest"] for one in result["outputs"]}


def test_a_build_that_is_killed_leaves_whole_outputs_and_the_next_goes_on(
    outputs: dict[str, Path], out: Path, tmp_path: Path
) -> None:
    right = digests_of(built(out))
    for delay in (0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5):
        words = [sys.executable, ROOT / "build.py", "build", "--yes", "--quiet", "--out", tmp_path]
        running = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            running.wait(delay)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        for kind in ("docker", "ova"):
            whole = tmp_path / outputs[kind].name
            if whole.exists():
                assert str(Digest.of_chunks(chunks_of(whole))) == right[kind]
        if (tmp_path / outputs["oci"].name / "index.json").exists():
            validate_layout(tmp_path / outputs["oci"].name)
    assert digests_of(built(tmp_path)) == right


def test_two_builds_at_once_on_one_store_both_succeed(outputs: dict[str, Path], out: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pair:
        both = list(pair.map(built, (tmp_path / "one", tmp_path / "two")))
    assert digests_of(both[0]) == digests_of(both[1]) == digests_of(built(out))
