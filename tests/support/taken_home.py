"""A workshop as an attendee has it at home: laid out with the guest's own files, and a place where newer ones stand."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faulty_server import Site

from builder.content.edition import EDITED, STATE
from builder.content.settings import COMMAND, settings

Files = Mapping[str, bytes | str]
"""Path → bytes, or the target of a link."""
NAME = "demo"


def edition(
    version: str, repos: Mapping[str, Files], datasets: Mapping[str, Files] | None = None, **more: Any
) -> dict[str, Any]:
    raw = {"format": 1, "workshop": NAME, "title": "Demo", "version": version, "published": ""}
    raw["repos"] = {name: {"title": name, "tree": _tree(files)} for name, files in repos.items()}
    raw["datasets"] = {name: {"title": name, "tree": _tree(files)} for name, files in (datasets or {}).items()}
    return {**raw, **more}


def _tree(files: Files) -> list[dict[str, Any]]:
    return [_entry(path, data) for path, data in sorted(files.items())]


def _entry(path: str, data: bytes | str) -> dict[str, Any]:
    if isinstance(data, str):
        return {"path": path, "target": data}
    entry = {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return {**entry, "executable": True} if path.endswith(".sh") else entry


class TakenHome:
    """One attendee's folder; `published` is what the organisers put on their server later."""

    def __init__(self, prefix: Path, site: Site, user: int | None = None) -> None:
        """Calls are made by `user`, with the machine's own Python; else by whoever runs the tests."""
        self._python = [sys.executable]
        if user is not None:
            self._python = ["setpriv", f"--reuid={user}", "--regid=100", "--clear-groups", "/usr/bin/python3"]
        self.prefix = prefix
        self.site = site
        self.root = prefix / "srv/workshop"
        for path, (data, mode) in settings(8080).items():
            (prefix / path).parent.mkdir(parents=True, exist_ok=True)
            (prefix / path).write_bytes(data)
            (prefix / path).chmod(mode)

    def install(self, repos: Mapping[str, Files], datasets: Mapping[str, Files] | None = None) -> None:
        """As the image has it: version 1."""
        raw = edition("1", repos, datasets, published=self.site.url)
        state = self.root / "repos" / STATE
        for kind, areas in (("data", datasets or {}), ("repos", repos)):
            for name, files in areas.items():
                for path, data in files.items():
                    self.put(f"{kind}/{name}/{path}", data)
                    if isinstance(data, bytes) and kind == "repos" and path.endswith(EDITED):
                        digest = hashlib.sha256(data).hexdigest()
                        (state / "objects" / digest[:2]).mkdir(parents=True, exist_ok=True)
                        (state / "objects" / digest[:2] / digest[2:]).write_bytes(data)
        state.mkdir(parents=True, exist_ok=True)
        (state / "edition.json").write_text(json.dumps(raw))

    def publish(
        self, repos: Mapping[str, Files], datasets: Mapping[str, Files] | None = None, version: str = "2", **more: Any
    ) -> None:
        raw = edition(version, repos, datasets, **more)
        self.site.files.clear()
        self.site.files["/workshop.json"] = json.dumps(raw).encode()
        for files in [*repos.values(), *(datasets or {}).values()]:
            for data in files.values():
                if isinstance(data, bytes):
                    digest = hashlib.sha256(data).hexdigest()
                    self.site.files[f"/objects/{digest[:2]}/{digest[2:]}"] = data

    def put(self, place: str, data: bytes | str) -> None:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, str):
            path.symlink_to(data)
        else:
            path.write_bytes(data)

    def read(self, place: str) -> bytes:
        return (self.root / place).read_bytes()

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._python, "-I", self.prefix / COMMAND, *words], text=True, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "WORKSHOP_PREFIX": str(self.prefix), "no_proxy": "*"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        """What a call says that has to succeed."""
        running = self.start(*words)
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, out + err
        return out

    def refused(self, *words: str) -> str:
        """The one sentence of a call that cannot succeed."""
        running = self.start(*words)
        out, err = running.communicate(timeout=120)
        assert running.returncode == 1, out + err
        assert err.startswith("workshop: ") and err.count("\n") == 1, err
        return err

    def files(self) -> dict[str, bytes | str]:
        """Everything below repos and data, but not what is kept beside."""
        found: dict[str, bytes | str] = {}
        for top in ("repos", "data"):
            for path in sorted((self.root / top).rglob("*")):
                place = str(path.relative_to(self.root))
                if path.is_symlink():
                    found[place] = str(path.readlink())
                elif path.is_file() and STATE not in path.parts:
                    found[place] = path.read_bytes()
        return found

    def asked_for(self) -> list[str]:
        return [path for path, _ in self.site.requests]
