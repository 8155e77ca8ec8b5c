"""A workflow run in memory, without a store: for unit tests, and to think with."""

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from statemachine.chart import Configuration, Memory
from statemachine.decide import decide, handle
from statemachine.errors import Refused
from statemachine.events import AttrsEvent, DataclassEvent, check_sender, taken
from statemachine.limits import Limits
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep
from statemachine.workflow import Workflow, definition_of

__all__ = ["Cursor"]

D = TypeVar("D")

_LIMITS = Limits()


class Cursor(Generic[D]):
    """One instance in memory. The same rules as in an engine; `self.sql` raises NoSql, and nothing is kept.

    Tasks and timers are left out: they neither start nor come due. Call a task as what it is, a method:
    `await Order(OrderData()).charge()`.
    """

    def __init__(self, workflow: "Callable[[D], Workflow[D]]", data: D, /) -> None:
        self._definition = definition_of(cast("type[Workflow[D]]", workflow))
        self._frozen = self._definition.freeze(data)
        self._version = 0
        self._outcome: str | None = None
        self._error: str | None = None
        self._memory: Memory = ()
        self.configuration: Configuration = ()
        attempt = self._attempt(None, ())
        self._take(attempt, decide(self._definition, attempt, self._frozen, event=None))

    def send(
        self, event: AttrsEvent | DataclassEvent, *, actor: str | None = None, roles: tuple[str, ...] = ()
    ) -> "Cursor[D]":
        """Run one event and return the cursor. Raises Refused, and whatever a callback raises; then nothing changed."""
        definition = self._definition
        taken_event = taken(definition, event)
        if actor is not None or roles:
            check_sender(actor, roles, limits=_LIMITS)
        if self._outcome is not None:
            raise Refused("instance_final", f"ended as {self._outcome}", state=self.configuration)
        attempt = self._attempt(actor, roles)
        self._take(*handle(definition, attempt, self._frozen, event=taken_event))
        return self

    def _attempt(self, actor: str | None, roles: tuple[str, ...]) -> FrameRunner:
        attempt = FrameRunner(self._definition.thaw(self._frozen))
        attempt.id = "cursor"
        attempt.version = self._version + 1
        attempt.numbers = (self._version,)
        attempt.actor = actor
        attempt.roles = roles
        attempt.configuration = self.configuration
        attempt.memory = self._memory
        return attempt

    def _take(self, attempt: FrameRunner, done: Macrostep) -> None:
        self._frozen = attempt.frozen
        self._version += 1
        self._outcome = done.outcome
        self._error = attempt.error
        self._memory = done.memory
        self.configuration = done.after

    @property
    def workflow(self) -> "type[Workflow[D]]":
        """Its class."""
        return self._definition.workflow

    @property
    def state(self) -> str | Configuration:
        """The active leaf, or the tuple of them in a parallel configuration."""
        return self.configuration[0] if len(self.configuration) == 1 else self.configuration

    @property
    def data(self) -> D:
        """A copy of the data."""
        return cast("D", self._definition.thaw(self._frozen))

    @property
    def error(self) -> str | None:
        """What the last event raised, where an `@on_error` rule handled it; None where it did not fail."""
        return self._error

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it runs."""
        return self._outcome
