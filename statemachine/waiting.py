"""Waiting without blocking: the future that `submit` returns, what `asend` returns, and telling many of them at once.

Imported by those who do not wait: the rest has no use for asyncio and futures. A call that nobody waits for any longer
still runs: cancelling stops the waiting, not the event; only `Future.cancel` takes one out that is still queued.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from statemachine.definition import Definition
from statemachine.events import Request
from statemachine.transition import Transition
from statemachine.writer import UNDECIDED, Member, Writer

if TYPE_CHECKING:
    from statemachine.batch import Batch

__all__ = ["Answer", "Awaited", "Submitted", "refused_answer", "running_loop", "wait_for"]

T = TypeVar("T")


class Sent(Member):
    """One event that waits for its batch."""

    __slots__ = ("definition", "instance", "request")

    definition: Definition
    instance: str
    request: Request

    def key_name(self) -> tuple[str, str, str] | None:
        """Return the name of its key."""
        key = self.request.key
        return None if key is None else (self.instance, "send", key)

    def run(self, batch: "Batch") -> Transition:
        """Run it."""
        return batch.fire(self.definition, self.instance, self.request)


class Submitted(Sent):
    """An event with a future of another thread."""

    __slots__ = ("future",)

    calls_back = True

    def __init__(self, definition: Definition, instance: str, request: Request, /, *, writer: Writer) -> None:
        self.definition, self.instance, self.request = definition, instance, request
        self.result, self.error = UNDECIDED, None
        self.future: Future[Any] = _Cancellable(self, writer)

    def begin(self) -> bool:
        """Say whether it was not cancelled; it cannot be any longer."""
        try:
            return self.future.set_running_or_notify_cancel()
        except RuntimeError:  # somebody else began or finished it, which the log of `concurrent.futures` tells
            return not self.future.done()

    def tell(self) -> None:
        """Finish the future; its callbacks run here."""
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class _Cancellable(Future[T]):
    """A future whose place in the queue is free again once it is cancelled."""

    def __init__(self, member: Member, writer: Writer) -> None:
        super().__init__()
        self._member = member
        self._writer = writer

    def cancel(self) -> bool:
        """Take the call out of the queue. Returns False where it runs or has run."""
        is_cancelled = super().cancel()
        if is_cancelled:
            self._writer.forget(self._member)
        return is_cancelled


class Answer(asyncio.Future[T], Coroutine[Any, Any, T]):
    """What `asend` returns inside a loop: a future of that loop, which a task can be made of like of a coroutine.

    A coroutine around a future would cost as much again as queueing the call; `asyncio.create_task` and task groups
    take nothing else.
    """

    __await__ = asyncio.Future[T].__await__  # the slot itself: around it a method would be a call for each event

    def send(self, value: object, /) -> Any:
        """Go on as a coroutine that awaits this future."""
        del value
        if self.done():
            raise StopIteration(self.result())
        self._asyncio_future_blocking = True
        return self

    def throw(self, *error: Any) -> Any:
        """Raise what a task throws into it: nothing else is in it that could be interrupted."""
        raise error[0]

    def close(self) -> None:
        """Be closed, as a coroutine that was never started is."""


class Awaited(Sent):
    """An event with an answer for an event loop."""

    __slots__ = ("answer", "loop")

    def __init__(
        self, definition: Definition, instance: str, request: Request, /, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.definition, self.instance, self.request = definition, instance, request
        self.result, self.error = UNDECIDED, None
        self.loop = loop
        self.answer: Answer[Any] = Answer(loop=loop)

    def tell(self) -> None:
        """Finish the answer; called in its loop."""
        answer = self.answer
        if not answer.done():
            if self.error is None:
                answer.set_result(self.result)
            else:
                answer.set_exception(_awaitable(self.error))


def _awaitable(error: BaseException) -> BaseException:
    """Return an error as asyncio takes it: a StopIteration would end the coroutine that waits for it."""
    if not isinstance(error, StopIteration):
        return error
    told = RuntimeError("a callback raised StopIteration")
    told.__cause__ = error
    return told


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that this thread runs, or None."""
    return asyncio._get_running_loop()  # noqa: SLF001  # documented; the public one raises instead


def refused_answer(error: Exception, loop: asyncio.AbstractEventLoop) -> Answer[Any]:
    """Return an answer that raises."""
    answer: Answer[Any] = Answer(loop=loop)
    answer.set_exception(error)
    return answer


async def wait_for(future: "Future[T]") -> T:
    """Wait for a future of another thread. Cancelling stops the waiting and nothing else."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(_: "Future[T]") -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any longer
            loop.call_soon_threadsafe(_finish, done)

    future.add_done_callback(tell)
    await done
    return future.result()


def _finish(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
