"""The client settings of this machine: where apt, pip and npm get packages here, and whom they trust.

Inside a build they stand under /run/secrets while a step runs, and only there: nothing of them is ever in a layer.
"""

from __future__ import annotations

import configparser
import io
import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.run import find, run
from builder.system.apt import SUITE, AptSource, apt_sources

SECRETS = "/run/secrets"
_PIP_LISTS = ("index-url", "extra-index-url", "trusted-host")
_PIP_WORDS = ("timeout", "retries", "proxy")
_APT_PROXIES = ("Acquire::http::Proxy", "Acquire::https::Proxy")


@dataclass(frozen=True)
class Clients:
    """Settings of apt, pip and npm, and the certificates they trust (PEM, empty when unknown)."""

    apt: tuple[AptSource, ...] = ()
    apt_options: Mapping[str, str] = field(default_factory=dict)
    pip: Mapping[str, str] = field(default_factory=dict)
    npm: Mapping[str, str] = field(default_factory=dict)
    certificates: bytes = b""

    def sources_list(self, suite: str = SUITE) -> str:
        """One-line sources for a suite; empty when this machine's own serve no Debian."""
        rolling = suite in ("sid", "unstable")  # has neither updates nor security beside it
        return "".join(f"{source.line(suite)}\n" for source in self.apt if not (rolling and source.suffix))

    def pip_conf(self) -> str:
        settings = {**self.pip, **({"cert": f"{SECRETS}/ca.pem"} if self.certificates else {})}
        return _ini("global", settings)

    def npmrc(self) -> str:
        settings = {**self.npm, **({"cafile": f"{SECRETS}/ca.pem"} if self.certificates else {})}
        return "".join(f"{key}={value}\n" for key, value in sorted(settings.items()))

    def apt_conf(self) -> str:
        settings = {
            **self.apt_options,
            **({"Acquire::https::CAInfo": f"{SECRETS}/ca.pem"} if self.certificates else {}),
        }
        return "".join(f'{key} "{value}";\n' for key, value in sorted(settings.items()))

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the files an engine mounts as secrets, readable by this user only; return them by the secret's id."""
        texts = {
            "sources": self.sources_list().encode(),
            "apt.conf": self.apt_conf().encode(),
            "pip.conf": self.pip_conf().encode(),
            "npmrc": self.npmrc().encode(),
            "ca.pem": self.certificates,
        }
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_bytes(text)
        return {name: folder / name for name in texts}


def machine_clients(etc: Path = Path("/etc")) -> Clients:
    """Ask this machine's own clients."""
    pip = _pip_settings()
    return Clients(
        apt=apt_sources(etc),
        apt_options=_apt_options(),
        pip={key: value for key, value in pip.items() if key != "cert"},
        npm=_npm_settings(),
        certificates=_certificates(pip.get("cert")),
    )


def _pip_settings() -> dict[str, str]:
    """What `pip config list` says, of what a build can use: an index on this machine's disk cannot be seen in there."""
    done = run([sys.executable, "-m", "pip", "config", "list"], check=False, quiet=True)
    said: dict[str, str] = {}
    lines = [line.partition("=") for line in done.stdout.splitlines()]
    for wanted in ("global.", "install.", ":env:."):  # the later wins, as it does in pip
        said |= {
            key.removeprefix(wanted).removeprefix("default-"): value.strip().strip("'\"").replace("\\n", "\n")
            for key, _, value in lines
            if key.startswith(wanted)
        }
    kept = {name: said[name] for name in (*_PIP_WORDS, "cert") if said.get(name)}
    for name in _PIP_LISTS:
        words = [
            word for word in said.get(name, "").split() if "://" not in word or word.startswith(("http://", "https://"))
        ]
        if words:
            kept[name] = " ".join(words)
    return kept


def _npm_settings() -> dict[str, str]:
    if find("npm") is None:
        return {}
    done = run(["npm", "config", "get", "registry"], check=False, quiet=True)
    registry = done.stdout.strip()
    return {"registry": registry} if registry.startswith(("http://", "https://")) else {}


def _apt_options() -> dict[str, str]:
    if find("apt-config") is None:
        return {}
    done = run(["apt-config", "dump", "--no-empty", "--format", "%f=%v%n", *_APT_PROXIES], check=False, quiet=True)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs if key in _APT_PROXIES}


def _certificates(pip_cert: str | None) -> bytes:
    """The certificates that this machine's own clients trust."""
    named = (pip_cert, os.environ.get("SSL_CERT_FILE"), os.environ.get("REQUESTS_CA_BUNDLE"))
    for name in (*named, ssl.get_default_verify_paths().cafile, ssl.get_default_verify_paths().openssl_cafile):
        if name and Path(name).is_file():
            return Path(name).read_bytes()
    return b""


def _ini(section: str, settings: Mapping[str, str]) -> str:
    parser = configparser.RawConfigParser()
    parser[section] = {key: value.replace("\n", " ") for key, value in sorted(settings.items())}
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()
