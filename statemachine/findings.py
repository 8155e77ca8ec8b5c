"""What can run but looks wrong: states that are never reached, dead ends, rules that never run.

A finding is certain in one direction: guards are taken to say yes, so what is called unreachable is. A rule of a
subclass that takes an event before its base's is meant, and is no finding.
"""

from collections.abc import Iterator

from attrs import frozen

from statemachine.chart import FAILED, Chart, Node
from statemachine.definition import Definition
from statemachine.errors import ChartFinding
from statemachine.specs import RuleSpec
from statemachine.tasks import noted

__all__ = ["findings"]


@frozen(eq=False)
class _Way:
    """From one state to another, by whatever rule, task or timer."""

    source: Node
    target: Node | None
    done: Node | None = None  # the region whose end it waits for
    is_failure: bool = False  # it takes something else that fails


def findings(definition: Definition) -> tuple[ChartFinding, ...]:
    """Return what looks wrong, states in document order, then rules in source order. Pure."""
    chart, label = definition.chart, definition.name
    ways = list(_ways(definition))
    reached = _reached(chart, ways)
    found = [*_unreachable(chart, reached, label), *_dead_ends(chart, ways, reached, label=label)]
    return (*found, *_shadowed(definition))


def _ways(definition: Definition) -> Iterator[_Way]:
    nodes = definition.chart.nodes
    for rule in definition.chart.rules:
        done = nodes[rule.event.removeprefix("done:")] if rule.event.startswith("done:") else None
        for aim in rule.targets or (None,):
            yield _Way(rule.source, aim, done, is_failure=rule.event == FAILED)
    for task in definition.tasks:
        for target in (task.done, task.failed):
            yield _Way(nodes[task.state], None if target is None else nodes[target])
    for timer in definition.timers:
        for source in timer.sources:
            yield _Way(nodes[source], None if timer.target is None else nodes[timer.target])


# -- reaching ----------------------------------------------------------------------------------------------------------


def _reached(chart: Chart, ways: list[_Way]) -> set[Node]:
    """Return the nodes that can become active if every guard holds."""
    reached = set(_inside(chart, chart.root))
    size = 0
    while size < len(reached):
        size = len(reached)
        for way in ways:
            if way.target and way.source in reached and (way.done is None or _can_be_done(way.done, reached)):
                reached |= _entered(chart, way.target)
    return reached


def _entered(chart: Chart, target: Node, *, within: Node | None = None) -> set[Node]:
    """Return what is entered with a target: its ancestors, the regions beside them, and what is inside by default.

    A history leads to its default; what it brings back was reached before. `within` is a node that is active already.
    """
    if target.kind == "history":
        return {node for name in target.fallback for node in _entered(chart, chart.nodes[name], within=within)}
    path = target.path[: target.path.index(within)] if within is not None and within in target.path else target.path
    entered = set(path)
    for above, below in zip(path[1:], path, strict=False):
        if above.kind == "parallel":
            beside = (child for child in above.children if child is not below)
            entered.update(inner for child in beside for inner in _inside(chart, child))
    return entered | set(_inside(chart, target))


def _inside(chart: Chart, node: Node) -> Iterator[Node]:
    yield node
    if node.start:
        yield from (inner for name in node.start for inner in _entered(chart, chart.nodes[name], within=node))
        return
    for child in node.children:
        if node.kind == "parallel" or child.name == node.initial:
            yield from _inside(chart, child)


def _can_be_done(region: Node, reached: set[Node]) -> bool:
    if region.kind == "parallel":
        return all(_can_be_done(child, reached) for child in region.children)
    return any(child.kind == "final" and child in reached for child in region.children)


def _unreachable(chart: Chart, reached: set[Node], label: str) -> Iterator[ChartFinding]:
    for node in chart.nodes.values():
        parent = node.parent
        if (
            parent is not None
            and node not in reached
            and node.kind != "history"
            and (parent is chart.root or parent in reached)
        ):
            yield ChartFinding(
                "PD201",
                node.name,
                f"{label}: state {node.name!r} is never reached. Add a rule that leads there, or drop it.",
            )


# -- dead ends ---------------------------------------------------------------------------------------------------------


def _dead_ends(chart: Chart, ways: list[_Way], reached: set[Node], *, label: str) -> Iterator[ChartFinding]:
    for node in chart.nodes.values():
        ends_it = node.kind == "final" and node.parent is chart.root
        is_at_rest = node.children or ends_it or node not in reached or node.kind == "history"
        if is_at_rest or any(_can_happen(way, node) for way in ways):
            continue
        repair = "Add @done for its region." if node.kind == "final" else "Make it a Final, or add a rule for it."
        yield ChartFinding("PD202", node.name, f"{label}: nothing can happen any more in {node.name!r}. {repair}")


def _can_happen(way: _Way, leaf: Node) -> bool:
    """Say whether a way starts at a leaf or around it, or leaves it from a region beside it."""
    if way.is_failure:
        return False
    if way.source in leaf.path:
        return way.done is None or leaf.kind == "final"  # a region is not done while it is in a state that is not final
    return way.target is not None and _are_parallel(way.source, leaf) and leaf.is_descendant(_domain(way))


def _are_parallel(one: Node, other: Node) -> bool:
    return _common(one, other).kind == "parallel"


def _domain(way: _Way) -> Node:
    """Return the compound node whose active states a way leaves: the innermost one around source and target."""
    assert way.target is not None
    common = _common(way.source, way.target)
    while common.kind == "parallel" or common in {way.source, way.target}:
        assert common.parent is not None
        common = common.parent
    return common


def _common(one: Node, other: Node) -> Node:
    above = (node for node in (*one.path, _root(one)) if node in other.path)
    return next(above, _root(one))


def _root(node: Node) -> Node:
    return node if node.parent is None else _root(node.parent)


# -- rules that never run ----------------------------------------------------------------------------------------------


def _shadowed(definition: Definition) -> Iterator[ChartFinding]:
    for index, rule in enumerate(definition.rules):
        above = [_taker(definition, rule, source, index=index) for source in rule.sources]
        if None not in above:
            first = next(name for name in above if name)
            yield ChartFinding(
                "PD203",
                rule.action,
                f"{definition.name}.{rule.action} never runs for {rule.event} in {', '.join(rule.sources)}: "
                f"{first!r} stands above it and takes it always. Put the rule with the guard first, or drop this one.",
            )


def _taker(definition: Definition, rule: RuleSpec, source: str, *, index: int) -> str | None:
    """Return the action of the rule above that always takes the event at a source."""
    for one in definition.rules[:index]:
        if one.event == rule.event and source in one.sources and one.guard is None and not one.roles:
            is_meant = _owner(definition, one.action) is not _owner(definition, rule.action)
            return None if is_meant else one.action
    return None


def _owner(definition: Definition, action: str) -> type | None:
    """Return the class in whose body a rule stands."""
    return next((owner for owner in definition.workflow.__mro__ if noted(vars(owner).get(action))), None)
