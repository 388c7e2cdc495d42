"""`build.py check appliance`: will this `.ova` import, boot and serve on a stranger's laptop?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from builder.check.findings import Finding
from builder.check.ova import Checked, check_ova
from builder.check.rules import RULES
from builder.content.page import size_text
from builder.errors import CheckError
from builder.manifest.workshop import load
from builder.options import Options, verb
from builder.pipeline import output_name
from builder.result import Result


@verb
@click.argument("file", required=False, type=click.Path(path_type=Path))
def command(options: Options, file: Path | None) -> Result:
    """Hold an appliance against every rule that importing, booting and serving it needs.

    FILE is any .ova, by default the profile's in OUT. VirtualBox is not needed, and nothing of FILE is run.
    """
    path = file or options.out / f"{output_name(load(options.manifest).choose(options.profile))}.ova"
    if not path.is_file():
        raise CheckError(f"there is no appliance {path}", hint="python3 build.py build makes the profile's")
    with options.journal.stage("rules") as stage:
        stage.bytes_in = path.stat().st_size
        checked = check_ova(path)
    facts = _facts(path, checked)
    return Result(text=_text(path, checked), facts=facts, failure=_failure(path, checked.findings))


def _facts(path: Path, checked: Checked) -> dict[str, Any]:
    return {
        "file": str(path),
        "rules": len(RULES),
        "findings": [finding.to_json() for finding in checked.findings],
        "members": [{"name": member.name, "bytes": member.size} for member in checked.members],
        "capacity": checked.capacity,
    }


def _text(path: Path, checked: Checked) -> str:
    if not checked.findings:
        disks = f"{len(checked.disks)} disks of {size_text(checked.capacity)} in all"
        return f"{path}: {size_text(path.stat().st_size)}, {disks}, keeps all {len(RULES)} rules"
    return "\n".join(_line(finding) for finding in checked.findings)


def _line(finding: Finding) -> str:
    return f"{finding.rule:16} {finding.where}: {finding.found}\n{'':16} must be: {finding.must}"


def _failure(path: Path, findings: Sequence[Finding]) -> CheckError | None:
    if not findings:
        return None
    broken = len({finding.rule for finding in findings})
    rules = "1 rule" if broken == 1 else f"{broken} rules"
    return CheckError(f"{path} breaks {rules}", hint="python3 build.py build makes the appliance of this workshop anew")
