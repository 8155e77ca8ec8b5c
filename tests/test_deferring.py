"""An event that is deferred is refused as such, and a pure function says which one that waits comes next."""

from collections.abc import Sequence

import pytest
from attrs import define, frozen

from persistence import MemoryStore
from statemachine import ANY, Compound, Cursor, Engine, Refused, State, Workflow, check, on
from statemachine.step import Unhandled, begin, macrostep, next_waiting, select
from statemachine.workflow import definition_of
from tests.charts import Recorder, Story, written

NOTHING = Story((), "", (), {}, (), ())

# what it shows, chart, rules, where it stands, and who defers E (a guard says yes if it is g1)
DEFERRED: list[tuple[str, str, list[str], tuple[str, ...], str | None]] = [
    ("a state defers", "a*%E b", ["E b > -"], ("a",), "a"),
    ("another one does not", "a*%E b", ["E a > -"], ("b",), None),
    ("a region defers for all its states", "r*%E[a* b] c", ["E c > -"], ("r.b",), "r"),
    ("the innermost state that defers is named", "r*%E[a*%E b] c", ["E c > -"], ("r.a",), "r.a"),
    ("its own rule comes first", "a*%E b", ["E a > b"], ("a",), None),
    ("its own rule that does not hold leaves it deferred", "a*%E b", ["E a > b if g0"], ("a",), "a"),
    ("an inner rule comes first", "r*%E[a* b] c", ["E r.a > c"], ("r.a",), None),
    ("an outer rule is hidden", "r*[a*%E b] c", ["E r > c"], ("r.a",), "r.a"),
    ("where another region takes it, it is taken", "p*{x[a*%E] y[c*]}", ["E p.y.c > -"], ("p.x.a", "p.y.c"), None),
    ("where no region takes it, one is enough", "p*{x[a*%E] y[c*]} z", ["E z > -"], ("p.x.a", "p.y.c"), "p.x.a"),
    (
        "a rule around both regions is not hidden from the other",
        "p*{x[a*%E] y[c*]}",
        ["E p > -"],
        ("p.x.a", "p.y.c"),
        None,
    ),
]


@pytest.mark.parametrize(
    ("tree", "rules", "here", "state"), [one[1:] for one in DEFERRED], ids=[one[0] for one in DEFERRED]
)
def test_who_defers_an_event(tree: str, rules: list[str], here: tuple[str, ...], *, state: str | None) -> None:
    chart = written(tree, *rules)

    found = macrostep(chart, here, ("E", None), runner=Recorder(NOTHING, frozenset({"g1"})))

    assert (found.deferred_by if isinstance(found, Unhandled) else None) == state


def test_a_hidden_rule_is_not_asked() -> None:
    chart = written("r*[a*%E b] c", "E r > c if g0")
    runner = Recorder(NOTHING, frozenset({"g0"}))

    found = macrostep(chart, ("r.a",), ("E", None), runner=runner)

    assert isinstance(found, Unhandled)
    assert (found.blocked, runner.asked) == ((), [])


def test_an_internal_event_does_not_wait() -> None:
    chart = written("r*[a*%F b] c", "E r.a > -", "F r > c")

    found = macrostep(
        chart, ("r.a",), ("E", None), runner=Recorder(Story((), "", (), {"#0": "F"}, (), ()), frozenset())
    )

    assert not isinstance(found, Unhandled)
    assert found.after == ("c",)
    assert isinstance(select(chart, ("r.a",), "F", holds=lambda *_: True), Unhandled)


def test_what_is_deferred_is_not_enabled() -> None:
    chart = written("r*[a*%E b] c", "E r > c", "F r > c")

    assert chart.events(("r.a",)) == ("F",)
    assert chart.events(("r.b",)) == ("E", "F")


# what waits, oldest first, where, and which one comes next
WAITING: list[tuple[Sequence[str], tuple[str, ...], int | None]] = [
    ((), ("b",), None),
    (("E",), ("a",), None),
    (("E", "E"), ("b",), 0),
    (("E", "G"), ("a",), 1),
    (("E", "F"), ("a",), None),
    (("F", "E"), ("b",), 0),
    (("E", "H"), ("a",), 1),  # nobody takes it: it is to be tried, and refused
    (("E",), ("z",), None),
]


@pytest.mark.parametrize(("waiting", "here", "place"), WAITING)
def test_the_oldest_event_that_is_no_longer_deferred_comes_next(
    waiting: Sequence[str], here: tuple[str, ...], *, place: int | None
) -> None:
    chart = written("a*%E+F b z!", "E b > -", "F b > -", "G a > b", "H b > z")

    assert next_waiting(chart, here, waiting) == place


def test_an_event_that_only_a_guard_can_tell_is_to_be_tried() -> None:
    chart = written("a*%E b", "E a > b if g0")

    assert next_waiting(chart, ("a",), ["E"]) == 0


def test_deferred_events_come_in_their_order_as_the_configuration_changes() -> None:
    chart = written("a*%E+F b%F c", "E b > c", "F c > a", "G a > b")
    here, waiting, ran = begin(chart, runner=Recorder(NOTHING, frozenset())).after, ["F", "E"], list[str]()

    assert next_waiting(chart, here, waiting) is None
    found = macrostep(chart, here, ("G", None), runner=Recorder(NOTHING, frozenset()))
    while not isinstance(found, Unhandled) and (place := next_waiting(chart, found.after, waiting)) is not None:
        ran.append(waiting.pop(place))
        found = macrostep(chart, found.after, (ran[-1], None), runner=Recorder(NOTHING, frozenset()))

    assert (ran, waiting) == (["E", "F"], [])


# -- as users write it -------------------------------------------------------------------------------------------------


@frozen
class Cancel: ...


@frozen
class Finish: ...


@define
class Seen:
    cancelled: int = 0


class Printer(Workflow[Seen], revision=1):
    idle = State(initial=True)
    printing = State(defer=(Cancel,))

    class mending(Compound, defer=(Cancel,)):
        opened = State(initial=True)

    @on(Finish, idle, to=printing)
    def print(self, event: Finish) -> None: ...

    @on(Finish, printing, to=mending)
    def mend(self, event: Finish) -> None: ...

    @on(Finish, mending, to=idle)
    def close(self, event: Finish) -> None: ...

    @on(Cancel, ANY, to=None)
    def cancel(self, event: Cancel) -> None:
        self.data.cancelled += 1


def test_an_event_that_is_deferred_is_refused_with_the_state_that_defers_it() -> None:
    cursor = Cursor(Printer, Seen()).send(Cancel()).send(Finish())

    with pytest.raises(Refused, match=r"^event_deferred: Cancel is deferred by printing: it is taken once") as raised:
        cursor.send(Cancel())

    assert (raised.value.code, raised.value.enabled) == ("event_deferred", ("Finish",))
    assert cursor.send(Finish()).send(Finish()).send(Cancel()).data.cancelled == 2


def test_an_engine_refuses_it_too_and_uses_no_key() -> None:
    with Engine(MemoryStore(), Printer) as engine:
        printer = engine.start(Printer)
        printer.send(Finish())
        with pytest.raises(Refused, match=r"^event_deferred: Cancel is deferred by printing"):
            printer.send(Cancel(), key="c")
        printer.send(Finish())
        with pytest.raises(Refused, match=r"^event_deferred: Cancel is deferred by mending"):
            printer.send(Cancel(), key="c")
        printer.send(Finish())

        assert printer.send(Cancel(), key="c").version == 5


def test_an_offer_says_that_an_event_is_deferred() -> None:
    with Engine(MemoryStore(), Printer) as engine:
        printer = engine.start(Printer)
        printer.send(Finish())

        offers = {one["event"]: one for one in printer.offers()}

    assert offers["Cancel"]["enabled"] == "no"
    assert offers["Cancel"].get("reason", {}).get("code") == "event_deferred"


def test_what_is_deferred_is_part_of_the_chart() -> None:
    class Hasty(Printer, revision=1):
        printing = State()

    assert definition_of(Hasty).fingerprint != definition_of(Printer).fingerprint
    assert Cursor(Hasty, Seen()).send(Finish()).send(Cancel()).data.cancelled == 1
    assert check(Printer) == ()
