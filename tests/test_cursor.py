"""A workflow runs in memory by the same rules as in an engine, and what is refused or fails changes nothing."""

from typing import Any, cast

import pytest
from attrs import define, field, frozen

from examples.order import Approve, Cancel, Charged, Labelled, Order, OrderData, Picked, Submit
from persistence.errors import NoSql
from statemachine import (
    ANY,
    Cursor,
    DataError,
    Final,
    FrameError,
    InvariantBroken,
    Refused,
    State,
    Workflow,
    enter,
    invariant,
    on,
)


@frozen
class Put:
    name: str
    amount: int


@frozen
class Close: ...


@frozen
class Foreign: ...


@define
class Stock:
    shelves: dict[str, list[int]] = field(factory=dict[str, list[int]])


class Depot(Workflow[Stock], revision=1):
    """Puts amounts on shelves; an amount of zero fails after it was put, a negative one breaks the invariant."""

    opened = State(initial=True)
    closed = State()
    gone = Final(outcome="demolished")

    def is_room(self, event: Put) -> bool:
        return event.amount < 100

    @on(Put, opened, to=None, when=is_room)
    def put(self, event: Put) -> None:
        self.data.shelves.setdefault(event.name, []).append(event.amount)
        _ = 1 // event.amount

    @on(Close, opened, to=closed, roles=("keeper", "owner"))
    def close(self, event: Close) -> None: ...

    @on(Close, closed, to=gone)
    def leave_for_good(self, event: Close) -> None: ...

    @invariant
    def nothing_is_owed(self) -> bool:
        return all(amount >= 0 for amounts in self.data.shelves.values() for amount in amounts)


class Shop(Order, revision=1):
    """An order that takes its goods from no database."""

    def picked(self, event: Picked) -> None: ...


def at_charging() -> Cursor[OrderData]:
    return Cursor(Shop, OrderData()).send(Submit("lamp", 1))


def test_an_order_is_shipped() -> None:
    cursor = Cursor(Shop, OrderData())

    visited = [
        cursor.state,
        cursor.send(Submit("lamp", 1800)).state,
        cursor.send(Approve("ann"), roles=("manager",)).state,
        cursor.send(Charged("ch-1")).state,
        cursor.send(Labelled("t-1")).state,
        cursor.send(Picked("b7")).state,
    ]

    both, labelled = ("fulfil.stock.queued", "fulfil.parcel.wanted"), ("fulfil.stock.queued", "fulfil.parcel.labelled")
    assert visited == ["cart", "review", "charging", both, labelled, "shipped"]
    assert cursor.data == OrderData(sku="lamp", total=1800, approver="ann", charge="ch-1", tracking="t-1")
    assert cursor.outcome == "shipped"


def test_a_configuration_is_a_tuple_also_where_the_state_is_one() -> None:
    assert (at_charging().state, at_charging().configuration) == ("charging", ("charging",))


def test_an_outcome_may_have_another_name_than_its_state() -> None:
    depot = Cursor(Depot, Stock()).send(Close(), roles=("keeper",)).send(Close())

    assert (depot.state, depot.outcome) == ("gone", "demolished")


def test_sql_is_not_here() -> None:
    cursor = Cursor(Order, OrderData()).send(Submit("lamp", 1)).send(Charged("ch-1"))

    with pytest.raises(NoSql, match="there is no database here"):
        cursor.send(Picked("b7"))
    assert cursor.configuration == ("fulfil.stock.queued", "fulfil.parcel.wanted")


def test_a_method_of_a_plain_frame_can_be_called_by_hand() -> None:
    order = Order(OrderData())

    order.submit(Submit("x", 1))

    assert (order.data.sku, order.data.total) == ("x", 1)
    assert order.is_large(Submit("x", 1000))


# what is sent in which state, the code, and the reason in words
REFUSED: list[tuple[Cursor[Any], object, tuple[str, ...], str, str]] = [
    (at_charging(), Submit("lamp", 1), (), "event_not_enabled", "Submit is taken in cart, not in charging"),
    (at_charging(), Cancel(), (), "event_not_enabled", "Cancel is taken in cart, review, not in charging"),
    (Cursor(Depot, Stock()), Put("a", 100), (), "guard_failed", "Put in opened was stopped by is_room"),
    (Cursor(Depot, Stock()), Close(), (), "role_missing", "Close in opened needs one of the roles keeper, owner"),
    (
        Cursor(Depot, Stock()),
        Close(),
        ("guest",),
        "role_missing",
        "Close in opened needs one of the roles keeper, owner",
    ),
    (Cursor(Depot, Stock()), Foreign(), (), "unknown_event", "Depot has no event Foreign; it has Put, Close"),
    (
        Cursor(Depot, Stock()),
        Close,
        (),
        "unknown_event",
        "Depot has no event Close, the class itself; it has Put, Close",
    ),
    (Cursor(Depot, Stock()), "Close", (), "unknown_event", "Depot has no event str; it has Put, Close"),
    (
        Cursor(Depot, Stock()),
        Put("a", cast("int", "1")),
        (),
        "invalid_payload",
        "Put.amount: expected an integer, got '1'",
    ),
    (
        Cursor(Depot, Stock()),
        Close(),
        cast("tuple[str, ...]", "keeper"),
        "invalid_argument",
        "roles='keeper' is no tuple of texts; write roles=('manager',)",
    ),
    (
        Cursor(Depot, Stock()).send(Close(), roles=("keeper",)).send(Close()),
        Close(),
        (),
        "instance_final",
        "ended as demolished",
    ),
]


@pytest.mark.parametrize(("cursor", "event", "roles", "code", "reason"), REFUSED)
def test_a_refusal_has_a_code_and_a_reason_and_changes_nothing(
    cursor: Cursor[Any], event: Any, roles: tuple[str, ...], *, code: str, reason: str
) -> None:
    before = cursor.configuration, cursor.data, cursor.outcome

    with pytest.raises(Refused) as raised:
        cursor.send(event, roles=roles)

    assert (raised.value.code, raised.value.reason) == (code, reason)
    assert str(raised.value) == f"{code}: {reason}"
    assert (cursor.configuration, cursor.data, cursor.outcome) == before


def test_a_refusal_says_what_is_enabled_and_where() -> None:
    with pytest.raises(Refused) as raised:
        at_charging().send(Cancel())

    assert (raised.value.enabled, raised.value.state) == (("Charged",), ("charging",))


def test_an_action_that_raises_leaks_nothing() -> None:
    depot = Cursor(Depot, Stock()).send(Put("a", 1))

    with pytest.raises(ZeroDivisionError):
        depot.send(Put("a", 0))

    assert depot.data == Stock({"a": [1]})
    assert depot.send(Put("a", 2)).data == Stock({"a": [1, 2]})


def test_a_broken_invariant_leaks_nothing() -> None:
    depot = Cursor(Depot, Stock()).send(Put("a", 1))

    with pytest.raises(InvariantBroken, match=r"^Depot\.nothing_is_owed: does not hold in 'opened'"):
        depot.send(Put("a", -1))

    assert depot.data == Stock({"a": [1]})


def test_an_invariant_holds_from_the_start() -> None:
    with pytest.raises(InvariantBroken, match="nothing_is_owed"):
        Cursor(Depot, Stock({"a": [-1]}))


def test_data_is_a_copy() -> None:
    given = Stock({"a": [1]})
    depot = Cursor(Depot, given)

    given.shelves["a"].append(2)
    depot.data.shelves["a"].append(3)

    assert depot.data == Stock({"a": [1]})


def test_initial_data_must_fit_its_type() -> None:
    with pytest.raises(DataError, match=r"^Stock\.shelves\['a'\]\[0\]: expected an integer, got '1'$"):
        Cursor(Depot, Stock({"a": [cast("int", "1")]}))


def test_data_that_no_longer_fits_undoes_the_transition() -> None:
    class Careless(Depot, revision=1):
        def put(self, event: Put) -> None:
            self.data.shelves[event.name] = [cast("int", "many")]

    depot = Cursor(Careless, Stock())

    with pytest.raises(DataError, match=r"^Stock\.shelves\['a'\]\[0\]: expected an integer, got 'many'$"):
        depot.send(Put("a", 1))
    assert depot.data == Stock()


def test_internal_events_and_versions_are_seen_by_callbacks() -> None:
    class Chain(Workflow[Stock], revision=1):
        first = State(initial=True)
        second = State()
        third = State()

        @on(Close, first, to=second)
        def go(self, event: Close) -> None:
            self.raise_(Put("raised", self.version))

        @on(Put, second, to=third)
        def put(self, event: Put) -> None:
            self.data.shelves[event.name] = [event.amount, self.version]

        @enter(first, third)
        def came(self) -> None:
            here = "first" if self.is_in(Chain.first) else "third"
            self.data.shelves[here] = [self.version]

    chain = Cursor(Chain, Stock()).send(Close())

    assert chain.state == "third"
    assert chain.data == Stock({"first": [1], "raised": [2, 2], "third": [2]})


def test_actions_of_leaving_and_of_rules_see_the_state_before_and_those_of_entering_the_one_after() -> None:
    seen: list[tuple[str, bool, bool]] = []

    class Watch(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()

        @on(Close, a, to=b)
        def go(self, event: Close) -> None:
            seen.append(("go", self.is_in(Watch.a), self.is_in(Watch.b)))

        @enter(b)
        def came(self) -> None:
            seen.append(("came", self.is_in(Watch.a), self.is_in(Watch.b)))

    Cursor(Watch, None).send(Close())

    assert seen == [("go", True, False), ("came", False, True)]


def test_who_sent_an_event_is_seen_for_that_event_only() -> None:
    seen: list[str | None] = []

    class Who(Workflow[None], revision=1):
        a = State(initial=True)

        @on(Close, ANY, to=None)
        def close(self, event: Close) -> None:
            seen.append(self.actor)

    Cursor(Who, None).send(Close(), actor="ann").send(Close())

    assert seen == ["ann", None]


def test_done_runs_in_the_event_that_ends_the_last_region() -> None:
    cursor = at_charging().send(Charged("c")).send(Picked("b"))

    assert cursor.send(Labelled("t")).configuration == ("shipped",)


def test_a_workflow_without_data_takes_none_and_gives_none() -> None:
    class Bare(Workflow[None], revision=1):
        a = State(initial=True)

    assert Cursor(Bare, None).data is None


def test_a_start_that_ends_at_once_has_its_outcome() -> None:
    class Ended(Workflow[None], revision=1):
        z = Final(initial=True, outcome="nothing to do")

    assert Cursor(Ended, None).outcome == "nothing to do"


def test_a_frame_is_not_assigned_to() -> None:
    with pytest.raises(
        FrameError, match=r"^PF401 Order\.total cannot be assigned: a frame is thrown away\. Use self\.data\.$"
    ):
        cast("Any", Order(OrderData())).total = 3
