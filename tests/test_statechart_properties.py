"""On random charts every step is legal and is SCXML's: it agrees with a plain interpreter, callback by callback.

Each property is a function over a drawn story. The controls below plant a fault in `step` or `chart`, and the same
functions must find it: a property that cannot fail proves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import takewhile
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from statemachine import Cursor, Refused, Workflow, plans, step
from statemachine.chart import ALWAYS, Chart, Configuration, Memory, Node, Plan, Rule, done_event
from statemachine.dialect import Dialect
from statemachine.errors import InvariantBroken
from statemachine.events import AttrsEvent
from statemachine.plans import exit_set, plan
from statemachine.step import Unhandled, select
from statemachine.workflow import definition_of
from tests.charts import (
    EVENTS,
    MICROSTEPS_MAX,
    Log,
    Story,
    Told,
    configurations,
    every,
    is_legal,
    is_legal_memory,
    memories,
    near_configurations,
    stories,
    tell,
    waiting_stories,
)
from tests.reference import Reference

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SHORT = settings(max_examples=200, deadline=None, print_blob=True, suppress_health_check=SLOW)
LONG = settings(SHORT, max_examples=400)
CONTROL = settings(SHORT, max_examples=4000, derandomize=True, database=None, phases=[Phase.generate], print_blob=False)


@pytest.fixture(autouse=True, scope="module")
def _short_loops() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "MICROSTEPS_MAX", MICROSTEPS_MAX)
        yield


# -- the properties ----------------------------------------------------------------------------------------------------


def every_configuration_is_legal(story: Story) -> None:
    """By the walk over the specs, and `Chart.legal` says the same."""
    chart = story.chart()
    for told, _, done in tell(chart, story):
        visited = [] if done is None else [one.after for one in done.plans]
        for configuration in [*visited, *([told.after] if told.after else [])]:
            assert is_legal(story.states, configuration), f"{configuration} is illegal"
            assert chart.legal(configuration) is None
        if done is not None:
            assert is_legal_memory(story.states, done.memory), f"{done.memory} is illegal"
            assert chart.legal(done.after, memory=done.memory) is None


def steps_are_those_of_the_standard(story: Story) -> None:
    """Outcome, configuration, callbacks and their events, in their order."""
    for (told, _, _), expected in zip(tell(story.chart(), story), Reference(story).tell(), strict=True):
        assert told == expected


def guards_come_before_actions(story: Story) -> None:
    """All guards of a microstep are asked before any of its actions, and each rule once per selection."""
    chart = story.chart()
    for told, recorder, done in tell(chart, story):
        if done is not None:
            borders = list(_borders(done.plans))
            assert borders[-1] == len(told.ran)
            asked_inside(recorder.asked, borders)


def _borders(plans: tuple[Plan, ...]) -> Iterator[int]:
    """How many entries a recorder has after each microstep, 0 first."""
    count = 0
    yield count
    for one in plans:
        count += len(one.leave) + len(one.rules) + 1 + sum(len(actions) for actions, _ in one.enter)
        yield count


def asked_inside(asked: list[tuple[int, Rule]], borders: list[int]) -> None:
    """Raise if a guard was asked while actions of a microstep had begun and not ended."""
    assert {count for count, _ in asked} <= set(borders), "a guard was asked between two actions of one microstep"


def each_guard_is_asked_once(story: Story) -> None:
    """In one selection, however many leaves share the rule."""
    chart = story.chart()
    names = [*EVENTS, ALWAYS, *(done_event(path) for path, spec in every(story.states) if spec.children)]
    for told, _, _ in tell(chart, story):
        for name in names if told.after else ():
            asked: Counter[Rule] = Counter()
            select(chart, told.after, name, holds=partial(_count, asked))
            assert all(count == 1 for count in asked.values())


def _count(asked: Counter[Rule], rule: Rule, _: object) -> bool:
    asked[rule] += 1
    return False


def internal_rules_leave_and_enter_nothing(story: Story) -> None:
    """A plan does the same without its internal rules, but for their actions; alone they change nothing."""
    chart = story.chart()
    for one in (one for _, _, done in tell(chart, story) if done is not None for one in done.plans):
        internal = tuple(rule for rule in one.rules if not rule.targets)
        others = tuple(rule for rule in one.rules if rule.targets)
        if internal and one.before:
            alone, without = plan(chart, one.before, internal), plan(chart, one.before, others)
            assert (alone.leave, alone.enter, alone.after, alone.outcome) == ((), (), one.before, None)
            assert (without.leave, without.enter, without.after) == (one.leave, one.enter, one.after)


def a_chart_survives_its_text(story: Story) -> None:
    """A chart made of a chart's text behaves as that one and has its fingerprint."""
    chart = story.chart()
    again = Chart(chart.text)
    assert again.fingerprint == chart.fingerprint
    assert again.text == chart.text
    assert [told for told, _, _ in tell(again, story)] == [told for told, _, _ in tell(chart, story)]


def a_declared_class_is_the_same_chart(story: Story) -> None:
    """States and rules of a class body compile to what the specs compile to."""
    declared = definition_of(story.workflow(set())).chart
    plain = story.chart()
    assert [_shape(node) for node in declared.nodes.values()] == [_shape(node) for node in plain.nodes.values()]
    assert [_written(rule) for rule in declared.rules] == [_written(rule) for rule in plain.rules]


def _shape(node: Node) -> tuple[object, ...]:
    return (node.name, node.kind, node.initial, node.enter, node.leave, node.defers)


def _written(rule: Rule) -> tuple[object, ...]:
    targets = tuple(node.name for node in rule.targets)
    return (rule.event, rule.source.name, targets, rule.action, rule.guard, rule.reenter, rule.roles)


def a_cursor_tells_the_same(story: Story) -> None:
    """A declared class in a Cursor runs the callbacks of the standard, in their order, and ends where it ends."""
    story = evolve(story, start=())
    holding: set[str] = set()
    start, *expected = Reference(story).tell()
    cursor = begun(story.workflow(holding))
    assert (cursor is None) == (start.what == "loop")
    if cursor is not None:
        assert (cursor.configuration, cursor.data.ran) == (start.after, _names(start))
        for sent, told in zip(story.sends, expected, strict=False):
            holding.clear()
            holding.update(sent.holding)
            before = cursor.data.ran
            what = outcome(cursor, EVENTS[sent.event]())
            assert (what, cursor.configuration) == (told.what, told.after)
            assert cursor.data.ran == before + (_names(told) if what != "loop" else [])


def _names(told: Told) -> list[str]:
    return [entry[0] for entry in told.ran if len(entry) > 1]


def begun(workflow: type[Workflow[Log]]) -> Cursor[Log] | None:
    """A cursor; None where its start is a loop."""
    try:
        return Cursor(workflow, Log())
    except InvariantBroken:
        return None


def outcome(cursor: Cursor[Log], event: AttrsEvent) -> str:
    """What an event came to, in the reference's words."""
    try:
        return cursor.send(event).outcome or "rest"
    except InvariantBroken:
        return "loop"
    except Refused as refused:
        return REFUSED.get(refused.code, refused.code)


REFUSED = {
    **dict.fromkeys(["unknown_event", "event_not_enabled", "guard_failed"], "unhandled"),
    "event_deferred": "deferred",
}

PROPERTIES = [
    every_configuration_is_legal,
    steps_are_those_of_the_standard,
    guards_come_before_actions,
    each_guard_is_asked_once,
    internal_rules_leave_and_enter_nothing,
    a_chart_survives_its_text,
    a_declared_class_is_the_same_chart,
    a_cursor_tells_the_same,
]

WAITING = [
    every_configuration_is_legal,
    steps_are_those_of_the_standard,
    a_chart_survives_its_text,
    a_declared_class_is_the_same_chart,
    a_cursor_tells_the_same,
]

Property = Callable[[Story], None]


@pytest.mark.parametrize("holds", PROPERTIES)
@SHORT
@given(story=stories())
def test_a_property_holds_on_every_chart(holds: Property, story: Story) -> None:
    holds(story)


@pytest.mark.long
@pytest.mark.parametrize("holds", WAITING)
@SHORT
@given(story=waiting_stories())
def test_a_property_holds_on_every_chart_that_defers_and_handles_failures(holds: Property, story: Story) -> None:
    holds(story)


@pytest.mark.long
@pytest.mark.parametrize("holds", PROPERTIES)
@LONG
@given(story=stories())
def test_a_property_holds_on_many_charts(holds: Property, story: Story) -> None:
    holds(story)


@SHORT
@given(story=stories(), data=st.data())
def test_the_chart_calls_a_configuration_legal_where_the_walk_does(story: Story, data: st.DataObject) -> None:
    configuration = data.draw(near_configurations(story.states))

    assert (story.chart().legal(configuration) is None) == is_legal(story.states, configuration)


@SHORT
@given(story=stories(), data=st.data())
def test_from_any_legal_configuration_and_memory_every_event_leads_to_a_legal_one(
    story: Story, data: st.DataObject
) -> None:
    chart = story.chart()
    before, memory = data.draw(configurations(story.states)), data.draw(memories(story.states))

    assert chart.legal(before, memory=memory) is None
    for event in chart.events(before):
        found = select(chart, before, event, holds=lambda *_: True, memory=memory)
        assert not isinstance(found, Unhandled)
        assert is_legal(story.states, found.after)
        assert is_legal_memory(story.states, found.recorded)


# -- controls: each planted fault must be found ------------------------------------------------------------------------


def is_found(prop: Property, *, drawn: st.SearchStrategy[Story] | None = None) -> bool:
    """Whether a search finds a story on which a property fails."""

    def fails(story: Story) -> bool:
        try:
            prop(story)
        except (AssertionError, StopIteration, KeyError):
            return True
        return False

    try:
        find(stories() if drawn is None else drawn, fails, settings=CONTROL)
    except NoSuchExample:
        return False
    return True


def test_missing_conflict_removal_is_found_as_an_illegal_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "remove_conflicts", lambda rules, exits: rules)

    assert is_found(every_configuration_is_legal)


def test_incomplete_parallels_are_found_as_illegal_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_complete", lambda *_, **__: None)

    assert is_found(every_configuration_is_legal)


def test_outer_rules_before_inner_ones_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    inner_first = Chart._rules_above

    def outer_first(chart: Chart, nodes: tuple[Node, ...], event: str) -> tuple[Rule, ...]:
        return tuple(sorted(inner_first(chart, nodes, event), key=lambda rule: rule.source.index))

    monkeypatch.setattr(Chart, "_rules_above", outer_first)

    assert is_found(steps_are_those_of_the_standard)


def test_a_deferring_state_that_hides_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chart, "_heard_by", lambda chart, leaf, event: leaf.path)

    assert is_found(steps_are_those_of_the_standard, drawn=waiting_stories())


def test_a_deferring_state_that_hides_its_own_rules_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Chart,
        "_heard_by",
        lambda chart, leaf, event: tuple(takewhile(lambda node: event not in node.defers, leaf.path)),
    )

    assert is_found(steps_are_those_of_the_standard, drawn=waiting_stories())


def test_an_event_that_waits_and_is_told_to_be_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chart, "deferring", lambda *_: None)

    assert is_found(steps_are_those_of_the_standard, drawn=waiting_stories())


def test_a_reversed_order_of_exit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = plans._plan_of

    def reversed_exit(
        chart: Chart, rules: tuple[Rule, ...], before: Configuration, *, left: list[Node], **more: Any
    ) -> Plan:
        return straight(chart, rules, before, left=left[::-1], **more)

    monkeypatch.setattr(plans, "_plan_of", reversed_exit)

    assert is_found(steps_are_those_of_the_standard)


def test_an_internal_rule_that_leaves_its_source_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = exit_set

    def eager(rule: Rule, aims: tuple[Node, ...], active: set[Node], *, dialect: Dialect) -> set[Node]:
        return straight(rule, aims, active, dialect=dialect) if aims else {rule.source}

    monkeypatch.setattr(plans, "exit_set", eager)

    assert is_found(internal_rules_leave_and_enter_nothing)


def test_a_region_that_remembers_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_recorded", lambda left, active: ())

    assert is_found(steps_are_those_of_the_standard)


def test_a_region_that_remembers_half_of_its_states_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = plans._recorded

    def half(left: set[Node], active: set[Node]) -> Memory:
        return tuple((name, leaves[:1]) for name, leaves in straight(left, active))

    monkeypatch.setattr(plans, "_recorded", half)

    assert is_found(every_configuration_is_legal)


def test_a_shallow_history_that_comes_back_too_deep_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = plans._meaning

    def deep(chart: Chart, target: Node, memory: Memory) -> Iterable[Node]:
        return straight(chart, evolve(target, deep=True), memory)

    monkeypatch.setattr(plans, "_meaning", deep)

    assert is_found(steps_are_those_of_the_standard)


def test_a_history_that_is_asked_before_its_region_is_left_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "updated", lambda chart, memory, recorded: memory)

    assert is_found(steps_are_those_of_the_standard)


def test_a_plan_that_is_remembered_without_its_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(chart: Chart, configuration: Configuration, rules: tuple[Rule, ...], *, memory: Memory) -> Plan:
        known = chart.plans.get((configuration, rules))
        if known is None:
            known = chart.plans[configuration, rules] = plan(chart, configuration, rules, memory=memory)
        return known

    monkeypatch.setattr(step, "plan", forgetful)

    assert is_found(steps_are_those_of_the_standard)


def test_a_second_target_that_is_not_entered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = plans._enter_aims
    monkeypatch.setattr(plans, "_enter_aims", lambda aims, *more, **named: straight(aims[:1], *more, **named))

    assert is_found(steps_are_those_of_the_standard)


def test_a_rule_that_should_reenter_and_stays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = plans._domain

    def staying(rule: Rule, aims: tuple[Node, ...], active: set[Node], *, dialect: Dialect) -> Node:
        return straight(evolve(rule, reenter=False), aims, active, dialect=dialect)

    monkeypatch.setattr(plans, "_domain", staying)

    assert is_found(steps_are_those_of_the_standard)


def test_a_guard_that_is_asked_again_per_leaf_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(
        chart: Chart, configuration: Configuration, event: str, *, holds: Callable[[Rule, object], bool]
    ) -> Unhandled:
        return Unhandled(
            tuple(rule for rules in chart.candidates(configuration, event) for rule in rules if holds(rule, None))
        )

    monkeypatch.setitem(globals(), "select", forgetful)

    assert is_found(each_guard_is_asked_once)


def test_a_guard_between_two_actions_is_found() -> None:
    rule = Rule(
        0, "E0", Node("a", 1, "atomic", None, None, None, (), (), (), []), (), "act", None, reenter=False, roles=()
    )

    with pytest.raises(AssertionError, match="between two actions"):
        asked_inside([(1, rule)], [0, 2])
