"""What ssh says when it does not let git through, as an error that names the host and what to do."""

from __future__ import annotations

import re
import shlex

from builder.errors import MissingProgramError, SourceError
from builder.sources.address import Address

_CHANGED = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED")
_UNKNOWN = re.compile(r"Host key verification failed|No \S+ host key is known")
_REFUSED = re.compile(r"Permission denied \(|Too many authentication failures")
_NOT_HERE = re.compile(r"cannot run \S*ssh: No such file|ssh: (command )?not found")


def ssh_refusal(said: str, address: Address) -> SourceError | MissingProgramError | None:
    """The error for what a fetch through ssh said, or None when ssh was not what stopped it.

    ssh is never asked for a password and never trusts a host by itself, so each of these ends at once.
    """
    host, name = address.host, address.name
    if _CHANGED.search(said):
        return SourceError(
            f"the ssh host key of {host} is another than it was, so nothing was fetched for {name}",
            hint=f"ask who runs it; if the new key is right, forget the old one: {_forget(address)}",
        )
    if _UNKNOWN.search(said):
        return SourceError(
            f"the ssh host key of {host} is not known here, so nothing was fetched for {name}",
            hint=f"connect once by hand and compare the key it shows: {_connect(address)}",
        )
    if _REFUSED.search(said):
        return SourceError(
            f"{host} takes none of your ssh keys for {name}",
            hint=f"put the right one in ssh-agent or ~/.ssh/config; what is tried shows: {_connect(address, '-v')}",
        )
    if _NOT_HERE.search(said):
        return MissingProgramError(
            f"ssh is not installed, and {name} needs it", hint="install openssh-client (Debian) or openssh-clients"
        )
    return None


def _connect(address: Address, *options: str) -> str:
    port = ("-p", str(address.port)) if address.port else ()
    return shlex.join(("ssh", *options, *port, address.login))


def _forget(address: Address) -> str:
    return shlex.join(("ssh-keygen", "-R", f"[{address.host}]:{address.port}" if address.port else address.host))
