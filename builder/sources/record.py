"""A published record and its files, from the programming interfaces of the hosts that DOIs lead to.

InvenioRDM (Zenodo is one): `/api/records/ID`. Dataverse: `/api/datasets/:persistentId/versions/VERSION`.
figshare: `/v2/articles/ID[/versions/VERSION]`, on a host of its own, `WORKSHOP_FIGSHARE` for a mirror.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources.expected import NO_CHECKS, Checks
from builder.sources.hosted import HostedFile
from builder.sources.service import Service
from builder.sources.source import Network, shown

_FIGSHARE = "https://api.figshare.com"
_INVENIO_PAGE = re.compile(r"/records?/([A-Za-z0-9-]+)/?")
_FIGSHARE_PAGE = re.compile(r"/articles/(?:[^/]+/){0,2}?(\d{5,})(?:/(\d+))?/?$")


@dataclass(frozen=True)
class RecordFile:
    """One file: `checksum` is `md5:…`, `sha1:…` or `sha256:…`, or empty where the host says none of these."""

    path: str
    address: str
    size: int
    checksum: str

    @property
    def hosted(self) -> HostedFile:
        kind, _, value = self.checksum.partition(":")
        match kind:
            case "sha256":
                return HostedFile(self.path, self.size, Digest.parse(value))
            case "md5":
                return HostedFile(self.path, self.size, checks=Checks(md5=value))
            case "sha1":
                return HostedFile(self.path, self.size, checks=Checks(sha1=value))
            case _:
                return HostedFile(self.path, self.size, checks=NO_CHECKS)


@dataclass(frozen=True)
class Record:
    """One version of a record: its DOI, what its host calls the version (empty where the DOI says it), its files."""

    doi: str
    version: str
    files: tuple[RecordFile, ...]


def host_of(doi: str, network: Network) -> Service:
    """The host of a DOI's record, as it is asked."""
    return Service(f"doi:{doi}", network, advice=_ADVICE)


def record_at(page: str, doi: str, version: str, network: Network) -> Record:
    """The record whose page this is; without `version` the one that the DOI means, or else the newest.

    SourceError for a host of another kind, and for a record without files that everyone may read.
    """
    service = host_of(doi, network)
    parts = urlsplit(page)
    origin = f"{parts.scheme}://{parts.netloc}"
    if persistent := parse_qs(parts.query).get("persistentId"):
        record = _dataverse(service, origin, persistent[0], version)
    elif found := _FIGSHARE_PAGE.search(parts.path):
        record = _figshare(service, found[1], version or found[2] or "", doi)
    elif found := _INVENIO_PAGE.fullmatch(parts.path):
        record = _invenio(service, origin, found[1], doi)
    else:
        raise SourceError(
            f"doi:{doi} leads to {shown(page)}, no record of InvenioRDM (such as Zenodo), Dataverse or figshare",
            hint="give its files one by one, by url and sha256, or as manual",
        )
    with service.understood():
        _ = [file.hosted for file in record.files]
    if not record.files:
        raise SourceError(
            f"doi:{doi} has no files that everyone may read", hint="get them by hand, and name them as manual"
        )
    return record


def _invenio(service: Service, origin: str, record: str, doi: str) -> Record:
    found = service.json(f"{origin}/api/records/{record}")
    with service.understood():
        listed = found.get("files") or []
        listed = list(listed.get("entries", {}).values()) if isinstance(listed, dict) else listed
        files = tuple(_invenio_file(item, f"{origin}/api/records/{found['id']}/files") for item in listed)
        own = found.get("doi") or found.get("pids", {}).get("doi", {}).get("identifier")
        return Record(str(own or doi), "", files)


def _invenio_file(item: Mapping[str, Any], folder: str) -> RecordFile:
    links = item.get("links", {})
    address = links.get("content") or links.get("self") or f"{folder}/{quote(item['key'])}/content"
    return RecordFile(str(item["key"]), str(address), int(item["size"]), str(item["checksum"]))


def _dataverse(service: Service, origin: str, persistent: str, version: str) -> Record:
    wanted = version or ":latest-published"
    query = f"persistentId={quote(persistent, safe='')}"
    found = service.json(f"{origin}/api/datasets/:persistentId/versions/{wanted}?{query}")
    with service.understood():
        data = found["data"]
        exact = f"{data['versionNumber']}.{data['versionMinorNumber']}"
        files = tuple(_dataverse_file(item, origin) for item in data["files"] if not item.get("restricted"))
        return Record(persistent.removeprefix("doi:"), exact, files)


def _dataverse_file(item: Mapping[str, Any], origin: str) -> RecordFile:
    """A table is kept in two forms; the checksum is of the one that was uploaded, so that one is taken."""
    data = item["dataFile"]
    is_table = "originalFileFormat" in data
    name = data.get("originalFileName", data["filename"]) if is_table else item.get("label", data["filename"])
    size = data["originalFileSize"] if is_table else data["filesize"]
    said = data.get("checksum") or {"type": "MD5", "value": data["md5"]}
    path = "/".join(part for part in (item.get("directoryLabel", ""), name) if part)
    address = f"{origin}/api/access/datafile/{data['id']}" + ("?format=original" if is_table else "")
    return RecordFile(path, address, int(size), f"{said['type'].replace('-', '').lower()}:{said['value']}")


def _figshare(service: Service, article: str, version: str, doi: str) -> Record:
    host = (os.environ.get("WORKSHOP_FIGSHARE") or _FIGSHARE).rstrip("/")
    found = service.json(f"{host}/v2/articles/{article}" + (f"/versions/{version}" if version else ""))
    with service.understood():
        return Record(str(found.get("doi") or doi), str(found["version"]), tuple(map(_figshare_file, found["files"])))


def _figshare_file(item: Mapping[str, Any]) -> RecordFile:
    md5 = item.get("computed_md5") or item.get("supplied_md5")
    return RecordFile(str(item["name"]), str(item["download_url"]), int(item["size"]), f"md5:{md5}" if md5 else "")


_ADVICE = (
    (401, "may not be read", "get its files by hand, and name them as manual"),
    (403, "may not be read", "get its files by hand, and name them as manual"),
    (404, "is not at its host", "look at its page in a browser"),
    (410, "was withdrawn", "look at its page in a browser"),
)
