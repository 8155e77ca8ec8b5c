"""The typed handle of one instance: sends events, and reads the last committed head at each access."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack, cast, overload

from persistence import Checkpoint, Row
from statemachine._codec.scalars import shown
from statemachine.chart import Configuration
from statemachine.definition import Definition
from statemachine.door import Door, Gate, Outcome, named_request
from statemachine.errors import Refused
from statemachine.events import (
    AttrsEvent,
    DataclassEvent,
    Extras,
    check_sender,
    checked_text,
    event_of,
    request,
)
from statemachine.loading import Loaded
from statemachine.moment import Moment, Past
from statemachine.offers import Answers, Offer, View, all_offers, misfit_offer, offer_of
from statemachine.states import is_texts
from statemachine.transition import Transition
from statemachine.versions import Naming

if TYPE_CHECKING:
    from concurrent.futures import Future

    from statemachine.waiting import Awaiting

__all__ = ["Host", "Instance"]

W = TypeVar("W")
D = TypeVar("D")


class Host(Gate, Protocol):
    """What a handle needs of its engine: what the door needs, and what else it reads and names."""

    def read(self, definition: Definition, instance: str) -> Loaded:
        """Return the last committed head, judged."""
        ...

    @property
    def awaiting(self) -> "Awaiting":
        """The calls of event loops."""
        ...

    def rows(self, instance: str) -> Sequence[Row]:
        """Return the journal, oldest first."""
        ...

    def at(self, definition: Definition, instance: str, place: int | str) -> Past:
        """Return a version, by number or label."""
        ...

    def checkpoint(self, definition: Definition, instance: str, naming: Naming) -> Checkpoint:
        """Name the newest version. Durable on return."""
        ...

    def checkpoints(self, instance: str) -> Sequence[Checkpoint]:
        """Return the named checkpoints, by version."""
        ...


class Instance(Generic[W, D]):
    """One instance of a workflow. Holds nothing but its id: every property reads what is committed now.

    Thread-safe. Properties raise Refused (`unknown_instance`, `instance_unsound`, `needs_migration`) and StoreError.
    """

    __slots__ = ("_definition", "_engine", "id")

    def __init__(self, engine: Host, definition: Definition, id: str, /) -> None:  # the field's word
        self._engine = engine
        self._definition = definition
        self.id = id

    def send(  # what an event goes with, as keywords
        self,
        event: AttrsEvent | DataclassEvent,
        *,
        key: str | None = None,
        expect_version: int | None = None,
        actor: str | None = None,
        roles: tuple[str, ...] = (),
        note: str | None = None,
    ) -> Transition:
        """Run one event and return what it did. Durable on return.

        `key` makes it idempotent: the same key and event answer with the transition on record. `expect_version` refuses
        if the instance has moved on. `roles` are those of the sender. Raises Refused (nothing changed, no key used),
        InvariantBroken, StoreError, and whatever a callback raises; then the transition did not happen.
        """
        extras = Extras(key=key, expect_version=expect_version, actor=actor, roles=roles, note=note)
        prepared = request(self._definition, event, limits=self._engine.limits, **extras)
        return self._engine.fire(self._definition, self.id, prepared)

    def submit(self, event: AttrsEvent | DataclassEvent, **extras: Unpack[Extras]) -> "Future[Transition]":
        """Queue an event and return the future of what `send` would return, at once.

        The events of one instance run in the order of the calls, whatever thread or event loop they come from; those
        that wait together are committed together. Closing the engine waits for them. `Future.cancel` takes one out that
        is still queued. Raises Busy when too many wait (or waits: `when_full`), Closed, ReentrantCall; the rest is
        raised by the future.
        """
        try:
            prepared = request(self._definition, event, limits=self._engine.limits, **extras)
        except Refused as refused:
            return _failed(refused)
        return self._engine.submit(self._definition, self.id, prepared)

    def asend(  # as `send`; handed on as **extras they would cost more than queueing
        self,
        event: AttrsEvent | DataclassEvent,
        *,
        key: str | None = None,
        expect_version: int | None = None,
        actor: str | None = None,
        roles: tuple[str, ...] = (),
        note: str | None = None,
    ) -> Coroutine[Any, Any, Transition]:
        """Queue an event as `submit` does, at the call itself, and return what to await for its transition.

        From any event loop, which goes on meanwhile; it does for a coroutine and, inside a loop, for a future. It runs
        from the end of the loop's round on, with what else was queued by then. Durable once awaited. Cancelling stops
        the waiting, not the event.
        """
        definition, engine = self._definition, self._engine
        try:
            prepared = request(
                definition,
                event,
                limits=engine.limits,
                key=key,
                expect_version=expect_version,
                actor=actor,
                roles=roles,
                note=note,
            )
        except Refused as refused:
            return engine.awaiting.refuse(refused)
        return engine.awaiting.send(definition, self.id, prepared)

    # -- the door for agents -------------------------------------------------------------------------------------------

    def fire(
        self,
        name: str,
        arguments: Mapping[str, object],
        *,
        key: str | None = None,
        expect_version: int | None = None,
        actor: str | None = None,
        roles: tuple[str, ...] = (),
        note: str | None = None,
    ) -> Outcome:
        """Run one event, given by its name and plain JSON values, and return what became of it, ready for JSON.

        Durable on return. A refusal is an outcome and no exception, whatever the caller got wrong: nothing happened, no
        key was used, and the hint says what to do next, each misfit of the arguments with its path. Raises StoreError,
        InvariantBroken, DataError, and whatever a callback raises; then the transition did not happen either (but see
        InDoubt), and the same key may be used again.
        """
        extras = Extras(key=key, expect_version=expect_version, actor=actor, roles=roles, note=note)
        return Door(self._engine, self._definition, self.id, extras).fire(name, arguments)

    def afire(
        self, name: str, arguments: Mapping[str, object], **extras: Unpack[Extras]
    ) -> Coroutine[Any, Any, Outcome]:
        """Queue what `fire` does, at the call itself, and return a coroutine that waits for its outcome."""
        return Door(self._engine, self._definition, self.id, extras).afire(name, arguments)

    @overload
    def offers(self, /, *, actor: str | None = None, roles: tuple[str, ...] = ()) -> list[Offer]: ...
    @overload
    def offers(
        self, event: AttrsEvent | DataclassEvent, /, *, actor: str | None = None, roles: tuple[str, ...] = ()
    ) -> list[Offer]: ...
    @overload
    def offers(
        self,
        event: str,
        arguments: Mapping[str, object],
        /,
        *,
        actor: str | None = None,
        roles: tuple[str, ...] = (),
    ) -> list[Offer]: ...
    def offers(self, *given: object, actor: str | None = None, roles: tuple[str, ...] = ()) -> list[Offer]:
        """Return what may be sent: every event of the workflow in the order of its rules, ready for JSON.

        Given an event, or a name and arguments, it returns the offer of that one alone, decided with its payload, which
        is "yes" or "no" as long as its guards raise nothing. Reads the last committed head and writes nothing; guards
        run, actions do not. `actor` and `roles` are those of whoever would send. Raises Refused (`unknown_event`,
        `invalid_argument`, and as the properties do) and StoreError.
        """
        check_sender(actor, roles, limits=self._engine.limits)
        if not given:
            return self._engine.view(self._definition, self.id, all_offers, actor=actor, roles=roles)
        return [self._offer(given, Extras(actor=actor, roles=roles))]

    def _offer(self, given: Sequence[object], extras: Extras) -> Offer:
        """Return the offer of an event, or of a name and its arguments."""
        definition, limits = self._definition, self._engine.limits
        event, *arguments = given
        if len(arguments) != isinstance(event, str):
            raise TypeError("offers() takes nothing, an event, or the name of one and its arguments")
        asked, misfit = None, ""
        name = event if isinstance(event, str) else event_of(definition, event)
        try:
            if isinstance(event, str):
                asked = named_request(definition, event, *arguments, limits=limits, extras=extras)
            else:
                asked = request(definition, event, *arguments, limits=limits, **extras)
        except Refused as refused:
            if refused.code != "invalid_payload":
                raise
            misfit = refused.reason
        actor, roles = extras.get("actor"), extras.get("roles", ())

        def look(view: View) -> Offer:
            if asked is None:
                return misfit_offer(view, name, misfit)
            return offer_of(view, name, Answers(view, asked.event))

        return self._engine.view(definition, self.id, look, actor=actor, roles=roles)

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def workflow(self) -> type[W]:
        """Its class."""
        return self._definition.workflow

    @property
    def configuration(self) -> Configuration:
        """The active leaves, in document order."""
        return self._engine.read(self._definition, self.id).configuration

    @property
    def state(self) -> str | Configuration:
        """The active leaf, or the tuple of them in a parallel configuration."""
        configuration = self.configuration
        return configuration[0] if len(configuration) == 1 else configuration

    @property
    def data(self) -> D:
        """A copy of the data."""
        return cast("D", self._definition.decode_data(self._engine.read(self._definition, self.id).image))

    @property
    def version(self) -> int:
        """The number of its newest transition."""
        return self._engine.read(self._definition, self.id).head.version

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it runs."""
        return self._engine.read(self._definition, self.id).head.outcome

    def history(self) -> list[Transition]:
        """Return its transitions, oldest first."""
        return [Transition(row.record, row.hash) for row in self._engine.rows(self.id)]

    # -- what it was ---------------------------------------------------------------------------------------------------

    def at(self, version: int | str, /) -> "Moment[W, D]":
        """Return it as it was at a version, or at the label of a checkpoint; proven like `history()`.

        Raises Refused: `invalid_argument` where there is no such version or label, `instance_unsound` where it does not
        prove itself, and of its data `needs_migration` where it does not fit the class of today.
        """
        return Moment(self._engine.at(self._definition, self.id, version), self._definition, self.id)

    def checkpoint(self, label: str, /, *, tags: tuple[str, ...] = (), note: str | None = None) -> Checkpoint:
        """Name the newest version, and keep its data whole: `at(label)` reads it at once. Durable on return.

        It is no transition and stays. Naming the same version the same once more changes nothing. Raises Refused
        (`label_taken`, `invalid_argument`, and as the properties do), StoreError.
        """
        limits = self._engine.limits
        checked_text("label", label, limits.text_bytes_max)
        if not is_texts(tags):
            raise Refused("invalid_argument", f"tags={shown(tags)} is no tuple of texts; write tags=('release',)")
        for tag in tags:
            checked_text("tag", tag, limits.text_bytes_max)
        if note is not None:
            checked_text("note", note, limits.note_bytes_max)
        return self._engine.checkpoint(self._definition, self.id, Naming(label, tags, note))

    def checkpoints(self) -> list[Checkpoint]:
        """Return its checkpoints, by version."""
        return list(self._engine.checkpoints(self.id))

    def __repr__(self) -> str:
        """Show workflow and id."""
        return f"<Instance {self._definition.name} {self.id}>"


def _failed(refused: Refused) -> "Future[Transition]":
    from concurrent.futures import Future

    future: Future[Transition] = Future()
    future.set_exception(refused)
    return future
