"""The archive and the layout, taken by the engines people have."""

import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.image.archive import write_archive
from builder.image.oci import Image, write_layout
from builder.store.layout import read_layout
from builder.store.objects import Store

DOCKER = "/usr/bin/docker"
EXPECTED = {
    "Test": ["CMD", "/bin/busybox", "true"],
    "Interval": 7_000_000_000,
    "Timeout": 3_000_000_000,
    "StartPeriod": 2_000_000_000,
    "Retries": 4,
}


def ran(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


@pytest.fixture
def name() -> str:
    return f"workshop-test-{uuid.uuid4().hex[:12]}:2026.11"


@pytest.fixture
def podman() -> Iterator[list[str]]:
    """Podman with storage of its own; its run folder's path must be short."""
    with tempfile.TemporaryDirectory(prefix="podman") as folder:
        options = ["--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
        yield ["podman", *options]


@pytest.fixture
def archive(tmp_path: Path, running_image: Image, store: Store, name: str) -> Path:
    write_archive(running_image, tmp_path / "image.tar", store, [name])
    return tmp_path / "image.tar"


@pytest.mark.usefixtures("docker_engine")
@needs(DOCKER)
def test_docker_loads_the_archive_keeps_its_health_check_and_runs_it(
    archive: Path, name: str, running_image: Image
) -> None:
    try:
        assert name in ran(DOCKER, "load", "-i", archive)
        [loaded] = json.loads(ran(DOCKER, "image", "inspect", name))
        assert loaded["Id"] == str(running_image.config.digest)
        assert loaded["Config"]["Healthcheck"] == EXPECTED
        assert loaded["Config"]["ExposedPorts"] == {"8080/tcp": {}}
        assert ran(DOCKER, "run", "--rm", "--network", "none", name) == "data\n"
        shown = ran(
            DOCKER, "run", "--rm", "--network", "none", name, "stat", "-c", "%u:%g %a", "/srv/workshop/repos/cnn"
        )
        assert shown == "1000:100 775\n"
        touch = "echo new > /srv/workshop/repos/cnn/new && cat /srv/workshop/repos/cnn/new"
        assert ran(DOCKER, "run", "--rm", "--network", "none", name, "sh", "-c", touch) == "new\n"
    finally:
        subprocess.run([DOCKER, "image", "rm", "-f", name], capture_output=True)


@needs("podman")
@pytest.mark.parametrize("names", [1, 2])
def test_podman_loads_the_archive_under_every_name_and_keeps_its_health_check(
    tmp_path: Path, running_image: Image, store: Store, podman: list[str], name: str, names: int
) -> None:
    tags = [name, name.replace(":2026.11", ":newest")][:names]
    write_archive(running_image, tmp_path / "image.tar", store, tags)
    ran(*podman, "load", "-i", tmp_path / "image.tar")
    for tag in tags:
        [loaded] = json.loads(ran(*podman, "image", "inspect", tag))
        assert loaded["Id"] == running_image.config.digest.hex
        assert loaded["HealthCheck" if "HealthCheck" in loaded else "Healthcheck"] == EXPECTED


@needs("skopeo")
@pytest.mark.parametrize(
    "transport", ["docker-archive:{archive}", "oci-archive:{archive}", "oci:{layout}", "oci:{layout}:v1"]
)
def test_skopeo_copies_the_image_whole(
    tmp_path: Path, archive: Path, running_image: Image, store: Store, transport: str
) -> None:
    write_layout(running_image, tmp_path / "layout", store, "v1")
    source = transport.format(archive=archive, layout=tmp_path / "layout")
    ran("skopeo", "copy", "--insecure-policy", source, f"oci:{tmp_path / 'copied'}:copied")
    config, layers = read_layout(tmp_path / "copied", "copied", store)
    assert [layer.diff_id for layer in layers] == [layer.diff_id for layer in running_image.layers]
    assert config["config"]["Entrypoint"] == ["/bin/busybox"]


@needs("buildah")
def test_buildah_builds_on_top_of_the_layout(tmp_path: Path, running_image: Image, store: Store) -> None:
    write_layout(running_image, tmp_path / "layout", store, "v1")
    buildah = ["buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "run", "--storage-driver", "vfs"]
    container = ran(*buildah, "from", f"oci:{tmp_path / 'layout'}:v1").strip()
    mounted = Path(ran(*buildah, "mount", container).strip())
    try:
        assert (mounted / "srv/workshop/repos/cnn/data/noise/weights/größe.bin").stat().st_size == 300_000
    finally:
        ran(*buildah, "umount", container)
