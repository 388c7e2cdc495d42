"""An appliance's disks in a real virtual machine, as `build.py check appliance --boot` starts them, without KVM."""

from __future__ import annotations

import shutil
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.check import qemu
from builder.check.qemu import Drive


def disks_of(ova: Path, folder: Path) -> list[Path]:
    """Unpack the `.vmdk` members of an `.ova`, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(ova) as archive:
        members = [member for member in archive if member.name.endswith(".vmdk")]
        for member in members:
            data = archive.extractfile(member)
            assert data is not None
            with (folder / member.name).open("wb") as file:
                shutil.copyfileobj(data, file)
    return [folder / member.name for member in members]


@dataclass(frozen=True)
class Machine:
    """A virtual machine that is running; `port` of 127.0.0.1 leads to the guest's, `ssh` to its port 22."""

    running: qemu.Machine

    @property
    def port(self) -> int:
        return self.running.ports["served"]

    @property
    def ssh(self) -> int:
        return self.running.ports["ssh"]

    def wait_for_http(self, path: str = "/") -> str:
        """The guest's answer to GET `path`; fails with the end of the console's log when none comes in time."""
        return self.running.wait_for_answer("served", path)

    def wait_for_console(self, text: str) -> str:
        """All that the serial console showed, once `text` is in it."""
        return self.running.wait_for_console(text)

    def wait_for_ssh(self) -> str:
        """The ssh server's first line."""
        return self.running.wait(self.ssh_banner, "no ssh server")

    def ssh_banner(self) -> str | None:
        """What is said on port 22, or None; QEMU itself takes the connection, so that only words tell of a server."""
        try:
            with socket.create_connection(("127.0.0.1", self.ssh), timeout=20) as connection:
                return connection.recv(256).decode() or None
        except OSError:
            return None


@contextmanager
def booted(disks: list[Path], folder: Path, *, firmware: str = "bios", guest_port: int = 8080) -> Iterator[Machine]:
    """Start the disks under SeaBIOS (`bios`) or OVMF (`uefi`); what the guest writes is thrown away."""
    drives = [Drive(disk, 0, disk.stat().st_size) for disk in disks]
    with qemu.booted(drives, folder, {"served": guest_port, "ssh": 22}, firmware=firmware) as running:
        yield Machine(running)
