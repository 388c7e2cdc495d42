"""Git repositories over ssh: a real server, and the ways in which people give ssh their keys."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sshd import SSHD, Sshd, make_key, ssh_served

from builder.errors import MissingProgramError, SourceError
from builder.sources.address import Address
from builder.sources.git import GitSource
from builder.sources.source import Network
from builder.sources.ssh import ssh_refusal
from builder.store.objects import Store

Git = Callable[..., str]

needs_sshd = pytest.mark.skipif(SSHD is None, reason="sshd is not installed")


@pytest.fixture
def sshd(tmp_path: Path, git: Git) -> Iterator[Sshd]:
    with ssh_served(tmp_path / "sshd") as server:
        yield server


def uses(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    """Let ssh read this config; it looks for the user's own in the real home, wherever HOME points."""
    monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh -F {config}")


def source(address: str, store: Store) -> GitSource:
    return GitSource(Address.parse(address, Path("/")), "main", store, Network(2, 0))


def refused(address: str, store: Store) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source(address, store).resolve()
    assert "tried" not in caught.value.message  # asking again would not help
    return caught.value


@needs_sshd
def test_a_repository_is_resolved_and_brought_with_the_key_of_the_user_s_ssh_config(
    sshd: Sshd, repository: Path, git: Git, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses(monkeypatch, sshd.settings("anna", key=sshd.key))
    given = source(sshd.address(repository), store)
    resolved = given.resolve()
    assert resolved == {"commit": git(repository, "rev-parse", "main")}
    assert "lesson/one.ipynb" in given.bring(resolved, store).by_path


@needs_sshd
def test_the_user_s_git_may_say_which_ssh_to_use(sshd: Sshd, repository: Path, store: Store) -> None:
    config = sshd.settings("anna", key=sshd.key)
    Path(os.environ["HOME"], ".gitconfig").write_text(f'[core]\n\tsshCommand = "ssh -F {config}"\n')
    assert source(sshd.address(repository), store).resolve()


@needs_sshd
def test_a_key_that_only_the_agent_holds_is_used(
    sshd: Sshd, repository: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses(monkeypatch, sshd.settings("anna"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    refused(sshd.address(repository), store)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.PIPE, text=True)
    try:
        assert agent.stdout and agent.stdout.readline()  # it says where it listens once it does
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", sshd.key], check=True, capture_output=True)
        assert source(sshd.address(repository), store).resolve()
    finally:
        agent.terminate()
        agent.communicate()


@needs_sshd
def test_an_unknown_host_is_not_trusted_and_the_error_says_how_to_look_at_it(
    sshd: Sshd, repository: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = sshd.settings("anna", known="", key=sshd.key)
    uses(monkeypatch, config)
    error = refused(sshd.address(repository), store)
    assert error.message.startswith("the ssh host key of 127.0.0.1 is not known here")
    assert error.hint.endswith(f"ssh -p {sshd.port} {sshd.user}@127.0.0.1")
    assert config.with_suffix(".known_hosts").read_text() == ""


@needs_sshd
def test_a_host_whose_key_has_changed_is_not_trusted(
    sshd: Sshd, repository: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path / "other")
    other = f"[127.0.0.1]:{sshd.port} {(tmp_path / 'other.pub').read_text()}"
    uses(monkeypatch, sshd.settings("anna", known=other, key=sshd.key))
    error = refused(sshd.address(repository), store)
    assert error.message.startswith("the ssh host key of 127.0.0.1 is another than it was")
    assert error.hint.endswith(f"ssh-keygen -R '[127.0.0.1]:{sshd.port}'")


@needs_sshd
def test_a_key_that_the_host_does_not_take_is_a_clear_error(
    sshd: Sshd, repository: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses(monkeypatch, sshd.settings("anna", key=make_key(tmp_path / "other")))
    error = refused(sshd.address(repository), store)
    assert re.match(r"127\.0\.0\.1 takes none of your ssh keys for ssh://", error.message)
    assert f"ssh -v -p {sshd.port} {sshd.user}@127.0.0.1" in error.hint


@needs_sshd
def test_a_key_with_a_passphrase_is_not_asked_for(
    sshd: Sshd, repository: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", sshd.key], check=True, capture_output=True
    )
    uses(monkeypatch, sshd.settings("anna", key=sshd.key))
    assert "takes none of your ssh keys" in refused(sshd.address(repository), store).message


@needs_sshd
def test_a_submodule_beside_its_repository_comes_over_ssh_as_well(
    sshd: Sshd, repository: Path, git: Git, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = repository.parent / "outer"
    git(outer, "init", "--quiet")
    git(outer, "submodule", "add", "--quiet", "../repository", "parts/inner")
    git(outer, "commit", "--quiet", "--message", "with a submodule")
    uses(monkeypatch, sshd.settings("anna", key=sshd.key))
    given = source(sshd.address(outer), store)
    assert "parts/inner/two.txt" in given.bring(given.resolve(), store).by_path


@needs_sshd
def test_a_repository_that_the_host_has_not_is_no_matter_of_keys(
    sshd: Sshd, repository: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses(monkeypatch, sshd.settings("anna", key=sshd.key))
    assert refused(sshd.address(repository / "none"), store).message.startswith("git cannot read ssh://")


def test_without_ssh_the_error_names_the_package(
    repository: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    Path(os.environ["HOME"], ".gitconfig").write_text("[core]\n\tsshCommand = /nowhere/ssh\n")
    with pytest.raises(MissingProgramError, match="ssh is not installed"):
        source(f"ssh://127.0.0.1:9{repository}", store).resolve()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("git@example.org:a/b.git", "ssh git@example.org"),
        ("ssh://git@example.org/a.git", "ssh git@example.org"),
        ("ssh://example.org:2222/a.git", "ssh -p 2222 example.org"),
    ],
)
def test_the_command_to_try_is_right_for_every_form_of_address(text: str, words: str) -> None:
    error = ssh_refusal("Host key verification failed.", Address.parse(text, Path("/")))
    assert error is not None and error.hint.endswith(f": {words}")
