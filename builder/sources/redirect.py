"""Where an answer may send us: a server must not use our machine to reach what it cannot reach itself."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit

from builder.errors import SourceError
from builder.sources.source import shown

LONGEST = 10
"""How many redirects in a row are followed."""


def next_address(first: str, current: str, location: str) -> str:
    """The address that `current` redirects to; SourceError when it is one that is not followed.

    Followed are http and https, but not from https to http, and not from a public host to one of a private network.
    """
    try:
        target = urljoin(current, location)
    except ValueError as error:
        raise _refused(current, location, str(error)) from error
    require_address(target)
    old, new = urlsplit(current), urlsplit(target)
    if new.scheme not in ("http", "https") or not new.hostname:
        raise _refused(current, target, "only http and https are followed")
    if old.scheme == "https" and new.scheme == "http":
        raise _refused(current, target, "from https to http is not followed")
    leaves = new.hostname != urlsplit(first).hostname
    if leaves and is_private(new.hostname) and not is_private(urlsplit(first).hostname or ""):
        raise _refused(current, target, "from a public host to an address of a private network is not followed")
    return target


def require_address(address: str) -> None:
    """Raise SourceError for what only looks like an address."""
    try:
        _ = urlsplit(address).port
    except ValueError as error:
        raise SourceError(f"{shown(address)} is no address: {error}", hint="correct the url") from error


def is_private(host: str) -> bool:
    """Whether any address of a host is one that the Internet does not route; a host nobody knows is not."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return any(not _is_routed(address) for address in found)


def _is_routed(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_global and not inner.is_multicast


def _refused(current: str, target: str, why: str) -> SourceError:
    return SourceError(
        f"{shown(current)} redirects to {shown(target)}: {why}", hint="give the address where the file is, or a mirror"
    )
