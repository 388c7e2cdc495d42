"""Logging in to an appliance by secure shell: who may, by key only, and what their shell knows of the workshop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder import places
from builder.content.settings import ENVIRONMENT

KEYS = f"etc/ssh/authorized_keys.d/{places.USER}"
"""Not in the home, whose group may write to it and which sshd therefore distrusts."""
_RULES = (
    "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin no",
)
_PROFILE = f"set -a\n. /{ENVIRONMENT}\nset +a\n"


def remote_login(keys: Sequence[str], variables: Mapping[str, str]) -> dict[str, tuple[bytes, int]]:
    """Path without leading slash → bytes and mode. `variables` are what Jupyter's own terminals know.

    A command sent by ssh gets them from sshd; a login shell sets PATH anew, and then reads them itself.
    """
    told = " ".join(f'"{name}={value}"' for name, value in sorted(variables.items()))
    return {
        KEYS: ("".join(f"{key}\n" for key in keys).encode(), 0o644),
        "etc/ssh/sshd_config.d/workshop.conf": ("\n".join([*_RULES, f"SetEnv {told}", ""]).encode(), 0o644),
        "etc/profile.d/workshop.sh": (_PROFILE.encode(), 0o644),
    }
