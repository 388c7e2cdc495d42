"""Files of a repository on the Hugging Face hub, at a commit, through its documented HTTP interface.

`HF_ENDPOINT` names another hub or a mirror. A token is taken from `HF_TOKEN`, or from where the hub's own client keeps
it; it is sent to that host only. Large files are known by their sha256, the others by git's name of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from builder.digest import Digest
from builder.sources.expected import Checks
from builder.sources.hosted import HostedFile, Hosting
from builder.sources.selection import ALL, Selection
from builder.sources.service import Service, bearer
from builder.sources.source import ONLINE, Network
from builder.store.objects import Store
from builder.store.trees import Tree

_HUB = "https://huggingface.co"
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_LOG_IN = "where it is private or has conditions: accept them on its page, and give a token of yours in HF_TOKEN"


@dataclass(frozen=True)
class HubRepository:
    """A repository by name and kind (`dataset`, `model`, `space`), its branch, tag or commit, and which files of it."""

    name: str
    type: str = "dataset"
    ref: str | None = None
    selection: Selection = ALL
    network: Network = ONLINE
    is_local: bool = False

    def resolve(self) -> dict[str, str]:
        service = self._service()
        with service.understood():
            commit = str(service.json(f"{self._api}/revision/{quote(self.ref or 'main', safe='')}")["sha"])
            int(commit, 16)
        return {"commit": commit}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        commit = resolved["commit"]
        files = tuple(self._listed(commit))
        addresses = {file.path: f"{self._pages}/resolve/{commit}/{quote(file.path)}" for file in files}
        hosting = Hosting(f"{self.name} on the hub", files, self.selection)
        return hosting.tree(addresses, store, self._service())

    @property
    def _api(self) -> str:
        return f"{_endpoint()}/api/{self.type}s/{self.name}"

    @property
    def _pages(self) -> str:
        folder = "" if self.type == "model" else f"{self.type}s/"
        return f"{_endpoint()}/{folder}{self.name}"

    def _service(self) -> Service:
        what = f"the {self.type} {self.name}" + (f" at {self.ref}" if self.ref else "")
        closed = "may not be read, or is not there"
        advice = (
            (401, closed, f"correct name, type and ref; {_LOG_IN}"),
            (403, "may not be read", _LOG_IN),
            (404, "is not there", "correct name, type and ref in the card"),
        )
        return Service(what, self.network, bearer(_token()), advice)

    def _listed(self, commit: str) -> Iterator[HostedFile]:
        service = self._service()
        address: str | None = f"{self._api}/tree/{commit}?recursive=1"
        while address is not None:
            page = service.page(address)
            with service.understood():
                yield from [_hosted(item) for item in service.parsed(page) if item["type"] == "file"]
            address = _next(page.headers.get("Link", ""))


def _hosted(item: Mapping[str, Any]) -> HostedFile:
    size, large = int(item["size"]), item.get("lfs")
    if large is not None:
        return HostedFile(str(item["path"]), int(large.get("size", size)), Digest.parse(str(large["oid"])))
    return HostedFile(str(item["path"]), size, checks=Checks(git_blob=str(item["oid"])))


def _next(link: str) -> str | None:
    """The next page of a listing (RFC 8288), on the hub that was asked: the token goes nowhere else."""
    found = _NEXT.search(link)
    if found is None:
        return None
    hub, parts = urlsplit(_endpoint()), urlsplit(found[1])
    return f"{hub.scheme}://{hub.netloc}{parts.path}?{parts.query}"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def _token() -> str | None:
    """The user's token, as the hub's own client finds it."""
    if os.environ.get("HF_TOKEN"):
        return os.environ["HF_TOKEN"].strip()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    place = Path(os.environ.get("HF_TOKEN_PATH") or Path(os.environ.get("HF_HOME") or cache) / "token").expanduser()
    try:
        return place.read_text().strip() or None
    except OSError:
        return None
