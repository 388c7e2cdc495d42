"""What the appliance's system disk carries beside the layers: mounts, network, services, what is made at first boot.

The longer files stand in `guest_files/` as they will stand in the guest. No password is set, root and the attendee are
locked, and nothing in the appliance differs between two machines until it first starts.
"""

from __future__ import annotations

from importlib.resources import files

from builder import places
from builder.appliance.disk import INITRD, KERNEL
from builder.appliance.nodes import CONTENT_FOLDER, Nodes, add_parents, folder, link
from builder.errors import OutputError

SYSTEM_LABEL, CONTENT_LABEL = "workshop-system", "workshop-content"
UNITS = "etc/systemd/system"
LIBRARY = "usr/lib/workshop"
JUPYTER = "jupyter"
"""The service whose address the console shows."""
# Work that a room full of laptops without a network must not wait for.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "man-db.timer", "systemd-networkd-wait-online.service", "systemd-firstboot.service",
)  # fmt: skip
CONTENT_MOUNT = "/media/workshop"
FSTAB = f"""\
LABEL={SYSTEM_LABEL} / ext4 noatime,errors=remount-ro 0 1
LABEL={CONTENT_LABEL} {CONTENT_MOUNT} ext4 noatime,nofail,x-systemd.device-timeout=30s 0 2
{CONTENT_MOUNT}/{CONTENT_FOLDER} /{places.ROOT} none bind,nofail,x-systemd.requires-mounts-for={CONTENT_MOUNT} 0 0
"""
HOSTS = """\
127.0.0.1 localhost workshop
::1 localhost ip6-localhost ip6-loopback
"""


def guest_files(title: str, forward: int | None) -> dict[str, tuple[bytes, int]]:
    """Path → bytes and mode; `forward` is the port of the attendee's own machine that leads to Jupyter, if any does."""
    plain = {
        "etc/fstab": FSTAB,
        "etc/hostname": "workshop\n",
        "etc/hosts": HOSTS,
        "etc/machine-id": "uninitialized\n",
        "etc/issue": "\\S \\l\n\n",
        "etc/systemd/network/80-workshop.network": _guest("networkd"),
        "etc/systemd/journald.conf.d/workshop.conf": "[Journal]\nSystemMaxUse=64M\nForwardToConsole=no\n",
        "etc/systemd/system.conf.d/workshop.conf": "[Manager]\nShowStatus=no\nDefaultTimeoutStopSec=10s\n",
        f"{UNITS}/workshop-first-boot.service": _guest("first-boot.service"),
    }
    if forward is not None:
        plain |= {
            f"{LIBRARY}/title": f"{title}\n",
            f"{LIBRARY}/url": f"http://127.0.0.1:{forward}/\n",
            f"{UNITS}/workshop-banner.service": _guest("banner.service"),
            f"{UNITS}/jupyter.service": _guest("jupyter.service"),
        }
    found = {path: (text.encode(), 0o644) for path, text in plain.items()}
    found["usr/local/sbin/workshop-first-boot"] = (_guest("workshop-first-boot").encode(), 0o755)
    if forward is not None:
        found["usr/local/sbin/workshop-banner"] = (_guest("workshop-banner").encode(), 0o755)
    return found


def _guest(name: str) -> str:
    return (files("builder.appliance") / "guest_files" / name).read_text()


def guest_links(forward: int | None) -> dict[str, str]:
    """Path → link target: units that start, units that do not."""
    wants = f"{UNITS}/multi-user.target.wants"
    found = {f"{UNITS}/{name}": "/dev/null" for name in MASKED}
    found[f"{UNITS}/default.target"] = "/lib/systemd/system/multi-user.target"
    found[f"{wants}/systemd-networkd.service"] = "/lib/systemd/system/systemd-networkd.service"
    found[f"{wants}/workshop-first-boot.service"] = "../workshop-first-boot.service"
    if forward is not None:
        found[f"{wants}/jupyter.service"] = "../jupyter.service"
        found[f"{wants}/workshop-banner.service"] = "../workshop-banner.service"
    return found


def add_links(nodes: Nodes, links: dict[str, str]) -> None:
    """Put symbolic links on the disk, replacing what stands there."""
    for path, target in sorted(links.items()):
        add_parents(nodes, path, folder())
        nodes[path] = link(target)


def system_links(nodes: Nodes) -> dict[str, str]:
    """What depends on the system: where GRUB looks for the newest kernel and its initrd, how names are resolved.

    Raises OutputError when the system has no kernel.
    """
    found = {}
    if any(path.endswith("lib/systemd/systemd-resolved") for path in nodes):
        found["etc/resolv.conf"] = "../run/systemd/resolve/stub-resolv.conf"
    for name, prefix in ((KERNEL, "boot/vmlinuz-"), (INITRD, "boot/initr")):
        candidates = [path for path in nodes if path.startswith(prefix) and nodes[path].size]
        if not candidates:
            raise OutputError(f"the appliance's system has no {prefix}…", hint="python3 build.py build --no-cache")
        found[name] = max(candidates, key=_version)
    return found


def _version(path: str) -> list[tuple[int, str]]:
    words = path.replace("-", ".").replace("_", ".").split(".")
    return [(int(word) if word.isdigit() else -1, word) for word in words]
