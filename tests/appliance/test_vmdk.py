"""A VMDK holds the disk's bytes, is the same everywhere, and is what QEMU calls sound."""

import hashlib
import os
import subprocess
from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vmdk_reader import GRAIN, descriptor_of, read_vmdk

from builder.appliance.vmdk import write_vmdk

ID = UUID("5a1f0e0c-3f0b-4c39-9d53-1f6a3f0a7a11")
PIECES = st.lists(st.tuples(st.integers(0, 1500 * GRAIN), st.binary(min_size=1, max_size=300)), max_size=12)


def _disk(path: Path, size: int, pieces: list[tuple[int, bytes]]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for position, data in pieces:
            file.seek(min(position, size - len(data)))
            file.write(data)
    return path


def _pack(raw: Path) -> bytes:
    sink = BytesIO()
    made = write_vmdk(raw, sink, ID)
    assert made.blob.digest.hex == hashlib.sha256(sink.getvalue()).hexdigest()
    assert (made.blob.size, made.capacity) == (len(sink.getvalue()), raw.stat().st_size)
    return sink.getvalue()


@given(sectors=st.integers(1, 1400 * 128), pieces=PIECES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_disk_comes_back_from_our_reader_and_from_qemu(
    tmp_path: Path, sectors: int, pieces: list[tuple[int, bytes]]
) -> None:
    raw = _disk(tmp_path / "raw", sectors * 512, pieces)
    vmdk, back = tmp_path / "disk.vmdk", tmp_path / "back"
    vmdk.write_bytes(_pack(raw))
    assert read_vmdk(vmdk) == raw.read_bytes()
    subprocess.run(["qemu-img", "check", "-q", vmdk], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", vmdk, back], check=True)
    assert back.read_bytes() == raw.read_bytes()


def test_the_number_of_cores_does_not_change_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _disk(tmp_path / "raw", 200 * GRAIN, [(number * GRAIN, os.urandom(GRAIN)) for number in range(0, 200, 3)])
    several = _pack(raw)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert _pack(raw) == several


def test_written_zeros_take_no_more_than_holes(tmp_path: Path) -> None:
    hole = _disk(tmp_path / "hole", 100 * GRAIN, [(0, b"x")])
    zeros = _disk(tmp_path / "zeros", 100 * GRAIN, [(0, b"x"), (GRAIN, bytes(50 * GRAIN))])
    assert _pack(hole) == _pack(zeros)


def test_a_terabyte_of_nothing_is_not_read(tmp_path: Path) -> None:
    raw = _disk(tmp_path / "raw", 1 << 40, [(1 << 39, b"in the middle")])
    sink = BytesIO()
    assert write_vmdk(raw, sink, ID).used == GRAIN
    assert len(sink.getvalue()) < 1 << 20


def test_the_descriptor_names_the_disk_and_nothing_of_this_machine(tmp_path: Path) -> None:
    vmdk = tmp_path / "disk.vmdk"
    vmdk.write_bytes(_pack(_disk(tmp_path / "raw", GRAIN, [(0, b"x")])))
    text = descriptor_of(vmdk)
    assert f'ddb.uuid.image="{ID}"' in text
    assert f"CID={ID.hex[:8]}" in text
    assert str(tmp_path) not in text


def test_another_disk_has_another_content_id(tmp_path: Path) -> None:
    raw = _disk(tmp_path / "raw", GRAIN, [])
    other = BytesIO()
    write_vmdk(raw, other, uuid5(ID, "other"))
    assert other.getvalue() != _pack(raw)


def test_half_a_sector_is_no_disk(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no number of sectors"):
        write_vmdk(_disk(tmp_path / "raw", 700, []), BytesIO(), ID)
