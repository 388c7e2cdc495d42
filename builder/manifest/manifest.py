"""The manifest, `manifest.yaml`: one workshop, as its organiser wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt

from builder.manifest.fields import Line, Name, SecureAddress, Size, Version, WorkshopName, at_least, matching
from builder.manifest.packages import Packages
from builder.manifest.profile import Profile, private_repos, profile_rules
from builder.manifest.repo import Repo, one_of_schema, source_rules
from builder.manifest.strict import Rule, Strict

BASES = ("debian", "image")
_LATER_BASE = "comes with a later release; use debian or image"
_IMAGE = (
    r"oci:(?![/~-])[^\s:\\]+(:[\w][\w.-]{0,127})?"
    r"|(?!oci:)(?!.*//)[a-z0-9][a-z0-9._:/-]*(:[\w][\w.-]{0,127})?(?<![._:/-])(@sha256:[0-9a-f]{64})?"
)
_KEY = (
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)"
    r" [A-Za-z0-9+/]{40,}={0,3}( [^\n]*)?"
)
Port = Annotated[StrictInt, Field(ge=1024, le=65535)]


class Base(Strict, json_schema_extra=one_of_schema(BASES)):
    """What the system starts from."""

    later = {"fedora": _LATER_BASE, "rpm": _LATER_BASE}  # noqa: RUF012  # a ClassVar of Strict

    debian: Annotated[str, matching(r"[a-z][a-z0-9.-]*", "is no name of a Debian release, like bookworm")] | None = (
        Field(None, description="A Debian release, bootstrapped: bookworm, trixie")
    )
    image: (
        Annotated[str, matching(_IMAGE, "is no image, like debian:bookworm, name@sha256:… or oci:folder:tag")] | None
    ) = Field(None, description="A container image: registry reference, or oci:FOLDER[:TAG] relative to the manifest")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        if not set(raw) & set(cls.later):
            yield from source_rules(raw, BASES, {})


class Jupyter(Strict):
    """JupyterLab, asking for a token."""

    port: Port = Field(8080, description="The port in the browser's address")


class Ssh(Strict):
    """Secure shell into the appliance, by key only."""

    port: Port = Field(2222, description="The port on the attendee's machine")
    authorized_keys: tuple[Annotated[str, matching(_KEY, "is no public ssh key")], ...] = Field(
        min_length=1, description="Public keys that may log in"
    )


class Services(Strict):
    """What answers on a port. Left out: Jupyter on 8080; `{}`: nothing."""

    jupyter: Jupyter | None = Field(None, description="JupyterLab")
    ssh: Ssh | None = Field(None, description="Secure shell; off unless asked for")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        ports = [
            one.get("port", 8080 if name == "jupyter" else 2222) for name, one in raw.items() if isinstance(one, dict)
        ]
        if len(ports) == 2 and ports[0] == ports[1]:
            yield ("ssh", "port"), f"is {ports[0]}, as jupyter's; ports must differ"


class Appliance(Strict):
    """The virtual machine."""

    cpus: Annotated[StrictInt, Field(ge=1, le=32)] = Field(2, description="Processors")
    memory: Annotated[Size, AfterValidator(at_least(512 * 10**6, "512 MB"))] = Field(2 * 10**9, description="Memory")
    room: Size = Field(4 * 10**9, description="Free space for the attendee on the disk")


class Manifest(Strict, title="Workshop manifest"):
    """One workshop: base, packages, services, repos and profiles."""

    workshop: WorkshopName = Field(description="Its name: names files, images and the appliance")
    title: Line = Field(default_factory=lambda data: data.get("workshop", ""), description="What attendees call it")
    version: Version = Field("0", description='Its version, in quotes: "2026.11"')
    description: str = Field("", description="What it is about, for the landing page")
    help: tuple[Line, ...] = Field((), description="Where attendees get help: addresses or sentences")
    published: SecureAddress | None = Field(None, description="Where what the output `updates` makes can be had: https")
    base: Base = Field(description="What the system starts from")
    packages: Packages = Field(Packages(), description="What is installed")
    services: Services = Field(Services(jupyter=Jupyter()), description="What answers on a port")
    appliance: Appliance = Field(Appliance(), description="The virtual machine")
    repos: Mapping[Name, Repo] = Field({}, description="What attendees work on, by name")
    profiles: Mapping[Name, Profile] = Field({"default": Profile()}, min_length=1, description="Choices, by name")

    @classmethod
    def rules(cls, raw: Mapping[str, Any]) -> Iterator[Rule]:
        repos = raw.get("repos")
        repos = repos if isinstance(repos, dict) else {}
        if isinstance(raw.get("profiles"), dict):
            yield from profile_rules(raw["profiles"], repos)
            yield from _updates_rules(raw)
        elif "profiles" not in raw:
            for name in private_repos(repos):
                yield (
                    ("repos", name, "private"),
                    "needs a profile that may hold it: profiles: {default: {private: true}}",
                )


def _updates_rules(raw: Mapping[str, Any]) -> Iterator[Rule]:
    """Without an address nobody who has the workshop would find what is made to be published."""
    for name, profile in raw["profiles"].items():
        outputs = profile.get("outputs") if isinstance(profile, dict) else None
        if isinstance(outputs, list) and "updates" in outputs and not raw.get("published"):
            yield ("profiles", name, "outputs"), "has updates, which need published: the address they will stand at"
