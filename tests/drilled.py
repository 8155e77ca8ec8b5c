"""What the drills of the tests run, beside its faulty twins: workflows and stores that do what must be found.

Everything stands at module level, because new processes import it.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import Any, cast
from uuid import uuid4

from attrs import define, field, frozen

from persistence import Draft, Reader, Store, Transaction
from persistence.sqlite.transaction import SQLiteTransaction
from statemachine import Final, State, Workflow, enter, on
from statemachine.usertables import ReadingSql
from statemachine.workflow import definition_of

SCHEMA = "create table if not exists entry (till text, amount int)"


@frozen
class Take:
    amount: int


@frozen
class Shut:
    pass


@define
class TillData:
    total: int = 0
    taken: int = 0
    marks: list[str] = field(factory=list[str])


class Till(Workflow[TillData], revision=1):
    """Takes money, keeps a row for each time, and is shut once it has taken enough."""

    taking = State(initial=True)
    shut = Final()

    def has_room(self) -> bool:
        return self.data.taken < 3

    @on(Take, taking, to=None, when=has_room)
    def take(self, event: Take) -> None:
        self.data.taken += 1
        self.data.total = min(self.data.total + event.amount, 2**62)
        self.data.marks.append(f"{self.new_id()} {self.random.random()} {self.now}")
        self.sql.execute("insert into entry (till, amount) values (?, ?)", (self.id, event.amount))

    @on(Shut, taking, to=shut)
    def close_up(self, event: Shut) -> None: ...


def totals(sql: ReadingSql) -> object:
    """What a user may want to see of his rows."""
    return sql.execute("select till, sum(amount) from entry group by till order by till")


def unopenable(store: Store) -> Store:
    """A store that cannot be had."""
    raise OSError("no such store")


class Stuck(Till, revision=1, name="Till"):
    """Never comes back from an action."""

    def take(self, event: Take) -> None:
        Event().wait()


# -- a guard that reads what only this process knows -------------------------------------------------------------------

KNOWN: set[str] = set()


class Forgetful(Till, revision=1, name="Till"):
    """Asks a set of its module, which a new process finds empty; within one process it is always right."""

    def has_room(self) -> bool:
        return super().has_room() and self.id in KNOWN

    @enter(Till.taking)
    def remember(self) -> None:
        KNOWN.add(self.id)


# -- a start that never works ------------------------------------------------------------------------------------------


class Broken(Till, revision=1, name="Till"):
    @enter(Till.taking)
    def begin(self) -> None:
        self.sql.execute("insert into entry (till, amount) values (?, 0)", (self.id,))


# -- an action that asks for what no seed repeats ----------------------------------------------------------------------


class Restless(Till, revision=1, name="Till"):
    def take(self, event: Take) -> None:
        self.data.taken += 1
        self.data.marks.append(str(uuid4()))


# -- a codec that leaks ------------------------------------------------------------------------------------------------


class Leaky(Till, revision=1, name="Till"):
    """Its data is thawed into one object, whoever asks: what a failed attempt did to it is there for the next."""


def _leak() -> None:
    definition = definition_of(Leaky)
    thaw, thawed = definition.thaw, dict[object, object]()

    def leaky(frozen: object) -> object:
        if frozen not in thawed:
            thawed[frozen] = thaw(frozen)
        return thawed[frozen]

    vars(definition)["thaw"] = leaky


_leak()


# -- a store that answers before the commit ----------------------------------------------------------------------------


class _EarlyTransaction:
    def __init__(self, transaction: Transaction, late: list[Sequence[Draft]]) -> None:
        self._transaction = transaction
        self._late = late
        self._drafts: Sequence[Draft] = ()

    def __getattr__(self, name: str) -> object:
        return getattr(self._transaction, name)

    def append(self, drafts: Sequence[Draft]) -> None:
        self._transaction.append(drafts)
        self._drafts = drafts

    def commit(self) -> None:
        self._late.append(self._drafts)  # undone when the block ends, and done again by whoever comes next


class _EarlyStore:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._late: list[Sequence[Draft]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def _catch_up(self) -> None:
        while self._late:
            with self._store.transaction() as transaction:
                transaction.append(self._late[0])
                transaction.commit()
            del self._late[0]

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        self._catch_up()
        with self._store.transaction() as transaction:
            yield cast("Transaction", _EarlyTransaction(transaction, self._late))

    def reader(self) -> AbstractContextManager[Reader]:
        self._catch_up()
        return self._store.reader()

    def close(self) -> None:
        self._catch_up()
        self._store.close()


def early(store: Store) -> Store:
    """Return a store that answers before the commit."""
    return cast("Store", _EarlyStore(store))


# -- a store that writes heads outside the transaction -----------------------------------------------------------------

COLUMNS = "version configuration definition revision epoch incarnation time outcome head prior hash previous_hash "
NAMES = (COLUMNS + "rest_digest image").split()
READ = f"select {', '.join(NAMES)} from perdure_instance where name = ?"
WRITE = f"update perdure_instance set {', '.join(f'{name} = ?' for name in NAMES)} where name = ?"
Row = tuple[Any, ...]


class _TornTransaction:
    def __init__(self, transaction: SQLiteTransaction) -> None:
        self._transaction = transaction
        self.heads_after: dict[str, Row] = {}

    def __getattr__(self, name: str) -> object:
        return getattr(self._transaction, name)

    def append(self, drafts: Sequence[Draft]) -> None:
        connection = self._transaction._connection
        names = [draft.record.instance for draft in drafts]
        before = {name: row for name in names for row in connection.execute(READ, (name,))}
        self._transaction.append(drafts)
        for name, row in before.items():
            (self.heads_after[name],) = connection.execute(READ, (name,)).fetchall()
            connection.execute(WRITE, (*row, name))


class _TornStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        with self._store.transaction() as transaction:
            torn = _TornTransaction(cast("SQLiteTransaction", transaction))
            yield cast("Transaction", torn)
        if torn.heads_after:
            with self._store.transaction() as transaction:
                for name, row in torn.heads_after.items():
                    cast("SQLiteTransaction", transaction)._connection.execute(WRITE, (*row, name))
                transaction.commit()


def torn(store: Store) -> Store:
    """Return a store that writes heads in a transaction of their own, after the one that writes the rows."""
    return cast("Store", _TornStore(store))
