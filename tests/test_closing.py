"""Threads, loops and engines use one file at once, and some close: each call ends in an answer, Busy or Closed."""

import asyncio
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from persistence import Busy, Closed, SQLiteStore, StoreError
from persistence.sqlite.transaction import SQLiteTransaction
from statemachine import Engine, Instance, Transition
from statemachine.writer import Writer
from tests.children import Add, Tally, TallyData, child
from tests.patience import WAIT_SECONDS_MAX
from tests.test_crowd import HOLDER

THREADS, LOOPS, ROUNDS, CLOSINGS = 8, 2, 20, 10
Handle = Instance[Tally, TallyData]


def all_end(works: list[Callable[[], object]]) -> None:
    """Run each work on a thread of its own, and wait for all of them: the watchdog."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS_MAX)
    assert not any(thread.is_alive() for thread in threads)


def submit_and_wait(tally: Handle) -> Transition:
    return tally.submit(Add(1)).result(WAIT_SECONDS_MAX)


class Callers:
    """Those who send, each in its own way, and what they were told."""

    def __init__(self, tallies: list[Handle]) -> None:
        self.tallies = tallies
        self.told = Counter[str]()
        self.has_begun = threading.Semaphore(0)

    def hear(self, call: Callable[[], object]) -> bool:
        """Count what a call came to; say whether it may be made again."""
        try:
            call()
        except StoreError as error:
            self.told[type(error).__name__] += 1
            return not isinstance(error, Closed)
        self.told["done"] += 1
        self.has_begun.release()
        return True

    def send(self, number: int) -> None:
        """Send from a thread, in turn by each of the two ways of waiting there."""
        for count in range(ROUNDS):
            tally = self.tallies[(number + count) % len(self.tallies)]
            ways: list[Callable[[], object]] = [partial(tally.send, Add(1)), partial(submit_and_wait, tally)]
            if not self.hear(ways[count % 2]):
                return

    def send_in_loop(self, number: int) -> None:
        """Send from an event loop, several at a time."""

        async def send(count: int) -> None:
            try:
                await self.tallies[(number + count) % len(self.tallies)].asend(Add(1))
            except StoreError as error:
                self.told[type(error).__name__] += 1
            else:
                self.told["done"] += 1
                self.has_begun.release()

        async def main() -> None:
            await asyncio.gather(*(send(count) for count in range(ROUNDS)))

        asyncio.run(main())

    def works(self) -> list[Callable[[], object]]:
        threads = [lambda number=number: self.send(number) for number in range(THREADS)]
        return [*threads, *(lambda number=number: self.send_in_loop(number) for number in range(LOOPS))]


SENT = (THREADS + LOOPS) * ROUNDS


def total(path: Path) -> int:
    with Engine(path, Tally, read_only=True) as engine:
        return sum(tally.data.total for tally in engine.list(Tally))


def test_threads_and_loops_share_an_engine(tmp_path: Path) -> None:
    with Engine(tmp_path / "a.db", Tally) as engine:
        callers = Callers([engine.start(Tally, id=name) for name in "abc"])
        all_end(callers.works())
    assert callers.told == {"done": SENT}
    assert total(tmp_path / "a.db") == SENT


def test_engines_of_one_process_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engines = [Engine(path, Tally) for _ in range(3)]
    for name in "abc":
        engines[0].start(Tally, id=name)
    callers = Callers([engine.get(Tally, name) for name in "abc" for engine in engines])
    all_end(callers.works())
    all_end([engine.close for engine in engines])
    assert callers.told == {"done": SENT}
    assert total(path) == SENT


def test_closing_while_others_send_ends_every_call(tmp_path: Path) -> None:
    """What was answered is there, and nothing else."""
    done = 0
    for number in range(CLOSINGS):
        engine = Engine(tmp_path / "a.db", Tally)
        callers = Callers([engine.start(Tally, id=name) for name in "abc"])

        def close(engine: Engine = engine, callers: Callers = callers, number: int = number) -> None:
            for _ in range(1 + 5 * number):
                assert callers.has_begun.acquire(timeout=WAIT_SECONDS_MAX)
            all_end([engine.close, engine.close])

        all_end([*callers.works(), close])
        assert set(callers.told) <= {"done", "Busy", "Closed"}
        done += callers.told["done"]
        assert total(tmp_path / "a.db") == done


def test_a_call_that_is_queued_when_the_engine_is_closed_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing comes between the queueing of a call and the waking of who leads it."""
    engine = Engine(tmp_path / "a.db", Tally)
    tally = engine.start(Tally, id="t")
    assert tally.submit(Add(1)).result(WAIT_SECONDS_MAX).version == 2
    begin, futures = Writer.begin, list[Future[Transition]]()

    def late(writer: Writer) -> None:
        monkeypatch.setattr(Writer, "begin", begin)
        all_end([engine.close])
        begin(writer)

    monkeypatch.setattr(Writer, "begin", late)
    all_end([lambda: futures.append(tally.submit(Add(1)))])
    assert Writer.begin is begin
    assert futures[0].result(WAIT_SECONDS_MAX).version == 3


def test_whoever_closes_waits_for_what_is_queued(tmp_path: Path) -> None:
    """The second who closes as well: the store is closed when nobody needs it any longer."""
    engine = Engine(tmp_path / "a.db", Tally)
    tally = engine.start(Tally, id="t")
    futures = [tally.submit(Add(1)) for _ in range(200)]
    all_end([engine.close, engine.close])
    assert [future.result(0).version for future in futures] == list(range(2, 202))


def test_a_batch_waits_once_for_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were its members to wait one by one, the last would wait for as many bounds as there are members."""
    begins, count, are_queued = list[None](), 40, threading.Event()
    with Engine(tmp_path / "a.db", Tally) as engine:
        tally = engine.start(Tally, id="t")
        assert isinstance(engine.store, SQLiteStore)
        begin = engine.store._begin

        def counted() -> SQLiteTransaction:
            begins.append(None)
            assert are_queued.wait(WAIT_SECONDS_MAX)
            return begin()

        monkeypatch.setattr(engine.store, "_begin", counted)
        monkeypatch.setattr("persistence.sqlite.connection.BUSY_MS_MAX", 50)
        with child(HOLDER, tmp_path / "a.db", stdin=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            futures = [tally.submit(Add(1)) for _ in range(count)]
            are_queued.set()
            told = [future.exception(WAIT_SECONDS_MAX) for future in futures]
            holder.communicate("go\n")
        assert {type(one) for one in told} == {Busy}
        assert len(begins) <= 2  # of those who were there when the first began, and of all the others
        assert tally.send(Add(1)).version == 2
