"""A sound appliance started, used as an attendee would, and shut down: under BIOS, then under UEFI."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from builder.check.notebook import Ran, run_notebook
from builder.check.ova import Checked
from builder.check.qemu import BIOS, UEFI, Drive, EndedError, Machine, accelerations, booted
from builder.errors import CheckError
from builder.progress import Journal

JUPYTER = "jupyter"
TOKEN = re.compile(r"[?&]token=([0-9a-f]{8,})")


@dataclass(frozen=True)
class Boot:
    """What a start under one firmware showed; `notebook` is None where no Jupyter answers."""

    firmware: str
    acceleration: str
    service: str
    notebook: Ran | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Trial:
    """An appliance to start, a folder for what its guest writes, and the notebook to run (None: the smallest)."""

    path: Path
    checked: Checked
    scratch: Path
    journal: Journal
    notebook: str | None = None

    @property
    def service(self) -> str:
        """The forwarded port that is waited for: Jupyter's, else the first."""
        return JUPYTER if JUPYTER in self.checked.ports else min(self.checked.ports)


def boot_both(trial: Trial) -> tuple[Boot, ...]:
    """Start it under both firmwares; raise CheckError for the first thing that does not work."""
    if not trial.checked.ports:
        raise CheckError(f"{trial.path} forwards no port, so there is nothing to wait for when it starts")
    return tuple(_boot(trial, firmware) for firmware in (BIOS, UEFI))


def _boot(trial: Trial, firmware: str) -> Boot:
    """One start; where QEMU ends by itself with KVM, as on some nested machines, once more without."""
    *fast, plain = accelerations()
    for acceleration in fast:
        with suppress(EndedError):
            return _used(trial, firmware, acceleration)
        trial.journal.tell(f"{firmware}: QEMU ended by itself with KVM, so the appliance is started without")
    return _used(trial, firmware, plain)


def _used(trial: Trial, firmware: str, acceleration: Sequence[str]) -> Boot:
    drives = [Drive(trial.path, disk.start, disk.size) for disk in trial.checked.disks]
    checked, journal, ran = trial.checked, trial.journal, None
    with booted(
        drives, trial.scratch, checked.ports, firmware=firmware, cpus=checked.cpus, memory=checked.memory,
        acceleration=acceleration,
    ) as machine:  # fmt: skip
        with journal.stage(f"{firmware}: {trial.service} answers"):
            machine.wait_for_answer(trial.service)
        if _is_jupyter(machine, trial.service):
            with journal.stage(f"{firmware}: notebook"):
                ran = run_notebook(machine.address(trial.service), _token(machine), trial.notebook)
        with journal.stage(f"{firmware}: power off"):
            machine.power_off()
    return Boot(firmware, acceleration[1].partition(",")[0], trial.service, ran)


def _is_jupyter(machine: Machine, service: str) -> bool:
    try:
        return "version" in json.loads(machine.wait_for_answer(service, "/api"))
    except ValueError:
        return False


def _token(machine: Machine) -> str:
    """The token that the console shows to the attendee."""
    found = TOKEN.search(machine.wait_for_console("token="))
    if found is None:
        raise CheckError(f"the console shows an address without a token:\n{machine.shown()[-1000:]}")
    return found.group(1)
