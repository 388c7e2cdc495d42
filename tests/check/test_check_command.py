"""The command says which rules an appliance breaks, to people and as JSON, and ends with the exit code of a check."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_appliance import Bench
from taken_apart import Apart, patched

from builder import cli
from builder.check.findings import LONGEST, Findings
from builder.check.ova import check_ova
from builder.check.rules import RULES
from builder.store.objects import Store

FLIPS = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def ova(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    return Bench(Store(folder / "store"), folder / "out").build()[0].path


def test_a_sound_appliance_ends_well(ova: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "appliance", str(ova), "--quiet"]) == 0
    assert f"keeps all {len(RULES)} rules" in capsys.readouterr().out


def test_a_broken_one_says_which_rules(ova: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = Apart.of(ova).with_text("VMSVGA", "VBoxVGA").write(tmp_path / "letters.ova")
    assert cli.main(["check", "appliance", str(broken)]) == 12
    said = capsys.readouterr()
    assert "machine.display" in said.out and "VBoxVGA" in said.out and RULES["machine.display"] in said.out
    assert "breaks 1 rule" in said.err and "hint: " in said.err


def test_json_holds_each_finding(ova: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = Apart.of(ova).with_text("VMSVGA", "VBoxVGA").write(tmp_path / "letters.ova")
    assert cli.main(["check", "appliance", str(broken), "--json"]) == 12
    told = json.loads(capsys.readouterr().out)
    (finding,) = told["findings"]
    assert (finding["rule"], finding["found"], finding["must"]) == (
        "machine.display", "VBoxVGA", RULES["machine.display"],
    )  # fmt: skip
    assert told["error"]["kind"] == "check" and not told["ok"]


def test_no_appliance_is_told_with_what_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "appliance", str(tmp_path / "none.ova")]) == 12
    assert "build.py build" in capsys.readouterr().err


def test_signs_that_steer_a_terminal_are_not_shown() -> None:
    findings = Findings()
    findings.add("tar.name", "\x1b[2J", "x" * 999)
    assert "\x1b" not in findings.found[0].where
    assert len(findings.found[0].found) == LONGEST + 1


def test_a_thousand_faults_of_one_kind_are_told_ten_times() -> None:
    findings = Findings()
    for number in range(1000):
        findings.add("ovf.id", f"x:{number}", "again")
    assert len(findings.found) == 10


@given(flips=FLIPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_they_are_judged_not_stumbled_over(
    ova: Path, tmp_path: Path, flips: list[tuple[float, bytes]]
) -> None:
    data = whole = ova.read_bytes()
    for place, new in flips:
        data = patched(data, int(place * (len(whole) - len(new))), new)
    assume(_kept(whole, ova) != _kept(data, ova))
    path = tmp_path / "letters.ova"
    path.write_bytes(data)
    assert check_ova(path).findings


def _kept(data: bytes, ova: Path) -> list[bytes]:
    """What rules can be about: each header and each member, without what fills up its last block."""
    return [data[member.start - 512 : member.start + member.size] for member in check_ova(ova).members]


@given(data=st.binary(max_size=4000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_no_archive_is_found(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "letters.ova"
    path.write_bytes(data)
    assert check_ova(path).findings
