"""A COMMIT of which nobody knows whether it happened, settled: by a write, then by the exact hash of a row.

A COMMIT that raises while its transaction is still open has failed, and nothing is to be settled. After any other
exception a mere read is not enough: when the sync of the log has failed, SQLite shows the transaction as absent, and
its frames, which stand in the log, bring it back at the next open. So:

  1. The connection is closed as it is, without folding the log: an error of its file is not tried again on it.
  2. Another one is opened, never making a file: one that was deleted is not made anew. Where nobody else has the file
     open, SQLite recovers the log here.
  3. What is in the log is folded back into the file and synced. A sync that failed may have marked pages as clean that
     never reached the disk; folded back, they are written anew, elsewhere.
  4. A write is committed, durably. It takes the place in the log that an absent transaction had.
  5. The row is looked for at its place, by its hash: nobody else can have written it.

Found: applied. Absent: not applied, and never will be. If any of it fails, nothing is known (InDoubt), and the store
stops. The reading connection stays: it sees what is committed, and nothing else.
"""

import time

import apsw

from persistence.errors import CannotOpen, InDoubt, NotCommitted, StoreError
from persistence.sqlite import statements
from persistence.sqlite.connection import connect, hold_log, set_level
from persistence.sqlite.errors import translate
from persistence.sqlite.query import fetch_all, fetch_one, run

__all__ = ["failed", "settled", "unsettled"]


def settled(
    path: str, *, vfs: str | None, store_id: str, mark: str, wanted: tuple[int, bytes]
) -> tuple[apsw.Connection, bool]:
    """Open a file anew; return the connection, and whether the row n with this hash is committed. Durable on return.

    `mark` is the id of the store's own open mark, whose time is the write. Raises apsw.Error and StoreError where it
    cannot be known.
    """
    connection = connect(path, vfs=vfs, may_make=False)
    try:
        hold_log(connection, is_held=True)
        _write(connection, store_id=store_id, mark=mark)
        found = fetch_one(connection, statements.ROW_AT, wanted[0])
        hold_log(connection, is_held=False)
    except BaseException:
        connection.close(force=True)
        raise
    return connection, found is not None and found[2] == wanted[1]


def _write(connection: apsw.Connection, *, store_id: str, mark: str) -> None:
    path = connection.filename
    if ("store_id", store_id) not in fetch_all(connection, statements.META):
        raise CannotOpen(f"{path}: another store stands there")
    set_level(connection, "full")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
    run(connection, statements.BEGIN)
    run(connection, statements.TOUCH_OPEN_MARK, time.time_ns() // 1000, mark)
    if connection.changes() != 1:
        raise CannotOpen(f"{path}: the open mark of this engine is gone")
    run(connection, statements.COMMIT)


def unsettled(path: str, error: apsw.Error, why: object) -> InDoubt:
    """Return what is raised where not even a write tells. Pure."""
    return InDoubt(
        f"{path}: COMMIT failed ({error}), and whether it happened could not be settled ({why}); close the engine, "
        "mend the disk and open the file with recovery.open"
    )


def failed(path: str, error: apsw.Error) -> StoreError:
    """Return what is raised where it was settled that nothing happened. Pure."""
    told = translate(error, path)
    if type(told) is not StoreError:
        return told
    return NotCommitted(
        f"{path}: COMMIT failed ({error}); it was settled that nothing happened, send it again", extended=told.extended
    )
