"""What this machine's own pip and npm are set to reaches a build as files, and nothing else of it does."""

import configparser
from pathlib import Path

import pytest

from builder.system.clients import Clients, machine_clients


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose only pip settings are in a file of this test."""
    settings = tmp_path / "pip.conf"
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    return settings


def pip_of(clients: Clients) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read_string(clients.pip_conf())
    return dict(parser["global"])


def test_pip_settings_of_a_file_reach_the_build(alone: Path, tmp_path: Path) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.write_text("certificate\n")
    alone.write_text(
        "[global]\nindex-url = https://user:secret@index.test/simple\ntrusted-host = index.test\n"
        f"cert = {certificates}\nextra-index-url =\n  file:///srv/wheels\n  https://more.test/simple\n"
    )
    clients = machine_clients()
    assert pip_of(clients) == {
        "index-url": "https://user:secret@index.test/simple",
        "trusted-host": "index.test",
        "extra-index-url": "https://more.test/simple",
        "cert": "/run/secrets/ca.pem",
    }
    assert clients.certificates == b"certificate\n"


def test_the_environment_wins_over_pips_file(
    alone: Path, monkeypatch: pytest.MonkeyPatch, machine_etc: Path = Path("/etc")
) -> None:
    alone.write_text("[global]\nindex-url = https://file.test/simple\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.test/simple")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "77")
    said = pip_of(machine_clients(machine_etc))
    assert (said["index-url"], said["timeout"]) == ("https://environment.test/simple", "77")


def test_an_index_on_this_machines_disk_is_left_out(alone: Path) -> None:
    alone.write_text("[global]\nindex-url = file:///srv/simple\nfind-links = /srv/wheels\n")
    assert set(pip_of(machine_clients())) <= {"cert"}


def test_secret_files_are_for_this_user_only(tmp_path: Path) -> None:
    written = Clients(npm={"registry": "https://npm.test/"}, certificates=b"pem").write(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert sorted(written) == ["apt.conf", "ca.pem", "npmrc", "pip.conf", "sources"]
    assert written["npmrc"].read_text() == "cafile=/run/secrets/ca.pem\nregistry=https://npm.test/\n"
    assert written["apt.conf"].read_text() == 'Acquire::https::CAInfo "/run/secrets/ca.pem";\n'


def test_a_machine_without_settings_gives_files_that_set_nothing() -> None:
    clients = Clients()
    assert (clients.sources_list(), clients.npmrc(), clients.apt_conf(), pip_of(clients)) == ("", "", "", {})
