"""A batch is decided for as long as its limit says: what is left is the next one's, in its order."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from persistence import Busy, SqlFailed, Store
from statemachine import Engine, Instance, Limits, State, Transition, Workflow, batches, on
from statemachine.members import Turn
from tests.interrupting import interrupt_until, interruptible
from tests.patience import WAIT_SECONDS_MAX

SCHEMA = "create table if not exists seen (number int unique);"
ENTERED: dict[int, threading.Event] = {}
GO: dict[int, threading.Event] = {}


@frozen
class Hold:
    """Stay in the action until somebody outside says go."""

    number: int = 0


@frozen
class See:
    number: int
    how: str = ""


@define
class SeenData:
    numbers: list[int]


class Seen(Workflow[SeenData], revision=1):
    """Remembers what it saw, in its order."""

    open_ = State(initial=True)

    @on(Hold, open_, to=None)
    def hold(self, event: Hold) -> None:
        ENTERED[event.number].set()
        assert GO[event.number].wait(WAIT_SECONDS_MAX)

    @on(See, open_, to=None)
    def see(self, event: See) -> None:
        if event.how:
            self.sql.execute(f"insert {event.how} into seen values (1)")
        self.data.numbers.append(event.number)


@pytest.fixture(autouse=True)
def _events() -> Iterator[None]:
    for number in range(3):
        ENTERED[number], GO[number] = threading.Event(), threading.Event()
    yield
    for go in GO.values():
        go.set()


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let each look at the clock find it so many milliseconds later."""

    def slow(ms: int) -> None:
        ticks = count()
        monkeypatch.setattr(batches, "monotonic", lambda: next(ticks) * ms / 1_000)

    return slow


def opened(path: Path, ms: int = 100, *, most: int = 256) -> tuple[Engine, Instance[Seen, SeenData]]:
    engine = Engine(path / "seen.db", Seen, schema=SCHEMA, limits=Limits(batch_ms_max=ms, batch_max=most))
    return engine, engine.start(Seen, SeenData([]), id="s")


def sizes(store: Store) -> list[int]:
    """How many transitions each commit has, without the start."""
    with store.reader() as reader:
        ends = [place for place, row in enumerate(reader.lane()) if row.seal is not None]
    return [end - before for before, end in pairwise(ends)]


async def together(seen: Instance[Seen, SeenData], events: list[See]) -> list[Any]:
    """Send in one round of a loop, so that all are queued when the first batch begins."""
    found: list[Any] = await asyncio.gather(*[seen.asend(event) for event in events], return_exceptions=True)
    return found


@pytest.mark.parametrize(
    ("ms", "limit", "found"),
    [(0, 1, [10]), (25, 100, [5, 5]), (25, 99, [4, 4, 2]), (500, 1, [1] * 10), (500, 1_000_000, [10])],
)
def test_a_batch_ends_behind_the_member_in_which_its_time_was_over(
    tmp_path: Path, slowly: Callable[[int], None], ms: int, limit: int, found: list[int]
) -> None:
    """The first look is its begin, and each member is followed by one: just the limit is still in time."""
    engine, seen = opened(tmp_path, limit)
    with engine:
        slowly(ms)
        told = asyncio.run(together(seen, [See(number) for number in range(10)]))
        assert [one.version for one in told] == list(range(2, 12))
        assert seen.data.numbers == list(range(10))
        assert sizes(engine.store) == found


def test_who_has_a_future_is_told_by_a_later_batch_too(
    tmp_path: Path, slowly: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    """What was in a batch once can be cancelled no longer, and comes before those who were in none."""
    engine, seen = opened(tmp_path, most=4)
    with engine:
        slowly(60)
        held = seen.submit(Hold())
        assert ENTERED[0].wait(WAIT_SECONDS_MAX)
        futures = [seen.submit(See(number)) for number in range(7)]
        cancelled: list[bool] = []
        futures[0].add_done_callback(lambda _: cancelled.append(futures[3].cancel()))
        GO[0].set()
        assert held.result(WAIT_SECONDS_MAX).version == 2
        assert [one.result(WAIT_SECONDS_MAX).version for one in futures] == list(range(3, 10))
        assert cancelled == [False]
        assert not caplog.records  # as futures tell of one that is begun twice
        assert seen.data.numbers == list(range(7))


def test_closing_an_engine_waits_for_all_of_them(tmp_path: Path, slowly: Callable[[int], None]) -> None:
    """The end of the writer's thread is behind them in the batch that they were in first."""
    engine, seen = opened(tmp_path)
    slowly(60)
    held = seen.submit(Hold())
    assert ENTERED[0].wait(WAIT_SECONDS_MAX)
    futures = [seen.submit(See(number)) for number in range(7)]
    closing = threading.Thread(target=engine.close)
    closing.start()
    while len(engine._writer._queue) < 8:
        pass
    GO[0].set()
    closing.join(WAIT_SECONDS_MAX)
    assert not closing.is_alive()
    assert held.result(0).version == 2
    assert [one.result(0).version for one in futures] == list(range(3, 10))


def sent(
    engine: Engine, seen: Instance[Seen, SeenData], events: list[See | Hold]
) -> tuple[list[threading.Thread], list[Any]]:
    """Let threads send while the writer is held, one behind the other."""
    threads, found = [threading.Thread(target=lambda: seen.send(Hold()))], list[Any]()
    threads[0].start()
    assert ENTERED[0].wait(WAIT_SECONDS_MAX)

    def send(event: See | Hold) -> None:
        try:
            found.append(seen.send(event))
        except Exception as error:  # noqa: BLE001  # it is looked at
            found.append(error)

    for waiting, event in enumerate(events):
        threads.append(threading.Thread(target=send, args=(event,)))
        threads[-1].start()
        while len(engine._writer._queue) == waiting:
            pass
    return threads, found


def joined(threads: list[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(WAIT_SECONDS_MAX)
    return not any(thread.is_alive() for thread in threads)


def test_senders_on_threads_of_their_own_come_in_their_order(tmp_path: Path, slowly: Callable[[int], None]) -> None:
    engine, seen = opened(tmp_path)
    with engine:
        slowly(60)
        threads, found = sent(engine, seen, [See(number) for number in range(9)])
        GO[0].set()
        assert joined(threads)
        assert sorted(one.version for one in found) == list(range(3, 12))
        assert seen.data.numbers == list(range(9))
        assert sizes(engine.store) == [1, 2, 2, 2, 2, 1]


def test_senders_behind_the_end_do_not_queue_it_again(tmp_path: Path, slowly: Callable[[int], None]) -> None:
    """The writer's thread is gone by then: an end that is queued once more would be led by nobody, and hold up all."""
    engine, seen = opened(tmp_path)
    seen.submit(See(0)).result(WAIT_SECONDS_MAX)
    engine._writer.close()
    slowly(60)
    threads, found = sent(engine, seen, [See(number) for number in range(5)])
    GO[0].set()
    assert joined(threads)
    assert len(found) == 5
    assert not engine._writer._queue
    assert seen.send(See(5)).version == 9
    engine.close()


def test_the_end_does_not_wait_for_those_who_came_behind_it(tmp_path: Path, slowly: Callable[[int], None]) -> None:
    """Else an engine would not be closed for as long as others send."""
    engine, seen = opened(tmp_path)
    slowly(60)
    held = seen.submit(Hold())
    assert ENTERED[0].wait(WAIT_SECONDS_MAX)
    futures = [seen.submit(See(number)) for number in range(3)]
    closing = threading.Thread(target=engine._writer.close)
    closing.start()
    while len(engine._writer._queue) < 4:
        pass
    behind = [threading.Thread(target=seen.send, args=(event,)) for event in (Hold(1), See(3), See(4))]
    for waiting, thread in enumerate(behind, 4):
        thread.start()
        while len(engine._writer._queue) == waiting:
            pass
    GO[0].set()
    closing.join(WAIT_SECONDS_MAX)
    assert not closing.is_alive()
    assert [one.result(0).version for one in (held, *futures)] == [2, 3, 4, 5]
    GO[1].set()
    assert joined(behind)
    assert seen.data.numbers == [0, 1, 2, 3, 4]
    engine.close()


def test_who_was_interrupted_in_a_batch_that_had_no_time_for_him_holds_up_nobody(
    tmp_path: Path, slowly: Callable[[int], None]
) -> None:
    """Queued again, his turn would be given the baton, and nobody would be there to take it."""
    engine, seen = opened(tmp_path)
    is_back, futures = threading.Event(), list[Any]()

    def follow() -> None:
        queue = engine._writer._queue
        while len(queue) < 2:  # the main thread is behind the one that leads
            pass
        futures.append(seen.submit(See(8)))
        GO[0].set()
        assert ENTERED[1].wait(WAIT_SECONDS_MAX)
        interrupt_until(is_back)
        GO[1].set()

    with engine, interruptible():
        slowly(200)
        threads, found = sent(engine, seen, [Hold(1)])
        following = threading.Thread(target=follow)
        following.start()
        with pytest.raises(KeyboardInterrupt):
            seen.send(See(7))
        is_back.set()
        assert joined([*threads, following])
        assert futures[0].result(WAIT_SECONDS_MAX).version == 4
        assert [one.version for one in found] == [3]
        assert seen.data.numbers == [8]


def test_a_batch_that_was_undone_is_decided_again_for_as_long(tmp_path: Path, slowly: Callable[[int], None]) -> None:
    """One that ends the transaction undoes all: they are decided one by one, and who is left is batched again."""
    engine, seen = opened(tmp_path)
    with engine:
        slowly(30)
        events = [See(number, how={0: "or replace", 2: "or rollback"}.get(number, "")) for number in range(9)]
        told = asyncio.run(together(seen, events))
        assert [type(one) for one in told] == [Transition, Transition, SqlFailed, *[Transition] * 6]
        assert seen.data.numbers == [0, 1, 3, 4, 5, 6, 7, 8]
        assert sizes(engine.store) == [1, 1, 1, 4, 1]


class Patient:
    """The lock of a turn whose sender looks up when he is told to, and not by the clock."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._may_look, self._waits = threading.Semaphore(0), threading.Semaphore(0)

    def acquire(self, *, timeout: float) -> bool:
        del timeout
        self._waits.release()
        assert self._may_look.acquire(timeout=WAIT_SECONDS_MAX)
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        self._lock.release()

    def look(self) -> None:
        """Let him look, which has the effect that it has before he waits again or goes."""
        assert self._waits.acquire(timeout=WAIT_SECONDS_MAX)
        self._may_look.release()

    def looked(self) -> None:
        """Wait until he waits once more."""
        assert self._waits.acquire(timeout=WAIT_SECONDS_MAX)
        self._waits.release()


@pytest.fixture
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    make: Callable[..., None] = Turn.__init__

    def made(turn: Any, work: object) -> None:
        make(turn, work)
        turn.lock = Patient(turn.lock)

    monkeypatch.setattr(Turn, "__init__", made)


def locks(engine: Engine) -> list[Any]:
    """The locks of those who are queued, in their order."""
    return [getattr(member, "lock", None) for member in engine._writer._queue]


def behind_the_first_batch(engine: Engine, threads: list[threading.Thread]) -> tuple[Patient, Patient]:
    """Let the first of three lead, whose batch has no time for the others, and the last look up meanwhile."""
    first, second, last = locks(engine)
    GO[0].set()
    threads[0].join(WAIT_SECONDS_MAX)
    first.look()
    assert ENTERED[1].wait(WAIT_SECONDS_MAX)
    last.look()
    last.looked()  # it is in the batch
    GO[1].set()
    threads[1].join(WAIT_SECONDS_MAX)
    return second, last


@pytest.mark.usefixtures("_by_hand")
def test_who_waits_long_through_several_batches_is_told_by_his_own(
    tmp_path: Path, slowly: Callable[[int], None]
) -> None:
    """The batch that he was seen in has ended and he was not told: that is no interrupt, his turn comes."""
    engine, seen = opened(tmp_path)
    with engine:
        slowly(200)
        threads, found = sent(engine, seen, [Hold(1), Hold(2), See(7)])
        second, last = behind_the_first_batch(engine, threads)
        second.look()
        assert ENTERED[2].wait(WAIT_SECONDS_MAX)
        last.look()
        last.looked()  # in the second
        GO[2].set()
        threads[2].join(WAIT_SECONDS_MAX)
        last.look()
        assert joined(threads)
        assert [one.version for one in found] == [3, 4, 5]
        assert seen.data.numbers == [7]


@pytest.mark.usefixtures("_by_hand")
def test_who_is_in_the_queue_again_can_give_up(tmp_path: Path, slowly: Callable[[int], None]) -> None:
    engine, seen = opened(tmp_path)
    with engine:
        slowly(200)
        threads, found = sent(engine, seen, [Hold(1), See(6), See(7)])
        second, last = behind_the_first_batch(engine, threads)
        last.look()  # the second has the baton and sleeps on
        threads[3].join(WAIT_SECONDS_MAX)
        second.look()
        assert joined(threads)
        assert [type(one) for one in found] == [Transition, Busy, Transition]
        assert seen.data.numbers == [6]
