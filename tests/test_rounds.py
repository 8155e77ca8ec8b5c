"""What an event loop queues in one round is led from the end of that round on, or by whoever comes before it."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from attrs import define, field, frozen

from persistence import Busy, MemoryStore
from statemachine import Engine, Instance, Limits, State, Transition, Workflow, on
from statemachine.writer import Writer

WAIT_SECONDS_MAX = 20  # for what another thread does; only a fault takes so long


@frozen
class Put:
    item: int


@define
class BoxData:
    items: list[int] = field(factory=list[int])


RAN: list[int] = []


class Box(Workflow[BoxData], revision=1):
    """Holds what it is sent, in order."""

    open_ = State(initial=True)

    @on(Put, open_, to=None)
    def put(self, event: Put) -> None:
        self.data.items.append(event.item)
        RAN.append(event.item)


Handle = Instance[Box, BoxData]
Answers = list[Coroutine[Any, Any, Transition]]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(MemoryStore(), Box) as made:
        RAN.clear()
        made.start(Box, id="b").submit(Put(0)).result(WAIT_SECONDS_MAX)  # the writer's thread runs
        yield made


@pytest.fixture
def box(engine: Engine) -> Handle:
    return engine.get(Box, "b")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def within(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """Do some work in a round of a loop that stops with this round."""

    def stopping() -> None:
        loop.stop()
        work()

    loop.call_soon(stopping)
    loop.run_forever()


def asked(loop: asyncio.AbstractEventLoop, box: Handle, *items: int) -> Answers:
    """Queue events in a loop that stops before it lets anybody lead."""
    answers: Answers = []
    within(loop, lambda: answers.extend(box.asend(Put(item)) for item in items))
    return answers


def ended(work: Callable[[], object]) -> bool:
    """Do some work on a thread of its own, and say whether it came to an end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS_MAX)
    return not thread.is_alive()


async def all_of(answers: Answers) -> list[int]:
    """Return what versions they come to: the watchdog."""
    return [one.version for one in await asyncio.wait_for(asyncio.gather(*answers), WAIT_SECONDS_MAX)]


# -- the round ---------------------------------------------------------------------------------------------------------


def test_nobody_leads_what_a_loop_queued_before_its_round_has_ended(
    engine: Engine, box: Handle, loop: asyncio.AbstractEventLoop
) -> None:
    """Else the tests below would show nothing; once the loop goes on, all of it is led."""
    answers = asked(loop, box, 1, 2, 3)
    assert len(engine._writer._queue) == 3
    assert not engine._writer._baton
    assert loop.run_until_complete(all_of(answers)) == [3, 4, 5]


def test_what_a_loop_queues_in_one_round_is_one_batch(box: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, take = list[int](), Writer._take

    def counted(writer: Writer, own: Any, members: list[Any]) -> None:
        take(writer, own, members)
        taken.append(len(members))

    monkeypatch.setattr(Writer, "_take", counted)

    async def main() -> None:
        await asyncio.gather(*(box.asend(Put(number)) for number in range(50)))

    asyncio.run(main())
    assert taken == [50]


# -- who comes before its end ------------------------------------------------------------------------------------------

COMERS: dict[str, Callable[[Engine, Handle], object]] = {
    "send": lambda _, box: box.send(Put(3)),
    "submit": lambda _, box: box.submit(Put(3)).result(WAIT_SECONDS_MAX),
    "asend": lambda _, box: asyncio.run(box.asend(Put(3))),
    "another loop": lambda _, box: asyncio.run(all_of_new(box, 3)),
    "start": lambda engine, _: engine.start(Box),
    "close": lambda engine, _: engine.close(),
}


@pytest.mark.parametrize("state", ["stopped", "closed"])
@pytest.mark.parametrize("who", COMERS)
def test_whoever_comes_leads_what_a_loop_left_behind(
    who: str, state: str, engine: Engine, loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop is stopped, or closed, before the end of the round; the order stays that of the calls."""
    box = engine.get(Box, "b")
    asked(loop, box, 1, 2)
    if state == "closed":
        loop.close()
    with caplog.at_level(logging.DEBUG, logger="perdure"):
        assert ended(lambda: COMERS[who](engine, box))
    assert RAN[:3] == [0, 1, 2]
    assert caplog.records == []


def test_a_sender_in_the_same_round_is_behind_what_was_queued(box: Handle, loop: asyncio.AbstractEventLoop) -> None:
    """Another's batch takes it, and the end of the round finds nothing left."""
    answers, versions = Answers(), list[int]()

    def both() -> None:
        answers.append(box.asend(Put(1)))
        versions.append(box.send(Put(2)).version)

    within(loop, both)
    assert versions == [4]
    assert loop.run_until_complete(all_of(answers)) == [3]


def test_a_loop_that_stopped_holds_up_no_other_one(box: Handle, loop: asyncio.AbstractEventLoop) -> None:
    """Each of two loops says for itself that a round has ended, also where the other one was to."""
    left = asked(loop, box, 1)
    assert asyncio.run(all_of_new(box, 2, 3)) == [4, 5]
    assert loop.run_until_complete(all_of([*left, *asked(loop, box, 4)])) == [3, 6]
    assert asyncio.run(all_of_new(box, 5)) == [7]


async def all_of_new(box: Handle, *items: int) -> list[int]:
    return await all_of([box.asend(Put(item)) for item in items])


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["refuse", "wait"])
def full(request: pytest.FixtureRequest) -> Iterator[Handle]:
    """An instance of an engine for which two calls may wait."""
    with Engine(MemoryStore(), Box, limits=Limits(calls_max=2), when_full=request.param) as made:
        box = made.start(Box)
        box.submit(Put(0)).result(WAIT_SECONDS_MAX)
        yield box


def until_taken(call: Callable[[], object]) -> None:
    while True:
        try:
            call()
        except Busy:
            continue
        return


@pytest.mark.parametrize("how", ["submit", "asend"])
def test_who_finds_the_queue_full_of_his_own_round_gets_room(
    how: str, full: Handle, loop: asyncio.AbstractEventLoop
) -> None:
    """He waits or tries again without letting the loop go on, so its round never ends."""

    def fill() -> None:
        until_taken(lambda: full.asend(Put(1)))
        until_taken(lambda: full.asend(Put(2)))
        until_taken(lambda: getattr(full, how)(Put(3)))

    assert ended(lambda: within(loop, fill))
    assert full.send(Put(4)).version == 6
    assert full.data.items == [*range(5)]


# -- interrupts and forks ----------------------------------------------------------------------------------------------


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def as_it_is_said(loop: asyncio.AbstractEventLoop, box: Handle, patched: pytest.MonkeyPatch) -> None:
    """Queue an event, and be interrupted before the loop knows that its round is to be ended."""

    def ask() -> None:
        patched.setattr(loop, "call_soon", interrupted)
        _ = box.asend(Put(1))

    within(loop, ask)


def as_it_ends(loop: asyncio.AbstractEventLoop, box: Handle, patched: pytest.MonkeyPatch) -> None:
    """Queue an event, and be interrupted at the end of the round."""
    asked(loop, box, 1)
    patched.setattr(Writer, "begin", interrupted)
    loop.run_forever()


@pytest.mark.parametrize("strike", [as_it_is_said, as_it_ends])
def test_after_an_interrupt_the_next_call_lets_all_be_led(
    strike: Callable[..., None], box: Handle, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is queued nothing stays behind, wherever it struck."""
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        strike(loop, box, patched)
    assert loop.run_until_complete(all_of_new(box, 2)) == [4]
    assert box.data.items == [0, 1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # that is what is tested
def test_a_round_that_ends_in_a_forked_child_leads_nothing(
    engine: Engine, box: Handle, loop: asyncio.AbstractEventLoop
) -> None:
    """What the parent's loop queued is the parent's, though another of its threads held a lock at the fork."""
    answers = asked(loop, box, 1)
    with engine._writer._mutex:
        child = os.fork()
        if child == 0:
            signal.alarm(WAIT_SECONDS_MAX)
            loop.call_soon(loop.stop)
            loop.run_forever()
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert loop.run_until_complete(all_of(answers)) == [3]
