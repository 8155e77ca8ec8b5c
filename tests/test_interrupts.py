"""A Ctrl-C, wherever it is heard of, leaves an engine that goes on: for its thread, for others, and to its end."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from persistence import Busy, InDoubt, MemoryStore, SQLiteStore, StoreError
from statemachine import Engine, Instance, State, Workflow, on
from statemachine.writer import Writer
from tests.interrupting import interruptible
from tests.patience import BOUNDS, WAIT_SECONDS_MAX
from tests.striking import Strike, unless_interrupted

SAMPLE = 7  # of so many places one is struck in a quick run
STEP, BEHIND_MAX = 29, 25  # places that are struck twice, and how soon
NOBODY_WAITS_SECONDS = WAIT_SECONDS_MAX / 3  # what is lost is told of then; nothing else takes so long


@frozen
class Pay:
    amount: int


@frozen
class Hold: ...


@define
class Money:
    total: int = 0


class Purse(Workflow[Money], revision=1):
    counting = State(initial=True)

    def is_real(self, event: Pay) -> bool:
        return event.amount > 0

    @on(Pay, counting, to=None, when=is_real)
    def pay(self, event: Pay) -> None:
        self.data.total += event.amount


class Till(Purse, revision=1):
    def pay(self, event: Pay) -> None:
        self.data.total += event.amount
        self.sql.execute("insert into booking values (?, ?)", (self.id, event.amount))


SCHEMA = "create table if not exists booking (instance text, amount int) strict"
Handle = Instance[Any, Money]


@pytest.fixture(autouse=True)
def _interruptible(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    bounded(monkeypatch, NOBODY_WAITS_SECONDS)
    with interruptible():
        yield


def bounded(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for name, second in BOUNDS.items():
        monkeypatch.setattr(name, seconds * second)


class Scene:
    """An engine that is used, struck, and looked at."""

    def __init__(self, folder: Path, kind: str = "sqlite") -> None:
        self.path = folder / "till.db"
        self.workflow: Any = Till if kind == "sqlite" else Purse
        self.engine = self.open() if kind == "sqlite" else Engine(MemoryStore(), Purse)
        self.till: Handle = self.engine.start(self.workflow, id="t")
        assert self.till.submit(Pay(1)).result(WAIT_SECONDS_MAX).version == 2  # from here on there is a thread

    def open(self) -> Engine:
        return Engine(self.path, Till, schema=SCHEMA)

    def is_whole(self) -> None:
        """The journal has no gap, and data and the user's rows are what it says."""
        count = len(self.till.history())
        assert [one.version for one in self.till.history()] == list(range(1, count + 1))
        assert (self.till.version, self.till.data.total) == (count, count - 1)
        if self.workflow is Till:
            assert self.engine.sql().execute("select count(*) from booking") == [(count - 1,)]

    def goes_on(self) -> None:
        """This thread sends, another one does, and the writer's own; all of them read."""
        self.is_whole()
        before = self.till.version
        assert self.till.send(Pay(1), key="here").version == before + 1
        assert beside(lambda: self.till.send(Pay(1), key="there").version) == before + 2
        assert self.till.submit(Pay(1)).result(WAIT_SECONDS_MAX).version == before + 3
        self.is_whole()
        beside(self.is_whole)
        with self.engine.snapshot() as snapshot:
            assert snapshot.get(self.workflow, "t").version == before + 3
        beside(self.engine.close)

    def give_up(self) -> None:
        """Close it, whatever it was left in."""
        self.engine.store.abandon()
        self.engine._writer._baton.clear()
        self.engine.close()

    def is_closed(self) -> None:
        """Closing it once more closes it, and leaves nothing to be recovered."""
        beside(self.engine.close)
        self.engine = self.open()
        assert isinstance(self.engine.store, SQLiteStore)
        assert self.engine.store.facts.unclean == ()
        self.till = self.engine.get(Till, "t")
        self.goes_on()


def beside(work: Callable[[], Any]) -> Any:
    """Return what some work on another thread returns; raise here what it raises there."""
    found: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS_MAX)
    assert not thread.is_alive()
    for error in failed:
        raise error
    return found[0]


def send(scene: Scene) -> None:
    scene.till.send(Pay(1), key="b")


def start(scene: Scene) -> None:
    scene.engine.start(scene.workflow, id="u")


def refused(scene: Scene) -> None:
    scene.till.fire("Pay", {"amount": -1})


def read(scene: Scene) -> None:
    assert scene.till.data.total == len(scene.till.history()) - 1
    assert [one.id for one in scene.engine.list(scene.workflow)]
    assert scene.till.offers(Pay(1))
    scene.till.at(1)


def read_rows(scene: Scene) -> None:
    scene.engine.sql().execute("select count(*) from booking")


def hold_snapshot(scene: Scene) -> None:
    with scene.engine.snapshot() as snapshot:
        assert snapshot.get(scene.workflow, "t").data.total == 1


def close(scene: Scene) -> None:
    scene.engine.close()


def lead(scene: Scene) -> None:
    send(scene)


class Leading:
    """A batch that the main thread leads: it waits for one who holds the writer, and two more wait behind it."""

    KEYS = ("x", "y")

    def __init__(self) -> None:
        self.entered, self.goes, self.is_over = threading.Event(), threading.Event(), threading.Event()
        self.told: dict[str, object] = {}
        self.threads: list[threading.Thread] = []

    def prepare(self, scene: Scene) -> None:
        self.begin(lambda: scene.engine._writer.send(lambda _: self.hold()))
        assert self.entered.wait(WAIT_SECONDS_MAX)
        self.begin(lambda: self.follow(scene))

    def begin(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def hold(self) -> None:
        self.entered.set()
        assert self.goes.wait(WAIT_SECONDS_MAX)

    def follow(self, scene: Scene) -> None:
        queue = scene.engine._writer._queue
        while not (queue or self.is_over.is_set()):
            pass
        for key in self.KEYS:
            waiting = len(queue)
            self.begin(partial(self.send, scene, key))
            while len(queue) == waiting and not self.is_over.is_set():
                pass
        self.goes.set()

    def send(self, scene: Scene, key: str) -> None:
        try:
            self.told[key] = scene.till.send(Pay(1), key=key).version
        except (Busy, InDoubt) as error:
            self.told[key] = error

    def look(self, scene: Scene) -> None:
        """Everybody was told, and what each was told is so."""
        self.is_over.set()
        self.threads[1].join(WAIT_SECONDS_MAX)  # who follows has begun all of them
        for thread in self.threads:
            thread.join(WAIT_SECONDS_MAX)
        for key in self.KEYS:
            told, done = self.told[key], scene.till.send(Pay(1), key=key)
            if isinstance(told, int):
                assert (done.version, done.replayed) == (told, True)
            else:
                assert "was interrupted" in str(told)
                assert isinstance(told, InDoubt) or not done.replayed


WORKS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    "a send": ("sqlite", send),
    "a send in memory": ("memory", send),
    "a start": ("sqlite", start),
    "a start in memory": ("memory", start),
    "a refusal": ("sqlite", refused),
    "a read": ("sqlite", read),
    "a read in memory": ("memory", read),
    "a read of rows": ("sqlite", read_rows),
    "a snapshot": ("sqlite", hold_snapshot),
    "closing": ("sqlite", close),
    "a batch that it leads": ("sqlite", lead),
}


def struck_at(number: int, kind: str, work: Callable[[Scene], None]) -> str | None:
    """Strike at one place and look at the engine; return the place, None where there are fewer."""
    strike = Strike(number)
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), kind)
        others = Leading()
        if work is lead:
            others.prepare(scene)
        is_interrupted = strike.run(lambda: work(scene))
        try:
            assert is_interrupted == (strike.place is not None), "an interrupt was lost"
            if work is lead:
                others.look(scene)
            if work is close:
                scene.is_closed()
            else:
                scene.goes_on()
        except Exception as error:
            error.add_note(f"struck at place {number}: {strike.place}")
            scene.give_up()
            raise
    return strike.place


def struck_twice(number: int, behind: int, work: Callable[[Scene], None]) -> bool:
    """Strike at a place and once more soon after it, and look at the engine. Returns False where there are fewer."""
    strike = Strike(number, behind=behind)
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        strike.run(lambda: work(scene))
        scene.engine._writer._baton.clear()  # lost, it would be found after ten seconds
        try:
            scene.goes_on()
        except Exception as error:
            error.add_note(f"struck at place {number} and {behind} later: {strike.place}")
            scene.give_up()
            raise
    return strike.place is not None


def struck_at_each(kind: str, work: Callable[[Scene], None], *, step: int = 1) -> int:
    """Strike at places so far apart, one after the other; return the number behind the last."""
    number = 1
    while struck_at(number, kind, work):
        number += step
    return number


@pytest.mark.parametrize("name", WORKS)
def test_an_interrupt_leaves_an_engine_that_goes_on(name: str) -> None:
    """At a sample of the places; a failure names its place."""
    assert struck_at_each(*WORKS[name], step=SAMPLE) > SAMPLE


@pytest.mark.long
@pytest.mark.parametrize("name", WORKS)
def test_an_interrupt_at_every_place_leaves_an_engine_that_goes_on(name: str) -> None:
    assert struck_at_each(*WORKS[name]) > SAMPLE


@pytest.mark.long
@pytest.mark.parametrize("work", [send, read], ids=["a send", "a read"])
def test_a_second_interrupt_leaves_an_engine_that_goes_on_with_the_next_call(work: Callable[[Scene], None]) -> None:
    """It comes while what the first one left open is ended: the next call of that thread ends the rest."""
    number = 1
    while all(struck_twice(number, behind, work) for behind in range(1, BEHIND_MAX)):
        number += STEP


@pytest.mark.parametrize(
    ("owner", "name", "work"),
    [
        (SQLiteStore, "abandon", "a send"),
        (SQLiteStore, "abandon", "a read"),
        (MemoryStore, "abandon", "a send in memory"),
        (Writer, "_pass_on", "a send"),
    ],
)
def test_an_engine_that_does_not_go_on_would_be_found(
    owner: Any, name: str, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: nobody sees to what an interrupt left open."""
    monkeypatch.setattr(owner, name, unless_interrupted(getattr(owner, name)))
    bounded(monkeypatch, 0.05)
    monkeypatch.setattr("tests.test_interrupts.WAIT_SECONDS_MAX", 1)
    with pytest.raises((AssertionError, StoreError)):
        struck_at_each(*WORKS[work])
