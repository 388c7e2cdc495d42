"""Jupyter as the guest starts it: a real server, asked as a browser would ask it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from builder.content.settings import HEALTH, START, TOKEN, settings

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Guest:
    prefix: Path
    address: str
    token: str
    python: Path

    def get(self, path: str, *, token: bool = True, **headers: str) -> requests.Response:
        """Ask for exactly this path: requests would tidy `..` away."""
        request = requests.Request("GET", self.address, headers=headers).prepare()
        request.url = f"{self.address}{path}"
        if token:
            request.headers["Authorization"] = f"token {self.token}"
        return requests.Session().send(request, allow_redirects=False, timeout=30)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def lay_out(prefix: Path, python: Path, port: int) -> None:
    for path, (data, mode) in settings(port).items():
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_bytes(data)
        (prefix / path).chmod(mode)
    (prefix / "opt/workshop").mkdir(parents=True)
    (prefix / "opt/workshop/venv").symlink_to(python.parents[1])
    files = {
        "index.html": "<title>front</title>",
        "repos/talk/index.html": "<script src=x.js></script>",
        "repos/talk/x.js": "1",
        "repos/talk/a.ipynb": "{}", "repos/talk/.secret": "hidden", ".hidden/a.txt": "hidden", "data/d/a.csv": "1,2",
    }  # fmt: skip
    for name, text in files.items():
        (prefix / "srv/workshop" / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / "srv/workshop" / name).write_text(text)
    (prefix / "srv/workshop/repos/talk/data").symlink_to("../../data/d")
    (prefix / "srv/outside.txt").write_text("outside")
    (prefix / "srv/workshop/repos/talk/out.txt").symlink_to("../../../outside.txt")


def started(prefix: Path, **env: str) -> tuple[subprocess.Popen[str], str]:
    """The running start program, and the line it prints when it is ready."""
    server = subprocess.Popen(
        [prefix / START], env={"PATH": os.environ["PATH"], "WORKSHOP_PREFIX": str(prefix), **env}, text=True,
        stdout=subprocess.PIPE, stderr=(prefix / "log").open("w"), start_new_session=True,
    )  # fmt: skip
    assert server.stdout is not None
    return server, server.stdout.readline()


def stop(server: subprocess.Popen[str]) -> None:
    os.killpg(server.pid, signal.SIGKILL)
    server.communicate()


@pytest.fixture(scope="module")
def guest(guest_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    prefix, port = tmp_path_factory.mktemp("guest"), free_port()
    lay_out(prefix, guest_python, port)
    server, line = started(prefix, HOME=str(prefix / "nowhere"), JUPYTER_TOKEN="given-here")
    try:
        assert line == f"The workshop is ready: http://127.0.0.1:{port}/?token=given-here\n", (
            prefix / "log"
        ).read_text()
        yield Guest(prefix, f"http://127.0.0.1:{port}", "given-here", guest_python)
    finally:
        stop(server)


@pytest.mark.parametrize("path", ["/workshop/", "/workshop/index.html", "/workshop/repos/talk/x.js", "/lab"])
def test_without_the_token_there_is_only_the_login(guest: Guest, path: str) -> None:
    answer = guest.get(path, token=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login")


def test_the_printed_address_leads_to_the_landing_page_and_its_token_is_remembered(guest: Guest) -> None:
    browser = requests.Session()
    page = browser.get(f"{guest.address}/?token={guest.token}", timeout=30)
    assert (page.status_code, page.text) == (200, "<title>front</title>")
    assert page.url.split("?")[0] == f"{guest.address}/workshop/"
    bookmark = browser.get(f"{guest.address}/workshop/", timeout=30)
    assert bookmark.text == "<title>front</title>"


def test_a_cookie_does_not_let_other_sites_read_data(guest: Guest) -> None:
    browser = requests.Session()
    browser.get(f"{guest.address}/?token={guest.token}", timeout=30)
    address = f"{guest.address}/workshop/data/d/a.csv"
    assert browser.get(address, headers={"Sec-Fetch-Site": "cross-site"}, timeout=30).status_code == 403
    assert browser.get(address, headers={"Referer": "https://elsewhere.example/"}, timeout=30).status_code == 403
    assert browser.get(address, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30).text == "1,2"
    assert browser.get(address, headers={"Referer": f"{guest.address}/workshop/"}, timeout=30).text == "1,2"


def test_pages_may_load_their_scripts(guest: Guest) -> None:
    answer = guest.get("/workshop/repos/talk/index.html")
    assert answer.status_code == 200
    assert "sandbox" not in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "javascript" in guest.get("/workshop/repos/talk/x.js").headers["Content-Type"]


def test_notebooks_come_as_they_are_and_data_links_work(guest: Guest) -> None:
    assert guest.get("/workshop/repos/talk/a.ipynb").text == "{}"
    assert guest.get("/workshop/repos/talk/data/a.csv").text == "1,2"


@pytest.mark.parametrize(
    "path",
    [
        "/workshop/../outside.txt", "/workshop/..%2foutside.txt", "/workshop/%2e%2e/outside.txt",
        "/workshop/repos/../../outside.txt",
        "/workshop//etc/passwd", "/workshop/%2fetc/passwd", "/workshop/repos/talk/out.txt",
        "/workshop/repos/talk/.secret",
        "/workshop/repos/talk/%2esecret", "/workshop/.hidden/a.txt", "/workshop/repos/talk/%00", "/workshop/repos/",
        "/workshop/no-such.html",
    ],
)  # fmt: skip
def test_what_is_outside_hidden_or_not_there_is_refused(guest: Guest, path: str) -> None:
    answer = guest.get(path)
    assert answer.status_code in (400, 403, 404)
    assert "outside" not in answer.text.replace("outside.txt", "")
    assert "root:" not in answer.text


def test_jupyter_asks_nothing_of_the_network(guest: Guest) -> None:
    assert guest.get("/lab/api/news").json() == {"news": []}
    assert guest.get("/lab/api/update").json() == {"notification": None}
    config = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', guest.get("/lab").text, re.DOTALL)
    assert config is not None
    assert "@jupyterlab/apputils-extension:announcements" in config[1]


def test_terminals_are_there(guest: Guest) -> None:
    assert guest.get("/api/terminals").json() == []


def test_health_is_an_exit_code(guest: Guest, tmp_path: Path) -> None:
    ask = [guest.python, guest.prefix / HEALTH]
    env = {"WORKSHOP_PREFIX": str(guest.prefix), "http_proxy": "http://127.0.0.1:9"}
    assert subprocess.run(ask, env=env, check=False).returncode == 0
    lay_out(tmp_path / "silent", guest.python, free_port())
    silent = subprocess.run(
        ask, env={"WORKSHOP_PREFIX": str(tmp_path / "silent")}, capture_output=True, text=True, check=False
    )
    assert silent.returncode == 1
    assert "refused" in silent.stderr


def test_the_token_file_gives_the_token_and_chance_where_there_is_none(guest_python: Path, tmp_path: Path) -> None:
    lay_out(tmp_path / "own", guest_python, free_port())
    (tmp_path / "own" / TOKEN).parent.mkdir(parents=True)
    (tmp_path / "own" / TOKEN).write_text("of-this-machine\n")
    lay_out(tmp_path / "other", guest_python, free_port())
    for prefix, token in ((tmp_path / "own", "of-this-machine"), (tmp_path / "other", "[0-9a-f]{32}")):
        server, line = started(prefix)
        stop(server)
        assert re.search(rf"token={token}\n", line), (prefix / "log").read_text()
