"""An appliance is the same wherever it is made, is made again only where it changed, and is whole or not there."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from layers import layer, member
from qemu import disks_of
from small_appliance import Bench
from vmdk_reader import read_vmdk

from builder.errors import OutputError, StoreError
from builder.run import environment
from builder.store.objects import Store

CHECKOUT = Path(__file__).parents[2]
BUILD = """
import sys
from pathlib import Path
from small_appliance import Bench
from builder.store.objects import Store
made, _ = Bench(Store(Path(sys.argv[1])), Path(sys.argv[2])).build(room=300 << 20)
print(made.digest)
"""
ALL = ["system disk", "content disk", "ova"]


def _raw(disk: Path) -> Path:
    raw = disk.with_suffix(".raw")
    raw.write_bytes(read_vmdk(disk))
    return raw


def _ask(image: str, question: str) -> str:
    done = subprocess.run(
        ["debugfs", "-R", question, image], capture_output=True, text=True, check=True, env=environment()
    )
    return done.stdout


def _started(*words: Path, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    env = {**environment(), "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tests/support'}"}
    return subprocess.Popen([*before, sys.executable, "-c", BUILD, *words], stdout=subprocess.PIPE, text=True, env=env)


def test_two_stores_and_two_folders_give_the_same_file(bench: Bench, tmp_path: Path) -> None:
    one, _ = bench.build()
    two, _ = Bench(Store(tmp_path / "other store"), tmp_path / "else" / "where").build()
    assert one.path.read_bytes() == two.path.read_bytes()
    assert (one.digest, one.bytes, one.unpacked) == (two.digest, two.bytes, two.unpacked)


def test_nothing_changed_makes_nothing(bench: Bench) -> None:
    first, made = bench.build()
    written = first.path.stat()
    assert made == ALL
    again, made = bench.build()
    assert made == []
    assert again == first
    assert again.path.stat().st_mtime_ns == written.st_mtime_ns


def test_an_edit_in_a_notebook_makes_only_the_content_disk_again(bench: Bench) -> None:
    bench.build()
    _, made = bench.build(notebook=b'{"cells": []}')
    assert made == ["content disk", "ova"]


def test_an_output_that_was_damaged_or_taken_away_is_made_again(bench: Bench) -> None:
    first, _ = bench.build()
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:1000])
    assert bench.build()[1] == ["ova"]
    assert first.path.read_bytes() == whole
    first.path.unlink()
    assert bench.build()[1] == ["ova"]


def test_the_content_disk_holds_repos_links_and_data_with_their_owners(bench: Bench, tmp_path: Path) -> None:
    made, _ = bench.build()
    disk = str(_raw(disks_of(made.path, tmp_path)[1]))
    assert _ask(disk, "cat /workshop/index.html") == "<h1>Letters</h1>"
    notebook = _ask(disk, "stat /workshop/repos/spelling/first.ipynb")
    assert "Mode:  0664" in notebook and "User:  1000   Group:   100" in notebook
    assert "Mode:  0775" in _ask(disk, "stat /workshop/repos/spelling/run.sh")
    assert 'dest: "../../data/words"' in _ask(disk, "stat /workshop/repos/spelling/data")
    words = _ask(disk, "stat /workshop/data/words/all/words.txt")
    assert "Mode:  0444" in words and "User:     0   Group:     0" in words
    assert "Links: 2" in words, "equal files of datasets take their bytes once"


def test_the_system_disk_starts_the_newest_kernel_and_locks_everyone_out(bench: Bench, tmp_path: Path) -> None:
    made, _ = bench.build()
    disk = f"{_raw(disks_of(made.path, tmp_path)[0])}?offset={36864 * 512}"
    assert 'dest: "boot/vmlinuz-6.1.0-31-amd64"' in _ask(disk, "stat /vmlinuz")
    assert _ask(disk, "cat /etc/machine-id") == "uninitialized\n"
    assert _ask(disk, "cat /usr/lib/workshop/url") == "http://127.0.0.1:18080/\n"
    assert "File not found" in _ask(disk, "cat /var/lib/workshop/token") or not _ask(
        disk, "cat /var/lib/workshop/token"
    )


def test_no_path_of_this_machine_is_inside(bench: Bench, tmp_path: Path) -> None:
    made, _ = bench.build()
    for disk in disks_of(made.path, tmp_path):
        data = read_vmdk(disk)
        for secret in (str(tmp_path), str(CHECKOUT), str(Path.home()) + "/."):
            assert secret.encode() not in data


def test_a_system_without_a_kernel_is_refused_and_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(OutputError, match="boot/vmlinuz"):
        bench.build(system=layer(bench.store, [member("etc/passwd", b"root")]))
    assert not bench.out.exists()
    assert list((bench.store.root / "scratch").iterdir()) == []


def test_a_full_disk_is_named_and_the_next_run_goes_on(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", small], check=True)
    try:
        bench = Bench(Store(small / "store"), tmp_path / "out")
        with pytest.raises(StoreError, match="no space left"):
            bench.build()
        assert list((small / "store" / "scratch").iterdir()) == []
        assert not (tmp_path / "out").exists()
        subprocess.run(["mount", "-o", "remount,size=300m", small], check=True)
        assert bench.build()[0].path.exists()
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_killed_build_leaves_nothing_half_and_the_next_one_is_right(bench: Bench, tmp_path: Path) -> None:
    expected, _ = Bench(Store(tmp_path / "calm"), tmp_path / "calm-out").build(room=300 << 20)
    for part in ("raw", "vmdk"):
        build = _started(bench.store.root, bench.out)
        while build.poll() is None and not list(bench.store.root.glob(f"scratch/*/{part}")):
            time.sleep(0.001)
        build.send_signal(signal.SIGKILL)
        build.communicate()
        assert not list(bench.out.glob("*.ova")) or build.returncode == 0
    with bench.store.shared():
        assert list((bench.store.root / "scratch").iterdir()) == []
    assert bench.build(room=300 << 20)[0].digest == expected.digest


def test_a_full_output_folder_is_named_and_keeps_the_earlier_file(bench: Bench, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    earlier, _ = bench.build()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={earlier.bytes * 3 // 2}", "tmpfs", small], check=True)
    try:
        out = Bench(bench.store, small)
        made, _ = out.build()
        whole = made.path.read_bytes()
        with pytest.raises(StoreError, match=f"no space left while writing in {small}"):
            out.build(notebook=b'{"cells": []}')
        assert [path.name for path in small.iterdir()] == [made.path.name]
        assert made.path.read_bytes() == whole
        subprocess.run(["mount", "-o", "remount,size=300m", small], check=True)
        assert out.build(notebook=b'{"cells": []}')[0].digest != made.digest
    finally:
        subprocess.run(["umount", small], check=True)


def test_builds_killed_at_any_moment_leave_no_half_file_and_the_last_is_right(tmp_path: Path) -> None:
    start = time.monotonic()
    calm = _started(tmp_path / "calm", tmp_path / "calm-out")
    expected = calm.communicate()[0].strip()
    whole = time.monotonic() - start
    store, out = tmp_path / "store", tmp_path / "out"
    chance = random.Random(6)
    for _ in range(12):
        build = _started(store, out)
        try:
            build.wait(chance.random() * whole)
        except subprocess.TimeoutExpired:
            build.kill()
        build.communicate()
        for path in out.glob("*"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == expected.removeprefix("sha256:"), path.name
        if chance.random() < 0.5:  # start from nothing or go on
            shutil.rmtree(store / "records", ignore_errors=True)
            shutil.rmtree(out, ignore_errors=True)
    last = _started(store, out)
    assert last.communicate()[0].strip() == expected
    with Store(store).shared():
        assert list((store / "scratch").iterdir()) == []


def test_an_ordinary_user_makes_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    expected, _ = bench.build(room=300 << 20)
    ordinary = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()
    build = _started(tmp_path / "theirs", tmp_path / "their-out", before=ordinary)
    said, _ = build.communicate()
    assert build.returncode == 0
    assert said.strip() == str(expected.digest)
