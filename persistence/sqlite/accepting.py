"""A tail that is lost, accepted: the log is copied, the store's epoch is raised, every slot of the anchor is rewritten.

Each step is durable before the next one begins. After a crash in between the loss is either still told, or told of an
epoch that is over: then the slots count as missing, and are made anew.
"""

import os

import apsw

from persistence.errors import Conflict, Corrupt
from persistence.sqlite import statements
from persistence.sqlite.anchor import EPOCH_MAX, Anchor, Slot
from persistence.sqlite.connection import set_level
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_one, pragma, run, write_at

__all__ = ["accept", "copy_log"]

LOG_HEADER, FRAME_HEADER = 32, 24
MAIN_DATABASE_LOG = 1  # apsw's number of the file


def copy_log(connection: apsw.Connection, path: str, *, vfs: str) -> str | None:
    """Copy the log as it is, damaged frames and all, and return where to; None where there is none.

    It is read through the connection: who opens one of SQLite's files beside it and closes it drops SQLite's locks.
    """
    _, header = connection.read("main", MAIN_DATABASE_LOG, 0, LOG_HEADER)
    if not any(header):
        return None
    frame = FRAME_HEADER + int(pragma(connection, "page_size"))
    flags = apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    copy = apsw.VFSFile(vfs, path, [flags, 0])
    try:
        copy.xTruncate(0)
        write_at(copy, header, 0)
        is_whole, place = True, LOG_HEADER
        while is_whole:
            is_whole, data = connection.read("main", MAIN_DATABASE_LOG, place, frame)
            write_at(copy, data if is_whole else data.rstrip(b"\0"), place)
            place += frame
        copy.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        copy.xClose()
    return path


def accept(connection: apsw.Connection, anchor: Anchor, slot: Slot, *, epoch: int) -> tuple[Slot, str | None]:
    """Begin an epoch; `slot` says where the store stands. Return the slot in that epoch, and where the log's copy is.

    Durable on return. Raises Conflict where somebody else has raised the epoch meanwhile, and what SQLite raises.
    """
    path = connection.filename
    if epoch > EPOCH_MAX:
        raise Corrupt(f"{path}: epoch {EPOCH_MAX} is the last one; copy what can be read into a new store")
    with explained(path):
        copy = copy_log(connection, f"{os.path.realpath(path)}-wal-lost-{slot.epoch}", vfs=anchor.vfs)
        set_level(connection, "full")
        run(connection, statements.BEGIN)
        run(connection, statements.RAISE_EPOCH, str(epoch), str(slot.epoch))
        is_first = connection.changes() == 1
        n, seal = fetch_one(connection, statements.LAST) or (slot.n, slot.seal)
        run(connection, statements.COMMIT if is_first else statements.ROLLBACK)
    if not is_first:
        raise Conflict(f"{path}: somebody else accepted the loss first")
    is_seal = isinstance(seal, bytes) and len(seal) == len(slot.seal)  # else it is damage, and `slot` says what it was
    following = Slot(slot.store_id, epoch, slot.level, *((n, seal) if is_seal else (slot.n, slot.seal)))
    anchor.rewrite(following)
    return following, copy
