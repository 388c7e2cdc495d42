"""The `.mf` file: does it list every member, and are the digests theirs?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from builder.check.findings import Findings

LINE = re.compile(r"SHA256\((?P<name>[^\n]+)\)= (?P<hex>[0-9a-fA-F]{64})")


def check_digests(text: str, name: str, digests: Mapping[str, str], findings: Findings) -> None:
    """Compare the lines of the file `name` with the `digests` (hex) of all other members."""
    listed: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        where = f"{name}:{number}"
        match = LINE.fullmatch(line)
        if match is None:
            findings.add("mf.line", where, line)
            continue
        findings.require(match["name"] not in listed, "mf.names", where, f"{match['name']} a second time")
        findings.require(match["name"] in digests, "mf.names", where, f"{match['name']}, which is not there")
        listed[match["name"]] = match["hex"].lower()
    for member, digest in digests.items():
        if findings.require(member in listed, "mf.names", name, f"nothing for {member}"):
            findings.require(listed[member] == digest, "mf.digest", name, f"{listed[member]} for {member}")
