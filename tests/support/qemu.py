"""An appliance's disks in a real virtual machine: QEMU on the hardware VirtualBox gives, without KVM."""

from __future__ import annotations

import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OVMF = (
    Path("/usr/share/OVMF/OVMF_CODE.fd"),
    Path("/usr/share/edk2/ovmf/OVMF_CODE.fd"),
    Path("/usr/share/ovmf/OVMF.fd"),
)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def disks_of(ova: Path, folder: Path) -> list[Path]:
    """Unpack the `.vmdk` members of an `.ova`, in their order."""
    with tarfile.open(ova) as archive:
        members = [member for member in archive if member.name.endswith(".vmdk")]
        archive.extractall(folder, members, filter="data")
    return [folder / member.name for member in members]


@dataclass(frozen=True)
class Machine:
    """A virtual machine that is running; `port` of 127.0.0.1 leads to the guest's, `ssh` to its port 22."""

    port: int
    console: Path
    process: subprocess.Popen[bytes]
    ssh: int

    def wait_for_http(self, path: str = "/", deadline: float = 600) -> str:
        """The guest's answer to GET `path`; fails with the end of the console's log when none comes in time."""
        return str(self._wait(lambda: self._get(path), deadline))

    def wait_for_console(self, text: str, deadline: float = 600) -> str:
        """All that the serial console showed, once `text` is in it."""
        return str(self._wait(lambda: self.shown() if text in self.shown() else None, deadline))

    def wait_for_ssh(self, deadline: float = 600) -> str:
        """The ssh server's first line."""
        return str(self._wait(self.ssh_banner, deadline))

    def ssh_banner(self) -> str | None:
        """What is said on port 22, or None; QEMU itself takes the connection, so that only words tell of a server."""
        try:
            with socket.create_connection(("127.0.0.1", self.ssh), timeout=20) as connection:
                return connection.recv(256).decode() or None
        except OSError:
            return None

    def shown(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return str(answer.read().decode(errors="replace"))
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError):
            return None

    def _wait(self, ask, deadline: float) -> object:  # type: ignore[no-untyped-def]  # any question
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"QEMU ended with {self.process.returncode}:\n{self.shown()[-3000:]}")
            found = ask()
            if found is not None:
                return found
            time.sleep(0.5)
        raise AssertionError(f"no answer after {deadline} s; the console shows:\n{self.shown()[-3000:]}")


def _forward(port: int, guest_port: int) -> str:
    return f"hostfwd=tcp:127.0.0.1:{port}-:{guest_port}"


@contextmanager
def booted(disks: list[Path], folder: Path, *, firmware: str = "bios", guest_port: int = 8080) -> Iterator[Machine]:
    """Start the disks under SeaBIOS (`bios`) or OVMF (`uefi`); what the guest writes is thrown away."""
    folder.mkdir(parents=True, exist_ok=True)
    port, ssh, console = free_port(), free_port(), folder / f"console-{firmware}.log"
    words = [
        "qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048", "-nodefaults",
        "-device", "ahci,id=sata", "-device", "VGA",
        "-netdev", f"user,id=net,restrict=on,{_forward(port, guest_port)},{_forward(ssh, 22)}",
        "-device", "e1000,netdev=net", "-display", "none", "-serial", f"file:{console}", "-no-reboot",
    ]  # fmt: skip
    if firmware == "uefi":
        words += ["-bios", next(str(path) for path in (Path("/usr/share/ovmf/OVMF.fd"), *OVMF) if path.exists())]
    for number, disk in enumerate(disks):
        overlay = folder / f"{firmware}-{number}.qcow2"
        overlay.unlink(missing_ok=True)
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "vmdk", "-b", disk.resolve(), overlay], check=True
        )
        words += ["-drive", f"if=none,id=disk{number},format=qcow2,file={overlay}"]
        words += ["-device", f"ide-hd,bus=sata.{number},drive=disk{number}"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        yield Machine(port, console, process, ssh)
    finally:
        process.kill()
        process.wait()
