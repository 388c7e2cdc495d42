"""The description of the virtual machine, OVF 1.0, with VirtualBox's own section beside the standard one.

VirtualBox prefers its own section and takes only what the other lacks from it, so both say the same; `ovf.xml.j2` is
filled once with one set of values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from builder.errors import ManifestError
from builder.store.objects import Blob

MIB = 1 << 20
OS_TYPES = ("Debian_64", "Fedora_64", "Ubuntu_64", "Linux26_64")
"""Known to VirtualBox hosts as old as 5.0."""
PRIVILEGED = 1024


@dataclass(frozen=True)
class Port:
    """A port of the attendee's machine (`host`, on 127.0.0.1) that leads to one of the guest."""

    host: int
    guest: int


@dataclass(frozen=True)
class ApplianceSpec:
    """What the manifest says of the appliance. `memory` and `room` are bytes; `room` is left free on each disk."""

    name: str
    title: str
    version: str
    description: str
    licences: str
    cpus: int
    memory: int
    room: int
    ports: Mapping[str, Port]
    os_type: str = "Debian_64"

    def __post_init__(self) -> None:
        if self.os_type not in OS_TYPES:
            raise ManifestError(f"{self.os_type} is not among the system types {', '.join(OS_TYPES)}")
        if self.cpus < 1 or self.memory < 256 * MIB:
            raise ManifestError(
                f"an appliance with {self.cpus} CPUs and {self.memory // MIB} MiB of memory does not start"
            )
        _require_free_ports(self.ports)


@dataclass(frozen=True)
class Disk:
    """A disk of the appliance: its file in the `.ova`, its VMDK, the bytes the guest sees, the bytes it uses."""

    file: str
    blob: Blob
    capacity: int
    used: int
    uuid: UUID


def _require_free_ports(ports: Mapping[str, Port]) -> None:
    """All that is wrong with the ports, in one error."""
    faults, taken = [], dict[int, str]()
    for name, port in sorted(ports.items()):
        if not (0 < port.guest < 65536 and 0 < port.host < 65536):
            faults.append(f"services.{name}: {port.host} → {port.guest} is not a pair of ports between 1 and 65535")
        elif port.host < PRIVILEGED:
            faults.append(f"services.{name}: port {port.host} of the attendee's machine is only root's to open")
        if port.host in taken:
            faults.append(f"services.{name}: port {port.host} is taken by services.{taken[port.host]}")
        taken.setdefault(port.host, name)
    if faults:
        raise ManifestError("; ".join(faults), hint=f"choose different ports between {PRIVILEGED} and 65535")


def describe(spec: ApplianceSpec, disks: Sequence[Disk]) -> bytes:
    """The `.ovf` file. Ids of machine and network card come from the first disk's."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        keep_trailing_newline=True,
    )
    base = disks[0].uuid
    text = templates.get_template("ovf.xml.j2").render(
        spec=spec,
        disks=disks,
        mebibytes=spec.memory // MIB,
        machine=uuid5(base, "machine"),
        mac=f"080027{uuid5(base, 'network').hex[:6].upper()}",
    )
    return text.encode()
