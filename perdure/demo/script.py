"""What a seed stands for: the events in their order, and at which of them the child dies, and where.

The same seed gives the same script on every machine and every version of Python: the numbers come from sha256, not from
`random`. A script is cut into as many stretches as there are kills, with one kill in each, so that a child always gets
something done.
"""

import secrets
from collections.abc import Sequence
from enum import Enum
from hashlib import sha256
from typing import TypeVar

from attrs import frozen

from perdure.demo.events import Add, Approve, Cancel, Charge, Label, Pick, Remark, Submit
from perdure.demo.order import LARGE, SKUS

__all__ = ["CrashPoint", "Draw", "Event", "Kill", "Script", "Step", "drawn_seed", "script_of"]

SEEDS = 10_000
ORDERS = (32, 36)  # how many, from and to
OPEN_MAX = 10  # orders under way at the same time
KILLS = (8, 12)  # each costs the start of an interpreter
LINES_MAX = 4
CANCELLED_PERCENT = 12
REMARK_PERCENT = 20

Event = Add | Approve | Cancel | Charge | Label | Pick | Remark | Submit
T = TypeVar("T")


class CrashPoint(Enum):
    """Where in a transition the child is killed; the text is what the screen shows."""

    BEGIN = "before BEGIN"
    ACTION = "inside an action, after its SQL"
    APPEND = "all written, before COMMIT"
    COMMIT = "after COMMIT, before the answer"
    ANSWER = "answered, not yet acknowledged"

    @property
    def is_committed(self) -> bool:
        """Whether the transition must be found in the file after a kill here."""
        return self in {CrashPoint.COMMIT, CrashPoint.ANSWER}


@frozen
class Step:
    """One thing that the child does: start an order, or send it an event."""

    number: int
    order: str
    event: Event | None  # None starts the order

    @property
    def key(self) -> str:
        """The idempotency key of its event."""
        return f"step-{self.number}"

    @property
    def name(self) -> str:
        """What the journal calls its event."""
        return "perdure.start" if self.event is None else type(self.event).__name__


@frozen
class Kill:
    """The child dies while it does this step, at this point."""

    step: int
    point: CrashPoint


@frozen
class Script:
    """All of a run that the seed decides."""

    seed: int
    steps: tuple[Step, ...]
    kills: tuple[Kill, ...]
    lost: int  # the step whose commit is forgotten where that fault is planted

    @property
    def orders(self) -> tuple[str, ...]:
        """The ids of all orders, in the order in which they start."""
        return tuple(step.order for step in self.steps if step.event is None)


class Draw:
    """Numbers from a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def below(self, bound: int) -> int:
        """Return a number from 0 to bound - 1."""
        self._count += 1
        drawn = sha256(f"perdure-demo {self._seed} {self._count}".encode()).digest()
        return int.from_bytes(drawn[:8], "big") % bound

    def between(self, bounds: tuple[int, int]) -> int:
        """Return a number within bounds, both included."""
        return bounds[0] + self.below(bounds[1] - bounds[0] + 1)

    def hits(self, percent: int) -> bool:
        """Return True in so many of a hundred cases."""
        return self.below(100) < percent

    def take(self, items: list[T]) -> T:
        """Take one item out of a list."""
        return items.pop(self.below(len(items)))


def drawn_seed() -> int:
    """Return a seed that is short enough to be typed."""
    return secrets.randbelow(SEEDS)


def script_of(seed: int) -> Script:
    """Return what a seed stands for. Pure."""
    draw = Draw(seed)
    steps = _steps(draw)
    kills = _kills(draw, steps)
    killed = {kill.step for kill in kills}
    # A remark, because nothing depends on it: the script can go on, and only the list of the parent knows of it.
    remarks = [step.number for step in steps if isinstance(step.event, Remark) and step.number not in killed]
    return Script(seed, steps, kills, remarks[draw.below(len(remarks))])


def _steps(draw: Draw) -> tuple[Step, ...]:
    """Weave the orders' own sequences into one: some are under way at any time, each goes on in its own order."""
    waiting = [(f"o-{number:02}", _life(draw)) for number in range(1, draw.between(ORDERS) + 1)]
    under_way: list[tuple[str, list[Event]]] = []
    steps: list[Step] = []
    while waiting or under_way:
        place = draw.below(min(OPEN_MAX, len(under_way) + len(waiting)))
        if place >= len(under_way):
            under_way.append(waiting.pop(0))
            steps.append(Step(len(steps), under_way[-1][0], None))
            continue
        order, events = under_way[place]
        steps.append(Step(len(steps), order, events.pop(0)))
        if not events:
            del under_way[place]
    return tuple(steps)


def _life(draw: Draw) -> list[Event]:
    """Return the events of one order, from the first line to its end."""
    skus = list(SKUS)
    lines = [
        Add(draw.take(skus), draw.between((1, 5)), draw.between((5, 95))) for _ in range(draw.between((1, LINES_MAX)))
    ]
    events: list[Event] = [*lines, Submit()]
    if sum(line.count * line.price for line in lines) >= LARGE:
        events.append(Approve("ann"))
    if draw.hits(CANCELLED_PERCENT):
        return _remarked(
            draw, [*events[: len(lines) + draw.below(len(events) - len(lines) + 1)], Cancel("changed my mind")]
        )
    picks: list[Event] = [Pick(line.sku) for line in lines]
    picks.insert(draw.below(len(picks) + 1), Label(f"track-{draw.below(10**6)}"))
    return _remarked(draw, [*events, Charge(f"charge-{draw.below(10**6)}"), *picks])


def _remarked(draw: Draw, events: Sequence[Event]) -> list[Event]:
    """Put remarks before some of the events."""
    found: list[Event] = []
    for event in events:
        if draw.hits(REMARK_PERCENT):
            found.append(Remark(f"note {draw.below(1000)}"))
        found.append(event)
    return found


def _kills(draw: Draw, steps: Sequence[Step]) -> tuple[Kill, ...]:
    """Draw one event of each stretch, and a point for it: each point once at least."""
    count = draw.between(KILLS)
    points = list(CrashPoint)
    points += [points[draw.below(len(CrashPoint))] for _ in range(count - len(points))]
    kills: list[Kill] = []
    for part in range(count):
        stretch = [
            step.number
            for step in steps[len(steps) * part // count : len(steps) * (part + 1) // count]
            if step.event is not None
        ]
        kills.append(Kill(stretch[draw.below(len(stretch))], draw.take(points)))
    return tuple(kills)
