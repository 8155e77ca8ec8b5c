"""What stands in a file, read anew through a reader of the store: rows, heads and the user's tables."""

from collections.abc import Iterator

import apsw

from persistence import Reader, Store, Value
from persistence.sqlite.connection import connect
from persistence.sqlite.query import fetch_all
from recovery.drills.steps import Evidence, Line, Observed
from statemachine.codec import dumps, loads
from statemachine.folding import Folding, stored_image

__all__ = ["evidence_of", "tables_of"]

TABLES = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 8) <> 'perdure_' "
    "AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
)  # a scan of the schema; tens of rows
COLUMNS = "SELECT name FROM pragma_table_info(?) ORDER BY cid"


def evidence_of(store: Store, *, observed: Observed) -> Evidence:
    """Return what stands in a store; `observed` is what its user sees of his rows."""
    with store.reader() as reader:
        instances = list(reader.instances())
        lines = tuple(line for instance in instances for line in _lines(reader, instance))
        heads = tuple(
            (instance, head.version, head.configuration, stored_image(head, reader))
            for instance in instances
            for head in [reader.head(instance)]
            if head is not None
        )
        return Evidence(lines, heads, observed)


def _lines(reader: Reader, instance: str) -> Iterator[Line]:
    folding = Folding()
    for row in reader.journal(instance):
        record = row.record
        folding.take(row)
        yield Line(
            instance=instance,
            version=record.version,
            event=record.event,
            before=record.before,
            after=record.after,
            key=record.key,
            time=record.time,
            payload=dumps(loads(record.body)["event"]),
            image=folding.encoded(),
            hash=row.hash.hex(),
        )


def tables_of(path: str) -> dict[str, list[tuple[Value, ...]]]:
    """Return every table of the user's in a file, whole, read on a connection of its own."""
    connection = connect(path, read_only=True)
    try:
        names = [str(name) for (name,) in fetch_all(connection, TABLES)]
        return {name: _rows(connection, name) for name in names}
    finally:
        connection.close()


def _rows(connection: apsw.Connection, table: str) -> list[tuple[Value, ...]]:
    """Return the rows of a table, in an order that does not depend on where they lie."""
    columns = ", ".join(_quoted(str(name)) for (name,) in fetch_all(connection, COLUMNS, table))
    rows = fetch_all(connection, f"SELECT {columns} FROM {_quoted(table)}")
    return sorted(rows, key=repr)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
