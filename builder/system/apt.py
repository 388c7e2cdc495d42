"""The apt sources of this machine, made to serve a system of any Debian suite.

Formats: sources.list(5), one-line and deb822.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUITE = "@SUITE@"
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_ARCHIVE_KEYS = re.compile(r"/usr/share/keyrings/debian-archive-[\w.-]+\.gpg")


@dataclass(frozen=True)
class AptSource:
    """One archive: where it is, what follows the suite's name ("", "-updates", "-security"), and what to take."""

    uri: str
    suffix: str
    components: tuple[str, ...]
    options: tuple[str, ...]

    def line(self, suite: str) -> str:
        options = f"[{' '.join(self.options)}] " if self.options else ""
        return f"deb {options}{self.uri} {suite}{self.suffix} {' '.join(self.components)}"


def apt_sources(etc: Path) -> tuple[AptSource, ...]:
    """The sources of the machine's own Debian archive, or none when the machine is no Debian.

    Other people's archives are left out: their suites, components or keys are not Debian's.
    """
    release = _os_release(etc / "os-release")
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not codename:
        return ()
    found: dict[AptSource, None] = {}
    for path in (etc / "apt/sources.list", *sorted((etc / "apt/sources.list.d").glob("*"))):
        for uri, suite, components, options in _stanzas(path):
            source = _source(uri, suite, components, options, codename)
            if source is not None:
                found[source] = None
    return tuple(found)


def _source(uri: str, suite: str, components: str, options: dict[str, str], codename: str) -> AptSource | None:
    suffix = suite.removeprefix(codename)
    mine = suite.startswith(codename) and (not suffix or suffix in ("-updates", "-security", "/updates"))
    if not mine or "main" not in components.split() or not uri.startswith(("http://", "https://")):
        return None
    kept = []
    keyring = options.get("signed-by", "")
    if keyring and not _ARCHIVE_KEYS.fullmatch(keyring):
        return None
    if keyring:
        kept.append(f"signed-by={keyring}")
    if options.get("trusted", "no") == "yes":
        kept.append("trusted=yes")
    return AptSource(uri, suffix, tuple(components.split()), tuple(kept))


def _stanzas(path: Path) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    if not path.is_file() or path.suffix not in (".list", ".sources"):
        return
    text = path.read_text(errors="replace")
    if path.suffix == ".list":
        yield from _one_line(text)
    else:
        yield from _deb822(text)


def _one_line(text: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    for line in text.splitlines():
        found = _ONE_LINE.fullmatch(line.split("#", 1)[0].strip())
        if found:
            pairs = [word.partition("=") for word in (found["options"] or "").split()]
            yield found["uri"], found["suite"], found["components"], {key.lower(): value for key, _, value in pairs}


def _deb822(text: str) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(lines)):
        folded = re.sub(r"\n[ \t]+", " ", stanza)
        fields = {
            key.strip().lower(): value.strip() for key, _, value in (one.partition(":") for one in folded.splitlines())
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite, fields.get("components", ""), fields


def _os_release(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
