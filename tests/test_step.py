"""One event does what SCXML says, in SCXML's order: small charts, each with what ran and where it led.

A line reads: callbacks in their order (`-a` left, `#0` the first rule's action, `+b` entered), then the configuration.
"""

from collections.abc import Mapping
from functools import partial

import pytest

from statemachine import step
from statemachine.chart import PLANS_MAX, Rule
from statemachine.errors import InvariantBroken
from statemachine.plans import exit_set, plan, remove_conflicts
from statemachine.step import Macrostep, Unhandled, begin, macrostep, select
from tests.charts import Recorder, Story, conversation, written

PAIR = "p*{x[a* b] y[c* d]} q"
NOTHING = Story((), "", (), {}, (), ())

# what it shows, chart, rules, then pairs of an event and its line
CONVERSATIONS: list[tuple[str, str, list[str], list[tuple[str, str]]]] = [
    ("a rule leaves, acts, enters", "a* b", ["E a > b"], [("E", "-a #0 +b = b")]),
    ("inner wins over outer", "r*[a* b] c", ["E r > c", "E r.a > r.b"], [("E", "-r.a #1 +r.b = r.b")]),
    ("outer answers where no inner rule does", "r*[a* b] c", ["E r > c"], [("E", "-r.a -r #0 +c = c")]),
    ("the first rule of a state wins", "a* b c", ["E a > b", "E a > c"], [("E", "-a #0 +b = b")]),
    ("a rule that does not hold is passed over", "a* b c", ["E a > b if g0", "E a > c"], [("E", "-a #1 +c = c")]),
    ("no rule, no change", "a* b", ["E b > a"], [("E", "= a unhandled")]),
    ("a guard that says no, no change", "a* b", ["E a > b if g0"], [("E", "= a unhandled")]),
    ("an internal rule only acts", "r*[a* b]", ["E r > -"], [("E", "#0 = r.a")]),
    ("a self transition leaves and enters", "a*", ["E a > a"], [("E", "-a #0 +a = a")]),
    (
        "a self transition of a region starts it anew",
        "r*[a* b]",
        ["E r.a > r.b", "F r > r"],
        [("E", "-r.a #0 +r.b = r.b"), ("F", "-r.b -r #1 +r +r.a = r.a")],
    ),
    ("into its own region a rule is local", "r*[a* b]", ["E r > r.b"], [("E", "-r.a #0 +r.b = r.b")]),
    ("reenter makes it external", "r*[a* b]", ["E r > r.b reenter"], [("E", "-r.a -r #0 +r +r.b = r.b")]),
    (
        "into its own parallel a rule is external: only a compound can stay",
        PAIR,
        ["E p > p.x.b"],
        [("E", "-p.y.c -p.y -p.x.a -p.x -p #0 +p +p.x +p.x.b +p.y +p.y.c = p.x.b,p.y.c")],
    ),
    (
        "each region takes the event",
        PAIR,
        ["E p.y.c > p.y.d", "E p.x.a > p.x.b"],
        [("E", "-p.y.c -p.x.a #1 #0 +p.x.b +p.y.d = p.x.b,p.y.d")],
    ),
    (
        "one rule for two regions runs once",
        PAIR,
        ["E p > q"],
        [("E", "-p.y.c -p.y -p.x.a -p.x -p #0 +q = q")],
    ),
    (
        "of two that meet the earlier region's stays",
        PAIR,
        ["E p.x.a > q", "E p.y.c > p.y.d"],
        [("E", "-p.y.c -p.y -p.x.a -p.x -p #0 +q = q")],
    ),
    (
        "of two that meet the earlier region's stays, also where the later one leaves more",
        PAIR,
        ["E p.x.a > p.x.b", "E p.y.c > q"],
        [("E", "-p.x.a #0 +p.x.b = p.x.b,p.y.c")],
    ),
    (
        "of two that meet the inner one stays, though it comes later",
        PAIR,
        ["E p > q", "E p.y.c > p.y.d"],
        [("E", "-p.y.c #1 +p.y.d = p.x.a,p.y.d")],
    ),
    (
        "an internal rule meets nobody",
        PAIR,
        ["E p.x.a > -", "E p.y.c > q"],
        [("E", "-p.y.c -p.y -p.x.a -p.x -p #0 #1 +q = q")],
    ),
    (
        "from one region into another the parallel is left and entered",
        PAIR,
        ["E p.x.a > p.y.d"],
        [("E", "-p.y.c -p.y -p.x.a -p.x -p #0 +p +p.x +p.x.a +p.y +p.y.d = p.x.a,p.y.d")],
    ),
    (
        "a target deep in a parallel enters the other regions by default",
        "a* p{x[x1* x2] y[y1* y2] z}",
        ["E a > p.y.y2"],
        [("E", "-a #0 +p +p.x +p.x.x1 +p.y +p.y.y2 +p.z = p.x.x1,p.y.y2,p.z")],
    ),
    (
        "entering a compound follows its initial states down",
        "a* r[s[t* u] v*[w x*]]",
        ["E a > r", "F r > r.s"],
        [("E", "-a #0 +r +r.v +r.v.x = r.v.x"), ("F", "-r.v.x -r.v #1 +r.s +r.s.t = r.s.t")],
    ),
    (
        "a final state ends its region",
        "r*[a* b!] c",
        ["E r.a > r.b", "done:r r > c"],
        [("E", "-r.a #0 +r.b -r.b -r #1 +c = c")],
    ),
    (
        "two regions that end in one event end their parallel once",
        "p*{x[a* b!] y[c* d!]} q",
        ["E p.x.a > p.x.b", "E p.y.c > p.y.d", "done:p p > -", "done:p.x p > -", "done:p.y p > -"],
        [("E", "-p.y.c -p.x.a #0 #1 +p.x.b +p.y.d #3 #4 #2 = p.x.b,p.y.d")],
    ),
    (
        "a parallel is done with its last region, not before",
        "p*{x[a* b!] y[c* d!]} q",
        ["E p.x.a > p.x.b", "F p.y.c > p.y.d", "done:p p > q"],
        [("E", "-p.x.a #0 +p.x.b = p.x.b,p.y.c"), ("F", "-p.y.c #1 +p.y.d -p.y.d -p.y -p.x.b -p.x -p #2 +q = q")],
    ),
    (
        "eventless rules run on in the same macrostep",
        "a* b c d",
        ["E a > b", "always: b > c", "always: c > d if g0"],
        [("E", "-a #0 +b -b #1 +c = c")],
    ),
    (
        "eventless rules come before internal events",
        "a* b r[x*!] c",
        ["E a > r", "always: r > b if g0", "done:r r > c"],
        [("E", "-a #0 +r +r.x -r.x -r #2 +c = c")],
    ),
    ("a final state at the top ends the instance", "a* z!", ["E a > z"], [("E", "-a #0 +z = z z")]),
    (
        "after the end nothing runs, neither eventless nor internal",
        "r*[a* b] z!",
        ["E r > z", "always: z > r", "done:r r > r"],
        [("E", "-r.a -r #0 +z = z z")],
    ),
]


@pytest.mark.parametrize(
    ("tree", "rules", "lines"), [one[1:] for one in CONVERSATIONS], ids=[one[0] for one in CONVERSATIONS]
)
def test_a_conversation_reads_as_written(tree: str, rules: list[str], lines: list[tuple[str, str]]) -> None:
    _, *said = conversation(written(tree, *rules), *(event for event, _ in lines))

    assert said == [line for _, line in lines]


def test_the_start_enters_the_initial_states_in_document_order() -> None:
    assert conversation(written("a p*{x[b c*] y}")) == ["+p +p.x +p.x.c +p.y = p.x.c,p.y"]


def test_what_follows_from_the_start_belongs_to_it() -> None:
    chart = written("r*[a*!] b c", "done:r r > b", "always: b > c")

    assert conversation(chart) == ["+r +r.a -r.a -r #0 +b -b #1 +c = c"]


def test_a_start_can_end_the_instance() -> None:
    assert conversation(written("a* z!", "always: a > z"), "E") == ["+a -a #0 +z = z z"]


def test_done_climbs_through_nested_parallels_in_one_event() -> None:
    chart = written(
        "p*{o{x[a* b!]} y[c* d!]} q", "E p.y.c > p.y.d", "F p.o.x.a > p.o.x.b", "done:p.o p > -", "done:p p > q"
    )

    assert conversation(chart, "E", "F")[1:] == [
        "-p.y.c #0 +p.y.d = p.o.x.a,p.y.d",
        "-p.o.x.a #1 +p.o.x.b #2 -p.y.d -p.y -p.o.x.b -p.o.x -p.o -p #3 +q = q",
    ]


def test_done_does_not_climb_through_a_compound() -> None:
    chart = written("r*[s*[a* b!] t] q", "E r.s.a > r.s.b", "done:r r > q")

    assert conversation(chart, "E")[1:] == ["-r.s.a #0 +r.s.b = r.s.b"]


# which callback raises, and in which order the two rules of the raised events then run
RAISED: list[tuple[Mapping[str, str], str]] = [
    ({"-a": "F", "#0": "G"}, "-a #0 +b #1 #2 = b"),
    ({"-a": "G", "#0": "F"}, "-a #0 +b #2 #1 = b"),
    ({"#0": "G", "+b": "F"}, "-a #0 +b #2 #1 = b"),
    ({"#0": "F", "#1": "G"}, "-a #0 +b #1 #2 = b"),
    ({"#0": "H"}, "-a #0 +b = b"),
]


@pytest.mark.parametrize(("raises", "line"), RAISED)
def test_raised_events_are_taken_in_the_order_in_which_they_were_raised(raises: Mapping[str, str], line: str) -> None:
    chart = written("a* b", "E a > b", "F b > -", "G b > -")

    assert conversation(chart, "E", raises=raises)[1:] == [line]


def test_an_event_raised_on_entry_comes_before_the_end_that_the_entry_causes() -> None:
    chart = written("a* r[b*!] c", "E a > r", "F r > -", "done:r r > c")

    assert conversation(chart, "E", raises={"+r.b": "F"})[1:] == ["-a #0 +r +r.b #1 -r.b -r #2 +c = c"]


def test_an_eventless_rule_comes_before_a_raised_event() -> None:
    chart = written("a* b c", "E a > b", "F b > a", "always: b > c", "F c > -")

    assert conversation(chart, "E", raises={"#0": "F"})[1:] == ["-a #0 +b -b #2 +c #3 = c"]


def test_an_action_is_given_the_event_that_caused_it_and_a_hook_none() -> None:
    chart = written("a* b", "E a > b", "F b > -", "always: b > a if g0")
    recorder = Recorder(Story((), "", (), {"#0": "F"}, (), ()), frozenset())

    macrostep(chart, ("a",), ("E", "sent"), runner=recorder)

    acts = [entry for entry in recorder.ran if len(entry) > 1]
    assert acts == [("-a", None), ("#0", "sent"), ("+b", None), ("#1", "raised by #0")]


def test_a_loop_without_rest_is_stopped_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MICROSTEPS_MAX", 7)
    chart = written("a* b c", "E a > b", "always: b > c", "always: c > b")

    with pytest.raises(InvariantBroken, match=r"^microsteps_max: no rest after 7 microsteps: b -#1→ c -#2→ b$"):
        macrostep(chart, ("a",), ("E", None), runner=Recorder(NOTHING, frozenset()))


def test_as_many_microsteps_as_the_bound_allows_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MICROSTEPS_MAX", 3)
    chart = written("a* b c d", "E a > b", "always: b > c", "always: c > d")

    assert conversation(chart, "E")[1:] == ["-a #0 +b -b #1 +c -c #2 +d = d"]


def test_the_bound_is_a_thousand() -> None:
    assert step.MICROSTEPS_MAX == 1_000


def test_what_was_raised_and_nobody_takes_costs_no_microstep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MICROSTEPS_MAX", 1)

    assert conversation(written("a*", "E a > a"), "E", raises={"-a": "F", "+a": "G"})[1:] == ["-a #0 +a = a"]


def test_an_unhandled_event_names_the_rules_that_said_no() -> None:
    chart = written("r*[a*] b", "E r.a > b if g0", "E r > b if g1", "E b > b", "F b > b")

    blocked = select(chart, ("r.a",), "E", holds=lambda *_: False)
    unknown = select(chart, ("r.a",), "F", holds=lambda *_: False)

    assert isinstance(blocked, Unhandled)
    assert [rule.guard for rule in blocked.blocked] == ["g0", "g1"]
    assert isinstance(unknown, Unhandled)
    assert unknown.blocked == ()


def noted(asked: list[Rule], rule: Rule, _: object, *, answer: bool) -> bool:
    asked.append(rule)
    return answer


def test_a_rule_of_two_regions_is_asked_once() -> None:
    chart = written(PAIR, "E p > q if g0")
    asked: list[Rule] = []

    select(chart, ("p.x.a", "p.y.c"), "E", holds=partial(noted, asked, answer=False))

    assert asked == [chart.rules[0]]


def test_later_rules_are_not_asked_once_one_holds() -> None:
    chart = written("a* b", "E a > b if g0", "E a > b if g1")
    asked: list[Rule] = []

    select(chart, ("a",), "E", holds=partial(noted, asked, answer=True))

    assert asked == [chart.rules[0]]


def test_conflict_removal_lets_a_later_inner_rule_push_out_an_earlier_outer_one() -> None:
    chart = written("p*{x[a* b] y[c* d]} q", "E p > q", "E p.y.c > p.y.d")
    outer, inner = chart.rules
    active = {node for name in ("p.x.a", "p.y.c") for node in chart.nodes[name].path}

    exits = {rule: exit_set(rule, rule.targets, active) for rule in chart.rules}

    assert remove_conflicts((outer, inner), exits) == (inner,)
    assert remove_conflicts((inner, outer), exits) == (inner,)


def test_a_rule_is_pushed_out_by_one_rival_even_where_it_beats_another() -> None:
    chart = written("p*{x[a* b] y*{v[c* d] w[e* f]}} q", "E p.x.a > q", "E p.y > q", "E p.y.v.c > p.y.v.d")
    first, outer, inner = chart.rules
    active = {node for name in ("p.x.a", "p.y.v.c", "p.y.w.e") for node in chart.nodes[name].path}

    exits = {rule: exit_set(rule, rule.targets, active) for rule in chart.rules}

    assert remove_conflicts((first, outer, inner), exits) == (first,)


def test_the_record_of_a_macrostep_has_every_microstep() -> None:
    chart = written("a* b c", "E a > b", "always: b > c")

    found = macrostep(chart, ("a",), ("E", None), runner=Recorder(NOTHING, frozenset()))

    assert isinstance(found, Macrostep)
    assert [(one.before, one.after) for one in found.plans] == [(("a",), ("b",)), (("b",), ("c",))]
    assert (found.before, found.after, found.outcome) == (("a",), ("c",), None)


def test_a_start_comes_from_nowhere() -> None:
    found = begin(written("a*"), runner=Recorder(NOTHING, frozenset()))

    assert (found.before, found.after) == ((), ("a",))


def test_an_action_that_raises_ends_the_macrostep() -> None:
    class Failing(Recorder):
        def act(self, action: str, event: object) -> None:
            raise LookupError(action)

    with pytest.raises(LookupError, match="-a"):
        macrostep(written("a* b", "E a > b"), ("a",), ("E", None), runner=Failing(NOTHING, frozenset()))


def test_a_plan_is_made_once_and_remembered() -> None:
    chart = written("a* b", "E a > b")

    assert plan(chart, ("a",), chart.rules) is plan(chart, ("a",), chart.rules)
    assert len(chart.plans) == 1


def test_the_cache_of_plans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statemachine.chart.PLANS_MAX", 2)
    chart = written("a* b c d", "E a > b", "E b > c", "E c > d", "E d > a")

    said = conversation(chart, *"EEEEEE")

    assert [line.rpartition(" ")[2] for line in said] == ["a", "b", "c", "d", "a", "b", "c"]
    assert len(chart.plans) <= 2
    assert len(chart.heard) <= 2


def test_the_bound_of_the_cache_is_stated() -> None:
    assert PLANS_MAX == 4096
