"""The only door to programs: a list, never a shell; an environment built from nothing; children that die with us."""

from __future__ import annotations

import ctypes
import logging
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from builder.errors import MissingProgramError, ProgramError

log = logging.getLogger(__name__)

# What a program may know of the machine: where its settings are, how to reach the network, whom to trust.
INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "TMPDIR",
    "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
    "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "STORAGE_DRIVER", "CONTAINERS_STORAGE_CONF",
)  # fmt: skip
INHERITED_PREFIXES = ("PIP_", "UV_", "npm_config_", "NPM_CONFIG_")
TAIL = 20
Child = subprocess.Popen[bytes]
"""A program that is running."""

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Finished:
    """What a program left: its exit code and what it wrote."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment every program gets: C.UTF-8, the few inherited settings, and `extra`."""
    kept = {
        name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    path = kept.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    kept["PATH"] = path if "/usr/sbin" in path.split(":") else f"{path}:/usr/local/sbin:/usr/sbin:/sbin"
    return {**kept, "LC_ALL": "C.UTF-8", **(extra or {})}


def find(program: str) -> str | None:
    """Where a program stands, or None."""
    return shutil.which(program, path=environment()["PATH"])


def run(
    args: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    log_file: Path | None = None,
    check: bool = True,
    quiet: bool = False,
) -> Finished:
    """Run a program to its end.

    With `log_file`, its stdout and stderr are appended there as they come, and `Finished.stdout` is empty.
    `quiet` keeps a command line that holds a secret out of the log.
    Raises MissingProgramError when it is not installed, and with `check` ProgramError when it fails.
    """
    words = tuple(str(arg) for arg in args)
    line = words[0] if quiet else shlex.join(words)
    log.debug("run %s", line)
    try:
        if log_file is None:
            done = _captured(words, cwd, env, stdin)
        else:
            done = _logged(words, cwd, env, stdin, log_file, line)
    except FileNotFoundError as error:
        if error.filename != words[0]:
            raise
        raise MissingProgramError(f"{words[0]} is not installed", hint="python3 build.py doctor") from error
    if check and done.code != 0:
        raise ProgramError(f"{line} ended with {_ending(done.code)}{_tail(done, log_file)}", hint=_where(log_file))
    return done


def attach(args: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None,
           stdout: IO[str] | None = None, quiet: bool = False) -> int:  # fmt: skip
    """Run a program on our own terminal; its exit code. `stdout` takes its results, `quiet` drops all it says."""
    words = tuple(str(arg) for arg in args)
    log.debug("run %s", shlex.join(words))
    sink = subprocess.DEVNULL if quiet else stdout
    errors = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(
        words, cwd=cwd, env=environment(env), stdout=sink, stderr=errors, preexec_fn=_die_with_parent
    ) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal sent it to the program as well, which ends in its own way and says so.
            child.wait()
            raise


@contextmanager
def output_of(args: Sequence[str | Path]) -> Iterator[IO[bytes]]:
    """What a program writes to stdout, as it comes; a block that ends before the program does stops it.

    Raises as `run` does: ProgramError when all was read and the program ended badly.
    """
    words = tuple(str(arg) for arg in args)
    line = shlex.join(words)
    log.debug("run %s", line)
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment(),
                preexec_fn=_die_with_parent,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise MissingProgramError(f"{words[0]} is not installed", hint="python3 build.py doctor") from error
        with child:
            assert child.stdout is not None
            try:
                yield child.stdout
                was_read = not child.stdout.read(1)
            except BaseException:
                child.kill()
                raise
            if not was_read:
                child.kill()
            elif child.wait() != 0:
                errors.seek(0)
                done = Finished(words, child.returncode, "", errors.read().decode(errors="replace"))
                raise ProgramError(f"{line} ended with {_ending(done.code)}{_tail(done, None)}")


@contextmanager
def started(args: Sequence[str | Path], *, log_file: Path) -> Iterator[Child]:
    """A program that runs beside the block and is killed at its end; what it says is appended to `log_file`."""
    words = tuple(str(arg) for arg in args)
    log.debug("run %s", shlex.join(words))
    with log_file.open("ab") as sink:
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=environment(),
                preexec_fn=_die_with_parent,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise MissingProgramError(f"{words[0]} is not installed", hint="python3 build.py doctor") from error
    with child:
        try:
            yield child
        finally:
            child.kill()


def _captured(words: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None, stdin: bytes | None) -> Finished:
    done = subprocess.run(
        words, cwd=cwd, env=environment(env), input=stdin or b"", capture_output=True, check=False,
        preexec_fn=_die_with_parent,
    )  # fmt: skip
    return Finished(words, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def _logged(
    words: tuple[str, ...],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: bytes | None,
    log_file: Path,
    line: str,
) -> Finished:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as sink:
        sink.write(f"+ {line}\n".encode())
        sink.flush()
        start = sink.tell()
        done = subprocess.run(
            words, cwd=cwd, env=environment(env), input=stdin or b"", stdout=sink, stderr=subprocess.STDOUT,
            check=False, preexec_fn=_die_with_parent,
        )  # fmt: skip
    with log_file.open("rb") as written:
        written.seek(max(start, written.seek(0, os.SEEK_END) - 8192))
        tail = written.read().decode(errors="replace")
    return Finished(words, done.returncode, "", tail)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _tail(done: Finished, log_file: Path | None) -> str:
    lines = (done.stderr or done.stdout).rstrip().splitlines()[-TAIL:]
    return ":\n  " + "\n  ".join(lines) if lines else ""


def _where(log_file: Path | None) -> str:
    return f"the whole log is in {log_file}" if log_file else ""
