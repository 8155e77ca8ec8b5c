"""A transition is one transaction: what was answered is stored, what was refused or raised left nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen, validators

from examples.order import Approve, Cancel, Charged, Order, OrderData, Submit
from persistence import CannotOpen, MemoryStore, Quarantine, SQLiteStore, Store
from statemachine import (
    DataError,
    DefinitionError,
    Engine,
    Final,
    FrameError,
    InvariantBroken,
    Limits,
    Refused,
    State,
    Workflow,
    always,
    enter,
    invariant,
    on,
)
from tests.kit import STOCKED, Clock, shipped, shop


@frozen
class Put:
    item: str


@frozen
class Fail:
    pass


@frozen
class Close:
    pass


@define
class BoxData:
    items: list[str] = field(factory=list)
    opened: int = 0


class Box(Workflow[BoxData], revision=1):
    """Holds items; some events fail on purpose."""

    open_ = State(initial=True)
    closed = Final(outcome="closed")

    @enter(open_)
    def opening(self) -> None:
        self.data.opened += 1

    @on(Put, open_, to=None)
    def put(self, event: Put) -> None:
        self.data.items.append(event.item)

    @on(Fail, open_, to=None)
    def fail(self, event: Fail) -> None:
        self.data.items.append("leak")
        raise KeyError("on purpose")

    @on(Close, open_, to=closed)
    def close(self, event: Close) -> None: ...

    @invariant
    def at_most_three(self) -> bool:
        return len(self.data.items) <= 3


UNTYPED: Any = Submit  # as a caller without a type-checker sees it

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SQLiteStore(folder / "box.db"),
}


@pytest.fixture(params=STORES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(STORES[request.param](tmp_path), Box, clock=Clock()) as made:
        yield made


def test_start_runs_entry_actions_and_writes_version_1(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    assert (box.state, box.version, box.data) == ("open_", 1, BoxData(opened=1))
    assert [step.event for step in box.history()] == ["perdure.start"]


def test_start_of_a_known_id_returns_it_unchanged(engine: Engine) -> None:
    engine.start(Box, BoxData(items=["a"]), id="b").send(Put("c"))
    again = engine.start(Box, BoxData(items=["a"]), id="b")
    assert (again.version, again.data.items) == (2, ["a", "c"])


def test_start_of_a_known_id_with_other_data_is_refused(engine: Engine) -> None:
    engine.start(Box, BoxData(items=["a"]), id="b")
    with pytest.raises(Refused, match="id_taken"):
        engine.start(Box, BoxData(items=["x"]), id="b")


def test_an_id_is_made_where_none_is_given(engine: Engine) -> None:
    first, second = engine.start(Box), engine.start(Box)
    assert first.id != second.id
    assert first.id[14] == "7"
    assert [one.id for one in engine.list(Box)] == [first.id, second.id]


def test_a_sent_event_is_on_record_with_what_went_with_it(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    done = box.send(Put("a"), key="k", actor="ann", note="fragile")
    kept = box.history()[-1]
    assert (kept.event, kept.payload, kept.key, kept.actor, kept.note) == ("Put", {"item": "a"}, "k", "ann", "fragile")
    assert (kept.version, kept.before, kept.after, kept.hash) == (2, ("open_",), ("open_",), done.hash)


def test_the_same_key_answers_with_the_transition_on_record(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    first = box.send(Put("a"), key="k")
    again = box.send(Put("a"), key="k")
    assert (again.replayed, again.hash, box.version) == (True, first.hash, 2)


def test_the_same_key_answers_after_the_end(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    box.send(Close(), key="k")
    assert box.send(Close(), key="k").replayed


def test_the_same_key_with_another_payload_is_refused(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    box.send(Put("a"), key="k")
    with pytest.raises(Refused, match="key_reused"):
        box.send(Put("b"), key="k")
    with pytest.raises(Refused, match="key_reused"):
        box.send(Close(), key="k")


def test_a_refused_event_does_not_consume_its_key(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order, id="o")
        with pytest.raises(Refused, match="event_not_enabled"):
            order.send(Charged("ch"), key="k")
        order.send(Submit("lamp", 1))
        assert not order.send(Charged("ch"), key="k").replayed


def test_a_stale_version_is_refused_with_where_it_stands(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    box.send(Put("a"), expect_version=1)
    with pytest.raises(Refused, match="stale_version") as caught:
        box.send(Put("b"), expect_version=1)
    assert (caught.value.version, caught.value.state, caught.value.enabled) == (2, ("open_",), ("Put", "Fail", "Close"))


def test_an_action_that_raises_leaves_nothing_and_passes_its_exception(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    with pytest.raises(KeyError, match="on purpose"):
        box.send(Fail(), key="k")
    assert (box.version, box.data.items) == (1, [])
    assert box.send(Put("a"), key="k").version == 2


def test_an_invariant_that_does_not_hold_leaves_nothing(engine: Engine) -> None:
    box = engine.start(Box, BoxData(items=["a", "b", "c"]), id="b")
    with pytest.raises(InvariantBroken, match=r"Box\.at_most_three"):
        box.send(Put("d"))
    assert (box.version, box.data.items) == (1, ["a", "b", "c"])


def test_start_data_that_breaks_an_invariant_starts_nothing(engine: Engine) -> None:
    with pytest.raises(InvariantBroken):
        engine.start(Box, BoxData(items=["a"] * 4), id="b")
    with pytest.raises(Refused, match="unknown_instance"):
        engine.get(Box, "b")


def test_a_final_configuration_ends_the_instance(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    box.send(Close())
    assert box.outcome == "closed"
    with pytest.raises(Refused, match="instance_final"):
        box.send(Put("a"))


def test_data_of_a_handle_is_a_copy(engine: Engine) -> None:
    box = engine.start(Box, id="b")
    box.data.items.append("mine")
    assert box.data.items == []


def test_time_never_goes_back_within_an_instance(tmp_path: Path) -> None:
    clock = Clock()
    with shop(tmp_path, clock=clock) as engine:
        order = engine.start(Order, id="o")
        clock.now -= 1_000_000
        order.send(Submit("lamp", 1))
        first, second = order.history()
    assert second.time == first.time


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("unknown_event", lambda order: order.send(Put("a"))),
        ("unknown_event", lambda order: order.send(Submit)),
        ("unknown_event", lambda order: order.send("Submit")),
        ("invalid_payload", lambda order: order.send(UNTYPED("lamp", "3"))),
        ("invalid_payload", lambda order: order.send(UNTYPED("lamp", total=True))),
        ("invalid_payload", lambda order: order.send(Submit("x" * 2_000_000, 1))),
        ("invalid_payload", lambda order: order.send(Submit("\ud800", 1))),
        ("invalid_argument", lambda order: order.send(Submit("lamp", 1), key="")),
        ("invalid_argument", lambda order: order.send(Submit("lamp", 1), key="k" * 2_000)),
        ("invalid_argument", lambda order: order.send(Submit("lamp", 1), key="a\0b")),
        ("invalid_argument", lambda order: order.send(Submit("lamp", 1), actor=7)),
        ("invalid_argument", lambda order: order.send(Submit("lamp", 1), roles="manager")),
        ("invalid_argument", lambda order: order.send(Submit("lamp", 1), expect_version="1")),
        ("event_not_enabled", lambda order: order.send(Charged("c"))),
    ],
)
def test_bad_input_is_one_coded_refusal_and_leaves_no_row(
    tmp_path: Path, code: str, call: Callable[[object], object]
) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order, id="o")
        with pytest.raises(Refused) as caught:
            call(order)
        assert (caught.value.code, order.version, len(order.history())) == (code, 1, 1)


def test_a_role_is_asked_for_by_the_rule(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order, id="o")
        order.send(Submit("lamp", 1800))
        with pytest.raises(Refused, match="role_missing"):
            order.send(Approve("bob"), roles=("clerk",))
        assert order.send(Approve("ann"), roles=("clerk", "manager")).after == ("charging",)


def test_data_that_became_wrong_is_refused_before_it_is_written(tmp_path: Path) -> None:
    class Wrong(Workflow[BoxData], revision=1):
        here = State(initial=True)

        @on(Put, here, to=None)
        def put(self, event: Put) -> None:
            wrong: Any = (event.item,)
            self.data.items = wrong

    with Engine(tmp_path / "w.db", Wrong) as engine:
        wrong = engine.start(Wrong, id="w")
        with pytest.raises(DataError, match=r"BoxData\.items: expected a list"):
            wrong.send(Put("a"))
        assert wrong.version == 1


def test_data_beyond_its_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with Engine(tmp_path / "b.db", Box, limits=Limits(data_bytes_max=100)) as engine:
        box = engine.start(Box, id="b")
        with pytest.raises(DataError, match="at most 100"):
            box.send(Put("x" * 100))
        assert box.version == 1


def test_a_path_through_the_whole_order_moves_the_users_rows_once(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = shipped(engine, "o")
        assert (order.state, order.outcome, order.version) == ("shipped", "shipped", 6)
        assert engine.sql().execute("select n from stock") == [(4,)]


def test_a_second_engine_sees_what_the_first_one_wrote(tmp_path: Path) -> None:
    with shop(tmp_path) as first, shop(tmp_path) as second:
        mine = first.start(Order, id="o")
        theirs = second.get(Order, "o")
        mine.send(Submit("lamp", 1800))
        assert theirs.state == "review"
        theirs.send(Approve("ann"), roles=("manager",))
        assert mine.send(Charged("c")).version == 4


def test_a_new_engine_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.start(Order, id="o").send(Submit("lamp", 1))
    with shop(tmp_path) as engine:
        order = engine.get(Order, "o")
        assert order.send(Charged("c")).version == 3


def test_a_callback_that_calls_the_engine_is_stopped(tmp_path: Path) -> None:
    class Caller(Workflow[None], revision=1):
        here = State(initial=True)

        @on(Close, here, to=None)
        def call(self, event: Close) -> None:
            handle.send(Close())

        @on(Fail, here, to=None)
        def look(self, event: Fail) -> None:
            assert handle.state

    with Engine(tmp_path / "c.db", Caller) as engine:
        handle = engine.start(Caller, None, id="c")
        for event in (Close(), Fail()):
            with pytest.raises(FrameError, match="called into the engine"):
                handle.send(event)
        assert handle.version == 1


def test_a_workflow_that_the_engine_does_not_know_is_named(tmp_path: Path) -> None:
    with shop(tmp_path) as engine, pytest.raises(DefinitionError, match="PD151 Box is not one of this engine's"):
        engine.start(Box)


def test_an_instance_of_another_workflow_is_not_found(tmp_path: Path) -> None:
    with Engine(tmp_path / "b.db", Box, Order, schema=STOCKED) as engine:
        engine.start(Box, id="b")
        with pytest.raises(Refused, match=r"unknown_instance: .* is an instance of Box"):
            engine.get(Order, "b")


def test_cancelling_ends_with_the_named_outcome(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order, OrderData(sku="lamp"), id="o")
        order.send(Cancel())
        assert (order.outcome, order.data.sku) == ("cancelled", "lamp")


@define
class Few:
    items: list[str] = field(factory=list, validator=validators.max_len(1))


@define
class Drifting:
    count: int = 0

    def __attrs_post_init__(self) -> None:
        self.count += 1


def test_data_that_its_own_class_would_not_take_back_is_refused_before_it_is_written(tmp_path: Path) -> None:
    class Keeper(Workflow[Few], revision=1):
        here = State(initial=True)

        @on(Put, here, to=None)
        def put(self, event: Put) -> None:
            self.data.items.append(event.item)

    with Engine(tmp_path / "k.db", Keeper) as engine:
        keeper = engine.start(Keeper, id="k")
        keeper.send(Put("a"))
        with pytest.raises(DataError, match="could not be read again"):
            keeper.send(Put("b"))
        assert (keeper.version, keeper.data.items) == (2, ["a"])


def test_data_that_a_guard_was_asked_about_after_the_action_is_proven_too(tmp_path: Path) -> None:
    class Keeper(Workflow[Few], revision=1):
        here, there = State(initial=True), State()

        def is_full(self) -> bool:
            return len(self.data.items) > len("full")

        @on(Put, here, to=None)
        def put(self, event: Put) -> None:
            self.data.items.append(event.item)

        @always(here, to=there, when=is_full)
        def leave(self) -> None: ...

    with Engine(tmp_path / "k.db", Keeper) as engine:
        keeper = engine.start(Keeper, id="k")
        keeper.send(Put("a"))
        with pytest.raises(DataError, match="could not be read again"):
            keeper.send(Put("b"))
        assert (keeper.version, keeper.data.items) == (2, ["a"])


def test_data_that_changes_when_it_is_made_is_refused(tmp_path: Path) -> None:
    class Drifter(Workflow[Drifting], revision=1):
        here = State(initial=True)

    with Engine(tmp_path / "d.db", Drifter) as engine, pytest.raises(Refused, match=r"invalid_payload: .* come back"):
        engine.start(Drifter, id="d")


@frozen
class Batch:
    items: list[str]


def test_what_an_action_does_to_its_event_reaches_neither_sender_nor_journal(tmp_path: Path) -> None:
    class Emptier(Workflow[BoxData], revision=1):
        here = State(initial=True)

        @on(Batch, here, to=None)
        def take(self, event: Batch) -> None:
            while event.items:
                self.data.items.append(event.items.pop())

    with Engine(tmp_path / "e.db", Emptier) as engine:
        emptier, batch = engine.start(Emptier, id="e"), Batch(["a", "b"])
        done = emptier.send(batch, key="k")
        assert (batch.items, done.payload, emptier.data.items) == (["a", "b"], {"items": ["a", "b"]}, ["b", "a"])
        assert emptier.send(batch, key="k").replayed


def test_an_invariant_that_reads_the_actor_holds_at_load_as_it_did_in_the_transaction(tmp_path: Path) -> None:
    class Signed(Workflow[None], revision=1):
        here = State(initial=True)

        @invariant
        def somebody(self) -> bool:
            return self.actor is not None

    with Engine(tmp_path / "s.db", Signed) as engine:
        engine.start(Signed, id="s", actor="ann")
    with Engine(tmp_path / "s.db", Signed) as engine:
        assert engine.get(Signed, "s").state == "here"


FORKING = """
import os, sys
from attrs import frozen
from statemachine import Engine, State, Workflow, on

@frozen
class Go:
    pass

class Forker(Workflow[None], revision=1):
    here = State(initial=True)
    @on(Go, here, to=None)
    def go(self, event):
        for _ in range(40):
            self.sql.execute("insert into big values (randomblob(1000000))")
        if os.fork() == 0:
            raise SystemExit(0)
        os.wait()

with Engine(sys.argv[1], Forker, schema="create table if not exists big (x blob)") as engine:
    handle = engine.start(Forker, None, id="f")
    handle.send(Go())
    print(handle.version, engine.sql().execute("select count(*), sum(length(x)) from big"))
"""


def test_a_callback_that_forks_keeps_the_parents_transaction_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKING, str(tmp_path / "f.db")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert shown.stdout.splitlines()[-1] == "2 [(40, 40000000)]"


def test_engine_sql_in_a_callback_is_a_call_into_the_engine(tmp_path: Path) -> None:
    class Asker(Workflow[None], revision=1):
        here = State(initial=True)

        @on(Close, here, to=None)
        def ask(self, event: Close) -> None:
            opened.sql().execute("select 1")

    with Engine(tmp_path / "a.db", Asker) as opened:
        asker = opened.start(Asker, None, id="a")
        with pytest.raises(FrameError, match="called into the engine"):
            asker.send(Close())


@pytest.mark.parametrize("path", [None, 5, Box])
def test_what_is_neither_a_path_nor_a_store_is_refused(path: Any) -> None:
    with pytest.raises(CannotOpen, match="neither a path nor a Store"):
        Engine(path, Box)


@pytest.mark.parametrize("kind", STORES)
def test_two_engines_on_one_store_see_each_others_transitions(kind: str, tmp_path: Path) -> None:
    store = STORES[kind](tmp_path)
    first, second = Engine(store, Box), Engine(store, Box)
    mine, theirs = first.start(Box, id="b"), second.get(Box, "b")
    theirs.send(Put("a"))
    mine.send(Put("b"))
    assert theirs.send(Put("c"), expect_version=3).version == 4
    store.close()


def test_an_instance_that_is_set_aside_through_the_engines_own_store_is_not_written_over(tmp_path: Path) -> None:
    with Engine(tmp_path / "b.db", Box) as engine:
        box = engine.start(Box, id="b")
        with engine.store.transaction() as transaction:
            transaction.quarantine(Quarantine("b", "on purpose", 1, 1))
            transaction.commit()
        with pytest.raises(Refused, match="instance_unsound: 'b': on purpose"):
            box.send(Put("a"))
