"""A workflow run in memory, without a store: for unit tests, and to think with."""

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from statemachine.chart import Configuration
from statemachine.decide import Decision, decide, decide_start
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
        attempt = self._attempt((), ())
        self._take(decide_start(self._definition, attempt, self._image))

    def send(
        self, event: AttrsEvent | DataclassEvent, *, actor: str | None = None, roles: tuple[str, ...] = ()
    ) -> "Cursor[D]":
        """Run one event and return the cursor. Raises Refused, and whatever a callback raises; then nothing changed."""
        asked = request(self._definition, event, limits=_LIMITS, actor=actor, roles=roles)
        if self._outcome is not None:
            raise Refused("instance_final", f"ended as {self._outcome}", state=self.configuration)
        attempt = self._attempt(self.configuration, roles, actor=actor)
        self._take(decide(self._definition, attempt, self._image, name=asked.name, event=event))
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
        )

    def _take(self, decision: Decision) -> None:
        self._image = decision.image
        self._version += 1
        self._outcome = decision.macrostep.outcome
        self.configuration: Configuration = decision.macrostep.after

    @property
    def state(self) -> str | Configuration:
        """The active leaf, or the tuple of them in a parallel configuration."""
        return self.configuration[0] if len(self.configuration) == 1 else self.configuration

    @property
    def data(self) -> D:
        """A copy of the data."""
        return cast("D", self._definition.decode_data(self._image))

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it runs."""
        return self._outcome
