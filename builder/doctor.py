"""Whether this machine can build a workshop: facts about programs, engines, Python, the store's disk, and rights."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EngineError
from builder.programs import APPLIANCE, APT, BOOTSTRAP, BUILDAH, GIT, NPM, REGISTRY, ROOTLESS, Program, is_root, needed
from builder.provision import ensure, line, plan
from builder.run import find, run
from builder.system.base import is_local
from builder.system.docker import docker_client

if TYPE_CHECKING:
    from builder.manifest.workshop import Choice

ROOM = 8 * 10**9
"""Bytes free on the store's disk below which a build of the default workshop may not end."""

OK, MISSING, ABSENT = "ok", "missing", "not here"
"""A fact is well, or stands in the way of a build, or would only make it faster or be useful."""


@dataclass(frozen=True)
class Fact:
    """One thing looked at: its name and state, what it is for, what was found, and how to get it when it was not."""

    name: str
    state: str
    purpose: str
    found: str = ""
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Wish:
    """What a workshop's chosen outputs and sources ask of the machine, in plain words; by default, all of it."""

    outputs: frozenset[str] = frozenset({"oci", "docker", "ova"})
    kinds: frozenset[str] = frozenset({"git", "npm", "debian"})
    bootstraps: bool = True
    engine: str = "auto"
    pulls: bool = True


def wish_of(choice: Choice, engine: str = "auto") -> Wish:
    """What a profile's choice asks of the machine."""
    kinds = {repo.kind for repo in choice.repos.values()}
    kinds |= {spec.kind for card in choice.datasets.values() for spec in card.files}
    base = choice.manifest.base
    pulls = base.image is not None and not is_local(base.image)
    return Wish(frozenset(choice.outputs), frozenset(kinds), base.debian is not None, engine, pulls)


def require(choice: Choice, engine: str, *, yes: bool, tell: Callable[[str], None]) -> None:
    """Have what building this choice needs of the machine, before anything is begun.

    Raise MissingProgramError naming the one command, or EngineError when a user without root has no ids for an image.
    """
    needs = needs_of(wish_of(choice, engine), has_docker=_prefers_docker())
    ensure(needs, yes=yes, tell=tell)
    lacking = [fact for fact in _ranges() if fact.state == MISSING] if ROOTLESS in needs else []
    if lacking:
        raise EngineError(
            f"{getpass.getuser()} cannot build without root: no line in {' and '.join(fact.name for fact in lacking)}",
            hint=" && ".join(fact.remedy for fact in lacking),
        )


def needs_of(wish: Wish, *, has_docker: bool) -> frozenset[str]:
    """The needs (`builder.programs`) of a build: what must be installed before it starts."""
    needs = set()
    if wish.outputs & {"oci", "docker", "ova"}:
        buildah = wish.engine == "buildah" or (wish.engine == "auto" and not has_docker)
        needs |= ({BUILDAH} if buildah else set()) | ({BOOTSTRAP} if wish.bootstraps else set())
        needs |= {REGISTRY} if wish.pulls else set()
    if "ova" in wish.outputs:
        needs.add(APPLIANCE)
    if not is_root() and needs & {BUILDAH, BOOTSTRAP}:
        needs.add(ROOTLESS)
    needs |= {need for kind, need in (("git", GIT), ("npm", NPM), ("debian", APT)) if kind in wish.kinds}
    return frozenset(needs)


def examine(wish: Wish, store: Path) -> tuple[Fact, ...]:
    """Look at the machine, in the order of the table."""
    programs = needed(needs_of(wish, has_docker=_prefers_docker()))
    facts = [_python(), *(_program(program) for program in programs), *_engines(wish.engine), _store(store)]
    if not is_root():
        facts += _rights()
    return (*facts, _kvm(), _virtualbox())


def remedies(facts: Iterable[Fact]) -> tuple[str, ...]:
    """The commands that would make a machine with these facts able, each once."""
    wanted = {fact.name for fact in facts if fact.state == MISSING}
    programs = [program for program in needed(_every_need()) if program.name in wanted]
    commands = [line(plan(programs))] if programs and plan(programs) else []
    # An engine that is missing as a program is not also told to be missing as an engine.
    told = {program.name for program in programs} | ({"engine"} if "buildah" in wanted else set())
    others = [fact.remedy for fact in facts if fact.state == MISSING and fact.name not in told]
    return (*commands, *dict.fromkeys(others))


def _every_need() -> tuple[str, ...]:
    return (GIT, NPM, APT, BUILDAH, BOOTSTRAP, REGISTRY, ROOTLESS, APPLIANCE)


def _python() -> Fact:
    return Fact("Python", OK, "the command itself", f"{platform.python_version()}")


def _program(program: Program) -> Fact:
    if path := program.found():
        return Fact(program.name, OK, program.purpose, path)
    commands = plan([program])
    return Fact(program.name, MISSING, program.purpose, "", line(commands[-1:]) if commands else "your package manager")


def _prefers_docker() -> bool:
    """Whether `auto` would choose Docker, as `builder.system.choose` does."""
    return not find("buildah") and docker_client() is not None


def _engines(engine: str) -> list[Fact]:
    buildah = run(["buildah", "--version"], check=False).stdout.strip() if find("buildah") else None
    docker = _docker_version()
    chosen = engine if engine != "auto" else "buildah" if buildah or not docker else "docker"
    versions = {"buildah": buildah, "docker": docker}
    facts = [
        Fact(f"{name} engine", OK if version else ABSENT, "builds the system", version or "")
        for name, version in versions.items()
    ]
    able = versions.get(chosen) is not None
    remedy = "start dockerd" if chosen == "docker" else "install buildah"
    return [
        *facts,
        Fact("engine", OK if able else MISSING, f"{engine} chooses {chosen}", chosen, "" if able else remedy),
    ]


def _docker_version() -> str | None:
    """The client that can build and the engine it reaches, or None."""
    client = docker_client()
    if client is None:
        return None
    done = run([client, "version", "--format", "{{.Server.Version}}"], check=False)
    return f"docker {done.stdout.strip()} ({client})"


def _store(store: Path) -> Fact:
    place = next(folder for folder in (store.absolute(), *store.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    found = f"{store} ({free / 1e9:.1f} GB free)"
    if not os.access(place, os.W_OK):
        return Fact("store", MISSING, "everything fetched and made", found, "choose another folder with --store DIR")
    state = OK if free >= ROOM else MISSING
    return Fact(
        "store", state, "everything fetched and made", found, "" if state == OK else "free some space, or --store DIR"
    )


def _ranges() -> list[Fact]:
    """Whether the user has ids to own the files of an image with."""
    user, facts = getpass.getuser(), []
    for file, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        rows = Path(file).read_text().split() if Path(file).exists() else []
        known = any(row.split(":")[0] in (user, str(os.getuid())) for row in rows)
        remedy = "" if known else f"sudo usermod {option} 100000-165535 {user}"
        facts.append(Fact(file, OK if known else MISSING, "owners in an image built without root", "", remedy))
    return facts


def _rights() -> list[Fact]:
    works = run(["unshare", "--user", "true"], check=False).code == 0
    remedy = "" if works else "sudo sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000"
    return [*_ranges(), Fact("user namespaces", OK if works else MISSING, "building without root", "", remedy)]


def _kvm() -> Fact:
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    return Fact("KVM", OK if usable else ABSENT, "faster test boots; not needed", "/dev/kvm" if usable else "")


def _virtualbox() -> Fact:
    path = find("VBoxManage")
    return Fact("VirtualBox", OK if path else ABSENT, "trying an appliance here; not needed", path or "")
