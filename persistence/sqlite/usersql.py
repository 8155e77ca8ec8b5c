"""The user's SQL inside our transaction: what it may do, and what happens when it ends the transaction behind our back.

An authorizer stays installed on the writing connection and consults a mode; taking it off and on would empty SQLite's
statement cache. It is asked when a statement is prepared, and the user's statements are never cached with ours, so the
mode that holds while a statement runs is the one it was allowed under.

After each statement the transaction must still be open. `INSERT OR ROLLBACK`, `RAISE(ROLLBACK)` and a full disk end it:
then the attempt is *poisoned*, every later statement of it raises without running, whatever the callback catches.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum

import apsw

from persistence.errors import Closed, SqlFailed
from persistence.process import PROCESS
from persistence.sqlite.errors import translate
from persistence.sqlite.query import fetch_all, user_rows
from persistence.store import Value

__all__ = ["ROWS_MAX", "Mode", "UserSql"]

BLANK = re.compile(r"(?>\s|;|--[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL).fullmatch  # no statement in it
OBJECTS = "SELECT type, name, sql FROM sqlite_schema"  # what the file defines; all

ROWS_MAX = 100_000  # a statement's rows are fetched before it returns: more than this belongs in a reader


class Mode(Enum):
    """Whose statement is being prepared."""

    OURS = "ours"  # everything
    READ = "read"  # guards, invariants, reading from outside
    WRITE = "write"  # actions
    SCHEMA = "schema"  # Engine(schema=…)


_READS = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
_WRITES = _READS | {apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE}
_DDL = {
    getattr(apsw, f"SQLITE_{verb}_{thing}")
    for verb in ("CREATE", "DROP")
    for thing in ("TABLE", "INDEX", "VIEW", "TRIGGER", "VTABLE")
} | {apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_REINDEX, apsw.SQLITE_ANALYZE}
_ALLOWED = {Mode.READ: _READS, Mode.WRITE: _WRITES, Mode.SCHEMA: _WRITES | _DDL}
"""Mode -> SQLite's action codes. PRAGMA, ATTACH, SAVEPOINT and transaction words are in none."""


def _is_ours(name: str | None) -> bool:
    return name is not None and name.lower().startswith("perdure_")


class UserSql:
    """Runs the user's statements on one connection, one at a time, under a mode."""

    def __init__(self, connection: apsw.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._owner = PROCESS.pid
        self._mode = Mode.OURS
        self.is_poisoned = False  # a statement of the user's ended the transaction
        self._refused = ""
        connection.authorizer = self._authorize

    def _authorize(
        self, code: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None
    ) -> int:
        """Allow or deny one action of a statement that is being prepared. `first` and `second` as SQLite documents."""
        if self._mode is Mode.OURS:
            return apsw.SQLITE_OK
        if code == apsw.SQLITE_PRAGMA and first == "data_version":
            return apsw.SQLITE_OK  # it only reads, and FTS5 asks it for the user's full-text tables
        if code not in _ALLOWED[self._mode]:
            self._refused = f"{_name(code)} is not allowed here"
            return apsw.SQLITE_DENY
        # Of an UPDATE, `second` is a column, and the user's may be named as they like; elsewhere it is a table or None.
        tables = (first,) if code == apsw.SQLITE_UPDATE else (first, second)
        ours = next((name for name in tables if _is_ours(name)), None)
        if code not in _READS and ours is not None:
            self._refused = f"{ours} belongs to the store"
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    def run(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one statement inside the open transaction and return all its rows. Raises SqlFailed."""
        if PROCESS.pid != self._owner:  # a callback forked
            raise Closed(f"{self._path}: opened by the parent process before it forked")
        if self.is_poisoned or not self._connection.in_transaction:
            raise SqlFailed("an earlier statement of this attempt ended the transaction; nothing of it will be kept")
        self._refused = ""
        try:
            self._mode = Mode.WRITE if writable else Mode.READ
            return self._fetch(statement, parameters)
        except apsw.Error as error:
            raise self._explain(error, statement) from error
        finally:
            self._mode = Mode.OURS  # before all else: what undoes this runs statements of ours, behind an interrupt too
            self.is_poisoned = not self._connection.in_transaction

    def define(self, statements: str) -> None:
        """Run the user's definitions (CREATE TABLE …), several statements, inside the open transaction.

        SQLite does not ask what the body of a view or trigger will touch, nor what a table is renamed to: what came out
        is looked at. Raises SqlFailed.
        """
        before = set(fetch_all(self._connection, OBJECTS))
        self._refused = ""
        try:
            self._mode = Mode.SCHEMA
            for _ in user_rows(self._connection.cursor(), statements):
                pass  # a statement that returns rows must be run to its end, or the ones after it never run
        except apsw.Error as error:
            raise self._explain(error, statements) from error
        except ValueError as error:  # a NUL, or half of a character
            raise SqlFailed(f"schema={statements[:80]!a} is no text that SQLite can read: {error}") from error
        finally:
            self._mode = Mode.OURS
        for kind, name, sql in set(fetch_all(self._connection, OBJECTS)) - before:
            if _is_ours(name) or (kind in {"view", "trigger"} and "perdure_" in sql.lower()):
                raise SqlFailed(
                    f"the {kind} {name!r} takes a name of the store's or reaches into it: what begins with perdure_ is "
                    "the store's own; read it from outside, or in a statement"
                )

    def _fetch(self, statement: str, parameters: Sequence[Value]) -> list[tuple[Value, ...]]:
        cursor = self._connection.cursor()
        cursor.exec_trace = _single(statement)
        try:
            rows: list[tuple[Value, ...]] = []
            for row in user_rows(cursor, statement, *parameters):
                if len(rows) == ROWS_MAX:
                    raise SqlFailed(f"a statement returned more than {ROWS_MAX} rows: {statement[:80]!r}")
                rows.append(row)
            return rows
        finally:
            cursor.close(force=True)

    def _explain(self, error: apsw.Error, statement: str) -> SqlFailed:
        reason = self._refused or str(error)
        ours = translate(error, self._path)
        return SqlFailed(f"{statement.strip()[:120]!r} failed: {reason}", extended=ours.extended)


def _single(statement: str) -> Callable[[apsw.Cursor, str, object], bool]:
    """Return a tracer that refuses text with more than one statement, before the first of them runs."""

    def trace(_cursor: apsw.Cursor, running: str, _bindings: object) -> bool:
        if BLANK(running):
            return True
        before, _, after = statement.partition(running)
        if not BLANK(before) or not BLANK(after):
            raise SqlFailed(f"self.sql takes one statement: {statement.strip()[:80]!r}")
        return True

    return trace


def _name(code: int) -> str:
    names: dict[int | str, int | str] = apsw.mapping_authorizer_function
    return str(names[code]).removeprefix("SQLITE_")
