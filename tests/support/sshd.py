"""A real ssh server on a free port of loopback, with keys and settings of its own; the machine's is left alone."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SETTINGS = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM {pam}
"""


@dataclass(frozen=True)
class Sshd:
    """A running server: who may log in with `key`, and what its users write into their own settings to reach it."""

    folder: Path
    port: int
    user: str
    key: Path

    @property
    def host_line(self) -> str:
        """Its line in a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {(self.folder / 'host_key.pub').read_text()}"

    def address(self, path: Path) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path}"

    def settings(self, name: str, *, known: str | None = None, key: Path | None = None) -> Path:
        """Somebody's ssh config: which hosts they know, and the key they use (without one only the agent's)."""
        known_hosts, path = self.folder / f"{name}.known_hosts", self.folder / f"{name}.config"
        known_hosts.write_text(self.host_line if known is None else known)
        lines = [f"UserKnownHostsFile {known_hosts}", "GlobalKnownHostsFile /dev/null"]
        lines += [f"IdentityFile {key}", "IdentitiesOnly yes"] if key else ["IdentityFile none"]
        path.write_text("\n".join(["Host *", *lines, ""]))
        return path


def make_key(path: Path) -> Path:
    """A new key without a passphrase; its public half stands beside it."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path]
    subprocess.run(words, check=True, capture_output=True)
    return path


@contextmanager
def ssh_served(folder: Path) -> Iterator[Sshd]:
    """Serve whoever runs the tests, until the block ends."""
    assert SSHD
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Sshd(folder, port, pwd.getpwuid(os.geteuid()).pw_name, make_key(folder / "key"))
    make_key(folder / "host_key")
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    is_root = os.geteuid() == 0
    if is_root:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # an sshd of root's does not start without it
    config = folder / "sshd_config"
    config.write_text(SETTINGS.format(port=port, folder=folder, pam="yes" if is_root else "no"))
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await(child, server)
        yield server
    finally:
        child.terminate()
        child.wait()


def _await(child: subprocess.Popen[bytes], server: Sshd) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and child.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError((server.folder / "log").read_text())
