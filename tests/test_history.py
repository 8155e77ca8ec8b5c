"""A history leads back to where its region was, and several targets enter several regions: SCXML's words, line by line.

A line reads as in tests/test_step.py: callbacks in their order, then the configuration. Charts are written as in
`tests.charts.written`: `h^a` is a shallow history with a as its default, `k^^a` a deep one.
"""

import pytest

from statemachine.chart import Memory
from statemachine.plans import plan
from statemachine.step import Macrostep, macrostep
from tests.charts import Recorder, Story, conversation, written

NOTHING = Story((), "", (), {}, (), ())
ROOM = "r*[a* b[x* y] h^a k^^b.x] out"
PAIR = "p*{x[a* b] y[c* d] h^x.a k^^x.b+y.d} q"

# what it shows, chart, rules, then pairs of an event and its line
CONVERSATIONS: list[tuple[str, str, list[str], list[tuple[str, str]]]] = [
    (
        "before its region was ever left a history leads to its default",
        "q* r[a* b h^b]",
        ["E q > r.h"],
        [("E", "-q #0 +r +r.b = r.b")],
    ),
    (
        "a shallow history comes back to the child, and enters that by default",
        ROOM,
        ["E r.a > r.b.y", "F r > out", "G out > r.h"],
        [
            ("E", "-r.a #0 +r.b +r.b.y = r.b.y"),
            ("F", "-r.b.y -r.b -r #1 +out = out"),
            ("G", "-out #2 +r +r.b +r.b.x = r.b.x"),
        ],
    ),
    (
        "a deep history comes back to the leaf",
        ROOM,
        ["E r.a > r.b.y", "F r > out", "G out > r.k"],
        [
            ("E", "-r.a #0 +r.b +r.b.y = r.b.y"),
            ("F", "-r.b.y -r.b -r #1 +out = out"),
            ("G", "-out #2 +r +r.b +r.b.y = r.b.y"),
        ],
    ),
    (
        "what is remembered is of the last time",
        "r*[a* b c h^a] out",
        ["E r.a > r.b", "E r.b > r.c", "F r > out", "G out > r.h"],
        [
            ("E", "-r.a #0 +r.b = r.b"),
            ("F", "-r.b -r #2 +out = out"),
            ("G", "-out #3 +r +r.b = r.b"),
            ("E", "-r.b #1 +r.c = r.c"),
            ("F", "-r.c -r #2 +out = out"),
            ("G", "-out #3 +r +r.c = r.c"),
        ],
    ),
    (
        "a region that is entered by default forgets nothing",
        "r*[a* b h^a] out",
        ["E r.a > r.b", "F r > out", "G out > r", "H out > r.h"],
        [
            ("E", "-r.a #0 +r.b = r.b"),
            ("F", "-r.b -r #1 +out = out"),
            ("G", "-out #2 +r +r.a = r.a"),
            ("F", "-r.a -r #1 +out = out"),
            ("H", "-out #3 +r +r.a = r.a"),
        ],
    ),
    (
        "a deep history of a parallel brings back every region",
        PAIR,
        ["E p.x.a > p.x.b", "F p > q", "G q > p.k"],
        [
            ("E", "-p.x.a #0 +p.x.b = p.x.b,p.y.c"),
            ("F", "-p.y.c -p.y -p.x.b -p.x -p #1 +q = q"),
            ("G", "-q #2 +p +p.x +p.x.b +p.y +p.y.c = p.x.b,p.y.c"),
        ],
    ),
    (
        "a shallow history of a parallel enters its regions by default",
        PAIR,
        ["E p.x.a > p.x.b", "F p > q", "G q > p.h"],
        [
            ("E", "-p.x.a #0 +p.x.b = p.x.b,p.y.c"),
            ("F", "-p.y.c -p.y -p.x.b -p.x -p #1 +q = q"),
            ("G", "-q #2 +p +p.x +p.x.a +p.y +p.y.c = p.x.a,p.y.c"),
        ],
    ),
    (
        "a default may lead into several regions",
        "q* p{x[a* b] y[c* d] z k^^x.b+y.d}",
        ["E q > p.k"],
        [("E", "-q #0 +p +p.x +p.x.b +p.y +p.y.d +p.z = p.x.b,p.y.d,p.z")],
    ),
    (
        "each region has its own history",
        "p*{x[a* b h^a] y[c* d h^c]} q",
        ["E p.x.a > p.x.b", "E p.y.c > p.y.d", "F p > q", "G q > p.x.h"],
        [
            ("E", "-p.y.c -p.x.a #0 #1 +p.x.b +p.y.d = p.x.b,p.y.d"),
            ("F", "-p.y.d -p.y -p.x.b -p.x -p #2 +q = q"),
            ("G", "-q #3 +p +p.x +p.x.b +p.y +p.y.c = p.x.b,p.y.c"),
        ],
    ),
    (
        "histories of two regions can be two targets",
        "p*{x[a* b h^a] y[c* d h^c]} q",
        ["E p.x.a > p.x.b", "E p.y.c > p.y.d", "F p > q", "G q > p.x.h+p.y.h"],
        [
            ("E", "-p.y.c -p.x.a #0 #1 +p.x.b +p.y.d = p.x.b,p.y.d"),
            ("F", "-p.y.d -p.y -p.x.b -p.x -p #2 +q = q"),
            ("G", "-q #3 +p +p.x +p.x.b +p.y +p.y.d = p.x.b,p.y.d"),
        ],
    ),
    (
        "a region that leaves itself for its own history comes back to where it was",
        "p*{x[a* b] y[c* d] k^^x.a} q",
        ["E p.x.a > p.x.b", "F p > p.k"],
        [
            ("E", "-p.x.a #0 +p.x.b = p.x.b,p.y.c"),
            ("F", "-p.y.c -p.y -p.x.b -p.x -p #1 +p +p.x +p.x.b +p.y +p.y.c = p.x.b,p.y.c"),
        ],
    ),
    (
        "inside its own compound a history is a local target, and what it was counts",
        "r*[a* b h^a] out",
        ["E r.a > r.b", "F r > out", "G out > r", "H r > r.h"],
        [
            ("E", "-r.a #0 +r.b = r.b"),
            ("F", "-r.b -r #1 +out = out"),
            ("G", "-out #2 +r +r.a = r.a"),
            ("H", "-r.a #3 +r.b = r.b"),
        ],
    ),
    (
        "from inside its region a history enters nothing that stays active",
        "p*{x[a* b] y[c* d] k^^x.b}",
        ["E p.x.a > p.k", "F p.y.c > p.y.d"],
        [("F", "-p.y.c #1 +p.y.d = p.x.a,p.y.d"), ("E", "-p.x.a #0 +p.x.b = p.x.b,p.y.d")],
    ),
    (
        "what a rule leaves for a history is entered, also where that now leads deeper than its default",
        "p*{x[a* b] k^^x}",
        ["E p.x > p.k"],
        [("E", "-p.x.a -p.x -p #0 +p +p.x +p.x.a = p.x.a"), ("E", "-p.x.a #0 +p.x.a = p.x.a")],
    ),
    (
        "a final state that is brought back ends its region again",
        "r*[a* b! h^a] out end",
        ["E r.a > r.b", "done:r r > out", "G out > r.h"],
        [("E", "-r.a #0 +r.b -r.b -r #1 +out = out"), ("G", "-out #2 +r +r.b -r.b -r #1 +out = out")],
    ),
    (
        "two targets enter two regions, and the third by default",
        "q* p{x[a* b] y[c* d] z[e* f]}",
        ["E q > p.x.b+p.y.d"],
        [("E", "-q #0 +p +p.x +p.x.b +p.y +p.y.d +p.z +p.z.e = p.x.b,p.y.d,p.z.e")],
    ),
    (
        "from inside its parallel a rule with two targets leaves and enters it",
        PAIR,
        ["E p.x.a > p.x.b+p.y.d"],
        [("E", "-p.y.c -p.y -p.x.a -p.x -p #0 +p +p.x +p.x.b +p.y +p.y.d = p.x.b,p.y.d")],
    ),
    (
        "two targets inside the source's own compound are local",
        "r*[a* p{x[b* c] y[d* e]}]",
        ["E r > r.p.x.c+r.p.y.e"],
        [("E", "-r.a #0 +r.p +r.p.x +r.p.x.c +r.p.y +r.p.y.e = r.p.x.c,r.p.y.e")],
    ),
    (
        "a conflict is judged by where the history leads",
        "p*{x[a*[m* n] b h^^a.m] y[c* d]} q",
        ["E p.x.a.m > p.x.h", "E p.x > p.x.b", "E p.y.c > q"],
        [("E", "-p.x.a.m #0 +p.x.a.m = p.x.a.m,p.y.c")],
    ),
]


@pytest.mark.parametrize(
    ("tree", "rules", "lines"), [one[1:] for one in CONVERSATIONS], ids=[one[0] for one in CONVERSATIONS]
)
def test_a_conversation_reads_as_written(tree: str, rules: list[str], lines: list[tuple[str, str]]) -> None:
    _, *said = conversation(written(tree, *rules), *(event for event, _ in lines))

    assert said == [line for _, line in lines]


def test_only_regions_with_a_history_are_remembered_with_their_leaves() -> None:
    chart = written("p*{x[a* b] y[c* d h^c] k^^x.a} q", "F p > q")

    found = macrostep(chart, ("p.x.a", "p.y.c"), ("F", None), runner=Recorder(NOTHING, frozenset()))

    assert isinstance(found, Macrostep)
    assert found.memory == (("p", ("p.x.a", "p.y.c")), ("p.y", ("p.y.c",)))


def test_a_plan_is_remembered_apart_for_each_memory_that_it_reads_and_no_other() -> None:
    chart = written("r[a* b h^a] s[c* d h^c] out*", "E out > r.h", "F out > r")
    other: Memory = (("s", ("s.d",)),)

    to_history, to_region = ((rule,) for rule in chart.rules)

    assert plan(chart, ("out",), to_history, memory=(("r", ("r.b",)),)).after == ("r.b",)
    assert plan(chart, ("out",), to_history).after == ("r.a",)
    assert plan(chart, ("out",), to_history, memory=other) is plan(chart, ("out",), to_history)
    assert plan(chart, ("out",), to_region, memory=(("r", ("r.b",)),)) is plan(chart, ("out",), to_region)
    assert len(chart.plans) == 3


# what is remembered, and what is wrong with it
LEGAL: list[tuple[Memory, str | None]] = [
    ((), None),
    ((("p", ("p.x.a", "p.y.c")),), None),
    ((("p", ("p.x.a", "p.y.c")), ("r", ("r.b",))), None),
    ((("r", ("r.b",)), ("p", ("p.x.a", "p.y.c"))), "it remembers 'r', 'p': not each once a region with a history"),
    ((("r", ("r.b",)), ("r", ("r.b",))), "it remembers 'r', 'r': not each once a region with a history"),
    ((("p.x", ("p.x.a",)),), "it remembers 'p.x': not each once a region with a history"),
    ((("", ()),), "it remembers '': not each once a region with a history"),
    ((("r.h", ("r.b",)),), "it remembers 'r.h': not each once a region with a history"),
    ((("nowhere", ()),), "it remembers 'nowhere': not each once a region with a history"),
    ((("r", ()),), "what 'r' remembers: 'r' has 0 active children, expected 1"),
    ((("r", ("",)),), "what 'r' remembers: there is no state '' in 'r'"),
    ((("r", ("r.a", "r.b")),), "what 'r' remembers: 'r' has 2 active children, expected 1"),
    ((("r", ("r.h",)),), "what 'r' remembers: there is no state 'r.h' in 'r'"),
    ((("r", ("p.x.a",)),), "what 'r' remembers: there is no state 'p.x.a' in 'r'"),
    ((("p", ("p.x.a",)),), "what 'p' remembers: 'p' has 1 active children, expected 2"),
    ((("p", ("p.y.c", "p.x.a")),), "what 'p' remembers: its states are not in document order, or one stands twice"),
    ((("p", ("p.x", "p.y.c")),), "what 'p' remembers: 'p.x' is a region and is active without any of its states"),
]


@pytest.mark.parametrize(("memory", "reason"), LEGAL)
def test_what_cannot_be_remembered_is_named(memory: Memory, reason: str | None) -> None:
    chart = written("p{x[a* b] y[c* d] k^^x.a} r[a* b h^a] out*")

    assert chart.legal(("out",), memory=memory) == reason


def test_a_history_is_never_active() -> None:
    assert written("r*[a* h^a]").legal(("r.h",)) == "there is no state 'r.h'"
