"""Waiting without blocking: the future that `submit` returns, what `asend` returns, and telling many of them at once.

Imported by those who do not wait: the rest has no use for asyncio and futures. A call that nobody waits for any longer
still runs: cancelling stops the waiting, not the event; only `Future.cancel` takes one out that is still queued.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from statemachine.definition import Definition
from statemachine.events import Request
from statemachine.members import UNDECIDED, Member
from statemachine.transition import Transition
from statemachine.writer import Writer

if TYPE_CHECKING:
    from statemachine.batch import Batch

__all__ = ["Answer", "Awaited", "Awaiting", "Submitted", "wait_for"]

T = TypeVar("T")
_running_loop = asyncio._get_running_loop  # noqa: SLF001  # documented; the public one raises instead


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
        self.result, self.error, self.is_late = UNDECIDED, None, False
        self.future: Future[Any] = _Cancellable(self, writer)

    def begin(self) -> bool:
        """Say whether it was not cancelled; it cannot be any longer."""
        try:
            return self.future.set_running_or_notify_cancel()
        except RuntimeError:  # somebody else began or finished it, which the log of `concurrent.futures` tells
            return not self.future.done()

    def tell(self) -> None:
        """Finish the future; its callbacks run here."""
        future = self.future
        del self.future  # which leads back here: such a circle would wait for the collector
        if self.error is None:
            future.set_result(self.result)
        else:
            future.set_exception(self.error)


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
        self.result, self.error, self.is_late = UNDECIDED, None, False
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


class Awaiting:
    """The calls of event loops: each is queued at the call itself, and led from the end of its loop's round on.

    Woken by the first call of a round, the writer's thread would decide a small batch while the loop makes the others:
    both need the interpreter's lock, and hand it about. Where a loop is stopped or closed before the end of the round,
    what it queued is led by whoever sends next, or closes the engine.
    """

    __slots__ = ("_begins", "_check_turn", "_submit", "_writer")

    def __init__(
        self,
        writer: Writer,
        check_turn: Callable[[], None],
        submit: Callable[[Definition, str, Request], "Future[Transition]"],
        /,
    ) -> None:
        self._writer, self._check_turn, self._submit = writer, check_turn, submit
        self._begins: asyncio.AbstractEventLoop | None = None  # which loop is to begin; another may take its place

    def send(self, definition: Definition, instance: str, request: Request) -> Coroutine[object, None, Transition]:
        """Queue one event and return what to await for it. Raises Busy, Closed, ReentrantCall."""
        loop = _running_loop()
        if loop is None:
            return wait_for(self._submit(definition, instance, request))
        self._check_turn()
        member = Awaited(definition, instance, request, loop=loop)
        self._writer.queue(member)
        if self._begins is not loop:
            loop.call_soon(self._begin)
            self._begins = loop  # after it: interrupted in between, the next call says it again
        return member.answer

    def _begin(self) -> None:
        self._begins = None  # before it: as above
        self._writer.begin()

    def refuse(self, error: Exception) -> Coroutine[object, None, Transition]:
        """Return what raises once it is awaited."""
        loop = _running_loop()
        if loop is None:
            return _raise(error)
        answer: Answer[Any] = Answer(loop=loop)
        answer.set_exception(error)
        return answer


async def _raise(error: Exception) -> Transition:
    raise error


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
