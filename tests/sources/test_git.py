"""Git repositories, real ones made on the spot."""

from __future__ import annotations

import base64
import http.server
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from one_dataset import choice_of, contents, locked, resolved

from builder.digest import Digest
from builder.errors import SourceError
from builder.sources.address import Address
from builder.sources.git import GitSource
from builder.sources.selection import Selection
from builder.sources.source import Network
from builder.store.objects import Store
from builder.store.trees import Tree

Git = Callable[..., str]


def commit(git: Git, folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def source(address: object, store: Store, ref: str | None = None, network: Network | None = None) -> GitSource:
    return GitSource(Address.parse(str(address), Path("/")), ref, store, network or Network(3, 0))


def brought(git_source: GitSource, store: Store) -> Tree:
    return git_source.bring(git_source.resolve(), store)


def test_a_branch_is_resolved_to_its_commit_and_its_files_are_read(repository: Path, git: Git, store: Store) -> None:
    main = source(repository, store, "main")
    assert main.resolve() == {"commit": git(repository, "rev-parse", "main")}
    tree = brought(main, store)
    assert [entry.path for entry in tree.entries] == ["first", "lesson/one.ipynb", "run.sh", "two.txt"]
    assert tree.by_path["first"].target == "lesson/one.ipynb"
    assert tree.by_path["run.sh"].executable and not tree.by_path["two.txt"].executable
    assert tree.missing(store) == []


def test_without_a_ref_the_branch_that_is_checked_out_there_is_taken(repository: Path, git: Git, store: Store) -> None:
    git(repository, "checkout", "--quiet", "-b", "offered", "v1")
    assert source(repository, store).resolve() == {"commit": git(repository, "rev-parse", "v1^{commit}")}


@pytest.mark.parametrize("ref", ["v1", "{commit}", "{short}", "refs/tags/v1"])
def test_tags_and_commits_long_and_short_are_found(repository: Path, git: Git, store: Store, ref: str) -> None:
    commit_id = git(repository, "rev-parse", "v1^{commit}")
    wanted = ref.format(commit=commit_id, short=commit_id[:10])
    assert source(repository, store, wanted).resolve() == {"commit": commit_id}


def test_a_pull_request_is_found_by_its_full_name(repository: Path, git: Git, store: Store) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    head = commit(git, repository, "proposed")
    git(repository, "update-ref", "refs/pull/7/head", head)
    git(repository, "checkout", "--quiet", "main")
    assert source(repository, store, "refs/pull/7/head").resolve() == {"commit": head}


def test_file_addresses_and_bundles_give_the_same_tree_as_the_folder(repository: Path, git: Git, store: Store) -> None:
    bundle = repository.parent / "course.bundle"
    git(repository, "bundle", "create", "--quiet", str(bundle), "--all")
    trees = [brought(source(address, store, "v1"), store) for address in (repository, f"file://{repository}", bundle)]
    assert trees[0] == trees[1] == trees[2]
    assert trees[0].digest == brought(source(repository, Store(repository.parent / "other"), "v1"), store).digest


def test_a_ref_that_is_not_there_names_near_ones(repository: Path, git: Git, store: Store) -> None:
    git(repository, "branch", "workshop-2026")
    with pytest.raises(SourceError, match=r"no branch, tag or commit workshp-2026; there are workshop-2026"):
        source(repository, store, "workshp-2026").resolve()


def test_a_new_commit_is_seen_by_the_next_resolve_and_the_old_one_stays(
    repository: Path, git: Git, store: Store
) -> None:
    main = source(repository, store, "main")
    old = main.resolve()
    (repository / "three.txt").write_text("three")
    new = commit(git, repository, "third")
    assert main.resolve() == {"commit": new}
    git(repository, "reset", "--quiet", "--hard", "v1")  # the branch is rewritten
    assert main.resolve() == {"commit": git(repository, "rev-parse", "v1^{commit}")}
    assert "two.txt" in main.bring(old, store).by_path


def test_a_commit_that_is_gone_there_is_a_clear_error(repository: Path, store: Store) -> None:
    with pytest.raises(SourceError, match="is no longer in") as caught:
        source(repository, store, "main").bring({"commit": "0" * 39 + "1"}, store)
    assert "lock --update" in caught.value.hint


def test_a_pinned_commit_in_the_mirror_needs_no_contact(repository: Path, store: Store) -> None:
    main = source(repository, store, "main")
    pinned = main.resolve()
    shutil.rmtree(repository)
    assert "two.txt" in main.bring(pinned, store).by_path


def test_files_that_gitattributes_keeps_from_archives_are_in_the_tree(repository: Path, git: Git, store: Store) -> None:
    (repository / ".gitattributes").write_text("two.txt export-ignore\n")
    commit(git, repository, "attributes")
    assert {".gitattributes", "two.txt"} <= set(brought(source(repository, store, "main"), store).by_path)


def test_submodules_are_read_at_the_commit_they_are_pinned_to(repository: Path, git: Git, store: Store) -> None:
    inner, outer = repository.parent / "inner", repository.parent / "outer"
    for folder in (inner, outer):
        git(folder, "init", "--quiet")
    git(inner, "submodule", "add", "--quiet", str(repository), "deep")
    commit(git, inner, "with a submodule")
    git(outer, "submodule", "add", "--quiet", "../inner", "parts/inner")
    commit(git, outer, "with a submodule that has one")
    (repository / "later.txt").write_text("not pinned")
    commit(git, repository, "later")
    tree = brought(source(outer, store, "main"), store)
    assert "parts/inner/deep/two.txt" in tree.by_path
    assert "parts/inner/deep/later.txt" not in tree.by_path


def test_a_submodule_of_a_remote_repository_may_not_read_this_machine() -> None:
    with pytest.raises(SourceError, match="a path of this machine"):
        Address.parse("https://example.org/course.git", Path("/")).submodule("/etc")


@pytest.mark.parametrize(
    ("parent", "child", "url"),
    [
        ("https://example.org/a/course.git", "../data.git", "https://example.org/a/data.git"),
        ("https://example.org/a/course.git", "../../b/data.git", "https://example.org/b/data.git"),
        ("git@example.org:a/course.git", "../data.git", "git@example.org:a/data.git"),
        ("ssh://git@example.org/a/course.git", "../data.git", "ssh://git@example.org/a/data.git"),
        ("https://example.org/course.git", "https://example.net/x.git", "https://example.net/x.git"),
    ],
)
def test_a_relative_submodule_stands_beside_its_repository(parent: str, child: str, url: str) -> None:
    assert Address.parse(parent, Path("/")).submodule(child).url == url


@pytest.mark.parametrize("address", ["ext::sh -c touch% /tmp/x", "--upload-pack=x", "ftp://example.org/x", "a b"])
def test_addresses_that_run_programs_or_are_none_are_refused(address: str) -> None:
    with pytest.raises(SourceError):
        Address.parse(address, Path("/"))


def test_hooks_and_filters_of_a_repository_or_its_reader_never_run(repository: Path, git: Git, store: Store) -> None:
    trace = repository.parent / "ran"
    home = Path(os.environ["HOME"])
    hooks = home / "hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {trace}\n")
        (hooks / hook).chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    brought(source(repository, store, "main"), store)
    assert not trace.exists()


def test_a_link_that_leaves_the_repository_is_refused(repository: Path, git: Git, store: Store) -> None:
    (repository / "lesson" / "out").symlink_to("../../../etc/passwd")
    commit(git, repository, "a link out")
    with pytest.raises(SourceError, match="leads out of it"):
        brought(source(repository, store, "main"), store)


def test_an_unreachable_host_is_named_after_retries(store: Store) -> None:
    with pytest.raises(
        SourceError, match=r"127\.0\.0\.1 cannot be reached for http://127\.0\.0\.1:9/course\.git.*3 times"
    ):
        source("http://127.0.0.1:9/course.git", store).resolve()


def test_a_repository_that_is_none_is_a_clear_error(tmp_path: Path, store: Store) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="git cannot read"):
        source(tmp_path / "empty", store).resolve()


def test_offline_a_remote_repository_is_not_contacted(store: Store) -> None:
    with pytest.raises(SourceError, match="--offline"):
        source("http://127.0.0.1:9/course.git", store, network=Network(is_offline=True)).resolve()


def test_what_a_killed_fetch_left_does_not_stop_the_next_one(repository: Path, git: Git, store: Store) -> None:
    main = source(repository, store, "main")
    main.resolve()
    mirror = next(path for path in (store.root / "git").iterdir() if path.is_dir())
    (mirror / "packed-refs.lock").touch()
    (mirror / "refs" / "heads" / "main.lock").touch()
    (mirror / "objects" / "pack" / "tmp_pack_abc").touch()
    (repository / "three.txt").write_text("three")
    new = commit(git, repository, "third")
    assert main.resolve() == {"commit": new}
    assert not list(mirror.rglob("tmp_*"))


class _NeedsPassword(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to who knows the password."""

    seen: list[str | None]

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        self.seen.append(given)
        if given != "Basic " + base64.b64encode(b"alice:s3cret-word").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="course"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()


@pytest.fixture
def guarded(repository: Path, git: Git):  # type: ignore[no-untyped-def]
    """The repository over http with a password; gives (port, what was seen)."""
    bare = repository.parent / "served" / "course.git"
    git(repository.parent, "clone", "--quiet", "--bare", str(repository), str(bare))
    git(bare, "update-server-info")
    seen: list[str | None] = []

    def handler(*args: object) -> _NeedsPassword:
        kind = type("Handler", (_NeedsPassword,), {"seen": seen})
        return kind(*args, directory=str(bare.parent))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port, seen
    server.shutdown()
    server.server_close()


def test_credentials_in_an_address_work_and_are_nowhere_to_be_read(
    guarded: tuple[int, list[str]], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    port, _ = guarded
    with caplog.at_level(logging.DEBUG):
        given = source(f"http://alice:s3cret-word@127.0.0.1:{port}/course.git", store, "main")
        resolved = given.resolve()
        given.bring(resolved, store)
        with pytest.raises(SourceError) as caught:
            source(f"http://alice:s3cret-word@127.0.0.1:{port}/none.git", store, "main").resolve()
    told = caplog.text + str(resolved) + caught.value.message + caught.value.hint + repr(given.address.name)
    assert "s3cret" not in told and "alice" not in told and "YWxpY2U6" not in told
    kept = subprocess.run(["grep", "-rl", "s3cret", store.root], capture_output=True, text=True, check=False).stdout
    assert kept == ""


def test_a_wrong_password_ends_without_a_question(guarded: tuple[int, list[str]], store: Store) -> None:
    port, _ = guarded
    with pytest.raises(SourceError, match="git cannot read"):
        source(f"http://alice:wrong@127.0.0.1:{port}/course.git", store, "main").resolve()


def test_a_credential_helper_of_the_user_is_asked(guarded: tuple[int, list[str]], store: Store) -> None:
    port, _ = guarded
    Path(os.environ["HOME"], ".gitconfig").write_text(
        '[credential]\n\thelper = "!f() { cat >/dev/null; echo username=alice; echo password=s3cret-word; }; f"\n'
    )
    assert "two.txt" in brought(source(f"http://127.0.0.1:{port}/course.git", store, "main"), store).by_path


needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


@pytest.fixture
def with_lfs(repository: Path, git: Git) -> Path:
    git(repository, "lfs", "install", "--local")
    git(repository, "lfs", "track", "*.bin")
    (repository / "big.bin").write_bytes(b"large" * 1000)
    commit(git, repository, "with a large file")
    return repository


@needs_lfs
def test_lfs_files_stand_in_the_place_of_their_pointers(with_lfs: Path, store: Store) -> None:
    entry = brought(source(with_lfs, store, "main"), store).by_path["big.bin"]
    assert entry.digest is not None
    assert store.read(entry.digest) == b"large" * 1000
    assert entry.size == 5000


@needs_lfs
def test_an_lfs_file_that_its_server_has_not_is_a_clear_error(with_lfs: Path, store: Store) -> None:
    shutil.rmtree(with_lfs / ".git" / "lfs")
    with pytest.raises(SourceError, match="LFS"):
        brought(source(with_lfs, store, "main"), store)


@needs_lfs
def test_without_git_lfs_the_file_that_needs_it_is_named(
    with_lfs: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.sources.git.find", lambda program: None)
    with pytest.raises(SourceError, match=r"keeps big\.bin in Git LFS, and git-lfs is not installed"):
        brought(source(with_lfs, store, "main"), store)


@needs_lfs
def test_of_the_selected_files_only_the_large_ones_are_fetched(with_lfs: Path, store: Store, git: Git) -> None:
    (with_lfs / "other.bin").write_bytes(b"other " * 5000)
    commit(git, with_lfs, "another large file")
    picked = replace(source(with_lfs, store, "main"), selection=Selection(("big.bin",)))
    assert brought(picked, store).by_path.keys() == {"big.bin"}
    kept = [path.name for path in (store.root / "git").rglob("lfs/objects/*/*/*")]
    assert kept == [Digest.of((with_lfs / "big.bin").read_bytes()).hex]


def test_selected_files_come_without_the_others(repository: Path, store: Store) -> None:
    picked = replace(source(repository, store, "main"), selection=Selection(("lesson/*",), strip=1))
    assert brought(picked, store).by_path.keys() == {"one.ipynb"}
    assert not store.has(Digest.of(b"two"))


def test_a_pattern_that_selects_nothing_is_named(repository: Path, store: Store) -> None:
    picked = replace(source(repository, store, "main"), selection=Selection(("*.csv",)))
    with pytest.raises(SourceError, match=r"no member of .* is \*\.csv"):
        brought(picked, store)


def test_a_dataset_takes_files_of_a_repository_at_a_commit(repository: Path, store: Store, git: Git) -> None:
    part = {"git": "../repository", "ref": "v1", "members": ["run.sh"], "to": "bin/run"}
    lock = locked(choice_of(repository.parent / "w", [part]), store)
    assert contents(lock, store) == {"bin/run": b"#!/bin/sh\n"}
    assert resolved(lock) == {"0.commit": git(repository, "rev-parse", "v1^{commit}")}
