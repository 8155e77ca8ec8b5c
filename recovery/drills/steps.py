"""What parent and child of a drill say to each other: steps, answers, and what stands in the file.

Everything is plain values, so that it can be sent to a process that has imported nothing but the workflow.
"""

from attrs import frozen

from persistence import Value
from recovery.drills.points import CrashPoint, Disaster

__all__ = [
    "Answer",
    "Broke",
    "Committed",
    "Do",
    "Dropped",
    "Evidence",
    "GoOn",
    "Gone",
    "Leave",
    "Line",
    "Look",
    "Observed",
    "Open",
    "Opened",
    "Raised",
    "Refusal",
    "Row",
    "Step",
    "Struck",
]


# -- asked -------------------------------------------------------------------------------------------------------------


@frozen
class Step:
    """What a caller wants: to start an instance, or one event."""

    instance: str
    event: str  # stored name; "perdure.start" for a start
    payload: bytes  # canonical bytes of the event, or of the initial data
    key: str | None  # None for a start, whose id is its key
    time: int  # what the clock says meanwhile, microseconds since 1970 UTC
    roles: tuple[str, ...] = ()
    shown: str = ""  # for people


@frozen
class Open:
    """Recover a file twice, and open it."""

    path: str


@frozen
class Do:
    """Do a step, under a disaster or not."""

    step: Step
    disaster: Disaster | None


@frozen
class Look:
    """Say what stands in the file."""


@frozen
class GoOn:
    """The file was copied as it is on disk: drop everything."""


@frozen
class Leave:
    """Close the engine and end."""


# -- answered ----------------------------------------------------------------------------------------------------------


@frozen
class Committed:
    """`send` or `start` returned: durable, as the caller was told."""

    instance: str
    version: int
    event: str
    after: str
    key: str | None
    hash: str
    replayed: bool = False
    called: tuple[str, ...] = ()  # actions that ran, in order


@frozen
class Refusal:
    """The chart said no."""

    code: str
    called: tuple[str, ...] = ()


@frozen
class Raised:
    """The caller got an exception."""

    kind: str
    text: str
    called: tuple[str, ...] = ()


Row = tuple[Value, ...]
"""One row of a table of the user's."""

Observed = dict[str, list[Row]] | str
"""The user's tables, whole; or what `observe=` returned, as a text."""

Answer = Committed | Refusal | Raised


@frozen
class Struck:
    """The disaster strikes now; said before anything dies. `answer` is what the caller had been told by then."""

    point: CrashPoint
    called: tuple[str, ...]
    answer: Committed | None = None


@frozen
class Dropped:
    """Engine and store are gone; the process is not."""


@frozen
class Gone:
    """The process ended; a negative code is a signal."""

    code: int


@frozen
class Broke:
    """The drill itself failed in the child: its traceback."""

    text: str


@frozen
class Line:
    """One row of the journal as it stands in the file."""

    instance: str
    version: int
    event: str
    before: str
    after: str
    key: str | None
    time: int
    payload: bytes
    image: bytes
    hash: str


@frozen
class Evidence:
    """What stands in the file, read anew."""

    lines: tuple[Line, ...]  # by instance, in the order of their starts, then by version
    heads: tuple[tuple[str, int, str, bytes], ...]  # instance, version, configuration, image
    observed: Observed
    enabled: tuple[tuple[str, tuple[str, ...]], ...] = ()  # instance, its offers to somebody who has every role


@frozen
class Opened:
    """What recovery said, and what stands in the file after it."""

    damage: tuple[str, ...]  # what the first recovery found; a crash of the process leaves nothing to find
    once: Evidence
    twice: Evidence
    differs: str = ""  # how the second report differs from the first
