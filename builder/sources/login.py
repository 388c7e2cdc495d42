"""The user and password that the user's netrc file has for a host."""

from __future__ import annotations

import functools
import netrc
import os
from pathlib import Path

import urllib3

from builder.errors import SourceError


def login_of(host: str) -> dict[str, str]:
    """The header that logs in at a host, or none."""
    found = known_login(host)
    return {} if found is None else urllib3.make_headers(basic_auth=f"{found[0]}:{found[1]}")


def known_login(host: str) -> tuple[str, str] | None:
    """User and password for a host; `default` in a netrc is not used, as it would go to every host."""
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _logins(path, changed).get(host)


@functools.cache
def _logins(path: Path, changed: int) -> dict[str, tuple[str, str]]:
    try:
        hosts = netrc.netrc(str(path)).hosts
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} cannot be read: {error}", hint="correct it, or remove it") from error
    except OSError:
        return {}
    return {host: (login, password or "") for host, (login, _, password) in hosts.items() if host != "default"}
