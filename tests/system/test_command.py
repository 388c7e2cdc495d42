"""Commands of recipes, in a real system: what they see, what they cannot reach, and what becomes of their files."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ordinary import run_as

from builder.digest import Digest
from builder.errors import IntegrityError, ProgramError, SourceError
from builder.manifest import Step
from builder.progress import Journal
from builder.sources.recipe import follow
from builder.store.layers import TAR, Layer
from builder.store.objects import Blob, Store
from builder.store.trees import Entry, Tree
from builder.system.build import Workbench
from builder.system.clients import Clients
from builder.system.command import run_command
from builder.system.engine import Engine
from builder.system.system import System

pytestmark = pytest.mark.slow

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SETTINGS = {
    "HOME=/tmp/home", "LC_ALL=C.UTF-8", "TZ=UTC", "SOURCE_DATE_EPOCH=315532800", "PYTHONHASHSEED=0", f"PATH={PATH}",
}  # fmt: skip
GIVEN: dict[str, bytes] = {"n.csv": b"3\n1\n2\n", "in/make.sh": b"#!/bin/sh\nsort n.csv\n"}


@pytest.fixture
def system(store: Store, debian: Digest) -> System:
    """A bare Debian, which is system enough for a shell."""
    base = Layer(Blob(debian, store.size(debian)), debian, TAR, "debian")
    return System((base,), {"Env": [f"PATH={PATH}"]}, "key")


@pytest.fixture
def bench(engine: Engine, store: Store, tmp_path: Path) -> Workbench:
    return Workbench(engine, store, Journal(), tmp_path / "logs", ask_clients=lambda: Clients({}, {}, {}, b""))


@pytest.fixture
def files(store: Store) -> Tree:
    """A file, an executable and a link."""
    blobs = {path: store.put_bytes(data) for path, data in GIVEN.items()}
    entries = [Entry(path, blob.digest, blob.size, path.endswith(".sh")) for path, blob in blobs.items()]
    return Tree.of([*entries, Entry("link", target="n.csv")])


def text(tree: Tree, path: str, store: Store) -> str:
    digest = tree.by_path[path].digest
    assert digest is not None
    return store.read(digest).decode()


def test_what_a_command_leaves_in_its_folder_is_the_tree(
    bench: Workbench, system: System, files: Tree, store: Store
) -> None:
    command = """
        env | sort >env
        id -u >user
        find . -newermt 1980-01-02 -not -name env -not -name user -not -path . >newer
        in/make.sh >sorted.csv
        echo 4 >>n.csv
        ln -s sorted.csv first
        ln sorted.csv twin
        mkdir empty
        rm in/make.sh newer.none 2>/dev/null || rm -f in/make.sh
        printf 'x' >run; chmod +x run
        echo "not theirs" >/tmp/other
    """
    tree = run_command(command, files, system, bench)
    assert tree.by_path.keys() == {"env", "user", "newer", "sorted.csv", "n.csv", "link", "first", "twin", "run"}
    assert text(tree, "sorted.csv", store) == text(tree, "twin", store) == "1\n2\n3\n"
    assert text(tree, "n.csv", store) == "3\n1\n2\n4\n" and store.read(Digest.of(GIVEN["n.csv"])) == GIVEN["n.csv"]
    assert (tree.by_path["first"].target, tree.by_path["link"].target) == ("sorted.csv", "n.csv")
    assert [path for path, entry in tree.by_path.items() if entry.executable] == ["run"]
    seen = {line for line in text(tree, "env", store).splitlines() if not line.startswith(("PWD=", "_=", "SHLVL="))}
    assert seen == SETTINGS
    assert text(tree, "user", store) == "1000\n"
    assert text(tree, "newer", store) == "./newer\n"
    assert not list((store.root / "scratch").iterdir())


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a server on this machine's loopback and every other address of it."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


def own_addresses() -> list[str]:
    said = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return ["127.0.0.1", *[one for one in said if "." in one]]


def test_a_command_reaches_no_network_neither_this_machine(
    bench: Workbench, system: System, files: Tree, store: Store, listener: int
) -> None:
    doors = [f"/dev/tcp/{address}/{listener}" for address in own_addresses()]
    attempt = "for door in {}; do (exec 3<>$door) 2>/dev/null && echo $door; done; true".format(" ".join(doors))
    here = subprocess.run(["bash", "-c", attempt], capture_output=True, text=True, check=True).stdout.split()
    assert here == doors
    script = f"bash -c '{attempt}' >reached\ntail -n +3 /proc/net/dev | cut -d: -f1 >devices\n"
    script += "tail -n +2 /proc/net/route >routes; grep -c . /proc/net/unix >sockets || true\n"
    tree = run_command(script, files, system, bench)
    assert text(tree, "reached", store) == ""
    assert text(tree, "devices", store).split() == ["lo"]
    assert text(tree, "routes", store) == ""


def test_a_command_sees_nothing_of_this_machine_s_settings(
    bench: Workbench, system: System, files: Tree, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://proxy-of-this-machine.test:3128")
    tree = run_command("(env; cat /proc/self/environ; hostname) >told", files, system, bench)
    told = text(tree, "told", store)
    assert "proxy-of-this-machine" not in told and socket.gethostname() not in told


def test_what_is_given_is_read_only_and_the_store_is_out_of_reach(
    bench: Workbench, system: System, files: Tree, store: Store
) -> None:
    script = "for one in /run/files/n.csv /run/files/new /run/command /etc/new; do (echo x >>$one) 2>/dev/null "
    script += f"&& echo $one; done >written; ls {store.root} >store 2>/dev/null || echo none >store"
    tree = run_command(script, files, system, bench)
    assert (text(tree, "written", store), text(tree, "store", store)) == ("", "none\n")
    assert store.read(Digest.of(GIVEN["n.csv"])) == GIVEN["n.csv"]


def test_a_command_that_fails_is_told_with_its_last_lines_and_the_log(
    bench: Workbench, system: System, files: Tree, store: Store
) -> None:
    step = Step.model_validate({"run": "seq 30\necho 'no column x' >&2\nexit 3\necho after\n"})

    class Here:
        key = "here"

        def run(self, command: str, given: Tree, _: Store) -> Tree:
            return run_command(command, given, system, bench)

    with pytest.raises(ProgramError) as caught:
        follow([step], files.digest, lambda: files, store, Here())
    lines = caught.value.message.splitlines()
    assert lines[0] == "recipe[0].run: the command ended with exit code 3:"
    assert lines[-2:] == ["  30", "  no column x"] and len(lines) == 13
    (log,) = bench.logs.glob("run-*.log")
    assert caught.value.hint == f"the whole log is in {log}"
    assert not list((store.root / "scratch").iterdir())


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("rm -r *", "the command left no files"),
        ("mkfifo pipe", "device or pipe"),
        ("ln -s ../../etc/passwd out", "leads out of it"),
        ("touch \"$(printf 'caf\\351')\"", "name is not UTF-8"),
    ],
)
def test_what_no_dataset_may_hold_is_refused(
    command: str, told: str, bench: Workbench, system: System, files: Tree
) -> None:
    if bench.engine.name == "docker" and command != "mkfifo pipe":
        pytest.skip("what is taken of a layer is the same for both")
    with pytest.raises(SourceError, match=told):
        run_command(command, files, system, bench)


def test_a_command_that_does_not_repeat_itself_is_told(
    bench: Workbench, system: System, files: Tree, store: Store
) -> None:
    class Here:
        key = "here"

        def run(self, command: str, given: Tree, _: Store) -> Tree:
            return run_command(command, given, system, bench)

    for command, repeats in (("sort n.csv >s.csv", True), ("head -c 8 /dev/urandom >noise", False)):
        recipe = [Step.model_validate({"run": command})]
        first = follow(recipe, files.digest, lambda: files, store, Here())
        store.path(first.digest).unlink()
        if repeats:
            assert follow(recipe, files.digest, lambda: files, store, Here()) == first
            continue
        with pytest.raises(IntegrityError, match=r"recipe\[0\]\.run: the command made other files than before"):
            follow(recipe, files.digest, lambda: files, store, Here())


def test_an_ordinary_user_runs_a_command_without_network(
    ordinary_user: str, debian_store: Store, listener: int, debian: Digest
) -> None:
    home = Path(f"~{ordinary_user}").expanduser()
    shutil.copyfile(debian_store.path(debian), home / "base.tar")
    (home / "base.tar").chmod(0o644)
    assert run_as(ordinary_user, ORDINARY, str(listener)) == ["1000", "lo", "unreached"]


ORDINARY = """
import os, sys
from pathlib import Path
from builder.progress import Journal
from builder.store.layers import TAR, Layer
from builder.store.objects import Store
from builder.store.trees import Entry, Tree
from builder.system.build import Workbench
from builder.system.choose import choose_engine
from builder.system.command import run_command
from builder.system.system import System

assert os.geteuid() != 0
store = Store(Path("store"))
base = store.put_file(Path("base.tar"))
system = System((Layer(base, base.digest, TAR, "debian"),), {"Env": ["PATH=/usr/bin:/bin"]}, "key")
blob = store.put_bytes(b"1")
files = Tree.of([Entry("a", blob.digest, blob.size)])
script = "id -u >told; tail -n +3 /proc/net/dev | cut -d: -f1 >>told\\n"
door = f"/dev/tcp/127.0.0.1/{sys.argv[1]}"
script += f"bash -c '(exec 3<>{door}) 2>/dev/null' && echo reached >>told || echo unreached >>told"
bench = Workbench(choose_engine("buildah", store), store, Journal(), Path("logs"))
tree = run_command(script, files, system, bench)
print(store.read(tree.by_path["told"].digest).decode())
"""
