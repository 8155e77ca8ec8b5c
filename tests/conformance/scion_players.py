"""Plays a trace of events on a workflow that was read from a document: in memory, or through an engine and its store.

A trace is an initial configuration, and events with the configuration after each. `after` lets so many milliseconds go
by before an event; what the document sent to itself with a delay comes due in them, on a clock that is set by hand.

The engine's players throw everything away after *every* event: workflow class, engine and handle are made anew from the
document and the store before the next one. What is not in the store is then not there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field, frozen

from persistence.memory import MemoryStore
from statemachine import Cursor, Engine, Instance, Refused, Workflow
from statemachine.scxml import DocumentData, Pending, due, make_event, state_ids

DISCARDED = {"event_not_enabled", "guard_failed", "unknown_event", "instance_final"}  # SCXML drops such an event
SENT_MAX = 1_000  # events that a document sends itself in one trace
Made = type[Workflow[DocumentData]]


@frozen
class Trace:
    """One document, and what is expected of it."""

    name: str
    make: Callable[[], Made]
    initial: frozenset[str]
    events: tuple[tuple[int, str, Any, frozenset[str]], ...]  # milliseconds before it, name, data, configuration after

    @property
    def has_delays(self) -> bool:
        """Whether time goes by in it."""
        return any(after for after, *_ in self.events)


def read_trace(document: Path) -> Trace:
    """Return the trace that stands beside a document."""
    plain = json.loads(document.with_suffix(".json").read_text(encoding="utf-8"))
    return Trace(
        f"{document.parent.name}/{document.stem}",
        lambda: Workflow.from_scxml(document, name="chart", read_script=lambda src: document.parent / src),
        frozenset(plain["initialConfiguration"]),
        tuple(
            (one.get("after", 0), one["event"]["name"], one["event"].get("data"), frozenset(one["nextConfiguration"]))
            for one in plain["events"]
        ),
    )


class Player(Protocol):
    """One instance of a document, and the time."""

    now_ms: int

    def send(self, name: str, data: Any, *, pending: int = 0) -> None:
        """Send an event; one that nothing takes is dropped."""
        ...

    def configuration(self) -> frozenset[str]:
        """Return the ids of the active leaves."""
        ...

    def pending(self) -> Sequence[Pending]:
        """Return what the document sent to itself, with the times at which it is due."""
        ...


@define(eq=False)
class InMemory:
    """On a `Cursor`. It has no clock: times are counted from the event after which something was first seen to wait."""

    workflow: Made
    now_ms: int = 0
    _due_ms: dict[int, int] = field(factory=dict[int, int])
    _cursor: Cursor[DocumentData] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._cursor = Cursor(self.workflow, DocumentData())

    def send(self, name: str, data: Any, *, pending: int = 0) -> None:
        _unless_discarded(lambda: self._cursor.send(make_event(self.workflow, name, data=data, pending=pending)))

    def configuration(self) -> frozenset[str]:
        return _ids(self.workflow, self._cursor.configuration)

    def pending(self) -> Sequence[Pending]:
        waiting = self._cursor.data.pending
        return [
            Pending(
                one.number, one.event, self._due_ms.setdefault(one.number, self.now_ms + one.due_ms), one.data, one.id
            )
            for one in waiting
        ]


@define(eq=False)
class Durable:
    """Through an engine on a store that `open_engine` opens; nothing else is kept between two events."""

    make: Callable[[], Made]
    open_engine: Callable[[Made, Callable[[], int]], Engine]
    close: Callable[[Engine], None]
    now_ms: int = 1_700_000_000_000

    def __attrs_post_init__(self) -> None:
        self._afresh(lambda workflow, engine: engine.start(workflow, DocumentData(), id="one"))

    def _afresh(self, use: Callable[[Made, Engine], Any]) -> Any:
        workflow = self.make()
        engine = self.open_engine(workflow, lambda: self.now_ms * 1000)
        try:
            return use(workflow, engine)
        finally:
            self.close(engine)

    def _read(self, ask: Callable[[Made, "Instance[Workflow[DocumentData], DocumentData]"], Any]) -> Any:
        return self._afresh(lambda workflow, engine: ask(workflow, engine.get(workflow, "one")))

    def send(self, name: str, data: Any, *, pending: int = 0) -> None:
        self._read(
            lambda workflow, one: _unless_discarded(
                lambda: one.send(make_event(workflow, name, data=data, pending=pending))
            )
        )

    def configuration(self) -> frozenset[str]:
        found: frozenset[str] = self._read(lambda workflow, one: _ids(workflow, one.configuration))
        return found

    def pending(self) -> Sequence[Pending]:
        found: Sequence[Pending] = self._read(lambda _, one: one.data.pending)
        return found


def in_memory_store(trace: Trace) -> Durable:
    """Return a player on a store in memory."""
    store = MemoryStore()
    return Durable(trace.make, lambda workflow, clock: Engine(store, workflow, clock=clock), lambda _: None)


def in_sqlite(trace: Trace, folder: Path) -> Durable:
    """Return a player on a file in a folder; it is opened and closed around each event."""
    path = folder / f"{trace.name.replace('/', '-')}.db"
    return Durable(
        trace.make,
        lambda workflow, clock: Engine(path, workflow, durability="normal", clock=clock),
        lambda engine: engine.close(),
    )


def _unless_discarded(send: Callable[[], object]) -> None:
    try:
        send()
    except Refused as refused:
        if refused.code not in DISCARDED:
            raise


def _ids(workflow: Made, configuration: Sequence[str]) -> frozenset[str]:
    ids: Mapping[str, str] = state_ids(workflow)
    return frozenset(ids[one] for one in configuration)


def play(trace: Trace, player: Player) -> str | None:
    """Return where a player leaves a trace; None if it keeps to it."""
    _let_pass(player, 0)
    found = player.configuration()
    if found != trace.initial:
        return f"at the start: {_shown(found)}, expected {_shown(trace.initial)}"
    for place, (after, name, data, expected) in enumerate(trace.events, 1):
        _let_pass(player, after)
        player.send(name, data)
        _let_pass(player, 0)
        found = player.configuration()
        if found != expected:
            return f"after event {place}, {name}: {_shown(found)}, expected {_shown(expected)}"
    return None


def _let_pass(player: Player, milliseconds: int) -> None:
    """Let time go by, and hand over what comes due in it, each at its time."""
    end = player.now_ms + milliseconds
    for _ in range(SENT_MAX):
        following = due(DocumentData(pending=list(player.pending())), end)
        if not following:
            player.now_ms = end
            return
        one = following[0]
        player.now_ms = max(player.now_ms, one.due_ms)
        player.send(one.event, one.data, pending=one.number)
    raise AssertionError(f"more than {SENT_MAX} events were sent to itself")


def _shown(configuration: frozenset[str]) -> str:
    return ", ".join(sorted(configuration)) or "nothing"
