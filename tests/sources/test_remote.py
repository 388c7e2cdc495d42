"""Files at ftp and s3 addresses, from real servers on loopback."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from ftp_server import FtpSite, ftp_served

from builder.errors import SourceError
from builder.sources import remote
from builder.sources.remote import receive, size_of
from builder.sources.source import UnreachableError

BODY = random.Random(5).randbytes(300_000)
SECRET = "sEcReT-key"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own: no credentials, no netrc."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def ftp() -> Iterator[FtpSite]:
    with ftp_served() as site:
        site.files["/data/words.bin"] = BODY
        yield site


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {"key": "a", "secret": "b", "endpoint_url": f"http://{host}:{port}"}
    client = fsspec.filesystem("s3", **settings, skip_instance_cache=True)
    client.mkdir("bucket")
    client.pipe_file("bucket/data/words.bin", BODY)
    client.pipe_file("bucket/data/open.bin", BODY, ACL="public-read")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return "s3://bucket/data/words.bin"


def test_a_file_comes_by_ftp(ftp: FtpSite, tmp_path: Path) -> None:
    part = tmp_path / "part"
    receive(f"{ftp.url}/data/words.bin", part)
    assert part.read_bytes() == BODY
    assert size_of(f"{ftp.url}/data/words.bin") == len(BODY)


def test_only_what_is_lacking_is_asked_for(ftp: FtpSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "part"
    part.write_bytes(BODY[:250_000])
    monkeypatch.setattr(remote, "_PIECE", 20_000)
    receive(f"{ftp.url}/data/words.bin", part)
    assert part.read_bytes() == BODY
    assert ftp.reads == [250_000, 270_000, 290_000]


def test_what_is_longer_than_the_file_is_begun_anew(ftp: FtpSite, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(BODY + b"more")
    receive(f"{ftp.url}/data/words.bin", part)
    assert part.read_bytes() == BODY


def test_a_cut_line_may_be_taken_up_where_it_ended(ftp: FtpSite, tmp_path: Path) -> None:
    part, ftp.cuts = tmp_path / "part", [100_000]
    with pytest.raises(UnreachableError, match=r"ftp://127\.0\.0\.1:\d+/data/words\.bin"):
        receive(f"{ftp.url}/data/words.bin", part)
    receive(f"{ftp.url}/data/words.bin", part)
    assert part.read_bytes() == BODY


def test_user_and_password_come_from_netrc_and_are_not_shown(ftp: FtpSite, tmp_path: Path) -> None:
    ftp.login = ("ada", SECRET)
    with pytest.raises(SourceError, match="may not be read: 530 not you") as caught:
        receive(f"{ftp.url}/data/words.bin", tmp_path / "part")
    assert not isinstance(caught.value, UnreachableError)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login ada password {SECRET}\n")
    receive(f"{ftp.url}/data/words.bin", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    with pytest.raises(SourceError) as caught:
        receive(f"{ftp.url}/data/none.bin", tmp_path / "other")
    assert SECRET not in str(caught.value)


def test_a_file_comes_from_a_bucket(s3: str, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(BODY[:1000])
    receive(s3, part)
    assert part.read_bytes() == BODY
    assert size_of(s3) == len(BODY)


def test_a_bucket_that_is_open_to_everyone_needs_no_credentials(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    receive(s3.replace("words", "open"), tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    with pytest.raises(SourceError, match=f"{s3} may not be read") as caught:
        receive(s3, tmp_path / "other")
    assert not isinstance(caught.value, UnreachableError) and "credentials" in caught.value.hint


@pytest.mark.parametrize("address", ["s3://bucket/data/none.bin", "s3://elsewhere/words.bin"])
def test_what_is_not_in_a_bucket_is_named(s3: str, address: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"{address} is not there") as caught:
        receive(address, tmp_path / "part")
    assert not isinstance(caught.value, UnreachableError) and SECRET not in str(caught.value)


def test_a_folder_of_a_bucket_is_no_file(s3: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="s3://bucket/data is a folder"):
        receive("s3://bucket/data", tmp_path / "part")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1:9/words.bin", "s3://bucket/words.bin"])
def test_a_server_that_does_not_answer_may_do_so_in_a_moment(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(UnreachableError) as caught:
        receive(address, tmp_path / "part")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "driver", "module"),
    [
        ("s3://b/k", f"s3fs=={fsspec.__version__}", "s3fs"),
        ("gs://b/k", f"gcsfs=={fsspec.__version__}", "gcsfs"),
        ("az://b/k", "adlfs", "adlfs"),
        ("sftp://h/k", "paramiko", "paramiko"),
    ],
)
def test_a_missing_driver_is_named_with_how_to_get_it(
    address: str, driver: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("s3", "gs", "az", "sftp"):
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, name, raising=False)
    with pytest.raises(SourceError, match=f"{address} needs the Python package") as caught:
        receive(address, tmp_path / "part")
    assert caught.value.hint == f".venv/bin/python -m pip install {driver}"
