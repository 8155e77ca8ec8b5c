"""One write transaction: reading heads and keys in it, appending what was decided, making it durable.

Order of events: BEGIN IMMEDIATE (from here nobody else writes) · did another connection write? then forget everything ·
heads and keys are read · the user's SQL runs · rows, heads and keys are written · COMMIT · what was learned is
remembered.

What is remembered (`Memory`) is one cache with one rule: filled only after COMMIT has returned, emptied by anything
that is not a clean end. A rowid that was remembered across a rollback would be given out twice.
"""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise

import apsw
from attrs import frozen

from persistence.block import Block
from persistence.errors import Closed, Conflict, SqlFailed, StoreError
from persistence.process import PROCESS
from persistence.records import Checkpoint, Draft, Head, KeyRecord, Quarantine, Row, Stub, seal_of
from persistence.sqlite import statements
from persistence.sqlite.appending import Appending, Memory, put, symbol
from persistence.sqlite.errors import explained, translate
from persistence.sqlite.packing import packed
from persistence.sqlite.query import fetch_all, fetch_each, fetch_one, run, run_with
from persistence.sqlite.rows import key_name, read_definition, read_head, read_row, read_rows_to, read_stubs
from persistence.sqlite.usersql import UserSql
from persistence.store import Value

__all__ = ["CACHE_MAX", "Ending", "SQLiteTransaction"]

CACHE_MAX = 20_000  # instances and symbols remembered, in 4 MB; emptied as a whole when it is full


@frozen
class Ending:
    """What a store does around the COMMIT of its transactions."""

    committed: Callable[[int, bytes], None]
    """COMMIT has returned: n and seal of the newest row. Nobody is answered before this has returned."""
    settle: Callable[[apsw.Error, tuple[int, bytes] | None], None]
    """COMMIT raised, and nobody knows: n and hash of the newest row of it. Returns if it happened, else raises."""


class SQLiteTransaction:
    """The port's Transaction over one apsw connection. Made and ended by SQLiteStore.transaction."""

    has_written = False
    has_marked = False  # heads that others remember carry no mark
    is_ended = False
    is_unsettled = False  # COMMIT raised, and it is not known yet what came of it
    _has_savepoint = False
    _is_void = False
    _newest: tuple[int, bytes] | None = None  # n and hash of the last row that was appended

    def __init__(self, cursor: apsw.Cursor, memory: Memory, *, user: UserSql, generation: int, ending: Ending) -> None:
        self._cursor = cursor  # one for all statements of ours: to make one costs as much as a statement
        self._connection = cursor.connection
        self._memory = memory
        self._user = user
        self._ending = ending
        self._owner = PROCESS.pid
        self.generation = generation
        self.position = memory.last  # how far the lane reaches
        user.is_poisoned = False

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._connection.filename

    def _check_open(self) -> None:
        """Raise where there is no transaction to write in: outside one, a write of ours would be committed at once."""
        if self.is_ended:
            raise StoreError(f"{self.path}: this transaction was committed already, or abandoned; begin another one")
        if not self._connection.in_transaction:
            raise SqlFailed("the transaction was ended by a statement of the user's; nothing was written")

    def _check_fits(self) -> None:
        if self.is_ended or not self._connection.in_transaction:
            self._check_open()
        if self._is_void:
            raise Conflict("an append of this transaction did not fit; nothing of it can be committed")

    def heads(self, instances: Sequence[str]) -> dict[str, Head]:
        """Read heads as this transaction sees them, and remember where their newest rows are."""
        found: dict[str, Head] = {}
        with explained(self.path):
            for instance in instances:
                row = fetch_one(self._connection, statements.HEAD, instance)
                if row is not None:
                    found[instance] = read_head(row)
                    self._memory.instances[instance] = (row[0], row[1], row[13] is not None)
        return found

    def keys(self, wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], KeyRecord]:
        """Read key records by (instance, kind, key): those of an instance that began here only where there is one."""
        asked: dict[tuple[int, bytes], tuple[str, str, str]] = {}
        cursor, memory = self._cursor, self._memory
        places, begun, written = memory.instances, memory.begun, memory.names
        try:
            for name in wanted:
                instance, kind, key = name
                place = places.get(instance) or fetch_one(cursor, statements.PLACE, instance)
                if place is not None:
                    where = place[0], key_name(kind, key)
                    if place[0] < begun or where in written:
                        asked[where] = name
            if not asked:
                return {}
            rows = fetch_each(cursor, statements.KEY, asked)
        except apsw.Error as error:
            raise translate(error, self.path) from error
        names = [asked[surrogate, name] for surrogate, name, *_ in rows]
        return {name: KeyRecord(*name, *row[2:]) for name, row in zip(names, rows, strict=True)}

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance."""
        place = self._memory.instances.get(instance)
        return read_row(self._connection, instance, version, near=0 if place is None else place[1])

    def rows_to(self, instance: str, version: int, *, near: int = 0) -> list[Row]:
        """Read the rows that prove a version."""
        return read_rows_to(self._connection, instance, version, near=near)

    def stubs(self, instance: str) -> list[Stub]:
        """Read what the rows of an instance that were set aside left, by version."""
        return read_stubs(self._connection, instance)

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        return read_definition(self._connection, fingerprint)

    def member(self) -> Block[None]:
        """Bound one decision: what its SQL wrote is undone if it raises, and its foreign keys must hold at its end."""
        return Block(self._begin_member, self._finish_member)

    def _begin_member(self) -> None:
        self._check_open()
        self._has_savepoint = False

    def _finish_member(self, _begun: None, error: BaseException | None) -> None:
        if error is not None:
            self._undo_member()
            return
        try:
            self._end_member()
        except Exception:
            self._undo_member()
            raise
        except BaseException:  # an interrupt: nobody knows whether the savepoint still stands, and all of it ends
            self._is_void = True
            raise
        self._has_savepoint = False

    def _undo_member(self) -> None:
        # In a child that a callback forked nothing of the parent's is touched.
        if PROCESS.pid == self._owner and self._has_savepoint and self._connection.in_transaction:
            was_void, self._is_void = self._is_void, True  # until it is undone: else it would be committed with others
            with explained(self.path):
                run(self._connection, statements.UNDO)
                run(self._connection, statements.RELEASE)
            self._is_void = was_void
        self._has_savepoint = False

    def _end_member(self) -> None:
        if self._user.is_poisoned:
            raise SqlFailed("a statement ended the transaction (OR ROLLBACK, RAISE(ROLLBACK), disk full)")
        if self._has_savepoint:
            broken, _ = self._connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)
            if broken:
                raise SqlFailed(
                    "a deferred foreign key is broken at the end of the transition",
                    extended=apsw.SQLITE_CONSTRAINT_FOREIGNKEY,
                )
            run(self._connection, statements.RELEASE)

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one statement of the user's; the first one that may write opens the member's SAVEPOINT."""
        if writable and not self._has_savepoint and self._connection.in_transaction:
            self.has_written = True
            run(self._connection, statements.SAVEPOINT)
            self._has_savepoint = True
        return self._user.run(statement, parameters, writable=writable)

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write journal rows, heads and keys; the last row carries the seal of all of them. Raises Conflict."""
        self._check_fits()
        if not drafts:
            return
        self.has_written = self._is_void = True  # until every draft of it has fitted
        memory, newest = self._memory, drafts[-1].head.hash
        hashes = (newest,) if len(drafts) == 1 else tuple([draft.head.hash for draft in drafts])
        seal = seal_of(memory.seal, memory.last + 1, hashes)
        try:
            Appending(self._cursor, memory).write(drafts, seal)
        except apsw.Error as error:
            raise translate(error, self.path) from error
        memory.seal = seal
        self.position = memory.last
        self._newest = (memory.last, newest)
        self._is_void = False

    def checkpoint(self, named: Checkpoint) -> None:
        """Name a version of an instance, and keep its whole image. Raises Conflict."""
        self._check_fits()
        self.has_written = True
        with explained(self.path):
            row = fetch_one(self._connection, statements.INSTANCE_ID, named.instance)
            if row is None:
                raise Conflict(f"{named.instance}: there is no such instance, so no checkpoint {named.label!r} of it")
            told = (named.label, json.dumps(named.tags, ensure_ascii=False), named.note, named.time)
            values = (row[0], named.version, named.hash, packed(named.image), *told)
            what = f"{named.instance}: checkpoint {named.label!r}"
            put(self._cursor, statements.PUT_CHECKPOINT, (values,), what=what)

    def mend_checkpoint(
        self, instance: str, label: str, proven: tuple[int, bytes, bytes], *, reason: str, time: int
    ) -> None:
        """Keep a checkpoint as found, and write the version, hash and image that are proven. Raises Conflict."""
        self._check_fits()
        self.has_written = True
        with explained(self.path):
            row = fetch_one(self._connection, statements.CHECKPOINT_ID, instance, label)
            if row is None:
                raise Conflict(f"{instance}: there is no checkpoint {label!r}")
            version, row_hash, image = proven
            run(self._connection, statements.KEEP_CHECKPOINT, reason, time, row[0])
            run(self._connection, statements.MEND_CHECKPOINT, version, row_hash, packed(image), row[0])

    def expire_keys(self, *, before: int, place: int, most: int) -> int:
        """Forget the keys of those of the next instances that ended before a time; return the place behind them."""
        self._check_fits()
        self.has_written = True
        with explained(self.path):
            found = fetch_all(self._connection, statements.NEXT_INSTANCES, before, place, most)
            for surrogate, is_due in found:
                if is_due:
                    run(self._connection, statements.DROP_KEYS, surrogate)
        return found[-1][0] if len(found) == most else 0

    def quarantine(self, mark: Quarantine) -> None:
        """Set an instance aside; a mark that stands is kept."""
        self._check_open()
        self.has_written = self.has_marked = True
        with explained(self.path):
            row = fetch_one(self._connection, statements.INSTANCE_ID, mark.instance)
            if row is not None:
                run(self._connection, statements.PUT_QUARANTINE, row[0], mark.reason, mark.sound_version, mark.time)

    def set_aside(self, stub: Stub, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Keep a row as found, leave its stub, and mend the pointers along the rows below it. Raises Conflict."""
        self._check_fits()
        self.has_written = self.has_marked = True
        with explained(self.path):
            place = fetch_one(self._connection, statements.PLACE, stub.instance)
            row = fetch_one(self._connection, statements.ROW_AT, stub.n)
            is_ours = place is not None and (row is None or row[0] == place[0] or row[2] == stub.hash)
            if place is None or not is_ours or fetch_one(self._connection, statements.STUB_AT, stub.n) is not None:
                raise Conflict(f"{stub.instance}: row {stub.n} is not its version {stub.version}")
            run(self._connection, statements.KEEP_ROW, place[0], reason, time, stub.n)
            run(self._connection, statements.DROP_ROW, stub.n)
            values = (stub.n, place[0], stub.version, stub.hash, stub.seal, stub.proof)
            run(self._connection, statements.PUT_STUB, *values)
            run(self._connection, statements.POINT_HEAD, rows[-1] if rows else 0, place[0], stub.version)
            self._mend_priors(rows)
        self._memory.instances.pop(stub.instance, None)

    def rebuild(self, head: Head, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Keep a head as found, write the proven one, and mend the pointers along its rows. Raises Conflict."""
        self._check_fits()
        self.has_written = self.has_marked = True
        with explained(self.path):
            place = fetch_one(self._connection, statements.PLACE, head.instance)
            newest = fetch_one(self._connection, statements.ROW_AT, rows[-1] if rows else 0)
            definition = fetch_one(self._connection, statements.DEFINITION, head.fingerprint)
            if place is None or definition is None or newest != (place[0], head.version, head.hash):
                raise Conflict(f"{head.instance}: its newest row is not of version {head.version} and that hash")
            run(self._connection, statements.KEEP_HEAD, reason, time, place[0])
            configuration = symbol(self._cursor, self._memory, head.configuration)
            moved = (head.version, configuration, definition[0], head.revision, head.epoch)
            pointers = (rows[-1], rows[-2] if len(rows) > 1 else 0)
            image = (head.image, head.image_digest if head.image is None else None, head.patches, head.patched)
            proof = (head.hash, head.previous_hash, head.rest_digest, *image)
            values = (*moved, head.incarnation, head.time, head.outcome, *pointers, *proof, place[0])
            run(self._connection, statements.MEND_INSTANCE, *values)
            self._mend_priors(rows)
        self._memory.instances.pop(head.instance, None)

    def _mend_priors(self, rows: Sequence[int]) -> None:
        for prior, n in pairwise((0, *rows)):
            run(self._connection, statements.MEND_PRIOR, prior, n, prior)

    def commit(self) -> None:
        """Commit. Durable on return at the store's level.

        An exception with the transaction still open means failed, for certain. Anything else means *unknown*: a sync
        of the log that failed can show the transaction as absent and bring it back at the next open. That is settled
        before this returns or raises: only InDoubt leaves it open.
        """
        self._check_fits()
        if PROCESS.pid != self._owner:
            raise Closed(f"{self.path}: opened by the parent process; open it again after a fork")
        try:
            run_with(self._cursor, statements.COMMIT, ())
        except apsw.Error as error:
            if self._connection.in_transaction:
                raise translate(error, self.path) from error
            self.is_unsettled = True
            try:
                self._ending.settle(error, self._newest)
            except Exception:  # which says what came of it
                self.is_unsettled = False
                raise
            self.is_unsettled = False
        memory = self._memory
        self._ending.committed(memory.last, memory.seal)
        self.is_ended = True
