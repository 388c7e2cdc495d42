"""Many files at once, from several addresses each, through a proxy and with a login."""

from __future__ import annotations

import base64
import random
import socket
import threading
from pathlib import Path

import pytest
from faulty_server import Site, served

from builder.digest import Digest
from builder.errors import BuilderError, IntegrityError, SourceError
from builder.sources.expected import Checks
from builder.sources.source import Network, RefusedError
from builder.sources.together import Outcome
from builder.sources.web import AT_ONCE, PER_HOST
from builder.sources.web_file import Page, WebFile, fetch_all, fetch_files, fetch_page, name_in, sizes_of
from builder.store.objects import Blob, Store

BODY = random.Random(9).randbytes(3_000_000)
WORDS = b"words"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy and no login of this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def words(site: Site, *paths: str) -> WebFile:
    return WebFile(tuple(f"{site.url}{path}" for path in paths), "words.txt", Digest.of(WORDS))


def test_many_files_arrive_over_few_connections(site: Site, store: Store, hasty: Network) -> None:
    bodies = {f"/{number}": b"%d" % number * 100 for number in range(200)}
    site.files.update(bodies)
    files = [WebFile((site.url + path,), path, Digest.of(body)) for path, body in bodies.items()]
    blobs = fetch_all(files, store, hasty)
    assert [store.read(blob.digest) for blob in blobs] == list(bodies.values())
    assert len(site.requests) == 200
    assert len({one.port for one in site.asked}) <= PER_HOST
    assert PER_HOST < AT_ONCE


def test_all_are_tried_and_every_failure_is_told(site: Site, store: Store, hasty: Network) -> None:
    site.files = {"/a": WORDS, "/b": b"other"}
    digests = {"a": Digest.of(WORDS), "b": Digest.of(b"b"), "gone": Digest.of(b"gone")}
    files = [WebFile((f"{site.url}/{name}",), f"{name}.txt", digest) for name, digest in digests.items()]
    made = fetch_files([files[2], files[1], files[0]], store, hasty)
    assert [type(one.error) for one in made] == [RefusedError, IntegrityError, type(None)]
    assert made[2] == Outcome(Blob(Digest.of(WORDS), 5))
    with pytest.raises(SourceError) as caught:
        fetch_all([files[2], files[1], files[0]], store, hasty)
    assert "2 of 3 failed" in caught.value.message
    for said in ("gone.txt: ", "/gone cannot be fetched: the server answers 404", "b.txt: the bytes from"):
        assert said in caught.value.message
    assert store.has(Digest.of(WORDS))


@pytest.mark.parametrize("fault", ["status:404", "wrong", "bit", "gzip", "redirect:ftp://x/y"])
def test_a_mirror_that_fails_passes_to_the_next(site: Site, store: Store, hasty: Network, fault: str) -> None:
    site.files = {"/a": WORDS, "/b": WORDS}
    site.faults = [fault]
    fetch_all([words(site, "/a", "/b")], store, hasty)
    assert store.read(Digest.of(WORDS)) == WORDS
    assert [path for path, _ in site.requests] == ["/a", "/b"]


def test_what_one_mirror_began_another_ends(site: Site, store: Store, hasty: Network) -> None:
    site.files = {"/a": BODY, "/b": BODY}
    site.headers = {"/a": {"ETag": '"a"'}, "/b": {"ETag": '"b"'}}
    site.faults = ["cut:1000000", "status:403"]
    fetch_all([WebFile((f"{site.url}/a", f"{site.url}/b"), "a", Digest.of(BODY))], store, hasty)
    assert site.requests[-1] == ("/b", "bytes=1000000-")
    assert sum(one.sent for one in site.asked) == len(BODY)


def test_when_no_mirror_has_it_each_is_told_with_its_reason(site: Site, store: Store, hasty: Network) -> None:
    site.files = {"/b": b"other"}
    with pytest.raises(SourceError) as caught:
        fetch_all([words(site, "/a?key=s3cret", "/b")], store, hasty)
    assert "words.txt cannot be had from any of its 2 addresses" in caught.value.message
    assert "/a cannot be fetched: the server answers 404" in caught.value.message
    assert f"received {Digest.of(b'other')}" in caught.value.message
    assert "s3cret" not in caught.value.message
    site.files["/a"] = b"another"
    with pytest.raises(IntegrityError, match="from any of its 2"):
        fetch_all([words(site, "/a", "/b")], store, hasty)


def test_the_same_bytes_asked_for_twice_are_fetched_once(site: Site, store: Store, hasty: Network) -> None:
    site.files["/a"] = BODY
    fetch_all([WebFile((f"{site.url}/a",), "a", Digest.of(BODY))] * 5, store, hasty)
    assert len(site.requests) == 1


def test_offline_says_what_is_missing_and_gives_what_is_there(site: Site, store: Store) -> None:
    store.put_bytes(WORDS)
    offline = Network(is_offline=True)
    fetch_all([words(site, "/a")], store, offline)
    for file in (WebFile((f"{site.url}/a",), "other.txt", Digest.of(b"")), WebFile((f"{site.url}/a",), "other.txt")):
        with pytest.raises(SourceError, match=r"other\.txt is not in the store, and --offline forbids"):
            fetch_all([file], store, offline)
    assert site.requests == []


@pytest.mark.parametrize(
    ("headers", "told"), [({}, None), ({"Content-Encoding": "gzip"}, None)], ids=["no answer", "packed"]
)
def test_a_size_nobody_tells_is_none(site: Site, hasty: Network, headers: dict[str, str], told: None) -> None:
    if headers:
        site.files["/a"], site.headers["/a"] = WORDS, headers
    assert sizes_of([words(site, "/a")], hasty) == [told]


def test_sizes_are_told_without_fetching(site: Site, hasty: Network) -> None:
    site.files = {"/a": BODY, "/b": WORDS}
    site.faults = ["status:405"]  # a server that knows no HEAD
    wanted = [WebFile((f"{site.url}/a",), "a"), WebFile((f"{site.url}/gone",), "c", size=9)]
    assert sizes_of(wanted, hasty) == [len(BODY), 9]
    assert sizes_of([words(site, "/gone", "/b")], hasty) == [5]
    assert sizes_of([words(site, "/b")], Network(is_offline=True)) == [None]


def test_a_page_comes_with_its_address_and_headers(site: Site, hasty: Network) -> None:
    site.files["/api"], site.headers["/api"] = b"{}", {"Link": "<next>"}
    site.redirects["/old"] = "/api"
    page = fetch_page(f"{site.url}/old", hasty)
    assert page == Page(f"{site.url}/api", b"{}", page.headers)
    assert page.headers["link"] == "<next>"
    with pytest.raises(RefusedError, match="404") as caught:
        fetch_page(f"{site.url}/none?token=s3cret", hasty)
    assert caught.value.status == 404
    assert "s3cret" not in caught.value.message


def test_a_token_goes_to_its_host_and_to_none_it_redirects_to(site: Site, store: Store, hasty: Network) -> None:
    with served() as other:
        other.files["/a"] = WORDS
        site.redirects = {"/one": "/two", "/two": f"{other.url}/a"}
        token = (("Authorization", "Bearer s3cret"),)
        fetch_all([WebFile((f"{site.url}/one",), "a", Digest.of(WORDS), headers=token)], store, hasty)
        assert [one.headers.get("Authorization") for one in site.asked] == ["Bearer s3cret"] * 2
        assert "Authorization" not in other.asked[0].headers
    assert "s3cret" not in repr(WebFile(("a",), "a", headers=token))


def test_a_login_in_netrc_goes_to_its_host_only(
    site: Site, store: Store, hasty: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.files["/a"] = WORDS
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password s3cret\ndefault login bob password x\n")
    fetch_all([words(site, "/a")], store, hasty)
    assert site.asked[0].headers["Authorization"] == f"Basic {base64.b64encode(b'alice:s3cret').decode()}"
    fetch_page(f"{site.url.replace('127.0.0.1', 'localhost')}/a", hasty)
    assert "Authorization" not in site.asked[1].headers
    fetch_page(f"{site.url}/a", hasty, (("Authorization", "Bearer token"),))
    assert site.asked[2].headers["Authorization"] == "Bearer token"  # what is asked for by name wins


def test_a_netrc_that_cannot_be_read_is_named(site: Site, hasty: Network, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine\n  login\nnonsense here")
    with pytest.raises(SourceError, match="netrc cannot be read"):
        fetch_page(f"{site.url}/a", hasty)


def test_a_proxy_of_the_environment_is_asked_with_its_login(
    site: Site, store: Store, hasty: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, asked = _proxy(site)
    monkeypatch.setenv("http_proxy", f"http://carol:s3cret@{proxy}")
    site.files["/a"] = WORDS
    fetch_all([WebFile(("http://data.invalid/a",), "a", Digest.of(WORDS))], store, hasty)
    assert asked[0].startswith("GET http://data.invalid/a HTTP/1.1")
    assert f"proxy-authorization: Basic {base64.b64encode(b'carol:s3cret').decode()}".lower() in asked[0].lower()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch_page(f"{site.url}/a", hasty)
    assert len(asked) == 1


def test_a_proxy_that_is_not_there_is_told_without_its_password(
    hasty: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://carol:s3cret@127.0.0.1:9")
    with pytest.raises(SourceError, match=r"cannot be reached for http://data\.invalid/a") as caught:
        fetch_page("http://data.invalid/a", hasty)
    assert "s3cret" not in caught.value.message


def _proxy(site: Site) -> tuple[str, list[str]]:
    """A proxy on loopback that knows one site, whatever the name; and what it was asked."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listener.accept()
        with line, socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2]))) as upstream:
            request = line.recv(65536)
            asked.append(request.decode())
            upstream.sendall(request.replace(b"http://data.invalid", b"", 1))
            while piece := upstream.recv(65536):
                line.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}", asked


@pytest.mark.parametrize(
    "address",
    ["http://", "http://[::1", "http://a b/c", "http://x:99999/y", "http://ex..ample/y", "https://127.0.0.1:9/"],
)
def test_an_address_that_leads_nowhere_is_one_sentence(store: Store, address: str) -> None:
    made = fetch_files([WebFile((address,), "a", None, Checks(md5="0" * 32))], store, Network(tries=1))
    assert isinstance(made[0].error, BuilderError)


@pytest.mark.parametrize(
    ("address", "name"),
    [("https://x/a/b%20c.txt?d", "b c.txt"), ("https://x/", "x"), ("https://x/a/%2e%2e", ".."), ("s3://b/k", "k")],
)
def test_a_file_is_called_as_its_address_ends(address: str, name: str) -> None:
    assert name_in(address) == name
