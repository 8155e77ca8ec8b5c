"""What `self` is in a callback: a short-lived view of one attempt, and the runner that calls the methods with it.

An `Attempt` holds what one attempted event sees and collects. The frame is an object of the workflow's own class that
points to the attempt; when the attempt is over the frame is dead. Data is a working copy: only the run that commits
counts.

A guard or an invariant must not change data. It is given the same working copy, and the copy is encoded again after the
guards of a microstep and after the invariants: bytes that differ are an error that names the callback.
"""

import random
import uuid
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field

from persistence.errors import NoSql
from persistence.store import Value
from statemachine.chart import Configuration, Rule
from statemachine.errors import FrameError, InvariantBroken

if TYPE_CHECKING:
    from statemachine.definition import Definition

__all__ = ["RESERVED", "Attempt", "FrameRunner", "Sql", "SqlPort"]

RESERVED = frozenset(
    {
        "actor", "data", "effect_key", "emit", "id", "is_in", "name", "new_id", "note", "now", "progress", "raise_",
        "random", "revision", "scope", "sql", "tell", "version",
    }
)  # fmt: skip
"""Names that belong to the frame or the class; a workflow may not use them for its own."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqlPort(Protocol):
    """What the frame needs of a transaction to run the user's SQL."""

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        """Run one statement and return all its rows."""
        ...


@define(eq=False)
class Attempt:
    """What one attempted event sees and collects."""

    data: Any
    id: str = ""
    version: int = 0  # the one this attempt would write
    time: int = 0  # microseconds since 1970 UTC
    actor: str | None = None
    note: str | None = None
    roles: tuple[str, ...] = ()
    seed: bytes = b""
    sql: SqlPort | None = None
    configuration: Configuration = ()
    raised: "deque[tuple[str, object]]" = field(factory=deque[tuple[str, object]])
    may_write: bool = True  # False while a guard or an invariant runs
    is_over: bool = False
    _random: random.Random | None = None

    @property
    def now(self) -> datetime:
        """Return the time of the attempt, in UTC."""
        return _EPOCH + timedelta(microseconds=self.time)

    @property
    def random(self) -> random.Random:
        """Return the generator of this attempt; the same seed gives the same numbers when it is run again."""
        if self._random is None:
            self._random = random.Random(sha256(b"random" + self.seed).digest())  # noqa: S311  # repeatable
        return self._random

    def new_id(self) -> str:
        """Return a UUID of version 7 (RFC 9562), made of the attempt's time and its generator."""
        bits = self.random.getrandbits(74)
        value = ((self.time // 1000) & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0x2 << 62
        return str(uuid.UUID(int=value | bits & 0x3FFFFFFFFFFFFFFF))


class Sql:
    """`self.sql`: the user's rows, in the transaction of the transition."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """Run one statement and return all its rows.

        Read-only in guards and invariants. What it writes is durable with the transition, and undone with it.
        Raises NoSql in a `Cursor` and on a store without SQL, SqlFailed with SQLite's reason.
        """
        attempt = self._attempt
        if attempt.is_over:
            raise FrameError("self.sql was used after its transition was over; use engine.sql() instead")
        if attempt.sql is None:
            raise NoSql("there is no database here: self.sql works in an Engine on an SQLite file")
        return attempt.sql.execute(statement, parameters, writable=attempt.may_write)


class FrameRunner:
    """Calls a workflow's methods on one frame: the Runner that `step` asks."""

    def __init__(self, definition: "Definition", attempt: Attempt, image: bytes) -> None:
        self._definition = definition
        self._attempt = attempt
        self._frame = definition.frame(attempt)
        self._image = image  # of the data as it must still be when the next guards have run
        self._asked: list[str] = []  # guards since the data was last compared with the image
        self.raised = attempt.raised
        self.missing_role = False

    def holds(self, rule: Rule, event: object) -> bool:
        """Evaluate a rule's roles, then its guard."""
        if rule.roles and not set(rule.roles) & set(self._attempt.roles):
            self.missing_role = True
            return False
        if rule.guard is None:
            return True
        return self._ask(rule.guard, event)

    def _ask(self, name: str, event: object) -> bool:
        callback = self._definition.callback(name)
        self._asked.append(name)
        if not self._image:
            self._image = self._definition.encode_data(self._attempt.data)
        with self._reading():
            answer = callback.call(self._frame, event)
        if answer is not True and answer is not False:
            raise FrameError(f"{self._definition.name}.{name} returned {answer!r}; a guard or invariant returns a bool")
        if self.raised:
            raise FrameError(f"{self._definition.name}.{name} raised an event; a guard or invariant only reads")
        return answer

    @contextmanager
    def _reading(self) -> Generator[None]:
        self._attempt.may_write = False
        try:
            yield
        finally:
            self._attempt.may_write = True

    def act(self, action: str, event: object) -> None:
        """Run an action; guards asked before it must have left the data as it was."""
        self.check_unchanged()
        self._definition.callback(action).call(self._frame, event)
        self._image = b""

    def check_unchanged(self) -> None:
        """Raise FrameError if a guard or an invariant that was asked changed the data."""
        if self._asked and self._definition.encode_data(self._attempt.data) != self._image:
            names = " or ".join(f"{self._definition.name}.{name}" for name in dict.fromkeys(self._asked))
            raise FrameError(f"{names} changed self.data; a guard or invariant only reads")
        self._asked.clear()

    def arrive(self, configuration: Configuration) -> None:
        """Take note that this configuration is active from here on."""
        self._attempt.configuration = configuration

    def finish(self) -> bytes:
        """Return the image of the data after the macrostep, with every invariant checked. Raises InvariantBroken."""
        self.check_unchanged()
        if not self._image:
            self._image = self._definition.encode_data(self._attempt.data)
        for name in self._definition.invariants:
            if not self._ask(name, None):
                raise InvariantBroken(
                    f"{self._definition.name}.{name}",
                    f"does not hold in {','.join(self._attempt.configuration)!r}; the transition did not happen",
                )
        self.check_unchanged()
        return self._image

    def end(self) -> None:
        """End the frame: whoever kept it can no longer use it."""
        self._attempt.is_over = True


@define(eq=False)
class Callback:
    """One method of a workflow, and whether it takes the event."""

    function: Callable[..., object]
    takes_event: bool

    def call(self, frame: object, event: object) -> object:
        """Call it on a frame."""
        return self.function(frame, event) if self.takes_event else self.function(frame)
