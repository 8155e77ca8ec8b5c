"""From a chart's canonical text back to the specs that it was compiled from: for tools that hold only a stored chart.

`compile_chart` of a machine that is built of them writes the same text. Tags are not in a text and do not come back;
nor do the classes of events and data, only their descriptions.
"""

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from statemachine.specs import RuleSpec, StateSpec

__all__ = ["Specs", "specs_of"]

_STRUCTURE = {"format", "initial", "start", "states", "rules"}


@frozen
class Specs:
    """What `machine.build` and `compile_chart` take."""

    initial: str
    start: tuple[str, ...]
    states: tuple[StateSpec, ...]
    rules: tuple[RuleSpec, ...]
    schemas: Mapping[str, object]


def specs_of(text: str) -> Specs:
    """Return the specs of a chart's text, a rule for each source: what one decorator said of several is lost. Pure."""
    description: dict[str, Any] = json.loads(text)
    return Specs(
        initial=description["initial"],
        start=tuple(description.get("start", ())),
        states=tuple(_state(one) for one in description["states"]),
        rules=tuple(_rule(order, one) for order, one in enumerate(description["rules"])),
        schemas={name: value for name, value in description.items() if name not in _STRUCTURE},
    )


def _state(state: Mapping[str, Any]) -> StateSpec:
    return StateSpec(
        state["name"],
        state["kind"],
        children=tuple(_state(one) for one in state.get("children", ())),
        initial=state.get("initial"),
        outcome=state.get("outcome"),
        enter=tuple(state.get("enter", ())),
        leave=tuple(state.get("leave", ())),
        defer=tuple(state.get("defer", ())),
        deep=state.get("deep", False),
        fallback=tuple(state.get("fallback", ())),
        start=tuple(state.get("start", ())),
    )


def _rule(order: int, rule: Mapping[str, Any]) -> RuleSpec:
    return RuleSpec(
        order,
        rule["event"],
        (rule["source"],),
        tuple(rule.get("targets", ())),
        rule["action"],
        guard=rule.get("guard"),
        reenter=rule.get("reenter", False),
        roles=tuple(rule.get("roles", ())),
    )
