"""A chart says what is legal and which rules are asked in which order; its fingerprint says whether it is the same."""

from hashlib import sha256

import attrs
import pytest

from statemachine import Compound, Final, State, Workflow, done, enter, invariant, on
from statemachine.chart import ALWAYS, PLANS_MAX, Chart, done_event, leaves, remember
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


# -- the canonical text ------------------------------------------------------------------------------------------------


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
        '"rules":[{"event":"Ring","source":"shut","action":"open_door","targets":["ajar"],"guard":"loud",'
        '"roles":["guest"]},'
        '{"event":"Ring","source":"ajar","action":"push","targets":["ajar.wide"],"reenter":true},'
        '{"event":"done:ajar","source":"ajar","action":"steal","targets":["gone"]}],'
        '"invariants":["in_its_hinges"],"events":{"Ring":{"fields":[["times","int",true]]}},'
        '"data":{"fields":[["rung","int",true]]}}'
    )


def test_no_modules_name_stands_in_the_text() -> None:
    assert __name__ not in definition_of(Door).chart.text
