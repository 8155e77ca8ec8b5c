"""What can run but looks wrong is found, and what is sound is not; with strict=True it is an error."""

import types
from typing import Any

import pytest
from attrs import frozen

from examples import from_transitions
from examples.order import Order
from perdure.demo import order as demo
from statemachine import (
    ANY,
    Compound,
    DefinitionError,
    Final,
    Parallel,
    State,
    Workflow,
    after,
    always,
    check,
    done,
    on,
    task,
)
from tests.typing import order, semantics, subclass


@frozen
class Go: ...


@frozen
class Stop: ...


def found(workflow: type[Workflow[Any]]) -> list[tuple[str, str]]:
    """Code and place of each finding."""
    return [(one.code, one.where) for one in check(workflow)]


@pytest.mark.parametrize(
    "workflow",
    [Order, demo.Order, from_transitions.DurableHero, from_transitions.DurableMorning, order.Order, subclass.Counter],
    ids=["example", "demo", "hero", "drinker", "design", "counter"],
)
def test_a_sound_workflow_has_no_finding(workflow: type[Workflow[Any]]) -> None:
    assert check(workflow) == ()


def test_the_example_that_has_a_dead_end_is_told_so() -> None:
    assert found(from_transitions.DurableMatter) == [("PD202", "plasma")]  # as in the README of transitions


def test_what_a_program_of_every_construct_has_for_nothing_is_found() -> None:
    assert found(semantics.Player) == [
        ("PD201", "power.song.first"),  # a history leads into the region, and remembers the second song
        ("PD201", "power.song.last"),
        ("PD201", "over"),
        ("PD207", "power"),
        ("PD212", "power.song.second"),  # a rule beside it takes Pause in each case
    ]


class Odd(Workflow[None], revision=1):
    """One finding of each kind, and beside each the form that is none."""

    a = State(initial=True)
    b = State()
    island = State()

    class far(Compound):
        inner = State(initial=True)

    stuck = State()

    class both(Parallel):
        class left(Compound):
            x = State(initial=True)
            y = Final()

        class right(Compound):
            waits = State(initial=True)  # left by the rule beside it

    class ended(Compound):
        z = Final(initial=True)  # nobody asks for its end

    over = Final()

    def maybe(self) -> bool:
        return True

    @on(Go, a, to=b, when=maybe)
    def guarded(self, event: Go) -> None: ...

    @on(Go, a, to=stuck)
    def first(self, event: Go) -> None: ...

    @on(Go, a, b, to=over)
    def half(self, event: Go) -> None: ...

    @on(Go, b, to=over)
    def shadowed(self, event: Go) -> None: ...

    @on(Stop, b, to=both, roles=("boss",))
    def by_role(self, event: Stop) -> None: ...

    @on(Stop, b, to=ended)
    def stop(self, event: Stop) -> None: ...

    @on(Go, island, far, to=a)
    def rescue(self, event: Go) -> None: ...

    @on(Go, both.left.x, to=over)
    def leave_both(self, event: Go) -> None: ...

    @on(Stop, both.left.x, to=both.left.y)
    def finish(self, event: Stop) -> None: ...


def test_each_kind_is_found_where_it_is() -> None:
    assert found(Odd) == [
        ("PD201", "island"),
        ("PD201", "far"),  # and not its states: one finding for one cause
        ("PD202", "stuck"),
        ("PD202", "both.left.y"),  # right waits for a rule of left, and left is at its end
        ("PD202", "ended.z"),
        ("PD203", "shadowed"),
    ]


def test_both_left_y_is_no_dead_end_while_the_region_beside_it_can_leave() -> None:
    class W(Workflow[None], revision=1):
        class both(Parallel, initial=True):
            class left(Compound):
                y = Final(initial=True)

            class right(Compound):
                x = State(initial=True)

        over = Final()

        @on(Go, both.right.x, to=over)
        def go(self, event: Go) -> None: ...

    assert found(W) == []


def test_the_messages_name_object_and_repair() -> None:
    assert [str(one) for one in check(Odd)] == [
        "PD201 Odd: state 'island' is never reached. Add a rule that leads there, or drop it.",
        "PD201 Odd: state 'far' is never reached. Add a rule that leads there, or drop it.",
        "PD202 Odd: nothing can happen any more in 'stuck'. Make it a Final, or add a rule for it.",
        "PD202 Odd: nothing can happen any more in 'both.left.y'. Add @done for its region.",
        "PD202 Odd: nothing can happen any more in 'ended.z'. Add @done for its region.",
        (
            "PD203 Odd.shadowed never runs for Go in b: 'half' stands above it and takes it always. "
            "Put the rule with the guard first, or drop this one."
        ),
    ]


def test_strict_makes_the_first_finding_an_error_and_counts_the_rest() -> None:
    with pytest.raises(DefinitionError) as raised:
        types.new_class("Odder", (Odd,), {"revision": 1, "strict": True})

    assert raised.value.code == "PD201"
    assert str(raised.value) == (
        "PD201 Odder: state 'island' is never reached. Add a rule that leads there, or drop it. "
        "(5 more: drop strict=True and print check(…))"
    )


def test_strict_lets_a_sound_workflow_and_an_incomplete_base_pass() -> None:
    class Base(Workflow[None], revision=1, abstract=True, strict=True):
        lonely = State()

    class Whole(Workflow[None], revision=1, strict=True):
        a = State(initial=True)

        @on(Go, a, to=None)
        def go(self, event: Go) -> None: ...

    with pytest.raises(TypeError, match="is no workflow class"):
        check(Base)
    assert check(Whole) == ()


def test_a_rule_of_a_subclass_that_comes_first_is_meant() -> None:
    class Base(Workflow[None], revision=1):
        a = State(initial=True)
        over = Final()

        @on(Go, a, to=over)
        def go(self, event: Go) -> None: ...

        @on(Stop, ANY, to=over)
        def stop(self, event: Stop) -> None: ...

    class Sub(Base, revision=1):
        @on(Go, Base.a, to=None)
        def first(self, event: Go) -> None: ...

        @on(Go, Base.a, to=Base.over)
        def second(self, event: Go) -> None: ...

    assert found(Sub) == [("PD203", "second")]


def test_ends_of_regions_tasks_timers_and_eventless_rules_lead_on() -> None:
    class W(Workflow[None], revision=1):
        class box(Compound, initial=True):
            x = State(initial=True)
            y = Final()

        worked = State()
        failed = State()
        waited = State()
        over = Final()

        @always(box.x, to=box.y)
        def rest(self) -> None: ...

        @done(box, to=worked)
        def end(self) -> None: ...

        @task(worked, done=waited, failed=failed)
        def work(self) -> None: ...

        @after("1h", waited, failed, to=over)
        def expire(self) -> None: ...

    assert found(W) == []


def test_the_end_of_a_region_that_never_ends_leads_nowhere() -> None:
    class W(Workflow[None], revision=1):
        class box(Compound, initial=True):
            x = State(initial=True)
            y = Final()

        class both(Parallel):
            class left(Compound):
                m = Final(initial=True)

            class right(Compound):
                n = State(initial=True)
                o = Final()

        over = Final()
        gone = Final()

        @on(Go, box.x, to=both)
        def go(self, event: Go) -> None: ...

        @done(box, to=over)
        def end(self) -> None: ...

        @done(both, to=gone)
        def end_both(self) -> None: ...

    assert found(W) == [
        ("PD201", "box.y"),
        ("PD201", "both.right.o"),
        ("PD201", "over"),
        ("PD201", "gone"),
        ("PD202", "both.right.n"),
        ("PD207", "box"),
        ("PD207", "both"),
    ]
