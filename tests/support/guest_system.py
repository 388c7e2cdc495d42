"""A small bootable Debian, as one layer, for tests that need a machine rather than a workshop."""

from __future__ import annotations

import os
import subprocess

from virtualbox import cache_folder

from builder.digest import key_of
from builder.places import EPOCH
from builder.store.layers import TAR, Layer
from builder.store.objects import Store

PACKAGES = "linux-image-amd64,systemd-sysv,udev,python3,dbus"
USER = 'chroot "$1" useradd --create-home --uid 1000 --gid 100 --password "*" workshop'


def bootable_layer(store: Store) -> Layer:
    """The layer; made once a machine (about a minute), then taken from the tests' cache."""
    kept = cache_folder() / f"bootable-{key_of([PACKAGES, USER])[:12]}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f"{os.getpid()}-{kept.name}")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", f"--customize-hook={USER}",
             "bookworm", part],
            check=True, stdin=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
        )  # fmt: skip
        part.rename(kept)
    blob = store.put_file(kept)
    return Layer(blob, blob.digest, TAR, "a bootable Debian")
