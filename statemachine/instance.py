"""The typed handle of one instance: sends events, and reads the last committed head at each access."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar, cast

from persistence import Row
from statemachine.chart import Configuration
from statemachine.definition import Definition
from statemachine.events import AttrsEvent, DataclassEvent, Request, request
from statemachine.limits import Limits
from statemachine.loading import Loaded
from statemachine.transition import Transition

__all__ = ["Host", "Instance"]

W = TypeVar("W")
D = TypeVar("D")


class Host(Protocol):
    """What a handle needs of its engine."""

    limits: Limits

    def fire(self, definition: Definition, instance: str, request: Request) -> Transition:
        """Run one event. Durable on return."""
        ...

    def read(self, definition: Definition, instance: str) -> Loaded:
        """Return the last committed head, judged."""
        ...

    def rows(self, instance: str) -> Sequence[Row]:
        """Return the journal, oldest first."""
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
        prepared = request(
            self._definition,
            event,
            limits=self._engine.limits,
            key=key,
            expect_version=expect_version,
            actor=actor,
            roles=roles,
            note=note,
        )
        return self._engine.fire(self._definition, self.id, prepared)

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
        head = self._engine.read(self._definition, self.id).head
        return cast("D", self._definition.decode_data(head.image))

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

    def __repr__(self) -> str:
        """Show workflow and id."""
        return f"<Instance {self._definition.name} {self.id}>"
