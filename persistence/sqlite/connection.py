"""One connection, opened the way that was measured to be right, and when its log is folded back into the file.

The pragmas and why: WAL with synchronous=FULL syncs once per commit; psow=0 does not trust the disk to keep the rest of a
sector intact; mmap is off because an I/O error would become a signal; foreign keys are the user's and are enforced.
SQLite's own checkpoints are switched off *before* the hook is set, because that pragma removes the hook. The hook only
notes the length of the log: the writer folds it back after a commit has returned, so that no answer waits for it and no
failure of it is taken for a failure of the commit.
"""

from urllib.parse import quote

import apsw

from persistence.errors import CannotOpen
from persistence.sqlite.errors import explained
from persistence.sqlite.schema import LEVELS

__all__ = ["CHECKPOINT_PAGES", "Log", "connect", "set_level"]

BUSY_MS_MAX = 5_000  # how long BEGIN IMMEDIATE waits for another process; longer waits hide a stuck owner
CHECKPOINT_PAGES = 1_000  # overwriting a log is 1.8 times cheaper than growing it: fold it back early
RESTART_PAGES = 16_384  # 64 MB: some reader keeps the log from being reused
STATEMENTS_MAX = 256  # our statements are about thirty; the rest is the user's reading


def connect(path: str, *, vfs: str | None = None, read_only: bool = False) -> apsw.Connection:
    """Open a connection. It changes nothing in the file. Raises CannotOpen and what `explained` raises."""
    if "\0" in path or not path:
        raise CannotOpen(f"{path!r}: a path must not be empty or hold a NUL")
    mode = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with explained(path):
        connection = apsw.Connection(
            f"file:{quote(path)}?psow=0",
            flags=mode | apsw.SQLITE_OPEN_URI,
            vfs=vfs,
            statementcachesize=STATEMENTS_MAX,
        )
    connection.set_busy_timeout(BUSY_MS_MAX)
    for pragma, value in (
        ("mmap_size", 0),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        ("wal_autocheckpoint", 0),
    ):
        connection.pragma(pragma, value)
    return connection


def set_level(connection: apsw.Connection, level: str) -> None:
    """Make commits on this connection as durable as the store's level says."""
    connection.pragma("synchronous", LEVELS[level])


class Log:
    """The write-ahead log of one writing connection: how long it is, and when it is folded back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._pages = 0
        connection.set_wal_hook(self._note)

    def _note(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def fold(self) -> str | None:
        """Fold the log back if it is long; called after a commit has returned. Returns a warning, or None.

        A failure here concerns no transition: they are durable in the log. It is returned as a warning and tried again
        after the next commit.
        """
        if self._pages < CHECKPOINT_PAGES:
            return None
        mode = apsw.SQLITE_CHECKPOINT_RESTART if self._pages > RESTART_PAGES else apsw.SQLITE_CHECKPOINT_PASSIVE
        pages, self._pages = self._pages, 0
        try:
            self._connection.wal_checkpoint(mode=mode)
        except apsw.Error as error:
            return f"the log of {pages} pages could not be folded back: {error}"
        if mode == apsw.SQLITE_CHECKPOINT_RESTART:
            return f"the log reached {pages} pages: a reader keeps it from being reused"
        return None
