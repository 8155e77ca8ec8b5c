"""A store that crashes: it says where a transaction stands, and whoever listens may kill the process or raise.

It stands between the engine and the real store and only counts on the port (`persistence.Store`), so that no line of
the product knows of it. What it does not name passes through.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import cast

from persistence import Draft, Store, Transaction
from recovery.drills.points import CrashPoint

__all__ = ["Crashed", "crashing"]

Strike = Callable[[CrashPoint], None]


class Crashed(BaseException):
    """The process would be dead here. No handler of a workflow's may catch it, so it is no Exception."""


def crashing(store: Store, strike: Strike) -> Store:
    """Return a store that calls `strike` at each crash point of a transaction."""
    return cast("Store", _CrashingStore(store, strike))


class _CrashingStore:
    def __init__(self, store: Store, strike: Strike) -> None:
        self._store = store
        self._strike = strike

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        self._strike(CrashPoint.BEGIN)
        with self._store.transaction() as transaction:
            yield cast("Transaction", _CrashingTransaction(transaction, self._strike))


class _CrashingTransaction:
    def __init__(self, transaction: Transaction, strike: Strike) -> None:
        self._transaction = transaction
        self._strike = strike

    def __getattr__(self, name: str) -> object:
        return getattr(self._transaction, name)

    def append(self, drafts: Sequence[Draft]) -> None:
        self._strike(CrashPoint.DECIDED)
        self._transaction.append(drafts)
        self._strike(CrashPoint.APPENDED)

    def commit(self) -> None:
        self._transaction.commit()
        self._strike(CrashPoint.COMMITTED)
