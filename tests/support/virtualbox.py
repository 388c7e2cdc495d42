"""The real VBoxManage, from Debian unstable in a folder of its own; it imports and shows without any kernel driver."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = ("proc", "sys", "dev")


def cache_folder() -> Path:
    """Where tests keep what takes long to make: $WORKSHOP_TEST_CACHE, else in the user's cache folder."""
    given = os.environ.get("WORKSHOP_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "workshop-tests"


def virtualbox_root() -> Path:
    """A root folder that holds VirtualBox, made at the first call (730 MB, about half a minute)."""
    root = cache_folder() / "virtualbox"
    if not (root / "usr/bin/VBoxManage").exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        part = root.with_name(f"virtualbox.{os.getpid()}")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=apt", "--components=main contrib", "--include=virtualbox,procps",
             "--aptopt=APT::Install-Recommends \"false\"",
             "--aptopt=Acquire::Check-Valid-Until \"false\"", "sid", part],
            check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        part.rename(root)
    return root


class VirtualBox:
    """VBoxManage with a home of its own, which is gone with `opened`."""

    def __init__(self, root: Path, home: str) -> None:
        self.root = root
        self.home = home

    def manage(self, *words: str) -> str:
        """Run VBoxManage; fail with all it said."""
        done = subprocess.run(
            ["chroot", self.root, "/usr/bin/env", "-i", f"HOME={self.home}", f"VBOX_USER_HOME={self.home}/config",
             "PATH=/usr/bin:/bin", f"VBOX_IPC_SOCKETID={Path(self.home).name}", "VBoxManage", *words],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(
                f"VBoxManage {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def import_appliance(self, ova: Path, name: str) -> dict[str, str]:
        """Import an `.ova` as `name`; what `showvminfo --machinereadable` says of it, by key."""
        inside = f"{self.home}/appliance.ova"
        shutil.copyfile(ova, self.root / inside.lstrip("/"))
        self.manage(
            "import", inside, "--vsys", "0", "--vmname", name, "--eula", "accept", "--basefolder", f"{self.home}/vms"
        )
        shown = self.manage("showvminfo", name, "--machinereadable")
        pairs = re.findall(r'^"?([^"=\n]+)"?="?([^"\n]*)"?$', shown, re.MULTILINE)
        return dict(pairs)


@contextmanager
def opened() -> Iterator[VirtualBox]:
    """VirtualBox, ready; its mounts, its server and its home are gone at the end."""
    root = virtualbox_root()
    home = f"/root/{uuid.uuid4().hex[:12]}"
    (root / home.lstrip("/")).mkdir(parents=True)
    mounted: list[Path] = []
    try:
        for place in PLACES:
            if not os.path.ismount(root / place):
                subprocess.run(["mount", "--rbind", f"/{place}", root / place], check=True)
                subprocess.run(["mount", "--make-rslave", root / place], check=True)
                mounted.append(root / place)
        yield VirtualBox(root, home)
    finally:
        _end_server(home)
        for target in reversed(mounted):
            subprocess.run(["umount", "--recursive", "--lazy", target], check=True)
        shutil.rmtree(root / home.lstrip("/"))


def _end_server(home: str) -> None:
    """VBoxSVC stays for some seconds after the last command; end ours, known by its home."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), 15)
        except (OSError, ProcessLookupError):
            continue
