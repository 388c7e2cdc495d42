"""An appliance's disks in QEMU, on the hardware that VirtualBox gives; what the guest writes is thrown away.

The guest reaches nothing: only the forwarded ports of this machine's 127.0.0.1 lead to it.
"""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from builder.errors import CheckError, MissingProgramError
from builder.run import Child, run, started

BIOS, UEFI = "bios", "uefi"
OVMF = (
    Path("/usr/share/ovmf/OVMF.fd"),
    Path("/usr/share/OVMF/OVMF_CODE.fd"),
    Path("/usr/share/edk2/ovmf/OVMF_CODE.fd"),
)
KVM, TCG = ("-accel", "kvm", "-cpu", "host"), ("-accel", "tcg,thread=multi")
PATIENCE = 600.0
"""Seconds within which a guest must answer; a busy machine without KVM needs many."""
PRESS_AGAIN = 15.0
LAST = 3000
"""Signs of the console that a failure shows."""

T = TypeVar("T")


class EndedError(CheckError):
    """The virtual machine ended by itself."""


@dataclass(frozen=True)
class Drive:
    """A disk to start: the VMDK in `file`, which may stand in an archive at `start`."""

    file: Path
    start: int
    size: int


@dataclass(frozen=True)
class Machine:
    """A virtual machine that is running; `ports` are those of 127.0.0.1 that lead to the guest's, by their name."""

    ports: Mapping[str, int]
    console: Path
    monitor: Path
    process: Child

    def address(self, name: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def wait_for_answer(self, name: str, path: str = "/") -> str:
        """What the guest's service answers to GET, whatever its status."""
        return self.wait(lambda: _answer(self.address(name, path)), f"no answer on the guest's port of {name}")

    def wait_for_console(self, text: str) -> str:
        """All that the serial console showed, once `text` is in it."""
        return self.wait(lambda: self.shown() if text in self.shown() else None, f"{text!r} is not on the console")

    def shown(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def power_off(self) -> None:
        """Press the power button until the guest has shut down; before all its services run it may not notice."""
        pressed = time.monotonic() - PRESS_AGAIN

        def ended() -> int | None:
            nonlocal pressed
            if self.process.poll() is None and time.monotonic() - pressed >= PRESS_AGAIN:
                self._press()
                pressed = time.monotonic()
            return self.process.poll()

        self.wait(ended, "the guest does not power off", may_end=True)

    def _press(self) -> None:
        """One press, over QEMU's machine protocol (QMP): a command is sure to be done once its reply was read."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(20)
            monitor.connect(str(self.monitor))
            with monitor.makefile("rw") as stream:
                stream.readline()
                for command in ("qmp_capabilities", "system_powerdown"):
                    stream.write(json.dumps({"execute": command}) + "\n")
                    stream.flush()
                    while (line := stream.readline()) and '"return"' not in line:
                        pass

    def wait(self, ask: Callable[[], T | None], failure: str, *, may_end: bool = False) -> T:
        """The first answer to a question that is asked again and again; raise CheckError when none comes in time."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not may_end and self.process.poll() is not None:
                raise EndedError(f"QEMU ended with {self.process.returncode}; {self._last()}")
            found = ask()
            if found is not None:
                return found
            time.sleep(0.3)
        raise CheckError(f"{failure} after {PATIENCE:.0f} s; {self._last()}", hint="start it in VirtualBox and look")

    def _last(self) -> str:
        return f"the console shows:\n{self.shown()[-LAST:]}"


def _answer(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return str(answer.read(1 << 20).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        return str(error.read(1 << 20).decode(errors="replace"))
    except (OSError, ValueError):
        return None


def accelerations() -> tuple[tuple[str, ...], ...]:
    """What to try in turn: KVM where we may use it, which on some nested machines starts and then fails; then TCG."""
    return (KVM, TCG) if os.access("/dev/kvm", os.R_OK | os.W_OK) else (TCG,)


@contextmanager
def booted(
    drives: Sequence[Drive], folder: Path, guest_ports: Mapping[str, int], *,
    firmware: str = BIOS, cpus: int = 2, memory: int = 2048, acceleration: Sequence[str] = TCG,
) -> Iterator[Machine]:  # fmt: skip
    """Start the disks, `memory` in MiB; `folder` takes the console's log and what the guest writes."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in guest_ports}
    console, monitor = folder / f"console-{firmware}.log", folder / f"monitor-{firmware}"
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{ports[name]}-:{port}" for name, port in guest_ports.items())
    words = [
        "qemu-system-x86_64", "-machine", "pc", *acceleration, "-smp", str(cpus), "-m", str(memory), "-nodefaults",
        "-device", "ahci,id=sata", "-device", "VGA", "-netdev", f"user,id=net,restrict=on{forwards}",
        "-device", "e1000,netdev=net", "-display", "none", "-serial", f"file:{console}", "-no-reboot",
        "-qmp", f"unix:{monitor},server=on,wait=off", *_firmware(firmware),
    ]  # fmt: skip
    for number, drive in enumerate(drives):
        overlay = _overlay(drive, folder / f"{firmware}-{number}.qcow2")
        words += ["-drive", f"if=none,id=disk{number},format=qcow2,file={overlay}"]
        words += ["-device", f"ide-hd,bus=sata.{number},drive=disk{number}"]
    console.unlink(missing_ok=True)
    with started(words, log_file=folder / f"qemu-{firmware}.log") as process:
        yield Machine(ports, console, monitor, process)


def _firmware(name: str) -> tuple[str, ...]:
    if name == BIOS:
        return ()
    found = next((path for path in OVMF if path.exists()), None)
    if found is None:
        raise MissingProgramError("OVMF, which starts UEFI machines in QEMU, is not installed", hint="install ovmf")
    return ("-bios", str(found))


def _overlay(drive: Drive, path: Path) -> Path:
    """A file that takes what the guest writes; the rest is read out of the archive, where it stands."""
    inside = {"driver": "raw", "offset": drive.start, "size": drive.size}
    file = {**inside, "file": {"driver": "file", "filename": str(drive.file.absolute())}}
    backing = "json:" + json.dumps({"driver": "vmdk", "file": file})
    path.unlink(missing_ok=True)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "vmdk", "-b", backing, path])
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
