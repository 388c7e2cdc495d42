"""The manifest: what it takes, and how each mistake is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from builder.digest import Digest
from builder.errors import ManifestError
from builder.manifest import load

HEX = "a" * 64
FULL = f"""\
workshop: deep-learning-101
title: Deep learning, hands on
version: "2026.11"
description: |
  Two lines
  of text.
help: [Raise your hand., "https://example.org/"]
base: {{image: "oci:base/layout:latest"}}
packages:
  system: [git, graphviz, "libc6:i386", "bash=5.2.15-2+b7", g++]
  python: [jupyterlab, "numpy>=1.26,<3", "scikit-learn [extra] ~= 1.5", "tomli; python_version < '3.11'"]
  npm: [reveal.js, "@scope/name@^1.2.3"]
services:
  jupyter: {{port: 9000}}
  ssh: {{port: 2200, authorized_keys: ["ssh-ed25519 {"A" * 68} me@here"]}}
appliance: {{cpus: 4, memory: 3 GiB, room: 500 MB}}
repos:
  digits: {{path: examples/digits, data: {{data/mnist: set-a, other: set-b}}, pages: ["*.html"]}}
  transfer: {{git: "https://example.org/transfer.git", ref: v1.2, title: T, description: D}}
  scp: {{git: "git@example.org:a/b.git", ref: feature/x}}
  bundle: {{git: bundles/x.bundle}}
  here: {{archive: archives/x.tar.gz}}
  fetched: {{archive: "https://example.org/x.zip", sha256: "sha256:{HEX}"}}
  convnetjs: {{npm: convnetjs, version: "0.3.0"}}
  scoped: {{npm: "@scope/name"}}
  wheel: {{pypi: vega_datasets}}
  trainer: {{git: "ssh://git@example.org:2222/trainer.git", private: true}}
profiles:
  default: {{without: [trainer]}}
  usb-4gb: {{with: [digits], budget: 4 GB, outputs: [ova]}}
  inside: {{private: true, outputs: [docker]}}
"""


def test_a_manifest_with_every_key_loads(desk: Any) -> None:
    desk.card("set-a")
    desk.card("set-b")
    manifest = desk.load(FULL, head="").manifest
    assert manifest.workshop == "deep-learning-101"
    assert manifest.description == "Two lines\nof text.\n"
    assert manifest.services.ssh is not None and manifest.services.ssh.port == 2200
    assert manifest.appliance.memory == 3 * 2**30 and manifest.appliance.room == 500_000_000
    assert manifest.repos["fetched"].sha256 == Digest(HEX)
    assert manifest.repos["trainer"].private
    assert manifest.profiles["usb-4gb"].budget == 4_000_000_000
    assert [repo.kind for repo in manifest.repos.values()] == [
        "path", "git", "git", "git", "archive", "archive", "npm", "npm", "pypi", "git",
    ]  # fmt: skip


def test_what_is_left_out_has_defaults(desk: Any) -> None:
    manifest = desk.load("").manifest
    assert manifest.title == "demo" and manifest.version == "0"
    assert manifest.services.jupyter is not None and manifest.services.jupyter.port == 8080
    assert manifest.services.ssh is None
    assert (manifest.appliance.cpus, manifest.appliance.memory, manifest.appliance.room) == (2, 2 * 10**9, 4 * 10**9)
    assert list(manifest.profiles) == ["default"]
    assert manifest.profiles["default"].outputs == ("oci", "docker", "ova")


def test_empty_services_mean_none(desk: Any) -> None:
    services = desk.load("services: {}\n").manifest.services
    assert services.jupyter is None and services.ssh is None


def test_a_loaded_manifest_cannot_be_changed(desk: Any) -> None:
    manifest = desk.load("").manifest
    with pytest.raises(ValidationError):
        manifest.workshop = "other"


def test_a_missing_manifest_points_to_init(tmp_path: Any) -> None:
    with pytest.raises(ManifestError, match=r"there is no manifest\.yaml here") as caught:
        load(tmp_path / "manifest.yaml")
    assert caught.value.hint == "python3 build.py init"


def test_an_empty_manifest_points_to_init(desk: Any) -> None:
    with pytest.raises(ManifestError, match="the file is empty") as caught:
        desk.load("# nothing yet\n", head="")
    assert caught.value.hint == "python3 build.py init"


def test_a_folder_in_the_manifest_s_place_is_told(tmp_path: Any) -> None:
    (tmp_path / "manifest.yaml").mkdir()
    with pytest.raises(ManifestError, match="cannot be read"):
        load(tmp_path / "manifest.yaml")


def test_every_mistake_of_every_file_is_told_in_one_run(desk: Any) -> None:
    desk.card("set-a", "titel: A\nlicence: MIT\nfiles: []\n")
    lines = desk.told(
        "version: 3.10\nrepos:\n  a: {path: /abs, data: {x: set-a, y: set-q}}\n  b: {gti: x}\n  a: {path: b}\nfoo: 1\n"
    )
    assert [line.split(": ")[:2] for line in lines] == [
        ["manifest.yaml:3", "version"],
        ["manifest.yaml:5", "repos.a.path"],
        ["manifest.yaml:5", "repos.a.data.y"],
        ["manifest.yaml:6", "repos.b.gti"],
        ["manifest.yaml:6", "repos.b"],
        ["manifest.yaml:7", "repos.a"],
        ["manifest.yaml:8", "foo"],
        ["datasets/set-a.yaml:1", "titel"],
        ["datasets/set-a.yaml:1", "title"],
        ["datasets/set-a.yaml:3", "files"],
    ]


MISTAKES = {
    # Keys and types
    "titel: x": "manifest.yaml:3: titel: is not a key here; did you mean 'title'?",
    "version: 3.10": 'version: 3.10 is read as a number; put it in quotes: "3.10"',
    "version: no": 'version: no is read as true or false; put it in quotes: "no"',
    "version: 2026-11-01": 'version: 2026-11-01 is read as a date; put it in quotes: "2026-11-01"',
    "version: [1]": "version: must be one text, not a list or keys with values",
    "title:": "title: has no value; give it one, or leave the key out",
    'title: " "': "title: ' ' must be one line of text",
    "help: Ask us.": "help: must be a list",
    "repos: [a]": "repos: must be keys with values",
    "packages: git": "packages: must be keys with values",
    # Base
    "base: {}": "base: has no source; give one of debian, image",
    "base: {debian: bookworm, image: x}": "base.image: stands beside debian; give only one of debian, image",
    'base: {fedora: "42"}': "base.fedora: comes with a later release; use debian or image",
    "base: {rpm: {baseurl: x}}": "base.rpm: comes with a later release; use debian or image",
    "base: {image: 'a b'}": "base.image: 'a b' is no image",
    "base: {image: 'oci:/abs'}": "base.image: 'oci:/abs' is no image",
    "base: {debian: -x}": "base.debian: '-x' is no name of a Debian release",
    # Packages
    "packages: {system: ['a b']}": "packages.system[0]: 'a b' is no name of a system package",
    "packages: {system: [-y]}": "packages.system[0]: '-y' is no name of a system package",
    "packages: {system: [a;b]}": "packages.system[0]: 'a;b' is no name",
    "packages: {system: [$(x)]}": "packages.system[0]: '$(x)' is no name",
    "packages: {python: ['--index-url=x']}": "packages.python[0]: '--index-url=x' is an option of pip",
    "packages: {python: ['a && b']}": "packages.python[0]: 'a && b' is no Python requirement",
    "packages: {python: ['a`b`']}": "packages.python[0]: 'a`b`' is no Python requirement",
    'packages: {python: ["a\\nb"]}': "packages.python[0]: 'a\\nb' is no Python requirement",
    "packages: {python: ['a @ https://example.org/a.whl']}": "'a @ https://example.org/a.whl' names an address",
    "packages: {npm: ['a | b']}": "packages.npm[0]: 'a | b' is no npm package",
    "packages: {npm: [-g]}": "packages.npm[0]: '-g' is no npm package",
    # Services and appliance
    "services: {jupyter: {port: 80}}": "services.jupyter.port: 80 is not possible here; it must be greater",
    "services: {jupyter: {port: 70000}}": "services.jupyter.port: 70000 is not possible here",
    'services: {jupyter: {port: "8080"}}': "services.jupyter.port: must be a whole number, without quotes",
    "services: {jupyter: {port: yes}}": "services.jupyter.port: must be a whole number",
    "services: {jupiter: {}}": "services.jupiter: is not a key here; did you mean 'jupyter'?",
    "services: {ssh: {}}": "services.ssh.authorized_keys: is missing",
    "services: {ssh: {authorized_keys: []}}": "services.ssh.authorized_keys: must not be empty",
    "services: {ssh: {authorized_keys: [hello]}}": "services.ssh.authorized_keys[0]: 'hello' is no public ssh key",
    "services: {jupyter: {}, ssh: {port: 8080}}": "services.ssh.port: is 8080, as jupyter's; ports must differ",
    "appliance: {memory: 2}": "appliance.memory: 2 is no size; write it like 4 GB or 500 MB",
    "appliance: {memory: 2 XB}": "appliance.memory: '2 XB' is no size",
    "appliance: {memory: 100 MB}": "appliance.memory: must be at least 512 MB",
    "appliance: {cpus: 0}": "appliance.cpus: 0 is not possible here",
    # Repos
    "repos: {Digits: {path: x}}": "repos.Digits: 'Digits' must be small letters",
    "repos: {a/b: {path: x}}": "repos.a/b: 'a/b' must be small letters",
    "repos: {a: {}}": "repos.a: has no source; give one of path, git, archive, pypi, npm",
    "repos: {a: {path: x, git: y}}": "repos.a.git: stands beside path; give only one of",
    "repos: {a: {path: /x}}": "repos.a.path: '/x' must be a path relative to the manifest's folder",
    "repos: {a: {path: x, ref: v1}}": "repos.a.ref: goes with git, not with path",
    "repos: {a: {git: x, version: v1}}": "repos.a.version: goes with pypi or npm, not with git",
    "repos: {a: {git: x, ref: 1234567}}": 'repos.a.ref: 1234567 is read as a number; put it in quotes: "1234567"',
    "repos: {a: {git: x, ref: 0123456}}": 'repos.a.ref: 0123456 is read as a number; put it in quotes: "0123456"',
    "repos: {a: {git: x, ref: --upload-pack=x}}": "repos.a.ref: '--upload-pack=x' is no branch, tag or commit",
    "repos: {a: {git: x, ref: a..b}}": "repos.a.ref: 'a..b' is no branch",
    "repos: {a: {git: 'ext::sh -c x'}}": "repos.a.git: 'ext::sh -c x' is no address of a git repository",
    "repos: {a: {git: --x}}": "repos.a.git: '--x' is no address",
    "repos: {a: {git: 'ftp://x/y'}}": "repos.a.git: 'ftp://x/y' must start with https://, ssh:// or file://",
    "repos: {a: {git: 'https://x:99999/y'}}": "repos.a.git: 'https://x:99999/y' is no address",
    "repos: {a: {archive: 'https://x/y.zip'}}": "repos.a.sha256: is missing: what is fetched needs its digest",
    "repos: {a: {archive: y.zip, sha256: abc}}": "repos.a.sha256: 'abc' is no sha256 digest: that is 64 hex digits",
    f"repos: {{a: {{archive: y.zip, sha256: {'1' * 64}}}}}": "is read as something else than text; put the",
    "repos: {a: {pypi: 'a b'}}": "repos.a.pypi: 'a b' is no name of a Python package",
    "repos: {a: {npm: A/b}}": "repos.a.npm: 'A/b' is no name of an npm package",
    "repos: {a: {npm: a, version: ^1}}": "repos.a.version: '^1' is no exact version",
    'repos: {a: {path: x, private: "yes"}}': "repos.a.private: must be true or false",
    "repos: {a: {path: x, pages: [../x]}}": "repos.a.pages[0]: '../x' must be a path inside its folder",
    "repos: {a: {path: x}, a: {path: y}}": "repos.a: stands twice; first in line 3",
    # Data links
    "repos: {a: {path: x, data: {../d: set-a}}}": "repos.a.data.../d: '../d' must be a path inside its folder",
    "repos: {a: {path: x, data: {/d: set-a}}}": "repos.a.data./d: '/d' must be a path inside its folder",
    "repos: {a: {path: x, data: {d/: set-a}}}": "repos.a.data.d/: 'd/' must be a path inside its folder",
    "repos: {a: {path: x, data: {d: set-a, d/e: set-a}}}": "repos.a.data.d/e: lies inside the data link 'd'",
    "repos: {a: {path: x, data: {d: set-a, d: set-a}}}": "repos.a.data.d: stands twice",
    "repos: {a: {path: x, data: {d: sat-a}}}": "data.d: there is no card datasets/sat-a.yaml; did you mean 'set-a'?",
    "repos: {a: {path: x, data: {d: ../set-a}}}": "repos.a.data.d: '../set-a' must be small letters",
    # Profiles
    "profiles: {}": "profiles: must not be empty",
    "profiles: {p: {outputs: []}}": "profiles.p.outputs: must not be empty",
    "profiles: {p: {outputs: [kit]}}": "profiles.p.outputs[0]: kit comes with a later release; use oci, docker, ova",
    "published: http://example.org/w": "published: 'http://example.org/w' must be the address of a folder that starts "
    "with https://, without ? and #",
    "published: https://example.org/w?x": "starts with https://, without ? and #",
    "profiles: {p: {outputs: [updates]}}": "profiles.p.outputs: has updates, which need published: the address they "
    "will stand at",
    "profiles: {p: {outputs: [iso]}}": "outputs[0]: 'iso' is not possible here; use 'oci', 'docker', 'ova' "
    "or 'updates'",
    "profiles: {p: {outputs: [oci, oci]}}": "profiles.p.outputs[1]: 'oci' stands there twice",
    "profiles: {p: {with: [a], without: [a]}}": "profiles.p.without: stands beside with; give only one of the two",
    "profiles: {p: {budget: 4}}": "profiles.p.budget: 4 is no size; write it like 4 GB or 500 MB",
    "profiles: {p: {packages: {}}}": "profiles.p.packages: is not a key here",
    "profiles: {p: {check: [notebooks]}}": "profiles.p.check: comes with a later release; leave it out",
    "repos: {digits: {path: x}}\nprofiles: {p: {with: [digit]}}": (
        "manifest.yaml:4: profiles.p.with[0]: there is no repo 'digit'; did you mean 'digits'?"
    ),
    "repos: {a: {path: x, private: true}}\nprofiles: {p: {}}": (
        "manifest.yaml:4: profiles.p: holds the private repo 'a'; add private: true to the profile, or without: [a]"
    ),
    "repos: {a: {path: x, private: true}}": "manifest.yaml:3: repos.a.private: needs a profile that may hold it",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_key(text: str, desk: Any) -> None:
    desk.card("set-a")
    head = "workshop: demo\n" + ("\n" if text.startswith("base:") else "base: {debian: bookworm}\n")
    lines = desk.told(f"{text}\n", head=head)
    assert any(MISTAKES[text] in line for line in lines), lines


LONG = {
    "base: {image: %s}": "a." * 3000 + "!",
    "packages: {python: ['%s']}": "a" + " " * 3000 + "!",
    "packages: {system: ['%s']}": "a" * 6000,
    "title: %s": "x" * 6000,
}


@pytest.mark.parametrize("text", LONG)
def test_a_text_without_end_is_refused_soon_and_not_repeated_whole(text: str, desk: Any) -> None:
    head = "workshop: demo\n" + ("\n" if text.startswith("base:") else "base: {debian: bookworm}\n")
    (line,) = desk.told(text % LONG[text], head=head)
    assert len(line) < 300


@pytest.mark.parametrize(
    "image",
    ["debian:bookworm", "a/b/c_d:1.0", "localhost:5000/a/b", "a.b-c/d", f"a/b@sha256:{HEX}", f"x:V1_a@sha256:{HEX}"],
)
def test_an_image_is_named_as_registries_name_it(image: str, desk: Any) -> None:
    assert desk.load(f"base: {{image: '{image}'}}\n", head="workshop: demo\n\n").manifest.base.image == image


@pytest.mark.parametrize("place", ["git", "archive"])
def test_a_password_in_an_address_is_refused_and_not_repeated(place: str, told: Callable[[str], list[str]]) -> None:
    (line,) = [
        line
        for line in told(f"repos: {{a: {{{place}: 'https://me:s3cret@example.org/x.git'}}}}\n")
        if "password" in line
    ]
    assert "s3cret" not in line


def test_a_manifest_that_is_only_a_list_is_told(desk: Any) -> None:
    assert desk.told("- a\n- b\n", head="") == ["manifest.yaml:1: must be keys with values (key: value)"]
