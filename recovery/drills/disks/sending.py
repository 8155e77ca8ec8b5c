"""A group of steps as one batch, for certain: queued while the writer is held, answered as it tells them.

The thread that leads the calls which do not wait is kept in a call that is always refused, where it asks for the time.
What is queued meanwhile waits together, and is the next batch: nothing sleeps, and nothing is left to the speed of
threads. What is refused leaves nothing, neither in the file nor in what the engine remembers.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from attrs import frozen

from recovery.drills.doing import committed
from recovery.drills.steps import Answer, Committed, Raised, Refusal
from statemachine import Refused, Transition

__all__ = ["Call", "Gate", "Heard", "Hears", "Outcome", "answer_of", "as_one_batch", "outcome_of", "unheard"]

WAIT_SECONDS_MAX = 60.0  # for what another thread does: only a fault of ours takes so long

Call = Callable[[], "Future[Transition]"]
"""Queues a step."""

Outcome = Committed | Exception
"""What came of a step."""

Hears = Callable[[int, Outcome], None]
"""Told the place of a step in its group, and its outcome, as soon as the caller has it."""


@frozen
class Heard:
    """An answer as one process says it to another."""

    group: int
    place: int
    answer: Answer


def unheard(place: int, outcome: Outcome) -> None:
    """Tell nobody."""


def answer_of(outcome: Outcome) -> Answer:
    """Return an outcome as plain values. Pure."""
    if isinstance(outcome, Committed):
        return outcome
    if isinstance(outcome, Refused):
        return Refusal(outcome.code)
    return Raised(type(outcome).__name__, str(outcome))


def outcome_of(call: Callable[[], Transition]) -> Outcome:
    """Make a call and return what came of it."""
    try:
        return committed(call())
    except Exception as error:  # whatever it is, the caller was told so
        return error


class Gate:
    """Where a thread stands until it is let through."""

    def __init__(self) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()
        self._is_held = False

    def stand(self) -> None:
        """Stay here until the gate is opened."""
        self._is_held = True
        self._reached.set()
        self._opened.wait(WAIT_SECONDS_MAX)

    def wait(self, held: "Future[Transition]") -> None:
        """Return once the call stands here. Raises what came of it where it never did."""
        held.add_done_callback(lambda _: self._reached.set())
        if not self._reached.wait(WAIT_SECONDS_MAX):
            raise TimeoutError(f"the call that is to be held was not led within {WAIT_SECONDS_MAX} s")
        if not self._is_held:
            held.result()
            raise AssertionError("the call that is to be held was answered, and the engine had not asked for the time")

    def open(self) -> None:
        """Let through who stands here or comes."""
        self._opened.set()


def as_one_batch(gate: Gate, held: "Future[Transition]", calls: Sequence[Call], *, hear: Hears) -> list[Outcome]:
    """Queue calls behind the one that is held, and return what came of each.

    `hear` runs where the future is resolved. Raises what came of the held call where it could not be held: then nothing
    was queued.
    """
    left = _Left(len(calls), hear)
    try:
        gate.wait(held)
        for place, call in enumerate(calls):
            _queued(call).add_done_callback(partial(left.answered, place))
    finally:
        gate.open()
    return left.wait()


def _queued(call: Call) -> "Future[Transition]":
    """Queue a call; one that is not taken is answered with that."""
    try:
        return call()
    except Exception as error:  # the caller was told so
        future: Future[Transition] = Future()
        future.set_exception(error)
        return future


class _Left:
    """Who has not been answered yet."""

    def __init__(self, count: int, hear: Hears) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self._count = count
        self._hear = hear
        self._is_over = threading.Event()

    def answered(self, place: int, future: "Future[Transition]") -> None:
        outcome = self._outcomes[place] = outcome_of(future.result)
        try:
            self._hear(place, outcome)
        finally:
            if len(self._outcomes) == self._count:
                self._is_over.set()

    def wait(self) -> list[Outcome]:
        if not self._is_over.wait(WAIT_SECONDS_MAX):
            raise TimeoutError(f"{self._count - len(self._outcomes)} calls had no answer within {WAIT_SECONDS_MAX} s")
        return [self._outcomes[place] for place in range(self._count)]
