"""The anchor: a small file beside the database that says how far the store had come, written by each open engine.

A log that was cut, damaged or deleted, and an older copy that was put in the place of the file, are sound to SQLite and
to every hash in the file: only what stands outside of it can tell. The file is a row of slots of 64 bytes, each the
word of one engine:

  slot = store id (16 bytes) ‖ u32 epoch·256 + level (0 full, 1 normal) ‖ i64 n ‖ seal (32 bytes) ‖ u32 crc32 of the 60

A slot is valid if and only if
  (A1) its crc32 is that of the 60 bytes before it, and its level is known;
  (A2) its store id is the store's: others count as missing, and are reported;
  (A3) its epoch is not below the store's: what an earlier epoch tells was accepted as lost.
The valid slot of the highest epoch and n counts. It says: the commit that ended at row n, with this seal, had returned.

Order of events: COMMIT returns · the slot is overwritten, without a sync · the sender is answered. An engine's slot is
synced before it folds the log back, at every 1,000th commit and at the close. The file is made and synced, with its
folder, before the first commit; it never shrinks. Which slot is whose stands in the open marks, so that slots are given
out under the database's write lock: the lowest that no living mark has. Who takes over a slot writes a position at
least as high, because it has compared the highest one with the store before.

INV-11: a slot is never ahead of what is durable at the store's level, and its n never falls within an epoch.

What it cannot tell: the commits since its last sync, after a power loss; a file that was restored together with its
anchor; noise in the sector of a write that power was lost under, which leaves no valid slot.

The file is opened through SQLite's VFS, never as a database: so it lies on the same disk as the database, simulated
ones too, and the folder is synced with its first sync, as for a log (it is opened as a super-journal, of which we have
none).
"""

import logging
import os
import struct
from pathlib import Path
from zlib import crc32

import apsw
from attrs import frozen

from persistence.errors import CannotOpen, NotFound, ReadOnlyStore
from persistence.process import PROCESS
from persistence.records import seal_of
from persistence.sqlite import statements
from persistence.sqlite.connection import leak_when_forked
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_all, fetch_one, write_at
from persistence.sqlite.rows import bytes_of
from persistence.sqlite.schema import LEVELS

__all__ = ["EPOCH_MAX", "NO_SEAL", "Anchor", "Slot", "holds"]

SLOT_BYTES = 64
SLOTS_MAX = 1_000  # engines that have one file open; a file that is longer is no anchor
SYNC_COMMITS = 1_000  # after so many the slots are synced: what a power loss can hide stays bounded
TRIES_MAX = 3  # of reading while another engine writes: a slot that was half written has a wrong crc32
EPOCH_MAX = 2**24 - 1
COMMIT_ROWS_MAX = 10_000  # of one commit whose seal is computed again; no batch has more
NO_SEAL = bytes(32)

_body = struct.Struct(">16sIq32s")
_whose, _says = struct.Struct(">16sI"), struct.Struct(">q32s")  # its two halves
_crc = struct.Struct(">I")
_levels: tuple[str, ...] = tuple(LEVELS)  # the order is stored: full is 0, normal is 1
_OPEN = apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_READWRITE
logger = logging.getLogger("perdure.persistence")


@frozen
class Slot:
    """What one engine said last."""

    store_id: str
    epoch: int
    level: str
    n: int
    seal: bytes

    def encoded(self) -> bytes:
        """Return its 64 bytes. Pure."""
        word = self.epoch << 8 | _levels.index(self.level)
        body = _body.pack(bytes.fromhex(self.store_id), word, self.n, self.seal)
        return body + _crc.pack(crc32(body))


def decoded(data: bytes) -> Slot | None:
    """Return the slot that stands in 64 bytes; None where it is not valid (A1). Pure."""
    body = data[: _body.size]
    unpacked: tuple[bytes, int, int, bytes] = _body.unpack(body)
    store_id, word, n, seal = unpacked
    if data[_body.size :] != _crc.pack(crc32(body)) or word & 0xFF >= len(_levels) or n < 0:
        return None
    return Slot(store_id.hex(), word >> 8, _levels[word & 0xFF], n, seal)


def _path(database: str, named: str | os.PathLike[str] | None) -> str:
    """Return where the anchor of a database is: beside it, unless somebody named a place. Raises CannotOpen."""
    database = os.path.realpath(database)
    if named is None:
        return f"{database}-anchor"
    found = os.path.realpath(named)
    if found in {database + suffix for suffix in ("", "-wal", "-shm", "-journal")} or Path(found).is_dir():
        raise CannotOpen(f"{os.fspath(named)}: the anchor is a file of its own; name one that is nothing else")
    if not Path(found).parent.is_dir():
        raise NotFound(f"{os.fspath(named)}: the folder of the anchor does not exist; make it first")
    return found


class Anchor:
    """The file of slots, and the slot of one engine in it. Used by one thread at a time.

    `write` fails nobody: the commit that it tells of has returned. What it could not write is logged, and written with
    the next one.
    """

    def __init__(self, database: str, named: str | os.PathLike[str] | None, *, vfs: str | None) -> None:
        self.path = _path(database, named)
        self.is_named = named is not None
        self.vfs = vfs or ""  # the system's own
        self._file: apsw.VFSFile | None = None
        self._owner = PROCESS.pid
        self._offset = 0
        self._whose, self._whose_crc = b"", 0  # what each word of ours begins with, and its crc32
        self._n = -1
        self._unsynced = 0
        leak_when_forked(self)

    def read(self) -> list[Slot | None]:
        """Read all slots; None for one that is not valid, no slots where there is no file. Raises StoreError."""
        file = self._opened(_OPEN)
        if file is None:
            return []
        try:
            found = self._read(file)
            for _ in range(TRIES_MAX - 1):
                found = self._read(file) if None in found else found
            return found
        finally:
            file.xClose()

    def check_new(self, slots: list[Slot | None]) -> None:
        """Refuse to make the anchor of a new store of a file that somebody named and that is something else.

        An anchor that was ruined looks like that too; but then there is a store. Raises CannotOpen.
        """
        if self.is_named and slots and not any(slots):
            raise CannotOpen(
                f"{self.path}: this is no anchor: no slot in it is valid; nothing was changed, name another file"
            )

    def _opened(self, flags: int, *, writes: bool = False) -> apsw.VFSFile | None:
        given = [flags, 0]  # the second is what came of the first: where writing is not allowed, a file to read
        with explained(self.path):
            try:
                file = apsw.VFSFile(self.vfs, self.path, given)
            except apsw.CantOpenError:
                if flags & apsw.SQLITE_OPEN_CREATE or Path(self.path).exists():
                    raise
                return None
        if writes and given[1] & apsw.SQLITE_OPEN_READONLY:
            file.xClose()
            raise ReadOnlyStore(f"{self.path}: the anchor may not be written; check the rights")
        return file

    def _read(self, file: apsw.VFSFile) -> list[Slot | None]:
        with explained(self.path):
            size = file.xFileSize()
            if size % SLOT_BYTES or size > SLOTS_MAX * SLOT_BYTES:
                raise CannotOpen(
                    f"{self.path}: this is no anchor: {size} bytes are no row of slots; nothing was changed, "
                    "name another file"
                )
            data = file.xRead(size, 0).ljust(size, b"\0") if size else b""  # SQLite cuts zeros off what it read short
        return [decoded(data[place : place + SLOT_BYTES]) for place in range(0, size, SLOT_BYTES)]

    def take(self, number: int, slot: Slot) -> None:
        """Make the file if it is missing, make this slot ours, and write and sync it. Raises StoreError."""
        if number >= SLOTS_MAX:
            raise CannotOpen(f"{self.path}: {SLOTS_MAX} engines have the store open; close one")
        self._file = self._file or self._opened(_OPEN | apsw.SQLITE_OPEN_CREATE, writes=True)
        self._offset, self._n = number * SLOT_BYTES, slot.n
        self._whose = _whose.pack(bytes.fromhex(slot.store_id), slot.epoch << 8 | _levels.index(slot.level))
        self._whose_crc = crc32(self._whose)
        with explained(self.path):
            self._put(slot.encoded(), self._offset)
            self._sync()

    def rewrite(self, slot: Slot) -> None:
        """Let every slot of the file say this, and sync them. Raises StoreError."""
        if (file := self._opened(_OPEN, writes=True)) is None:
            return
        self._file = file
        with explained(self.path):
            for number in range(len(self._read(file))):
                self._put(slot.encoded(), number * SLOT_BYTES)
            self._sync()

    def write(self, n: int, seal: bytes) -> None:
        """Say that the commit that ended at row n has returned. Not synced, but each 1,000th time; raises nothing."""
        if n <= self._n or self._file is None or PROCESS.pid != self._owner:
            return
        self._unsynced += 1
        says = _says.pack(n, seal)
        try:
            write_at(self._file, self._whose + says + _crc.pack(crc32(says, self._whose_crc)), self._offset)
        except apsw.Error as error:
            logger.warning("%s: the anchor could not be written, and is behind the store: %s", self.path, error)
            return
        self._n = n
        if self._unsynced >= SYNC_COMMITS:
            self.sync()

    def sync(self) -> bool:
        """Make durable what was written; say whether that went well."""
        if self._file is None or PROCESS.pid != self._owner or not self._unsynced:
            return True
        try:
            self._sync()
        except apsw.Error as error:
            logger.warning("%s: the anchor could not be synced: %s", self.path, error)
            return False
        return True

    def _put(self, data: bytes, offset: int) -> None:
        assert self._file is not None
        write_at(self._file, data, offset)

    def _sync(self) -> None:
        assert self._file is not None
        self._file.xSync(apsw.SQLITE_SYNC_NORMAL)
        self._unsynced = 0

    def close(self) -> bool:
        """Sync and close the file; say whether it is durable. In a forked child nothing is done."""
        file = self._file
        if file is None or PROCESS.pid != self._owner:
            return True
        is_durable = self.sync()
        self._file = None
        try:
            file.xClose()
        except apsw.Error as error:
            logger.warning("%s: the anchor could not be closed: %s", self.path, error)
        return is_durable


def holds(connection: apsw.Connection, slot: Slot) -> bool:
    """Say whether a store holds the commit that a slot tells of: one read where all is well.

    Where the seal at n is another one, or the row is gone, the seal is computed again from the hashes of its commit's
    rows; for a row that is damaged or gone the hash is its instance's head's. If it then agrees nothing of the tail is
    lost, and that row is judged alone. Raises apsw.Error.
    """
    if slot.n == 0:
        return True
    row = fetch_one(connection, statements.SEALED_AT, slot.n, slot.n)
    if row is not None and row[1] == slot.seal:
        return True
    prior, seal = fetch_one(connection, statements.SEALED_BEFORE, slot.n, slot.n) or (0, NO_SEAL)
    first = prior + 1
    rows = fetch_all(connection, statements.HASHES, first, slot.n, first, slot.n)
    stored = {n: bytes_of(found) for n, found in rows}
    places = range(first, slot.n + 1)
    # A tail that is gone has no head that points into it either; only what is damaged costs a scan of the heads.
    if len(places) > COMMIT_ROWS_MAX or (row is None and not _head_at(connection, slot.n)):
        return False
    heads = {n: found for n in places if (found := _head_at(connection, n)) is not None}
    for hashes in ({**heads, **stored}, {**stored, **heads}):
        if len(hashes) == len(places):
            computed = seal_of(seal, first, tuple(hashes[n] for n in places))
            if computed == slot.seal:
                return True
    return False


def _head_at(connection: apsw.Connection, n: int) -> bytes | None:
    row = fetch_one(connection, statements.HEAD_AT, n)
    return None if row is None else bytes_of(row[0])
