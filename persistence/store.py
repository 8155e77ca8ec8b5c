"""The port: what the engine needs of a database, and nothing more.

A store keeps ids, names and bytes; it knows no state machines. Everything that one transition writes goes through one
`Transaction`: heads and keys are read in it, the user's SQL runs in it, `append` hands over what was decided, `commit`
makes it durable. Leaving the `with` block without a commit undoes everything.

`generation` changes whenever what was read earlier may be out of date: another connection wrote, an instance was set
aside, or a transaction that had written did not end in a commit. Whoever caches heads drops them when it changes; that
is the one rule of the cache.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen

from persistence.records import (
    Checkpoint,
    Draft,
    Found,
    Head,
    KeyRecord,
    Quarantine,
    Row,
    Sealed,
    Standing,
    StoreFacts,
    Stub,
)

__all__ = ["Capabilities", "Reader", "Store", "Transaction", "Value"]

PLACE_MIN = -(2**63)  # no row is committed there; a damaged one can stand anywhere

Value = None | int | float | str | bytes
"""What SQLite stores in one column."""


@frozen
class Capabilities:
    """What a store can do beyond the port."""

    sql: bool  # `Transaction.execute` runs the user's SQL in the same transaction
    durable: bool  # a commit survives the process


class Transaction(Protocol):
    """One open write transaction. Nobody else writes between its start and its end.

    It reads what is committed and what it appended itself; nobody else sees that before `commit`.
    """

    @property
    def generation(self) -> int:
        """A number that differs from the last one seen if cached heads must be dropped."""
        ...

    @property
    def position(self) -> int:
        """How far the lane reaches: it differs from the last one seen if somebody else committed through this store."""
        ...

    def heads(self, instances: Sequence[str]) -> dict[str, Head]:
        """Read heads as this transaction sees them; an instance that does not exist is left out."""
        ...

    def keys(self, wanted: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], KeyRecord]:
        """Read key records by (instance, kind, key); unknown ones are left out."""
        ...

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance, or None."""
        ...

    def rows_to(self, instance: str, version: int, *, near: int = 0) -> list[Row]:
        """Read the rows that prove a version: from the newest whole image at or before it on, oldest first.

        The row before the version is among them in any case, where there is one that stands. `near` is where a key
        says that the version's row is: one that does not stand there is looked for. Empty where there is no such row.
        """
        ...

    def stubs(self, instance: str) -> list[Stub]:
        """Read what the rows of an instance that were set aside left in their places, by version."""
        ...

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart, or None."""
        ...

    def member(self) -> AbstractContextManager[None]:
        """Bound one decision: if it raises, what the user's SQL wrote inside it is undone."""
        ...

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one statement of the user's and return all its rows. Raises SqlFailed, NoSql."""
        ...

    def append(self, drafts: Sequence[Draft]) -> None:
        """Write decided transitions, several of one instance in their order; the last row seals the batch.

        Raises Conflict if a head is not the one that was decided against, or a key is taken; then nothing of this
        transaction can be committed.
        """
        ...

    def checkpoint(self, named: Checkpoint) -> None:
        """Name a version of an instance, and keep its whole image.

        Raises Conflict where the instance does not exist, or has a checkpoint of that label.
        """
        ...

    def mend_checkpoint(
        self, instance: str, label: str, proven: tuple[int, bytes, bytes], *, reason: str, time: int
    ) -> None:
        """Give a named checkpoint the version, hash and image that are proven; what stood there is kept as found.

        Tags that cannot be read are dropped, the rest of it stays. Raises Conflict where there is no such checkpoint.
        """
        ...

    def quarantine(self, mark: Quarantine) -> None:
        """Set an instance aside. An instance that has a mark keeps it; one that does not exist gets none."""
        ...

    def set_aside(self, stub: Stub, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Take the row at a stub's n and version out of its journal and leave the stub in its place in the lane.

        The row is kept, byte for byte, where no reader of the journal meets it; one that is lost already leaves the
        stub all the same. The instance's head stays as it is: the next draft follows from it. `rows` are those that
        stand below it, as `rebuild` takes them. Raises Conflict where the instance does not exist, or a stub or another
        instance's transition stands at n.
        """
        ...

    def rebuild(self, head: Head, *, rows: Sequence[int], reason: str, time: int) -> None:
        """Make this the head of its instance, whatever stands there; what stood there is kept as found.

        `rows` are the n of the rows of its journal, oldest first, as proven: whatever pointers a store keeps lead along
        them from here on. Identity (instance, workflow, secret) and mark are not written. Raises Conflict where the
        instance does not exist, or the last of the rows is not of the head's version and hash.
        """
        ...

    def expire_keys(self, *, before: int, place: int, most: int) -> int:
        """Forget the keys of those of the next instances that ended before a time; return the place behind them.

        At most so many are looked at, from a place on: what the last call returned, or any number. Behind the last one
        it is 0, where the first one is. `before` is in microseconds since 1970 UTC. An instance loses all its keys or
        none.
        """
        ...

    def commit(self) -> None:
        """Make everything durable. Durable on return. Raises InDoubt where that is unknown."""
        ...


class Reader(Protocol):
    """A consistent, read-only view of everything that is committed."""

    def instances(self, *, workflow: str | None = None) -> Iterator[str]:
        """Iterate over instance ids, in the order in which they were started."""
        ...

    def standings(self, workflow: str, *, after: str | None = None, running: bool = False) -> Iterator[Standing]:
        """Iterate over where the instances of a workflow stand, in the order in which they were started.

        `after` begins behind an instance; behind one that does not exist there is nothing. `running` leaves out those
        that have ended. It costs what is iterated over.
        """
        ...

    def newest(self, rows: int) -> list[str]:
        """Return the ids of the instances that so many of the newest rows are of, in the order of their start."""
        ...

    def head(self, instance: str) -> Head | None:
        """Read one head, or None."""
        ...

    def journal(self, instance: str) -> list[Row]:
        """Read the transitions of one instance, oldest first, as far as the chain of rows can be followed."""
        ...

    def row(self, instance: str, version: int) -> Row | None:
        """Read one transition of an instance, or None."""
        ...

    def places(self, instances: Sequence[str], *, first: int = PLACE_MIN) -> dict[str, list[int]]:
        """Return the n, from `first` on, of every row that says it belongs to one of these instances, in their order.

        Where an instance's head says that its newest row stands is among them too, whether one stands there or not.
        One pass over what stands from `first` on, however many are asked for. An instance that does not exist has none.
        """
        ...

    def evidence(self, instance: str, places: Sequence[int]) -> list[Found]:
        """Read the rows at some places that say they belong to an instance, by n, each on its own.

        No pointer is followed or need be right: it is asked where something is wrong already.
        """
        ...

    def row_counts(self) -> dict[str, int]:
        """Count the rows that are kept for each instance, in one pass over all; stubs are not rows."""
        ...

    def damage(self) -> list[str]:
        """Return what the store itself finds wrong with its file: the pages, and rows that belong to nobody."""
        ...

    def malformed(self) -> list[str]:
        """Return what of `damage` makes writing into the file unsafe: then recovery writes nothing."""
        ...

    def keys(self, instance: str) -> list[KeyRecord]:
        """Read all keys of one instance, by version, kind and key."""
        ...

    def checkpoints(self, instance: str, *, label: str | None = None) -> list[Checkpoint]:
        """Read the named checkpoints of one instance, or the one of that label, by version and label."""
        ...

    def labels(self, instance: str) -> list[tuple[str, bytes]]:
        """Read label and hash of the named checkpoints of one instance, by label, also of those that are damaged."""
        ...

    def lane(self) -> Iterator[Sealed]:
        """Iterate over the rows of all instances, and the stubs of rows, in the order of their commits."""
        ...

    def rows_to(self, instance: str, version: int, *, near: int = 0) -> list[Row]:
        """Read the rows that prove a version: from the newest whole image at or before it on, oldest first.

        The row before the version is among them in any case, where there is one that stands. `near` is where a key
        says that the version's row is: one that does not stand there is looked for. Empty where there is no such row.
        """
        ...

    def stubs(self, instance: str) -> list[Stub]:
        """Read what the rows of an instance that were set aside left in their places, by version."""
        ...

    def definition(self, fingerprint: bytes) -> str | None:
        """Read the canonical text of a chart, or None."""
        ...

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one reading statement of the user's; `writable` changes nothing. Raises NoSql where there is no SQL."""
        ...


class Store(Protocol):
    """A place where instances live. Thread-safe: transactions wait for each other."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def facts(self) -> StoreFacts:
        """What it says of itself."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin writing. Raises Busy after a bounded wait."""
        ...

    def reader(self) -> AbstractContextManager[Reader]:
        """Begin reading; never waits for a writer."""
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Begin reading for as long as it takes: all of the moment of this call, and nobody else waits for it.

        It is ended by who began it, at the latest before the store is closed; ending it twice, or before it has begun,
        does nothing. One thread at a time.
        """
        ...

    def backup(self, target: str, prove: Callable[[Reader], None]) -> None:
        """Copy everything of this moment to a place of that name, where there is nothing, while others write.

        `prove` is given a reader of the copy, and raises if it is not to be kept. Durable on return, and nothing is
        left of it where it raises. Raises BackupFailed, also where a store has no such copies, StoreFull.
        """
        ...

    def abandon(self) -> None:
        """End what an interrupt left open of this thread's: a transaction is undone, a short reader ended.

        Python may tell of a Ctrl-C behind the last line of a block and before the first of its end, which then never
        runs: so whoever hears of what is no Exception, and goes on with the store, calls this behind it. What is
        durable stays so; another thread's transaction or reader is left alone, and so are snapshots. It may be called
        where nothing is open, and where several blocks are, all of which have then ended.
        """
        ...

    def settle(self) -> None:
        """Forget the open marks of owners that are gone; called once their work has been checked."""
        ...

    def close(self) -> None:
        """Close it. Closing twice is allowed."""
        ...
