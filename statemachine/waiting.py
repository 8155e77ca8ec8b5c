"""Waiting for an event without blocking: the queue behind `submit`, `asend` and `afire`, and how a coroutine waits.

There is one synchronous core. A call that does not wait is put into the engine's queue at the moment of the call; one
thread, started by the first such call, runs them one after the other, so that their order is the order of the calls,
from whichever threads and event loops they come. A call that nobody waits for any longer still runs: cancelling stops
the waiting, not the event. Closing lets what is queued finish.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from persistence.errors import Busy, Closed

if TYPE_CHECKING:  # asyncio and threads of a pool: only those who use them pay for the import
    from asyncio import Future as Waiting
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Queue", "wait_for"]

T = TypeVar("T")


class Queue:
    """Runs calls one after the other on a thread of its own. Thread-safe."""

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self._free = threading.BoundedSemaphore(calls_max)
        self._lock = threading.Lock()
        self._here = threading.local()  # .is_mine: this is the queue's own thread
        self._thread: ThreadPoolExecutor | None = None
        self._is_closed = False

    def add(self, call: Callable[[], T]) -> "Future[T]":
        """Queue a call and return its future. Raises Busy when the queue is full, Closed when it has ended."""
        with self._lock:
            if self._is_closed:
                raise Closed("this engine is closed; open another one")
            if not self._free.acquire(blocking=False):
                raise Busy(f"{self._calls_max} calls wait for this engine; nothing happened, wait for some of them")
            try:
                future = self._started().submit(call)
            except BaseException as error:
                self._free.release()
                if isinstance(error, RuntimeError):  # so an executor says that Python is ending
                    raise Closed(f"this engine takes no more calls: {error}") from error
                raise
        future.add_done_callback(lambda _: self._free.release())
        return future

    def _started(self) -> "ThreadPoolExecutor":
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1, "perdure", lambda: setattr(self._here, "is_mine", True))
        return self._thread

    def close(self) -> None:
        """Take no more calls, and wait until those that are queued have run.

        From a callback of a future, which runs on the queue's own thread, it does not wait: what is queued is then
        refused by the store, which is closed.
        """
        with self._lock:
            self._is_closed = True
        if self._thread is not None:
            self._thread.shutdown(wait=not getattr(self._here, "is_mine", False))


async def wait_for(future: "Future[T]") -> T:
    """Wait for a future of another thread. Cancelling stops the waiting and nothing else."""
    import asyncio

    loop = asyncio.get_running_loop()
    done: Waiting[None] = loop.create_future()

    def tell(_: "Future[T]") -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any longer
            loop.call_soon_threadsafe(_finish, done)

    future.add_done_callback(tell)
    await done
    return future.result()


def _finish(done: "Waiting[None]") -> None:
    if not done.done():
        done.set_result(None)
