"""Hosts of data on loopback, speaking their documented interfaces: DOI system, InvenioRDM, Dataverse, figshare, hub,
Kaggle, Google Drive. All of them are one server, told apart by path."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_sEcReT"
KEY = "kAgGlE-sEcReT"
PAGE = "text/html; charset=utf-8"
Files = Mapping[str, bytes]


@dataclass
class Reply:
    """What is answered: a body, or JSON, or a redirect; `needs` is an Authorization without which it is a 401."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    needs: str = ""


@dataclass
class Hosts:
    """Replies by path and query; `requests` are those that came, `secrets` the Authorization of each."""

    replies: dict[str, Reply] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    url: str = ""

    def json(self, path: str, value: Any, **options: Any) -> None:
        self.replies[path] = Reply(json.dumps(value).encode(), **options)

    def redirect(self, path: str, to: str) -> None:
        self.replies[path] = Reply(status=302, headers={"Location": to if "://" in to else self.url + to})

    def environment(self) -> dict[str, str]:
        """What makes the builder ask these hosts."""
        return {
            "WORKSHOP_DOI_RESOLVER": f"{self.url}/doi-system",
            "WORKSHOP_FIGSHARE": f"{self.url}/figshare",
            "WORKSHOP_GOOGLE_DRIVE": f"{self.url}/drive",
            "HF_ENDPOINT": f"{self.url}/hub",
            "KAGGLE_API_ENDPOINT": f"{self.url}/kaggle",
        }

    def asked(self, part: str) -> list[str]:
        return [path for path in self.requests if part in path]

    def invenio(self, doi: str, record: str, files: Files, *, is_zenodo: bool = True) -> None:
        """A record of Zenodo, or of another InvenioRDM; its DOI leads to its page."""
        self.redirect(f"/doi-system/{doi}", f"/invenio/doi/{doi}")
        self.redirect(f"/invenio/doi/{doi}", f"/records/{record}")
        self.replies[f"/records/{record}"] = Reply(b"no programs", 403)
        listed = []
        for name, data in files.items():
            content = f"/api/records/{record}/files/{quote(name)}/content"
            self.replies[content] = Reply(data)
            links = {"self": self.url + content} if is_zenodo else {"content": self.url + content, "self": "about:"}
            listed.append({"key": name, "size": len(data), "checksum": f"md5:{md5(data)}", "links": links})
        own: dict[str, Any] = {"doi": doi} if is_zenodo else {"pids": {"doi": {"identifier": doi}}}
        held = listed if is_zenodo else {"entries": {item["key"]: item for item in listed}}
        self.json(f"/api/records/{record}", {"id": record, "files": held, **own})

    def dataverse(self, doi: str, files: Files, table: tuple[str, bytes]) -> None:
        """Files as they were uploaded in the folder `raw`, and a table of which the host made its own form."""
        self.redirect(f"/doi-system/{doi}", f"/citation?persistentId=doi:{doi}")
        listed: list[dict[str, Any]] = []
        for number, (name, data) in enumerate(files.items()):
            self.replies[f"/api/access/datafile/{number}"] = Reply(data)
            said = {"type": "SHA-1", "value": hashlib.sha1(data).hexdigest()}
            about = {"id": number, "filename": name, "filesize": len(data), "checksum": said}
            listed.append({"label": name, "directoryLabel": "raw", "dataFile": about})
        name, data = table
        self.replies["/api/access/datafile/99?format=original"] = Reply(data)
        about = {"id": 99, "filename": f"{name}.tab", "filesize": 1, "md5": md5(data), "originalFileFormat": "text/csv"}
        listed.append(
            {"label": f"{name}.tab", "dataFile": {**about, "originalFileName": name, "originalFileSize": len(data)}}
        )
        answer = {"data": {"versionNumber": 2, "versionMinorNumber": 1, "files": listed}}
        for version in (":latest-published", "2.1"):
            self.json(
                f"/api/datasets/:persistentId/versions/{version}?persistentId={quote(f'doi:{doi}', safe='')}", answer
            )

    def figshare(self, doi: str, article: str, version: int, files: Files) -> None:
        self.redirect(f"/doi-system/{doi}", f"/articles/dataset/A_title_2020/{article}/{version}")
        listed = []
        for number, (name, data) in enumerate(files.items()):
            self.replies[f"/figshare/files/{number}"] = Reply(data)
            place = f"{self.url}/figshare/files/{number}"
            listed.append({"name": name, "size": len(data), "computed_md5": md5(data), "download_url": place})
        self.json(
            f"/figshare/v2/articles/{article}/versions/{version}", {"doi": doi, "version": version, "files": listed}
        )

    def hub(self, name: str, files: Files, *, large: Files, kind: str = "dataset", token: str = "") -> None:
        """A repository whose `large` files are in LFS, on a host of their own; two files a page of its listing."""
        needs = f"Bearer {token}" if token else ""
        api = f"/hub/api/{kind}s/{name}"
        folder = f"/hub/{'' if kind == 'model' else kind + 's/'}{name}/resolve/{COMMIT}"
        for ref in ("main", "v1.0", COMMIT):
            self.json(f"{api}/revision/{ref}", {"sha": COMMIT}, needs=needs)
        items: list[dict[str, Any]] = [{"type": "directory", "path": "data", "oid": "d" * 40, "size": 0}]
        for path, data in files.items():
            self.replies[f"{folder}/{quote(path)}"] = Reply(data, needs=needs)
            items.append({"type": "file", "path": path, "oid": git_blob(data), "size": len(data)})
        for path, data in large.items():
            self.redirect(f"{folder}/{quote(path)}", f"{self.url.replace('127.0.0.1', 'localhost')}/cdn/{quote(path)}")
            self.replies[f"{folder}/{quote(path)}"].needs = needs
            self.replies[f"/cdn/{quote(path)}"] = Reply(data)
            lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            items.append({"type": "file", "path": path, "oid": "e" * 40, "size": len(data), "lfs": lfs})
        for start in range(0, len(items), 2):
            query = "?recursive=1" + (f"&cursor={start}" if start else "")
            link = f'<https://hub.example.org{api}/tree/{COMMIT}?recursive=1&cursor={start + 2}>; rel="next"'
            headers = {"Link": link} if start + 2 < len(items) else {}
            self.json(f"{api}/tree/{COMMIT}{query}", items[start : start + 2], headers=headers, needs=needs)

    def kaggle(self, name: str, version: int, archive: bytes, user: str = "ada") -> None:
        needs = "Basic " + base64.b64encode(f"{user}:{KEY}".encode()).decode()
        self.json(f"/kaggle/api/v1/datasets/view/{name}", {"currentVersionNumber": version}, needs=needs)
        path = f"/kaggle/api/v1/datasets/download/{name}?datasetVersionNumber={version}"
        self.redirect(path, f"{self.url.replace('127.0.0.1', 'localhost')}/cdn/{name}.zip?signature=s3cret")
        self.replies[path].needs = needs
        self.replies[f"/cdn/{name}.zip?signature=s3cret"] = Reply(archive)

    def drive(self, file: str, data: bytes, *, asks: bool) -> None:
        """A file that is given at once, or only after a page that asks whether to go on without a scan."""
        if not asks:
            headers = {"Content-Type": PAGE, "Content-Disposition": 'attachment; filename="x.html"'}
            self.replies[f"/drive/uc?export=download&id={file}"] = Reply(data, headers=headers)
            return
        page = (
            '<html><form id="download-form" action="/content/download" method="get">'
            f'<input type="hidden" name="id" value="{file}"><input type="hidden" name="confirm" value="t&amp;1">'
            '<input type="submit" value="Download anyway"></form></html>'
        )
        self.replies[f"/drive/uc?export=download&id={file}"] = Reply(page.encode(), headers={"Content-Type": PAGE})
        self.replies[f"/content/download?id={file}&confirm=t%261"] = Reply(data)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Answer(BaseHTTPRequestHandler):
    hosts: Hosts
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        secret = self.headers.get("Authorization", "")
        self.hosts.requests.append(self.path)
        self.hosts.secrets.append(f"{self.headers['Host'].partition(':')[0]} {secret}".strip())
        reply = self.hosts.replies.get(self.path, Reply(status=404))
        if reply.needs and reply.needs != secret:
            reply = Reply(status=401)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)


@contextmanager
def data_hosts(setenv: Callable[[str, str], None]) -> Iterator[Hosts]:
    """The hosts, running until the block ends, with the environment that leads to them."""
    hosts = Hosts()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"hosts": hosts}))
    server.daemon_threads = True
    hosts.url = f"http://127.0.0.1:{server.server_port}"
    for name, value in hosts.environment().items():
        setenv(name, value)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hosts
    finally:
        server.shutdown()
        server.server_close()
