"""The system disk has the partitions, boot sector and loader that firmware looks for, and is the same each time."""

import json
import stat
import struct
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from builder.appliance import disk
from builder.appliance.disk import BOOT, ESP, ROOT, SECTOR, write_system_disk
from builder.appliance.ext4 import volume_for
from builder.appliance.nodes import Node, Nodes, folder
from builder.errors import MissingProgramError
from builder.run import environment

ID = UUID("5a1f0e0c-3f0b-4c39-9d53-1f6a3f0a7a11")


def _made(base: Path) -> Path:
    base.mkdir()
    kernel = base / "kernel"
    kernel.write_bytes(b"kernel")
    nodes: Nodes = {"boot": folder(), "vmlinuz": Node(stat.S_IFREG | 0o644, source=kernel, size=6)}
    write_system_disk(nodes, base / "disk", volume_for(nodes, "workshop-system", ID, 0), base)
    return base / "disk"


def _out(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True, env=environment())
    return done.stdout


def test_the_partition_table_is_sound_and_has_fixed_ids(tmp_path: Path) -> None:
    made = _made(tmp_path / "1")
    assert "No errors detected" in _out("sfdisk", "--verify", made)
    table = json.loads(_out("sfdisk", "--json", made))["partitiontable"]
    assert table["label"] == "gpt"
    assert [(part["name"], part["start"]) for part in table["partitions"]] == [
        ("boot", BOOT), ("esp", ESP), ("root", ROOT),
    ]  # fmt: skip


def test_two_disks_made_apart_are_equal(tmp_path: Path) -> None:
    one = _made(tmp_path / "1").read_bytes()
    fat_time = 2  # seconds FAT can tell apart
    subprocess.run(["sleep", str(fat_time + 1)], check=True)
    assert _made(tmp_path / "2").read_bytes() == one


def test_the_boot_sector_leads_to_the_core_and_the_core_to_its_rest(tmp_path: Path) -> None:
    with _made(tmp_path / "1").open("rb") as file:
        first = file.read(SECTOR)
        file.seek(BOOT * SECTOR)
        core = file.read(SECTOR)
    assert first[510:] == b"\x55\xaa"
    assert struct.unpack_from("<Q", first, 0x5C) == (BOOT,)
    assert struct.unpack_from("<Q", core, 0x1F4) == (BOOT + 1,)


def test_uefi_finds_its_loader(tmp_path: Path) -> None:
    assert "BOOTX64  EFI" in _out("mdir", "-i", f"{_made(tmp_path / '1')}@@{ESP * SECTOR}", "::/EFI/BOOT")


def test_the_root_file_system_is_sound_where_the_table_says(tmp_path: Path) -> None:
    made = _made(tmp_path / "1")
    assert _out("debugfs", "-R", "cat /vmlinuz", f"{made}?offset={ROOT * SECTOR}") == "kernel"


def test_missing_grub_files_name_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "GRUB_FOLDERS", (tmp_path / "nothing",))
    with pytest.raises(MissingProgramError, match="grub-pc-bin"):
        _made(tmp_path / "1")
