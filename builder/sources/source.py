"""What every kind of source can do, and what all need: addresses without secrets, and patience with networks."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """A host that does not answer, or not well; it may do so in a moment, or in the seconds it asks to `wait`."""

    def __init__(self, message: str, *, hint: str = "", where: str = "", wait: float = 0.0) -> None:
        super().__init__(message, hint=hint, where=where)
        self.wait = wait


class RefusedError(SourceError):
    """A host that answers, and says no: `status` is what it says (404 not there, 401 and 403 not for you)."""

    def __init__(self, message: str, status: int = 0, *, hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.status = status


@dataclass(frozen=True)
class Network:
    """Whether anything outside may be asked, how often, and how long the first pause is; each next one doubles.

    A host that says when to come back is obeyed, unless that is later than in `longest_wait` seconds: then at once it
    counts as failed. `arrived` is told how many bytes came, piece by piece.
    """

    tries: int = 4
    pause: float = 0.5
    is_offline: bool = False
    longest_wait: float = 60.0
    arrived: Callable[[int], None] = field(default=lambda count: None, compare=False)

    def ask(self, name: str, attempt: Callable[[], T]) -> T:
        """Call until it does not raise UnreachableError; the last failure says how often `name` was asked for."""
        self.require_online(name)
        turn = 1
        while True:
            try:
                return attempt()
            except UnreachableError as error:
                if turn >= self.tries or error.wait > self.longest_wait:
                    raise _given_up(error, turn) from error
                pause = self.pause * 2 ** (turn - 1) * random.uniform(0.5, 1.5)  # a room does not knock at once
                time.sleep(max(pause, error.wait))
            turn += 1

    def require_online(self, name: str) -> None:
        if self.is_offline:
            raise SourceError(
                f"{name} is not in the store, and --offline forbids to fetch it", hint="python3 build.py fetch"
            )


def _given_up(error: UnreachableError, turns: int) -> SourceError:
    times = "once" if turns == 1 else f"{turns} times"
    later = f"; it asks to be left alone for {error.wait:.0f} s" if error.wait else ""
    return SourceError(f"{error.message} (tried {times}{later})", hint=error.hint)


ONLINE = Network()


def redacted(text: str) -> str:
    """The text with the user and password of every address in it taken out."""
    return _USERINFO.sub("", text)


def shown(address: str) -> str:
    """An address as it may be shown: no user, no password, and not what follows `?`, which may be a signature."""
    return redacted(address).partition("?")[0].partition("#")[0]
