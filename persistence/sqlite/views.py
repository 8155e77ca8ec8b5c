"""Reading for a moment: one connection for all short reads, used by one thread at a time, with a view for each.

A view that is begun inside a view, by the same thread, is the same one. Others wait, so whoever is interrupted must not
leave one open: its thread would see the file of that moment for ever, and nobody else anything (`abandon`).
"""

import threading
from collections.abc import Callable

import apsw

from persistence.block import Block, release_all
from persistence.errors import Corrupt
from persistence.process import PROCESS
from persistence.sqlite import statements
from persistence.sqlite.errors import explained
from persistence.sqlite.query import run
from persistence.sqlite.reader import SQLiteReader
from persistence.sqlite.usersql import UserSql

__all__ = ["Views"]


class Views:
    """The views of one connection, one after the other. `check` raises where nothing may be read."""

    def __init__(self, connection: apsw.Connection, check: Callable[[], None]) -> None:
        self._connection = connection
        self._path = connection.filename
        self._sql = UserSql(connection, self._path)
        self._check = check
        self._owner = PROCESS.pid
        self._depth = 0  # blocks that are open, of the thread that has the lock
        self._is_closed = False
        self.lock = threading.RLock()

    def one(self) -> Block[SQLiteReader]:
        """Return one, which begins with its block."""
        return Block(self._begin, self._finish)

    @property
    def is_open(self) -> bool:
        """Whether a view is open; asked by who has the lock, so it is one of the same thread."""
        return self._depth > 0

    def _begin(self) -> SQLiteReader:
        self._check()
        self.lock.acquire()
        try:
            self._check()
            if not self._depth:
                with explained(self._path):
                    run(self._connection, statements.BEGIN_READ)
                self._sql.is_poisoned = False
            self._depth += 1
        except Exception:
            self.lock.release()
            raise
        except BaseException:
            self.abandon()
            raise
        return SQLiteReader(self._connection, self._sql)

    def _finish(self, _begun: SQLiteReader, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception):
            self.abandon()
            return
        if not self.lock.acquire(blocking=False):  # it was abandoned, and another thread reads
            return
        try:
            if self._depth == 1:
                self._end(is_stale=isinstance(error, Corrupt))
            if self._depth:  # else it was abandoned, and nobody reads
                self._depth -= 1
                self.lock.release()
            self.lock.release()
        except BaseException:
            self.abandon()
            raise

    def _end(self, *, is_stale: bool = False) -> None:
        """End the view; after damage drop the pages that were read: a short read reads well again."""
        if PROCESS.pid == self._owner and not self._is_closed and self._connection.in_transaction:
            run(self._connection, statements.ROLLBACK)
            if is_stale:
                self._connection.release_memory()

    def abandon(self) -> None:
        """End what an interrupt left open of this thread's views, and release the lock; another thread's stay."""
        if self.lock.acquire(blocking=False):
            try:
                self._depth = 0
                self._end()
            finally:
                release_all(self.lock)

    def close(self) -> None:
        """Close the connection; called by who has the lock. Closing twice is allowed."""
        self._is_closed = True
        with explained(self._path):
            self._connection.close(force=True)
