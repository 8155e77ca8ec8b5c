"""A store that fails on purpose: it kills its own process at one point of a transaction, or forgets a commit.

It stands between the engine and the real store and only counts on the port (`persistence.Store`), so that no line of
the product knows of it. It is armed for one step at a time; not armed it passes everything through.
"""

import os
import signal
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager

from attrs import define

from perdure.demo.script import CrashPoint
from persistence import (
    Capabilities,
    Draft,
    Head,
    KeyRecord,
    Quarantine,
    Reader,
    Row,
    Store,
    StoreFacts,
    Stub,
    Transaction,
    Value,
)

__all__ = ["Fault", "FaultyStore", "FaultyTransaction"]


@define
class Fault:
    """What is to go wrong with the step that is under way."""

    point: CrashPoint | None = None
    forgets: bool = False  # the next commit answers as if it had happened

    def strike(self, point: CrashPoint) -> None:
        """Kill this process, as `kill -9` would, if this is the point."""
        if point is self.point:
            os.kill(os.getpid(), signal.SIGKILL)


class FaultyStore:
    """A Store in front of a Store."""

    def __init__(self, store: Store, fault: Fault) -> None:
        self._store = store
        self._fault = fault

    @property
    def capabilities(self) -> Capabilities:
        """What the real one can do."""
        return self._store.capabilities

    @property
    def facts(self) -> StoreFacts:
        """What the real one says of itself."""
        return self._store.facts

    @contextmanager
    def transaction(self) -> Generator["FaultyTransaction", None, None]:
        """Begin writing."""
        self._fault.strike(CrashPoint.BEGIN)
        with self._store.transaction() as transaction:
            yield FaultyTransaction(transaction, self._fault)

    def reader(self) -> AbstractContextManager[Reader]:
        """Begin reading."""
        return self._store.reader()

    def settle(self) -> None:
        """Forget the open marks of owners that are gone."""
        self._store.settle()

    def close(self) -> None:
        """Close the real one."""
        self._store.close()


class FaultyTransaction:
    """A Transaction in front of a Transaction."""

    def __init__(self, transaction: Transaction, fault: Fault) -> None:
        self._transaction = transaction
        self._fault = fault

    @property
    def generation(self) -> int:
        """The real one's."""
        return self._transaction.generation

    @property
    def position(self) -> int:
        """The real one's."""
        return self._transaction.position

    def heads(self, instances: Sequence[str]) -> dict[str, Head]:
        """Read heads."""
        return self._transaction.heads(instances)

    def keys(self, wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], KeyRecord]:
        """Read key records."""
        return self._transaction.keys(wanted)

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition."""
        return self._transaction.row(instance, version)

    def stubs(self, instance: str) -> list[Stub]:
        """Read what rows that were set aside left."""
        return self._transaction.stubs(instance)

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart."""
        return self._transaction.definition(fingerprint)

    def member(self) -> AbstractContextManager[None]:
        """Bound one decision."""
        return self._transaction.member()

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

    def quarantine(self, mark: Quarantine) -> None:
        """Set an instance aside."""
        self._transaction.quarantine(mark)

    def set_aside(self, stub: Stub, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Set a row aside."""
        self._transaction.set_aside(stub, rows=rows, reason=reason, time=time)

    def rebuild(self, head: Head, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Write a proven head."""
        self._transaction.rebuild(head, rows=rows, reason=reason, time=time)

    def commit(self) -> None:
        """Commit; or leave that out and say nothing, so that the end of the block undoes what was acknowledged."""
        if self._fault.forgets:
            return
        self._transaction.commit()
        self._fault.strike(CrashPoint.COMMIT)
