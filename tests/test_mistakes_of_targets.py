"""Mistakes with histories, several targets, deferred events and failures, each with its golden text."""

import types
from collections.abc import Callable
from typing import Any, cast

import pytest
from attrs import define, frozen

from statemachine import (
    ANY,
    Compound,
    DefinitionError,
    Failed,
    Final,
    History,
    Parallel,
    State,
    Workflow,
    after,
    enter,
    on,
    on_error,
    task,
)
from statemachine.workflow import definition_of


@frozen
class Go: ...


@frozen
class Stop: ...


@define
class Thawed: ...


loose, tasks, errors = cast("Any", on), cast("Any", task), cast("Any", on_error)


def declare(*bases: Any, **body: Any) -> type[Any]:
    """Define a workflow called W."""
    return types.new_class("W", bases or (Workflow,), {"revision": 1}, lambda namespace: namespace.update(body))


def fresh(function: Any) -> Any:
    """A copy without notes: a decorator notes on the function itself."""
    copy = types.FunctionType(function.__code__, globals(), function.__name__)
    copy.__annotations__ = dict(function.__annotations__)
    return copy


def go(self: object, event: Go) -> None: ...


def failed(self: object, event: Failed) -> None: ...


def other(self: object, event: Failed) -> None: ...


def alone(self: object) -> None: ...


class Hall(Workflow[None], revision=1):
    """What most mistakes are made with."""

    a = State(initial=True)

    class p(Parallel):
        class x(Compound):
            one = State(initial=True)
            two = State()
            back = History(to=one)

        class y(Compound):
            three = State(initial=True)
            four = State()

        again = History(to=(x.two, y.four), deep=True)

    @on(Go, a, to=p)
    def enter_it(self, event: Go) -> None: ...


x, y = Hall.p.x, Hall.p.y


def leading(*to: object) -> type[Any]:
    """Derive from the hall a workflow with one rule that leads there."""

    def move(self: object, event: Stop) -> None: ...

    return declare(Hall, move=loose(Stop, Hall.a, to=to[0] if len(to) == 1 else to)(move))


def handling(**rules: Any) -> type[Any]:
    """Derive from the hall a workflow with rules for failures."""
    return declare(Hall, **rules)


def deferring(*events: Any, defer: Any = None) -> type[Any]:
    """Define a workflow whose state defers."""
    one = State(initial=True, defer=events if defer is None else defer)
    return declare(a=one, b=State(), go=loose(Go, one, to=None)(fresh(go)))


def history_at_the_top() -> None:
    one = State(initial=True)
    declare(a=one, back=History(to=one))


def history_in_a_mixin() -> None:
    one = State()

    class Remembering:
        back = History(to=one)

    declare(Remembering, Workflow, a=State(initial=True))


def history_twice() -> None:
    class W(Workflow[None], revision=1):
        class r(Compound, initial=True):
            a = State(initial=True)
            back = History(to=a)
            back = History(to=a, deep=True)  # noqa: PIE794  # the mistake


def history_of_another_region() -> None:
    class r(Compound, initial=True):
        a = State(initial=True)

    class s(Compound):
        b = State(initial=True)
        back = History(to=r.a)

    declare(r=r, s=s)


def history_of_itself() -> None:
    class r(Compound, initial=True):
        a = State(initial=True)
        b = State()
        back = History(to=(a, b))

    declare(r=r)


def region_called_as_a_history() -> None:
    class r(Compound, initial=True):
        a = State(initial=True)
        back = History(to=a)

    cast("Any", r.back)()


def nested_outcome() -> None:
    class r(Compound, initial=True):
        a = State(initial=True)
        z = Final(outcome="done")

    declare(r=r)


TARGET = "A history is only a target of @on, @always, @done or @on_error: name its region."
APART = "Several targets lie in different regions of a Parallel."

MISTAKES: list[tuple[Callable[[], object], str]] = [
    (
        history_at_the_top,
        (
            "PD135 W: history 'back' stands beside the first-level states, which are left only at the end. "
            "Put it into the body of the region that it remembers."
        ),
    ),
    (
        history_in_a_mixin,
        (
            "PD126 W: 'back' is a state or a rule of the mixin Remembering. "
            "Derive the mixin from Workflow, with abstract=True, or leave plain helpers in it."
        ),
    ),
    (
        history_twice,
        (
            f"PD123 region 'r': the state of line {history_twice.__code__.co_firstlineno + 4} is lost: "
            "the name 'back' was given again. Give each state and rule its own name."
        ),
    ),
    (
        lambda: declare(Hall, more=loose(Stop, x.back, to=None)(lambda self, event: None)),
        f"PD135 W.more names history 'p.x.back' where a state must stand. {TARGET}",
    ),
    (
        lambda: declare(Hall, came=enter(cast("Any", x.back))(fresh(alone))),
        f"PD135 W.came names history 'p.x.back' where a state must stand. {TARGET}",
    ),
    (
        lambda: declare(Hall, late=after("1h", Hall.a, to=cast("Any", x.back))(fresh(alone))),
        f"PD135 W.late names history 'p.x.back' where a state must stand. {TARGET}",
    ),
    (
        lambda: declare(Hall, work=tasks(Hall.a, done=x.back, failed=Hall.a)(fresh(alone))),
        f"PD135 W.work names history 'p.x.back' where a state must stand. {TARGET}",
    ),
    (
        cast("Any", History),
        (
            "PD136 History() has no default: nothing is remembered before its region was left once. "
            "Write History(to=STATE)."
        ),
    ),
    (
        lambda: History(to=()),
        (
            "PD136 History() has no default: nothing is remembered before its region was left once. "
            "Write History(to=STATE)."
        ),
    ),
    (
        history_of_another_region,
        "PD136 W: history 's.back' leads to 'r.a', which is not in 's'. Name one that is.",
    ),
    (history_of_itself, f"PD138 W.r.back: 'r.a' and 'r.b' cannot be entered together. {APART}"),
    (
        region_called_as_a_history,
        (
            "PD116 state 'back' is called like a decorator: a state of the same name hides "
            "on, done, always or another helper. Rename the state."
        ),
    ),
    (
        lambda: deferring(defer=Go),
        f"PD137 State(…): defer={Go!r} is no tuple of event classes. Write defer=(Cancel,).",
    ),
    (
        lambda: deferring("Go"),
        "PD137 State(…): defer=('Go',) is no tuple of event classes. Write defer=(Cancel,).",
    ),
    (
        lambda: deferring(Go()),
        f"PD137 State(…): defer=({Go()!r},) is no tuple of event classes. Write defer=(Cancel,).",
    ),
    (
        lambda: types.new_class("r", (Compound,), {"defer": Go}),
        f"PD137 region 'r': defer={Go!r} is no tuple of event classes. Write defer=(Cancel,).",
    ),
    (
        lambda: deferring(Stop),
        "PD137 W: 'a' defers Stop, which no rule takes: it would wait for ever. Drop it.",
    ),
    (lambda: deferring(Thawed), "PD109 W: event Thawed is no frozen attrs class or dataclass. Write @frozen."),
    (
        lambda: declare(
            a=State(initial=True, defer=(Go,)),
            go=loose(Go, ANY, to=None)(fresh(go)),
        ),
        "PD137 W: 'a' defers Go, which no rule takes: it would wait for ever. Drop it.",
    ),
    (
        lambda: leading(
            (),
        ),
        "PD138 W.move: to=() names no target. Write to=None to stay.",
    ),
    (lambda: leading(Hall.a, Hall.p), f"PD138 W.move: 'a' and 'p' cannot be entered together. {APART}"),
    (lambda: leading(x.one, x.two), f"PD138 W.move: 'p.x.one' and 'p.x.two' cannot be entered together. {APART}"),
    (lambda: leading(x.one, x.one), f"PD138 W.move: 'p.x.one' and 'p.x.one' cannot be entered together. {APART}"),
    (lambda: leading(x, x.one), f"PD138 W.move: 'p.x' and 'p.x.one' cannot be entered together. {APART}"),
    (lambda: leading(x.one, Hall.p), f"PD138 W.move: 'p.x.one' and 'p' cannot be entered together. {APART}"),
    (lambda: leading(x.back, x.two), f"PD138 W.move: 'p.x.back' and 'p.x.two' cannot be entered together. {APART}"),
    (
        lambda: leading(y.four, Hall.p.again),
        f"PD138 W.move: 'p.y.four' and 'p.again' cannot be entered together. {APART}",
    ),
    (
        lambda: leading(x.one, y.three, y.four),
        f"PD138 W.move: 'p.y.three' and 'p.y.four' cannot be entered together. {APART}",
    ),
    (
        lambda: leading(x.one, "p.y.three"),
        "PD106 W.move names 'p.y.three', which is no state of this workflow. Declare it there.",
    ),
    (
        lambda: leading(History(to=State())),
        "PD106 W.move names <History >, which is no state of this workflow. Declare it there.",
    ),
    (
        lambda: handling(
            failed=on_error(x.one, to=None)(fresh(failed)), other=on_error(x.two, x.one, to=None)(fresh(other))
        ),
        "PD139 W: 'failed' and 'other' are both @on_error for p.x.one. Keep one.",
    ),
    (
        lambda: handling(failed=on_error(ANY, to=None)(fresh(failed)), other=on_error(ANY, to=None)(fresh(other))),
        "PD139 W: 'failed' and 'other' are both @on_error for ANY. Keep one.",
    ),
    (
        lambda: handling(go=on_error(x, to=None)(cast("Any", fresh(go)))),
        "PD131 W.go takes Go, and the rule is for Failed. Annotate event: Failed.",
    ),
    (
        lambda: handling(alone=on_error(x, to=None)(cast("Any", fresh(alone)))),
        "PD122 W.alone must take self and the event.",
    ),
    (lambda: errors(to=None), "PD107 @on_error() names no source state. Name at least one, or ANY."),
    (
        lambda: errors(ANY),
        "PD120 @on_error() has no target. Write to=STATE, or to=None for an internal transition.",
    ),
    (
        nested_outcome,
        (
            "PD141 W: final state 'r.z' has an outcome and does not end the instance: nobody would read it. "
            "Ask self.is_in(…) in @done."
        ),
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_named_by_rule_and_repair(mistake: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        mistake()

    assert str(raised.value) == message


# -- the other side of the border --------------------------------------------------------------------------------------


def test_targets_in_different_regions_are_sound_in_any_order_and_at_any_depth() -> None:
    sound = [leading(x.two, y.four), leading(y.four, x.two), leading(x, y), leading(x.back, y), leading(Hall.p.again)]

    assert [[node.name for node in definition_of(one).chart.rules[0].targets] for one in sound] == [
        ["p.x.two", "p.y.four"],
        ["p.y.four", "p.x.two"],
        ["p.x", "p.y"],
        ["p.x.back", "p.y"],
        ["p.again"],
    ]


def test_a_state_may_have_its_own_handler_beside_that_of_any() -> None:
    made = handling(failed=on_error(ANY, to=None)(fresh(failed)), other=on_error(Hall.a, to=None)(fresh(other)))

    rules = [rule for rule in definition_of(made).chart.rules if rule.event == "error:"]
    assert [(rule.action, rule.source.name) for rule in rules] == [("other", "a"), ("failed", "a"), ("failed", "p")]


def test_a_subclass_inherits_histories_and_may_replace_them() -> None:
    class Deeper(Hall, revision=1):
        class p(Hall.p):
            class x(Hall.p.x):
                back = History(to=x.two, deep=True)

    base, derived = definition_of(Hall).chart, definition_of(Deeper).chart

    assert [(node.name, node.deep, node.fallback) for node in base.nodes.values() if node.kind == "history"] == [
        ("p.x.back", False, ("p.x.one",)),
        ("p.again", True, ("p.x.two", "p.y.four")),
    ]
    assert [(node.name, node.deep, node.fallback) for node in derived.nodes.values() if node.kind == "history"] == [
        ("p.x.back", True, ("p.x.two",)),
        ("p.again", True, ("p.x.two", "p.y.four")),
    ]
    assert derived.fingerprint != base.fingerprint


def test_a_history_may_give_way_to_a_state_and_the_other_way_round() -> None:
    class Other(Hall, revision=1):
        class p(Hall.p):
            class x(Hall.p.x):
                back = State()  # type: ignore[assignment]  # a state where a history was
                two = History(to=Hall.p.x.one)  # type: ignore[assignment]  # a history where a state was

            again = History(to=x)

    nodes = definition_of(Other).chart.nodes

    assert (nodes["p.x.back"].kind, nodes["p.x.two"].kind) == ("atomic", "history")
