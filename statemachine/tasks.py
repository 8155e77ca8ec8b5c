"""Tasks and timers of a declaration: work that runs after the commit, and events that come due.

Both are declared here and compiled into the chart's text; an engine refuses a class that has them (PD152) until it can
run them. A task stays a method of a frame, so that `await Order(OrderData()).charge()` is a unit test; whoever runs it,
it only reads: what it found out is its result, and data changes in the transition that the result causes.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from types import NoneType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeAlias, TypeGuard, TypeVar, cast, overload

from attrs import frozen

from statemachine import bodies
from statemachine.durations import milliseconds
from statemachine.errors import DefinitionError, FrameError
from statemachine.frame import ATTEMPT, Attempt
from statemachine.rules import MISSING, Note, TimerNote, notes, noting, tolerant
from statemachine.specs import TaskSpec, TimerSpec
from statemachine.states import Ref

__all__ = [
    "AnyTask",
    "Noted",
    "Retry",
    "Task",
    "TaskNote",
    "TaskOf",
    "after",
    "check_runnable",
    "is_task",
    "noted",
    "task",
]

W = TypeVar("W")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)
Running: TypeAlias = Coroutine[Any, Any, R]

ATTEMPTS_MAX = 1_000  # a task that failed so often needs a person, and each attempt is a row


class Retry:
    """How often a task is tried, the first attempt included, and how long it waits before the second.

    `delay` is a duration: "2s", or a timedelta.
    """

    def __init__(self, attempts: int, /, *, delay: str | timedelta = "1s") -> None:
        if type(attempts) is not int or not 1 <= attempts <= ATTEMPTS_MAX:
            raise DefinitionError("PD128", f"Retry({attempts!r}): write how often to try, from 1 to {ATTEMPTS_MAX}.")
        self.attempts = attempts
        self.delay_ms = milliseconds(delay, what=f"Retry({attempts}, delay=…)")


@frozen(eq=False)
class TaskNote:
    """A task as written: the state that it works for, and where its result and its failure lead."""

    state: Ref
    done: Ref | None
    failed: Ref
    retry: Retry | None
    timeout_ms: int | None


class Task(Generic[R_co, C_co]):
    """A task of a workflow: what `@task` makes of a method.

    On a frame it is that method (`Order(OrderData()).charge()`); on the class it is this object, whose `result`
    decorates the method that takes what the task returned. A subclass that overrides it decorates its method again: a
    plain one keeps the task when it runs, but type checkers do not take a method for a task.
    """

    def __init__(self, function: Callable[..., C_co], note: TaskNote) -> None:
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.note = note
        self.name = getattr(function, "__name__", "")
        self.handler: Callable[..., None] | None = None
        bodies.note(self)

    def __repr__(self) -> str:
        """Show the name."""
        return f"<Task {self.name}>"

    @overload
    def __get__(self, frame: None, owner: type) -> Self: ...
    @overload
    def __get__(self, frame: object, owner: type | None) -> Callable[[], C_co]: ...
    def __get__(self, frame: object, owner: type | None) -> object:
        """Return the method, bound to a frame; the task itself where it is asked of the class."""
        if frame is None:
            return self
        name, watched = self.name, cast("_Watched", frame)
        return lambda: _run_reading(self.__wrapped__, watched, name=name)

    def result(self, function: Callable[[W, R_co], None]) -> Callable[[W, R_co], None]:
        """Declare the method that takes the result: it runs inside the transition that the result causes."""
        if self.handler is not None:
            raise DefinitionError("PD129", f"task {self.name!r} has two result handlers. Keep one.")
        self.handler = function
        bodies.note(function)
        return function


class _Encoding(Protocol):
    def encode_data(self, data: object) -> bytes: ...


class _Watched(Protocol):
    """What is asked of a frame's class to see that a task only reads."""

    __definition__: ClassVar[_Encoding | None]  # None on an abstract class, which has no codec


def _run_reading(function: Callable[..., object], frame: _Watched, *, name: str) -> object:
    """Run a task's method. Raises FrameError (PF402, PF404) if it changed data or raised an event."""
    before = _seen(frame)
    result = function(frame)
    if isinstance(result, Awaitable):
        return _awaited(cast("Awaitable[object]", result), frame, name=name, before=before)
    _check_only_read(frame, name=name, before=before)
    return result


async def _awaited(result: Awaitable[object], frame: _Watched, *, name: str, before: tuple[bytes, int]) -> object:
    found = await result
    _check_only_read(frame, name=name, before=before)
    return found


def _seen(frame: _Watched) -> tuple[bytes, int]:
    encoding = frame.__definition__
    attempt: Attempt = getattr(frame, ATTEMPT)
    return b"" if encoding is None else encoding.encode_data(attempt.data), len(attempt.raised)


def _check_only_read(frame: _Watched, *, name: str, before: tuple[bytes, int]) -> None:
    label = f"{type(frame).__name__}.{name}"
    image, raised = _seen(frame)
    if image != before[0]:
        raise FrameError("PF402", f"{label} changed self.data; a task only reads: return it, and take it in its result")
    if raised != before[1]:
        raise FrameError("PF404", f"{label} raised an event; a task only reads: its result leads on")


AnyTask: TypeAlias = Task[Any, Any]
Noted: TypeAlias = Note | AnyTask


def noted(value: object) -> list[Noted]:
    """Return what decorators made of a value of a class body: its task, or its notes, the top one first."""
    return [value] if is_task(value) else [*notes(value)]


def is_task(value: object) -> TypeGuard[AnyTask]:
    """Say whether a value of a class body is a task. Pure."""
    return isinstance(value, Task)


class TaskOf:
    """What `task(…)` returns: decorates a method of self, plain or async, that returns the result."""

    def __init__(self, note: TaskNote) -> None:
        self._note = note

    # The coroutine comes first: it would match the other form too, and its result would be a coroutine.
    @overload
    def __call__(self, function: Callable[[W], Running[R]]) -> Task[R, Running[R]]: ...
    @overload
    def __call__(self, function: Callable[[W], R]) -> Task[R, R]: ...
    def __call__(self, function: Callable[..., object]) -> object:
        """Make a task of the method."""
        made: Task[object, object] = Task(function, self._note)
        return made


@tolerant("done", "failed")
def task(
    state: Ref,
    /,
    *,
    done: Ref | None,
    failed: Ref,
    retry: Retry | None = None,
    timeout: str | timedelta | None = None,
) -> TaskOf:
    """Declare a task: work outside the transaction that starts once the transition into `state` is durable.

    Its result leads to `done` (None: the state stays as it is), its failure to `failed`, after as many attempts as
    `retry` says (None: one), each at most `timeout` long ("30s"; None: without a bound). Leaving the state ends it.
    """
    if state is MISSING:
        raise DefinitionError("PD107", "@task() names no state. Name the one that it works for.")
    if done is MISSING:
        raise DefinitionError("PD120", "@task has no target for its result. Write done=STATE, or done=None to stay.")
    if failed in (MISSING, None):
        raise DefinitionError("PD130", "@task has no failure route. Write failed=STATE: where to go when it fails.")
    if not isinstance(cast("object", retry), (Retry, NoneType)):
        raise DefinitionError("PD128", f"@task: retry={retry!r}. Write retry=Retry(5, delay='2s').")
    limit = None if timeout is None else milliseconds(timeout, what="@task(timeout=…)")
    return TaskOf(TaskNote(state, done, failed, retry, limit))


@tolerant("to", positional=2)
def after(
    delay: str | timedelta, source: Ref, /, *more: Ref, to: Ref | None
) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare a durable timer: set when one of these states is entered, cleared when it is left.

    When it comes due it leads `to` a state; None is an internal transition. `delay` is "48h", "1d12h", "30s", or a
    timedelta.
    """
    if source is MISSING:
        raise DefinitionError("PD107", "@after() names no state. Name at least one.")
    if to is MISSING:
        raise DefinitionError("PD120", "@after has no target. Write to=STATE, or to=None for an internal transition.")
    return noting(TimerNote(milliseconds(delay, what="@after(…)"), (source, *more), to))


def check_runnable(workflow: str, tasks: Sequence[TaskSpec], timers: Sequence[TimerSpec]) -> None:
    """Raise DefinitionError (PD152) for a workflow that has tasks or timers: an engine does not run them yet."""
    names = [*(task.name for task in tasks), *(timer.name for timer in timers)]
    if names:
        raise DefinitionError(
            "PD152",
            f"{workflow}: tasks and timers are declared and do not run yet: {', '.join(names)}. "
            "Try them in a Cursor, which leaves them out, or drive the workflow with events.",
        )
