"""The real VirtualBox, which imports the appliance into a home of its own, and removes it again."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from builder.check.findings import Finding, Findings
from builder.run import run

NAME = "workshop-check"


def imported(path: Path, scratch: Path) -> tuple[Finding, ...]:
    """What VirtualBox says against the file.

    `scratch` takes the unpacked disks, and stands in for the user's own list of machines.
    """
    home = scratch / "virtualbox"
    home.mkdir()
    env = {"VBOX_USER_HOME": str(home / "config"), "VBOX_IPC_SOCKETID": uuid.uuid4().hex[:12]}
    words: list[str | Path] = ["import", path.absolute(), "--vsys", "0", "--vmname", NAME, "--eula", "accept"]
    findings = Findings()
    done = run(["VBoxManage", *words, "--basefolder", home / "machines"], env=env, check=False)
    said = re.findall(r"error: (.*)", done.stderr) or [f"exit code {done.code}"]
    findings.require(done.code == 0, "virtualbox.import", path.name, said[0])
    if done.code == 0:
        run(["VBoxManage", "unregistervm", NAME, "--delete"], env=env, check=False)
    return tuple(findings.found)
