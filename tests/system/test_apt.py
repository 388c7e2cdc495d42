"""The machine's own apt sources serve a system of any suite."""

from pathlib import Path

import pytest

from builder.system.apt import apt_sources
from builder.system.clients import Clients

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""\
# a mirror
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: https://mirror.test/off
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://mirror.test/source
Suites: bookworm
Components: main
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    return tmp_path


def lines(etc: Path, suite: str) -> list[str]:
    return Clients(apt=apt_sources(etc)).sources_list(suite).splitlines()


def test_deb822_sources_become_lines_of_the_wanted_suite(etc: Path) -> None:
    (etc / "apt/sources.list.d/debian.sources").write_text(DEB822)
    assert lines(etc, "trixie") == [
        f"deb [signed-by={KEYRING}] http://mirror.test/debian trixie main contrib",
        f"deb [signed-by={KEYRING}] http://mirror.test/debian trixie-updates main contrib",
    ]


def test_one_line_sources_keep_their_options_and_lose_their_comments(etc: Path) -> None:
    (etc / "apt/sources.list").write_text(
        "# deb http://off.test/debian bookworm main\n"
        "deb [arch=amd64 trusted=yes] https://mirror.test/debian bookworm main # ours\n"
        "deb http://mirror.test/security bookworm-security main\n"
        "deb-src http://mirror.test/debian bookworm main\n"
    )
    assert lines(etc, "bookworm") == [
        "deb [trusted=yes] https://mirror.test/debian bookworm main",
        "deb http://mirror.test/security bookworm-security main",
    ]


def test_a_rolling_suite_has_no_updates_and_no_security(etc: Path) -> None:
    (etc / "apt/sources.list.d/debian.sources").write_text(DEB822)
    assert lines(etc, "sid") == [f"deb [signed-by={KEYRING}] http://mirror.test/debian sid main contrib"]


@pytest.mark.parametrize(
    "line",
    [
        "deb http://other.test/docker bookworm stable",
        "deb http://other.test/cloud cloud-sdk-bookworm main",
        "deb [signed-by=/etc/apt/keyrings/other.gpg] http://other.test/x bookworm main",
        "deb file:/srv/debian bookworm main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb http://other.test/flat ./",
    ],
)
def test_what_a_build_cannot_use_is_left_out(etc: Path, line: str) -> None:
    (etc / "apt/sources.list").write_text(f"{line}\n")
    assert apt_sources(etc) == ()


def test_a_machine_that_is_no_debian_has_no_debian_sources(etc: Path) -> None:
    (etc / "os-release").write_text("ID=ubuntu\nVERSION_CODENAME=noble\n")
    (etc / "apt/sources.list").write_text("deb http://mirror.test/ubuntu noble main\n")
    assert apt_sources(etc) == ()
