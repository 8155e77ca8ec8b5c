"""A chart says what is legal and which rules are asked in which order; its fingerprint says whether it is the same."""

import types
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

import attrs
import pytest

from statemachine import Compound, Final, State, Workflow, done, enter, invariant, leave, on
from statemachine.chart import ALWAYS, PLANS_MAX, Chart, done_event, leaves, remember
from statemachine.rules import always
from statemachine.workflow import definition_of
from tests.charts import conversation, written

TREE = "a* p{x[b* c[d* e]] y f} z!"

# configuration, and what is wrong with it
LEGAL: list[tuple[tuple[str, ...], str | None]] = [
    (("a",), None),
    (("z",), None),
    (("p.x.b", "p.y", "p.f"), None),
    (("p.x.c.e", "p.y", "p.f"), None),
    ((), "'the workflow' has 0 active children, expected 1"),
    (("a", "z"), "'the workflow' has 2 active children, expected 1"),
    (("a", "p.x.b", "p.y", "p.f"), "'the workflow' has 2 active children, expected 1"),
    (("p.x.b", "p.y"), "'p' has 2 active children, expected 3"),
    (("p.y", "p.f"), "'p' has 2 active children, expected 3"),
    (("p.x.b", "p.x.c.d", "p.y", "p.f"), "'p.x' has 2 active children, expected 1"),
    (("p.x.c.d", "p.x.c.e", "p.y", "p.f"), "'p.x.c' has 2 active children, expected 1"),
    (("p.y", "p.x.b", "p.f"), "its states are not in document order, or one stands twice"),
    (("a", "a"), "its states are not in document order, or one stands twice"),
    (("p",), "'p' is a region and is active without any of its states"),
    (("p.x", "p.y", "p.f"), "'p.x' is a region and is active without any of its states"),
    (("nowhere",), "there is no state 'nowhere'"),
    (("p.x.b.q", "p.y", "p.f"), "there is no state 'p.x.b.q'"),
    (("",), "there is no state ''"),
]


@pytest.mark.parametrize(("configuration", "reason"), LEGAL)
def test_what_is_not_legal_is_named(configuration: tuple[str, ...], reason: str | None) -> None:
    assert written(TREE).legal(configuration) == reason


def test_nodes_stand_in_document_order_with_their_paths() -> None:
    chart = written(TREE)

    assert list(chart.nodes) == ["", "a", "p", "p.x", "p.x.b", "p.x.c", "p.x.c.d", "p.x.c.e", "p.y", "p.f", "z"]
    assert [node.index for node in chart.nodes.values()] == list(range(11))
    assert [node.name for node in chart.nodes["p.x.c.d"].path] == ["p.x.c.d", "p.x.c", "p.x", "p"]


def test_a_descendant_lies_inside_at_any_depth_and_not_in_itself() -> None:
    nodes = written(TREE).nodes

    inside = [name for name in nodes if nodes[name].is_descendant(nodes["p.x"])]

    assert inside == ["p.x.b", "p.x.c", "p.x.c.d", "p.x.c.e"]
    assert [name for name in nodes if nodes[name].is_descendant(nodes[""])] == list(nodes)[1:]


def test_rules_are_asked_per_leaf_from_inside_out_then_in_source_order() -> None:
    chart = written(
        "p*{x[b*] y}", "E p > -", "E p.x > -", "E p.x.b > -", "E p.x.b > p", "E p.y > -", "F p.x.b > -", "E p > p"
    )

    asked = [[rule.action for rule in rules] for rules in chart.candidates(("p.x.b", "p.y"), "E")]

    assert asked == [["#2", "#3", "#1", "#0", "#6"], ["#4", "#0", "#6"]]


def test_a_leaf_without_a_rule_is_left_out() -> None:
    chart = written("p*{x[b*] y}", "E p.y > -")

    assert [[rule.action for rule in rules] for rules in chart.candidates(("p.x.b", "p.y"), "E")] == [["#0"]]
    assert chart.candidates(("p.x.b", "p.y"), "F") == ()


def test_events_of_a_configuration_are_the_external_ones_in_source_order() -> None:
    chart = written(
        "r*[a* b] c",
        "G r > c",
        f"{ALWAYS} r.a > r.b if g0",
        f"{done_event('r')} r > c",
        "E r.a > -",
        "F c > -",
        "G r.a > -",
    )

    assert chart.events(("r.a",)) == ("G", "E")
    assert chart.events(("c",)) == ("F",)


def test_leaves_of_active_nodes_are_put_in_order() -> None:
    chart = written(TREE)

    assert leaves({chart.nodes[name] for name in ("p", "p.f", "p.y", "p.x", "p.x.b")}) == ("p.x.b", "p.y", "p.f")


def test_a_chart_made_of_its_text_is_the_same() -> None:
    chart = written(TREE, "E a > p if g0", "F p.x > p.x.c reenter")
    again = Chart(chart.text)

    assert (again.text, again.fingerprint) == (chart.text, chart.fingerprint)
    assert chart.fingerprint == sha256(chart.text.encode()).digest()
    assert conversation(again, "E", "F", holding="g0") == conversation(chart, "E", "F", holding="g0")


def test_a_full_cache_starts_anew() -> None:
    cache: dict[int, int] = {}

    for key in range(PLANS_MAX + 1):
        remember(cache, key, key)

    assert cache == {PLANS_MAX: PLANS_MAX}


# -- the fingerprint ---------------------------------------------------------------------------------------------------


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
    states = {"a": first, leaf: second}
    if swap:
        states = dict(reversed(states.items()))
    content: dict[str, Any] = {
        **states,
        "z": end,
        **({"more": State()} if extra else {}),
        guard.__name__: guard,
        **dict(rules[one] for one in order),
        hook: (leave if leaving else enter)(first)(came),
        question: invariant(lambda self: True),
        **({"rest": always(first, to=end, when=guard)(lambda self: None)} if eventless else {}),
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


@attrs.frozen
class Ring:
    times: int = 1


@attrs.define
class Bell:
    rung: int = 0


class Door(Workflow[Bell], revision=3):
    """All that a text holds, once."""

    shut = State(initial=True, tags=("quiet",))

    class ajar(Compound):
        slightly = State(initial=True)
        wide = Final()

    gone = Final(outcome="stolen")

    def loud(self, event: Ring) -> bool:
        return event.times > 1

    @on(Ring, shut, to=ajar, when=loud, roles=("guest",))
    def open_door(self, event: Ring) -> None: ...

    @on(Ring, ajar, to=ajar.wide, reenter=True)
    def push(self, event: Ring) -> None: ...

    @done(ajar, to=gone)
    def steal(self) -> None: ...

    @enter(shut)
    def squeak(self) -> None: ...

    @invariant
    def in_its_hinges(self) -> bool:
        return True


def test_the_canonical_text_of_a_workflow() -> None:
    assert definition_of(Door).chart.text == (
        '{"format":1,"initial":"shut","states":[{"name":"shut","kind":"atomic","enter":["squeak"]},'
        '{"name":"ajar","kind":"compound","children":[{"name":"slightly","kind":"atomic"},'
        '{"name":"wide","kind":"final"}],"initial":"slightly"},'
        '{"name":"gone","kind":"final","outcome":"stolen"}],'
        '"rules":[{"event":"Ring","source":"shut","action":"open_door","target":"ajar","guard":"loud",'
        '"roles":["guest"]},'
        '{"event":"Ring","source":"ajar","action":"push","target":"ajar.wide","reenter":true},'
        '{"event":"done:ajar","source":"ajar","action":"steal","target":"gone"}],'
        '"invariants":["in_its_hinges"],"events":{"Ring":{"fields":[["times","int",true]]}},'
        '"data":{"fields":[["rung","int",true]]}}'
    )


def test_no_modules_name_stands_in_the_text() -> None:
    assert __name__ not in definition_of(Door).chart.text
