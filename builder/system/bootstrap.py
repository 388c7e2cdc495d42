"""A Debian system of nothing but its essential packages, from mmdebstrap; the same bytes for the same packages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from builder import places
from builder.digest import Digest, key_of
from builder.errors import SourceError
from builder.progress import Journal
from builder.run import run
from builder.store.objects import Store
from builder.system.clients import Clients

FORMAT = 1

# What the machine or the moment left behind, and what apt can fetch again.
_CLEAN = (
    'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname',
    ': >"$1"/etc/machine-id',
    'rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/cache/ldconfig/*',
    'rm -f "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old',
    'find "$1"/var/log -type f -delete',
)
_NO_SOURCES = 'echo "# name a Debian mirror here, then: apt update" >"$1"/etc/apt/sources.list'


def debian_base(
    suite: str, clients: Callable[[], Clients], store: Store, journal: Journal, logs: Path, *, fresh: bool = False
) -> Digest:
    """The plain tar of a minimal Debian in the store. `fresh` makes it again though there is one."""
    key = key_of({"suite": suite, "variant": "minbase", "format": FORMAT})
    with journal.stage("base") as stage:
        made = None if fresh else store.recall("base", key)
        if made is not None and store.has(Digest(made["digest"])):
            stage.cached = True
            return Digest(made["digest"])
        with store.scratch("base") as scratch:
            tar = scratch / "base.tar"
            _mmdebstrap(suite, tar, clients(), logs / "base.log")
            blob = store.put_file(tar)
        stage.bytes_out = blob.size
        store.remember("base", key, {"digest": blob.digest.hex})
        return blob.digest


def _mmdebstrap(suite: str, tar: Path, clients: Clients, log: Path) -> None:
    sources = clients.sources_list(suite)
    hooks = (*_CLEAN, *([_NO_SOURCES] if sources else []))
    words = [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        "--skip=output/dev",
        *(f'--aptopt={name} "{value}"' for name, value in sorted(clients.apt_options.items())),
        *(f"--customize-hook={hook}" for hook in hooks),
        suite,
        str(tar),
        *(["-"] if sources else []),
    ]
    log.unlink(missing_ok=True)
    done = run(
        words,
        env={"SOURCE_DATE_EPOCH": str(places.EPOCH)},
        stdin=sources.encode() if sources else None,
        log_file=log,
        check=False,
    )
    if done.code == 0:
        return
    tail = "\n  ".join(done.stderr.rstrip().splitlines()[-8:])
    raise SourceError(
        f"Debian {suite} could not be bootstrapped:\n  {tail}",
        hint=f"see whether {suite} is a release and apt-get update works here; the whole log is in {log}",
    )
