"""Every expected failure, as one tree: each kind knows its exit code, each failure its thing and the next command."""

from __future__ import annotations

from typing import ClassVar


class BuilderError(Exception):
    """One sentence that names the thing, one hint that names what to do next, and where it stands.

    `where` is `file:line` when the cause is in a file the user wrote.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where


class BudgetError(BuilderError):
    """The profile's budget is smaller than what its outputs weigh."""

    kind = "budget"
    exit_code = 1


class ManifestError(BuilderError):
    """A mistake in a file the user wrote: manifest, card, or a repo's own `workshop.yaml`."""

    kind = "manifest"
    exit_code = 3


class LockError(BuilderError):
    """The lock is missing, stale, or not a lock."""

    kind = "lock"
    exit_code = 4


class SourceError(BuilderError):
    """Something outside could not be had: a host, a ref, a package, a file."""

    kind = "source"
    exit_code = 5


class IntegrityError(BuilderError):
    """Bytes are not what they were said to be. They have been thrown away."""

    kind = "integrity"
    exit_code = 6


class StoreError(BuilderError):
    """The store cannot take or give bytes: no space, no rights, a damaged object."""

    kind = "store"
    exit_code = 7


class ProgramError(BuilderError):
    """A program that was started failed."""

    kind = "program"
    exit_code = 8


class MissingProgramError(BuilderError):
    """A program is not installed."""

    kind = "missing-program"
    exit_code = 9


class EngineError(BuilderError):
    """No engine can build here, or the engine's build failed."""

    kind = "engine"
    exit_code = 10


class OutputError(BuilderError):
    """An output cannot be written as asked."""

    kind = "output"
    exit_code = 11


class CheckError(BuilderError):
    """Something that was checked breaks a rule, or does not do what it is for."""

    kind = "check"
    exit_code = 12


def failure_json(error: BuilderError) -> dict[str, str]:
    """An error as the command's JSON shows it."""
    return {"kind": error.kind, "message": error.message, "hint": error.hint, "where": error.where}
