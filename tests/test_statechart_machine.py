"""`StatechartMachine` is sound where states are parallel, what transitions has elsewhere, and selects as `Cursor` does.

Each property is a function over a drawn tale; the controls below plant a fault, and the same functions must find it.
transitions' own test suite (`make conformance`) guards the rest, but does not see two of these faults.
"""

import contextlib
import copy
import pickle
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample
from transitions import MachineError
from transitions.extensions import HierarchicalMachine

from statemachine import Cursor, plans
from statemachine.chart import Chart, Node, Rule
from statemachine.dialect import SCXML
from statemachine.machine import StatechartMachine
from tests.machines import Tale, Teller, configuration, is_legal, left_by, send, tales, workflow

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
SHORT = settings(max_examples=60, deadline=None, print_blob=True, suppress_health_check=SLOW)
LONG = settings(SHORT, max_examples=300)
CONTROL = settings(
    SHORT, max_examples=2_000, derandomize=True, database=None, phases=[Phase.generate], print_blob=False
)


NESTED_LISTS = (TypeError, ValueError)
"""What the machine of transitions raises where a parallel state lies in another one."""


class ScxmlMachine(StatechartMachine):
    """The machine with the rules of workflows."""

    dialect = SCXML


# -- the properties ----------------------------------------------------------------------------------------------------


def every_configuration_is_legal(tale: Tale) -> None:
    model = Teller()
    machine = tale.machine(StatechartMachine, model)
    for trigger, model.holding in tale.sends:
        machine.trigger_event(model, trigger)
        assert is_legal(tale, configuration(model)), model.state


def it_is_transitions_machine_where_nothing_is_parallel(tale: Tale) -> None:
    """Answers, states, all callbacks with all guards in their order, and what `may_` says."""
    tale = tale.without_parallels()
    every: Any = {
        "prepare_event": "!prepare",
        "before_state_change": "!before",
        "after_state_change": "!after",
        "finalize_event": "!end",
    }
    one, other = Teller(), Teller()
    ours, theirs = tale.machine(StatechartMachine, one, **every), tale.machine(HierarchicalMachine, other, **every)
    for trigger, holding in tale.sends:
        one.holding = other.holding = holding
        assert ours._can_trigger(one, trigger) == theirs._can_trigger(other, trigger)
        one.told, other.told = [], []
        assert ours.trigger_event(one, trigger) == theirs.trigger_event(other, trigger)
        assert one.state == other.state
        assert one.told == other.told


def it_selects_as_a_cursor(tale: Tale) -> None:
    """With the dialect of workflows: configurations; where one transition ran, the callbacks of each kind in order."""
    one, other = Teller(), Teller()
    machine, cursor = tale.machine(ScxmlMachine, one), Cursor(workflow(tale, other), None)
    for trigger, holding in tale.sends:
        one.told, other.told = [], []
        one.holding = other.holding = holding
        machine.trigger_event(one, trigger)
        send(cursor, trigger)
        assert configuration(one) == _underscored(cursor)
        told = [name for name in one.told if name[0] != "?"]
        assert Counter(told) == Counter(other.told)
        if sum(name[0] == "#" for name in told) == 1:
            assert all(_of_kind(told, sign) == _of_kind(other.told, sign) for sign in "+-")


def it_differs_from_a_cursor_only_where_the_dialects_do(tale: Tale) -> None:
    """As it is: the same where all transitions that may run leave the same; levels are left and entered as such."""
    one, other = Teller(), Teller()
    machine, cursor = tale.machine(StatechartMachine, one), Cursor(workflow(tale, other), None)
    for trigger, holding in tale.sends:
        one.told, other.told = [], []
        one.holding = other.holding = holding
        sides = [left_by(tale, configuration(one), drawn) for drawn in tale.drawn if drawn.trigger == trigger]
        machine.trigger_event(one, trigger)
        send(cursor, trigger)
        if any(scxml != habit for scxml, habit in sides):
            return  # from here on they may stand in different places
        told = [name for name in one.told if name[0] != "?"]
        assert configuration(one) == _underscored(cursor)
        assert Counter(told) == Counter(other.told)
        if sum(name[0] == "#" for name in told) == 1:
            assert _of_kind(told, "-") == sorted(_of_kind(told, "-"), key=lambda name: -name.count("_"))
            assert _of_kind(told, "+") == sorted(_of_kind(told, "+"), key=lambda name: name.count("_"))


def no_state_is_left_twice(tale: Tale) -> None:
    """For one event."""
    model = Teller()
    machine = tale.machine(StatechartMachine, model)
    for trigger, holding in tale.sends:
        model.told, model.holding = [], holding
        machine.trigger_event(model, trigger)
        assert max(Counter(_of_kind(model.told, "-")).values(), default=0) <= 1


def guards_come_before_actions(tale: Tale) -> None:
    _guards_come_first(tale, StatechartMachine)


def _guards_come_first(tale: Tale, kind: type[HierarchicalMachine]) -> None:
    model = Teller()
    machine = tale.machine(kind, model)
    for trigger, holding in tale.sends:
        model.told, model.holding = [], holding
        with contextlib.suppress(*NESTED_LISTS if kind is HierarchicalMachine else ()):
            machine.trigger_event(model, trigger)
        acted = "".join("?" if name[0] == "?" else "!" for name in model.told)
        assert "!?" not in acted, model.told


def _underscored(cursor: Cursor[None]) -> tuple[str, ...]:
    return tuple(leaf.replace(".", "_") for leaf in cursor.configuration)


def _of_kind(told: list[str], sign: str) -> list[str]:
    return [name for name in told if name[0] == sign]


PROPERTIES = [
    every_configuration_is_legal,
    it_is_transitions_machine_where_nothing_is_parallel,
    it_selects_as_a_cursor,
    it_differs_from_a_cursor_only_where_the_dialects_do,
    no_state_is_left_twice,
    guards_come_before_actions,
]

Property = Callable[[Tale], None]


@pytest.mark.parametrize("holds", PROPERTIES)
@SHORT
@given(tale=tales())
def test_a_property_holds_on_every_machine(holds: Property, tale: Tale) -> None:
    holds(tale)


@pytest.mark.long
@pytest.mark.parametrize("holds", PROPERTIES)
@LONG
@given(tale=tales())
def test_a_property_holds_on_many_machines(holds: Property, tale: Tale) -> None:
    holds(tale)


# -- controls: each planted fault must be found ------------------------------------------------------------------------


def is_found(prop: Property) -> bool:
    """Whether a search finds a tale on which a property fails."""

    def fails(tale: Tale) -> bool:
        try:
            prop(tale)
        except (AssertionError, KeyError):
            return True
        return False

    try:
        find(tales(), fails, settings=CONTROL)
    except NoSuchExample:
        return False
    return True


def test_missing_conflict_removal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "remove_conflicts", lambda rules, exits: rules)

    assert is_found(no_state_is_left_twice)


def test_incomplete_parallels_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_complete", lambda parallel, entered, **more: None)

    assert is_found(every_configuration_is_legal)


def test_outer_transitions_before_inner_ones_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    inner_first = Chart._rules_above

    def outer_first(chart: Chart, nodes: tuple[Node, ...], event: str) -> tuple[Rule, ...]:
        return tuple(sorted(inner_first(chart, nodes, event), key=lambda rule: rule.source.index))

    monkeypatch.setattr(Chart, "_rules_above", outer_first)

    assert is_found(it_is_transitions_machine_where_nothing_is_parallel)


def test_guards_that_are_asked_after_an_action_are_found() -> None:
    """The machine of transitions itself is the control: it asks a region when it comes to it."""
    assert is_found(lambda tale: _guards_come_first(tale, HierarchicalMachine))


def test_unsound_parallels_are_found() -> None:
    """The machine of transitions again, which leaves regions out and carries out what conflicts."""

    def holds(tale: Tale) -> None:
        model = Teller()
        machine = tale.machine(HierarchicalMachine, model)
        for trigger, model.holding in tale.sends:
            with contextlib.suppress(*NESTED_LISTS):
                machine.trigger_event(model, trigger)
            assert is_legal(tale, configuration(model))

    assert is_found(holds)


# -- one thing at a time -----------------------------------------------------------------------------------------------


def regions(**more: Any) -> StatechartMachine:
    """A machine with two regions."""
    parallel = [{"name": name, "initial": "x", "children": ["x", "y"]} for name in "ab"]
    machine = StatechartMachine(states=["O", {"name": "P", "parallel": parallel}], initial="P", **more)
    machine.add_transition("go", "P_a_x", "P_a_y")
    machine.add_transition("go", "P_b_x", "P_b_y")
    return machine


class Noting:
    """A model that notes what its callbacks find in the event's data."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def look(self, event: Any) -> None:
        """Note the event's name, the transition's source, the result so far, and what failed."""
        transition = event.transition and event.transition.source
        error = event.error and str(event.error).split("'")[0]
        self.seen.append((event.event and event.event.name, transition, event.result, error))

    def fail(self, event: Any) -> None:
        """Fail."""
        raise LookupError("failed")

    def no(self, _: Any) -> bool:
        """Hold never."""
        return False


def told(kind: type[HierarchicalMachine], trigger: str, **more: Any) -> tuple[object, list[tuple[object, ...]]]:
    """What a trigger returns or raises on a machine of a class, and what its callbacks saw."""
    model: Any = Noting()
    moments = ("prepare_event", "before_state_change", "after_state_change", "finalize_event")
    looks: dict[str, Any] = dict.fromkeys(moments, "look")
    machine = kind(model, states=["A", "B"], initial="A", send_event=True, auto_transitions=False, **looks, **more)
    machine.add_transition("go", "A", "A", conditions="no")
    machine.add_transition("go", "A", "B")
    machine.add_transition("fall", "A", "B", after="fail")
    machine.add_transition("back", "B", "A")
    try:
        return machine.trigger_event(model, trigger), model.seen
    except (MachineError, LookupError) as error:
        return str(error), model.seen


@pytest.mark.parametrize("trigger", ["go", "fall", "back"])
@pytest.mark.parametrize("more", [{}, {"on_exception": "look"}, {"ignore_invalid_triggers": True}])
def test_callbacks_find_in_the_events_data_what_they_find_with_a_hierarchical_machine(
    trigger: str, more: dict[str, Any]
) -> None:
    """Before conditions no transition, on the way no result yet; what failed has none, also where it is handled."""
    expected = told(HierarchicalMachine, trigger, **more)

    assert told(StatechartMachine, trigger, **more) == expected


def test_states_and_transitions_may_be_added_and_removed_at_any_time() -> None:
    machine = regions(auto_transitions=False)
    model: Any = machine

    model.go()
    machine.add_states("Q")
    machine.add_transition("out", "P", "Q")
    model.out()
    assert model.state == "Q"
    machine.remove_transition("out")

    with pytest.raises(MachineError, match="out"):
        machine.trigger_event(model, "out")


def test_after_a_change_by_hand_refresh_is_called() -> None:
    machine: Any = regions()
    machine.go()

    machine.get_state("P_a").initial = "y"
    machine.refresh()

    assert machine.to_O()
    assert machine.to_P()
    assert machine.state == ["P_a_y", "P_b_x"]


def test_an_event_that_nobody_takes_is_an_error_in_nested_regions_too() -> None:
    """HierarchicalMachine takes the inner list for the path of a state."""
    inner = {"name": "b", "parallel": ["x", "y"]}
    machine: Any = StatechartMachine(states=[{"name": "P", "parallel": ["a", inner]}, "Q"], initial="P")
    machine.add_transition("back", "Q", "P")

    with pytest.raises(MachineError, match="Can't trigger event 'back'"):
        machine.back()


def test_an_initial_state_that_does_not_exist_is_named() -> None:
    machine: Any = StatechartMachine(states=["O", {"name": "C", "initial": "z", "children": ["x"]}], initial="O")

    with pytest.raises(ValueError, match="State 'C' has no state 'z', which it names as initial"):
        machine.to_C()


def test_a_transition_in_a_state_counts_its_names_from_there_or_from_the_first_level() -> None:
    """HierarchicalMachine knows only the first of the two."""
    inner: list[Any] = [["on", "1", "2"], ["off", "2", "O"]]
    compound = {"name": "C", "initial": "1", "children": ["1", "2"], "transitions": inner}
    machine: Any = StatechartMachine(states=["O", compound], initial="C")

    machine.on()
    assert machine.state == "C_2"
    machine.off()
    assert machine.state == "O"


def test_members_of_an_enum_are_states() -> None:
    class Light(Enum):
        RED = 1
        GREEN = 2

    go: list[Any] = ["go", Light.RED, Light.GREEN]
    machine: Any = StatechartMachine(states=Light, initial=Light.RED, transitions=[go])
    machine.go()

    assert machine.state is Light.GREEN


def pickled(machine: StatechartMachine) -> Any:
    return pickle.loads(pickle.dumps(machine))  # noqa: S301  # our own


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_has_objects_of_its_own(copied: Callable[[Any], Any]) -> None:
    machine: Any = regions()
    machine.go()

    other = copied(machine)
    other.to_O()

    assert (machine.state, other.state) == (["P_a_y", "P_b_y"], "O")


def test_a_plain_machine_within_a_machine_runs_by_the_same_rules() -> None:
    """Its transitions are those of transitions itself."""
    counter = HierarchicalMachine(
        states=["1", "2"], initial="1", transitions=[["up", "1", "2"]], auto_transitions=False
    )
    machine: Any = StatechartMachine(states=["O", {"name": "C", "children": counter}], initial="O")

    machine.to_C()
    machine.up()

    assert machine.state == "C_2"
