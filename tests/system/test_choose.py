"""The engine that can build here is chosen, and none is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import EngineError
from builder.store.objects import Store
from builder.system.choose import choose_engine
from builder.system.docker import Docker, docker_client

BUILTIN = 'case "$1" in version) echo "20.10.24 20.10.24";; *) exit 1;; esac'
WITHOUT_BUILDX = 'case "$1" in version) echo "28.2.2 20.10.24";; *) exit 1;; esac'
WITH_BUILDX = 'case "$1" in version) echo "28.2.2 28.2.2";; buildx) exit 0;; *) exit 1;; esac'
NO_ENGINE = 'echo "28.2.2 "; exit 1'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH is two empty folders of this test; a shell stands beside them."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    monkeypatch.setattr("builder.system.docker.environment", lambda: {"PATH": f"{tmp_path}/first:{tmp_path}/second"})
    monkeypatch.setattr("builder.system.choose.find", lambda name: next(iter(tmp_path.glob(f"*/{name}")), None))
    return tmp_path


def program(place: Path, text: str) -> str:
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return str(place)


def test_buildah_comes_first_when_it_is_installed(path: Path) -> None:
    program(path / "first/buildah", "exit 0")
    program(path / "first/docker", BUILTIN)
    assert choose_engine("auto", Store(path / "store")).name == "buildah"


def test_docker_is_taken_when_there_is_no_buildah(path: Path) -> None:
    program(path / "first/docker", BUILTIN)
    assert choose_engine("auto", Store(path / "store")).name == "docker"


def test_a_client_that_cannot_speak_buildkit_is_passed_over(path: Path) -> None:
    program(path / "first/docker", WITHOUT_BUILDX)
    able = program(path / "second/docker", BUILTIN)
    chosen = choose_engine("docker", Store(path / "store"))
    assert isinstance(chosen, Docker)
    assert chosen.client == able


def test_a_new_client_with_its_plugin_will_do(path: Path) -> None:
    able = program(path / "first/docker", WITH_BUILDX)
    assert docker_client() == able


@pytest.mark.parametrize("client", [WITHOUT_BUILDX, NO_ENGINE])
def test_no_client_that_can_build_is_an_engine_error(path: Path, client: str) -> None:
    program(path / "first/docker", client)
    with pytest.raises(EngineError, match="no docker client here") as caught:
        choose_engine("docker", Store(path / "store"))
    assert "doctor" in caught.value.hint


def test_a_missing_buildah_is_an_engine_error(path: Path) -> None:
    with pytest.raises(EngineError, match="buildah is not installed"):
        choose_engine("buildah", Store(path / "store"))


def test_a_machine_without_any_engine_is_told_what_to_do(path: Path) -> None:
    with pytest.raises(EngineError, match="neither buildah nor a running Docker") as caught:
        choose_engine("auto", Store(path / "store"))
    assert "doctor" in caught.value.hint


def test_an_engine_of_another_name_is_refused_with_those_there_are(path: Path) -> None:
    with pytest.raises(EngineError, match="no engine 'podman'") as caught:
        choose_engine("podman", Store(path / "store"))
    assert caught.value.hint == "choose one of auto, docker, buildah"
