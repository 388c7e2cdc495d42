"""What an earlier VMDK holds is taken over, never believed, and never changes a byte of the new one."""

import os
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from vmdk_reader import GRAIN, read_vmdk

from builder.appliance.grains import FAST, SMALL, Deflater
from builder.appliance.vmdk import write_vmdk

ID = UUID("5a1f0e0c-3f0b-4c39-9d53-1f6a3f0a7a11")
FIRST = 128 * 512 + 12
"""Where the first grain's stream starts."""


class Counting:
    """A deflater that counts the grains it deflated."""

    def __init__(self, deflater: Deflater) -> None:
        self._pack = deflater.pack
        self.count = 0
        self.deflater = Deflater(deflater.name, self._counted)

    def _counted(self, grain: bytes) -> bytes | bytearray:
        self.count += 1
        return self._pack(grain)


def _text(number: int) -> bytes:
    return b" ".join(b"%d" % (number * count) for count in range(20_000))[:GRAIN]


def _disk(path: Path, grains: dict[int, bytes], size: int = 1200 * GRAIN) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for number, data in grains.items():
            file.seek(number * GRAIN)
            file.write(data)
    return path


def _vmdk(raw: Path, earlier: Path | None = None, deflater: Deflater = SMALL) -> bytes:
    sink = BytesIO()
    write_vmdk(raw, sink, ID, deflater=deflater, earlier=earlier)
    return sink.getvalue()


@pytest.fixture
def grains() -> dict[int, bytes]:
    return {number: _text(number + 1) for number in range(0, 1200, 30)}


@pytest.mark.parametrize("deflater", [SMALL, FAST])
def test_only_changed_grains_are_deflated_and_the_bytes_are_those_of_a_first_build(
    tmp_path: Path, grains: dict[int, bytes], deflater: Deflater
) -> None:
    earlier = tmp_path / "earlier"
    earlier.write_bytes(_vmdk(_disk(tmp_path / "old", grains), deflater=deflater))
    raw = _disk(tmp_path / "new", grains | {60: _text(7), 61: os.urandom(GRAIN)})
    counting = Counting(deflater)
    made = _vmdk(raw, earlier, counting.deflater)
    assert counting.count == 2
    assert made == _vmdk(raw, deflater=deflater)


def test_a_grain_of_the_same_checksum_is_not_taken_for_another(tmp_path: Path) -> None:
    one = _text(3)
    other = bytearray(one)
    other[100], other[101], other[102] = one[100] + 1, one[101] - 2, one[102] + 1
    assert zlib.adler32(one) == zlib.adler32(other)
    earlier, counting = tmp_path / "earlier", Counting(SMALL)
    earlier.write_bytes(_vmdk(_disk(tmp_path / "old", {5: one})))
    raw = _disk(tmp_path / "new", {5: bytes(other)})
    assert _vmdk(raw, earlier, counting.deflater) == _vmdk(raw)
    assert counting.count == 1


@pytest.mark.parametrize("size", [1, 600, 4000])
def test_a_disk_that_grew_or_shrank_keeps_what_stayed(tmp_path: Path, grains: dict[int, bytes], size: int) -> None:
    earlier, counting = tmp_path / "earlier", Counting(SMALL)
    earlier.write_bytes(_vmdk(_disk(tmp_path / "old", grains)))
    raw = _disk(tmp_path / "new", {n: data for n, data in grains.items() if n < size}, size * GRAIN)
    assert _vmdk(raw, earlier, counting.deflater) == _vmdk(raw)
    assert counting.count == 0


def test_the_last_part_of_a_grain_is_taken_over_too(tmp_path: Path) -> None:
    raw = _disk(tmp_path / "raw", {0: _text(3), 2: b"end"}, size=2 * GRAIN + 512)
    earlier, counting = tmp_path / "earlier", Counting(SMALL)
    earlier.write_bytes(_vmdk(raw))
    assert _vmdk(raw, earlier, counting.deflater) == earlier.read_bytes()
    assert counting.count == 0


def _flipped(data: bytes) -> bytes:
    return data[: FIRST + 100] + bytes([data[FIRST + 100] ^ 1]) + data[FIRST + 101 :]


@pytest.mark.parametrize(
    "damage",
    [
        _flipped,
        lambda data: data[: len(data) // 2],
        lambda data: data[:100],
        lambda data: b"",
        lambda data: data[:FIRST] + os.urandom(len(data)),
        lambda data: data[: FIRST - 4] + b"\xff\xff\xff\xff" + data[FIRST:],
        lambda data: data[: FIRST - 4] + bytes(4) + data[FIRST:],
        lambda data: data[FIRST:],
        lambda data: data[:-1016] + b"\xff" * 16 + data[-1000:],
        lambda data: data[:-968] + b"\xff" * 8 + data[-960:],
        lambda data: data[:-968] + bytes(8) + data[-960:],
    ],
    ids=[
        "a bit",
        "half",
        "header only",
        "empty",
        "noise",
        "a huge grain",
        "an empty grain",
        "moved",
        "capacity",
        "a directory that is far away",
        "the header as directory",
    ],
)
def test_a_damaged_earlier_file_changes_nothing(
    tmp_path: Path, grains: dict[int, bytes], damage: Callable[[bytes], bytes]
) -> None:
    raw = _disk(tmp_path / "raw", grains)
    whole = _vmdk(raw)
    earlier, counting = tmp_path / "earlier", Counting(SMALL)
    earlier.write_bytes(damage(whole))
    assert earlier.read_bytes() != whole
    assert _vmdk(raw, earlier, counting.deflater) == whole
    assert counting.count >= 1


def test_a_fast_disk_holds_the_same(tmp_path: Path, grains: dict[int, bytes]) -> None:
    raw, fast = _disk(tmp_path / "raw", grains), tmp_path / "fast"
    fast.write_bytes(_vmdk(raw, deflater=FAST))
    assert read_vmdk(fast) == raw.read_bytes()
    assert fast.read_bytes() == _vmdk(raw, deflater=FAST)
