"""Reading: a snapshot is of one moment while others write, and lists are chosen, ordered and paged."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from examples.order import Approve, Cancel, Charged, Order, Submit
from persistence import Busy, Closed, MemoryStore, Quarantine
from persistence.sqlite import statements
from statemachine import DefinitionError, Engine, Limits, Refused
from tests.children import Add, End, Tally, child
from tests.kit import STOCKED, Clock, shop
from tests.patience import WAIT_SECONDS_MAX

WRITER = """
import sys
from statemachine import Engine
from tests.children import Add, Tally
with Engine(sys.argv[1], Tally) as engine:
    tallies = engine.list(Tally)
    print("ready", flush=True)
    for line in sys.stdin:
        for tally in tallies:
            tally.send(Add(1))
        print("written", flush=True)
"""
ROUNDS = 20


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    store: Any = MemoryStore() if request.param == "memory" else tmp_path / "shop.db"
    schema = None if request.param == "memory" else STOCKED
    with Engine(store, Order, Tally, clock=Clock(), schema=schema) as engine:
        yield engine


def refusal(work: Callable[[], object]) -> Refused:
    """The refusal that something raises."""
    with pytest.raises(Refused) as raised:
        work()
    return raised.value


# -- snapshots ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_reads_what_was_committed_when_it_began(engine: Engine) -> None:
    one, two = engine.start(Tally, id="t-1"), engine.start(Tally, id="t-2")
    one.send(Add(3))
    with engine.snapshot() as snapshot:
        one.send(Add(4))
        two.send(End())
        engine.start(Tally, id="t-3")
        was = snapshot.get(Tally, "t-1")
        assert (was.id, was.workflow, was.state, was.configuration) == ("t-1", Tally, "counting", ("counting",))
        assert (was.version, was.data.total, was.outcome) == (2, 3, None)
        assert [one.event for one in was.history()] == ["perdure.start", "Add"]
        assert [one.outcome for one in snapshot.list(Tally)] == [None, None]
        assert refusal(lambda: snapshot.get(Tally, "t-3")).code == "unknown_instance"
    assert (one.version, two.outcome, len(engine.list(Tally))) == (3, "ended", 3)


def test_a_snapshot_agrees_with_itself_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "tally.db"
    with Engine(path, Tally) as engine:
        for number in range(5):
            engine.start(Tally, id=f"t-{number}")
        with child(WRITER, path, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for count in range(3):
                with engine.snapshot() as snapshot:
                    process.stdin.write("go\n")
                    process.stdin.flush()
                    assert process.stdout.readline() == "written\n"  # nobody waited for the snapshot
                    assert {one.data.total for one in snapshot.list(Tally)} == {count}
                    assert {one.version for one in snapshot.list(Tally)} == {count + 1}
                assert {one.data.total for one in engine.list(Tally)} == {count + 1}
            process.stdin.close()


def test_a_snapshot_is_of_one_moment_of_a_writing_thread(tmp_path: Path) -> None:
    """Each round sends to one instance, then to the other: no view may hold the second and not the first."""
    with Engine(tmp_path / "tally.db", Tally) as engine:
        one, two = engine.start(Tally, id="t-1"), engine.start(Tally, id="t-2")

        def write() -> None:
            for _ in range(ROUNDS):
                one.send(Add(1))
                two.send(Add(1))

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(ROUNDS):
            with engine.snapshot() as snapshot:
                second, first = snapshot.get(Tally, "t-2").data.total, snapshot.get(Tally, "t-1").data.total
            assert second <= first <= second + 1
        writer.join()


def test_a_snapshot_that_has_ended_is_not_read(engine: Engine) -> None:
    engine.start(Tally, id="t-1")
    with engine.snapshot() as snapshot:
        was = snapshot.get(Tally, "t-1")
    for work in (lambda: was.state, was.history, lambda: snapshot.list(Tally), lambda: snapshot.get(Tally, "t-1")):
        with pytest.raises(Closed, match="this snapshot has ended"):
            work()


def test_closing_the_engine_ends_its_snapshots(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "tally.db", Tally)
    engine.start(Tally, id="t-1")
    with engine.snapshot() as snapshot:
        engine.close()
        with pytest.raises(Closed):
            snapshot.list(Tally)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tally.db", "tally.db-anchor"]  # the log is folded


def test_a_store_is_not_closed_under_a_snapshot(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "tally.db", Tally)
    with engine.store.snapshot(), pytest.raises(Busy, match="in use by 1 snapshots; end them"):
        engine.store.close()
    engine.close()


def test_as_many_snapshots_are_held_as_the_limit_says(tmp_path: Path) -> None:
    with Engine(tmp_path / "tally.db", Tally, limits=Limits(snapshots_max=2)) as engine:
        with engine.snapshot(), engine.snapshot(), pytest.raises(Busy, match="2 snapshots"), engine.snapshot():
            pass
        with engine.snapshot() as snapshot:
            assert snapshot.list(Tally) == []


def test_a_snapshot_judges_what_it_reads(engine: Engine) -> None:
    engine.start(Tally, id="t-1")
    with engine.store.transaction() as transaction:
        transaction.quarantine(Quarantine("t-1", "on purpose", 1, 0))
        transaction.commit()
    with engine.snapshot() as snapshot:
        assert [one.id for one in snapshot.list(Tally)] == ["t-1"]
        assert refusal(lambda: snapshot.get(Tally, "t-1")).code == "instance_unsound"
        assert refusal(lambda: snapshot.get(Order, "t-1")).code == "unknown_instance"


FORKS = """
import os, sys
from persistence import Closed
from statemachine import Engine
from tests.children import Add, Tally
engine = Engine(sys.argv[1], Tally)
tally = engine.start(Tally, id="t")
with engine.snapshot() as snapshot:
    pid = os.fork()
    if pid == 0:
        try:
            snapshot.list(Tally)
        except Closed as error:
            print(error.code, flush=True)
    else:
        os.waitpid(pid, 0)
        tally.send(Add(1))
        print(snapshot.get(Tally, "t").version, tally.version, flush=True)
if pid:
    engine.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_neither_reads_nor_ends_a_snapshot(tmp_path: Path) -> None:
    with child(FORKS, tmp_path / "tally.db") as process:
        printed, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
    assert (process.returncode, printed.split()) == (0, ["PS310", "1", "2"])
    with Engine(tmp_path / "tally.db", Tally) as engine:
        assert engine.get(Tally, "t").data.total == 1


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(engine: Engine) -> Engine:
    """Five orders: in the cart, in review, shipping, cancelled, in the cart."""
    for name in ("a", "b", "c", "d", "e"):
        engine.start(Order, id=name)
    engine.start(Tally, id="t")
    for name in ("b", "c"):
        engine.get(Order, name).send(Submit("lamp", 1800))
    engine.get(Order, "c").send(Approve("ann"), roles=("manager",))
    engine.get(Order, "c").send(Charged("ch-1"))
    engine.get(Order, "d").send(Cancel())
    return engine


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, "abcde"),
        ({"state": Order.cart}, "ae"),
        ({"state": "review"}, "b"),
        ({"state": Order.fulfil}, "c"),
        ({"state": "fulfil.stock"}, "c"),
        ({"state": Order.fulfil.stock.queued}, "c"),
        ({"state": Order.fulfil.stock.picked}, ""),
        ({"tag": "human"}, "b"),
        ({"tag": "human", "state": Order.cart}, ""),
        ({"outcome": "cancelled"}, "d"),
        ({"outcome": "shipped"}, ""),
        ({"running": True}, "abce"),
        ({"running": False}, "d"),
        ({"running": True, "state": Order.cart, "limit": 1}, "a"),
        ({"state": None, "tag": None, "outcome": None, "running": None, "limit": None, "after": None}, "abcde"),
    ],
)
def test_filters_choose_by_state_region_tag_outcome_and_end(orders: Engine, filters: Any, wanted: str) -> None:
    assert [one.id for one in orders.list(Order, **filters)] == list(wanted)
    with orders.snapshot() as snapshot:
        assert [one.id for one in snapshot.list(Order, **filters)] == list(wanted)


def test_pages_hold_each_instance_once_while_others_start_and_move_on(orders: Engine) -> None:
    first = orders.list(Order, limit=2)
    orders.start(Order, id="0")
    first[1].send(Approve("ann"), roles=("manager",))
    second = orders.list(Order, limit=2, after=first.cursor)
    orders.get(Order, "e").send(Cancel())
    third = orders.list(Order, limit=3, after=second.cursor)
    assert ["".join(one.id for one in page) for page in (first, second, third)] == ["ab", "cd", "e0"]
    assert third.cursor is None


def test_a_filtered_page_goes_on_behind_its_last_one(orders: Engine) -> None:
    first = orders.list(Order, state=Order.cart, limit=1)
    second = orders.list(Order, state=Order.cart, limit=1, after=first.cursor)
    last = orders.list(Order, state=Order.cart, limit=1, after=second.cursor)
    assert [one.id for one in (*first, *second, *last)] == ["a", "e"]
    assert (last, last.cursor) == ([], None)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"state": "chart"}, "Order has no state 'chart'; it has cart, review,"),
        ({"tag": "humans"}, "no state of Order has the tag 'humans'; it has human"),
        ({"limit": 0}, "limit=0 is no number from 1 on"),
        ({"limit": True}, "limit=True is no number"),
        ({"after": "nonsense"}, "after='nonsense' is no cursor of a list"),
        ({"after": "ü"}, "is no cursor"),
        ({"after": ""}, "is no text, or empty"),
        ({"after": "T3JkZXIAbm9ib2R5"}, "is a cursor of another list"),
    ],
)
def test_a_filter_that_names_nothing_is_refused(orders: Engine, filters: Any, told: str) -> None:
    refused = refusal(lambda: orders.list(Order, **filters))
    assert (refused.code, told in refused.reason) == ("invalid_argument", True), refused.reason


def test_a_filter_that_is_misspelt_is_an_error(orders: Engine) -> None:
    filters: Any = {"states": Order.cart}
    with pytest.raises(TypeError, match=r"list\(\) has no filter states; it has state, tag, outcome"):
        orders.list(Order, **filters)


def test_a_cursor_of_another_workflow_is_refused(orders: Engine) -> None:
    cursor = orders.list(Tally, limit=1).cursor
    assert "another list" in refusal(lambda: orders.list(Order, after=cursor)).reason


def test_a_state_of_another_workflow_is_an_error(orders: Engine) -> None:
    with pytest.raises(DefinitionError, match="PD106"):
        orders.list(Order, state=Tally.counting)


def test_running_instances_are_found_by_their_index(tmp_path: Path) -> None:
    """So that listing those that run does not cost those that have ended."""
    with shop(tmp_path) as engine:
        engine.start(Order, id="o-1")
        plans = list[str]()
        for statement in (statements.STANDINGS_LIVE, statements.STANDINGS):
            found = apsw.Connection(str(tmp_path / "shop.db")).execute(f"EXPLAIN QUERY PLAN {statement}", ("Order", 0))
            plans.append(" ".join(str(row[3]) for row in found))
    assert "perdure_instance_live (workflow=? AND id>?)" in plans[0]
    assert "TEMP B-TREE" not in "".join(plans)
