"""The one place that knows `transitions`: its objects from a declaration, and a machine of its that is sound.

What a user declares becomes a `HierarchicalMachine` with its states, transitions and callbacks, by name: the
definition model that diagrams and other tools of `transitions` read. It is never given a model and never fires:
`statemachine.chart` compiles it, and `statemachine.step` selects.

Names: states are joined by dots, which a Python name cannot hold. Eventless rules listen to `always:`, rules on the end
of a region to `done:<region>`, those on a failure to `error:`; a colon cannot stand in a Python name either.

`transitions` knows no history and one target: a history is a state of the kind "history" that nothing enters, and of
several targets the first is a transition's `dest`. Its rule knows all.

`StatechartMachine` is the other direction: a `HierarchicalMachine` with models and triggers, for programs that have
one, in which `statemachine.step` selects. Private methods of `transitions` that are replaced: `_trigger_event_nested`
(select for all regions, guards first, conflicts removed, then carry out), `NestedTransition._change_state` (apply a
plan), `_can_trigger` (ask the same selection), `_check_event_result` (say why nothing happened). Its own test suite
holds the rest: `make conformance`.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from attrs import frozen
from transitions.core import Event, EventData
from transitions.extensions.nesting import HierarchicalMachine, NestedEventData, NestedState, NestedTransition

from statemachine._live import LiveChart, Move, Path, Way, copied, flat
from statemachine.chart import Rule
from statemachine.dialect import TRANSITIONS, Dialect
from statemachine.specs import RuleSpec, StateSpec
from statemachine.step import Unhandled, select

__all__ = [
    "ChartMachine",
    "ChartState",
    "ChartTransition",
    "StatechartMachine",
    "StatechartTransition",
    "build",
    "features",
]


class ChartState(NestedState):
    """A state of `transitions` that also knows what its spec says beyond that."""

    separator = "."

    def __init__(self, spec: StateSpec) -> None:
        is_final = spec.kind == "final"
        super().__init__(spec.name, on_enter=list(spec.enter), on_exit=list(spec.leave), final=is_final)
        # One name for a compound, all names for a parallel: what `transitions` reads. Its stub knows only the one.
        regions = [child.name for child in spec.children if child.kind != "history"]
        initial: Any = regions if spec.kind == "parallel" else spec.initial
        self.initial = initial
        self.kind = spec.kind
        self.outcome = spec.outcome
        self.tags = spec.tags
        self.deep = spec.deep
        self.fallback = spec.fallback
        self.defer = spec.defer
        self.start = spec.start
        self.add_substates([ChartState(child) for child in spec.children])


class ChartTransition(NestedTransition):
    """A transition of `transitions` that also knows its rule: order, all targets, roles, and what it re-enters."""

    def __init__(self, source: str, dest: str | None, *callbacks: Any, rule: RuleSpec) -> None:
        target: Any = dest  # None is an internal transition; the stub does not say so
        super().__init__(source, target, *callbacks)
        self.rule = rule


class ChartMachine(HierarchicalMachine):
    """A machine without a model: a definition, not something that runs."""

    start: tuple[str, ...] = ()  # what is entered by default where that is not `initial`
    state_cls = ChartState
    transition_cls = ChartTransition


def build(name: str, states: Sequence[StateSpec], rules: Sequence[RuleSpec]) -> ChartMachine:
    """Return the machine of a declaration. Its first-level initial state is the one marked by `initial` of its spec."""
    machine = ChartMachine(
        model=None,
        states=[ChartState(spec) for spec in states],
        initial=None,
        name=name,
        auto_transitions=False,
        send_event=True,
    )
    for rule in rules:
        machine.add_transition(
            rule.event,
            list(rule.sources),
            rule.targets[0] if rule.targets else None,
            conditions=[] if rule.guard is None else [rule.guard],
            before=[rule.action],
            rule=rule,
        )
    return machine


# -- the machine that runs ---------------------------------------------------------------------------------------------


class StatechartTransition(NestedTransition):
    """A transition that is carried out after the machine has selected it, together with those of other regions."""

    def execute(self, event_data: EventData) -> bool:
        """Carry it out and return True; False if it was not selected before and its conditions do not hold."""
        is_selected = getattr(event_data, "selected", None) is self
        return (is_selected or _holds(self, event_data)) and _carry_out(self, event_data, self._change_state)

    def _change_state(self, event_data: Any) -> None:
        event_data.machine.apply(self, event_data)


class StatechartMachine(HierarchicalMachine):
    """A `HierarchicalMachine` that selects as a statechart does, and is faster: put it where the other one stands.

    Every configuration that it reaches is legal: guards of all regions are asked before any callback that acts, of two
    transitions that would leave the same state one is taken, and a parallel state is entered with all its regions.
    Where nothing is parallel it does what `HierarchicalMachine` does. Not durable: see `Workflow.from_machine`.

    States and transitions may be added and removed as usual. After a change of their objects by hand, call `refresh`.
    """

    transition_cls = StatechartTransition
    dialect: ClassVar[Dialect] = TRANSITIONS
    _live: LiveChart | None = None

    def refresh(self) -> None:
        """Forget what was compiled: states or transitions have changed."""
        self._live = None

    if not TYPE_CHECKING:  # their types are those of HierarchicalMachine

        def add_states(self, *arguments: object, **named: object) -> None:
            """Add states as `HierarchicalMachine` does."""
            super().add_states(*arguments, **named)
            self.refresh()

        def add_transition(self, *arguments: object, **named: object) -> None:
            """Add a transition as `HierarchicalMachine` does."""
            super().add_transition(*arguments, **named)
            self.refresh()

        def remove_transition(self, *arguments: object, **named: object) -> None:
            """Remove transitions as `HierarchicalMachine` does."""
            super().remove_transition(*arguments, **named)
            self.refresh()

    def apply(self, transition: NestedTransition, event_data: NestedEventData) -> None:
        """Leave and enter what a transition says, on the model of `event_data`. Called by transitions."""
        live = self._compiled()
        value = getattr(event_data.model, self.model_attribute)
        move = live.move(value, *self._ends(live, transition, event_data))
        for state, around in move.leave:
            state.scoped_exit(event_data, around)
        self._arrive(move, event_data)
        for state, around in move.enter:
            state.scoped_enter(event_data, around)
        for done in move.finals:
            self.callbacks(done.on_final, event_data)

    def _ends(self, live: LiveChart, transition: NestedTransition, event_data: Any) -> tuple[Path, Path]:
        way: Way | None = getattr(event_data, "way", None)
        if way is None or way.transition is not transition:  # of `to_state`, which makes a transition of its own
            way = live.way(transition)
        if way.target is None:
            raise ValueError(f"State '{transition.dest}' is not a registered state.")
        return way.source, way.target

    def _arrive(self, move: Move, event_data: Any) -> None:
        if type(self).set_state is HierarchicalMachine.set_state:
            setattr(event_data.model, self.model_attribute, copied(move.values))
        else:
            with self():
                self.set_state(copied(move.names), event_data.model)
        event_data.state = copied(move.states)

    def _compiled(self) -> LiveChart:
        if self._live is None:
            with self():
                self._live = LiveChart(self, self.state_cls.separator, dialect=self.dialect)
        return self._live

    def _trigger_event_nested(self, event_data: Any, trigger: str, _state_tree: object) -> bool | None:
        """Return whether anything was done; None if no transition listens."""
        live = self._compiled()
        asked = _Asked(live, event_data)
        configuration = live.configuration(getattr(event_data.model, self.model_attribute))
        event_data.event = self.events.get(trigger, event_data.event)  # also where no transition listens
        found = select(live.chart, configuration, trigger, holds=asked.holds)
        if isinstance(found, Unhandled):
            return False if found.blocked else None
        for rule in found.rules:
            way = live.ways[rule.order]
            asked.point_at(way)
            event_data.selected = way.transition
            with self._inside(way.source[: way.scope]):
                event_data.result = self._run(way.transition, event_data)
        return True

    def _run(self, transition: NestedTransition, event_data: Any) -> bool:
        if isinstance(transition, StatechartTransition):
            return transition.execute(event_data)
        return _carry_out(transition, event_data, partial(self.apply, transition))  # it came with another machine

    @contextmanager
    def _inside(self, scope: Path) -> Generator[None]:
        """Let names count from the states in which a transition is written."""
        with ExitStack() as stack:
            for name in scope:
                stack.enter_context(self(name))
            yield

    def _check_event_result(self, res: Any, model: object, trigger: str) -> bool:
        """Answer for an event; that of HierarchicalMachine takes the lists of nested parallel states for names."""
        names = flat(getattr(model, self.model_attribute))
        shown = model if len(names) == 1 else SimpleNamespace(**{self.model_attribute: names})
        return super()._check_event_result(res, shown, trigger)

    def _can_trigger(self, model: object, trigger: str, *arguments: Any, **named: Any) -> bool:
        live = self._compiled()
        event_data = NestedEventData(None, Event(trigger, self), self, model, arguments, named)
        asked = _Asked(live, event_data)
        configuration = live.configuration(getattr(model, self.model_attribute))
        return not isinstance(select(live.chart, configuration, trigger, holds=asked.may), Unhandled)


class _Asked:
    """Asks the transitions of one event for their conditions."""

    def __init__(self, live: LiveChart, event_data: Any) -> None:
        self._live = live
        self._data = event_data
        self._source: object = None

    def point_at(self, way: Way) -> None:
        """Let callbacks see in the event's data which transition they belong to."""
        self._stand_at(way)
        self._data.way, self._data.transition = way, way.transition

    def _stand_at(self, way: Way) -> None:
        data = self._data
        data.event, data.state = way.event, way.state
        data.source_path = list(way.source[way.scope :])
        data.source_name = way.transition.source

    def holds(self, rule: Rule, _: object) -> bool:
        """Say whether a transition may run; the machine prepares once for each state, before it looks at transitions.

        `result` is that of the last transition that was carried out or did not hold, as with `HierarchicalMachine`: one
        that fails on its way has none.
        """
        way = self._live.ways[rule.order]
        self._stand_at(way)
        if self._source is not way.source:
            self._source = way.source
            self._data.machine.callbacks(self._data.machine.prepare_event, self._data)
        self.point_at(way)
        if _holds(way.transition, self._data):
            return True
        self._data.result = False
        return False

    def may(self, rule: Rule, _: object) -> bool:
        """Say whether a transition may run, for `may_…`: what fails is handled by `on_exception`, if there is one."""
        way = self._live.ways[rule.order]
        if way.target is None and way.transition.dest is not None:
            return False
        self._source = None  # a question prepares for each transition, and says which
        self.point_at(way)
        try:
            return self.holds(rule, None)
        except BaseException as error:  # as HierarchicalMachine does: handed over, or raised again
            self._data.error = error
            if not self._data.machine.on_exception:
                raise
            self._data.machine.callbacks(self._data.machine.on_exception, self._data)
            return False


def _holds(transition: NestedTransition, data: EventData) -> bool:
    data.machine.callbacks(transition.prepare, data)
    return all(condition.check(data) for condition in transition.conditions)


def _carry_out(transition: NestedTransition, data: EventData, change: Callable[[Any], None]) -> bool:
    machine = data.machine
    machine.callbacks(chain(machine.before_state_change, transition.before), data)
    if transition.dest:
        change(data)
    machine.callbacks(chain(transition.after, machine.after_state_change), data)
    return True


# -- what a machine is -------------------------------------------------------------------------------------------------


@frozen
class Features:
    """What `Workflow.from_machine` must know of a machine before it reads it."""

    model: type  # of its only model; object where it has none
    refused: list[str]  # what cannot be made durable, in words, with the repair


_FEATURES = {
    "Timeout": "its timer is lost with the process. Declare the workflow, and use @after.",
    "Retry": "its counts are lost with the process. Count in the data.",
    "Volatile": "its objects are lost with the process. Keep in the data what is to last.",
    "Error": "a dead end is what check(…) finds. Leave the feature out.",
}
"""Those of `transitions.extensions.states` that are not durable; Tags are."""


def features(machine: object) -> Features:
    """Tell what a machine is made of, and what of it cannot be made durable."""
    from transitions.core import Machine
    from transitions.extensions.asyncio import AsyncMachine

    if not isinstance(machine, Machine):
        return Features(object, [f"{machine!r} is no machine of transitions. Pass one."])
    models = cast("list[object]", machine.models)
    kinds: set[type] = {type(one) for one in models}
    anyway = "it runs even where nothing happens. Move it into before or after."
    table: list[tuple[object, str]] = [
        (isinstance(machine, AsyncMachine), "it is an AsyncMachine. Write plain callbacks, and tasks for what waits."),
        (any(one is machine for one in models), "it is its own model. Give it one of another class, or model=None."),
        (len(kinds) > 1, "it has models of several classes. Build it with one of them."),
        (machine.has_queue, "it is queued. Leave queued= out; to go on from a callback, use self.raise_(…)."),
        (machine.auto_transitions, "it has auto_transitions: any state could be set. Pass auto_transitions=False."),
        (machine.prepare_event, f"it has prepare_event: {anyway}"),
        (machine.finalize_event, f"it has finalize_event: {anyway}"),
        (machine.on_exception, "it has on_exception. An event that fails changes nothing: catch it in the callback."),
        (getattr(machine, "on_final", ()), "it has on_final. Use on_enter of its final states."),
    ]
    for state in _every_state(machine):
        theirs = {one.__name__ for one in type(state).__mro__ if one.__module__ == "transitions.extensions.states"}
        table += [(True, f"state {state.name!r} has {one}: {_FEATURES[one]}") for one in theirs & _FEATURES.keys()]
        table.append((getattr(state, "on_final", ()), f"state {state.name!r} has on_final. Use on_enter."))
    return Features(kinds.pop() if len(kinds) == 1 else object, [words for is_so, words in table if is_so])


def _every_state(holder: Any) -> Generator[Any]:
    for state in getattr(holder, "states", {}).values():
        yield state
        yield from _every_state(state)
