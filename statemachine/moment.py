"""One instance as it was at one moment: what a snapshot and `instance.at` return."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar, cast

from persistence import Row
from statemachine.chart import Configuration
from statemachine.definition import Definition
from statemachine.errors import DataError, Refused
from statemachine.loading import Loaded
from statemachine.transition import Transition

__all__ = ["Moment", "Past"]

W = TypeVar("W")
D = TypeVar("D")


class Past(Protocol):
    """Where a moment is read."""

    def load(self, definition: Definition, instance: str) -> Loaded:
        """Return its head, judged."""
        ...

    def rows(self, instance: str) -> Sequence[Row]:
        """Return its journal up to then, oldest first, proven."""
        ...


class Moment(Generic[W, D]):
    """One instance as it was at one moment: it reads like the handle, and never changes.

    Properties raise Refused (`instance_unsound`, `needs_migration`), Closed once its snapshot has ended, StoreError.
    """

    __slots__ = ("_definition", "_past", "id")

    def __init__(self, past: Past, definition: Definition, id: str, /) -> None:  # the field's word
        self._past = past
        self._definition = definition
        self.id = id

    def _loaded(self) -> Loaded:
        return self._past.load(self._definition, self.id)

    @property
    def workflow(self) -> type[W]:
        """Its class."""
        return self._definition.workflow

    @property
    def configuration(self) -> Configuration:
        """The active leaves, in document order."""
        return self._loaded().configuration

    @property
    def state(self) -> str | Configuration:
        """The active leaf, or the tuple of them in a parallel configuration."""
        configuration = self.configuration
        return configuration[0] if len(configuration) == 1 else configuration

    @property
    def data(self) -> D:
        """A copy of the data."""
        loaded = self._loaded()
        try:
            return cast("D", self._definition.decode_data(loaded.image))
        except DataError as error:  # of an earlier version, which was written by an earlier class
            reason = f"the data of {self.id!r} at version {loaded.head.version} does not fit its class: {error}"
            raise Refused("needs_migration", reason, version=loaded.head.version) from error

    @property
    def version(self) -> int:
        """The number of the newest transition there was."""
        return self._loaded().head.version

    @property
    def outcome(self) -> str | None:
        """How it had ended; None if it ran."""
        return self._loaded().head.outcome

    def history(self) -> list[Transition]:
        """Return the transitions there were, oldest first."""
        return [Transition(row.record, row.hash) for row in self._past.rows(self.id)]

    def __repr__(self) -> str:
        """Show workflow and id."""
        return f"<Moment {self._definition.name} {self.id}>"
