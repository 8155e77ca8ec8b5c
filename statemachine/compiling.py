"""From the objects of a `transitions` machine to a `Chart`: reads them once, when the class is defined. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from statemachine.chart import Chart

__all__ = ["compile_chart"]


class StateLike(Protocol):
    """What the compiler reads of a state of a machine."""

    kind: str
    outcome: str | None
    initial: Any
    states: Mapping[str, Any]
    on_enter: Sequence[str]
    on_exit: Sequence[str]
    deep: bool
    fallback: Sequence[str]
    defer: Sequence[str]
    start: Sequence[str]


class EventLike(Protocol):
    """What the compiler reads of an event of a machine: transitions by the full name of their source."""

    transitions: Mapping[str, Sequence[Any]]


class MachineLike(Protocol):
    """What the compiler reads of a machine."""

    @property
    def states(self) -> Mapping[str, Any]:
        """States of the first level, by name."""
        ...

    @property
    def events(self) -> Mapping[str, Any]:
        """Events by name."""
        ...

    @property
    def initial(self) -> Any:
        """The name of the initial state of the first level."""
        ...

    @property
    def start(self) -> Sequence[str]:
        """Full names of what is entered by default where that is not `initial`."""
        ...


def compile_chart(machine: MachineLike, *, schemas: Mapping[str, object]) -> Chart:
    """Return the chart of a machine. `schemas` describe its events and data and are part of its fingerprint. Pure.

    The canonical text covers structure, rules and their order, names of callbacks, and the schemas; not names of
    modules, not docstrings, not the bodies of functions.
    """
    description = {
        "format": 1,
        "initial": machine.initial,
        **_present({"start": list(machine.start)}),
        "states": [_state(name, state) for name, state in machine.states.items()],
        "rules": _rules(machine),
        **schemas,
    }
    return Chart(json.dumps(description, ensure_ascii=False, separators=(",", ":")))


def _state(name: str, state: StateLike) -> dict[str, object]:
    optional = {
        "children": [_state(child, inner) for child, inner in state.states.items()],
        "initial": state.initial if state.kind == "compound" else None,
        "outcome": state.outcome,
        "enter": list(state.on_enter),
        "leave": list(state.on_exit),
        "deep": state.deep,
        "fallback": list(state.fallback),
        "defer": list(state.defer),
        "start": list(state.start),
    }
    return {"name": name, "kind": state.kind, **_present(optional)}


def _rules(machine: MachineLike) -> list[dict[str, object]]:
    """Return all rules in the order in which they are asked: of the declaration, then of the sources as named."""
    found: list[tuple[int, dict[str, object]]] = []
    for event in machine.events.values():
        transitions: Mapping[str, Sequence[Any]] = event.transitions
        found.extend((one.rule.order, _rule(event.name, one)) for many in transitions.values() for one in many)
    return [rule for _, rule in sorted(found, key=lambda pair: pair[0])]


def _rule(event: str, transition: Any) -> dict[str, object]:  # an object of the machine's
    guards = [condition.func for condition in transition.conditions]
    optional = {
        "targets": list(transition.rule.targets),
        "guard": guards[0] if guards else None,
        "reenter": transition.rule.reenter,
        "roles": list(transition.rule.roles),
    }
    return {"event": event, "source": transition.source, "action": transition.before[0], **_present(optional)}


def _present(optional: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in optional.items() if value}
