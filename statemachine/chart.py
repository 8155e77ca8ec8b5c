"""The compiled, frozen form of a workflow: nodes in document order, rules per node, what is legal, and its fingerprint.

A `Chart` is made of its canonical text (`statemachine.compiling` writes it when the class is defined). Pure: no clock,
no I/O, and no state but caches that hold what could be computed again.

Words: a *node* is a state or region by its full name (`fulfil.stock.queued`), or a history, which is never active; a
*configuration* is the tuple of active leaves in document order. A configuration is legal if and only if, of the active
nodes (leaves and their ancestors),
  (C1) exactly one first-level node is active,
  (C2) each active compound node has exactly one active child,
  (C3) each active parallel node has all its children active,
  (C4) leaves stand in document order, each once.                                                        INV-8
A *memory* holds, for each region that has a history and was left, the leaves that were active in it when it was last
left. It is part of where an instance stands, and is legal if and only if
  (C5) each of its regions has a history and stands in it once, in document order, and
  (C6) the leaves of each are legal by (C2) to (C4), as if the region were active.                       INV-8
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar

from attrs import field, frozen

from statemachine.dialect import SCXML, Dialect

__all__ = [
    "ALWAYS",
    "FAILED",
    "Chart",
    "Configuration",
    "Memory",
    "Node",
    "Plan",
    "Rule",
    "done_event",
    "leaves",
    "remember",
]

K = TypeVar("K")
V = TypeVar("V")

Configuration: TypeAlias = tuple[str, ...]
Memory: TypeAlias = tuple[tuple[str, Configuration], ...]
"""Regions that were left and have a history, in document order, each with its leaves when it was last left."""

ALWAYS = "always:"
FAILED = "error:"  # what `@on_error` rules listen to
PLANS_MAX = 4096  # a parallel chart multiplies its configurations; beyond this the cache starts anew


def done_event(name: str) -> str:
    """Return the name of the internal event that says that a region is done. Pure."""
    return f"done:{name}"


@frozen(eq=False)
class Node:
    """One state, region or history."""

    name: str
    index: int  # in document order; histories after the states beside them
    kind: str  # atomic, final, compound, parallel, history; the root is compound
    parent: "Node | None" = field(repr=False)
    initial: str | None  # full name; of a compound node
    outcome: str | None  # of a final node at the first level
    enter: tuple[str, ...]  # names of callbacks
    leave: tuple[str, ...]
    path: "tuple[Node, ...]" = field(repr=False)  # itself, its parent, … without the root
    children: "list[Node]" = field(repr=False)  # without histories
    histories: "list[Node]" = field(factory=list["Node"], repr=False)
    deep: bool = False  # of a history: it stands for leaves, not for children of its region
    fallback: tuple[str, ...] = ()  # of a history: full names; where it leads as long as nothing is remembered
    defers: frozenset[str] = frozenset()  # events that wait while it is active
    regions: tuple[str, ...] = ()  # full names; of a parallel of `transitions`, which need not enter all its children
    start: tuple[str, ...] = ()  # full names: what is entered by default where that is not `initial`

    def is_descendant(self, other: "Node") -> bool:
        """Say whether it lies inside another node, at any depth; a node is no descendant of itself."""
        return self is not other and (other.parent is None or other in self.path)


@frozen(eq=False)
class Rule:
    """One rule at one source."""

    order: int  # of the declaration: the lower one is asked first
    event: str
    source: Node
    targets: tuple[Node, ...]  # states, regions and histories; none for an internal transition
    action: str  # names of methods
    guard: str | None
    reenter: bool
    roles: tuple[str, ...]
    recalls: frozenset[str] = frozenset()  # the regions to whose histories it leads, or what it enters by default


@frozen(eq=False)
class Plan:
    """What one microstep does. Callbacks are names of methods; those of a state take no event."""

    rules: tuple[Rule, ...]
    before: Configuration
    after: Configuration
    leave: tuple[str, ...]  # innermost first
    enter: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]  # per node, document order: its actions, its done events
    outcome: str | None  # set if the plan ends the instance
    is_rest: bool  # it ends the instance, or no eventless rule listens after it
    recorded: Memory = ()  # what the regions that it leaves remember from here on


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
        start = tuple(description.get("start", ()))
        self.root = Node("", 0, "compound", None, description["initial"], None, (), (), (), [], start=start)
        self.nodes = {"": self.root}
        self._add_nodes(description["states"], self.root)
        self.recalls = _recalled(self.nodes[name] for node in self.nodes.values() for name in node.start)
        self.rules = tuple(self._rule(order, one) for order, one in enumerate(description["rules"]))
        self._by_node: dict[str, list[Rule]] = {}
        for rule in self.rules:
            self._by_node.setdefault(rule.source.name, []).append(rule)
        self.deferred = frozenset(event for node in self.nodes.values() for event in node.defers)
        self.known_legal: dict[tuple[Configuration, Memory], None] = {}
        self.heard: dict[tuple[Configuration, str], tuple[tuple[Rule, ...], ...]] = {}
        self.plans: dict[
            tuple[Configuration, tuple[Rule, ...]] | tuple[Configuration, tuple[Rule, ...], Memory], Plan
        ] = {}

    def _add_nodes(self, states: Sequence[Mapping[str, Any]], parent: Node) -> None:
        for state in states:
            name = f"{parent.name}.{state['name']}" if parent.name else state["name"]
            initial = f"{name}.{state['initial']}" if "initial" in state else None
            hooks = tuple(state.get("enter", ())), tuple(state.get("leave", ()))
            node = Node(
                *(name, len(self.nodes), state["kind"], parent, initial, state.get("outcome"), *hooks, ()),
                children=[],
                deep=state.get("deep", False),
                fallback=tuple(f"{parent.name}.{inner}" for inner in state.get("fallback", ())),
                defers=frozenset(state.get("defer", ())),
                regions=tuple(f"{name}.{region}" for region in state.get("regions", ())),
                start=tuple(state.get("start", ())),
            )
            object.__setattr__(node, "path", (node, *parent.path))  # it holds itself: made once, frozen from here on
            (parent.histories if node.kind == "history" else parent.children).append(node)
            self.nodes[name] = node
            self._add_nodes(state.get("children", ()), node)

    def _rule(self, order: int, rule: Mapping[str, Any]) -> Rule:
        targets = tuple(self.nodes[name] for name in rule.get("targets", ()))
        return Rule(
            order=order,
            event=rule["event"],
            source=self.nodes[rule["source"]],
            targets=targets,
            action=rule["action"],
            guard=rule.get("guard"),
            reenter=rule.get("reenter", False),
            roles=tuple(rule.get("roles", ())),
            recalls=self.recalls | _recalled(targets),
        )

    def candidates(self, configuration: Configuration, event: str) -> tuple[tuple[Rule, ...], ...]:
        """Return, per active leaf that has any, the rules for an event: inner states first, then source order. Pure.

        A state that defers the event hides the rules of the states around it.
        """
        key = (configuration, event)
        found = self.heard.get(key)
        if found is None:
            per_leaf = (self._rules_above(self._heard_by(self.nodes[leaf], event), event) for leaf in configuration)
            found = tuple(rules for rules in per_leaf if rules)
            remember(self.heard, key, found)
        return found

    def undeferred(self, configuration: Configuration, event: str) -> tuple[tuple[Rule, ...], ...]:
        """Return the candidates as if no state deferred the event; not remembered, because it is seldom asked. Pure."""
        per_leaf = (self._rules_above(self.nodes[leaf].path, event) for leaf in configuration)
        return tuple(rules for rules in per_leaf if rules)

    def _heard_by(self, leaf: Node, event: str) -> tuple[Node, ...]:
        deferring = next((place for place, node in enumerate(leaf.path) if event in node.defers), len(leaf.path))
        return leaf.path[: deferring + 1]

    def _rules_above(self, nodes: tuple[Node, ...], event: str) -> tuple[Rule, ...]:
        above = (rule for node in nodes for rule in self._by_node.get(node.name, ()))
        return tuple(rule for rule in above if rule.event == event)

    def deferring(self, configuration: Configuration, event: str) -> str | None:
        """Return the name of an active state that defers an event, the innermost of the first leaf's. Pure."""
        above = (node for leaf in configuration for node in self.nodes[leaf].path)
        return next((node.name for node in above if event in node.defers), None)

    def legal(self, configuration: Configuration, *, memory: Memory = ()) -> str | None:
        """Return why a configuration or what it remembers is not legal, naming the node; None if it is. Pure.

        Those that are legal are remembered.
        """
        if (configuration, memory) in self.known_legal:
            return None
        reason = self._illegal(configuration, self.root)
        reason = self._illegal_memory(memory) if reason is None and memory else reason
        if reason is None:
            remember(self.known_legal, (configuration, memory), None)
        return reason

    def _illegal_memory(self, memory: Memory) -> str | None:
        regions = [self.nodes.get(name) for name, _ in memory]
        order = [region.index for region in regions if region is not None and region.histories]
        if len(order) < len(regions) or order != sorted(set(order)):
            return f"it remembers {', '.join(repr(name) for name, _ in memory)}: not each once a region with a history"
        inside = ((name, self._illegal(leaves, self.nodes[name])) for name, leaves in memory)
        return next((f"what {name!r} remembers: {reason}" for name, reason in inside if reason is not None), None)

    def _illegal(self, configuration: Configuration, top: Node) -> str | None:
        """Judge the active leaves inside a node that is active."""
        leaves: list[Node] = []
        for name in configuration:
            leaf = self.nodes.get(name)
            if leaf is None or leaf.kind == "history" or not leaf.is_descendant(top):
                return f"there is no state {name!r}" + (f" in {top.name!r}" if top.name else "")
            leaves.append(leaf)
        inner = [leaf.name for leaf in leaves if leaf.children]
        if inner:
            return f"{inner[0]!r} is a region and is active without any of its states"
        order = [leaf.index for leaf in leaves]
        if order != sorted(set(order)):
            return "its states are not in document order, or one stands twice"
        active = {node for leaf in leaves for node in leaf.path}.difference(top.path) | {top}
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
        """Return the names of external events for which an active state has a rule, in source order. Pure.

        What is deferred has none.
        """
        nodes = {node.name for leaf in configuration for node in self.nodes[leaf].path}
        found = (rule.event for rule in self.rules if rule.source.name in nodes and ":" not in rule.event)
        return tuple(event for event in dict.fromkeys(found) if self.candidates(configuration, event))


def _recalled(targets: Iterable[Node]) -> frozenset[str]:
    """Return the regions to whose histories targets lead."""
    return frozenset(node.name.rpartition(".")[0] for node in targets if node.kind == "history")


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
