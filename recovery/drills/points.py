"""Where a disaster strikes a transition, and what it does there.

A transition passes its crash points in this order. Up to COMMIT nothing of it may be left behind, from COMMIT on all of
it must be there: which of both is a matter of the point alone, so the judge needs nobody's memory to know it.
"""

from enum import Enum

from attrs import frozen

__all__ = ["CrashPoint", "Disaster", "Way"]


class CrashPoint(Enum):
    """Where a disaster strikes."""

    BEGIN = "before BEGIN"
    ACTION = "in an action"  # at its end: what it did to data and rows is done
    DECIDED = "before the rows"
    APPENDED = "before COMMIT"
    COMMITTED = "after COMMIT"
    ANSWERED = "after the answer"

    @property
    def is_committed(self) -> bool:
        """Whether the transition must be there after it."""
        return self in {CrashPoint.COMMITTED, CrashPoint.ANSWERED}


class Way(Enum):
    """What strikes."""

    RAISE = "raises"  # the action raises; the process goes on
    DROP = "dropped"  # the store drops everything: a new engine opens a copy of the file as it is on disk then
    KILL = "killed"  # SIGKILL: a new process opens the file


@frozen
class Disaster:
    """One planned disaster of one step."""

    point: CrashPoint
    way: Way
    action: int = 1  # at ACTION: in which action of the transition, from 1 on

    def __str__(self) -> str:
        """Return it as a story tells it."""
        which = f" {self.action}" if self.point is CrashPoint.ACTION else ""
        return f"{self.way.value} {self.point.value}{which}"
