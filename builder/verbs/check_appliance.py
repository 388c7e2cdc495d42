"""`build.py check appliance`: will this `.ova` import, boot and serve on a stranger's laptop?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from builder.check.boot import Boot, Trial, boot_both
from builder.check.findings import Finding
from builder.check.ova import Checked, check_ova
from builder.check.rules import RULES
from builder.check.virtualbox import imported
from builder.content.page import size_text
from builder.errors import CheckError
from builder.manifest.workshop import load
from builder.options import Options, verb
from builder.pipeline import output_name
from builder.programs import BOOT
from builder.progress import Journal
from builder.provision import ensure
from builder.result import Result
from builder.run import find


@verb
@click.option("--boot", is_flag=True, help="Start it in QEMU under BIOS and UEFI, and run a notebook inside.")
@click.option("--notebook", metavar="PATH", help="The notebook to run, as Jupyter names it.  [default: the smallest]")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def command(options: Options, file: Path | None, boot: bool, notebook: str | None) -> Result:
    """Hold an appliance against every rule that importing, booting and serving it needs.

    FILE is any .ova, by default the profile's in OUT. VirtualBox is not needed, and without --boot nothing of FILE is
    run. With it, VirtualBox imports FILE too, where it is installed; what breaks a rule is not started.
    """
    path = file or options.out / f"{output_name(load(options.manifest).choose(options.profile))}.ova"
    if not path.is_file():
        raise CheckError(f"there is no appliance {path}", hint="python3 build.py build makes the profile's")
    if boot:
        with options.terminal.pause():
            ensure([BOOT], yes=options.yes, tell=options.journal.tell)
    with options.journal.stage("rules") as stage:
        stage.bytes_in = path.stat().st_size
        checked = check_ova(path)
    findings, boots = list(checked.findings), tuple[Boot, ...]()
    if boot and not findings:
        found, boots = _started(path, checked, options.journal, notebook)
        findings += found
    facts = {**_facts(path, checked, findings), "boots": [one.to_json() for one in boots]}
    return Result(text=_text(path, checked, findings, boots), facts=facts, failure=_failure(path, findings))


def _started(
    path: Path, checked: Checked, journal: Journal, notebook: str | None
) -> tuple[tuple[Finding, ...], tuple[Boot, ...]]:
    with tempfile.TemporaryDirectory(prefix="workshop-check-", ignore_cleanup_errors=True) as folder:
        found: tuple[Finding, ...] = ()
        if find("VBoxManage"):
            with journal.stage("VirtualBox imports"):
                found = imported(path, Path(folder))
        else:
            journal.tell("VirtualBox is not installed, so it was not asked")
        return found, boot_both(Trial(path, checked, Path(folder), journal, notebook))


def _facts(path: Path, checked: Checked, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "file": str(path),
        "rules": len(RULES),
        "findings": [finding.to_json() for finding in findings],
        "members": [{"name": member.name, "bytes": member.size} for member in checked.members],
        "capacity": checked.capacity,
    }


def _text(path: Path, checked: Checked, findings: Sequence[Finding], boots: Sequence[Boot]) -> str:
    lines = [_line(finding) for finding in findings]
    if not findings:
        disks = f"{len(checked.disks)} disks of {size_text(checked.capacity)} in all"
        lines = [f"{path}: {size_text(path.stat().st_size)}, {disks}, keeps all {len(RULES)} rules"]
    return "\n".join([*lines, *(_boot_line(boot) for boot in boots)])


def _line(finding: Finding) -> str:
    return f"{finding.rule:16} {finding.where}: {finding.found}\n{'':16} must be: {finding.must}"


def _boot_line(boot: Boot) -> str:
    ran = f", ran {boot.notebook.path} ({boot.notebook.cells} cells)" if boot.notebook else ", no Jupyter"
    return f"{boot.firmware} ({boot.acceleration}): started, {boot.service} answers{ran}, powered off"


def _failure(path: Path, findings: Sequence[Finding]) -> CheckError | None:
    if not findings:
        return None
    broken = len({finding.rule for finding in findings})
    rules = "1 rule" if broken == 1 else f"{broken} rules"
    return CheckError(f"{path} breaks {rules}", hint="python3 build.py build makes the appliance of this workshop anew")
