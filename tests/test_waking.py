"""Senders who waited together wake one another, and nobody is left asleep where one of them was interrupted."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from attrs import define, frozen

from persistence import Busy, InDoubt
from statemachine import Engine, Instance, Limits, State, Transition, Workflow, on
from statemachine import writer as writing
from statemachine.batches import Batches
from statemachine.members import Member, Turn
from statemachine.writer import Writer
from tests.interrupting import interrupt_until, interruptible
from tests.patience import WAIT_SECONDS_MAX
from tests.striking import unless_interrupted

ENTERED, GO, LEFT = threading.Event(), threading.Event(), threading.Event()


@frozen
class Hold: ...


@frozen
class Count: ...


@frozen
class Interrupt:
    """Interrupt the main thread, and go on when it has left."""


@define
class Counted:
    count: int = 0


class Counter(Workflow[Counted], revision=1):
    counting = State(initial=True)

    @on(Hold, counting, to=None)
    def hold(self, event: Hold) -> None:
        ENTERED.set()
        assert GO.wait(WAIT_SECONDS_MAX)

    @on(Count, counting, to=None)
    def add(self, event: Count) -> None:
        self.data.count += 1

    @on(Interrupt, counting, to=None)
    def interrupt(self, event: Interrupt) -> None:
        interrupt_until(LEFT)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    for event in (ENTERED, GO, LEFT):
        event.clear()
    with Engine(tmp_path / "counters.db", Counter) as made:
        yield made
        GO.set()
        LEFT.set()


def sending(engine: Engine, *works: Callable[[], object]) -> list[threading.Thread]:
    """Start a thread for each, the first of which holds the writer; the others wait in this order."""
    threads: list[threading.Thread] = []
    for number, work in enumerate(works):
        thread = threading.Thread(target=work, daemon=True)
        threads.append(thread)
        thread.start()
        assert ENTERED.wait(WAIT_SECONDS_MAX)
        while len(engine._writer._queue) < number:
            pass
    return threads


def joined(threads: list[threading.Thread], *, seconds: float = WAIT_SECONDS_MAX) -> bool:
    for thread in threads:
        thread.join(seconds)
    return not any(thread.is_alive() for thread in threads)


class ByHand:
    """The lock of a turn whose sender gives up when he is told to, and not by the clock."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._gives_up = False

    def acquire(self, *, timeout: float) -> bool:
        del timeout
        if not self._gives_up:
            self._lock.acquire()
        return not self._gives_up

    def release(self) -> None:
        self._lock.release()

    def give_up(self) -> None:
        self._gives_up = True
        self._lock.release()


@pytest.fixture
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    make: Callable[..., None] = Turn.__init__

    def made(turn: Any, work: object) -> None:
        make(turn, work)
        turn.lock = ByHand(turn.lock)

    monkeypatch.setattr(Turn, "__init__", made)


def locks(engine: Engine) -> list[Any]:
    """The locks of those who are queued, in their order."""
    return [getattr(member, "lock", None) for member in engine._writer._queue]


def counters(engine: Engine, count: int) -> list[Instance[Counter, Counted]]:
    return [engine.start(Counter, id=f"c-{number}") for number in range(count)]


def test_all_who_wait_together_are_woken(engine: Engine) -> None:
    first, *others = counters(engine, 9)
    works = [lambda one=one: one.send(Count()) for one in others]
    threads = sending(engine, lambda: first.send(Hold()), *works)
    GO.set()
    assert joined(threads)
    assert [one.version for one in (first, *others)] == [2] * 9


@pytest.fixture
def _interruptible() -> Iterator[None]:
    with interruptible():
        yield


def interrupted_in_a_batch(engine: Engine, *, seconds: float = WAIT_SECONDS_MAX) -> bool:
    """Interrupt one who waits in the middle of a batch that is being written; say whether the others were woken."""
    first, leader, mine, last, end = counters(engine, 5)

    def go_on() -> None:
        while len(engine._writer._queue) < 4:
            pass
        GO.set()

    threads = sending(engine, lambda: first.send(Hold()), lambda: leader.send(Interrupt()))

    def follow() -> None:
        while len(engine._writer._queue) < 2:  # the main thread is behind the leader
            pass
        threads.extend(sending_behind(engine, lambda: last.send(Count()), lambda: end.send(Count())))
        go_on()

    following = threading.Thread(target=follow, daemon=True)
    following.start()
    with pytest.raises(KeyboardInterrupt):
        mine.send(Count())
    LEFT.set()
    following.join(WAIT_SECONDS_MAX)
    is_woken = joined(threads, seconds=seconds)
    assert mine.version == 2  # who stops waiting stops nothing else
    return is_woken


def sending_behind(engine: Engine, *works: Callable[[], object]) -> list[threading.Thread]:
    threads: list[threading.Thread] = []
    for work in works:
        waiting = len(engine._writer._queue)
        thread = threading.Thread(target=work, daemon=True)
        threads.append(thread)
        thread.start()
        while len(engine._writer._queue) == waiting:
            pass
    return threads


@pytest.mark.usefixtures("_interruptible")
def test_who_is_interrupted_while_his_batch_is_written_leaves_nobody_asleep(engine: Engine) -> None:
    """Nobody wakes by himself: it would take longer than this test waits."""
    assert interrupted_in_a_batch(engine)


@pytest.mark.usefixtures("_interruptible")
def test_a_sleeper_whose_waker_left_would_be_found(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: who leaves does not say so, and is to wake the next one all the same."""
    left: list[Turn] = []

    def leave(turn: Turn, value: object) -> None:
        left.extend([turn] if value else [])

    monkeypatch.setattr(Turn, "is_left", property(lambda _: False, leave))
    assert not interrupted_in_a_batch(engine, seconds=0.2)
    for turn in left:
        engine._writer._wake_next(turn)  # nobody sleeps on beside the next tests


@pytest.mark.usefixtures("_by_hand")
@pytest.mark.parametrize("is_held", [True, False], ids=["who came before", "who came after"])
def test_who_waits_too_long_takes_the_baton_from_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, is_held: bool
) -> None:
    """The writer's thread was handed it and does not lead yet: whoever gives up then hands over nothing of his own."""
    first, other, late = counters(engine, 3)
    leads, handed, goes, lead = [0], threading.Event(), threading.Event(), Writer._lead

    def leading(writer: Writer, own: Turn | None) -> None:
        leads[0] += 1
        handed.set()
        assert goes.wait(WAIT_SECONDS_MAX)
        lead(writer, own)

    def in_vain() -> None:
        with pytest.raises(Busy, match="nothing happened, try again"):
            late.send(Count())

    monkeypatch.setattr(Writer, "_lead", leading)
    threads = sending(engine, lambda: first.send(Hold())) if is_held else []
    future = other.submit(Count())
    assert is_held or handed.wait(WAIT_SECONDS_MAX)
    threads += sending_behind(engine, in_vain)
    (_, lock) = locks(engine)
    GO.set()
    assert handed.wait(WAIT_SECONDS_MAX)
    lock.give_up()
    assert joined(threads)
    goes.set()
    assert future.result(WAIT_SECONDS_MAX).version == 2
    engine.close()
    assert leads == [2]  # for the event, and for the end of the thread


@pytest.mark.usefixtures("_by_hand")
def test_who_is_told_by_nobody_finds_out_himself(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two interrupts can come behind the commit of a batch and before its senders are told."""
    first, leader, second, third = counters(engine, 4)
    end_batch, interrupts = Writer._end_batch, list[None]()

    def interrupted(writer: Writer, members: list[Member], own: Turn | None, late: list[Member]) -> None:
        if own is None or len(interrupts) == 2:
            end_batch(writer, members, own, late)
            return
        interrupts.append(None)
        raise KeyboardInterrupt

    def leading() -> None:
        with pytest.raises(KeyboardInterrupt):
            leader.send(Count())

    monkeypatch.setattr(Writer, "_end_batch", interrupted)
    told: list[int] = []
    others = [lambda one=one: told.append(one.send(Count()).version) for one in (second, third)]
    threads = sending(engine, lambda: first.send(Hold()), leading, *others)
    (_, *behind) = locks(engine)
    GO.set()
    assert joined(threads[:2])
    for lock in behind:
        lock.give_up()
    assert joined(threads)
    assert (leader.version, told) == (2, [2, 2])


def test_an_interrupt_of_who_leads_is_raised_for_nobody_else(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, leader, other = counters(engine, 3)

    def interrupted(_batches: Batches, _members: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    def leading() -> None:
        with pytest.raises(KeyboardInterrupt):
            leader.send(Count())

    def led() -> None:
        with pytest.raises(InDoubt, match="the thread that leads was interrupted"):
            other.send(Count())
        told.append(other.version)

    monkeypatch.setattr(Batches, "together", interrupted)
    told: list[int] = []
    threads = sending(engine, lambda: first.send(Hold()), leading, led)
    GO.set()
    assert joined(threads)
    assert told == [1]


def test_a_baton_that_an_interrupt_took_along_is_laid_down_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second interrupt can come before the first was seen to: one sender waits in vain, the next one does not."""
    (counter,) = counters(engine, 1)
    engine._writer._baton[0] = object()
    monkeypatch.setattr(writing, "TURN_SECONDS_MAX", 0.05)
    with pytest.raises(Busy, match="nothing happened, try again"):
        counter.send(Count())
    assert counter.send(Count()).version == 2


def told_in_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, then: Callable[[Any], object] = bool
) -> tuple[bool, list[str]]:
    """Let three who wait be one batch, whose last is interrupted when he wakes, and one more come behind them.

    Return whether all three had been woken when the next one led, and what became of his event. `then` is given the
    lock of his turn when the others have gone.
    """
    first, leader, second, third, late = counters(engine, 5)
    end_batch, lead, wait = Writer._end_batch, Writer._lead, Writer._wait
    told: list[Turn] = []
    found: list[bool] = []
    outcome: list[str] = []
    behind: list[Any] = []

    def waking(writer: Writer, members: list[Member], own: Turn | None, late: list[Member]) -> None:
        turns = [member for member in members if isinstance(member, Turn) and member is not own]
        if turns:
            threads.extend(sending_behind(engine, come_late))
            behind.extend(locks(engine))
            told.extend(turns)
        end_batch(writer, members, own, late)

    def leading(writer: Writer, own: Turn | None) -> None:
        if told:
            found.append(all(one.following is None and writer._baton[0] is not one for one in told))
        lead(writer, own)

    def waiting(writer: Writer, turn: Turn) -> None:
        wait(writer, turn)
        if told and turn is told[-1]:
            raise KeyboardInterrupt

    def come_late() -> None:
        try:
            outcome.append(str(late.send(Count()).version))
        except Busy:
            outcome.append("Busy")

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            third.send(Count())

    monkeypatch.setattr(Writer, "_end_batch", waking)
    monkeypatch.setattr(Writer, "_lead", leading)
    monkeypatch.setattr(Writer, "_wait", waiting)
    works = (lambda: leader.send(Count()), lambda: second.send(Count()))
    threads = sending(engine, lambda: first.send(Hold()), *works, interrupted)
    GO.set()
    assert joined(threads[:4])
    then(behind[0])
    assert joined(threads[4:])
    assert [one.version for one in (leader, second, third)] == [2] * 3
    return all(found), outcome


def test_the_next_one_leads_when_all_were_woken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The baton goes along those who are told, and past one who is interrupted when he has it."""
    assert told_in_turn(engine, monkeypatch) == (True, ["2"])


@pytest.mark.usefixtures("_by_hand")
def test_a_baton_that_was_not_handed_on_would_be_found(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the last one who is told keeps it."""

    def keeping(_writer: Writer, turn: Turn) -> None:
        if turn.following is not None:
            turn.following.lock.release()
            turn.following = None

    monkeypatch.setattr(Writer, "_wake_next", keeping)
    assert told_in_turn(engine, monkeypatch, then=ByHand.give_up) == (True, ["Busy"])


def test_a_baton_that_is_handed_on_twice_has_one_holder(engine: Engine) -> None:
    """Who gave up on a batch that ended laid the baton down: whoever was to hand it on finds that out."""
    writer = engine._writer
    (counter,) = counters(engine, 1)
    turn, other = Turn(lambda _: None), Turn(lambda _: None)
    writer._baton[0] = turn
    writer._hand_on(writer._steps)
    assert not writer._baton
    writer._baton[0] = other  # somebody else's by now
    writer._wake_next(turn)
    assert writer._baton == {0: other}
    writer._wake_next(other)
    assert not writer._baton
    assert counter.send(Count()).version == 2


@pytest.fixture
def _cleared() -> None:
    for event in (ENTERED, GO, LEFT):
        event.clear()


@pytest.mark.usefixtures("_cleared")
def test_a_thread_that_is_in_a_callback_is_handed_the_baton_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gives up while a callback of a future runs on hands nothing over: else the thread would lead twice."""
    with Engine(tmp_path / "counters.db", Counter, limits=Limits(batch_max=1)) as engine:
        first, queued, late, last = counters(engine, 4)
        entered, goes = threading.Event(), threading.Event()

        def call_back(_: object) -> None:
            entered.set()
            assert goes.wait(WAIT_SECONDS_MAX)

        held = first.submit(Hold())
        held.add_done_callback(call_back)
        GO.set()
        assert entered.wait(WAIT_SECONDS_MAX)
        future = queued.submit(Count())
        monkeypatch.setattr(writing, "TURN_SECONDS_MAX", 0.05)
        with pytest.raises(Busy, match="nothing happened, try again"):
            late.send(Count())
        monkeypatch.setattr(writing, "TURN_SECONDS_MAX", 10 * WAIT_SECONDS_MAX)
        found: list[object] = []
        threads = sending_behind(engine, lambda: found.append(last.send(Count())))
        goes.set()
        assert joined(threads)
        assert future.result(WAIT_SECONDS_MAX).version == 2
    assert [type(one) for one in found] == [Transition]


def test_who_was_lost_between_the_queue_and_a_batch_is_told_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt can come when a member is in the queue no longer and in the batch not yet."""
    first, leader, other = counters(engine, 3)
    begin = Turn.begin

    def interrupted(turn: Turn) -> bool:
        if turn.leads:
            return begin(turn)
        monkeypatch.setattr(Turn, "begin", begin)
        raise KeyboardInterrupt

    def leading() -> None:
        with pytest.raises(KeyboardInterrupt):
            leader.send(Count())

    def lost() -> None:
        with pytest.raises(InDoubt, match="the thread that leads was interrupted"):
            other.send(Count())
        told.append(other.version)

    told: list[int] = []
    monkeypatch.setattr(writing, "TURN_SECONDS_MAX", 0.5)
    threads = sending(engine, lambda: first.send(Hold()), leading, lost)
    monkeypatch.setattr(Turn, "begin", interrupted)
    GO.set()
    assert joined(threads)
    assert told == [1]
    assert other.send(Count()).version == 2


def is_led_behind(engine: Engine, monkeypatch: pytest.MonkeyPatch, event: str, file: str) -> bool:
    """Interrupt who leads at the first such event behind his batch; say whether who comes then is led at once."""
    first, leader, other, late = counters(engine, 4)
    writer, taken = engine._writer, threading.Event()

    def trace(frame: FrameType, found: str, _: object) -> Any:
        if frame.f_code is Writer._take.__code__:
            taken.set()
        is_behind = taken.is_set() and writer._steps % 2 == 0
        if is_behind and found == event and frame.f_code.co_filename == file:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    def leading() -> None:
        sys.settrace(trace)
        with pytest.raises(KeyboardInterrupt):
            leader.send(Count())

    monkeypatch.setattr(writing, "TURN_SECONDS_MAX", 1.0)
    threads = sending(engine, lambda: first.send(Hold()), leading, lambda: other.send(Count()))
    GO.set()
    threads[1].join(WAIT_SECONDS_MAX)
    with suppress(Busy):
        late.send(Count())
    return joined(threads) and late.version == 2


@pytest.mark.parametrize(
    ("event", "file"),
    [("call", writing.__file__), ("return", writing.__file__), ("return", threading.__file__)],
    ids=["before anything is done", "before anybody is told", "where a condition is entered"],
)
def test_an_interrupt_behind_a_batch_takes_no_baton_along(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, event: str, file: str
) -> None:
    """Wherever it comes: who is behind the batch is led at once, and no lock stays locked."""
    assert is_led_behind(engine, monkeypatch, event, file)


def test_a_baton_that_an_interrupt_takes_along_would_be_found(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: who is interrupted behind his batch hands nothing on."""
    for name in ("_end_batch", "_pass_on"):
        monkeypatch.setattr(Writer, name, unless_interrupted(getattr(Writer, name)))
    assert not is_led_behind(engine, monkeypatch, "call", writing.__file__)
