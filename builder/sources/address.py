"""The address of a git repository: what git is given, and the credentials kept apart from it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from builder.errors import SourceError

_SCP = re.compile(r"^(?:[^/@:\s]+@)?[^/:\s]+:(?!//)")
_SCHEMES = ("https", "http", "ssh", "git", "file")
_TOKEN_LENGTH = 20  # a user name this long is an access token


@dataclass(frozen=True)
class Address:
    """`url` holds no password; `settings` are git settings that carry the credentials, for the environment only."""

    url: str
    name: str
    settings: tuple[tuple[str, str], ...] = ()
    is_local: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or self.url.split("@")[-1].split(":")[0]

    @property
    def login(self) -> str:
        """Host, and user where one is named, as ssh takes them."""
        if "://" not in self.url:
            return self.url.partition(":")[0]
        user = urlsplit(self.url).username
        return f"{user}@{self.host}" if user else self.host

    @property
    def port(self) -> int | None:
        return urlsplit(self.url).port if "://" in self.url else None

    @classmethod
    def parse(cls, text: str, folder: Path) -> Address:
        """Read a URL, an scp-like address or a path (from `folder`); SourceError for anything else."""
        if text.startswith("-") or "::" in text.split("/")[0] or any(letter.isspace() for letter in text):
            raise SourceError(
                f"{text!r} is not the address of a git repository", hint="give an https, ssh or file address"
            )
        if "://" in text:
            return _of_url(text)
        path = (folder / text).absolute()
        if _SCP.match(text) and not path.exists():
            return cls(text, text)
        return cls(str(path), text, is_local=True)

    def submodule(self, text: str) -> Address:
        """The address that a `.gitmodules` of this repository names; relative ones start here."""
        if text.startswith(("./", "../")):
            return self._beside(text)
        found = Address.parse(text, Path(self.url) if self.is_local and "://" not in self.url else Path("/"))
        if found.is_local and not self.is_local:
            raise SourceError(
                f"{self.name} has a submodule at {text}, a path of this machine; nothing was read from there",
                hint="give the submodule an address that others can reach",
            )
        return found if found.settings or found.host != self.host else Address(found.url, found.name, self.settings)

    def _beside(self, text: str) -> Address:
        if "://" in self.url:
            parts = urlsplit(self.url)
            path = urljoin(parts.path.rstrip("/") + "/", text)
            url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
            return Address(url, url, self.settings, self.is_local)
        if self.is_local:
            return Address(str((Path(self.url) / text).resolve()), f"{self.name}/{text}", (), True)
        host, _, path = self.url.partition(":")
        url = f"{host}:{urljoin('/' + path.rstrip('/') + '/', text).removeprefix('' if path.startswith('/') else '/')}"
        return Address(url, url)


def _of_url(text: str) -> Address:
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES:
        raise SourceError(
            f"{parts.scheme}:// is not a kind of git address that is allowed", hint="use https, ssh or file"
        )
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "ssh" and parts.username:
        host = f"{parts.username}@{host}"  # a user name of ssh is no secret; a password there never works
    url = urlunsplit((parts.scheme, host, parts.path, "", ""))
    settings = (
        _credentials(parts.scheme, host, parts.username, parts.password) if parts.scheme in ("http", "https") else ()
    )
    return Address(url, url, settings, is_local=parts.scheme == "file")


def _credentials(scheme: str, host: str, user: str | None, password: str | None) -> tuple[tuple[str, str], ...]:
    if user is None:
        return ()
    if password is None and len(user) < _TOKEN_LENGTH:
        return (
            (f"credential.{scheme}://{host}.username", unquote(user)),
        )  # the user's credential helper knows the rest
    basic = base64.b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()
    return ((f"http.{scheme}://{host}/.extraHeader", f"Authorization: Basic {basic}"),)
