"""The `.ova` is the tar that VirtualBox's own reader takes, whole or not there."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from builder import places
from builder.appliance import ova
from builder.appliance.ova import write_ova
from builder.digest import Digest
from builder.errors import StoreError
from builder.store.objects import Blob, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _disks(store: Store) -> dict[str, Blob]:
    return {"w-system.vmdk": store.put_bytes(b"system" * 1000), "w-content.vmdk": store.put_bytes(b"content")}


def test_the_description_is_first_and_its_digests_second(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "w.ova"
    made = write_ova(path, "w", b"<Envelope/>", _disks(store), store)
    assert (made.digest.hex, made.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["w.ovf", "w.mf", "w-system.vmdk", "w-content.vmdk"]
        listed = archive.extractfile("w.mf").read().decode().splitlines()  # type: ignore[union-attr]
        for name in ("w.ovf", "w-system.vmdk", "w-content.vmdk"):
            data = archive.extractfile(name).read()  # type: ignore[union-attr]
            assert f"SHA256({name})= {hashlib.sha256(data).hexdigest()}" in listed


def test_headers_are_plain_ustar_with_a_fixed_time_and_no_owner(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "w.ova"
    write_ova(path, "w", b"<Envelope/>", _disks(store), store)
    data = path.read_bytes()
    assert data[257:265] == b"ustar\x0000"
    with tarfile.open(path) as archive:
        facts = {(m.uid, m.gid, m.uname, m.gname, m.mtime, bool(m.pax_headers)) for m in archive}
    assert facts == {(0, 0, "", "", places.EPOCH, False)}


def test_a_disk_beyond_eight_gibibytes_is_still_no_pax(tmp_path: Path, store: Store) -> None:
    size = (8 << 30) + 1
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(size)
    digest = Digest("ab" * 32)  # its bytes are not hashed here
    store.path(digest).parent.mkdir(parents=True)
    big.rename(store.path(digest))
    (tmp_path / "out").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ova, "_copy", lambda *words: None)  # the header is what matters
        write_ova(tmp_path / "out" / "w.ova", "w", b"<Envelope/>", {"w.vmdk": Blob(digest, size)}, store)
    header = (tmp_path / "out" / "w.ova").read_bytes()
    assert b"ustar  \x00" in header and b"PaxHeader" not in header


def test_a_disk_that_is_not_there_leaves_the_earlier_file(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "w.ova"
    write_ova(path, "w", b"old", _disks(store), store)
    before = path.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_ova(path, "w", b"new", {"w.vmdk": Blob(Digest("cd" * 32), 5)}, store)
    assert path.read_bytes() == before
    assert {child.name for child in tmp_path.iterdir()} == {"w.ova", "store"}


def test_a_disk_that_is_cut_short_is_named_and_leaves_no_file(tmp_path: Path, store: Store) -> None:
    disks = _disks(store)
    cut = store.path(disks["w-system.vmdk"].digest)
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:100])
    with pytest.raises(StoreError, match="has 100 bytes in the store instead of 6,000"):
        write_ova(tmp_path / "w.ova", "w", b"<Envelope/>", disks, store)
    assert {child.name for child in tmp_path.iterdir()} == {"store"}


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 9 * 512, (1 << 20) - 1, (1 << 20) + 1, 5 << 20])
def test_the_file_is_what_pythons_own_tar_writer_makes(tmp_path: Path, store: Store, size: int) -> None:
    path, disk = tmp_path / "w.ova", store.put_bytes(b"d" * size)
    write_ova(path, "w", b"<Envelope/>", {"w.vmdk": disk}, store)
    with tarfile.open(path) as read, tarfile.open(tmp_path / "theirs", "w", format=tarfile.USTAR_FORMAT) as written:
        for member in read:
            written.addfile(member, read.extractfile(member))
    assert path.read_bytes() == (tmp_path / "theirs").read_bytes()
