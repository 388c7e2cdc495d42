"""Dockerfiles: what a system holds, written down as the steps an engine takes."""

from __future__ import annotations

import shlex
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from builder import places
from builder.manifest.packages import Packages, requirement_name

TEMPLATES = Path(__file__).resolve().parents[2] / "dockerfiles"

BOOTABLE = (
    "dbus", "initramfs-tools", "iproute2", "kmod", "linux-image-amd64", "systemd-resolved", "systemd-sysv",
    "systemd-timesyncd", "udev", "zstd",
)  # fmt: skip


def system_dockerfile(packages: Packages, *, jupyter: bool, bootstrapped: bool) -> str:
    """The Dockerfile of a system, on `base.tar` in the context when `bootstrapped`, else on the image in `ARG BASE`."""
    python = set(packages.python)
    if jupyter and "jupyterlab" not in {requirement_name(one) for one in python}:
        python.add("jupyterlab")
    apt = {"ca-certificates", *packages.system}
    apt |= {"python3", "python3-venv"} if python else set()
    apt |= {"nodejs", "npm"} if packages.npm else set()
    return _render(
        "system.Dockerfile.j2",
        bootstrapped=bootstrapped,
        apt_packages=sorted(apt),
        python_packages=sorted(python),
        npm_packages=sorted(packages.npm),
    )


def appliance_dockerfile(*, ssh: bool) -> str:
    """The Dockerfile of what makes the system in `ARG BASE` boot on its own."""
    return _render("appliance.Dockerfile.j2", apt_packages=sorted({*BOOTABLE, *(["openssh-server"] if ssh else [])}))


def command_dockerfile(folder: str, mark: str) -> str:
    """The Dockerfile of a command in `folder` of the system in `ARG BASE`; `mark` is said before it and if it fails."""
    return _render("run.Dockerfile.j2", folder=folder, mark=mark)


def _render(template: str, **values: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # words of a shell, not HTML: the template quotes each
    )
    environment.filters["quote"] = shlex.quote
    return environment.get_template(template).render(
        **values,
        epoch=places.EPOCH,
        uid=places.UID,
        gid=places.GID,
        user=places.USER,
        home=places.HOME,
        venv=places.VENV,
    )
