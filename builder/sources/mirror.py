"""A bare mirror of a git repository in the store, brought up to date by one build at a time.

Layout: `git/<key of the address>/` (bare) and `git/<key>.lock`, held while the mirror is used. A mirror appears whole;
what a killed fetch left in it is swept by the next one. It is a cache: it may be deleted at any time.
"""

from __future__ import annotations

import difflib
import errno
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.digest import key_of
from builder.errors import SourceError
from builder.files import remove_folder, space_is_named
from builder.run import Finished, run
from builder.sources.address import Address
from builder.sources.source import ONLINE, Network, UnreachableError, redacted
from builder.sources.ssh import ssh_refusal
from builder.store.objects import Store

_UNREACHABLE = re.compile(
    r"Could not resolve host|Failed to connect|Couldn't connect|Connection (refused|reset|timed out|closed)|timed out"
    r"|No route to host|Network is unreachable|unexpected disconnect|early EOF|Empty reply|returned error: (5\d\d|429)"
    r"|transfer closed|Operation too slow|remote end hung up unexpectedly|Temporary failure in name resolution",
)
_DAMAGED = re.compile(
    r"not a git repository|is corrupt|bad object|missing blob|missing tree|loose object|packfile .* cannot"
)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BRANCHES = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_INHERITED = ("GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
_SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.autocrlf=false", "core.eol=lf", "core.symlinks=true",
    "core.fileMode=true", "protocol.ext.allow=never", "protocol.file.allow=always", "gc.auto=0",
    "maintenance.auto=false", "advice.detachedHead=false", "http.lowSpeedLimit=500", "http.lowSpeedTime=60",
    "fetch.recurseSubmodules=false", "filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false",
)  # fmt: skip


@dataclass(frozen=True)
class Mirror:
    """The mirror of one address. Use it inside `held()` only."""

    address: Address
    store: Store
    network: Network = ONLINE

    @property
    def folder(self) -> Path:
        return self.store.root / "git" / key_of(self.address.url)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the mirror alone: other builds wait. Makes it when it is not there."""
        self.folder.parent.mkdir(exist_ok=True)
        with self.folder.with_suffix(".lock").open("a") as file, space_is_named(self.folder):
            fcntl.flock(file, fcntl.LOCK_EX)
            if not self.folder.exists():
                with self.store.scratch("mirror") as scratch:
                    self.git("init", "--quiet", "--bare", scratch / "bare", bare=False)
                    (scratch / "bare").rename(self.folder)
            self._sweep()
            yield

    def _sweep(self) -> None:
        """A lock of git's own that is there while we hold ours belongs to a fetch that was killed."""
        refs = self.folder / "refs"
        for leftover in (*self.folder.glob("*.lock"), *refs.rglob("*.lock"), *self.folder.glob("objects/pack/tmp_*")):
            leftover.unlink(missing_ok=True)

    def find(self, ref: str | None) -> str:
        """The commit that a tag, branch, commit or full ref name stands for; None is the branch the address offers."""
        if ref is None:
            self._fetch(*_BRANCHES, "+HEAD:refs/workshop/HEAD")
            return self._commit("refs/workshop/HEAD") or self._none("HEAD")
        if _COMMIT.fullmatch(ref) and self.has(ref):
            return ref
        self._fetch(*_BRANCHES)
        commit = self._commit(f"refs/tags/{ref}") or self._commit(f"refs/heads/{ref}")
        if commit is None and re.fullmatch(r"[0-9a-f]{7,64}", ref):
            commit = self._commit(ref)
        return commit or self._fetched_alone(ref) or self._none(ref)

    def require(self, commit: str) -> None:
        """Have a commit here; contact the address only when it is not."""
        if self.has(commit):
            return
        self._fetch(*_BRANCHES)
        if not self.has(commit) and self._fetched_alone(commit) is None:
            raise SourceError(
                f"the commit {commit} is no longer in {self.address.name}",
                hint="its branch may have been rewritten; take its newest: python3 build.py lock --update NAME",
            )

    def has(self, commit: str) -> bool:
        return self._commit(commit) is not None

    def _commit(self, name: str) -> str | None:
        done = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", check=False)
        return done.stdout.strip() or None

    def _fetched_alone(self, ref: str) -> str | None:
        """Ask for what no branch or tag leads to: a pull request's head, or what a rewritten branch left behind."""
        kept = f"refs/workshop/{key_of(ref)}"
        try:
            self._fetch(f"+{ref}:{kept}")
        except SourceError:
            return None
        return self._commit(kept)

    def _none(self, ref: str) -> str:
        listing = self.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags").stdout.split()
        near = difflib.get_close_matches(ref, listing, 3, 0.5) or listing[:5]
        there = f"; there are {', '.join(near)}" if near else "; it has no branch and no tag"
        raise SourceError(
            f"{self.address.name} has no branch, tag or commit {ref}{there}", hint="correct ref in the manifest"
        )

    def _fetch(self, *refspecs: str) -> None:
        if self.address.is_local:
            self._fetch_once(*refspecs)
        else:
            self.network.ask(self.address.name, lambda: self._fetch_once(*refspecs))

    def _fetch_once(self, *refspecs: str) -> None:
        words = ("fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-write-fetch-head", "--")
        done = self.git(*words, self.address.url, *refspecs, check=False)
        if done.code == 0:
            return
        said = " ".join(redacted(done.stderr).split())
        if _DAMAGED.search(said) and not self.address.is_local:
            remove_folder(self.folder)
            raise SourceError(f"the mirror of {self.address.name} was damaged and has been removed", hint="run again")
        if not self.address.is_local and (refusal := ssh_refusal(said, self.address)):
            raise refusal
        if _UNREACHABLE.search(said) and not self.address.is_local:
            raise UnreachableError(
                f"{self.address.host} cannot be reached for {self.address.name}: {said}", hint=_NETWORK
            )
        if "No space left" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise SourceError(f"git cannot read {self.address.name}: {said}", hint=_RIGHTS)

    def git(
        self, *words: str | Path, bare: bool = True, check: bool = True, env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run git on the mirror, with the user's own credentials but no question, hook or filter."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        place: list[str | Path] = [f"--git-dir={self.folder}"] if bare else []
        return run(["git", *settings, *place, *words], env={**self._environment(), **(env or {})}, check=check)

    def _environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        pairs = self.address.settings
        keys = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(pairs)}
        values = {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(pairs)}
        quiet = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
        return {**quiet, **inherited, **keys, **values, "GIT_CONFIG_COUNT": str(len(pairs)), "GIT_OPTIONAL_LOCKS": "0"}


_NETWORK = "look at the network, then run again; what was fetched is kept"
_RIGHTS = "look at the address, and whether you may read it: git ls-remote ADDRESS"
