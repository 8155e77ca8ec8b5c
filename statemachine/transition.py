"""The record of what happened, as a caller sees it: a view over one journal row."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from persistence.records import Record
from statemachine.chart import Configuration
from statemachine.codec import loads
from statemachine.loading import configuration_of

__all__ = ["Transition"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Transition:
    """One transition of one instance: durable when a caller holds it, unless it came from a `MemoryStore`.

    `replayed` is True where the key had run before, and this is what it did then. `error` says what failed where an
    `@on_error` rule handled it.
    """

    __slots__ = ("_hash", "_record", "replayed")

    def __init__(self, record: Record, row_hash: bytes, *, replayed: bool = False) -> None:
        self._record = record
        self._hash = row_hash
        self.replayed = replayed

    def again(self) -> "Transition":
        """Return the same transition, as the answer to a key that had run before."""
        return Transition(self._record, self._hash, replayed=True)

    @property
    def instance(self) -> str:
        """The instance's id."""
        return self._record.instance

    @property
    def version(self) -> int:
        """Its number in its instance: 1, 2, 3 and so on."""
        return self._record.version

    @property
    def event(self) -> str:
        """The event's stored name; "perdure.start" for version 1."""
        return self._record.event

    @property
    def payload(self) -> Any:  # JSON
        """The event's fields as plain JSON values; the initial data for version 1."""
        return loads(self._record.body)["event"]

    @property
    def before(self) -> Configuration:
        """The configuration before it; empty for version 1."""
        return configuration_of(self._record.before)

    @property
    def after(self) -> Configuration:
        """The configuration after it."""
        return configuration_of(self._record.after)

    @property
    def error(self) -> str | None:
        """What the event raised, "ValueError: …", where an `@on_error` rule handled it; None where it did not fail."""
        return cast("str | None", loads(self._record.body).get("error"))

    @property
    def key(self) -> str | None:
        """The caller's idempotency key."""
        return self._record.key

    @property
    def actor(self) -> str | None:
        """Who sent the event."""
        return self._record.actor

    @property
    def note(self) -> str | None:
        """What the sender remarked."""
        return self._record.note

    @property
    def time(self) -> datetime:
        """When it was decided, in UTC."""
        return _EPOCH + timedelta(microseconds=self._record.time)

    @property
    def hash(self) -> str:
        """Its hash in the instance's chain, in hexadecimal."""
        return self._hash.hex()

    def __repr__(self) -> str:
        """Show what happened in one line."""
        before, after = ",".join(self.before) or "·", ",".join(self.after)
        replayed = " (replayed)" if self.replayed else ""
        return f"<Transition {self.instance} v{self.version} {self.event}: {before} → {after}{replayed}>"
