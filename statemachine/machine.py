"""The one place that knows `transitions`: builds its objects from a declaration.

What a user declares becomes a `HierarchicalMachine` with its states, transitions and callbacks, by name: the
definition model that diagrams and other tools of `transitions` read. It is never given a model and never fires:
`statemachine.chart` compiles it, and `statemachine.step` selects.

Names: states are joined by dots, which a Python name cannot hold. Eventless rules listen to `always:`, rules on the end
of a region to `done:<region>`, those on a failure to `error:`; a colon cannot stand in a Python name either.

`transitions` knows no history and one target: a history is a state of the kind "history" that nothing enters, and of
several targets the first is a transition's `dest`. Its rule knows all.
"""

from collections.abc import Sequence
from typing import Any

from transitions.extensions.nesting import HierarchicalMachine, NestedState, NestedTransition

from statemachine.specs import RuleSpec, StateSpec

__all__ = ["ChartMachine", "ChartState", "ChartTransition", "build"]


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
