"""Running one statement of ours: apsw's calls with types.

Its stubs leave a row's values open. Ours are those of the STRICT tables that `schema` specifies, so a row is a tuple of
Any here, and becomes a record in `rows`.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import apsw

from persistence.errors import Corrupt
from persistence.store import Value

__all__ = [
    "fetch_all",
    "fetch_each",
    "fetch_one",
    "iterate",
    "pragma",
    "run",
    "run_each",
    "run_with",
    "user_rows",
    "write_at",
]

Row = tuple[Any, ...]


def _unreadable(connection: apsw.Connection | apsw.Cursor, error: UnicodeDecodeError) -> Corrupt:
    """Return text that is no UTF-8 as what it is: STRICT tables allow it, and we never write it."""
    if isinstance(connection, apsw.Cursor):
        connection = connection.connection
    return Corrupt(f"{connection.filename}: a text in the file is no UTF-8 ({error}); run perdure verify")


def run(connection: apsw.Connection | apsw.Cursor, statement: str, *values: Value) -> None:
    """Run a statement that returns no rows."""
    connection.execute(statement, values)


def run_with(cursor: apsw.Cursor, statement: str, values: Row) -> None:
    """Run a statement that returns no rows, with these values."""
    cursor.execute(statement, values)


def run_each(cursor: apsw.Cursor, statement: str, rows: Iterable[Row]) -> None:
    """Run a statement that returns no rows once for each of these values: for many in two thirds of the time."""
    cursor.executemany(statement, rows)


def fetch_one(connection: apsw.Connection | apsw.Cursor, statement: str, *values: Value) -> Row | None:
    """Run a statement and return its first row, or None."""
    try:
        return connection.execute(statement, values).fetchone()
    except UnicodeDecodeError as error:
        raise _unreadable(connection, error) from error


def fetch_all(connection: apsw.Connection, statement: str, *values: Value) -> list[Row]:
    """Run a statement and return all its rows."""
    try:
        return connection.execute(statement, values).fetchall()
    except UnicodeDecodeError as error:
        raise _unreadable(connection, error) from error


def fetch_each(cursor: apsw.Cursor, statement: str, values: Iterable[Row]) -> list[Row]:
    """Run a statement once for each of these values, and return the rows of all."""
    try:
        return cursor.executemany(statement, values).fetchall()
    except UnicodeDecodeError as error:
        with suppress(apsw.IncompleteExecutionError):  # of the values that are left: else the next statement raises it
            cursor.execute("")
        raise _unreadable(cursor, error) from error


def iterate(connection: apsw.Connection, statement: str, *values: Value) -> Iterator[Row]:
    """Run a statement and iterate over its rows, as many as there are."""
    try:
        yield from connection.execute(statement, values)
    except UnicodeDecodeError as error:
        raise _unreadable(connection, error) from error


def pragma(connection: apsw.Connection, name: str, *value: str | int) -> Any:
    """Set or ask a pragma, and return what it answers."""
    return connection.pragma(name, *value)


def user_rows(cursor: apsw.Cursor, statement: str, *values: Value) -> Iterator[Row]:
    """Run a statement of the user's, kept out of the cache of ours, and iterate over its rows."""
    yield from cursor.execute(statement, values, can_cache=False)


def write_at(file: apsw.VFSFile, data: bytes, offset: int) -> None:
    """Write to a file that was opened through a VFS."""
    file.xWrite(data, offset)
