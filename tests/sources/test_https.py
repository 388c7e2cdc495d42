"""Servers that prove who they are, and one that cannot."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import Site, served

from builder.errors import SourceError
from builder.sources import web
from builder.sources.source import Network
from builder.sources.web_file import fetch_page


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback that nobody else trusts, and its key."""
    path = tmp_path / "both.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=room"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, *names, "-keyout", path, "-out", tmp_path / "own.pem"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "own.pem").read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(web, "_new_pool", web._new_pool.__wrapped__)  # what is trusted is read once a process
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with served(context) as site:
        site.files["/a"] = b"words"
        yield site


def test_a_server_that_cannot_prove_who_it_is_is_asked_once_and_named(secure: Site, hasty: Network) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 cannot prove who it is: .*verify failed") as caught:
        fetch_page(f"{secure.url}/a", hasty)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint
    assert secure.requests == []


def test_the_network_s_own_certificates_are_trusted_where_they_are_named(
    secure: Site, hasty: Network, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_name("own.pem")))
    assert fetch_page(f"{secure.url}/a", hasty).body == b"words"


def test_no_redirect_leaves_https(
    secure: Site, site: Site, hasty: Network, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_name("own.pem")))
    site.files["/a"] = b"words"
    site.redirects["/up"], secure.redirects["/down"] = f"{secure.url}/a", f"{site.url}/a"
    assert fetch_page(f"{site.url}/up", hasty).body == b"words"
    with pytest.raises(SourceError, match="from https to http is not followed"):
        fetch_page(f"{secure.url}/down", hasty)
