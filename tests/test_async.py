"""`submit`, `asend` and `afire` wait for what `send` and `fire` do: calls run in order, and no loop is held."""

import asyncio
import gc
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from attrs import define, field, frozen

from persistence import Busy, Closed, MemoryStore
from statemachine import Engine, FrameError, Instance, Limits, ReentrantCall, Refused, State, Workflow, on
from tests.patience import WAIT_SECONDS_MAX


@frozen
class Put:
    item: int


@frozen
class Hold:
    """Stay in the action until somebody outside says go."""


@frozen
class Call:
    """Call into the engine from the action."""

    how: str


@define
class BoxData:
    items: list[int] = field(factory=list[int])


ENTERED, GO = threading.Event(), threading.Event()
BOXES: "list[Instance[Box, BoxData]]" = []


class Box(Workflow[BoxData], revision=1):
    """Holds what it is sent, in order."""

    open_ = State(initial=True)

    @on(Put, open_, to=None)
    def put(self, event: Put) -> None:
        self.data.items.append(event.item)

    @on(Hold, open_, to=None)
    def hold(self, event: Hold) -> None:
        ENTERED.set()
        assert GO.wait(WAIT_SECONDS_MAX)

    @on(Call, open_, to=None)
    def call(self, event: Call) -> None:
        box = BOXES[0]
        {"submit": box.submit, "asend": box.asend}[event.how](Put(1))


@pytest.fixture(autouse=True)
def _events() -> Iterator[None]:
    ENTERED.clear()
    GO.clear()
    yield
    GO.set()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Instance[Box, BoxData]]:
    with Engine(tmp_path / "box.db", Box) as engine:
        BOXES[:] = [engine.start(Box, id="b")]
        yield BOXES[0]


def small(calls_max: int) -> tuple[Engine, Instance[Box, BoxData]]:
    engine = Engine(MemoryStore(), Box, limits=Limits(calls_max=calls_max))
    return engine, engine.start(Box, id="b")


async def entered() -> None:
    """Let the loop go round until the action has begun, on another thread."""
    while not ENTERED.is_set():  # noqa: ASYNC110  # the event is another thread's
        await asyncio.sleep(0)


# -- the same meaning --------------------------------------------------------------------------------------------------


def test_asend_returns_the_transition_that_is_durable(box: Instance[Box, BoxData], tmp_path: Path) -> None:
    done = asyncio.run(box.asend(Put(1), key="k", actor="ann", note="n", expect_version=1))

    with Engine(tmp_path / "box.db", Box) as other:
        (_, stored) = other.get(Box, "b").history()
    assert (done.version, done.hash, done.replayed) == (2, stored.hash, False)
    assert (stored.key, stored.actor, stored.note) == ("k", "ann", "n")
    assert asyncio.run(box.asend(Put(1), key="k")).replayed


def test_submit_returns_a_future_of_the_transition(box: Instance[Box, BoxData]) -> None:
    assert box.submit(Put(1)).result(WAIT_SECONDS_MAX).version == 2


def test_a_refusal_is_raised_by_asend_and_answered_by_afire(box: Instance[Box, BoxData]) -> None:
    with pytest.raises(Refused, match=r"^stale_version: "):
        asyncio.run(box.asend(Put(1), expect_version=7))

    outcome = asyncio.run(box.afire("Put", {"item": "1"}, key="k"))
    assert (outcome["outcome"], outcome["code"]) == ("refused", "invalid_payload")
    assert asyncio.run(box.afire("Put", {"item": 1}, key="k"))["outcome"] == "committed"


# -- order -------------------------------------------------------------------------------------------------------------


def test_events_run_in_the_order_of_the_calls(box: Instance[Box, BoxData]) -> None:
    """However they are awaited: the last one first, or all at once."""

    async def main() -> None:
        waiting = [box.asend(Put(number)) for number in range(50)]
        for one in reversed(waiting):
            await one
        await asyncio.gather(*(box.asend(Put(number)) for number in range(50, 100)))
        async with asyncio.TaskGroup() as group:
            for number in range(100, 120):
                group.create_task(box.asend(Put(number)))

    asyncio.run(main())
    assert box.data.items == [*range(120)]


def put_behind_a_long_one(box: Instance[Box, BoxData]) -> list[int]:
    """Queue events while one runs, and return in which order they ran."""
    box.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    futures = [box.submit(Put(number)) for number in range(20)]
    GO.set()
    for one in futures:
        one.result(WAIT_SECONDS_MAX)
    return box.data.items


def test_events_that_wait_for_a_long_one_keep_their_order(box: Instance[Box, BoxData]) -> None:
    assert put_behind_a_long_one(box) == [*range(20)]


class Turned(deque[Any]):
    """A queue whose last one is first."""

    def __getitem__(self, place: Any) -> Any:
        return super().__getitem__(-1 - place)

    def popleft(self) -> Any:
        return self.pop()


def test_a_queue_that_turns_the_order_round_is_found(box: Instance[Box, BoxData]) -> None:
    """Negative control: the last call is taken first."""
    engine: Any = box._engine  # the fault is planted in its queue
    engine._writer._queue = Turned()
    assert put_behind_a_long_one(box) == [*reversed(range(20))]


def test_each_of_several_loops_keeps_its_order(box: Instance[Box, BoxData]) -> None:
    """Four threads with a loop each send to one instance; the calls of each stand in their order, none is lost."""

    async def main(first: int) -> None:
        for number in range(0, 20, 2):
            await asyncio.gather(box.asend(Put(first + number)), box.asend(Put(first + number + 1)))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(main(100 * n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS_MAX)

    items = box.data.items
    assert [[one for one in items if one // 100 == n] for n in range(4)] == [
        [*range(100 * n, 100 * n + 20)] for n in range(4)
    ]
    assert [one.version for one in box.history()] == [*range(1, 82)]


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_the_loop_goes_on_while_an_event_runs(box: Instance[Box, BoxData]) -> None:
    """The action waits for something that only the loop can do: a loop that is held would never do it."""

    async def main() -> int:
        waiting = asyncio.ensure_future(box.asend(Hold()))
        await entered()
        GO.set()
        return (await waiting).version

    assert asyncio.run(main()) == 2


def test_cancelling_stops_the_waiting_and_not_the_event(box: Instance[Box, BoxData]) -> None:
    async def main() -> None:
        running = asyncio.ensure_future(box.asend(Hold(), key="held"))
        queued = asyncio.ensure_future(box.asend(Put(1), key="queued"))
        await entered()
        for one in (running, queued):
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        GO.set()
        assert (await box.asend(Put(1), key="queued")).replayed
        assert (await box.asend(Hold(), key="held")).replayed

    asyncio.run(main())
    assert box.data.items == [1]


def test_a_loop_that_is_gone_disturbs_nobody(box: Instance[Box, BoxData], caplog: pytest.LogCaptureFixture) -> None:
    """asyncio.run ends while the event runs: the event happens, and nothing is logged."""

    async def main() -> None:
        waiting = asyncio.ensure_future(box.asend(Hold()))
        await entered()
        assert not waiting.done()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
        gc.collect()  # what other tests left behind may be told of here, and is not looked at
        caplog.clear()
        GO.set()
        assert box.submit(Put(1)).result(WAIT_SECONDS_MAX).version == 3
    assert caplog.records == []


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("how", ["submit", "asend"])
def test_a_call_leaves_nothing_for_the_collector(how: str) -> None:
    """Nothing that it is made of leads back to itself: sixteen objects of each call waited to be found."""
    engine, box = small(10)
    call: Callable[[Put], Any] = {"submit": box.submit, "asend": box.asend}[how]
    left: list[ref[Any]] = []

    async def main() -> None:
        waiting = [call(Put(number)) for number in range(3)]
        left.extend(ref(one) for one in waiting)
        for one in waiting:
            await asyncio.wrap_future(one) if how == "submit" else await one

    with engine:
        asyncio.run(main())
    assert [one() for one in left] == [None] * 3


# -- bounds and ends ---------------------------------------------------------------------------------------------------


def test_more_calls_than_may_wait_are_refused() -> None:
    engine, box = small(2)
    first = box.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    second = box.submit(Put(1))
    with pytest.raises(Busy, match="2 calls wait"):
        box.submit(Put(2))
    GO.set()

    assert [one.result(WAIT_SECONDS_MAX).version for one in (first, second)] == [2, 3]
    assert box.submit(Put(3)).result(WAIT_SECONDS_MAX).version == 4
    engine.close()


def test_a_future_that_is_cancelled_in_the_queue_frees_its_place_and_never_runs() -> None:
    engine, box = small(2)
    first = box.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    assert box.submit(Put(1)).cancel()
    second = box.submit(Put(2))
    GO.set()

    assert [one.result(WAIT_SECONDS_MAX).version for one in (first, second)] == [2, 3]
    assert box.data.items == [2]
    engine.close()


def test_closing_lets_what_is_queued_finish_and_refuses_the_rest(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "box.db", Box)
    box = engine.start(Box, id="b")
    futures = [box.submit(Hold()), *(box.submit(Put(number)) for number in range(5))]
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    closing = threading.Thread(target=engine.close)
    closing.start()
    GO.set()
    closing.join(WAIT_SECONDS_MAX)

    assert [one.result(0).version for one in futures] == [*range(2, 8)]
    for call in (lambda: box.submit(Put(9)), lambda: asyncio.run(box.asend(Put(9)))):
        with pytest.raises(Closed):
            call()
    with Engine(tmp_path / "box.db", Box) as again:
        assert again.get(Box, "b").data.items == [*range(5)]


def test_an_engine_that_never_queued_anything_refuses_once_it_is_closed() -> None:
    engine, box = small(2)
    engine.close()
    engine.close()
    with pytest.raises(Closed, match="this engine is closed"):
        box.submit(Put(1))


def test_closing_from_the_callback_of_a_future_does_not_wait_for_itself() -> None:
    """It runs on the thread of the queue: what is queued behind it is refused."""
    engine, box = small(5)
    first = box.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    second = box.submit(Put(1))
    first.add_done_callback(lambda _: engine.close())
    GO.set()

    assert first.result(WAIT_SECONDS_MAX).version == 2
    with pytest.raises(Closed):
        second.result(WAIT_SECONDS_MAX)


@pytest.mark.parametrize("how", ["submit", "asend"])
@pytest.mark.parametrize("send", ["send", "asend"])
def test_a_callback_that_queues_an_event_is_refused(how: str, send: str, box: Instance[Box, BoxData]) -> None:
    sends: dict[str, Callable[[], object]] = {
        "send": lambda: box.send(Call(how)),
        "asend": lambda: asyncio.run(box.asend(Call(how))),
    }
    with pytest.raises(ReentrantCall) as raised:
        sends[send]()

    assert isinstance(raised.value, FrameError)
    assert box.version == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # that is what is tested
def test_a_forked_child_is_refused_and_the_parent_goes_on(box: Instance[Box, BoxData]) -> None:
    """The child has no thread for the queue: it must be told, and not wait for ever."""
    box.submit(Put(1)).result(WAIT_SECONDS_MAX)
    child = os.fork()
    if child == 0:
        try:
            box.submit(Put(2))
        except Closed:
            os._exit(7)
        finally:
            os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert box.submit(Put(3)).result(WAIT_SECONDS_MAX).version == 3
