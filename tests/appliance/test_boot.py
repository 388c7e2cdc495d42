"""The `.ova` boots on VirtualBox's hardware, and VirtualBox itself imports it: the real things, nothing acted."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest_system import bootable_layer
from qemu import booted, disks_of
from small_appliance import PORTS, Bench
from virtualbox import VirtualBox, opened

from builder.appliance.appliance import Appliance
from builder.store.objects import Store

pytestmark = pytest.mark.slow

ROOM = 256 << 20
TOKEN = re.compile(r"http://127\.0\.0\.1:18080/\?token=([0-9a-f]{12})")


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Appliance:
    """An appliance that boots, with a small web server in Jupyter's place."""
    folder = tmp_path_factory.mktemp("bootable")
    bench = Bench(Store(folder / "store"), folder / "out")
    made, _ = bench.build(system=bootable_layer(bench.store), room=ROOM)
    return made


@pytest.fixture(scope="module")
def disks(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return disks_of(appliance.path, tmp_path_factory.mktemp("disks"))


@pytest.fixture(scope="module")
def virtualbox() -> Iterator[VirtualBox]:
    if os.geteuid() != 0:
        pytest.skip("a root folder with VirtualBox needs root")
    with opened() as found:
        yield found


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_it_boots_and_serves_the_workshop(disks: list[Path], tmp_path: Path, firmware: str) -> None:
    with booted(disks, tmp_path, firmware=firmware) as machine:
        assert machine.wait_for_http("/") == "<h1>Letters</h1>"
        for path in ("/repos/spelling/data/again.txt", "/caches/keras/models/words.h5"):
            assert machine.wait_for_http(path) == "word\n" * 5000
        assert TOKEN.search(machine.wait_for_console("token="))


def test_two_copies_have_different_tokens(disks: list[Path], tmp_path: Path) -> None:
    tokens = set()
    for copy in ("one", "two"):
        with booted(disks, tmp_path / copy) as machine:
            found = TOKEN.search(machine.wait_for_console("token="))
            assert found
            tokens.add(found.group(1))
    assert len(tokens) == 2


def test_its_disks_are_what_qemu_calls_sound(disks: list[Path]) -> None:
    for disk in disks:
        subprocess.run(["qemu-img", "check", "-q", disk], check=True)


def test_virtualbox_imports_it_with_every_port_and_both_disks(appliance: Appliance, virtualbox: VirtualBox) -> None:
    shown = virtualbox.import_appliance(appliance.path, "letters-on-a-laptop")
    assert (shown["cpus"], shown["memory"], shown["firmware"]) == ("2", "2048", "BIOS")
    assert (shown["storagecontrollertype0"], shown["nictype1"], shown["nic1"]) == ("IntelAhci", "82540EM", "nat")
    assert (shown["graphicscontroller"], shown["ioapic"], shown["audio"]) == ("vmsvga", "on", "none")
    assert shown["SATA-0-0"].endswith("letters-system.vmdk")
    assert shown["SATA-1-0"].endswith("letters-content.vmdk")
    rules = {shown[key] for key in shown if key.startswith("Forwarding")}
    assert rules == {f"{name},tcp,127.0.0.1,{port.host},,{port.guest}" for name, port in PORTS.items()}


def test_virtualbox_imports_it_a_second_time_beside_the_first(appliance: Appliance, virtualbox: VirtualBox) -> None:
    one = virtualbox.import_appliance(appliance.path, "first-copy")
    two = virtualbox.import_appliance(appliance.path, "second-copy")
    assert one["SATA-0-0"] != two["SATA-0-0"]
