"""The kinds of text a manifest holds: names, paths, addresses, sizes, digests; each says what it wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from builder.digest import Digest
from builder.manifest.strict import wrong

NAME = r"[a-z0-9][a-z0-9._-]{0,99}"
WORKSHOP = r"[a-z0-9][a-z0-9-]{0,62}"
VERSION = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
LONGEST = 5000
"""Letters in one name, address or line; also what keeps a pattern from being matched for minutes."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]i?B|B)")
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "KiB": 2**10, "kiB": 2**10}
_UNITS |= {f"{letter}B": 10 ** (3 * power) for power, letter in enumerate("MGT", 2)}
_UNITS |= {f"{letter}iB": 2 ** (10 * power) for power, letter in enumerate("MGT", 2)}
_GIT_SCHEMES = ("https", "http", "ssh", "file")
REMOTE_SCHEMES = ("ftp", "sftp", "s3", "gs", "gcs", "az", "abfs", "abfss")
"""What a data file may come from beside http and https; fsspec reads them."""


def matching(pattern: str, wanted: str) -> AfterValidator:
    """A check that the whole text matches; `wanted` says what the text must be."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > LONGEST or not compiled.fullmatch(text):
            raise wrong(f"{shortened(text)} {wanted}")
        return text

    return AfterValidator(check)


def shortened(text: str) -> str:
    """A text as it is quoted in a message."""
    return repr(text if len(text) <= 100 else f"{text[:100]}…")


def plain_path(text: str) -> str:
    """A path that stays inside its folder: relative, no `..`, `/` between its parts."""
    parts = text.split("/")
    if "\\" in text or "\n" in text or any(part in ("", ".", "..") for part in parts):
        raise wrong(f"{text!r} must be a path inside its folder: not absolute, no '..', no '//', no '/' at the end")
    return text


def host_path(text: str) -> str:
    """A path from the manifest's folder; an absolute one would be true on one machine only."""
    if text.startswith(("/", "~", "-")) or "\\" in text or "\n" in text or not text:
        raise wrong(f"{text!r} must be a path relative to the manifest's folder")
    return text


def is_web(address: str) -> bool:
    """Whether an address is fetched over http or https, and so needs a digest."""
    return address.startswith(("http://", "https://"))


def web_address(text: str) -> str:
    """An http or https address without a password."""
    _require_address(text)
    if not is_web(text) or not urlsplit(text).hostname:
        raise wrong(f"{text!r} must be an address that starts with https:// or http://")
    return text


def secure_address(text: str) -> str:
    """An https address of a folder: what comes from there is trusted because nobody could change it on the way."""
    web_address(text)
    if not text.startswith("https://") or urlsplit(text).query or urlsplit(text).fragment:
        raise wrong(f"{text!r} must be the address of a folder that starts with https://, without ? and #")
    return text


def data_address(text: str) -> str:
    """An http, https or ftp address, or one of an object store: s3, gs, az, abfs."""
    scheme = text.partition("://")[0]
    if scheme in ("http", "https"):
        return web_address(text)
    if scheme not in REMOTE_SCHEMES:
        known = ", ".join(REMOTE_SCHEMES)
        raise wrong(f"{text!r} must be an address that starts with https:// or http://, or with one of {known}")
    _require_address(text)
    parts = urlsplit(text)
    if parts.username and not scheme.startswith("abfs"):
        raise wrong("the address holds a user name; leave it to the machine's own settings")
    if not parts.path.strip("/"):
        raise wrong(f"{text!r} names no file; write it like {scheme}://place/folder/file")
    return text


def git_address(text: str) -> str:
    """An https, ssh or file URL, user@host:path, or the path of a repository or bundle."""
    if "://" in text:
        _require_address(text)
        if urlsplit(text).scheme not in _GIT_SCHEMES:
            raise wrong(f"{text!r} must start with https://, ssh:// or file://")
        return text
    if text.startswith("-") or "::" in text or "\n" in text or not text:
        raise wrong(f"{text!r} is no address of a git repository")
    return text


def archive_address(text: str) -> str:
    """A web address or a path from the manifest's folder."""
    if "://" in text:
        return web_address(text)
    return host_path(text)


def _require_address(text: str) -> None:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise wrong(f"{text!r} is no address") from None
    if re.search(r"\s", text) or (not parts.netloc and parts.scheme != "file"):
        raise wrong(f"{text!r} is no address")
    if parts.password is not None or (parts.username and is_web(text)):
        # The address itself would show the secret, so it is not repeated.
        raise wrong("the address holds a user name or password; leave it to git's or the machine's own settings")


def size_of(value: Any) -> Any:
    """`"4 GB"` as bytes; decimal units, or GiB, MiB for powers of two."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 30 else None
    if not found:
        raise wrong(f"{value!r} is no size; write it like 4 GB or 500 MB")
    return int(float(found[1]) * _UNITS[found[2]])


def digest_of(value: Any) -> Any:
    """64 hex digits, with or without `sha256:` before them."""
    if isinstance(value, Digest):
        return value
    if not isinstance(value, str):
        raise wrong(f'{value} is read as something else than text; put the digest in quotes: sha256: "…"')
    try:
        return Digest.parse(value)
    except ValueError:
        raise wrong(f"{value!r} is no sha256 digest: that is 64 hex digits, as sha256sum prints them") from None


def addresses_of(value: Any) -> Any:
    """One address, or a list of at least one."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found:
        raise wrong("must be an address, or a list of addresses that have the same file")
    return tuple(data_address(one) if isinstance(one, str) else one for one in found)


def at_least(smallest: int, words: str) -> Callable[[int], int]:
    """A check for sizes."""

    def check(value: int) -> int:
        if value < smallest:
            raise wrong(f"must be at least {words}")
        return value

    return check


Name = Annotated[
    str, matching(NAME, "must be small letters, digits, '.', '_' or '-', and start with a letter or digit")
]
WorkshopName = Annotated[str, matching(WORKSHOP, "must be small letters, digits or '-' (63 at most), no '-' first")]
Version = Annotated[str, matching(VERSION, "must be letters, digits, '.', '_' or '-'")]
Line = Annotated[str, matching(r"[^\n\x85\u2028\u2029]*\S[^\n\x85\u2028\u2029]*", "must be one line of text")]
PlainPath = Annotated[str, AfterValidator(plain_path)]
HostPath = Annotated[str, AfterValidator(host_path)]
WebAddress = Annotated[str, AfterValidator(web_address)]
SecureAddress = Annotated[str, AfterValidator(secure_address)]
Addresses = Annotated[
    tuple[str, ...],
    BeforeValidator(addresses_of),
    PlainSerializer(lambda found: found[0] if len(found) == 1 else list(found)),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1}),
]
GitAddress = Annotated[str, AfterValidator(git_address)]
ArchiveAddress = Annotated[str, AfterValidator(archive_address)]
GitRef = Annotated[
    str, matching(r"(?![-/.])(?!.*(\.\.|@\{|//))[^\s~^:?*\[\\\x7f]*[^\s~^:?*\[\\\x7f/.]", "is no branch, tag or commit")
]
PypiName = Annotated[str, matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "is no name of a Python package")]
NpmName = Annotated[
    str, matching(r"(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][A-Za-z0-9._~-]*", "is no name of an npm package")
]
DebianName = Annotated[str, matching(r"[a-z0-9][a-z0-9+.-]+", "is no name of a Debian package")]
PackageVersion = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9.+!_~:-]*", "is no exact version, like 1.2.0; ranges are for `packages`")
]
Doi = Annotated[str, matching(r"10\.[0-9]{4,9}/[^\s?#\\]+", "is no DOI, like 10.5281/zenodo.1234567")]
HubName = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?", "is no name on the hub, like owner/name")
]
KaggleName = Annotated[str, matching(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+", "is no dataset of Kaggle, like owner/name")]
DriveId = Annotated[
    str, matching(r"[A-Za-z0-9_-]{10,100}", "is no file id of Google Drive: that stands after /d/ or id= in its link")
]
FileName = Annotated[str, matching(r"(?!\.)[^/\\\n\0]+", "must be the name of a file, without a folder")]
Size = Annotated[
    int, BeforeValidator(size_of), WithJsonSchema({"type": "string", "examples": ["4 GB", "500 MB"]}, mode="validation")
]
Md5 = Annotated[str, matching(r"[0-9a-fA-F]{32}", "is no md5 digest: that is 32 hex digits, as md5sum prints them")]
Sha1 = Annotated[str, matching(r"[0-9a-fA-F]{40}", "is no sha1 digest: that is 40 hex digits, as sha1sum prints them")]
Sha256 = Annotated[
    InstanceOf[Digest],
    BeforeValidator(digest_of),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^(sha256:)?[0-9a-fA-F]{64}$"}),
]
