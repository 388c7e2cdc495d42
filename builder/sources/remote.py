"""Files at addresses other than http and https: ftp, and the object stores, read by fsspec and its drivers.

Credentials come from the environment or the driver's own settings (`~/.aws`, `AWS_ENDPOINT_URL`, `~/.netrc` for ftp),
never from an address. A bucket that is open to everyone is read without any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec  # type: ignore[import-untyped]  # it has no types

from builder.errors import SourceError
from builder.manifest.fields import REMOTE_SCHEMES
from builder.sources.login import known_login
from builder.sources.source import ONLINE, UnreachableError, redacted, shown

SCHEMES = frozenset(REMOTE_SCHEMES)
_PIECE = 8 << 20
_SILENCE = 60
_DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
_DRIVERS |= {"sftp": "paramiko"}
_ANONYMOUS: dict[str, dict[str, Any]] = {"s3": {"anon": True}, "gs": {"token": "anon"}, "gcs": {"token": "anon"}}
_NO_CREDENTIALS = ("NoCredentialsError", "DefaultCredentialsError", "PartialCredentialsError")
_REFUSED = ("AuthenticationException", "error_perm", "ParamValidationError", "InvalidBucketName", *_NO_CREDENTIALS)
_RAISED = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("ftplib", "Error"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
    ("paramiko.ssh_exception", "SSHException"),
)
"""What drivers let through besides OSError."""


def receive(address: str, part: Path, arrived: Callable[[int], None] = ONLINE.arrived) -> None:
    """Append to `part` what it lacks of the file at an address; `arrived` is told of each piece.

    Raises UnreachableError for what may pass, SourceError for what will not: no such file, no right to read it, no
    driver for such an address.
    """
    with _named(address):
        files, path, size = _found(address)
    with part.open("ab") as target:
        if target.tell() > size:
            target.truncate(0)
            target.seek(0)
        while (have := target.tell()) < size:
            with _named(address):
                piece = files.cat_file(path, start=have, end=min(have + _PIECE, size))
            if not piece:
                raise UnreachableError(f"{shown(address)} ended before its {size} bytes", hint=_AGAIN)
            target.write(piece)
            arrived(len(piece))


def size_of(address: str) -> int:
    """How many bytes the file at an address has."""
    with _named(address):
        return _found(address)[2]


def driver_hint(scheme: str) -> str:
    """How to install what reads such addresses; drivers that are released with fsspec go with its version."""
    driver = _DRIVERS.get(scheme, "its driver")
    exact = f"{driver}=={fsspec.__version__}" if driver in ("s3fs", "gcsfs") else driver
    return f".venv/bin/python -m pip install {exact}"


def failures() -> tuple[type[BaseException], ...]:
    """What the drivers in use raise when something outside is not as it should be."""
    loaded = (getattr(sys.modules[module], name) for module, name in _RAISED if module in sys.modules)
    return (OSError, EOFError, *loaded)


def _found(address: str) -> tuple[Any, str, int]:
    """The file system of an address, the path in it, and the file's size."""
    settings = _settings(address)
    try:
        return _looked_up(address, settings)
    except failures() as error:
        anonymous = _ANONYMOUS.get(address.partition("://")[0])
        if type(error).__name__ not in _NO_CREDENTIALS or anonymous is None:
            raise
        return _looked_up(address, {**settings, **anonymous})


def _looked_up(address: str, settings: Mapping[str, Any]) -> tuple[Any, str, int]:
    scheme, name = address.partition("://")[0], shown(address)
    try:
        files, path = fsspec.url_to_fs(address, use_listings_cache=False, skip_instance_cache=True, **settings)
    except ImportError as error:
        driver = _DRIVERS.get(scheme, "a driver")
        raise SourceError(
            f"{name} needs the Python package {driver}, which is not installed", hint=driver_hint(scheme)
        ) from error
    except ValueError as error:
        raise SourceError(f"{name} is no address: {said(error)}", hint=_ADDRESS) from error
    found = files.info(path)
    if found["type"] != "file":
        raise SourceError(f"{name} is a folder, no file", hint=_ADDRESS)
    return files, str(path), int(found["size"])


def _settings(address: str) -> dict[str, Any]:
    """What the driver is told; nothing secret but what the user's netrc says."""
    parts = urlsplit(address)
    if parts.scheme not in ("ftp", "sftp"):
        return {}
    login = known_login(parts.hostname or "")
    settings: dict[str, Any] = {} if login is None else {"username": login[0], "password": login[1]}
    return {**settings, "timeout": _SILENCE}


@contextmanager
def _named(address: str) -> Iterator[None]:
    name = shown(address)
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{name} is not there", hint=_ADDRESS) from error
    except failures() as error:
        reason = said(error)
        if isinstance(error, PermissionError) or type(error).__name__ in _REFUSED:
            raise SourceError(f"{name} may not be read: {reason}", hint=_RIGHTS) from error
        raise UnreachableError(f"{name} cannot be reached: {reason}", hint=_AGAIN) from error


def said(error: BaseException) -> str:
    """What a driver says, in one line and without a credential."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return redacted(" ".join(str(text).split()))[:300]


_ADDRESS = "correct the url in the card"
_RIGHTS = "look at the credentials in the environment or the driver's settings, and whether they may read it"
_AGAIN = "look at the network, then run again; what has arrived is kept"
