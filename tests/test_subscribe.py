"""Subscribers hear every transition after its commit, in order, and can neither hold up nor fail one."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.order import Order, Submit
from persistence import MemoryStore, StoreFull
from statemachine import Engine, Limits, Transition
from tests.children import Add, Tally, run_child
from tests.kit import STOCKED
from tests.patience import WAIT_SECONDS_MAX

THREADS, ROUNDS = 4, 25


class Ear:
    """A callback that notes what it hears, and can be waited for or held up."""

    def __init__(self) -> None:
        self.heard: list[Transition] = []
        self.reasons: list[str] = []
        self.begun, self.gate, self.over = threading.Event(), threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, transition: Transition) -> None:
        self.begun.set()
        assert self.gate.wait(WAIT_SECONDS_MAX)
        self.heard.append(transition)

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)
        self.over.set()

    @property
    def versions(self) -> list[tuple[str, int]]:
        return [(one.instance, one.version) for one in self.heard]


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    store: Any = MemoryStore() if request.param == "memory" else tmp_path / "a.db"
    schema = None if request.param == "memory" else STOCKED
    with Engine(store, Tally, Order, limits=Limits(unheard_max=60), schema=schema) as engine:
        yield engine


def test_each_transition_is_heard_once_in_order_and_as_its_sender_was_told(engine: Engine, ear: Ear) -> None:
    engine.subscribe(ear)
    tally = engine.start(Tally, id="t")
    done = [tally.send(Add(number), key=f"k-{number}", actor="ann") for number in (1, 2, 3)]
    engine.close()
    assert ear.versions == [("t", 1), ("t", 2), ("t", 3), ("t", 4)]
    assert [(one.hash, one.payload, one.key, one.actor) for one in ear.heard[1:]] == [
        (one.hash, one.payload, one.key, one.actor) for one in done
    ]


def test_what_did_not_happen_is_not_heard(engine: Engine, ear: Ear) -> None:
    tally = engine.start(Tally, id="t")
    tally.send(Add(1), key="k")
    engine.subscribe(ear)
    assert tally.send(Add(1), key="k").replayed
    with pytest.raises(Exception, match="guard_failed"):
        tally.send(Add(-1))
    engine.start(Tally, id="t")
    engine.close()
    assert ear.heard == []


class FailsOnce(MemoryStore):
    """Its next commit fails, after everything was appended."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False

    def transaction(self) -> Any:
        return Failing(self) if self.fails else super().transaction()


class Failing:
    def __init__(self, store: FailsOnce) -> None:
        self.store = store
        store.fails = False
        self.inner = store.transaction()

    def __enter__(self) -> Any:
        transaction = self.inner.__enter__()

        def commit() -> None:
            raise StoreFull("on purpose")

        transaction.commit = commit
        return transaction

    def __exit__(self, *error: object) -> Any:
        return self.inner.__exit__(*error)


def test_a_commit_that_failed_is_not_heard(ear: Ear) -> None:
    store = FailsOnce()
    with Engine(store, Tally) as engine:
        engine.subscribe(ear)
        tally = engine.start(Tally, id="t")
        store.fails = True
        with pytest.raises(StoreFull):
            tally.send(Add(1))
        tally.send(Add(2))
    assert [(one.version, one.payload) for one in ear.heard] == [(1, {"total": 0}), (2, {"amount": 2})]


def test_threads_are_heard_in_the_order_of_the_versions(tmp_path: Path, ear: Ear) -> None:
    with Engine(tmp_path / "a.db", Tally) as engine:
        engine.subscribe(ear)
        tallies = [engine.start(Tally, id=f"t-{number}") for number in range(3)]

        def work() -> None:
            for number in range(ROUNDS):
                tallies[number % 3].send(Add(1))

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        futures = [tallies[0].submit(Add(1)) for _ in range(ROUNDS)]
        for thread in threads:
            thread.join()
        assert [future.result().version for future in futures] == sorted(future.result().version for future in futures)
        versions = {tally.id: tally.version for tally in tallies}
    for name, version in versions.items():
        assert [one for one in ear.versions if one[0] == name] == [(name, count + 1) for count in range(version)]


def test_one_workflow_is_heard_where_that_is_asked(engine: Engine, ear: Ear) -> None:
    engine.subscribe(ear, workflow=Order)
    engine.start(Tally, id="t").send(Add(1))
    engine.start(Order, id="o").send(Submit("lamp", 1))
    engine.close()
    assert ear.versions == [("o", 1), ("o", 2)]


def test_one_who_ended_hears_nothing_more(engine: Engine, ear: Ear) -> None:
    tally = engine.start(Tally, id="t")
    with engine.subscribe(ear, ended=ear.ended) as subscription:
        tally.send(Add(1))
        assert ear.begun.wait(WAIT_SECONDS_MAX)
        assert subscription.reason is None
    assert ear.over.wait(WAIT_SECONDS_MAX)
    tally.send(Add(1))
    subscription.end()
    engine.close()
    assert (ear.versions, ear.reasons) == ([("t", 2)], ["it was ended"])


def test_one_who_is_too_slow_ends_without_a_gap_and_holds_up_nobody(
    engine: Engine, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    other = Ear()
    subscription = engine.subscribe(ear, ended=ear.ended)
    tally = engine.start(Tally, id="t")
    assert ear.begun.wait(WAIT_SECONDS_MAX)
    ear.gate.clear()
    tally.send(Add(1))
    ear.begun.clear()
    for _ in range(61):
        tally.send(Add(1))  # returns, though nobody listens
    assert tally.version == 63
    reason = subscription.reason
    engine.subscribe(other)
    tally.send(Add(1))
    with caplog.at_level(logging.ERROR, logger="perdure"):
        ear.gate.set()
        assert ear.over.wait(WAIT_SECONDS_MAX)
    heard = [version for _, version in ear.versions]
    assert heard == list(range(1, len(heard) + 1))
    assert reason is not None
    assert reason == ear.reasons[0]
    assert reason.startswith("PS331 more than 60 transitions waited")
    assert f"before version {len(heard) + 1} of 't'" in reason
    assert "PS331" in caplog.text
    engine.close()
    assert other.versions == [("t", 64)]


@pytest.mark.parametrize("error", [KeyError("on purpose"), SystemExit("on purpose")])
def test_what_a_callback_raises_is_logged_and_does_not_end_it(
    engine: Engine, ear: Ear, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def fails(transition: Transition) -> None:
        ear(transition)
        raise error

    engine.subscribe(fails)
    engine.start(Tally, id="t").send(Add(1))
    with caplog.at_level(logging.ERROR, logger="perdure"):
        engine.close()
    assert ear.versions == [("t", 1), ("t", 2)]
    assert caplog.text.count("raised on <Transition t v") == 2
    assert "on purpose" in caplog.text


def test_a_callback_may_use_the_engine_and_close_it(engine: Engine) -> None:
    tally, versions, closed = engine.start(Tally, id="t"), list[int](), threading.Event()

    def answers(transition: Transition) -> None:
        versions.append(transition.version)
        if transition.version < 4:
            tally.send(Add(1))
        else:
            engine.close()
            closed.set()

    engine.subscribe(answers)
    tally.send(Add(1))
    assert closed.wait(WAIT_SECONDS_MAX)
    assert versions == [2, 3, 4]


def test_closing_waits_for_what_is_queued_but_not_for_ever(
    tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from statemachine import subscribing

    monkeypatch.setattr(subscribing, "CLOSE_SECONDS_MAX", 0.01)
    engine = Engine(tmp_path / "a.db", Tally)
    engine.subscribe(ear, ended=ear.ended)
    ear.gate.clear()
    tally = engine.start(Tally, id="t")
    assert ear.begun.wait(WAIT_SECONDS_MAX)
    tally.send(Add(1))
    with caplog.at_level(logging.WARNING, logger="perdure"):
        engine.close()
    assert "1 transitions were not heard" in caplog.text
    ear.gate.set()
    assert ear.over.wait(WAIT_SECONDS_MAX)
    assert (ear.versions, ear.reasons) == ([("t", 1)], ["the engine was closed"])


OTHER = """
import sys
from statemachine import Engine
from tests.children import Add, Tally
with Engine(sys.argv[1], Tally) as engine:
    engine.get(Tally, "t").send(Add(1))
"""


def test_other_processes_are_not_heard(tmp_path: Path, ear: Ear) -> None:
    with Engine(tmp_path / "a.db", Tally) as engine:
        tally = engine.start(Tally, id="t")
        engine.subscribe(ear)
        assert run_child(OTHER, tmp_path / "a.db") == (0, "")
        tally.send(Add(1))
    assert ear.versions == [("t", 3)]


def heard_after(engine: Engine, work: Callable[[], object]) -> list[str]:
    """The events that a subscriber hears of something that is done."""
    ear = Ear()
    engine.subscribe(ear)
    work()
    engine.close()
    return [one.event for one in ear.heard]


def test_an_end_from_outside_is_heard_once(engine: Engine) -> None:
    engine.start(Tally, id="t")

    def twice() -> None:
        engine.terminate("t", why="stuck")
        engine.terminate("t", why="stuck")

    assert heard_after(engine, twice) == ["perdure.terminate"]
