"""What every engine does, on a real Debian."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from contents import members_of

from builder import places
from builder.digest import Digest
from builder.errors import EngineError
from builder.files import share
from builder.store.objects import Store
from builder.system.engine import Blueprint, Engine
from builder.system.layout import read_exported, take_layers, write_base
from builder.system.system import System

pytestmark = pytest.mark.slow

FROM_TAR = "FROM scratch\nADD base.tar /\n"
SECRET = "a-word-that-only-the-secret-knows"


def blueprint(folder: Path, store: Store, debian: Digest, steps: str, secret: str = "") -> Blueprint:
    (folder / "work/context").mkdir(parents=True)
    share(store.path(debian), folder / "work/context/base.tar")
    (folder / "secret").write_text(secret)
    return Blueprint(FROM_TAR + steps, folder / "work/context", None, {"word": folder / "secret"})


def built(engine: Engine, what: Blueprint, folder: Path, store: Store, below: System | None = None) -> System:
    start = int(time.time())
    engine.build(what, folder / "result", folder / "build.log")
    exported = read_exported(folder / "result")
    layers = take_layers(exported, below.layers if below else (), store, "made", start)
    return System(layers, exported.config["config"], "key")


def test_steps_run_and_leave_their_files_and_settings(
    engine: Engine, store: Store, debian: Digest, tmp_path: Path
) -> None:
    steps = "ENV COLOUR=green\nRUN echo $COLOUR >/etc/colour && id -u >/etc/whoami\n"
    system = built(engine, blueprint(tmp_path, store, debian, steps), tmp_path, store)
    files = members_of(system.layers, store)
    assert (files["etc/colour"].data, files["etc/whoami"].data) == (b"green\n", b"0\n")
    assert files["etc/colour"].info.mtime == places.EPOCH
    assert "COLOUR=green" in system.config["Env"]


def test_a_secret_is_read_by_a_step_and_is_in_no_layer(
    engine: Engine, store: Store, debian: Digest, tmp_path: Path
) -> None:
    mount = "--mount=type=secret,id=word,target=/run/secrets/word"
    steps = f"RUN {mount} wc -c </run/secrets/word >/etc/length\n"
    system = built(engine, blueprint(tmp_path, store, debian, steps, SECRET), tmp_path, store)
    files = members_of(system.layers, store)
    assert int(files["etc/length"].data) == len(SECRET)
    assert [name for name, member in files.items() if SECRET.encode() in member.data] == []
    assert SECRET not in str(system.config)


def test_an_image_of_the_store_is_a_base_whose_layers_stay(
    engine: Engine, store: Store, debian: Digest, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    lower = built(engine, blueprint(first, store, debian, "ENV A=1\nRUN echo lower >/etc/lower\n"), first, store)
    base = tmp_path / ".Cache/my store/base"  # no word of this could stand in an image's name
    base.parent.mkdir(parents=True)
    write_base(lower, base, store)
    (tmp_path / "work/context").mkdir(parents=True)
    text = "ARG BASE\nFROM ${BASE}\nRUN cat /etc/lower >/etc/upper && rm /etc/lower\n"
    upper = built(engine, Blueprint(text, tmp_path / "work/context", base), tmp_path, store, lower)
    assert upper.layers[: len(lower.layers)] == lower.layers
    own = members_of(upper.layers[len(lower.layers) :], store)
    assert own["etc/upper"].data == b"lower\n"
    assert "etc/.wh.lower" in own
    assert "A=1" in upper.config["Env"]


def test_a_step_that_fails_is_named_with_its_last_lines_and_the_log(
    engine: Engine, store: Store, debian: Digest, tmp_path: Path
) -> None:
    steps = "RUN true\nRUN echo the reason why; exit 3\n"
    with pytest.raises(EngineError, match="the reason why") as caught:
        built(engine, blueprint(tmp_path, store, debian, steps), tmp_path, store)
    assert f"{engine.name} stopped at" in caught.value.message
    assert "RUN echo the reason why" in caught.value.message.splitlines()[0]
    assert str(tmp_path / "build.log") in caught.value.hint
    assert not (tmp_path / "result").exists()


def test_an_engine_that_is_killed_is_an_engine_error_and_the_next_build_works(
    engine: Engine, store: Store, debian: Digest, tmp_path: Path
) -> None:
    killer = threading.Thread(target=kill_when, args=(tmp_path / "build.log", "sleep 600"))
    killer.start()
    with pytest.raises(EngineError, match="signal 9"):
        built(engine, blueprint(tmp_path, store, debian, "RUN sleep 600\n"), tmp_path, store)
    killer.join()
    again = tmp_path / "again"
    again.mkdir()
    assert built(engine, blueprint(again, store, debian, "RUN true\n"), again, store).layers


def kill_when(log: Path, words: str) -> None:
    """Kill the child of this process whose log says these words."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if log.exists() and words in log.read_text(errors="replace"):
            for task in Path("/proc/self/task").iterdir():
                for child in (task / "children").read_text().split():
                    if Path(f"/proc/{child}/fd/1").readlink() == log:
                        os.kill(int(child), signal.SIGKILL)
                        return
        time.sleep(0.1)
