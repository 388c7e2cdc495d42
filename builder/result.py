"""What a verb hands back to the command: outputs, a text for people, and what `--json` shows besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from builder.digest import Digest
from builder.errors import BuilderError, failure_json
from builder.progress import Journal


@dataclass(frozen=True)
class Output:
    """Something built: its kind (`oci`, `docker`, `ova`), where it stands, its digest, its size in bytes."""

    kind: str
    path: Path
    digest: Digest
    bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "path": str(self.path), "digest": str(self.digest), "bytes": self.bytes}


@dataclass(frozen=True)
class Result:
    """`text` goes to stdout for people; `facts` are further keys of the JSON object.

    A `failure` beside them is for a verb that has found out everything and still must say no: a plan over its budget,
    a machine that is not able. `is_told` says that people have read it already, such as pytest's own summary.
    """

    outputs: tuple[Output, ...] = ()
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    failure: BuilderError | None = None
    is_told: bool = False

    @property
    def exit_code(self) -> int:
        return 0 if self.failure is None else self.failure.exit_code

    def to_json(self, journal: Journal) -> dict[str, Any]:
        return {
            **self.facts,
            "ok": self.failure is None,
            "outputs": [output.to_json() for output in self.outputs],
            "stages": [asdict(stage) for stage in journal.stages],
            "warnings": list(journal.warnings),
            **({"error": failure_json(self.failure)} if self.failure else {}),
        }
