"""Drafts become rows of the file: heads, the journal and keys, and the symbols and definitions that those name.

Each statement runs once for all drafts of a commit, and the head of an instance is written once, as its last draft
leaves it, where its first one found it: this is a third of what a transition costs in a batch, so each tuple is built
once, straight on.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import apsw
from attrs import define, field

from persistence.errors import Conflict, StoreError
from persistence.records import Draft
from persistence.sqlite import statements
from persistence.sqlite.errors import translate
from persistence.sqlite.packing import packed
from persistence.sqlite.query import fetch_one, run, run_each, run_with
from persistence.sqlite.rows import key_name
from persistence.sqlite.schema import PLACES_EVERY

__all__ = ["NO_SEAL", "UNREAD", "Appending", "Memory", "put"]

NO_SEAL = bytes(32)
KEYS_MAX = 20_000  # names remembered, in 4 MB; emptied as a whole: then all but younger instances' are looked up again
UNREAD = -1  # stands for a data version: nothing has been read yet
TAKEN = {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY}

Values = tuple[Any, ...]


@define
class Memory:
    """What a writing connection knows of its file without asking: valid while nobody else writes.

    A key of an instance that began here is among `names`, or there is none: nobody else can have written one.
    """

    data_version: int = UNREAD
    last: int = 0  # n of the last row of the lane
    seal: bytes = NO_SEAL
    symbols: dict[str, int] = field(factory=dict[str, int])
    definitions: dict[bytes, int] = field(factory=dict[bytes, int])
    instances: dict[str, tuple[int, int, bool]] = field(
        factory=dict[str, tuple[int, int, bool]]
    )  # id -> (surrogate, n of its newest row, whether it has ended)
    begun: int = sys.maxsize  # surrogate of the first instance that began here; those that follow are higher
    names: set[tuple[int, bytes]] = field(factory=set[tuple[int, bytes]])  # surrogate and name of the keys written here


class Appending:
    """Writes the drafts of one commit, on a connection and what is known of its file."""

    def __init__(self, cursor: apsw.Cursor, memory: Memory) -> None:
        self._cursor = cursor
        self._memory = memory
        self._moves: dict[int, Values] = {}  # by surrogate: the values of `statements.MOVE_INSTANCE`
        self._ends: list[Values] = []
        self._rows: list[Values] = []
        self._places: list[Values] = []
        self._keys: list[Values] = []

    def write(self, drafts: Sequence[Draft], seal: bytes) -> None:
        """Write them, the last row with the seal. Raises Conflict, and what SQLite raises."""
        last = drafts[-1]
        for draft in drafts:
            self._add(draft, seal if draft is last else None)
        cursor, rows = self._cursor, self._rows
        if self._moves:
            self._move(cursor, last)
        if self._ends:
            run_each(cursor, statements.END_INSTANCE, self._ends)
        if len(rows) == 1:
            run_with(cursor, statements.PUT_ROW, rows[0])
        else:
            run_each(cursor, statements.PUT_ROW, rows)
        if self._places:
            run_each(cursor, statements.PUT_PLACE, self._places)
        if self._keys:
            self._put_keys(cursor, last, is_alone=len(drafts) == 1)

    def _put_keys(self, cursor: apsw.Cursor, last: Draft, *, is_alone: bool) -> None:
        try:
            if len(self._keys) == 1:
                run_with(cursor, statements.PUT_KEY, self._keys[0])
            else:
                run_each(cursor, statements.PUT_KEY, self._keys)
        except apsw.ConstraintError as error:
            name = f"key {last.keys[0].key!r}" if is_alone else "a key"
            raise _taken(error, cursor, f"{last.record.instance}: {name}") from error
        memory = self._memory
        if len(memory.names) >= KEYS_MAX:
            memory.names, memory.begun = set[tuple[int, bytes]](), sys.maxsize
        for row in self._keys:
            if row[0] >= memory.begun:
                memory.names.add(row[:2])

    def _move(self, cursor: apsw.Cursor, last: Draft) -> None:
        """Move each head, and look whether it did: what triggers of others change is not counted then."""
        if len(self._moves) == 1:
            (values,) = self._moves.values()
            run_with(cursor, statements.MOVE_INSTANCE, values)
            if cursor.connection.changes() != 1:
                raise Conflict(f"{last.record.instance}: version {last.record.version} was taken by somebody else")
            return
        run_each(cursor, statements.MOVE_INSTANCE, self._checked_moves())

    def _checked_moves(self) -> Iterator[Values]:
        changes = self._cursor.connection.changes
        for values in self._moves.values():
            yield values
            if changes() != 1:
                raise Conflict("a version was taken by somebody else")

    def _add(self, draft: Draft, seal: bytes | None) -> None:
        """Make the values of one draft's rows; a first version's head is written at once, which gives its number."""
        record, head, memory = draft.record, draft.head, self._memory
        symbols = memory.symbols
        memory.last = n = memory.last + 1
        version, fingerprint = record.version, record.fingerprint
        definition = memory.definitions.get(fingerprint) or self._definition(fingerprint, draft.definition)
        event = symbols.get(record.event) or symbol(self._cursor, memory, record.event)
        before = symbols.get(record.before) or symbol(self._cursor, memory, record.before)
        after = symbols.get(record.after) or symbol(self._cursor, memory, record.after)
        where = (definition, record.revision, record.epoch, record.incarnation)
        digest = head.image_digest if head.image is None else None  # else it follows from the image
        proof = (head.hash, head.previous_hash, head.rest_digest, head.image, digest, head.patches, head.patched)
        if version == 1:
            whose = (record.instance, symbol(self._cursor, memory, record.workflow))
            values = (*whose, version, after, *where, head.secret, record.time, head.outcome, n, 0, *proof)
            put(self._cursor, statements.PUT_INSTANCE, (values,), what=f"{record.instance}: version 1")
            surrogate, prior = self._cursor.connection.last_insert_rowid(), 0
            memory.begun = min(memory.begun, surrogate)
        else:
            surrogate, prior, had_ended = memory.instances.get(record.instance) or self._place(draft)
            since: Values = (version - 1, head.previous_hash)
            if surrogate in self._moves:
                since = self._found_by_first(self._moves[surrogate], draft)
            self._moves[surrogate] = (version, after, *where, record.time, prior, n, *proof, surrogate, *since)
            if head.outcome is not None or had_ended:
                self._ends.append((head.outcome, surrogate))
        memory.instances[record.instance] = (surrogate, n, head.outcome is not None)
        told = (record.key, record.actor, record.note, record.time, record.token, record.kind, packed(record.body))
        self._rows.append((n, surrogate, version, prior, event, before, after, *where, *told, head.hash, seal))
        if version % PLACES_EVERY == 0:
            self._places.append((surrogate, version, n))
        for key in draft.keys:
            name, what = key_name(key.kind, key.key), symbol(self._cursor, memory, key.after)
            self._keys.append((surrogate, name, version, n, key.digest, what, key.error, key.time))

    def _found_by_first(self, earlier: Values, draft: Draft) -> Values:
        """Return version and hash that the first draft of an instance was decided against. Raises Conflict."""
        version, previous = draft.record.version, draft.head.previous_hash
        if (earlier[0], earlier[9]) != (version - 1, previous):
            raise Conflict(f"{draft.record.instance}: version {version} does not follow from the one before it")
        return earlier[-2:]

    def _place(self, draft: Draft) -> tuple[int, int, bool]:
        """Ask for what is remembered of an instance."""
        record = draft.record
        known = fetch_one(self._cursor, statements.PLACE, record.instance)
        if known is None:
            raise Conflict(f"{record.instance}: version {record.version} follows none, there is no such instance")
        return known

    def _definition(self, fingerprint: bytes, text: str) -> int:
        row = fetch_one(self._cursor, statements.DEFINITION, fingerprint)
        known = row[0] if row else _insert(self._cursor, statements.PUT_DEFINITION, (fingerprint, text))
        self._memory.definitions[fingerprint] = known
        return known


def symbol(cursor: apsw.Cursor, memory: Memory, name: str) -> int:
    """Return the number of a name, which is given one if it has none."""
    known = memory.symbols.get(name)
    if known is None:
        row = fetch_one(cursor, statements.SYMBOL, name)
        known = row[0] if row else _insert(cursor, statements.PUT_SYMBOL, (name,))
        memory.symbols[name] = known
    return known


def _insert(cursor: apsw.Cursor, statement: str, values: Values) -> int:
    run(cursor, statement, *values)
    return cursor.connection.last_insert_rowid()


def put(cursor: apsw.Cursor, statement: str, rows: Sequence[Values], *, what: str) -> None:
    """Insert rows whose names must be free. Raises Conflict where one is not."""
    try:
        run_each(cursor, statement, rows)
    except apsw.ConstraintError as error:
        raise _taken(error, cursor, what) from error


def _taken(error: apsw.ConstraintError, cursor: apsw.Cursor, what: str) -> StoreError:
    """Return what to raise where an insert failed: a Conflict where a name was taken, else what SQLite says."""
    told = translate(error, cursor.connection.filename)
    if told.extended not in TAKEN:
        return told
    return Conflict(f"{what} was taken by somebody else", extended=told.extended)
