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

from persistence.errors import CannotOpen
from persistence.sqlite import statements
from persistence.sqlite.connection import hold_log
from persistence.sqlite.query import fetch_all, fetch_one, run

__all__ = ["settle"]


def settle(connection: apsw.Connection, *, store_id: str, mark: str, wanted: tuple[int, bytes]) -> bool:
    """Say whether the row n with this hash is committed, on a connection that was opened anew. Durable on return.

    `mark` is the id of the store's own open mark, whose time is the write. Raises apsw.Error and StoreError where it
    cannot be known.
    """
    hold_log(connection, is_held=True)
    if ("store_id", store_id) not in fetch_all(connection, statements.META):
        raise CannotOpen(f"{connection.filename}: another store stands there")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
    run(connection, statements.BEGIN)
    run(connection, statements.TOUCH_OPEN_MARK, time.time_ns() // 1000, mark)
    if connection.changes() != 1:
        raise CannotOpen(f"{connection.filename}: the open mark of this engine is gone")
    run(connection, statements.COMMIT)
    n, row_hash = wanted
    found = fetch_one(connection, statements.ROW_AT, n)
    hold_log(connection, is_held=False)
    return found is not None and found[2] == row_hash
