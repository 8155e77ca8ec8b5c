"""The floor: what a durable transition costs in apsw alone, one UPDATE with compare-and-set and one INSERT.

The connection is set up here and not by the store's own module, so that nothing done to that moves the floor: a log
with synchronous=FULL, psow=0, pages of 4096 bytes, no mmap, BEGIN IMMEDIATE; SQLite's own checkpoint, passive, at
`FOLD_PAGES`; the log grows page by page, as it does for everybody who does not know better. The statements are executed
one by one.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import apsw

FOLD_PAGES = 1_000  # SQLite's default, and where the store folds a log that has not grown
GROUP = 256  # transitions a commit of the grouped floor

TABLES = (
    "CREATE TABLE head (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, data BLOB NOT NULL)",
    "CREATE TABLE journal (n INTEGER PRIMARY KEY, id INTEGER, version INTEGER, state TEXT, data BLOB)",
)
MOVE = "UPDATE head SET version = ?, state = ?, data = ? WHERE id = ? AND version = ?"
PUT = "INSERT INTO journal (id, version, state, data) VALUES (?, ?, ?, ?)"


_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI


class Raw:
    """A file with so many instances, and what writes transitions of them."""

    def __init__(self, path: Path, *, instances: int = 1, level: str = "FULL") -> None:
        self.connection = apsw.Connection(f"file:{quote(str(path))}?psow=0", flags=_FLAGS)
        for name, value in (
            ("page_size", 4096),
            ("mmap_size", 0),
            ("journal_mode", "wal"),
            ("synchronous", level),
            ("wal_autocheckpoint", FOLD_PAGES),
        ):
            self.connection.pragma(name, value)
        for table in TABLES:
            self.connection.execute(table)
        with self.connection:
            self.connection.executemany(
                "INSERT INTO head (id, version, state, data) VALUES (?, 1, 'low', '{}')",
                ((number,) for number in range(instances)),
            )
        self.versions = [1] * instances
        self._next = 0

    def run(self, count: int, *, group: int = 1) -> float:
        """Write so many transitions, evenly over the instances, and return the seconds that it took."""
        execute, versions, instances, number = self.connection.execute, self.versions, len(self.versions), self._next
        start = time.perf_counter()
        for first in range(0, count, group):
            execute("BEGIN IMMEDIATE")
            for _ in range(min(group, count - first)):
                version = versions[number]
                body = b'{"level":%d,"by":"nobody"}' % (version % 1000)
                execute(MOVE, (version + 1, "high", body, number, version))
                if self.connection.changes() != 1:
                    raise RuntimeError("somebody else wrote")
                execute(PUT, (number, version + 1, "high", body))
                versions[number] = version + 1
                number = (number + 1) % instances
            execute("COMMIT")
        self._next = number
        return time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()


def read_one(path: Path, statement: str) -> None:
    """Open a file, read what a statement returns, and close it."""
    connection = apsw.Connection(str(path))
    connection.execute(statement).fetchall()
    connection.close()
