"""A store that fails on purpose: it kills its own process at one point of a transaction, or forgets a commit.

It stands between the engine and the real store and only counts on the port (`persistence.Store`), so that no line of
the product knows of it. It is armed for one step at a time; not armed it passes everything through.
"""

import os
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import cast

from attrs import define

from perdure.demo.script import CrashPoint
from persistence import Draft, Store, Transaction, Value

__all__ = ["Fault", "faulty"]


@define
class Fault:
    """What is to go wrong with the step that is under way."""

    point: CrashPoint | None = None
    forgets: bool = False  # the next commit answers as if it had happened

    def strike(self, point: CrashPoint) -> None:
        """Kill this process, as `kill -9` would, if this is the point."""
        if point is self.point:
            os.kill(os.getpid(), signal.SIGKILL)


def faulty(store: Store, fault: Fault) -> Store:
    """Return a store in front of a store, which strikes where the fault says; what is not named passes through."""
    return cast("Store", _FaultyStore(store, fault))


class _FaultyStore:
    def __init__(self, store: Store, fault: Fault) -> None:
        self._store = store
        self._fault = fault

    def __getattr__(self, name: str) -> object:
        """Return what the real one has."""
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Generator[Transaction]:
        """Begin writing."""
        self._fault.strike(CrashPoint.BEGIN)
        with self._store.transaction() as transaction:
            yield cast("Transaction", _FaultyTransaction(transaction, self._fault))


class _FaultyTransaction:
    def __init__(self, transaction: Transaction, fault: Fault) -> None:
        self._transaction = transaction
        self._fault = fault

    def __getattr__(self, name: str) -> object:
        """Return what the real one has."""
        return getattr(self._transaction, name)

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run a statement of the user's; the first one of an action may be the last one of this process."""
        rows = self._transaction.execute(statement, parameters, writable=writable)
        if writable:
            self._fault.strike(CrashPoint.ACTION)
        return rows

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write decided transitions."""
        self._transaction.append(drafts)
        self._fault.strike(CrashPoint.APPEND)

    def commit(self) -> None:
        """Commit; or leave that out and say nothing, so that the end of the block undoes what was acknowledged."""
        if self._fault.forgets:
            return
        self._transaction.commit()
        self._fault.strike(CrashPoint.COMMIT)
