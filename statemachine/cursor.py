"""A workflow run in memory, without a store: for unit tests, and to think with."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Generic, TypeVar, cast

from statemachine.chart import Configuration, Memory
from statemachine.decide import Decision, decide_start, handle
from statemachine.errors import Refused
from statemachine.events import AttrsEvent, DataclassEvent, request
from statemachine.frame import Attempt
from statemachine.limits import Limits
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
        self._image = self._definition.encode_data(data)
        self._version = 0
        self._outcome: str | None = None
        self._error: str | None = None
        self._memory: Memory = ()
        attempt = self._attempt((), ())
        self._take(decide_start(self._definition, attempt, self._image))

    def send(
        self, event: AttrsEvent | DataclassEvent, *, actor: str | None = None, roles: tuple[str, ...] = ()
    ) -> "Cursor[D]":
        """Run one event and return the cursor. Raises Refused, and whatever a callback raises; then nothing changed."""
        asked = request(self._definition, event, limits=_LIMITS, actor=actor, roles=roles)
        if self._outcome is not None:
            raise Refused("instance_final", f"ended as {self._outcome}", state=self.configuration)
        begin = partial(self._attempt, self.configuration, roles, actor=actor)
        _, decision = handle(self._definition, begin, self._image, event=(asked.name, asked.event), bound=nullcontext)
        self._take(decision)
        return self

    def _attempt(self, configuration: Configuration, roles: tuple[str, ...], *, actor: str | None = None) -> Attempt:
        return Attempt(
            data=self._definition.decode_data(self._image),
            id="cursor",
            version=self._version + 1,
            actor=actor,
            roles=roles,
            seed=self._version.to_bytes(8, "big"),
            configuration=configuration,
            memory=self._memory,
        )

    def _take(self, decision: Decision) -> None:
        self._image = decision.image
        self._version += 1
        self._outcome = decision.macrostep.outcome
        self._error = decision.error
        self._memory = decision.macrostep.memory
        self.configuration: Configuration = decision.macrostep.after

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
        return cast("D", self._definition.decode_data(self._image))

    @property
    def error(self) -> str | None:
        """What the last event raised, where an `@on_error` rule handled it; None where it did not fail."""
        return self._error

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it runs."""
        return self._outcome
