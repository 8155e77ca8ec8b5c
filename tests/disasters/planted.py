"""Planted faults, each through the store, and never by a line of the product: the harness must find every one."""

import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import apsw
from attrs import evolve

from persistence import (
    Busy,
    Draft,
    Reader,
    SqlFailed,
    SQLiteStore,
    Store,
    StoreError,
    StoreFull,
    Transaction,
    Value,
)

HEAD_COLUMNS = (
    "version, configuration, definition, revision, epoch, incarnation, time, outcome, head, prior, hash, "
    "previous_hash, rest_digest, image"
)
TRANSACTION = "perdure_member"


def unsynced(store: SQLiteStore) -> Store:
    """`synchronous=OFF`."""
    store._writer.pragma("synchronous", "OFF")
    return store


class Planted:
    """A store whose transactions are of another kind; what it does not name passes through."""

    def __init__(self, store: SQLiteStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        with self.store.transaction() as inner:
            yield cast("Transaction", self.planted(inner))

    def planted(self, inner: Transaction) -> Any:
        raise NotImplementedError


class PlantedTransaction:
    def __init__(self, inner: Transaction, store: SQLiteStore) -> None:
        self.inner = inner
        self.store = store
        self.raw = store._writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


# -- an answer before COMMIT -------------------------------------------------------------------------------------------


class AnswersFirst(Planted):
    """It answers, and commits when it is next asked for something."""

    def __init__(self, store: SQLiteStore) -> None:
        super().__init__(store)
        store._writing = cast("Any", threading.Lock())  # one that another thread may release: whoever comes next
        self.pending: ExitStack | None = None
        self.late: NotYet | None = None

    def flush(self) -> None:
        if self.pending is not None and self.late is not None:
            pending, self.pending = self.pending, None
            with pending:
                self.late.inner.commit()

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        self.flush()
        with ExitStack() as stack:
            late = NotYet(stack.enter_context(self.store.transaction()), self.store)
            yield cast("Transaction", late)
            if late.is_told:
                self.late, self.pending = late, stack.pop_all()

    @contextmanager
    def reader(self) -> Generator[Reader]:
        self.flush()
        with self.store.reader() as reader:
            yield cast("Reader", reader)

    def close(self) -> None:
        self.flush()
        self.store.close()


class NotYet(PlantedTransaction):
    is_told = False

    def commit(self) -> None:
        self.is_told = True


# -- a head outside the transaction ------------------------------------------------------------------------------------


class HeadOutside(Planted):
    """It commits the journal's row, and writes the head afterwards."""

    def planted(self, inner: Transaction) -> object:
        return HeadLater(inner, self.store)


class HeadLater(PlantedTransaction):
    name = ""
    after: tuple[Any, ...] = ()

    def append(self, drafts: Sequence[Draft]) -> None:
        record = drafts[0].record
        before = self.head(record.instance)
        self.inner.append(drafts)
        if before is not None:
            self.name, self.after = record.instance, self.head(record.instance) or ()
            self.put(before)

    def commit(self) -> None:
        self.inner.commit()
        if self.name:
            self.put(self.after)

    def head(self, name: str) -> tuple[Any, ...] | None:
        return self.raw.execute(f"select {HEAD_COLUMNS} from perdure_instance where name = ?", (name,)).fetchone()

    def put(self, values: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(values))
        self.raw.execute(
            f"update perdure_instance set ({HEAD_COLUMNS}) = ({marks}) where name = ?", (*values, self.name)
        )


# -- a failed COMMIT that is taken for absent --------------------------------------------------------------------------


def believes_reads(store: SQLiteStore) -> Store:
    """After a failed COMMIT it looks whether the row is there; where it is not, it says that nothing happened."""

    def believe(error: apsw.Error, wanted: tuple[int, bytes] | None) -> None:
        assert wanted is not None
        found = store._writer.execute("select hash from perdure_journal where n = ?", wanted[:1]).fetchall()
        if found != [wanted[1:]]:
            raise StoreFull("planted: nothing was written, send it again") from error

    store._ending = evolve(store._ending, settle=believe)
    return store


# -- an anchor at the wrong time ---------------------------------------------------------------------------------------


def anchors_late(store: SQLiteStore) -> Store:
    """The anchor is written after the answer: when the next commit has returned."""
    write, pending = store._anchor.write, list[tuple[int, bytes]]()

    def later(n: int, seal: bytes) -> None:
        if pending:
            write(*pending.pop())
        pending.append((n, seal))

    vars(store._anchor)["write"] = later
    return store


class AnchorsEarly(Planted):
    """The anchor is written before COMMIT."""

    def planted(self, inner: Transaction) -> object:
        return AnchoredFirst(inner, self.store)


class AnchoredFirst(PlantedTransaction):
    def commit(self) -> None:
        self.store._anchor.write(self.store._memory.last, self.store._memory.seal)
        self.inner.commit()


# -- user SQL that ends the transaction, or is not over when it is committed -------------------------------------------


class SqlEnds(Planted):
    """The user's SQL ends the transaction, and nobody looks."""

    def planted(self, inner: Transaction) -> object:
        return EndsUnseen(inner, self.store)


class EndsUnseen(PlantedTransaction):
    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        if statement.startswith("insert into line"):
            try:
                self.raw.execute("insert or rollback into total values ('all', 0)")
            except apsw.ConstraintError:
                for words in ("begin immediate", f"savepoint {TRANSACTION}"):
                    self.raw.execute(words)
        return self.inner.execute(statement, parameters, writable=writable)


class CursorOpen(Planted):
    """The user's SQL runs on a cursor that is still open at COMMIT; the rest of it runs when the cursor is closed."""

    def planted(self, inner: Transaction) -> object:
        return LeavesCursor(inner, self.store)


class LeavesCursor(PlantedTransaction):
    cursor: Any = None

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        if not statement.startswith("update total"):
            return self.inner.execute(statement, parameters, writable=writable)
        self.cursor = self.raw.cursor()
        self.cursor.execute(f"select 1; {statement}", parameters)
        return []

    def commit(self) -> None:
        self.inner.commit()
        if self.cursor is not None:
            self.cursor.fetchall()


# -- a cache that survives a rollback ----------------------------------------------------------------------------------


class RefusesOnce(Planted):
    """No fault of ours: one commit fails before it has begun, as a full disk would make it."""

    count = 0

    def planted(self, inner: Transaction) -> object:
        self.count += 1
        return Refusing(inner, self.store) if self.count == 5 else inner


class Refusing(PlantedTransaction):
    def commit(self) -> None:
        raise StoreFull("planted: no room")


def remembering(store: SQLiteStore) -> Store:
    """The same, and what was learned in the transaction that was rolled back is kept."""
    vars(store)["_forget"] = lambda: None
    return cast("Store", RefusesOnce(store))


def refusing(store: SQLiteStore) -> Store:
    return cast("Store", RefusesOnce(store))


# -- members that fail, and their neighbours ---------------------------------------------------------------------------


class OwnMembers(Planted):
    """The members of a transaction are bounded otherwise, by `member` of a kind of transaction."""

    def __init__(self, store: SQLiteStore, kind: type[PlantedTransaction]) -> None:
        super().__init__(store)
        self.kind = kind

    def planted(self, inner: Transaction) -> object:
        return self.kind(inner, self.store)


class KeysUnchecked(PlantedTransaction):
    """Nobody looks at the foreign keys of a member at its end: COMMIT does, and refuses the batch."""

    told: type[StoreError] = SqlFailed

    @contextmanager
    def member(self) -> Generator[None]:
        self.raw.execute("savepoint planted")
        try:
            yield
        except BaseException:
            self.raw.execute("rollback to planted")
            raise
        finally:
            self.raw.execute("release planted")

    def commit(self) -> None:
        try:
            self.inner.commit()
        except StoreError as error:
            if error.extended != apsw.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise
            raise self.told(f"planted: {error}") from error


class KeysFailAll(KeysUnchecked):
    """And what COMMIT says of the batch is told to all of it."""

    told = Busy


class UndoesNeighbours(PlantedTransaction):
    """A member that fails undoes all that was written since the transaction began."""

    def __init__(self, inner: Transaction, store: SQLiteStore) -> None:
        super().__init__(inner, store)
        self.raw.execute("savepoint planted")

    @contextmanager
    def member(self) -> Generator[None]:
        try:
            with self.inner.member():
                yield
        except BaseException:
            self.raw.execute("rollback to planted")
            raise


class UndoesNone(PlantedTransaction):
    """What a member has written stays, though it fails."""

    @contextmanager
    def member(self) -> Generator[None]:
        yield


# -- a batch in two commits --------------------------------------------------------------------------------------------


class CommitsTwice(Planted):
    """The first row of a batch is committed before the others are written."""

    def planted(self, inner: Transaction) -> object:
        return InTwo(inner, self.store)


class InTwo(PlantedTransaction):
    def append(self, drafts: Sequence[Draft]) -> None:
        if len(drafts) > 1:
            self.inner.append(drafts[:1])
            self.raw.execute("commit")
            self.raw.execute("begin immediate")
        self.inner.append(drafts[1:] if len(drafts) > 1 else drafts)


# -- what is planted, by name ------------------------------------------------------------------------------------------


def answers_first(store: SQLiteStore) -> Store:
    return cast("Store", AnswersFirst(store))


def head_outside(store: SQLiteStore) -> Store:
    return cast("Store", HeadOutside(store))


def anchors_early(store: SQLiteStore) -> Store:
    return cast("Store", AnchorsEarly(store))


def sql_ends(store: SQLiteStore) -> Store:
    return cast("Store", SqlEnds(store))


def cursor_open(store: SQLiteStore) -> Store:
    return cast("Store", CursorOpen(store))


def keys_unchecked(store: SQLiteStore) -> Store:
    return cast("Store", OwnMembers(store, KeysUnchecked))


def keys_fail_all(store: SQLiteStore) -> Store:
    return cast("Store", OwnMembers(store, KeysFailAll))


def undoes_neighbours(store: SQLiteStore) -> Store:
    return cast("Store", OwnMembers(store, UndoesNeighbours))


def undoes_none(store: SQLiteStore) -> Store:
    return cast("Store", OwnMembers(store, UndoesNone))


def commits_twice(store: SQLiteStore) -> Store:
    return cast("Store", CommitsTwice(store))
