"""A dataset of Kaggle, at a version, as the one zip that Kaggle's documented interface gives, with the user's token.

The token is taken from `KAGGLE_API_TOKEN`, from `KAGGLE_USERNAME` and `KAGGLE_KEY`, or from `kaggle.json` in
`KAGGLE_CONFIG_DIR` or `~/.kaggle`. `KAGGLE_API_ENDPOINT` names another host.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources.service import Service, bearer
from builder.sources.source import ONLINE, Network, RefusedError
from builder.sources.web import Headers
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree

_KAGGLE = "https://www.kaggle.com"


@dataclass(frozen=True)
class KaggleArchive:
    """A dataset by `owner/name`, and its version; without one the newest is resolved. Its one file is a zip."""

    name: str
    store: Store
    version: str | None = None
    sha256: Digest | None = None
    network: Network = ONLINE
    is_local: bool = False

    def resolve(self) -> dict[str, str]:
        version = self.version or self._newest()
        blob = self._zip(version, self.sha256, self.store)
        return {"version": version, "sha256": blob.digest.hex, "size": str(blob.size)}

    def bring(self, resolved: Mapping[str, str], store: Store) -> Tree:
        blob = self._zip(resolved["version"], Digest.parse(resolved["sha256"]), store)
        return Tree.of([Entry(f"{self.name.rpartition('/')[2]}.zip", blob.digest, blob.size)], origin=self.name)

    @property
    def _page(self) -> str:
        return f"{_endpoint()}/datasets/{self.name}"

    def _newest(self) -> str:
        service = self._service()
        with service.understood():
            found = service.json(f"{_endpoint()}/api/v1/datasets/view/{self.name}")
            return str(int(found.get("currentVersionNumber") or found["currentVersionNumberNullable"]))

    def _zip(self, version: str, expected: Digest | None, store: Store) -> Blob:
        if expected is not None and store.has(expected):
            return Blob(expected, store.size(expected))
        address = f"{_endpoint()}/api/v1/datasets/download/{self.name}?datasetVersionNumber={version}"
        service = self._service()
        file = WebFile((address,), service.name, expected, headers=service.headers)
        try:
            (blob,) = fetch_all([file], store, self.network)
        except RefusedError as error:
            raise service.named(error) from error
        return blob

    def _service(self) -> Service:
        accept = f"accept its conditions and licence on its page, {self._page}, logged in as who the token is of"
        advice = (
            (401, "may not be read: the token is not accepted", f"make a new token at {_endpoint()}/settings"),
            (403, "may not be read", accept),
            (404, "is not there", "correct its name and version in the card"),
        )
        name = f"the Kaggle dataset {self.name}"
        self.network.require_online(name)
        headers = _token()
        if not headers:
            raise SourceError(
                f"{name} needs a token, and there is none",
                hint=f"make one at {_endpoint()}/settings (it comes as kaggle.json, for ~/.kaggle); then {accept}",
            )
        return Service(name, self.network, headers, advice)


def _endpoint() -> str:
    return (os.environ.get("KAGGLE_API_ENDPOINT") or _KAGGLE).rstrip("/")


def _token() -> Headers:
    """The header that logs in; none without a token."""
    if os.environ.get("KAGGLE_API_TOKEN"):
        return bearer(os.environ["KAGGLE_API_TOKEN"].strip())
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    place = Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser() / "kaggle.json"
    if not (user and key) and place.is_file():
        try:
            said = json.loads(place.read_bytes())
            user, key = str(said["username"]), str(said["key"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(
                "kaggle.json cannot be read as a token of Kaggle", hint=f"make a new one at {_endpoint()}/settings"
            ) from error
    if not (user and key):
        return ()
    basic = urllib3.make_headers(basic_auth=f"{user}:{key}")
    return (("Authorization", basic["authorization"]),)
