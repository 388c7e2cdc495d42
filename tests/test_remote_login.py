"""ssh into an appliance whose manifest asks for it: with a listed key, as the attendee, and in no other way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from qemu import Machine, booted, disks_of
from sshd import make_key

ROOT = Path(__file__).parents[1]
MANIFEST = """\
workshop: remote
base: {{debian: bookworm}}
services: {{ssh: {{port: 2200, authorized_keys: ["{key}"]}}}}
repos: {{notes: {{path: notes}}}}
profiles: {{default: {{outputs: [ova]}}}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workshop that asks for ssh; its appliance is in `out`. The user's own store makes the second run cheap."""
    folder = tmp_path_factory.mktemp("remote")
    key = make_key(folder / "key").with_suffix(".pub").read_text().strip()
    (folder / "manifest.yaml").write_text(MANIFEST.format(key=key))
    (folder / "notes").mkdir()
    (folder / "notes" / "one.txt").write_text("for everybody\n")
    words = [sys.executable, ROOT / "build.py", "build", "--yes", "--json"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)["outputs"]
    disks_of(folder / made["path"], folder / "disks")
    return folder


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    with booted(sorted((folder / "disks").iterdir(), reverse=True), folder / "machine") as running:
        assert running.wait_for_ssh().startswith("SSH-2.0-")
        yield running


def login(machine: Machine, folder: Path, user: str, *words: str, **options: str) -> subprocess.CompletedProcess[str]:
    """Log in as somebody whose ssh knows no host and no key but this one, and is never asked anything."""
    settled = {
        "BatchMode": "yes", "IdentityFile": str(folder / "key"), "IdentitiesOnly": "yes", "LogLevel": "ERROR",
        "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", **options,
    }  # fmt: skip
    given = [word for name, value in settled.items() for word in ("-o", f"{name}={value}")]
    ssh = ["ssh", "-F", "/dev/null", *given, "-p", str(machine.ssh), f"{user}@127.0.0.1", *words]
    return subprocess.run(ssh, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_whoever_has_a_listed_key_is_the_attendee(machine: Machine, folder: Path) -> None:
    done = login(machine, folder, "workshop", "id -un; cat /srv/workshop/repos/notes/one.txt")
    assert done.stdout == "workshop\nfor everybody\n", done.stderr


@pytest.mark.parametrize("shell", ["", "bash -lc "])
def test_a_session_knows_what_jupyters_terminals_know(shell: str, machine: Machine, folder: Path) -> None:
    done = login(
        machine, folder, "workshop", f"{shell or 'eval '}'echo $HF_HUB_OFFLINE $VIRTUAL_ENV $PATH; command -v python'"
    )
    offline, venv, path = done.stdout.splitlines()[0].split()
    assert offline == "1" and path.split(":")[0] == f"{venv}/bin", done.stderr


@pytest.mark.parametrize("user", ["workshop", "root"])
def test_no_password_is_even_asked_for(machine: Machine, folder: Path, user: str) -> None:
    done = login(machine, folder, user, "true", PubkeyAuthentication="no")
    assert done.returncode == 255 and "Permission denied (publickey)." in done.stderr


def test_root_is_not_let_in_with_the_same_key(machine: Machine, folder: Path) -> None:
    done = login(machine, folder, "root", "true")
    assert done.returncode == 255 and "Permission denied (publickey)." in done.stderr


def test_a_key_that_is_not_listed_is_refused(machine: Machine, folder: Path) -> None:
    other = make_key(folder / "other")
    done = login(machine, folder, "workshop", "true", IdentityFile=str(other))
    assert done.returncode == 255 and "Permission denied (publickey)." in done.stderr


def test_the_attendee_cannot_change_who_may_log_in(machine: Machine, folder: Path) -> None:
    done = login(machine, folder, "workshop", "echo x >>/etc/ssh/authorized_keys.d/workshop")
    assert done.returncode != 0 and "Permission denied" in done.stderr


def test_host_keys_are_made_when_a_copy_first_starts(machine: Machine, folder: Path) -> None:
    with booted(sorted((folder / "disks").iterdir(), reverse=True), folder / "copy") as copy:
        copy.wait_for_ssh()
        one, other = host_keys(machine, folder), host_keys(copy, folder)
    assert len(one) == len(other) == 3
    assert not one & other


def host_keys(machine: Machine, folder: Path) -> set[str]:
    done = login(machine, folder, "workshop", "cat /etc/ssh/ssh_host_*_key.pub")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())
