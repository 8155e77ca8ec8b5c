"""Reading for as long as it takes: connections of their own, each with one view of the file from its first moment on.

A snapshot reads beside every writer and every other reader. While it is held, SQLite folds the log back only as far as
the snapshot's moment and cannot begin it anew: the log grows with what is written meanwhile (`connection.Log` warns).

Connections are closed by who opened them: in a forked child they are left alone (`connection` says why), and they never
fold the log when they close.
"""

from collections.abc import Generator
from contextlib import contextmanager

import apsw

from persistence.errors import Busy
from persistence.process import PROCESS
from persistence.sqlite import statements
from persistence.sqlite.connection import connect, hold_log
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_one, run
from persistence.sqlite.reader import SQLiteReader
from persistence.sqlite.usersql import UserSql

__all__ = ["Snapshots"]


class Snapshots:
    """Those that one store has open."""

    def __init__(self, path: str, *, vfs: str | None) -> None:
        self._path = path
        self._vfs = vfs
        self._owner = PROCESS.pid
        self._held: set[apsw.Connection] = set()

    @contextmanager
    def connection(self) -> Generator[apsw.Connection]:
        """Open a connection that sees the file as it is, until the block ends."""
        connection = connect(self._path, vfs=self._vfs, read_only=True)
        self._held.add(connection)
        try:
            hold_log(connection, is_held=True)
            with explained(self._path):
                run(connection, statements.BEGIN_READ)
                fetch_one(connection, statements.LAST)  # the view begins with what is read first
            yield connection
        finally:
            self._held.discard(connection)
            if PROCESS.pid == self._owner:
                with explained(self._path):
                    connection.close(force=True)

    @contextmanager
    def reader(self) -> Generator[SQLiteReader]:
        """Begin reading, on a connection of its own."""
        with self.connection() as connection:
            yield SQLiteReader(connection, UserSql(connection, self._path))

    def check_ended(self) -> None:
        """Raise Busy where one is held."""
        if self._held:
            raise Busy(f"{self._path}: the store is in use by {len(self._held)} snapshots; end them, then close it")
