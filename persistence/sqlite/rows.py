"""From rows of the file to records: heads, journal rows, keys and definitions, read through any connection.

A name that a damaged symbol table lost reads as an empty one: the record's digest then tells, instead of an exception.
"""

from typing import Any, TypeVar

import apsw
import attrs

from persistence.errors import Corrupt
from persistence.records import Found, Head, KeyRecord, Record, Row, Stub
from persistence.sqlite import statements
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_all, fetch_one

__all__ = ["bytes_of", "read_definition", "read_evidence", "read_head", "read_keys", "read_rows", "read_stubs"]


R = TypeVar("R", Head, Record, Row, KeyRecord, Stub)


def _typed(record: R, instance: str) -> R:
    """Return a record whose every field has its type. Raises Corrupt: a damaged page can hold anything anywhere."""
    for one in attrs.fields(type(record)):
        value = getattr(record, one.name)
        if not isinstance(value, one.type or object) or isinstance(value, bool):
            raise Corrupt(
                f"{instance!r}: {one.name} of a {type(record).__name__.lower()} is {value!r}, which is damage"
            )
    return record


def bytes_of(value: object) -> bytes:
    """Return a value that we wrote as bytes; where a damaged page holds anything else, none, which prove nothing."""
    return value if isinstance(value, bytes) else b""


def read_head(row: tuple[Any, ...]) -> Head:
    """Make a head of a row of `statements.HEAD`; a name that a damaged symbol lost reads as an empty one."""
    values = list(row[3:])
    for place, missing in ((1, ""), (3, ""), (4, b""), (14, b"")):
        if values[place] is None:
            values[place] = missing
    return _typed(Head(*values), str(values[0]))


VERSION_MAX = 2**63 - 1
NAMES = (1, 4, 5, 6)  # of workflow, event and both configurations in a row of the journal


def read_rows(connection: apsw.Connection, instance: str, *, versions: tuple[int, int] = (0, VERSION_MAX)) -> list[Row]:
    """Read the journal of one instance from one version to another, both included, oldest first."""
    first, last = versions
    with explained(connection.filename):
        found = fetch_all(connection, statements.JOURNAL, instance, first, first, last)
    rows: list[Row] = []
    for values in found:
        fields: list[Any] = list(values[:-1])
        for place in NAMES:
            fields[place] = fields[place] or ""
        if fields[3] is None:
            fields[3] = b""
        record = _typed(Record(*fields), instance)
        rows.append(_typed(Row(record, values[-1]), instance))
    return rows


TEXTS = (1, 4, 5, 6, 10, 11, 12)  # of a row of `statements.EVIDENCE`, which come as bytes


def read_evidence(connection: apsw.Connection, instance: str) -> list[Found]:
    """Read every row that is kept for an instance; one that cannot be read costs only itself."""
    with explained(connection.filename):
        found = fetch_all(connection, statements.EVIDENCE, instance)
    return [_found(instance, values) for values in found]


def _found(instance: str, values: tuple[Any, ...]) -> Found:
    version = values[2] if isinstance(values[2], int) else 0  # no row has it
    return Found(values[0], version, bytes_of(values[-1]), _readable_row(instance, values))


def _readable_row(instance: str, values: tuple[Any, ...]) -> Row | None:
    fields: list[Any] = [instance, *values[1:-1]]
    try:
        for place in TEXTS:
            fields[place] = None if fields[place] is None else fields[place].decode()
        for place in NAMES:
            fields[place] = fields[place] or ""
        fields[3] = fields[3] or b""
        return _typed(Row(_typed(Record(*fields), instance), values[-1]), instance)
    except (Corrupt, UnicodeDecodeError):
        return None


def read_stubs(connection: apsw.Connection, instance: str) -> list[Stub]:
    """Read the stubs of one instance, by version."""
    with explained(connection.filename):
        found = fetch_all(connection, statements.STUBS, instance)
    return [_typed(Stub(*values), instance) for values in found]


def read_keys(connection: apsw.Connection, instance: str) -> list[KeyRecord]:
    """Read all keys of one instance, by version."""
    with explained(connection.filename):
        found = fetch_all(connection, statements.KEYS, instance)
    return [_typed(KeyRecord(instance, *values), instance) for values in found]


def read_definition(connection: apsw.Connection, fingerprint: bytes) -> str | None:
    """Read the canonical text of a chart, or None."""
    with explained(connection.filename):
        row = fetch_one(connection, statements.DEFINITION_TEXT, fingerprint)
    return None if row is None else row[0]
