"""Plain values the image tests share: bytes that do not compress, and how a small image runs."""

from __future__ import annotations

import random

from builder.image.config import Healthcheck, Runtime

HEALTH = Healthcheck(("/bin/busybox", "true"), interval=7, timeout=3, start_period=2, retries=4)


def runtime() -> Runtime:
    return Runtime(
        env={"WORKSHOP": "yes"},
        entrypoint=["/bin/busybox"],
        command=["cat", "/srv/workshop/repos/cnn/data/noise/readme.txt"],
        user="1000:100",
        folder="/srv/workshop",
        ports=[8080],
        labels={"org.opencontainers.image.title": "Test"},
        healthcheck=HEALTH,
    )


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)
