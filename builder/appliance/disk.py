"""The system disk: a GPT that starts under BIOS and under UEFI, made without root, mounts or loop devices.

sector   2048   1 MiB    BIOS boot partition: GRUB's core
sector   4096   16 MiB   EFI system partition: \\EFI\\BOOT\\BOOTX64.EFI
sector  36864   the rest root file system, ext4
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from builder.appliance.ext4 import CLOCK, MIB, Volume, write_ext4
from builder.appliance.nodes import Nodes
from builder.errors import MissingProgramError
from builder.places import EPOCH
from builder.run import run

SECTOR = 512
BOOT, ESP, ROOT = 2048, 4096, 36864
"""First sectors of the three partitions."""
TYPES = {
    "boot": "21686148-6449-6E6F-744E-656564454649",
    "esp": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "root": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
}
"""UEFI specification 2.10, table 5.7, and the Discoverable Partitions Specification."""
TAIL = MIB  # the GPT's second copy
KERNEL, INITRD = "vmlinuz", "initrd.img"
COMMAND_LINE = "ro quiet console=ttyS0,115200 console=tty0"
BIOS_MODULES = ("biosdisk", "part_gpt", "ext2", "search", "search_label", "linux", "gzio")
EFI_MODULES = ("part_gpt", "ext2", "search", "search_label", "linux", "gzio", "all_video", "efi_gop")


@dataclass(frozen=True)
class Grub:
    """Where a distribution keeps GRUB's modules, and the package to name when it does not."""

    platform: str
    package: str
    modules: tuple[str, ...]


BIOS = Grub("i386-pc", "grub-pc-bin", BIOS_MODULES)
EFI = Grub("x86_64-efi", "grub-efi-amd64-bin", EFI_MODULES)
GRUB_FOLDERS = (Path("/usr/lib/grub"), Path("/usr/share/grub2"), Path("/usr/lib/grub2"))


def write_system_disk(nodes: Nodes, disk: Path, volume: Volume, scratch: Path) -> None:
    """Write the whole disk into the new sparse file `disk`."""
    size = ROOT * SECTOR + volume.size + TAIL
    with disk.open("xb") as file:
        file.truncate(size)
    _write_table(disk, volume)
    _write_bios_boot(disk, volume.label, scratch)
    _write_esp(disk, volume, scratch)
    write_ext4(nodes, disk, volume, scratch, offset=ROOT * SECTOR)


def _write_table(disk: Path, volume: Volume) -> None:
    rows = [("boot", BOOT, ESP - BOOT), ("esp", ESP, ROOT - ESP), ("root", ROOT, volume.size // SECTOR)]
    table = ["label: gpt", f"label-id: {_guid(volume.uuid, 'disk')}", f"first-lba: {BOOT}"]
    for name, start, size in rows:
        table.append(f"start={start}, size={size}, type={TYPES[name]}, uuid={_guid(volume.uuid, name)}, name={name}")
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", disk], stdin="\n".join(table).encode())


def _guid(base: UUID, role: str) -> str:
    return str(uuid5(base, role)).upper()


def _write_bios_boot(disk: Path, label: str, scratch: Path) -> None:
    """As grub-bios-setup does: the boot sector knows the core's first sector, that one knows where the rest is."""
    core = bytearray(_grub_image(BIOS, label, scratch).read_bytes())
    struct.pack_into("<Q", core, 0x1F4, BOOT + 1)
    start = bytearray((_grub_folder(BIOS) / "boot.img").read_bytes()[:440])
    struct.pack_into("<Q", start, 0x5C, BOOT)
    assert len(core) <= (ESP - BOOT) * SECTOR
    with disk.open("r+b") as file:
        file.write(start)
        file.seek(BOOT * SECTOR)
        file.write(core)


def _write_esp(disk: Path, volume: Volume, scratch: Path) -> None:
    image = _grub_image(EFI, volume.label, scratch)
    esp = scratch / "esp.img"
    with esp.open("wb") as file:
        file.truncate((ROOT - ESP) * SECTOR)
    env = {**CLOCK, "SOURCE_DATE_EPOCH": str(EPOCH), "MTOOLS_SKIP_CHECK": "1"}
    run(["mkfs.vfat", "-F", "16", "--invariant", "-i", volume.uuid.hex[:8], "-n", "WORKSHOP", esp], env=env)
    run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"], env=env)
    run(["mcopy", "-i", esp, image, "::/EFI/BOOT/BOOTX64.EFI"], env=env)
    with disk.open("r+b") as file:
        file.seek(ESP * SECTOR)
        file.write(esp.read_bytes())


def _grub_image(grub: Grub, label: str, scratch: Path) -> Path:
    early = scratch / "early.cfg"
    early.write_text(
        f"search --no-floppy --label --set=root {label}\n"
        f"linux /{KERNEL} root=LABEL={label} {COMMAND_LINE}\n"
        f"initrd /{INITRD}\n"
        "boot\n"
    )
    image = scratch / f"grub-{grub.platform}"
    run(["grub-mkimage", "-d", _grub_folder(grub), "-O", grub.platform, "-p", "/boot/grub", "-c", early,
         "-o", image, *grub.modules])  # fmt: skip
    return image


def _grub_folder(grub: Grub) -> Path:
    for base in GRUB_FOLDERS:
        if (base / grub.platform / "kernel.img").exists():
            return base / grub.platform
    raise MissingProgramError(
        f"GRUB's files for {grub.platform} are not installed (package {grub.package})", hint="python3 build.py doctor"
    )
