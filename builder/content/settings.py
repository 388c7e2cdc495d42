"""What every image and appliance carries beside system and content: Jupyter's settings and start, offline switches.

The files stand in `guest/` as they will stand in the guest. `WORKSHOP_PREFIX`, set in tests only, moves them elsewhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from builder import places

START = "usr/local/bin/workshop-start"
HEALTH = "usr/local/bin/workshop-health"
COMMAND = "usr/local/bin/workshop"
TOKEN = "var/lib/workshop/token"
ENVIRONMENT = f"{places.SETTINGS}/environment"
AT_HOME = (
    "__init__.py", "changes.py", "command.py", "edition.py", "home.py", "journal.py", "merge.py", "notebook.py",
    "supply.py", "web.py",
)  # fmt: skip
JUPYTER_FILES = {
    "etc/jupyter/jupyter_server_config.py": ("jupyter_server_config.py", 0o644),
    "etc/jupyter/labconfig/page_config.json": ("page_config.json", 0o644),
    "usr/local/lib/workshop/workshop_page.py": ("workshop_page.py", 0o644),
    START: ("workshop-start", 0o755),
    HEALTH: ("workshop-health", 0o755),
    COMMAND: ("workshop", 0o755),
    **{f"usr/local/lib/workshop/at_home/{name}": (f"at_home/{name}", 0o644) for name in AT_HOME},
}
OFFLINE = {
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "offline",
}


def environment(
    port: int | None, variables: Mapping[str, str] = MappingProxyType({}), *, offline: bool = True
) -> dict[str, str]:
    """The variables that hold in the guest, for the image's config; `port` is Jupyter's, None where there is none.

    `variables` are the workshop's own, such as where libraries look for data.
    """
    found = {
        "LANG": "C.UTF-8",
        "NODE_PATH": "/usr/local/lib/node_modules",  # where npm puts what is for all; node alone does not look there
        "PATH": f"/{places.VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "VIRTUAL_ENV": f"/{places.VENV}",
    }
    found |= variables
    if offline:
        found |= OFFLINE
    if port is not None:
        found["WORKSHOP_PORT"] = str(port)
    return dict(sorted(found.items()))


def settings(
    port: int | None, variables: Mapping[str, str] = MappingProxyType({}), *, offline: bool = True
) -> Mapping[str, tuple[bytes, int]]:
    """Path without leading slash → bytes and mode, in order of path; no Jupyter files where `port` is None."""
    held = environment(port, variables, offline=offline)
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in held.items()]
    found = {ENVIRONMENT: ("".join(lines).encode(), 0o644)}
    if port is not None:
        guest = files("builder.content") / "guest"
        found |= {path: ((guest / name).read_bytes(), mode) for path, (name, mode) in JUPYTER_FILES.items()}
    return dict(sorted(found.items()))
