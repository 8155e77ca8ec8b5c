"""What cannot run is refused when its class is defined, by a code and a message that names object, rule and repair."""

import types
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import attrs
import pytest
from attrs import define, frozen

from statemachine import (
    ANY,
    Compound,
    Cursor,
    DefinitionError,
    Final,
    Parallel,
    State,
    Workflow,
    always,
    done,
    enter,
    invariant,
    leave,
    on,
)
from statemachine.workflow import definition_of
from tests.kit import LISTED


@frozen
class Go: ...


@frozen
class Stop: ...


@define
class Trail:
    steps: int = 0


def declare(*bases: Any, revision: object = 1, name: str | None = None, **body: Any) -> type[Any]:
    """Define a workflow called W; what type checkers would refuse can be said too."""
    keywords: dict[str, object] = {"revision": revision} | ({} if name is None else {"name": name})
    return types.new_class("W", bases or (Workflow,), keywords, lambda namespace: namespace.update(body))


def region(base: type[Any], *, name: str = "box", initial: bool = False, **states: Any) -> Any:
    """Define a region."""
    return types.new_class(name, (base,), {"initial": initial}, lambda namespace: namespace.update(states))


def act() -> Callable[[object], None]:
    """Make a method of self; a fresh one, because decorators note their rules on it."""

    def run(self: object) -> None: ...

    return run


def act_on() -> Any:
    """Make a method of self and event."""

    def run(self: object, event: object) -> None: ...

    return run


def holds(self: object) -> bool:
    return True


async def hurry(self: object, event: object) -> None: ...


def asks_too_much(self: object, event: object, more: object) -> bool:
    return True


def start() -> State:
    return State(initial=True)


def rule(*sources: object, event: object = Go, to: object = None, **options: Any) -> Any:
    """Declare a rule at states that may be anything."""
    return cast("Any", on)(event, *sources, to=to, **options)(act_on())


def box(base: type[Any] = Compound, /, **states: Any) -> Any:
    return region(base, initial=True, **states)


def twice_stored() -> type[Any]:
    other = frozen(types.new_class("Other", (), {}, lambda namespace: namespace.update(event_name="Go")))
    one = start()
    return declare(a=one, go=rule(one), other=rule(one, event=other))


def named(stored: object) -> type[Any]:
    event = frozen(types.new_class("Named", (), {}, lambda namespace: namespace.update(event_name=stored)))
    one = start()
    return declare(a=one, go=rule(one, event=event))


def one_state(**body: Callable[[State], Any]) -> type[Any]:
    """A workflow with the state `a`; what else stands in its body is made from that state."""
    one = start()
    return declare(a=one, **{name: make(one) for name, make in body.items()})


def nested(inner: Callable[[Any, Any], object], base: type[Any] = Compound, /, **states: Any) -> type[Any]:
    """A workflow with the region `box` that has `states`; a rule is made from the region and its first state."""
    made = box(base, **states)
    return declare(box=made, go=inner(made, next(iter(states.values()))))


class Open: ...


# each mistake, and what is said about it
MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: declare(a=start(), revision=0), "PD101 W: revision=0. Write revision=1 in the class line, or higher."),
    (
        lambda: declare(a=start(), revision=True),
        "PD101 W: revision=True. Write revision=1 in the class line, or higher.",
    ),
    (
        lambda: declare(Workflow[int], a=start()),
        "PD102 W: data type <class 'int'> is neither attrs class nor dataclass. Write @define.",
    ),
    (
        lambda: declare(Workflow[list[int]], a=start()),
        "PD102 W: data type list[int] is neither attrs class nor dataclass. Write @define.",
    ),
    (declare, "PD103 W has no states. Declare one: cart = State(initial=True)."),
    (
        lambda: declare(a=State()),
        "PD104 W: the workflow has no initial child. Mark one: State(initial=True).",
    ),
    (
        lambda: declare(box=box(a=State())),
        "PD104 W: compound state 'box' has no initial child. Mark one: State(initial=True).",
    ),
    (
        lambda: declare(a=start(), b=start()),
        "PD105 W: the workflow has 2 initial children: a, b. Keep one.",
    ),
    (
        lambda: declare(box=box(a=start(), inner=region(Compound, name="inner", initial=True, x=start()))),
        "PD105 W: compound state 'box' has 2 initial children: a, inner. Keep one.",
    ),
    (
        lambda: one_state(go=lambda _: rule("a")),
        "PD106 W.go names 'a', which is no state of this workflow. Declare it there.",
    ),
    (
        lambda: one_state(go=lambda a: rule(a, to=["a"])),
        "PD106 W.go names ['a'], which is no state of this workflow. Declare it there.",
    ),
    (
        lambda: one_state(go=lambda _: rule(State())),
        "PD106 W.go names <State >, which is no state of this workflow. Declare it there.",
    ),
    (partial(rule), "PD107 @on(Go) names no source state. Name at least one, or ANY."),
    (lambda: cast("Any", always)(to=None), "PD107 @always() names no source state. Name at least one, or ANY."),
    (cast("Any", enter), "PD107 @enter() names no state. Name at least one."),
    (cast("Any", leave), "PD107 @leave() names no state. Name at least one."),
    (
        lambda: declare(box=box(Parallel)),
        "PD108 W: region 'box' has no states. Declare them in its body.",
    ),
    (lambda: rule(start(), event=Go()), "PD109 @on(Go()): Go() is no event class. Name the class itself."),
    (lambda: rule(start(), event=()), "PD109 @on() names no event. Name at least one class."),
    (
        lambda: one_state(go=lambda a: rule(a, event=Trail)),
        "PD109 W: event Trail is no frozen attrs class or dataclass. Write @frozen.",
    ),
    (
        lambda: one_state(go=lambda a: rule(a, event=Open)),
        "PD109 W: event Open is no frozen attrs class or dataclass. Write @frozen.",
    ),
    (
        lambda: one_state(go=lambda a: cast("Any", done)(a, to=None)(act())),
        "PD110 W.go: @done(a) names a leaf, which is never done. Name its region.",
    ),
    (
        lambda: nested(lambda box, _: done(box, to=None)(act()), Parallel, x=Final(), y=State()),
        "PD110 W: final state 'box.x' stands in a parallel, of which only regions are done. Put it into a Compound.",
    ),
    (
        lambda: one_state(go=lambda a: on(Go, a, to=None)(cast("Any", hurry))),
        "PD111 W.go is async or a generator; callbacks are plain methods. Write def, return.",
    ),
    (
        lambda: declare(a=start(), __init__=act()),
        "PD112 W: __init__ cannot be defined. Give the data's fields defaults.",
    ),
    (
        lambda: nested(lambda _, last: rule(last), x=Final(initial=True)),
        "PD113 W.go: 'box.x' is final and cannot be left. Make it a State.",
    ),
    (lambda: declare(a=start(), tell=act()), "PD114 W: 'tell' is a name of the frame. Choose another one."),
    (lambda: declare(a=start(), data=State()), "PD114 W: 'data' is a name of the frame. Choose another one."),
    (
        lambda: region(Compound, is_initial=start()),
        "PD114 region 'box': 'is_initial' is a name of the region. Choose another one.",
    ),
    (
        lambda: types.new_class("box", (Compound,), {"tags": "human"}),
        "PD119 region 'box': tags='human' is no tuple of texts. Write tags=('human',).",
    ),
    (
        lambda: region(Compound, a=start(), go=act()),
        (
            "PD115 region 'box' holds 'go', which is no state. Regions hold only states; "
            "rules and helpers stand in the workflow's body."
        ),
    ),
    (
        lambda: declare(a=start(), done=(hidden := State()), go=hidden(to=None)),
        (
            "PD116 state () is called like a decorator: a state of the same name hides on, done, always or another "
            "helper. Rename the state."
        ),
    ),
    (
        lambda: declare(cast("Any", Workflow)[attrs.make_class("D", {"x": attrs.field(type=complex)})], a=start()),
        f"PD117 D.x has type <class 'complex'>, {LISTED}",
    ),
    (twice_stored, "PD118 W: two events are stored as 'Go'. Give one another event_name."),
    (lambda: named("a b"), "PD118 Named: event_name 'a b' is no name. Use letters, digits, _, - and dots."),
    (
        lambda: named("perdure.kept"),
        "PD118 Named: event_name 'perdure.kept' begins as Perdure's own do. Choose another one.",
    ),
    (lambda: named(3), "PD118 Named: event_name 3 is no name. Use letters, digits, _, - and dots."),
    (
        lambda: State(tags=cast("Any", "human")),
        "PD119 State(tags='human'): tags are a tuple of texts. Write ('human',).",
    ),
    (lambda: rule(start(), roles="boss"), "PD119 @on(Go): roles='boss' is no tuple. Write roles=('manager',)."),
    (
        lambda: cast("Any", on)(Go, start()),
        "PD120 @on(Go) has no target. Write to=STATE, or to=None for an internal transition.",
    ),
    (
        lambda: cast("Any", always)(start()),
        "PD120 @always() has no target. Write to=STATE, or to=None for an internal transition.",
    ),
    (
        lambda: cast("Any", done)(start()),
        "PD120 @done() has no target. Write to=STATE, or to=None for an internal transition.",
    ),
    (
        lambda: one_state(go=lambda a: rule(a, when=holds)),
        "PD121 W.go: guard 'holds' is no method of the workflow. Guards bind by name: define it in the body.",
    ),
    (
        lambda: one_state(go=lambda a: rule(a, when=partial(holds, None))),
        (
            f"PD121 W.go: guard {partial(holds, None)!r} is no method of the workflow. "
            "Guards bind by name: define it in the body."
        ),
    ),
    (
        lambda: declare(a=(one := start()), go=rule(one, when=holds), holds=3),
        "PD121 W: 'holds' is no method. Define it in the workflow's body.",
    ),
    (lambda: one_state(go=lambda a: enter(a)(act_on())), "PD122 W.go must take only self."),
    (
        lambda: one_state(go=lambda a: on(Go, a, to=None)(cast("Any", act()))),
        "PD122 W.go must take self and the event.",
    ),
    (
        lambda: declare(a=(one := start()), go=rule(one, when=asks_too_much), asks_too_much=asks_too_much),
        "PD122 W.asks_too_much: a guard takes self, and in @on also the event.",
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_named_by_rule_and_repair(mistake: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        mistake()

    assert str(raised.value) == message
    assert raised.value.code == message[:5]


def test_every_code_has_a_mistake_here() -> None:
    assert {message[:5] for _, message in MISTAKES} == {f"PD{number}" for number in range(101, 123)}


def test_a_missing_revision_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"^PD101 Plain: revision=.* Write revision=1 in the class line"):
        types.new_class("Plain", (Workflow,), {})


def test_a_missing_revision_on_a_subclass_is_named_too() -> None:
    with pytest.raises(DefinitionError, match=r"^PD101 Sub:"):
        types.new_class("Sub", (Base,), {})


# -- inheritance -------------------------------------------------------------------------------------------------------


class Base(Workflow[Trail], revision=1):
    idle = State(initial=True)
    busy = State()

    class job(Compound):
        first = State(initial=True)
        last = Final()

    over = Final()

    def allowed(self) -> bool:
        return True

    @on(Go, idle, to=busy, when=allowed)
    def go(self, event: Go) -> None:
        self.data.steps += 1

    @on(Go, busy, to=job)
    def work(self, event: Go) -> None: ...

    @on(Go, job.first, to=job.last)
    def finish(self, event: Go) -> None: ...

    @done(job, to=over)
    def end(self) -> None: ...


def rules_of(workflow: type[Any]) -> list[tuple[str, str, str | None]]:
    """Action, source and target of each rule, in the order in which they are asked."""
    chart = definition_of(workflow).chart
    return [(rule.action, rule.source.name, rule.targets[0].name if rule.targets else None) for rule in chart.rules]


def test_a_subclass_has_all_of_its_base() -> None:
    class Same(Base, revision=1): ...

    assert rules_of(Same) == rules_of(Base)
    assert definition_of(Same).fingerprint == definition_of(Base).fingerprint


def test_a_subclass_is_another_workflow_by_name() -> None:
    class Same(Base, revision=2): ...

    assert (definition_of(Same).name, definition_of(Same).revision) == ("Same", 2)


def test_the_stored_name_can_be_given() -> None:
    class Kept(Base, revision=1, name="Base"): ...

    assert definition_of(Kept).name == "Base"


def test_rules_of_a_subclass_come_before_those_of_its_base() -> None:
    class Quick(Base, revision=1):
        @on(Go, Base.idle, to=Base.over)
        def skip(self, event: Go) -> None: ...

    assert rules_of(Quick) == [("skip", "idle", "over"), *rules_of(Base)]
    assert Cursor(Quick, Trail()).send(Go()).state == "over"


def test_a_redefined_rule_replaces_that_of_the_base() -> None:
    class Back(Base, revision=1):
        @on(Go, Base.busy, to=Base.idle)
        def work(self, event: Go) -> None: ...

    assert rules_of(Back) == [("work", "busy", "idle"), *(rule for rule in rules_of(Base) if rule[0] != "work")]


def test_an_override_without_decorator_keeps_the_rule() -> None:
    class Double(Base, revision=1):
        def go(self, event: Go) -> None:
            self.data.steps += 2

    assert rules_of(Double) == rules_of(Base)
    assert Cursor(Double, Trail()).send(Go()).data.steps == 2


def test_an_override_that_takes_other_arguments_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^PD122 W.go must take self and the event"):
        declare(Base, go=act())


def test_an_override_that_is_no_method_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^PD121 W: 'go' is no method"):
        declare(Base, go=None)


def test_guards_bind_by_name() -> None:
    class Closed(Base, revision=1):
        def allowed(self) -> bool:
            return False

    assert Cursor(Base, Trail()).send(Go()).state == "busy"
    with pytest.raises(Exception, match="guard_failed: Go in idle was stopped by allowed"):
        Cursor(Closed, Trail()).send(Go())


def test_a_replaced_region_keeps_the_rules_of_the_base() -> None:
    class Longer(Base, revision=1):
        class job(Compound):  # pyright: ignore[reportIncompatibleVariableOverride]  # replaced deliberately
            first = State(initial=True)
            middle = State()
            last = Final()

        @on(Stop, job.middle, to=job.last)
        def stop(self, event: Stop) -> None: ...

    assert rules_of(Longer)[1:] == rules_of(Base)
    cursor = Cursor(Longer, Trail()).send(Go()).send(Go()).send(Go())
    assert cursor.outcome == "over"


def test_a_region_that_derives_from_the_bases_has_its_states_and_options_too() -> None:
    class Longer(Base, revision=1):
        class job(Base.job, tags=("long",)):  # no ignore is needed: it is a kind of the base's region
            middle = State()

        @on(Stop, job.middle, to=job.last)
        def stop(self, event: Stop) -> None: ...

    definition = definition_of(Longer)
    assert rules_of(Longer) == [("stop", "job.middle", "job.last"), *rules_of(Base)]
    assert [name for name in definition.chart.nodes if name.startswith("job")] == [
        "job", "job.first", "job.last", "job.middle",
    ]  # fmt: skip
    assert definition.chart.nodes["job"].initial == "job.first"
    assert (definition.tags["job"], definition_of(Base).tags["job"]) == (("long",), ())


def test_a_derived_region_is_initial_as_its_base_is_unless_it_says_otherwise() -> None:
    class Small(Workflow[None], revision=1):
        class box(Compound, initial=True, tags=("a",)):
            first = State(initial=True)

    class Same(Small, revision=1):
        class box(Small.box): ...

    class Other(Small, revision=1):
        start = State(initial=True)

        class box(Small.box, initial=False, tags=()): ...

    assert (definition_of(Same).chart.root.initial, definition_of(Same).tags["box"]) == ("box", ("a",))
    assert (definition_of(Other).chart.root.initial, definition_of(Other).tags["box"]) == ("start", ())


def test_rules_of_a_grandchild_come_before_those_of_its_base_and_of_theirs() -> None:
    class Child(Base, revision=1):
        @on(Stop, Base.busy, to=Base.idle)
        def stop(self, event: Stop) -> None: ...

    class Grandchild(Child, revision=1):
        @on(Stop, Base.idle, to=Base.busy)
        def again(self, event: Stop) -> None: ...

        def go(self, event: Go) -> None:
            super().go(event)

    assert rules_of(Grandchild) == [("again", "idle", "busy"), ("stop", "busy", "idle"), *rules_of(Base)]


def test_the_replaced_state_and_its_replacement_are_one() -> None:
    class Longer(Base, revision=1):
        class job(Compound):  # pyright: ignore[reportIncompatibleVariableOverride]  # replaced deliberately
            first = State(initial=True)
            last = Final()

    for one in (Base.job.first, Longer.job.first, Base.job, Longer.job):
        assert definition_of(Longer).is_in(one, ("job.first",))


def test_a_rule_of_the_base_at_a_state_that_was_dropped_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"^PD106 W\.finish names <Final last>, which is no state of this workflow"
    ):
        declare(Base, job=region(Compound, name="job", first=start()))


def test_a_final_state_that_became_a_plain_one_can_be_left() -> None:
    class Reopened(Base, revision=1):
        over = cast("Any", State())  # type checkers do not let another kind of state take the place

        @on(Stop, over, to=Base.idle)
        def reopen(self, event: Stop) -> None: ...

    assert Cursor(Reopened, Trail()).send(Go()).send(Go()).send(Go()).send(Stop()).state == "idle"


def test_a_plain_state_that_became_final_cannot_be_left() -> None:
    with pytest.raises(DefinitionError, match=r"^PD113 W\.work: 'busy' is final"):
        declare(Base, busy=Final())


def test_a_region_that_became_a_leaf_is_never_done() -> None:
    class Small(Workflow[None], revision=1):
        class job(Compound, initial=True):
            last = Final(initial=True)

        over = Final()

        @done(job, to=over)
        def end(self) -> None: ...

    with pytest.raises(DefinitionError, match=r"^PD110 W\.end: @done\(job\) names a leaf"):
        declare(Small, job=State(initial=True))


def test_an_abstract_base_need_not_be_complete() -> None:
    class Half(Workflow[Trail], revision=1, abstract=True):
        busy = State()

        @on(Go, busy, to=None)
        def go(self, event: Go) -> None: ...

    class Whole(Half, revision=1):
        idle = State(initial=True)

    with pytest.raises(TypeError, match="is no workflow class"):
        definition_of(Half)
    assert list(definition_of(Whole).chart.nodes) == ["", "busy", "idle"]


def test_an_abstract_base_must_not_define_init_either() -> None:
    with pytest.raises(DefinitionError, match=r"^PD112"):
        types.new_class(
            "Half", (Workflow,), {"revision": 1, "abstract": True}, lambda body: body.update(__init__=act())
        )


def test_a_callback_may_not_be_a_generator() -> None:
    def walk(self: object, event: object) -> Any:
        yield

    with pytest.raises(DefinitionError, match=r"^PD111"):
        one_state(go=lambda a: on(Go, a, to=None)(walk))


# -- what a class body may say -----------------------------------------------------------------------------------------


def test_a_method_may_carry_several_rules() -> None:
    class Twice(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()

        @on(Go, a, to=b)
        @on(Go, b, to=a)
        def move(self, event: Go) -> None: ...

    assert rules_of(Twice) == [("move", "a", "b"), ("move", "b", "a")]


def test_one_rule_may_take_two_events() -> None:
    class Either(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()

        @on((Go, Stop), a, to=b)
        def move(self, event: Go | Stop) -> None: ...

    assert [Cursor(Either, None).send(event).state for event in (Go(), Stop())] == ["b", "b"]


def test_any_means_every_first_level_state_but_final_ones_and_is_asked_last() -> None:
    class Broad(Workflow[None], revision=1):
        a = State(initial=True)

        class b(Compound):
            x = State(initial=True)

        z = Final()

        @on(Stop, ANY, to=z)
        def stop(self, event: Stop) -> None: ...

        @on(Stop, a, to=b)
        def stay(self, event: Stop) -> None: ...

    assert rules_of(Broad) == [("stay", "a", "b"), ("stop", "a", "z"), ("stop", "b", "z")]


def test_names_that_transitions_uses_itself_can_be_states_and_events() -> None:
    @frozen
    class get_state: ...

    class Odd(Workflow[None], revision=1):
        states = State(initial=True)

        class initial(Compound):
            initial = State(initial=True)
            events = State()

        @on(get_state, states, to=initial)
        def add_transition(self, event: get_state) -> None: ...

    assert Cursor(Odd, None).send(get_state()).state == "initial.initial"


def test_hooks_and_invariants_are_noted_in_the_chart() -> None:
    class Hooked(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()

        @enter(a, b)
        def came(self) -> None: ...

        @leave(a)
        def went(self) -> None: ...

        @invariant
        def fine(self) -> bool:
            return True

    definition = definition_of(Hooked)
    a, b = definition.chart.nodes["a"], definition.chart.nodes["b"]
    assert (a.enter, a.leave, b.enter, b.leave) == (("came",), ("went",), ("came",), ())
    assert definition.invariants == ("fine",)


def test_a_foreign_state_in_is_in_is_named() -> None:
    nowhere = State()
    nowhere.name = "nowhere"

    with pytest.raises(DefinitionError, match=r"^PD106 Base: <State nowhere> is no state of this workflow"):
        definition_of(Base).is_in(nowhere, ("idle",))


def test_what_is_no_workflow_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"^PD156 <class 'int'> is no workflow class that can run\. Give a subclass of Workflow"
    ):
        definition_of(int)


@pytest.mark.parametrize("wrap", [staticmethod, classmethod])
def test_a_rule_inside_a_static_or_class_method_is_named_and_not_lost(wrap: Callable[[Any], Any]) -> None:
    def go(self: object, event: Go) -> None: ...

    def make() -> None:
        class W(Workflow, revision=1):
            a = State(initial=True)
            b = Final()
            wrapped = wrap(on(Go, a, to=b)(go))

    with pytest.raises(DefinitionError, match=rf"^PD121 W: the rule 'wrapped' stands in a {wrap.__name__}\."):
        make()
