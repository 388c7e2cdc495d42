"""What a check found: each broken rule, where, and what stands there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from builder.check.rules import RULES

LONGEST = 160
MOST = 10


@dataclass(frozen=True)
class Finding:
    """A rule that is broken: `where` it is (`file` or `file:line`), what was `found`, and what `must` be there."""

    rule: str
    where: str
    found: str
    must: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass
class Findings:
    """All findings of a check, in their order; no more than ten of a rule, since the bytes may be anyone's."""

    found: list[Finding] = field(default_factory=list)

    def add(self, rule: str, where: str, found: object) -> None:
        told = sum(finding.rule == rule for finding in self.found)
        if told < MOST:
            self.found.append(Finding(rule, plain(where), plain(str(found)), RULES[rule]))

    def require(self, holds: bool, rule: str, where: str, found: object) -> bool:
        """Add a finding unless `holds`; return whether it does."""
        if not holds:
            self.add(rule, where, found)
        return holds


def plain(text: str) -> str:
    """Text from anyone's file, safe to show on a terminal."""
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
