"""How a file becomes a store, and an owner one of those who have it open: in one transaction."""

import time
import uuid

import apsw

from persistence.sqlite import marks, statements
from persistence.sqlite.comparing import end_of_lane
from persistence.sqlite.connection import fold_once
from persistence.sqlite.errors import explained
from persistence.sqlite.meta import read_meta
from persistence.sqlite.query import iterate, run
from persistence.sqlite.schema import FORMAT, TABLES, VIEWS
from persistence.sqlite.usersql import UserSql

__all__ = ["adopt", "marks_of"]


def marks_of(connection: apsw.Connection) -> list[marks.Mark]:
    """Return the marks of all owners."""
    return [marks.Mark(*row) for row in iterate(connection, statements.OPEN_MARKS)]


def adopt(
    connection: apsw.Connection, path: str, *, user: UserSql, owner: str, level: str | None, schema: str | None
) -> tuple[dict[str, str], tuple[int, int, bytes]]:
    """Add our tables where they are missing, the user's as `schema` says, and the open mark of `owner`.

    Returns meta, the number of our slot, and where the lane ends. Raises what `explained` raises, and SqlFailed.
    """
    with explained(path):
        run(connection, statements.BEGIN)
        try:
            meta = read_meta(connection, path, level=level)
            is_new = meta is None
            if meta is None:
                for statement in (*TABLES, *VIEWS):
                    run(connection, statement)
                meta = {"format": str(FORMAT), "store_id": uuid.uuid4().hex, "epoch": "1", "level": level or "full"}
                for pair in meta.items():
                    run(connection, statements.PUT_META, *pair)
            if schema is not None:
                user.define(schema)
            mark = marks.this_process(owner, others=marks_of(connection))
            values = (mark.id, mark.host, mark.boot, mark.pid, mark.started, mark.slot, time.time_ns() // 1000)
            run(connection, statements.PUT_OPEN_MARK, *values)
            place = (mark.slot, *end_of_lane(connection))
            run(connection, statements.COMMIT)
        except BaseException:
            if connection.in_transaction:
                run(connection, statements.ROLLBACK)
            raise
        if is_new:
            fold_once(connection)
    return meta, place
