"""A real container registry on a free port of loopback, for plain http, and small images to put into it."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from builder.digest import Digest, canonical_json
from builder.store.layers import TAR
from builder.store.layout import CONFIG, DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, DOCKER_TAR, INDEX, MANIFEST

REGISTRY = shutil.which("docker-registry")
USER, PASSWORD = "teacher", "a-word-of-hers"
BCRYPT = "$2b$04$x5VZ9QGX7RyFYpNakPvA5emQxtIzoN0MEYo2nyrax5dahAk0f8THm"
"""PASSWORD, as htpasswd keeps it."""
PATIENCE = 30
needs_registry = pytest.mark.skipif(REGISTRY is None, reason="this distribution has no package of docker-registry")
SETTINGS = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
{more}
"""


class Registry:
    """A registry that can be stopped and started again with what it has."""

    def __init__(self, folder: Path, *, has_login: bool = False) -> None:
        self.folder, self._login = folder, (USER, PASSWORD) if has_login else None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        more = ""
        if has_login:
            (folder / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
            more = f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}"
        settings = SETTINGS.format(folder=folder, port=self.host.partition(":")[2], more=more)
        (folder / "config.yml").write_text(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert REGISTRY
        with (self.folder / "log").open("ab") as log:
            words = [REGISTRY, "serve", str(self.folder / "config.yml")]
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            try:
                requests.get(f"http://{self.host}/v2/", timeout=PATIENCE)
                return
            except requests.ConnectionError:
                time.sleep(0.02)
        raise AssertionError(f"the registry does not start: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def put(self, name: str, tag: str, manifest: bytes) -> Digest:
        """Take in a manifest whose blobs are there."""
        headers = {"Content-Type": json.loads(manifest)["mediaType"]}
        self._put(f"http://{self.host}/v2/{name}/manifests/{tag}", manifest, headers)
        return Digest.of(manifest)

    def put_blob(self, name: str, data: bytes) -> dict[str, Any]:
        begun = requests.post(f"http://{self.host}/v2/{name}/blobs/uploads/", auth=self._login, timeout=PATIENCE)
        place = begun.headers["Location"]
        mark = "&" if "?" in place else "?"
        self._put(f"{place}{mark}digest={Digest.of(data)}", data, {"Content-Type": "application/octet-stream"})
        return {"digest": str(Digest.of(data)), "size": len(data)}

    def put_image(
        self, name: str, tag: str, text: str, *, platform: str = "linux/amd64", docker: bool = False
    ) -> Digest:
        """Put an image with one layer, in which `etc/motd` says `text`; the digest of its manifest."""
        layer = plain_layer(text)
        system, architecture = platform.split("/")
        rootfs = {"type": "layers", "diff_ids": [str(Digest.of(layer))]}
        config = {"os": system, "architecture": architecture, "rootfs": rootfs, "config": {"Env": [f"SAYS={text}"]}}
        kinds = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_TAR) if docker else (MANIFEST, CONFIG, TAR)
        manifest = {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], **self.put_blob(name, canonical_json(config))},
            "layers": [{"mediaType": kinds[2], **self.put_blob(name, layer)}],
        }
        return self.put(name, tag, canonical_json(manifest))

    def put_index(self, name: str, tag: str, images: Mapping[str, Digest], *, docker: bool = False) -> Digest:
        """Put an index of images that are there, by platform: `linux/amd64` or `linux/amd64/v2`."""
        kind = DOCKER_MANIFEST if docker else MANIFEST
        entries = [
            {"mediaType": kind, "digest": str(digest), "size": self._size(name, digest), "platform": _platform(text)}
            for text, digest in images.items()
        ]
        index = {"schemaVersion": 2, "mediaType": DOCKER_LIST if docker else INDEX, "manifests": entries}
        return self.put(name, tag, canonical_json(index))

    def blob(self, digest: Digest) -> Path:
        """Where the registry keeps a blob."""
        return self.folder / "data/docker/registry/v2/blobs/sha256" / digest.hex[:2] / digest.hex / "data"

    def _size(self, name: str, digest: Digest) -> int:
        return self.blob(digest).stat().st_size

    def _put(self, url: str, data: bytes, headers: Mapping[str, str]) -> None:
        done = requests.put(url, data=data, headers=headers, auth=self._login, timeout=PATIENCE)
        assert done.status_code == 201, done.text


def _platform(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def plain_layer(text: str) -> bytes:
    """A tar in which `etc/motd` says `text`."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        member = tarfile.TarInfo("etc/motd")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return sink.getvalue()


@contextmanager
def running(folder: Path, *, has_login: bool = False) -> Iterator[Registry]:
    """A registry with all it keeps in `folder`; with `has_login` it knows USER only."""
    folder.mkdir()
    registry = Registry(folder, has_login=has_login)
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()
