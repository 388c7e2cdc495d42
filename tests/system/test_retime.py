"""Layers lose the moment they were built at, and nothing else."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder import places
from builder.errors import IntegrityError
from builder.system.retime import retimed

SINCE = 1_700_000_000

members = st.lists(
    st.tuples(st.text("abcdé/", min_size=1, max_size=160), st.binary(max_size=1500), st.integers(0, 2_000_000_000)),
    max_size=6,
)


def tar_of(entries: list[tuple[str, bytes, float]], form: int) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as tar:
        for name, data, time in entries:
            member = tarfile.TarInfo(f"x/{name}")
            member.size, member.mtime = len(data), time  # type: ignore[assignment]  # tarfile takes fractions
            tar.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def contents(tar_bytes: bytes) -> list[tuple[str, bytes, float]]:
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        return [(one.name, tar.extractfile(one).read(), one.mtime) for one in tar]  # type: ignore[union-attr]


@given(members, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_only_times_of_the_build_change(entries: list[tuple[str, bytes, float]], form: int) -> None:
    plain = tar_of(entries, form)
    fresh = b"".join(retimed(io.BytesIO(plain), SINCE))
    assert len(fresh) == len(plain)
    assert contents(fresh) == [
        (name, data, places.EPOCH if time >= SINCE else time) for name, data, time in contents(plain)
    ]


def test_times_with_fractions_in_pax_records_change_too() -> None:
    plain = tar_of([("new", b"1", SINCE + 0.25), ("old", b"2", SINCE - 9.5)], tarfile.PAX_FORMAT)
    fresh = b"".join(retimed(io.BytesIO(plain), SINCE))
    assert contents(fresh) == [("x/new", b"1", places.EPOCH), ("x/old", b"2", SINCE - 9.5)]


@pytest.mark.parametrize("kept", [600, 512 * 2 + 100])
def test_a_layer_that_was_cut_off_is_refused(kept: int) -> None:
    plain = tar_of([("file", b"x" * 1024, 1)], tarfile.GNU_FORMAT)
    with pytest.raises(IntegrityError, match="ends in the middle"):
        list(retimed(io.BytesIO(plain[:kept]), SINCE))
