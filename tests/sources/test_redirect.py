"""Which redirects are followed, and which are not."""

from __future__ import annotations

import pytest
from faulty_server import Site

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources import redirect
from builder.sources.redirect import LONGEST, is_private, next_address
from builder.sources.source import Network
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Store

WORDS = b"words"


def words(address: str) -> list[WebFile]:
    return [WebFile((address,), "words.txt", Digest.of(WORDS))]


def test_a_redirect_is_followed_and_its_error_names_the_address_that_was_given(
    site: Site, store: Store, hasty: Network
) -> None:
    site.files["/c"], site.redirects = WORDS, {"/a": "b", "/b": f"{site.url}/c", "/x": "/gone"}
    fetch_all(words(f"{site.url}/a"), store, hasty)
    assert [path for path, _ in site.requests] == ["/a", "/b", "/c"]
    with pytest.raises(SourceError, match="/x cannot be fetched: the server answers 404"):
        fetch_all([WebFile((f"{site.url}/x",), "x", Digest.of(b""))], store, hasty)


def test_a_redirect_without_end_is_given_up(site: Site, store: Store, hasty: Network) -> None:
    site.redirects = {"/a": "/b", "/b": "/a"}
    with pytest.raises(SourceError, match="/a redirects more than 10 times in a row"):
        fetch_all(words(f"{site.url}/a"), store, hasty)
    assert len(site.requests) == LONGEST + 1


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/a", "file:///etc/passwd", "gopher://x/", "data:,words", "s3://b/k"]
)
def test_a_redirect_to_another_scheme_is_not_followed(site: Site, store: Store, hasty: Network, target: str) -> None:
    site.redirects["/a"] = target
    with pytest.raises(SourceError, match=r"/a redirects to .*: only http and https are followed"):
        fetch_all(words(f"{site.url}/a"), store, hasty)
    assert len(site.requests) == 1


def test_a_redirect_from_a_public_host_to_a_private_one_is_not_followed(
    site: Site, store: Store, hasty: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirect, "is_private", lambda host: host != "localhost")  # as if that were out there
    site.files["/secret"], site.redirects["/a"] = WORDS, f"{site.url}/secret"
    public = site.url.replace("127.0.0.1", "localhost")
    with pytest.raises(SourceError, match="from a public host to an address of a private network is not followed"):
        fetch_all(words(f"{public}/a"), store, hasty)
    assert [path for path, _ in site.requests] == ["/a"]
    fetch_all(words(f"{site.url}/a"), store, hasty)  # from a private host all is allowed


def test_a_public_host_may_lead_to_a_private_one_by_no_detour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirect, "is_private", lambda host: host == "10.0.0.1")
    with pytest.raises(SourceError, match="private network"):
        next_address("https://first.example", "https://second.example/a", "https://10.0.0.1/b")


def test_https_is_not_left() -> None:
    with pytest.raises(SourceError, match="from https to http is not followed"):
        next_address("https://127.0.0.1/a", "https://127.0.0.1/b?key=s3cret", "http://127.0.0.1/c")
    assert next_address("http://127.0.0.1/a", "http://127.0.0.1/a", "https://127.0.0.1/a") == "https://127.0.0.1/a"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "172.16.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0",
     "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "224.0.0.1", "2130706433", "0x7f.1"],
)  # fmt: skip
def test_private_addresses_are_known_however_they_are_written(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888", "no-such-host.invalid", "a" * 70])
def test_other_addresses_are_not_private(host: str) -> None:
    assert not is_private(host)


@pytest.mark.parametrize("target", ["http://[::1", "//[x", "http://x:99999/a"])
def test_a_redirect_to_what_is_no_address_is_one_sentence(
    site: Site, store: Store, hasty: Network, target: str
) -> None:
    site.redirects["/a"] = target
    with pytest.raises(SourceError):
        fetch_all(words(f"{site.url}/a"), store, hasty)
