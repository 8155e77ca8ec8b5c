"""Many instances as they were at one moment: `engine.snapshot()`."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, Unpack

from persistence import Busy, Closed, Reader, Row, Store
from persistence.process import PROCESS
from statemachine.definition import Definition
from statemachine.events import checked_text
from statemachine.limits import Limits
from statemachine.listing import Chosen, Filters, Listing, chosen
from statemachine.loading import Loaded
from statemachine.moment import Moment
from statemachine.proving import proven_rows
from statemachine.workflow import Workflow

__all__ = ["Snapshot", "Snapshots"]

D = TypeVar("D")
W = TypeVar("W", bound=Workflow[Any])
T = TypeVar("T")


class Host(Protocol):
    """What a snapshot needs of its engine."""

    limits: Limits
    store: Store

    def check_turn(self) -> None:
        """Raise ReentrantCall in a callback, Closed in a forked child."""
        ...

    def definition(self, workflow: object) -> Definition:
        """Return the compiled form of one of its workflows. Raises DefinitionError."""
        ...

    def judged(self, reader: Reader, definition: Definition, instance: str) -> Loaded:
        """Return a head as a reader sees it, judged. Raises Refused."""
        ...


class Snapshot:
    """Every instance as it was at one moment, until the block of `engine.snapshot()` ends. Thread-safe."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
        self._mutex = threading.RLock()  # a reader is used by one thread at a time
        self._pid = PROCESS.pid
        self._view = engine.store.snapshot()
        self._reader: Reader | None = None
        self._has_ended = False

    def begin(self) -> None:
        """Begin its view. Raises StoreError."""
        with self._mutex:
            if self._has_ended:
                raise Closed("this engine was closed")
            self._reader = self._view.__enter__()

    def get(self, workflow: "Callable[[D], W]", id: str, /) -> "Moment[W, D]":  # the field's word
        """Return an instance as it was. Raises Refused (`unknown_instance`, `instance_unsound`, …)."""
        definition = self._engine.definition(workflow)
        instance = checked_text("id", id, self._engine.limits.text_bytes_max)
        self.load(definition, instance)
        return Moment(self, definition, instance)

    def list(self, workflow: "Callable[[D], W]", /, **filters: Unpack[Filters]) -> "Listing[Moment[W, D]]":
        """Return instances as they were; filters, order and cursors are those of `Engine.list`."""
        definition = self._engine.definition(workflow)

        def choose(reader: Reader) -> Chosen:
            return chosen(reader, definition, filters, limits=self._engine.limits)

        return self._read(choose).of(lambda instance: Moment[W, D](self, definition, instance))

    def load(self, definition: Definition, instance: str) -> Loaded:
        """Return the head of an instance as it was, judged; what the properties of a `Moment` call."""
        return self._read(lambda reader: self._engine.judged(reader, definition, instance))

    def rows(self, instance: str) -> Sequence[Row]:
        """Return the journal of an instance as it was, oldest first, proven."""
        return self._read(lambda reader: proven_rows(reader, instance))

    def _read(self, work: Callable[[Reader], T]) -> T:
        self._engine.check_turn()
        with self._mutex:
            if self._reader is None:
                raise Closed("this snapshot has ended; read inside its block")
            return work(self._reader)

    def end(self) -> None:
        """Give its view back. Ending twice is allowed; in a forked child it does nothing."""
        if PROCESS.pid != self._pid:
            return
        with self._mutex:
            self._reader, self._has_ended = None, True
            self._view.__exit__(None, None, None)


class Snapshots:
    """Those that one engine holds."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
        self._held: set[Snapshot] = set()
        self._mutex = threading.Lock()

    @contextmanager
    def one(self) -> Generator[Snapshot]:
        """Begin one, and end it with the block. Raises Busy, StoreError."""
        most, snapshot = self._engine.limits.snapshots_max, Snapshot(self._engine)
        try:
            with self._mutex:
                if len(self._held) >= most:
                    raise Busy(f"{most} snapshots of this engine are held; end some of them")
                self._held.add(snapshot)
            snapshot.begin()
            yield snapshot
        finally:
            snapshot.end()
            self._held.discard(snapshot)

    def close(self) -> None:
        """End all of them, once what they are asked has been read."""
        for snapshot in list(self._held):
            snapshot.end()
