"""A `with` block made of two functions: on the path of each transition a generator would cost 1 us more for each.

And an interrupt would leave a generator suspended: who collects it then, on whatever thread, would run its end.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

__all__ = ["Block", "release_all"]

T = TypeVar("T")


class Lock(Protocol):
    """One that knows its owner (`threading.RLock`)."""

    def release(self) -> None:
        """Release it once. Raises RuntimeError where it is not this thread's."""
        ...


class Block(Generic[T]):
    """Calls `begin` at its start, `finish` at its end with what began and what was raised, or None. One for each use.

    What began tells `finish` whether it still stands: another one may be open by then.
    """

    __slots__ = ("_begin", "_begun", "_finish")

    def __init__(self, begin: Callable[[], T], finish: Callable[[T, BaseException | None], None]) -> None:
        self._begin = begin
        self._finish = finish

    def __enter__(self) -> T:
        """Begin."""
        self._begun = begun = self._begin()
        return begun

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Finish; what was raised goes on."""
        self._finish(self._begun, error)


def release_all(lock: Lock) -> None:
    """Release a lock as often as this thread has it; another thread's stays as it is."""
    with suppress(RuntimeError):  # it is this thread's no longer
        while True:
            lock.release()
