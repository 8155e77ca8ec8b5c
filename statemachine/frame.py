"""What `self` is in a callback: a short-lived view of one attempt.

An `Attempt` holds what one attempted event sees and collects. The frame is an object of the workflow's own class that
points to the attempt; when the attempt is over the frame is dead. Data is a working copy: only the run that commits
counts.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from persistence.errors import NoSql
from persistence.store import Value
from statemachine.chart import Configuration, Memory
from statemachine.errors import FrameError
from statemachine.ids import RANDOM_BITS, uuid7

if TYPE_CHECKING:
    from random import Random

__all__ = ["ATTEMPT", "RESERVED", "Attempt", "Callback", "DataField", "Sql", "SqlPort"]

RESERVED = frozenset(
    {
        "actor", "data", "effect_key", "emit", "from_machine", "from_scxml", "id", "is_in", "name", "new_id", "note",
        "now", "progress", "raise_", "random", "revision", "scope", "sql", "tell", "version",
    }
)  # fmt: skip
"""Names that belong to the frame or the class; a workflow may not use them for its own."""

ATTEMPT = "_attempt"
"""The one attribute that a frame has."""

Callback = tuple[Callable[..., object], bool]
"""One method of a workflow, and whether it takes the event."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqlPort(Protocol):
    """What the frame needs of a transaction to run the user's SQL."""

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one statement and return all its rows."""
        ...


class Attempt:
    """What one attempted event sees and collects; who makes one sets what he knows.

    One is built for each event: hence plain attributes, and no constructor that takes them.
    """

    id: str = ""
    version: int = 0  # the one this attempt would write
    time: int = 0  # microseconds since 1970 UTC
    actor: str | None = None
    note: str | None = None
    roles: tuple[str, ...] = ()
    seed: bytes = b""
    numbers: tuple[int, ...] = ()  # that are part of the seed
    sql: SqlPort | None = None
    effect_key: str | None = None  # of the task that runs; None elsewhere
    configuration: Configuration = ()
    memory: Memory = ()  # what regions remembered before it
    event: object = None  # that a rule was last asked about
    scratch: object = None  # of a workflow that was read from a document, for as long as the attempt lasts
    may_write: bool = True  # False while a guard or an invariant runs
    is_over: bool = False
    _random: "Random | None" = None

    def __init__(self, data: Any) -> None:
        self.data = data
        self.raised: list[tuple[str, object]] = []

    @property
    def now(self) -> datetime:
        """Return the time of the attempt, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time)

    @property
    def random(self) -> "Random":
        """Return the generator of this attempt; the same seed gives the same numbers when it is run again."""
        if self._random is None:
            import random  # only workflows that ask for it pay for it

            seed = self.seed + b"".join(number.to_bytes(8, "big") for number in self.numbers)
            self._random = random.Random(sha256(b"random" + seed).digest())  # noqa: S311  # repeatable
        return self._random

    def new_id(self) -> str:
        """Return a UUID of version 7 (RFC 9562), made of the attempt's time and its generator."""
        return uuid7(self.time // 1000, self.random.getrandbits(RANDOM_BITS))


class Sql:
    """`self.sql`: the user's rows, in the transaction of the transition."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def execute(self, statement: str, parameters: Sequence[Value] = (), /) -> list[tuple[Value, ...]]:
        """Run one statement and return all its rows.

        Read-only in guards and invariants. What it writes is durable with the transition, and undone with it.
        Raises NoSql in a `Cursor` and on a store without SQL, SqlFailed with SQLite's reason.
        """
        attempt = self._attempt
        if attempt.is_over:
            raise FrameError("PF405", "self.sql was used after its transition was over; use engine.sql() instead")
        if attempt.sql is None:
            raise NoSql("there is no database here: self.sql works in an Engine on an SQLite file")
        return attempt.sql.execute(statement, parameters, writable=attempt.may_write)


class DataField:
    """A field of the data as an attribute of the frame: what a model's methods know as their own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, frame: Any, owner: type) -> object:
        """Return the field of this attempt's data."""
        return self if frame is None else getattr(frame.data, self.name)
