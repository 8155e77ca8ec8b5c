"""An instance that its own rules cannot end is ended from outside: recorded, chained, provable, final."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

import recovery
from examples.order import Order, Submit
from persistence import MemoryStore, Quarantine
from statemachine import Engine, Final, Limits, Refused, State, Workflow, invariant, on
from statemachine.batch import Batch
from statemachine.loading import TERMINATED_MARK
from statemachine.workflow import definition_of
from tests.children import Add, End, Tally
from tests.kit import STOCKED, Clock, shipped


@frozen
class Go:
    pass


@define
class StuckData:
    count: int = 0


class Stuck(Workflow[StuckData], revision=1):
    """Its only way on breaks what must hold, or is made to."""

    limit = 0

    waiting = State(initial=True)
    over = Final()

    @on(Go, waiting, to=over)
    def go(self, event: Go) -> None:
        self.data.count += 1

    @invariant
    def never_goes(self) -> bool:
        return self.data.count <= Stuck.limit


@define
class OtherData:
    name: str


class Changed(Workflow[OtherData], revision=2, name="Stuck"):
    """The same workflow, whose data no longer fits."""

    asking = State(initial=True)
    over = Final()

    @on(Go, asking, to=over)
    def go(self, event: Go) -> None: ...


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    store: Any = MemoryStore() if request.param == "memory" else tmp_path / "shop.db"
    schema = None if request.param == "memory" else STOCKED
    with Engine(store, Order, Tally, Stuck, clock=Clock(), schema=schema) as engine:
        yield engine


def refusal(work: Callable[[], object]) -> Refused:
    """The refusal that something raises."""
    with pytest.raises(Refused) as raised:
        work()
    return raised.value


def test_an_instance_ends_where_it_stands_and_says_why(engine: Engine) -> None:
    order = engine.start(Order, id="o-1")
    order.send(Submit("lamp", 1800))
    data = order.data
    done = engine.terminate("o-1", why="the customer is bankrupt", actor="ann")
    assert (done.event, done.version, done.payload) == ("perdure.terminate", 3, {"why": "the customer is bankrupt"})
    assert (done.actor, done.before, done.after, done.replayed) == ("ann", ("review",), ("review",), False)
    assert (order.state, order.outcome, order.version, order.data) == ("review", "terminated", 3, data)
    assert [one.hash for one in order.history()][-1] == done.hash


def test_nothing_happens_after_the_end(engine: Engine) -> None:
    order = engine.start(Order, id="o-1")
    engine.terminate("o-1", why="stuck")
    assert refusal(lambda: order.send(Submit("lamp", 1))).code == "instance_final"
    assert {one["enabled"] for one in order.offers()} == {"no"}
    assert order.version == 2
    assert engine.start(Order, id="o-1").outcome == "terminated"  # the id stays taken


def test_a_key_from_before_the_end_still_answers(engine: Engine) -> None:
    order = engine.start(Order, id="o-1")
    order.send(Submit("lamp", 1), key="k")
    engine.terminate("o-1", why="stuck")
    assert order.send(Submit("lamp", 1), key="k").replayed


def test_terminating_twice_answers_with_the_first_time(engine: Engine) -> None:
    engine.start(Order, id="o-1")
    done = engine.terminate("o-1", why="stuck")
    again = engine.terminate("o-1", why="another reason")
    assert (again.replayed, again.hash, again.payload) == (True, done.hash, {"why": "stuck"})
    assert engine.get(Order, "o-1").version == 2


def test_an_invariant_that_does_not_hold_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stuck.db"
    monkeypatch.setattr(Stuck, "limit", 1)
    with Engine(path, Stuck) as engine:
        engine.start(Stuck, id="s")
        engine.start(Stuck, StuckData(count=1), id="broken")
    monkeypatch.setattr(Stuck, "limit", 0)
    with Engine(path, Stuck) as engine:
        assert refusal(lambda: engine.get(Stuck, "broken")).code == "instance_unsound"
        assert engine.terminate("broken", why="it breaks what must hold").version == 2
        assert engine.get(Stuck, "s").state == "waiting"


def test_what_no_longer_fits_its_class_is_ended_under_the_definition_that_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "stuck.db"
    with Engine(path, Stuck) as engine:
        engine.start(Stuck, id="s")
        engine.start(Stuck, id="t")
    with Engine(path, Changed) as engine:
        assert refusal(lambda: engine.get(Changed, "s")).code == "needs_migration"
        assert engine.terminate("s", why="no way to migrate").version == 2
        assert refusal(lambda: engine.get(Changed, "s")).code == "needs_migration"  # nobody remembers it as fitting
        assert [one.id for one in engine.list(Changed, running=True)] == ["t"]
    with Engine(path, Order, schema=STOCKED) as engine:  # a class is not needed at all
        assert engine.terminate("t", why="nobody knows it").version == 2
    with Engine(path, Stuck) as engine:
        assert [(one.state, one.outcome) for one in engine.list(Stuck)] == [("waiting", "terminated")] * 2


def test_what_cannot_be_ended_is_refused(engine: Engine) -> None:
    tally = engine.start(Tally, id="t")
    tally.send(End())
    refused = refusal(lambda: engine.terminate("t", why="stuck"))
    assert (refused.code, refused.version) == ("instance_final", 2)
    assert refusal(lambda: engine.terminate("absent", why="stuck")).code == "unknown_instance"
    assert refusal(lambda: engine.terminate("t", why="")).code == "invalid_argument"
    assert refusal(lambda: engine.terminate("", why="stuck")).code == "invalid_argument"


def test_nothing_is_written_over_damage(engine: Engine) -> None:
    engine.start(Tally, id="t")
    with engine.store.transaction() as transaction:
        transaction.quarantine(Quarantine("t", "on purpose", 1, 0))
        transaction.commit()
    refused = refusal(lambda: engine.terminate("t", why="stuck"))
    assert (refused.code, "on purpose" in refused.reason) == ("instance_unsound", True)


def test_the_reason_is_as_long_as_a_note(engine: Engine) -> None:
    most = Limits().note_bytes_max
    engine.start(Tally, id="t")
    assert refusal(lambda: engine.terminate("t", why="x" * (most + 1))).code == "invalid_argument"
    assert engine.terminate("t", why="x" * most).version == 2


def test_members_of_one_batch_see_the_end_of_those_before_them(tmp_path: Path) -> None:
    """Both are queued behind a callback that holds the turn, so they are decided together."""
    with Engine(tmp_path / "t.db", Tally) as engine:
        tally = engine.start(Tally, id="t")
        with engine.store.transaction() as transaction:
            batch = Batch(engine._desk, transaction)  # one transaction of two members, by hand
            first = batch.terminate({"Tally": definition_of(Tally)}, "t", ("stuck", None))
            second = batch.terminate({"Tally": definition_of(Tally)}, "t", ("stuck", None))
            batch.commit()
        assert first is not None
        assert (first.version, second) == (2, None)
        assert tally.outcome == "terminated"


# -- what others make of it --------------------------------------------------------------------------------------------


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A file with a shipped order and a terminated one."""
    with Engine(tmp_path / "shop.db", Order, schema=STOCKED, clock=Clock()) as engine:
        shipped(engine, "o-1")
        engine.start(Order, id="o-2").send(Submit("lamp", 1800), key="k")
        engine.terminate("o-2", why="stuck")
    return tmp_path / "shop.db"


def change(path: Path, statement: str) -> None:
    """Run SQL on a closed file, as damage."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def verdict(path: Path, instance: str, *classes: Any) -> str:
    """What full verification says of one instance."""
    report = recovery.verify(path, *classes)
    return next(one.verdict for one in report.instances if one.instance == instance)


def test_a_terminated_instance_is_clean(ended: Path) -> None:
    assert recovery.verify(ended, Order).is_clean
    assert verdict(ended, "o-2") == "NOT READ"
    assert recovery.recover(ended, Order, level="full").is_clean
    assert verdict(ended, "o-2", Order) == "CLEAN"


@pytest.mark.parametrize("instance", ["o-2", "o-3"])
@pytest.mark.parametrize("outcome", ["NULL", "'shipped'", "'terminated'"])
def test_an_outcome_that_was_changed_is_found(ended: Path, instance: str, outcome: str) -> None:
    with Engine(ended, Order) as engine:
        engine.start(Order, id="o-3")
    change(ended, f"UPDATE perdure_instance SET outcome = {outcome} WHERE name = '{instance}'")  # ours
    is_right = (instance, outcome) in {("o-2", "'terminated'"), ("o-3", "NULL")}
    assert verdict(ended, instance, Order) == ("CLEAN" if is_right else "REBUILT")
    assert recovery.recover(ended, Order, level="full").is_clean
    with Engine(ended, Order) as engine:
        assert engine.get(Order, instance).outcome == ("terminated" if instance == "o-2" else None)


def test_a_head_that_is_rebuilt_stays_ended(ended: Path) -> None:
    change(ended, "UPDATE perdure_instance SET image = x'00', outcome = NULL WHERE name = 'o-2'")
    assert verdict(ended, "o-2", Order) == "REBUILT"
    recovery.recover(ended, Order, level="full")
    with Engine(ended, Order) as engine:
        order = engine.get(Order, "o-2")
        assert (order.outcome, order.history()[-1].event) == ("terminated", "perdure.rebuilt")
        assert engine.terminate("o-2", why="again").payload == {"why": "stuck"}


def test_an_end_whose_row_is_lost_stands_as_its_head_proves_it(ended: Path) -> None:
    change(ended, "UPDATE perdure_journal SET body = x'00' WHERE event = "
           "(SELECT id FROM perdure_symbol WHERE name = 'perdure.terminate')")  # fmt: skip
    assert verdict(ended, "o-2", Order) == "KEPT AT HEAD"
    recovery.recover(ended, Order, level="full")
    with Engine(ended, Order) as engine:
        assert engine.get(Order, "o-2").outcome == "terminated"
        assert refusal(lambda: engine.terminate("o-2", why="again")).code == "instance_final"
    assert verdict(ended, "o-2", Order) == "CLEAN"


def test_an_end_that_was_cut_out_of_the_place_is_found(ended: Path) -> None:
    """The mark stands in the symbol that head and row name: taking it away breaks both."""
    change(ended, f"UPDATE perdure_symbol SET name = 'review2' WHERE name = 'review{TERMINATED_MARK}'")
    assert verdict(ended, "o-2", Order) == "QUARANTINED"


def test_the_views_for_people_show_it(ended: Path) -> None:
    connection = sqlite3.connect(ended)
    query = "SELECT configuration, remembered, outcome FROM perdure_instances WHERE instance = 'o-2'"
    rows = connection.execute(query).fetchall()
    connection.close()
    assert rows == [("review", TERMINATED_MARK.removeprefix("|"), "terminated")]


def test_a_tally_that_still_runs_is_not_touched(engine: Engine) -> None:
    one, two = engine.start(Tally, id="t-1"), engine.start(Tally, id="t-2")
    engine.terminate("t-1", why="stuck")
    two.send(Add(1))
    assert (one.outcome, two.outcome, two.version) == ("terminated", None, 2)
