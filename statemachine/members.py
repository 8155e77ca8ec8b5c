"""Those who wait for a batch: what each is to have decided, what came of it, and how its sender is told.

A member is decided on the thread of whoever leads (`statemachine.writer`), and told once, after the commit.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from persistence.errors import InDoubt

if TYPE_CHECKING:
    from statemachine.batch import Batch

__all__ = ["UNDECIDED", "Called", "Member", "Turn", "Work", "interrupted", "tell_all"]

T = TypeVar("T")
Work = Callable[["Batch"], T]

UNDECIDED: Any = object()
"""What the result of a member is until it has been decided."""


class Member:
    """One call that waits for its batch. What came of it is `result`, or `error` where that is set."""

    __slots__ = ("error", "is_late", "result")

    loop: Any = None  # the event loop in which it is to be told; None where that is no matter
    calls_back = False  # whether telling it runs its sender's code
    result: object
    error: BaseException | None
    is_late: bool  # it was in a batch that had no time for it, and is first in the queue again: it has begun

    def run(self, batch: "Batch") -> object:
        """Decide it."""
        raise NotImplementedError

    def key_name(self) -> tuple[str, str, str] | None:
        """Return the name of the key that it asks for, where that is known: those of a batch are looked up at once."""
        return None

    def begin(self) -> bool:
        """Say that it is decided from here on. Returns False where nobody wants it any longer."""
        return True

    def tell(self) -> None:
        """Tell who waits what came of it; called once, after the commit."""

    def outcome(self) -> Any:
        """Return what came of it, or raise that."""
        if self.error is not None:
            raise self.error
        if self.result is UNDECIDED:  # an interrupt came between the queue and the batch
            raise interrupted()
        return self.result

    @property
    def is_decided(self) -> bool:
        """Whether anything came of it."""
        return self.result is not UNDECIDED or self.error is not None


class Called(Member):
    """A member that is some work of its sender's."""

    __slots__ = ("work",)

    def __init__(self, work: Work[Any]) -> None:
        self.work = work
        self.result, self.error, self.is_late = UNDECIDED, None, False

    def run(self, batch: "Batch") -> object:
        """Do the work."""
        return self.work(batch)


class Turn(Called):
    """A member whose sender waits for it on his own thread, and who leads when he is first."""

    __slots__ = ("following", "is_left", "is_told", "leads", "lock")

    def __init__(self, work: Work[Any]) -> None:
        super().__init__(work)
        self.leads = False
        self.is_told = self.is_left = False  # left: its sender was interrupted and waits no longer
        self.following: Turn | None = None  # whom this one wakes
        self.lock = threading.Lock()
        self.lock.acquire()  # released once, by who hands it the baton or tells it


def interrupted() -> InDoubt:
    """Return what is told of a member that was not decided because who led was interrupted."""
    return InDoubt("the thread that leads was interrupted; whether it happened is not known: look")


def tell_all(members: list[Member]) -> None:
    """Tell members what came of them; those of an event loop by one call into it, which wakes it once."""
    waiting: dict[Any, list[Member]] = {}
    for member in members:
        if member.loop is None:
            member.tell()
        else:
            waiting.setdefault(member.loop, []).append(member)
    for loop, those in waiting.items():
        with suppress(RuntimeError):  # it was closed: nobody waits any longer
            loop.call_soon_threadsafe(_tell_each, those)


def _tell_each(members: list[Member]) -> None:
    for member in members:
        member.tell()
