"""Archives read member by member straight into the store; nothing is unpacked on the disk, nothing outside taken.

Refused in any archive: absolute paths, `..`, devices, pipes, links that leave, encrypted members, and more than
MAX_MEMBERS members or more bytes than MAX_RATIO times the archive plus MAX_SLACK (an archive made to fill a disk), and
names that are not UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from builder.digest import Digest, key_of
from builder.errors import SourceError
from builder.files import CHUNK
from builder.sources.member import HARMFUL, Member
from builder.sources.members import UNREADABLE, members
from builder.sources.selection import ALL, Selection
from builder.sources.together import results
from builder.store.objects import Store
from builder.store.trees import Entry, Tree, get_tree, put_tree, require_inside

MAX_MEMBERS = 500_000
MAX_RATIO = 200
MAX_SLACK = 2 << 30
_WRITERS = 8
_BATCH_MEMBERS = 64
_BATCH_BYTES = 8 << 20


def unpack(digest: Digest, origin: str, store: Store, selection: Selection = ALL, name: str = "") -> Tree:
    """The tree of the selected members of an archive in the store; remembered, so that it is read once.

    `origin` names it in errors; `name` is its file's, which names what is in a single packed file. Raises SourceError
    for what is no archive, for members no archive may have, and for a pattern that selects nothing.
    """
    key = key_of({"archive": digest.hex, "name": name, **asdict(selection)})
    known = store.recall("unpacked", key)
    if known is not None and store.has(Digest(known)):
        tree = get_tree(Digest(known), store)
        if not tree.missing(store):
            return tree
    tree = selection.of(chosen_members(store.path(digest), origin, store, selection, name).values(), origin)
    put_tree(tree, store)
    store.remember("unpacked", key, tree.digest.hex)
    return tree


def chosen_members(
    path: Path, origin: str, store: Store, selection: Selection = ALL, name: str = ""
) -> dict[str, Entry]:
    """The members of any archive on the disk that a selection takes, by their own paths, their bytes in the store."""
    extra: set[str] = set()
    try:
        while True:
            intake = _Intake(path, origin, store, selection, name, frozenset(extra))
            intake.take_all()
            if intake.missing <= extra:
                return intake.entries
            extra |= intake.missing  # hard links to what was not selected: those bytes are needed, so read again
    except UNREADABLE as error:
        raise _unreadable(origin, error) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(origin, error) from error  # bz2 says damage with a bare OSError


@dataclass
class _Intake:
    """One reading of an archive. Small members are stored many at once: a disk syncs several as fast as one.

    `entries` are by their path in the archive, as the last member of a path says; `missing` are targets of hard links
    that were not selected.
    """

    path: Path
    origin: str
    store: Store
    selection: Selection
    name: str
    extra: frozenset[str]
    entries: dict[str, Entry] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    gathered: list[tuple[Member, bytes]] = field(default_factory=list)
    allowance: int = 0

    def take_all(self) -> None:
        self.allowance = MAX_RATIO * self.path.stat().st_size + MAX_SLACK
        for count, member in enumerate(members(self.path, self.origin, self.name)):
            require_inside(member.path, self.origin)
            self._spend(member.size or 0)
            if count >= MAX_MEMBERS:
                raise self._bomb()
            if self.selection.takes(member.path) or member.path in self.extra:
                self._take(member)
        self._store_gathered()

    def _take(self, member: Member) -> None:
        if member.hardlink is not None:
            self._store_gathered()
            self._link(member, member.hardlink)
        elif member.symlink is not None:
            self._store_gathered()
            self.entries[member.path] = Entry(member.path, target=member.symlink)
        elif member.size is not None and member.size <= CHUNK:
            self.gathered.append((member, b"".join(self._bytes_of(member))))
            if len(self.gathered) >= _BATCH_MEMBERS or sum(len(data) for _, data in self.gathered) >= _BATCH_BYTES:
                self._store_gathered()
        else:
            self._store_gathered()
            blob = self.store.put(self._bytes_of(member))
            self.entries[member.path] = Entry(member.path, blob.digest, blob.size, member.executable)

    def _link(self, member: Member, target: str) -> None:
        require_inside(target, self.origin)
        if target in self.entries:
            self.entries[member.path] = replace(self.entries[target], path=member.path)
        elif target in self.extra or self.selection.takes(target):
            raise SourceError(f"{self.origin} has a hard link {member.path} to {target}, which is not before it")
        else:
            self.missing.add(target)

    def _store_gathered(self) -> None:
        blobs = results(lambda item: self.store.put_bytes(item[1]), self.gathered, _WRITERS)
        for (member, _), blob in zip(self.gathered, blobs, strict=True):
            self.entries[member.path] = Entry(member.path, blob.digest, blob.size, member.executable)
        self.gathered = []

    def _bytes_of(self, member: Member) -> Iterator[bytes]:
        """A member's bytes: as many as it said, neither more nor fewer."""
        file = member.read()
        left = member.size
        while file is not None and (chunk := file.read(CHUNK)):
            if left is None:
                self._spend(len(chunk))
            else:
                left -= len(chunk)
                if left < 0:
                    break
            yield chunk
        if left:
            raise SourceError(f"{member.path} in {self.origin} is not as long as the archive says", hint=HARMFUL)

    def _spend(self, size: int) -> None:
        self.allowance -= size
        if self.allowance < 0:
            raise self._bomb()

    def _bomb(self) -> SourceError:
        return SourceError(f"{self.origin} unpacks to far more than its size allows; not used", hint=HARMFUL)


def _unreadable(origin: str, error: Exception) -> SourceError:
    return SourceError(f"{origin} is not a readable archive: {error}", hint="fetch or make it again")
