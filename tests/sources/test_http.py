"""Downloads from a real server on loopback that cuts the line, lies and refuses."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from faulty_server import Site

from builder.digest import Digest
from builder.errors import IntegrityError, SourceError
from builder.sources.source import Network
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
