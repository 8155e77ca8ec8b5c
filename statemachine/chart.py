"""The compiled, frozen form of a workflow: nodes in document order, rules per node, what is legal, and its fingerprint.

A `Chart` is read from the objects of a `transitions` machine once, when the class is defined. Pure: no clock, no I/O,
and no state but caches that hold what could be computed again.

Words: a *node* is a state or region by its full name (`fulfil.stock.queued`); a *configuration* is the tuple of active
leaves in document order. A configuration is legal if and only if, of the active nodes (leaves and their ancestors),
  (C1) exactly one first-level node is active,
  (C2) each active compound node has exactly one active child,
  (C3) each active parallel node has all its children active,
  (C4) leaves stand in document order, each once.                                                        INV-8
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol, TypeAlias, TypeVar

from attrs import field, frozen

from statemachine.dialect import SCXML, Dialect

__all__ = [
    "ALWAYS",
    "Chart",
    "Configuration",
    "Node",
    "Plan",
    "Rule",
    "compile_chart",
    "done_event",
    "leaves",
    "remember",
]

K = TypeVar("K")
V = TypeVar("V")

Configuration: TypeAlias = tuple[str, ...]

ALWAYS = "always:"
PLANS_MAX = 4096  # a parallel chart multiplies its configurations; beyond this the cache starts anew


def done_event(name: str) -> str:
    """Return the name of the internal event that says that a region is done. Pure."""
    return f"done:{name}"


@frozen(eq=False)
class Node:
    """One state or region."""

    name: str
    index: int  # in document order
    kind: str  # atomic, final, compound, parallel; the root is compound
    parent: "Node | None" = field(repr=False)
    initial: str | None  # full name; of a compound node
    outcome: str | None  # of a final node at the first level
    enter: tuple[str, ...]  # names of callbacks
    leave: tuple[str, ...]
    path: "tuple[Node, ...]" = field(repr=False)  # itself, its parent, … without the root
    children: "list[Node]" = field(repr=False)
    regions: tuple[str, ...] = ()  # full names; of a parallel of `transitions`, which need not enter all its children

    def is_descendant(self, other: "Node") -> bool:
        """Say whether it lies inside another node, at any depth; a node is no descendant of itself."""
        return self is not other and (other.parent is None or other in self.path)


@frozen(eq=False)
class Rule:
    """One rule at one source."""

    order: int  # of the declaration: the lower one is asked first
    event: str
    source: Node
    target: Node | None  # None for an internal transition
    action: str  # names of methods
    guard: str | None
    reenter: bool
    roles: tuple[str, ...]


@frozen(eq=False)
class Plan:
    """What one microstep does. Callbacks are names of methods; those of a state take no event."""

    rules: tuple[Rule, ...]
    before: Configuration
    after: Configuration
    leave: tuple[str, ...]  # innermost first
    enter: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]  # per node, document order: its actions, its done events
    outcome: str | None  # set if the plan ends the instance


class Chart:
    """A compiled workflow, made of its canonical text.

    `nodes` are in document order, the root (named "") first; `fingerprint` is sha256 of the text, 32 bytes. The dialect
    is not part of it: what is stored is SCXML's.
    """

    def __init__(self, text: str, *, dialect: Dialect = SCXML) -> None:
        self.dialect = dialect
        description: dict[str, Any] = json.loads(text)
        self.text = text
        self.fingerprint = sha256(text.encode()).digest()
        self.root = Node("", 0, "compound", None, description["initial"], None, (), (), (), [])
        self.nodes = {"": self.root}
        self._add_nodes(description["states"], self.root)
        self.rules = tuple(self._rule(order, one) for order, one in enumerate(description["rules"]))
        self._by_node: dict[str, list[Rule]] = {}
        for rule in self.rules:
            self._by_node.setdefault(rule.source.name, []).append(rule)
        self._candidates: dict[tuple[Configuration, str], tuple[tuple[Rule, ...], ...]] = {}
        self.plans: dict[tuple[Configuration, tuple[Rule, ...]], Plan] = {}

    def _add_nodes(self, states: Sequence[Mapping[str, Any]], parent: Node) -> None:
        for state in states:
            name = f"{parent.name}.{state['name']}" if parent.name else state["name"]
            initial = f"{name}.{state['initial']}" if "initial" in state else None
            hooks = tuple(state.get("enter", ())), tuple(state.get("leave", ()))
            regions = tuple(f"{name}.{region}" for region in state.get("regions", ()))
            ends = initial, state.get("outcome")
            node = Node(name, len(self.nodes), state["kind"], parent, *ends, *hooks, (), [], regions)
            object.__setattr__(node, "path", (node, *parent.path))  # it holds itself: made once, frozen from here on
            parent.children.append(node)
            self.nodes[name] = node
            self._add_nodes(state.get("children", ()), node)

    def _rule(self, order: int, rule: Mapping[str, Any]) -> Rule:
        return Rule(
            order=order,
            event=rule["event"],
            source=self.nodes[rule["source"]],
            target=self.nodes[rule["target"]] if "target" in rule else None,
            action=rule["action"],
            guard=rule.get("guard"),
            reenter=rule.get("reenter", False),
            roles=tuple(rule.get("roles", ())),
        )

    def candidates(self, configuration: Configuration, event: str) -> tuple[tuple[Rule, ...], ...]:
        """Return, per active leaf that has any, the rules for an event: inner states first, then source order. Pure."""
        key = (configuration, event)
        found = self._candidates.get(key)
        if found is None:
            per_leaf = (self._rules_above(self.nodes[leaf], event) for leaf in configuration)
            found = tuple(rules for rules in per_leaf if rules)
            remember(self._candidates, key, found)
        return found

    def _rules_above(self, leaf: Node, event: str) -> tuple[Rule, ...]:
        above = (rule for node in leaf.path for rule in self._by_node.get(node.name, ()))
        return tuple(rule for rule in above if rule.event == event)

    def legal(self, configuration: Configuration) -> str | None:
        """Return why a configuration is not legal, naming the node; None if it is. Pure."""
        unknown = [name for name in configuration if name not in self.nodes or not name]
        if unknown:
            return f"there is no state {unknown[0]!r}"
        leaves = [self.nodes[name] for name in configuration]
        inner = [leaf.name for leaf in leaves if leaf.children]
        if inner:
            return f"{inner[0]!r} is a region and is active without any of its states"
        order = [leaf.index for leaf in leaves]
        if order != sorted(set(order)):
            return "its states are not in document order, or one stands twice"
        active = {node for leaf in leaves for node in leaf.path} | {self.root}
        for node in sorted(active, key=lambda node: node.index):
            count = sum(child in active for child in node.children)
            wanted = len(node.children) if node.kind == "parallel" else min(1, len(node.children))
            if count != wanted:
                return f"{node.name or 'the workflow'!r} has {count} active children, expected {wanted}"
        return None

    def outcome(self, configuration: Configuration) -> str | None:
        """Return how an instance ended that is in this configuration; None while it runs. Pure."""
        node = self.nodes.get(configuration[0]) if len(configuration) == 1 else None
        if node is None or node.kind != "final" or node.parent is not self.root:
            return None
        return node.outcome or node.name

    def events(self, configuration: Configuration) -> tuple[str, ...]:
        """Return the names of external events for which an active state has a rule, in source order. Pure."""
        nodes = {node.name for leaf in configuration for node in self.nodes[leaf].path}
        found = (rule.event for rule in self.rules if rule.source.name in nodes and ":" not in rule.event)
        return tuple(dict.fromkeys(found))


def leaves(active: "set[Node]") -> Configuration:
    """Return the configuration of a set of active nodes: its leaves, in document order. Pure.

    A region without an active child is a leaf too; only a machine of `transitions` has such.
    """
    inner = {node.parent for node in active}
    return tuple(node.name for node in sorted(active, key=lambda node: node.index) if node not in inner)


def remember(cache: dict[K, V], key: K, value: V) -> None:
    """Put a value into a bounded cache; a full one starts anew, which costs less than keeping an order of use."""
    if len(cache) >= PLANS_MAX:
        cache.clear()
    cache[key] = value


# -- compiling ---------------------------------------------------------------------------------------------------------


class StateLike(Protocol):
    """What the compiler reads of a state of a machine."""

    kind: str
    outcome: str | None
    initial: Any
    states: Mapping[str, Any]
    on_enter: Sequence[str]
    on_exit: Sequence[str]


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


def compile_chart(machine: MachineLike, *, schemas: Mapping[str, object]) -> Chart:
    """Return the chart of a machine. `schemas` describe its events and data and are part of its fingerprint. Pure.

    The canonical text covers structure, rules and their order, names of callbacks, and the schemas; not names of
    modules, not docstrings, not the bodies of functions.
    """
    description = {
        "format": 1,
        "initial": machine.initial,
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
        "target": transition.dest,
        "guard": guards[0] if guards else None,
        "reenter": transition.rule.reenter,
        "roles": list(transition.rule.roles),
    }
    return {"event": event, "source": transition.source, "action": transition.before[0], **_present(optional)}


def _present(optional: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in optional.items() if value}
