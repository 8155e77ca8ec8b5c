"""From rows of the file to records: heads, journal rows, keys and definitions, read through any connection.

A name that a damaged symbol table lost reads as an empty one: the record's digest then tells, instead of an exception.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import apsw
import attrs

from persistence.errors import Corrupt
from persistence.records import Checkpoint, Found, Head, KeyRecord, Record, Row, Stub, image_digest
from persistence.sqlite import statements
from persistence.sqlite.errors import explained
from persistence.sqlite.packing import unpacked
from persistence.sqlite.query import fetch_all, fetch_one

__all__ = [
    "bytes_of",
    "key_name",
    "read_checkpoints",
    "read_definition",
    "read_evidence",
    "read_head",
    "read_keys",
    "read_places",
    "read_row",
    "read_rows",
    "read_rows_to",
    "read_stubs",
]


NAMES_MAX = 1_000  # of keys: each is asked for, then written; as many as a batch has, and some

R = TypeVar("R", Head, Record, Row, KeyRecord, Stub, Checkpoint)


def _kinds(record: type[Any]) -> tuple[tuple[str, frozenset[type[Any]]], ...]:
    """Return of which classes each field of a record may be."""
    return tuple((one.name, _classes(one.type)) for one in attrs.fields(record))


def _classes(kind: Any) -> frozenset[type[Any]]:
    origin = get_origin(kind)
    return frozenset(get_args(kind) if origin is UnionType else {origin or kind})


KINDS = {record: _kinds(record) for record in (Head, Record, Row, KeyRecord, Stub, Checkpoint)}


def _typed(record: R, instance: str) -> R:
    """Return a record whose every field has its type. Raises Corrupt: a damaged page can hold anything anywhere."""
    for name, classes in KINDS[type(record)]:
        value = getattr(record, name)
        if value.__class__ not in classes:  # SQLite gives no others, and no class of a class
            raise Corrupt(f"{instance!r}: {name} of a {type(record).__name__.lower()} is {value!r}, which is damage")
    return record


def bytes_of(value: object) -> bytes:
    """Return a value that we wrote as bytes; where a damaged page holds anything else, none, which prove nothing."""
    return value if isinstance(value, bytes) else b""


def read_head(row: tuple[Any, ...]) -> Head:
    """Make a head of a row of `statements.HEAD`; a name that a damaged symbol lost reads as an empty one."""
    values = list(row[3:])
    for place, missing in ((1, ""), (3, ""), (4, b"")):
        if values[place] is None:
            values[place] = missing
    if values[14] is None and isinstance(values[15], bytes):
        values[14] = image_digest(values[15])
    return _typed(Head(*values), str(values[0]))


VERSION_MAX = 2**63 - 1
NAMES = (1, 4, 5, 6)  # of workflow, event and both configurations in a row of the journal
BODY = 16


def read_row(connection: apsw.Connection, instance: str, version: int, *, near: int = 0) -> Row | None:
    """Read the row of one version; `near` is where it may be."""
    if near:
        with explained(connection.filename):
            found = fetch_one(connection, statements.ROW, near, version, instance)
        if found is not None:
            return _row(instance, found)
    rows = read_rows(connection, instance, versions=(version, version))
    return rows[0] if rows else None


def read_rows(connection: apsw.Connection, instance: str, *, versions: tuple[int, int] = (0, VERSION_MAX)) -> list[Row]:
    """Read the journal of one instance from one version to another, both included, oldest first."""
    first, last = versions
    with explained(connection.filename):
        for start in _starts(connection, instance, last):
            found = fetch_all(connection, statements.JOURNAL, start, instance, first, first, last)
            if found:
                return [_row(instance, values) for values in found]
    return []


def _starts(connection: apsw.Connection, instance: str, version: int) -> Iterator[int | None]:
    """Yield where a version may be looked for: from the nearest place above it, and else from the head (None)."""
    place = fetch_one(connection, statements.PLACE_ABOVE, version, instance)
    if place is not None:
        yield place[0]
    yield None


def read_rows_to(connection: apsw.Connection, instance: str, version: int, *, near: int) -> list[Row]:
    """Read the rows that prove a version, oldest first; `near` is where its row may be."""
    with explained(connection.filename):
        found = fetch_all(connection, statements.ROWS_TO, instance, near, version) if near else []
        starts = () if found else _starts(connection, instance, version)
        for start in starts:
            place = fetch_one(connection, statements.PLACE_OF, start, instance, version, version)
            if place is not None:
                found = fetch_all(connection, statements.ROWS_TO, instance, place[0], version)
                break
    return [_row(instance, values) for values in found]


def _row(instance: str, values: tuple[Any, ...]) -> Row:
    """Make a row of one of `statements.JOURNAL`. Raises Corrupt."""
    fields: list[Any] = list(values[:-1])
    for place in NAMES:
        fields[place] = fields[place] or ""
    if fields[3] is None:
        fields[3] = b""
    if fields[BODY].__class__ is bytes:
        fields[BODY] = unpacked(fields[BODY])
    record = _typed(Record(*fields), instance)
    return _typed(Row(record, values[-1]), instance)


TEXTS = (1, 4, 5, 6, 10, 11, 12)  # of a row of `statements.EVIDENCE`, which come as bytes


def read_places(connection: apsw.Connection, instances: Sequence[str], *, first: int) -> dict[str, list[int]]:
    """Read where the rows of some instances stand from a place on, and where their heads say that the newest does."""
    with explained(connection.filename):
        places = {instance: fetch_one(connection, statements.PLACE, instance) for instance in instances}
        names = {place[0]: instance for instance, place in places.items() if place is not None}
        rows = fetch_all(connection, statements.PLACES, first, json.dumps(list(names)))
    found = {instance: {place[1]} for instance, place in places.items() if place is not None}
    for surrogate, n in rows:
        found[names[surrogate]].add(n)
    return {name: sorted(n for n in of_it if isinstance(n, int) and n >= first) for name, of_it in found.items()}


def read_evidence(connection: apsw.Connection, instance: str, places: Sequence[int]) -> list[Found]:
    """Read the rows of an instance at some places; one that cannot be read costs only itself."""
    with explained(connection.filename):
        found = fetch_all(connection, statements.EVIDENCE, json.dumps(list(places)), instance)
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
        fields[BODY] = unpacked(bytes_of(fields[BODY]))
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
    return [_typed(_key(instance, values), instance) for values in found]


@lru_cache(maxsize=NAMES_MAX)
def key_name(kind: str, key: str) -> bytes:
    """Return what a key is found by. Pure."""
    return sha256((kind + "\0" + key).encode()).digest()[:16]


def _key(instance: str, values: tuple[Any, ...]) -> KeyRecord:
    """Make a key of what is stored, with the text of its row; one whose name does not follow from it is of no kind."""
    name, key, version, *answer = values
    known = KeyRecord(instance, "start" if version == 1 else "send", key or "", version, *answer)
    known.is_told = key is not None or version == 1
    if known.is_told and name != key_name(known.kind, known.key):
        known.kind = ""
    return known


def read_checkpoints(connection: apsw.Connection, instance: str, label: str | None) -> list[Checkpoint]:
    """Read the named checkpoints of one instance, or the one of a label. Raises Corrupt."""
    with explained(connection.filename):
        if label is None:
            found = fetch_all(connection, statements.CHECKPOINTS, instance)
        else:
            found = fetch_all(connection, statements.CHECKPOINT, label, instance)
    return [_checkpoint(instance, values) for values in found]


def _checkpoint(instance: str, values: tuple[Any, ...]) -> Checkpoint:
    name, version, row_hash, label, tags, note, time, image = values
    try:
        texts = tuple(str(tag) for tag in json.loads(tags))
    except (TypeError, ValueError) as error:
        raise Corrupt(f"{instance!r}: the tags of checkpoint {label!r} are damaged: {error}") from error
    return _typed(Checkpoint(name, version, row_hash, label, texts, note, time, unpacked(bytes_of(image))), instance)


def read_definition(connection: apsw.Connection, fingerprint: bytes) -> str | None:
    """Read the canonical text of a chart, or None; where a damaged page holds no text, an empty one, which is none."""
    with explained(connection.filename):
        row = fetch_one(connection, statements.DEFINITION_TEXT, fingerprint)
    return None if row is None else row[0] if isinstance(row[0], str) else ""
