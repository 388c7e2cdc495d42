"""What the image tests share: a store, trees made from plain values, and a small image that really runs."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from images import random_bytes, runtime

from builder.image.layer import content_layer, files_layer
from builder.image.oci import Image, compose
from builder.store.layers import Layer
from builder.store.objects import Store
from builder.store.trees import Entry, Tree


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def make_tree(store: Store):
    def made(
        files: Mapping[str, bytes], links: Mapping[str, str] | None = None, executable: tuple[str, ...] = ()
    ) -> Tree:
        entries = []
        for path, data in files.items():
            entries.append(Entry(path, store.put_bytes(data).digest, len(data), path in executable))
        entries += [Entry(path, target=target) for path, target in (links or {}).items()]
        return Tree.of(entries)

    return made


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A program that needs no libraries, from the machine's own package source."""
    folder = tmp_path_factory.mktemp("busybox")
    folder.chmod(0o755)
    subprocess.run(["apt-get", "download", "busybox-static"], cwd=folder, check=True, capture_output=True)
    [package] = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    return (folder / "root/bin/busybox").read_bytes()


@pytest.fixture
def running_image(store: Store, busybox: bytes, make_tree) -> Image:
    """Three layers, one of them too random to be gzipped, with a health check."""
    system = files_layer({"bin/busybox": (busybox, 0o755)}, store, note="system busybox")
    noise = make_tree({"weights/größe.bin": random_bytes(300_000), "readme.txt": b"data\n"})
    data = content_layer(noise, "srv/workshop/data/noise", store, note="dataset noise")
    repo = make_tree({"nb.ipynb": b"{}\n" * 500}, {"data/noise": "../../../data/noise"})
    home = content_layer(repo, "srv/workshop/repos/cnn", store, uid=1000, gid=100, writable=True, note="repo cnn")
    return compose([system, data, home], runtime(), store)


@pytest.fixture
def layers(store: Store, make_tree) -> tuple[Layer, ...]:
    one = content_layer(make_tree({"a.txt": b"a" * 5000}), "srv/workshop/data/one", store, note="dataset one")
    two = content_layer(make_tree({"b.bin": random_bytes(50_000)}), "srv/workshop/data/two", store, note="dataset two")
    return one, two


@pytest.fixture
def image(store: Store, layers: tuple[Layer, ...]) -> Image:
    return compose(layers, runtime(), store)
