"""What a host's programming interface answers: JSON of the expected shape, or an error that says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from builder.errors import SourceError
from builder.sources.source import Network, RefusedError
from builder.sources.web import Headers
from builder.sources.web_file import Page, fetch_page


@dataclass(frozen=True)
class Service:
    """A host that is asked about `name`. `advice` says, by status, what is wrong and what to do when it says no."""

    name: str
    network: Network
    headers: Headers = ()
    advice: tuple[tuple[int, str, str], ...] = ()

    def page(self, address: str) -> Page:
        """Its answer; SourceError, in the words of `advice`, when it says no."""
        try:
            return fetch_page(address, self.network, (("Accept", "application/json"), *self.headers))
        except RefusedError as error:
            raise self.named(error) from error

    def named(self, error: RefusedError) -> SourceError:
        """A host's no in the words of `advice`."""
        for status, wrong, hint in self.advice:
            if status == error.status:
                return SourceError(f"{self.name} {wrong}: {error.message}", hint=hint)
        return error

    def json(self, address: str) -> Any:
        return self.parsed(self.page(address))

    def parsed(self, page: Page) -> Any:
        with self.understood():
            return json.loads(page.body)

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Turn what code meets in an answer of another shape than documented into SourceError."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise SourceError(
                f"the answer about {self.name} cannot be understood: {type(error).__name__} {error}",
                hint="look whether its page opens in a browser; where it does, give the files by url and sha256",
            ) from error


def bearer(token: str | None) -> Headers:
    """The header that carries a token; none without one."""
    return (("Authorization", f"Bearer {token}"),) if token else ()
