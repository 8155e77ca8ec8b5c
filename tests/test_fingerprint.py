"""A fingerprint covers what decides how an instance goes on, and nothing else: whatever else changes, it stays."""

import inspect
import itertools
import os
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest
from hypothesis import HealthCheck, Phase, assume, given, reject, settings
from hypothesis import strategies as st

from statemachine import (
    Compound,
    DefinitionError,
    Final,
    History,
    State,
    Workflow,
    enter,
    invariant,
    leave,
    on,
    on_error,
)
from statemachine.compiling import compile_chart
from statemachine.machine import build
from statemachine.rules import always
from statemachine.specs import RuleSpec, StateSpec
from statemachine.workflow import definition_of
from tests.charts import Story, stories

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)  # charts are large values


def attrs_class(name: str, fields: dict[str, Any], *, frozen: bool = False) -> type[Any]:
    """An attrs class; a field is a type, or a type and its default."""
    made = {
        member: attrs.field(type=kind[0], default=kind[1]) if isinstance(kind, tuple) else attrs.field(type=kind)
        for member, kind in fields.items()
    }
    return attrs.make_class(name, made, frozen=frozen)


def said_yes(self: object) -> bool:
    return True


def said_yes_too(self: object) -> bool:
    return True


def made(
    *,
    leaf: str = "b",
    final: bool = False,
    initial: str = "a",
    swap: bool = False,
    outcome: str | None = None,
    extra: bool = False,
    action: str = "go",
    guard: Callable[..., bool] = said_yes,
    roles: tuple[str, ...] = ("boss",),
    reenter: bool = False,
    to: bool = True,
    eventless: bool = False,
    handler: bool = False,
    deep: bool = False,
    fallback: str = "x",
    defer: bool = False,
    backwards: bool = False,
    order: tuple[str, str] = ("go", "stop"),
    hook: str = "came",
    leaving: bool = False,
    question: str = "fine",
    event: dict[str, Any] | None = None,
    event_name: str = "Go",
    data: dict[str, Any] | None = None,
    doc: str = "one",
    body: Callable[[Any], None] = lambda self: None,
    module: str = "here",
    revision: int = 1,
    name: str = "W",
    tags: tuple[str, ...] = (),
) -> bytes:
    """Declare a workflow with one thing changed, and return its fingerprint."""
    first, second = State(initial=initial == "a", tags=tags), Final() if final else State(initial=initial != "a")
    end = Final(outcome=outcome)
    kind = attrs_class(event_name, {"n": int} if event is None else event, frozen=True)
    Data = attrs_class("Data", {"x": (int, 0)} if data is None else data)  # noqa: N806  # a class

    def go(self: Any, event: Any) -> None:
        body(self)

    def stop(self: Any, event: Any) -> None: ...

    def came(self: Any) -> None: ...

    go.__doc__ = doc
    go.__module__ = module
    target = end if to else None
    rules = {
        "go": (action, on(kind, first, to=target, when=guard, roles=roles, reenter=reenter)(go)),
        "stop": ("stop", on(kind, first, to=first)(stop)),
    }
    inner = {"x": State(initial=True), "y": State()}
    inside = {**inner, "back": History(to=inner[fallback], deep=deep)}
    options = {"defer": (kind,) if defer else ()}
    region: Any = types.new_class("r", (Compound,), options, lambda space: space.update(inside))
    states = {"a": first, leaf: second}
    if swap:
        states = dict(reversed(states.items()))
    content: dict[str, Any] = {
        **states,
        "r": region,
        "z": end,
        "turn": always(first, to=region.back if backwards else region, when=guard)(lambda self: None),
        **({"more": State()} if extra else {}),
        guard.__name__: guard,
        **dict(rules[one] for one in order),
        hook: (leave if leaving else enter)(first)(came),
        question: invariant(lambda self: True),
        **({"rest": always(first, to=end, when=guard)(lambda self: None)} if eventless else {}),
        **({"mend": on_error(first, to=end)(cast("Any", lambda self, event: None))} if handler else {}),
        "__module__": module,
        "__doc__": doc,
    }
    keywords = {"revision": revision, "name": name}
    workflow = types.new_class("W", (cast("Any", Workflow)[Data],), keywords, lambda space: space.update(content))
    return definition_of(workflow).fingerprint


COVERED: list[tuple[str, dict[str, Any]]] = [
    ("a state's name", {"leaf": "c"}),
    ("a state's kind", {"final": True}),
    ("which state is initial", {"initial": "b"}),
    ("the order of states", {"swap": True}),
    ("one state more", {"extra": True}),
    ("an outcome", {"outcome": "won"}),
    ("an action's name", {"action": "move"}),
    ("a guard", {"guard": said_yes_too}),
    ("roles", {"roles": ("boss", "owner")}),
    ("no roles", {"roles": ()}),
    ("reenter", {"reenter": True}),
    ("a target", {"to": False}),
    ("one rule more", {"eventless": True}),
    ("the order of rules", {"order": ("stop", "go")}),
    ("what handles a failure", {"handler": True}),
    ("a history as a target", {"backwards": True}),
    ("how deep a history is", {"deep": True}),
    ("where a history leads at first", {"fallback": "y"}),
    ("what is deferred", {"defer": True}),
    ("a hook's name", {"hook": "arrived"}),
    ("a hook's kind", {"leaving": True}),
    ("an invariant's name", {"question": "finer"}),
    ("an event's name", {"event_name": "Leave"}),
    ("an event's field", {"event": {"m": int}}),
    ("the type of an event's field", {"event": {"n": str}}),
    ("the default of an event's field", {"event": {"n": (int, 0)}}),
    ("one field more in an event", {"event": {"n": int, "m": (int, 0)}}),
    ("a data field", {"data": {"y": (int, 0)}}),
    ("the type of a data field", {"data": {"x": (int | None, 0)}}),
    ("one field more in data", {"data": {"x": (int, 0), "y": (int, 0)}}),
]
LEFT_OUT: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {}),
    ("docstrings", {"doc": "two"}),
    ("bodies", {"body": lambda self: self.data}),
    ("modules", {"module": "there"}),
    ("the revision", {"revision": 2}),
    ("the workflow's name", {"name": "V"}),
    ("tags", {"tags": ("human",)}),
    ("which default a field has", {"data": {"x": (int, 1)}}),
]


@pytest.mark.parametrize("change", [one[1] for one in COVERED], ids=[one[0] for one in COVERED])
def test_a_fingerprint_covers(change: dict[str, Any]) -> None:
    assert made(**change) != made()


@pytest.mark.parametrize("change", [one[1] for one in LEFT_OUT], ids=[one[0] for one in LEFT_OUT])
def test_a_fingerprint_leaves_out(change: dict[str, Any]) -> None:
    assert made(**change) == made()


def test_all_that_a_fingerprint_covers_differs_from_each_other() -> None:
    assert len({made(**change) for _, change in COVERED}) == len(COVERED)


# -- as properties -----------------------------------------------------------------------------------------------------

GIVEN = inspect.signature(made).parameters


def drawn_from(table: list[tuple[str, dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a value for each thing of a table: the one that `made` has by itself, or one that the table names."""
    names = dict.fromkeys(itertools.chain.from_iterable(change for _, change in table))
    return st.fixed_dictionaries(
        {
            name: st.sampled_from([GIVEN[name].default, *(change[name] for _, change in table if name in change)])
            for name in names
        }
    )


LEFT = [one for one in LEFT_OUT if "data" not in one[1]]


def allowed(**change: Any) -> bytes:
    """The fingerprint, where such a workflow can be declared: not with an initial state that is final."""
    try:
        return made(**change)
    except DefinitionError:
        reject()


@given(drawn_from(COVERED), drawn_from(LEFT), drawn_from(LEFT))
def test_what_a_fingerprint_leaves_out_changes_none(
    one: dict[str, Any], less: dict[str, Any], least: dict[str, Any]
) -> None:
    assert allowed(**one, **less) == allowed(**one, **least)


@given(drawn_from(COVERED), st.sampled_from([change for _, change in COVERED]), drawn_from(LEFT))
def test_each_thing_that_a_fingerprint_covers_changes_each(
    one: dict[str, Any], change: dict[str, Any], less: dict[str, Any]
) -> None:
    assume(one | change != one)
    assert allowed(**one, **less) != allowed(**one | change, **less)


def asked(story: Story, rules: tuple[RuleSpec, ...]) -> object:
    """What a chart of these states and rules must differ by, written down without the compiler."""
    each = [
        (rule.event, source, rule.targets, rule.action, rule.guard, rule.reenter)
        for rule in rules
        for source in rule.sources
    ]
    return story.initial, [attrs.evolve(spec, tags=()) for spec in story.states], each


def text(story: Story, states: tuple[StateSpec, ...], rules: tuple[RuleSpec, ...]) -> str:
    """The canonical text, of which the fingerprint is the digest."""
    machine = build("drawn", states, rules)
    machine.initial = story.initial
    return compile_chart(machine, schemas={}).text


def without_guards(story: Story, states: tuple[StateSpec, ...], rules: tuple[RuleSpec, ...]) -> str:
    """A text that forgets which guard a rule has."""
    return text(story, states, tuple(attrs.evolve(rule, guard=None) for rule in rules))


CHANGES: list[dict[str, Any]] = [{"guard": "x"}, {"targets": ()}, {"action": "x"}, {"reenter": True}, {"order": -1}]


def check_rules(write: Callable[[Story, tuple[StateSpec, ...], tuple[RuleSpec, ...]], str]) -> None:
    """Change one thing of one rule of any chart: the text differs if and only if the rule does."""

    @settings(database=None, phases=[Phase.generate], deadline=None, suppress_health_check=SLOW)
    @given(stories(), st.integers(0), st.sampled_from(CHANGES))
    def check(story: Story, place: int, change: dict[str, Any]) -> None:
        rules = [attrs.evolve(rule, order=order) for order, rule in enumerate(story.rules)]
        assume(rules)
        place %= len(rules)
        other = [*rules[:place], attrs.evolve(rules[place], **change), *rules[place + 1 :]]
        other.sort(key=lambda rule: rule.order)

        one, two = (write(story, story.states, tuple(each)) for each in (rules, other))

        assert (one == two) is (asked(story, tuple(rules)) == asked(story, tuple(other)))

    check()


def test_a_chart_of_any_shape_is_the_same_if_and_only_if_its_rules_are() -> None:
    check_rules(text)


def test_a_text_that_forgets_guards_is_found() -> None:
    with pytest.raises(AssertionError):
        check_rules(without_guards)


@settings(deadline=None, suppress_health_check=SLOW)
@given(stories(), st.lists(st.text(), max_size=2).map(tuple))
def test_labels_of_states_are_no_part_of_a_chart(story: Story, tags: tuple[str, ...]) -> None:
    labelled = tuple(attrs.evolve(spec, tags=tags) for spec in story.states)

    assert text(story, labelled, story.rules) == text(story, story.states, story.rules)


SAME = """
from examples.order import Order
from statemachine.workflow import definition_of
print(definition_of(Order).fingerprint.hex())
"""


def test_a_fingerprint_is_the_same_whatever_the_seed_of_hashes() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", SAME],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }

    assert len(printed) == 1
    assert len(printed.pop()) == 65
