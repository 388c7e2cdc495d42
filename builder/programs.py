"""The system programs this project starts: what each is for, and which package of the machine brings it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.run import find

GIT, NPM, APT, BUILDAH, BOOTSTRAP, REGISTRY, ROOTLESS, APPLIANCE, BOOT, TESTS = (
    "git", "npm", "apt", "buildah", "bootstrap", "registry", "rootless", "appliance", "boot", "tests",
)  # fmt: skip
"""What programs are needed for; a build needs those that its manifest and outputs ask for."""


@dataclass(frozen=True)
class Program:
    """A program or file that a package of the machine brings.

    `places` are names to find on PATH, or absolute paths; one of them is enough. `debian` and `fedora` are package
    names, empty where that distribution has none: then whoever needs it must do without.
    """

    name: str
    places: tuple[str, ...]
    purpose: str
    needs: frozenset[str]
    debian: str
    fedora: str

    def found(self) -> str | None:
        """Where it stands, or None."""
        for place in self.places:
            if place.startswith("/"):
                if Path(place).exists():
                    return place
            elif path := find(place):
                return path
        return None


def _program(name: str, needs: str, purpose: str, debian: str, fedora: str, *places: str) -> Program:
    return Program(name, places or (name,), purpose, frozenset(needs.split()), debian, fedora)


PYTHON_VENV = _program(
    "python3-venv", "", "the command's own environment", "python3-venv", "python3", "/nowhere/ensurepip"
)

PROGRAMS = (
    _program("git", "git tests", "repos from git", "git", "git"),
    _program("git-lfs", "tests", "repos with large files (LFS)", "git-lfs", "git-lfs"),
    _program("npm", "npm tests", "npm packages", "npm", "nodejs-npm"),
    _program("apt-get", "apt bootstrap", "Debian packages", "apt", "apt"),
    _program("buildah", "buildah tests", "building a system", "buildah", "buildah"),
    _program("mmdebstrap", "bootstrap tests", "a system from Debian packages", "mmdebstrap", "mmdebstrap"),
    _program("xz", "bootstrap tests", "unpacking Debian packages", "xz-utils", "xz"),
    _program(
        "ca-certificates", "buildah bootstrap tests", "knowing whom to trust", "ca-certificates", "ca-certificates",
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    ),
    _program("newuidmap", "rootless tests", "building without root", "uidmap", "shadow-utils"),
    _program("mke2fs", "appliance tests", "the appliance's root file system", "e2fsprogs", "e2fsprogs"),
    _program("mkfs.vfat", "appliance tests", "the appliance's EFI partition", "dosfstools", "dosfstools"),
    _program("mcopy", "appliance tests", "filling the EFI partition", "mtools", "mtools"),
    _program("sfdisk", "appliance tests", "the appliance's partitions", "fdisk", "util-linux"),
    _program(
        "grub-mkimage", "appliance tests", "the appliance's boot loader", "grub-common", "grub2-tools-minimal",
        "grub-mkimage", "grub2-mkimage",
    ),
    _program(
        "GRUB for BIOS", "appliance tests", "booting under BIOS", "grub-pc-bin", "grub2-pc-modules",
        "/usr/lib/grub/i386-pc/kernel.img",
    ),
    _program(
        "GRUB for UEFI", "appliance tests", "booting under UEFI", "grub-efi-amd64-bin", "grub2-efi-x64-modules",
        "/usr/lib/grub/x86_64-efi/kernel.img",
    ),
    _program("qemu-system-x86_64", "boot tests", "booting appliances", "qemu-system-x86", "qemu-system-x86-core"),
    _program("qemu-img", "boot tests", "reading disks back", "qemu-utils", "qemu-img"),
    _program(
        "OVMF", "boot tests", "booting under UEFI", "ovmf", "edk2-ovmf",
        "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/ovmf/OVMF_CODE.fd",
    ),
    _program("dockerd", "tests", "a Docker engine to load images into", "docker.io", "moby-engine"),
    _program("iptables", "tests", "the engine's network", "iptables", "iptables-nft"),
    _program("podman", "tests", "loading images", "podman", "podman"),
    _program("skopeo", "registry tests", "container images from a registry", "skopeo", "skopeo"),
    _program("docker-registry", "tests", "a registry to take images from", "docker-registry", ""),
    _program("sshd", "tests", "repos over ssh", "openssh-server", "openssh-server"),
    _program("mkfs.xfs", "tests", "a disk that shares blocks (reflinks)", "xfsprogs", "xfsprogs"),
    _program("7z", "tests", "unpacking 7z archives", "7zip", "p7zip", "7zz", "7z", "7za"),
    _program("sudo", "tests", "working as an ordinary user", "sudo", "sudo"),
    _program("chromium", "tests", "opening the landing page", "chromium", "chromium", "chromium", "chromium-browser"),
)  # fmt: skip


def needed(needs: Iterable[str]) -> tuple[Program, ...]:
    """The programs that these needs ask for."""
    wanted = frozenset(needs)
    return tuple(program for program in PROGRAMS if program.needs & wanted)


def missing(needs: Iterable[str]) -> tuple[Program, ...]:
    """Those of them that are not here."""
    return tuple(program for program in needed(needs) if program.found() is None)


def is_root() -> bool:
    return os.geteuid() == 0
