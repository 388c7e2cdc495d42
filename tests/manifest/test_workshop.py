"""What a profile chooses, and what repos say about themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from builder.errors import ManifestError
from builder.manifest import FILES, merge_repo
from builder.manifest.repo import Repo
from builder.manifest.repo_workshop import unused_files

TEXT = """\
packages: {python: [numpy>=2]}
repos:
  zebra: {path: z, data: {d: set-b, e: set-a}}
  apple: {path: a, data: {d: set-a}}
  plain: {npm: convnetjs}
profiles:
  default: {}
  small: {with: [plain, apple], budget: 500 MB, outputs: [ova]}
  bare: {without: [zebra, apple], private: true}
"""


@pytest.fixture
def workshop(desk: Any) -> Any:
    for name in ("set-a", "set-b", "set-c"):
        desk.card(name)
    return desk.load(TEXT)


def test_the_default_profile_takes_everything_in_order_of_name(workshop: Any) -> None:
    choice = workshop.choose()
    assert choice.profile == "default" and choice.budget is None and not choice.private
    assert list(choice.repos) == ["apple", "plain", "zebra"]
    assert list(choice.datasets) == ["set-a", "set-b"]
    assert choice.outputs == ("oci", "docker", "ova")


def test_only_what_the_chosen_repos_link_to_is_chosen(workshop: Any) -> None:
    choice = workshop.choose("small")
    assert list(choice.repos) == ["apple", "plain"] and list(choice.datasets) == ["set-a"]
    assert choice.budget == 500_000_000 and choice.outputs == ("ova",)
    bare = workshop.choose("bare")
    assert list(bare.repos) == ["plain"] and not bare.datasets and bare.private


def test_a_choice_cannot_be_changed(workshop: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        workshop.choose().profile = "other"


def test_an_unknown_profile_names_the_nearest(workshop: Any) -> None:
    with pytest.raises(ManifestError, match="there is no profile 'smal'; did you mean 'small'") as caught:
        workshop.choose("smal")
    assert caught.value.hint == "use --profile with one of: bare, default, small"


def test_the_only_profile_needs_no_name_and_of_two_one_must_be_named(desk: Any) -> None:
    assert desk.load("profiles: {usb: {outputs: [ova]}}\n").choose().profile == "usb"
    with pytest.raises(ManifestError, match="there is no profile 'default'"):
        desk.load("profiles: {usb: {}, ci: {}}\n").choose()


def test_the_inputs_of_a_repo_are_what_decides_its_bytes(desk: Any) -> None:
    plain = Repo(git="https://example.org/x.git", ref="v1")
    shown = Repo(
        git="https://example.org/x.git",
        ref="v1",
        title="T",
        description="D",
        private=True,
        data={"d": "a"},
        pages=("*",),
    )
    assert plain.inputs() == {"git": "https://example.org/x.git", "ref": "v1"} == shown.inputs()
    assert Repo(path="x").inputs() == {"path": "x"}
    assert Repo(npm="x", version="1.0").inputs() == {"npm": "x", "version": "1.0"}


def test_a_repo_s_own_files_are_adopted_under_the_manifest_s(workshop: Any) -> None:
    adopted = workshop.adopt(
        {
            "plain": {"workshop.yaml": b"data: {own: set-c}\npackages: {npm: [reveal.js]}\n"},
            "apple": {
                "requirements.txt": b"# needs\nNumPy==1.0\npandas>=2  # frames\n\n",
                "apt.txt": b"graphviz\n",
                "workshop.yaml": b"data: {d: set-b, f: set-b}\n",
            },
        }
    )
    choice = adopted.choose("small")
    assert choice.repos["apple"].data == {"d": "set-a", "f": "set-b"}
    assert choice.repos["plain"].data == {"own": "set-c"}
    assert list(choice.datasets) == ["set-a", "set-b", "set-c"]
    assert choice.packages.python == ("numpy>=2", "pandas>=2")
    assert choice.packages.system == ("graphviz",) and choice.packages.npm == ("reveal.js",)
    assert workshop.choose("small").packages.python == ("numpy>=2",)


def test_packages_of_repos_that_are_not_chosen_are_left_out(workshop: Any) -> None:
    adopted = workshop.adopt({"zebra": {"apt.txt": b"graphviz\n"}})
    assert adopted.choose("small").packages.system == ()
    assert adopted.choose("default").packages.system == ("graphviz",)


def test_a_dataset_that_a_repo_s_own_file_names_must_have_a_card(workshop: Any) -> None:
    with pytest.raises(ManifestError, match=r"plain: data\.own: there is no card datasets/set-d\.yaml; did you mean"):
        workshop.adopt({"plain": {"workshop.yaml": b"data: {own: set-d}\n"}})


def test_a_data_link_of_the_manifest_replaces_the_repo_s_own_in_and_around_it() -> None:
    repo = Repo(path="x", data={"data/mnist": "set-a"})
    for own in (b"data/mnist", b"data/mnist/x", b"data"):
        links, _ = merge_repo(repo, {"workshop.yaml": b"data: {%s: set-b, free: set-d}\n" % own})
        assert links == {"data/mnist": "set-a", "free": "set-d"}


def test_a_binder_folder_is_taken_instead_of_the_root() -> None:
    files = {"requirements.txt": b"numpy\n", "binder/apt.txt": b"git\n", "workshop.yaml": b"data: {d: set-a}\n"}
    links, packages = merge_repo(Repo(path="x"), files)
    assert packages.python == () and packages.system == ("git",) and links == {"d": "set-a"}


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("requirements.txt", b"numpy\n-r more.txt\n", "digits: requirements.txt:2: '-r more.txt' is an option of pip"),
        ("requirements.txt", b"--index-url=https://x/\n", "digits: requirements.txt:1: '--index-url=https://x/' is an"),
        (
            "requirements.txt",
            b"a @ https://x/a.whl\n",
            "digits: requirements.txt:1: 'a @ https://x/a.whl' names an address",
        ),
        ("requirements.txt", b"./local\n", "digits: requirements.txt:1: './local' is no Python requirement"),
        ("binder/requirements.txt", b"\xff\xfe\n", "digits: binder/requirements.txt:1: "),
        ("apt.txt", b"git\n\ngit; rm\n", "digits: apt.txt:3: 'git; rm' is no name of a system package"),
        ("workshop.yaml", b"dta: {}\n", "digits: workshop.yaml:1: dta: is not a key here; did you mean 'data'?"),
        (
            "workshop.yaml",
            b"data: {a: x, a/b: y}\n",
            "digits: workshop.yaml:1: data.a/b: lies inside the data link 'a'",
        ),
        (".binder/workshop.yaml", b"data: {../a: x}\n", "digits: .binder/workshop.yaml:1: data.../a: '../a' must be"),
        ("workshop.yaml", b"", "digits: workshop.yaml:1: the file is empty"),
    ],
)
def test_a_mistake_in_a_repo_s_own_file_is_told_with_its_line(file: str, text: bytes, told: str) -> None:
    with pytest.raises(ManifestError) as caught:
        merge_repo(Repo(path="x"), {file: text}, "digits")
    assert caught.value.message.startswith(told)


def test_every_mistake_of_a_repo_s_own_files_is_told_at_once() -> None:
    files = {"binder/requirements.txt": b"-e .\n-r x\n", ".binder/apt.txt": b"", "workshop.yaml": b"x: 1\n"}
    with pytest.raises(ManifestError) as caught:
        merge_repo(Repo(path="x"), files)
    assert ".binder: stands beside binder" in caught.value.message
    assert "workshop.yaml:1: x:" in caught.value.message


@pytest.mark.parametrize("folder", ["", "binder/", ".binder/"])
def test_a_repo_s_file_that_is_not_used_is_named_with_what_to_do_instead(folder: str) -> None:
    paths = [f"{folder}postBuild", f"{folder}environment.yml", "docs/postBuild", "docs/environment.yml"]
    script, conda = unused_files(paths, "digits")
    assert script.startswith(f"digits: {folder}postBuild is not run; declare packages in workshop.yaml")
    assert conda.startswith(f"digits: {folder}environment.yml is not read; declare its packages in requirements.txt")


def test_files_that_are_used_are_not_warned_of() -> None:
    assert list(unused_files(FILES, "digits")) == []
