"""What every kind of source can do, and what all need: addresses without secrets, and patience with networks."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from builder.errors import SourceError
from builder.store.objects import Store
from builder.store.trees import Tree

T = TypeVar("T")
_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]+@")


class Source(Protocol):
    """Something outside that becomes a tree."""

    @property
    def is_local(self) -> bool:
        """Whether its bytes are on this machine, where they may change and are looked at each time."""
        ...

    def resolve(self) -> dict[str, str]:
        """What the lock records, enough to get the same bytes again; never a credential or a path of this machine."""
        ...

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        """The tree, all its bytes verified and in the store; IntegrityError when they are no longer the same."""
        ...


class UnreachableError(SourceError):
    """A host that does not answer, or not well; it may do so in a moment."""


class RefusedError(SourceError):
    """A host that answers, and says no: `status` is what it says (404 not there, 401 and 403 not for you)."""

    def __init__(self, message: str, status: int = 0, *, hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.status = status


@dataclass(frozen=True)
class Network:
    """Whether anything outside may be asked, how often, and how long the first pause is; each next one doubles."""

    tries: int = 4
    pause: float = 0.5
    is_offline: bool = False

    def ask(self, name: str, attempt: Callable[[], T]) -> T:
        """Call until it does not raise UnreachableError; the last failure says how often `name` was asked for."""
        if self.is_offline:
            raise SourceError(
                f"{name} is not in the store, and --offline forbids to fetch it", hint="python3 build.py fetch"
            )
        for turn in range(1, self.tries):
            try:
                return attempt()
            except UnreachableError:
                time.sleep(
                    self.pause * 2 ** (turn - 1) * random.uniform(0.5, 1.5)
                )  # jitter: a room does not knock at once
        try:
            return attempt()
        except UnreachableError as error:
            times = "once" if self.tries == 1 else f"{self.tries} times"
            raise SourceError(f"{error.message} (tried {times})", hint=error.hint) from error


ONLINE = Network()


def redacted(text: str) -> str:
    """The text with the user and password of every address in it taken out."""
    return _USERINFO.sub("", text)
