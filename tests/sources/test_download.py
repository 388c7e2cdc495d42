"""Downloads from a real server on loopback that cuts the line, lies and refuses."""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import random
import signal
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from faulty_server import Site

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.sources.expected import Checks
from builder.sources.source import Network, RefusedError
from builder.sources.web_file import WebFile, fetch_all
from builder.store.objects import Blob, Store

BODY = random.Random(7).randbytes(3_000_000)


@dataclass(frozen=True)
class Download:
    """One file, as the tests ask for it."""

    url: str
    digest: Digest
    network: Network
    silence: float = 20

    def bring(self, store: Store) -> Blob:
        (blob,) = fetch_all([WebFile((self.url,), "words.bin", self.digest, silence=self.silence)], store, self.network)
        return blob


def download(site: Site, network: Network, body: bytes = BODY, silence: float = 5) -> Download:
    site.files["/data/words.bin"] = BODY
    return Download(f"{site.url}/data/words.bin", Digest.of(body), network, silence)


def parts(store: Store) -> list[Path]:
    folder = store.root / "partial"
    return [path for path in folder.iterdir() if path.name != "lock" and path.suffix != ".from"]


def unfinished(store: Store) -> list[int]:
    return [path.stat().st_size for path in parts(store)]


def test_bytes_arrive_and_a_second_time_nothing_is_asked(site: Site, store: Store, hasty: Network) -> None:
    wanted = download(site, hasty)
    assert store.read(wanted.bring(store).digest) == BODY
    wanted.bring(store)
    assert len(site.requests) == 1
    assert unfinished(store) == []


@pytest.mark.parametrize("body", [b"small", BODY])
def test_every_byte_that_comes_is_told(body: bytes, site: Site, store: Store) -> None:
    told: list[int] = []
    site.files["/data/words.bin"] = body
    file = WebFile((f"{site.url}/data/words.bin",), "words.bin", Digest.of(body))
    fetch_all([file], store, Network(arrived=told.append))
    fetch_all([file], store, Network(arrived=told.append))
    assert sum(told) == len(body)


def test_a_cut_line_is_taken_up_where_it_ended(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["cut:100000", "cut:50000"]
    assert store.read(download(site, hasty).bring(store).digest) == BODY
    assert [asked for _, asked in site.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_ignores_ranges_sends_all_again(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["cut:100000", "no-range"]
    assert store.read(download(site, hasty).bring(store).digest) == BODY


def test_an_answer_for_another_range_than_asked_is_not_appended(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["cut:100000", "wrong-offset"]
    assert store.read(download(site, hasty).bring(store).digest) == BODY


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(site: Site, store: Store, hasty: Network, status: int) -> None:
    site.faults = [f"status:{status}"] * 2
    assert store.read(download(site, hasty).bring(store).digest) == BODY


def test_a_server_that_never_recovers_is_named_with_the_number_of_tries(
    site: Site, store: Store, hasty: Network
) -> None:
    site.faults = ["status:503"] * 9
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 answers 503 .*tried 4 times"):
        download(site, hasty).bring(store)
    assert len(site.requests) == 4


def test_a_file_that_is_not_there_is_not_asked_for_again(site: Site, store: Store, hasty: Network) -> None:
    with pytest.raises(SourceError, match="404"):
        Download(f"{site.url}/none", Digest.of(b""), hasty).bring(store)
    assert len(site.requests) == 1


def test_an_unreachable_host_is_named_after_retries(store: Store, hasty: Network) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 broke off or cannot be reached .*tried 4 times"):
        Download("http://127.0.0.1:9/words", Digest.of(b""), hasty).bring(store)


def test_a_silent_server_is_given_up_and_what_arrived_is_kept(site: Site, store: Store) -> None:
    site.faults = ["stall", "stall"]
    with pytest.raises(SourceError, match="broke off"):
        download(site, Network(tries=1), silence=0.3).bring(store)
    assert unfinished(store) == [2_250_000]


def test_a_silent_server_is_asked_again(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["stall"]
    assert store.read(download(site, hasty, silence=0.3).bring(store).digest) == BODY


def test_a_server_that_only_drips_counts_as_silent(site: Site, store: Store) -> None:
    site.faults = ["drip"] * 2
    with pytest.raises(SourceError, match=r"comes at \d+ bytes a second .*tried 2 times"):
        download(site, Network(tries=2, pause=0), silence=0.3).bring(store)


def test_a_body_without_a_length_is_known_to_be_whole_by_its_end(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["chunked:1000000", "no-range", "chunked"]
    assert store.read(download(site, hasty).bring(store).digest) == BODY
    site.files["/b"], site.faults = BODY[:500], ["chunked:100", "chunked"]
    assert store.read(Download(f"{site.url}/b", Digest.of(BODY[:500]), hasty).bring(store).digest) == BODY[:500]


@pytest.mark.parametrize("fault", ["length:3000009", "length:9000000"])
def test_a_length_that_is_too_long_ends_in_the_right_bytes(
    site: Site, store: Store, hasty: Network, fault: str
) -> None:
    site.faults = [fault]
    assert store.read(download(site, hasty).bring(store).digest) == BODY
    assert site.requests[-1][1] == "bytes=3000000-"


def test_a_length_that_is_too_short_is_no_file(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["length:2999999"]
    with pytest.raises(IntegrityError, match="not the expected ones"):
        download(site, hasty).bring(store)
    assert unfinished(store) == []


@pytest.mark.parametrize("body", [BODY, BODY[:9000]])
def test_one_flipped_bit_is_found_and_nothing_is_kept(site: Site, store: Store, hasty: Network, body: bytes) -> None:
    site.files["/bit"] = body
    site.faults = ["bit"]
    with pytest.raises(IntegrityError, match=f"expected {Digest.of(body)}, received sha256:.* thrown away"):
        Download(f"{site.url}/bit", Digest.of(body), hasty).bring(store)
    assert unfinished(store) == []
    assert not store.has(Digest.of(body))


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_no_is_told_and_not_asked_again(site: Site, store: Store, hasty: Network, status: int) -> None:
    site.faults = [f"status:{status}"]
    with pytest.raises(RefusedError, match=f"the server answers {status}") as caught:
        download(site, hasty).bring(store)
    assert caught.value.status == status
    assert ("netrc" in caught.value.hint) == (status in (401, 403))
    assert len(site.requests) == 1


def test_a_server_that_says_when_to_come_back_is_obeyed(
    site: Site, store: Store, hasty: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("builder.sources.source.time.sleep", slept.append)
    site.faults = ["status:429:7", f"status:503:{format_datetime(datetime.now(UTC) + timedelta(seconds=30), True)}"]
    assert store.read(download(site, hasty).bring(store).digest) == BODY
    assert slept[0] == 7
    assert 25 <= slept[1] <= 30


def test_a_server_that_wants_to_be_left_alone_for_long_is_given_up_at_once(
    site: Site, store: Store, hasty: Network
) -> None:
    site.faults = ["status:429:3600"]
    with pytest.raises(SourceError, match=r"answers 429 .*tried once; it asks to be left alone for 3600 s"):
        download(site, hasty).bring(store)
    assert len(site.requests) == 1


def test_a_line_that_is_cut_again_and_again_brings_all_in_the_end(site: Site, store: Store) -> None:
    site.files["/long"] = BODY * 4
    site.faults = ["cut:1100000"] * 10
    Download(f"{site.url}/long", Digest.of(BODY * 4), Network(tries=2, pause=0)).bring(store)
    assert len(site.requests) == 11


def test_packed_bytes_are_taken_when_they_are_the_expected_ones(site: Site, store: Store, hasty: Network) -> None:
    packed = gzip.compress(b"words", mtime=0)
    site.files["/words.gz"] = packed
    site.headers["/words.gz"] = {"Content-Encoding": "gzip"}  # what some servers say of every .gz
    assert store.read(Download(f"{site.url}/words.gz", Digest.of(packed), hasty).bring(store).digest) == packed


@pytest.mark.parametrize("body", [BODY, BODY[:9000]])
def test_bytes_packed_though_nobody_asked_are_refused(site: Site, store: Store, hasty: Network, body: bytes) -> None:
    site.files["/words"] = body
    site.faults = ["gzip"]
    with pytest.raises(IntegrityError, match="came packed as gzip, which was not asked for"):
        Download(f"{site.url}/words", Digest.of(body), hasty).bring(store)
    assert site.asked[0].headers["Accept-Encoding"] == "identity"
    assert unfinished(store) == []


OTHER = random.Random(8).randbytes(len(BODY))


def changing(site: Site, headers: tuple[dict[str, str], dict[str, str]], checks: Checks) -> WebFile:
    """A file whose line was cut after two thirds, and which then changed."""
    site.files["/a"], site.headers["/a"] = BODY, headers[0]
    return WebFile((f"{site.url}/a",), "a", checks=checks, silence=5)


@pytest.mark.parametrize(
    "headers",
    [({"ETag": '"1"'}, {"ETag": '"2"'}), ({"Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}, {"Last-Modified": "x"})],
)
@pytest.mark.parametrize("checks", [Checks(), Checks(md5=hashlib.md5(OTHER).hexdigest())])
def test_a_file_that_changed_between_two_parts_starts_again(
    site: Site, store: Store, headers: tuple[dict[str, str], dict[str, str]], checks: Checks
) -> None:
    file = changing(site, headers, checks)
    site.faults = ["cut:2000000", "cut:10"]
    with pytest.raises(SourceError):
        fetch_all([file], store, Network(tries=1))
    site.files["/a"], site.headers["/a"] = OTHER, headers[1]
    (blob,) = fetch_all([file], store, Network(tries=1))
    assert store.read(blob.digest) == OTHER
    assert site.asked[-1].headers["If-Range"] == next(iter(headers[0].values()))


def test_a_server_that_forgets_the_condition_is_not_believed(site: Site, store: Store) -> None:
    file = changing(site, ({"ETag": '"1"'}, {}), Checks())
    site.faults = ["cut:2000000", "cut:10"]
    with pytest.raises(SourceError):
        fetch_all([file], store, Network(tries=1))
    site.files["/a"], site.headers["/a"] = OTHER, {"ETag": '"2"', "X-Ignored": '"1"'}  # fits, so the rest is sent
    (blob,) = fetch_all([file], store, Network(tries=2, pause=0))
    assert store.read(blob.digest) == OTHER


def test_without_a_digest_and_a_version_no_parts_are_joined(site: Site, store: Store) -> None:
    file = changing(site, ({}, {}), Checks())
    site.faults = ["cut:2000000"]
    (blob,) = fetch_all([file], store, Network(tries=2, pause=0))
    assert store.read(blob.digest) == BODY
    assert [asked for _, asked in site.requests] == [None, None]


def test_a_changed_file_whose_new_digest_is_known_is_found_out_and_fetched_whole(
    site: Site, store: Store, hasty: Network
) -> None:
    site.files["/a"] = BODY
    wanted = Download(f"{site.url}/a", Digest.of(OTHER), hasty)
    site.faults = ["cut:2000000", "cut:10"] + ["cut:0"] * 3
    with pytest.raises(SourceError):
        wanted.bring(store)
    site.files["/a"] = OTHER
    assert store.read(wanted.bring(store).digest) == OTHER


def test_a_server_that_always_cuts_and_always_lies_is_given_up(site: Site, store: Store, hasty: Network) -> None:
    site.files["/a"] = OTHER
    site.faults = ["cut:2000000", ""] * 20
    with pytest.raises(IntegrityError):
        Download(f"{site.url}/a", Digest.of(BODY), hasty).bring(store)
    assert len(site.requests) == 2 * hasty.tries
    assert unfinished(store) == []


@pytest.mark.parametrize("body", [BODY, BODY[:9000]])
@pytest.mark.parametrize("name", ["md5", "sha1"])
def test_a_wrong_second_digest_is_told_like_the_first(
    site: Site, store: Store, hasty: Network, name: str, body: bytes
) -> None:
    site.files["/a"] = body
    right = hashlib.new(name, body).hexdigest()
    for given, sha256 in (("0" * len(right), Digest.of(body)), ("0" * len(right), None)):
        file = WebFile((f"{site.url}/a",), "a", sha256, Checks(**{name: given}))
        with pytest.raises(IntegrityError, match=f"expected {name}:0000.*received {name}:{right}"):
            fetch_all([file], store, hasty)
    assert unfinished(store) == []
    (blob,) = fetch_all([WebFile((f"{site.url}/a",), "a", None, Checks(**{name: right.upper()}))], store, hasty)
    assert store.read(blob.digest) == body


def test_the_name_that_git_gives_a_file_is_checked(site: Site, store: Store, hasty: Network) -> None:
    site.files["/a"] = b"words"
    for name, fits in ((hashlib.sha1(b"blob 5\0words").hexdigest(), True), ("0" * 40, False)):
        file = WebFile((f"{site.url}/a",), "a", None, Checks(git_blob=name), 5)
        with nullcontext() if fits else pytest.raises(IntegrityError, match="git_blob"):
            fetch_all([file], store, hasty)


def test_a_size_or_etag_that_is_not_the_expected_one_is_told_before_anything_comes(
    site: Site, store: Store, hasty: Network
) -> None:
    site.files["/a"], site.headers["/a"] = BODY, {"ETag": '"v1"'}
    for file, told in (
        (WebFile((f"{site.url}/a",), "a", Digest.of(BODY), size=7), "expected 7 bytes, received 3000000 bytes"),
        (WebFile((f"{site.url}/a",), "a", Digest.of(BODY), Checks(etag="v2")), "expected the ETag v2, received the"),
    ):
        with pytest.raises(IntegrityError, match=told):
            fetch_all([file], store, hasty)
        assert unfinished(store) == []
    site.faults = ["chunked"]  # which tells no length, so it is seen while it comes
    with pytest.raises(IntegrityError, match="expected 7 bytes"):
        fetch_all([WebFile((f"{site.url}/a",), "a", size=7)], store, hasty)
    assert unfinished(store) == []
    right = WebFile((f"{site.url}/a",), "a", Digest.of(BODY), Checks(etag='"v1"'), len(BODY))
    fetch_all([right], store, hasty)


def test_wrong_bytes_are_thrown_away_and_both_digests_told(site: Site, store: Store, hasty: Network) -> None:
    wanted = download(site, hasty, b"something else")
    with pytest.raises(IntegrityError) as caught:
        wanted.bring(store)
    for said in (str(Digest.of(b"something else")), str(Digest.of(BODY)), "/data/words.bin"):
        assert said in caught.value.message
    assert unfinished(store) == []
    assert list((store.root / "objects").rglob("*")) == []


def test_a_wrong_beginning_does_not_spoil_the_next_try(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["stall", "stall"]
    with pytest.raises(SourceError):
        download(site, Network(tries=1), silence=0.3).bring(store)
    part = parts(store)[0]
    part.write_bytes(b"x" * 1000)
    assert store.read(download(site, hasty).bring(store).digest) == BODY
    part_of_longer = store.root / "partial" / part.name
    assert not part_of_longer.exists()


def test_what_arrived_of_a_longer_file_is_thrown_away(site: Site, store: Store, hasty: Network) -> None:
    wanted = download(site, hasty)
    site.faults = ["cut:10"] * 4
    with pytest.raises(SourceError):
        wanted.bring(store)
    part = parts(store)[0]
    part.write_bytes(BODY + b"more")
    assert store.read(wanted.bring(store).digest) == BODY


def test_no_password_of_an_address_is_in_an_error(site: Site, store: Store, hasty: Network) -> None:
    address = site.url.replace("http://", "http://alice:s3cret@")
    with pytest.raises(SourceError) as caught:
        Download(f"{address}/none", Digest.of(b""), hasty).bring(store)
    assert "s3cret" not in caught.value.message
    with pytest.raises(SourceError) as caught:
        Download("http://alice:s3cret@127.0.0.1:9/none", Digest.of(b""), hasty).bring(store)
    assert "s3cret" not in caught.value.message


def test_a_signature_in_an_address_is_sent_and_not_shown(site: Site, store: Store, hasty: Network) -> None:
    site.files["/words?signature=s3cret"] = BODY
    Download(f"{site.url}/words?signature=s3cret", Digest.of(BODY), hasty).bring(store)
    for address in (f"{site.url}/none?signature=s3cret", "http://127.0.0.1:9/none?signature=s3cret"):
        with pytest.raises(SourceError) as caught:
            Download(address, Digest.of(b""), hasty).bring(store)
        assert "s3cret" not in caught.value.message


def test_offline_nothing_is_asked(site: Site, store: Store) -> None:
    with pytest.raises(SourceError, match="--offline"):
        download(site, Network(is_offline=True)).bring(store)
    assert site.requests == []


def _bring(root: Path, url: str) -> None:
    Download(url, Digest.of(BODY), Network(2, 0), 20).bring(Store(root))


def test_two_builds_at_once_ask_once(site: Site, store: Store, hasty: Network) -> None:
    url = download(site, hasty).url
    fork = multiprocessing.get_context("fork")
    builds = [fork.Process(target=_bring, args=(store.root, url)) for _ in range(3)]
    for build in builds:
        build.start()
    for build in builds:
        build.join(30)
    assert [build.exitcode for build in builds] == [0, 0, 0]
    assert len(site.requests) == 1
    assert store.has(Digest.of(BODY))


def test_after_kill_9_in_the_middle_the_next_build_asks_for_the_rest(site: Site, store: Store, hasty: Network) -> None:
    site.faults = ["stall"]
    url = download(site, hasty).url
    build = multiprocessing.get_context("fork").Process(target=_bring, args=(store.root, url))
    build.start()
    assert site.reached.wait(20)
    while not any(unfinished(store)):
        assert build.is_alive()
    os.kill(build.pid or 0, signal.SIGKILL)
    build.join(10)
    have = unfinished(store)[0]
    assert store.read(download(site, hasty).bring(store).digest) == BODY
    assert site.requests[-1][1] == f"bytes={have}-"
