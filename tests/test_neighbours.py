"""Where the members of a batch meet: what one does to its SQL, its event, its thread or its future is its own."""

import asyncio
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define, field, frozen

from persistence import Busy, MemoryStore
from persistence.sqlite import statements
from persistence.sqlite.transaction import SQLiteTransaction
from statemachine import DataError, Engine, Instance, Limits, State, Workflow, on
from tests.patience import WAIT_SECONDS_MAX

SCHEMA = "create table if not exists booking (instance text, amount int unique);"
ENTERED, GO = threading.Event(), threading.Event()


@frozen
class Hold:
    """Stay in the action until somebody outside says go."""


@frozen
class Pay:
    amount: int


@frozen
class Fill:
    """Book an amount, then put so many characters into the data."""

    amount: int
    count: int


@frozen
class Spoil:
    how: str


@frozen
class Take:
    """An event in which an action can change something."""

    items: list[int]


@define
class TillData:
    total: int = 0
    text: str = ""
    taken: list[int] = field(factory=list[int])


class Till(Workflow[TillData], revision=1):
    """Books what it takes."""

    open_ = State(initial=True)

    @on(Hold, open_, to=None)
    def hold(self, event: Hold) -> None:
        ENTERED.set()
        assert GO.wait(WAIT_SECONDS_MAX)

    @on(Pay, open_, to=None)
    def pay(self, event: Pay) -> None:
        self.sql.execute("insert into booking values (?, ?)", (self.id, event.amount))
        self.data.total += event.amount

    @on(Fill, open_, to=None)
    def fill(self, event: Fill) -> None:
        self.sql.execute("insert into booking values (?, ?)", (self.id, event.amount))
        self.data.text = "x" * event.count

    @on(Take, open_, to=None)
    def take(self, event: Take) -> None:
        self.data.taken.append(event.items.pop())

    @on(Spoil, open_, to=None)
    def spoil(self, event: Spoil) -> None:
        self.sql.execute("insert into booking values (?, ?)", (self.id, 999))
        if event.how == "rollback":
            self.sql.execute("insert or rollback into booking values (?, ?)", (self.id, 999))
        if event.how == "stop":
            raise StopIteration
        if event.how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        if event.how == "raise":
            raise ValueError(event.how)


@pytest.fixture(autouse=True)
def _events() -> Iterator[None]:
    ENTERED.clear()
    GO.clear()
    yield
    GO.set()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "till.db", Till, schema=SCHEMA, limits=Limits(data_bytes_max=10_000)) as made:
        yield made


class Held:
    """Let what is queued inside the block wait together: a batch of its own is held until the end of it."""

    def __init__(self, instance: Instance[Any, Any]) -> None:
        self._instance = instance

    def __enter__(self) -> None:
        self._first = self._instance.submit(Hold())
        assert ENTERED.wait(WAIT_SECONDS_MAX)

    def __exit__(self, *_: object) -> None:
        GO.set()
        self._first.result(WAIT_SECONDS_MAX)


def queued(engine: Engine, count: int) -> None:
    """Wait until so many are in the queue."""
    while len(engine._writer._queue) < count:
        pass


def bookings(engine: Engine) -> list[tuple[Any, ...]]:
    return list(engine.sql().execute("select instance, amount from booking order by amount"))


# -- what a member left ------------------------------------------------------------------------------------------------


def test_a_member_whose_data_is_too_large_leaves_no_rows_with_its_neighbours(engine: Engine) -> None:
    """Its SQL had run well: what is refused is what came of it."""
    one, large, other = (engine.start(Till, id=name) for name in ("one", "large", "other"))
    with Held(one):
        waiting = [one.submit(Pay(1)), large.submit(Fill(2, 20_000)), other.submit(Pay(3))]
    assert [waiting[place].result(WAIT_SECONDS_MAX).version for place in (0, 2)] == [3, 2]
    with pytest.raises(DataError, match="at most 10000"):
        waiting[1].result(WAIT_SECONDS_MAX)

    assert bookings(engine) == [("one", 1), ("other", 3)]
    assert large.version == 1


def test_a_member_whose_rows_cannot_be_undone_leaves_none_with_its_neighbours(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may fail while a savepoint is undone: then nothing of the batch is committed as it is."""
    one, bad, other = (engine.start(Till, id=name) for name in ("one", "bad", "other"))
    undo, right = SQLiteTransaction._undo_member, statements.UNDO

    def undoing(transaction: SQLiteTransaction) -> None:
        try:
            undo(transaction)
        finally:
            monkeypatch.setattr(statements, "UNDO", right)

    monkeypatch.setattr(SQLiteTransaction, "_undo_member", undoing)
    monkeypatch.setattr(statements, "UNDO", "SELECT no_such_function()")
    with Held(one):
        waiting: list[Future[Any]] = [one.submit(Pay(1)), bad.submit(Spoil("raise")), other.submit(Pay(3))]
    assert [waiting[place].result(WAIT_SECONDS_MAX).version for place in (0, 2)] == [3, 2]
    with pytest.raises(ValueError, match="raise"):
        waiting[1].result(WAIT_SECONDS_MAX)
    assert bookings(engine) == [("one", 1), ("other", 3)]


def test_an_id_that_exists_is_started_again_beside_an_event_of_it(engine: Engine) -> None:
    """The start finds the head that the event leaves, and the key that was written long ago."""
    till = engine.start(Till, id="t")
    found: list[object] = []

    def start() -> None:
        try:
            found.append(engine.start(Till, id="t").id)
        except Exception as error:  # noqa: BLE001  # it is compared
            found.append(error)

    starting = threading.Thread(target=start)
    with Held(till):
        paid = till.submit(Pay(1))
        starting.start()
        queued(engine, 2)
    starting.join(WAIT_SECONDS_MAX)

    assert found == ["t"]
    assert paid.result(WAIT_SECONDS_MAX).version == 3


def test_an_event_that_is_decided_again_is_the_one_that_was_sent(engine: Engine) -> None:
    """What an action did to it in a batch that was undone is not in it."""
    one, bad = engine.start(Till, id="one"), engine.start(Till, id="bad")
    with Held(one):
        taken, spoilt = one.submit(Take([1, 2, 3])), bad.submit(Spoil("rollback"))
    assert taken.result(WAIT_SECONDS_MAX).payload == {"items": [1, 2, 3]}
    assert spoilt.exception(WAIT_SECONDS_MAX) is not None

    assert one.data.taken == [3]


# -- what its future does ----------------------------------------------------------------------------------------------


def leave(_: object) -> None:
    sys.exit(3)


def test_the_callback_of_a_future_that_exits_keeps_nobody_waiting(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    with Held(till):
        first, second = till.submit(Pay(1)), till.submit(Pay(2))
        first.add_done_callback(leave)
    assert second.result(WAIT_SECONDS_MAX).version == 4
    assert till.submit(Pay(3)).result(WAIT_SECONDS_MAX).version == 5


def test_a_future_that_somebody_else_finished_keeps_nobody_waiting(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    with Held(till):
        first, second, third = (cast("Future[Any]", till.submit(Pay(amount))) for amount in (1, 2, 3))
        first.set_result(None)
        second.set_running_or_notify_cancel()
    assert second.result(WAIT_SECONDS_MAX).version == 3
    assert third.result(WAIT_SECONDS_MAX).version == 4
    assert till.submit(Pay(4)).result(WAIT_SECONDS_MAX).version == 5


def test_an_answer_that_no_future_takes_keeps_nobody_waiting(engine: Engine) -> None:
    """A future of asyncio takes no StopIteration: it is told as what it is, and the others are told as ever."""
    till, bad = engine.start(Till, id="t"), engine.start(Till, id="bad")

    async def send() -> list[Any]:
        with Held(till):
            waiting = [bad.asend(Spoil("stop")), till.asend(Pay(1))]
        return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), WAIT_SECONDS_MAX)

    spoilt, paid = asyncio.run(send())
    assert isinstance(spoilt, RuntimeError)
    assert isinstance(spoilt.__cause__, StopIteration)
    assert paid.version == 3


def test_the_callback_of_a_future_does_not_wait_for_room_that_only_it_can_make() -> None:
    """It is told that it is Busy, and its thread goes on."""
    with Engine(MemoryStore(), Till, limits=Limits(calls_max=2), when_full="wait") as engine:
        till = engine.start(Till, id="t")
        told: Future[object] = Future()

        def more(_: object) -> None:
            try:
                told.set_result([till.submit(Take([number])) for number in range(3)])
            except Busy as busy:
                told.set_result(busy)

        first = till.submit(Hold())
        assert ENTERED.wait(WAIT_SECONDS_MAX)
        first.add_done_callback(more)
        GO.set()
        assert first.result(WAIT_SECONDS_MAX).version == 2
        assert isinstance(told.result(WAIT_SECONDS_MAX), Busy)
        assert till.submit(Take([9])).result(WAIT_SECONDS_MAX).version == 5


def test_callbacks_that_send_while_many_wait_do_not_nest(tmp_path: Path) -> None:
    """Each is run after the one before it has ended, however many batches their events wait behind."""
    count = 600
    with Engine(MemoryStore(), Till, limits=Limits(batch_max=2)) as engine:
        till = engine.start(Till, id="t")
        told: list[object] = []
        are_over = threading.Event()

        def again(_: object) -> None:
            try:
                told.append(till.send(Take([1])).event)
            except BaseException as error:  # noqa: BLE001  # it is looked at
                told.append(error)
            if len(told) == count:
                are_over.set()

        with Held(till):
            waiting = [till.submit(Take([number])) for number in range(count)]
            for one in waiting:
                one.add_done_callback(again)
        assert are_over.wait(WAIT_SECONDS_MAX)
        assert {one.result(0).event for one in waiting} == {"Take"}
        last = till.submit(Take([0])).result(WAIT_SECONDS_MAX)
    assert told == ["Take"] * count
    assert last.version == 2 * count + 3


# -- who closes, and who comes too late --------------------------------------------------------------------------------


def test_a_call_that_comes_while_the_engine_is_closed_is_answered(engine: Engine) -> None:
    """Between being let in and standing in the queue nobody closes the door."""
    till = engine.start(Till, id="t")
    till.submit(Pay(1)).result(WAIT_SECONDS_MAX)
    closing = threading.Thread(target=engine.close)

    class Queue(deque[Any]):
        def append(self, member: Any, /) -> None:
            if threading.current_thread() is threading.main_thread():
                closing.start()
                closing.join(0.2)  # it ends where it can
            super().append(member)

    engine._writer._queue = Queue()
    found = till.submit(Pay(2))
    found.exception(WAIT_SECONDS_MAX)
    closing.join(WAIT_SECONDS_MAX)
    assert not closing.is_alive()
    assert found.result(0).version == 3


def test_who_closes_second_waits_for_what_is_queued_too(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    first = till.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    second = till.submit(Pay(1))
    closing = [threading.Thread(target=engine.close) for _ in range(2)]
    closing[0].start()
    while not engine._writer._is_closed:
        pass
    closing[1].start()
    closing[1].join(0.2)
    GO.set()
    for thread in closing:
        thread.join(WAIT_SECONDS_MAX)
    assert (first.result(0).version, second.result(0).version) == (2, 3)


def test_a_thread_that_cannot_be_started_is_tried_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    till = engine.start(Till, id="t")
    start: Callable[[threading.Thread], None] = threading.Thread.start

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError):
        till.submit(Pay(1))
    monkeypatch.setattr(threading.Thread, "start", start)
    assert till.submit(Pay(2)).result(WAIT_SECONDS_MAX).version == 2


# -- whose exception it is ---------------------------------------------------------------------------------------------


def test_a_signal_that_ends_the_main_thread_ends_it_while_it_leads(engine: Engine) -> None:
    """`sys.exit()` in a handler runs in whatever the main thread does: it is not another sender's error."""
    till, other = engine.start(Till, id="t"), engine.start(Till, id="o")
    told: list[object] = []

    def spoil() -> None:
        try:
            other.send(Spoil("signal"))
        except BaseException as error:  # noqa: BLE001  # it is looked at
            told.append(error)

    def go() -> None:
        queued(engine, 2)
        GO.set()

    def spoil_second() -> None:
        queued(engine, 1)
        spoil()

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    try:
        holding = threading.Thread(target=lambda: till.send(Hold()))
        holding.start()
        assert ENTERED.wait(WAIT_SECONDS_MAX)
        threads = [threading.Thread(target=spoil_second), threading.Thread(target=go)]
        for thread in threads:
            thread.start()
        with pytest.raises(SystemExit):
            till.send(Pay(1))
    finally:
        signal.signal(signal.SIGTERM, before)
        GO.set()
    for thread in (holding, *threads):
        thread.join(WAIT_SECONDS_MAX)
    assert [type(one) for one in told] == [Busy]
    assert till.send(Pay(2)).version == 3


def test_a_child_that_was_forked_while_somebody_queued_can_end(engine: Engine) -> None:
    """Its atexit finds the parent's locks as they were, and leaves them alone."""
    till = engine.start(Till, id="t")
    till.submit(Pay(1)).result(WAIT_SECONDS_MAX)
    writer = engine._writer
    with writer._mutex:  # another thread of the parent
        child = os.fork()
        if child == 0:
            signal.alarm(WAIT_SECONDS_MAX)
            writer.close()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
