"""A file of Google Drive that everyone with the link may read, also one so large that Drive asks before it sends it.

`WORKSHOP_GOOGLE_DRIVE` names another host.
"""

from __future__ import annotations

import html.parser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources.packed import resolved_as
from builder.sources.source import ONLINE, Network, RefusedError
from builder.sources.web import Answer, Question, answer_to
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree

_DRIVE = "https://drive.google.com"
_PAGE_LIMIT = 1 << 20


@dataclass(frozen=True)
class DriveFile:
    """A file by its id and digest."""

    id: str
    sha256: Digest
    store: Store
    network: Network = ONLINE
    is_local: bool = False

    @property
    def name(self) -> str:
        return f"the Google Drive file {self.id}"

    def resolve(self) -> dict[str, str]:
        return resolved_as(self._blob(self.store))

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        blob = self._blob(store)
        return Tree.of([Entry(self.id, blob.digest, blob.size)], origin=self.name)

    def _blob(self, store: Store) -> Blob:
        if store.has(self.sha256):
            return Blob(self.sha256, store.size(self.sha256))
        try:
            address = self.network.ask(self.name, self._address)
        except RefusedError as error:
            raise SourceError(f"{self.name} may not be read, or is not there: {error.message}", hint=_SHARE) from error
        (blob,) = fetch_all([WebFile((address,), self.name, self.sha256)], store, self.network)
        return blob

    def _address(self) -> str:
        """Where its bytes are: the link itself, or where the form leads that asks whether to go on without a scan."""
        host = (os.environ.get("WORKSHOP_GOOGLE_DRIVE") or _DRIVE).rstrip("/")
        question = Question(f"{host}/uc?{urlencode({'export': 'download', 'id': self.id})}")
        with answer_to(question) as answer:
            answer.require(200)
            if not _is_page(answer):
                return question.address
            form = _Form()
            form.feed(_text(answer))
            if form.action is None:
                raise SourceError(f"{self.name} is not given out: Drive shows a page instead", hint=_SHARE)
            return f"{urljoin(answer.address, form.action)}?{urlencode(form.fields)}"


def _is_page(answer: Answer) -> bool:
    """Whether it is a page of Drive's own; a file that is a page comes as an attachment."""
    kind = answer.headers.get("Content-Type", "")
    return kind.startswith("text/html") and "attachment" not in answer.headers.get("Content-Disposition", "")


def _text(answer: Answer) -> str:
    body = b""
    for piece in answer.pieces():
        body += piece
        if len(body) > _PAGE_LIMIT:
            break
    return body.decode(errors="replace")


@dataclass
class _Form(html.parser.HTMLParser):
    """The form of the page that asks: where it leads, and what it sends along."""

    action: str | None = None
    fields: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form" and said.get("id") == "download-form":
            self.action = said.get("action")
        elif tag == "input" and said.get("type") == "hidden" and said.get("name"):
            self.fields[said["name"] or ""] = said.get("value") or ""


_SHARE = "share it with everyone who has the link; where that was done, too many may have fetched it today"
