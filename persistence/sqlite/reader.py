"""One consistent view of the file: the port's Reader over a connection with an open read transaction."""

import re
from collections.abc import Iterator, Sequence

import apsw

from persistence.records import Checkpoint, Found, Head, KeyRecord, Row, Sealed, Standing, Stub
from persistence.sqlite import statements
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_all, fetch_one, iterate
from persistence.sqlite.rows import (
    bytes_of,
    read_checkpoints,
    read_definition,
    read_evidence,
    read_head,
    read_keys,
    read_places,
    read_row,
    read_rows,
    read_rows_to,
    read_stubs,
)
from persistence.sqlite.usersql import UserSql
from persistence.store import PLACE_MIN, Value

__all__ = ["SQLiteReader"]

LINES_MAX = 20  # of what SQLite says that are told
VALUES = re.compile(r"(NULL|TEXT|NUMERIC|non-[A-Z]+) value in |CHECK constraint failed in ")
"""How SQLite begins to say that a value does not fit its column: damage of one row, which its page outlives."""


class SQLiteReader:
    """The port's Reader over one apsw connection with an open read transaction."""

    def __init__(self, connection: apsw.Connection, user: UserSql) -> None:
        self._connection = connection
        self._user = user
        self._lines: list[str] | None = None  # of SQLite's own check: the view stays the same

    def instances(self, *, workflow: str | None = None) -> Iterator[str]:
        """Iterate over instance ids, in the order in which they were started."""
        statement, values = (statements.INSTANCES, ()) if workflow is None else (statements.INSTANCES_OF, (workflow,))
        with explained(self._connection.filename):
            for (name,) in iterate(self._connection, statement, *values):
                yield bytes_of(name).decode(errors="replace")  # a damaged one is found nowhere, and counted by the lane

    def standings(self, workflow: str, *, after: str | None = None, running: bool = False) -> Iterator[Standing]:
        """Iterate over where the instances of a workflow stand, in the order in which they were started."""
        statement = statements.STANDINGS_LIVE if running else statements.STANDINGS
        with explained(self._connection.filename):
            place = (0,) if after is None else fetch_one(self._connection, statements.INSTANCE_ID, after)
            if place is None:
                return
            for row in iterate(self._connection, statement, workflow, place[0]):
                name, configuration, outcome = (bytes_of(one or b"").decode(errors="replace") for one in row)
                yield Standing(name, configuration, None if row[2] is None else outcome)

    def newest(self, rows: int) -> list[str]:
        """Return the ids of the instances that so many of the newest rows are of, in the order of their start."""
        with explained(self._connection.filename):
            found = fetch_all(self._connection, statements.NEWEST, rows)
        return [bytes_of(name).decode(errors="replace") for (name,) in found]

    def head(self, instance: str) -> Head | None:
        """Read one head."""
        with explained(self._connection.filename):
            row = fetch_one(self._connection, statements.HEAD, instance)
        return None if row is None else read_head(row)

    def journal(self, instance: str) -> list[Row]:
        """Read the transitions of one instance, oldest first."""
        return read_rows(self._connection, instance)

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance."""
        return read_row(self._connection, instance, version)

    def rows_to(self, instance: str, version: int, *, near: int = 0) -> list[Row]:
        """Read the rows that prove a version."""
        return read_rows_to(self._connection, instance, version, near=near)

    def stubs(self, instance: str) -> list[Stub]:
        """Read what the rows of an instance that were set aside left, by version."""
        return read_stubs(self._connection, instance)

    def places(self, instances: Sequence[str], *, first: int = PLACE_MIN) -> dict[str, list[int]]:
        """Read where the rows of some instances stand. Scans the journal once, from `first` on."""
        return read_places(self._connection, instances, first=first)

    def evidence(self, instance: str, places: Sequence[int]) -> list[Found]:
        """Read the rows at some places that say they belong to an instance, by n."""
        return read_evidence(self._connection, instance, places)

    def row_counts(self) -> dict[str, int]:
        """Count the rows that are kept for each instance."""
        with explained(self._connection.filename):
            found = fetch_all(self._connection, statements.ROW_COUNTS)
        return {bytes_of(name).decode(errors="replace"): count for name, count in found}

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with its pages, and rows whose instance has no head row."""
        found = self._integrity()[:LINES_MAX]
        with explained(self._connection.filename):
            orphans = fetch_all(self._connection, statements.ORPHANS)
            orphaned = fetch_all(self._connection, statements.ORPHANED)
        for surrogate, count, first, last in orphans:
            found.append(
                f"{count} rows from {first} to {last} belong to an instance (number {surrogate}) whose row in "
                "perdure_instance is gone, and with it the name and the secret that their hashes begin with"
            )
        for what, count in orphaned:
            if count:
                found.append(f"{count} {what} belong to instances whose rows in perdure_instance are gone")
        return found

    def malformed(self) -> list[str]:
        """Return what SQLite finds wrong with its pages and indexes, beside values that do not fit their columns."""
        return [line for line in self._integrity() if not VALUES.match(line)][:LINES_MAX]

    def _integrity(self) -> list[str]:
        if self._lines is None:
            with explained(self._connection.filename):
                checks = (statements.INTEGRITY, statements.FREE_INTEGRITY)
                told = [line for check in checks for (line,) in fetch_all(self._connection, check) if line != "ok"]
                self._lines = list(dict.fromkeys(told)) or self._shared_pages()
        return self._lines

    def _shared_pages(self) -> list[str]:
        try:
            (owned, pages), *_ = fetch_all(self._connection, statements.OWNED_PAGES)
        except apsw.SQLError:  # SQLite was built without dbstat
            return []
        return [f"{owned} pages are in use or free, and there are {pages}: some are both"] if owned > pages else []

    def keys(self, instance: str) -> list[KeyRecord]:
        """Read all keys of one instance."""
        return read_keys(self._connection, instance)

    def checkpoints(self, instance: str, *, label: str | None = None) -> list[Checkpoint]:
        """Read the named checkpoints of one instance, or the one of that label."""
        return read_checkpoints(self._connection, instance, label)

    def labels(self, instance: str) -> list[tuple[str, bytes]]:
        """Read label and hash of the named checkpoints of one instance, by label."""
        with explained(self._connection.filename):
            found = fetch_all(self._connection, statements.LABELS, instance)
        return [(bytes_of(label).decode(errors="replace"), bytes_of(row_hash)) for label, row_hash in found]

    def lane(self) -> Iterator[Sealed]:
        """Iterate over all rows in the order of their commits."""
        with explained(self._connection.filename):
            for n, row_hash, seal in iterate(self._connection, statements.LANE):
                yield Sealed(n, bytes_of(row_hash), None if seal is None else bytes_of(seal))

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        return read_definition(self._connection, fingerprint)

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one reading statement of the user's."""
        del writable  # nothing is, here
        return self._user.run(statement, parameters, writable=False)
