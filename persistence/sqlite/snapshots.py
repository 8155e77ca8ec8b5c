"""Reading for as long as it takes: connections of their own, each with one view of the file from its first moment on.

A snapshot reads beside every writer and every other reader. While it is held, SQLite folds the log back only as far as
the snapshot's moment and cannot begin it anew: the log grows with what is written meanwhile (`connection.Log` warns).

Connections are closed by who opened them: in a forked child they are left alone (`connection` says why), and they never
fold the log when they close.
"""

import apsw

from persistence.errors import Busy
from persistence.process import PROCESS
from persistence.sqlite import statements
from persistence.sqlite.connection import connect, hold_log
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_one, run
from persistence.sqlite.reader import SQLiteReader
from persistence.sqlite.usersql import UserSql

__all__ = ["Held", "Snapshots"]


class Held:
    """A block with a connection that sees the file as it is at its start. Ending it twice, or unbegun, does nothing."""

    def __init__(self, path: str, *, vfs: str | None, among: "set[Held]") -> None:
        self._path = path
        self._vfs = vfs
        self._among = among
        self._owner = PROCESS.pid
        self.connection: apsw.Connection | None = None

    def __enter__(self) -> SQLiteReader:
        """Begin reading."""
        try:
            self._among.add(self)
            self.connection = connection = connect(self._path, vfs=self._vfs, read_only=True)
            hold_log(connection, is_held=True)
            with explained(self._path):
                run(connection, statements.BEGIN_READ)
                fetch_one(connection, statements.LAST)  # the view begins with what is read first
            return SQLiteReader(connection, UserSql(connection, self._path))
        except BaseException:
            self._end()
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End it."""
        self._end()

    def _end(self) -> None:
        if self.connection is not None and PROCESS.pid == self._owner:
            with explained(self._path):
                self.connection.close(force=True)
        self._among.discard(self)


class Snapshots:
    """Those that one store has open."""

    def __init__(self, path: str, *, vfs: str | None) -> None:
        self._path = path
        self._vfs = vfs
        self._held: set[Held] = set()

    def one(self) -> Held:
        """Return one, which begins with its block."""
        return Held(self._path, vfs=self._vfs, among=self._held)

    def check_ended(self) -> None:
        """Raise Busy where one is held."""
        if self._held:
            raise Busy(f"{self._path}: the store is in use by {len(self._held)} snapshots; end them, then close it")
