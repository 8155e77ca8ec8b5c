"""What rules do together in one microstep: what is left, which actions run, what is entered. Pure, and remembered.

The procedures are those of SCXML's appendix D. A rule's *aims* are its targets with each history replaced by what it
stands for: the children of its region that were active when that was last left (a deep one: the leaves), or its
`fallback` if it never was. A region records what it remembers when it is left, before anything is entered; so a rule
that leaves a region for its own history comes back to where it was.

What is left is decided with the aims of before, entry uses those of after: they differ only for a region that the rule
itself leaves, so all of them lie inside the domain of before.

Two things differ from appendix D, so that what is entered is what is not active:
  - there a history adds the ancestors of its states up to its own region, also where the domain lies inside of that
    region, and so enters states that were not left; here they end at the domain;
  - there a rule's domain is found again with the aims of after, and may lie inside a region that the rule just left,
    which is then not entered; here the domain is the one that decided what is left.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeAlias

from statemachine.chart import ALWAYS, Chart, Configuration, Memory, Node, Plan, Rule, done_event, leaves, remember
from statemachine.dialect import SCXML, Dialect

__all__ = ["exit_set", "initial_plan", "plan", "remove_conflicts", "updated"]

Recall: TypeAlias = Callable[[Node], tuple[Node, ...]]


def plan(chart: Chart, configuration: Configuration, rules: tuple[Rule, ...], *, memory: Memory = ()) -> Plan:
    """Return what these rules do together from this configuration; remembered. Pure.

    Plans are told apart by what they read of the memory, not by the whole of it.
    """
    recalled = tuple(one for one in memory if any(one[0] in rule.recalls for rule in rules)) if memory else ()
    key = (configuration, rules, recalled) if recalled else (configuration, rules)
    found = chart.plans.get(key)
    if found is None:
        found = _make_plan(chart, configuration, rules, memory=recalled)
        remember(chart.plans, key, found)
    return found


def initial_plan(chart: Chart) -> Plan:
    """Return what starting does: the initial configuration is entered. Pure."""
    entered: set[Node] = set()
    _enter_default(chart.root, entered, recall=partial(_recall, chart, ()))
    entered.discard(chart.root)
    return _plan_of(chart, (), (), left=[], entered=entered, active=entered)


def updated(chart: Chart, memory: Memory, recorded: Memory) -> Memory:
    """Return a memory after regions were left. Pure."""
    return tuple(sorted({**dict(memory), **dict(recorded)}.items(), key=lambda one: chart.nodes[one[0]].index))


def _make_plan(chart: Chart, configuration: Configuration, rules: tuple[Rule, ...], *, memory: Memory) -> Plan:
    active = {node for leaf in configuration for node in chart.nodes[leaf].path}
    aims = {rule: _aims(chart, rule, memory) for rule in rules}
    exits = {rule: exit_set(rule, aims[rule], active, dialect=chart.dialect) for rule in rules}
    kept = remove_conflicts(rules, exits)
    left = {node for rule in kept for node in exits[rule]}
    recorded = _recorded(left, active)
    after = updated(chart, memory, recorded)
    staying = active - left
    entered: set[Node] = set()
    for rule in kept:
        domain = _domain(rule, aims[rule], active, dialect=chart.dialect)
        _enter_aims(_aims(chart, rule, after), domain, entered, recall=partial(_recall, chart, after))
    return _plan_of(
        *(chart, kept, configuration),
        left=sorted(left, key=_leaving(chart.dialect)),
        entered=entered,
        active=staying | entered,
        recorded=recorded,
    )


def _leaving(dialect: Dialect) -> "Callable[[Node], tuple[int, int]]":
    return (lambda node: (-len(node.path), node.index)) if dialect.by_level else (lambda node: (0, -node.index))


def _entering(dialect: Dialect) -> "Callable[[Node], tuple[int, int]]":
    return (lambda node: (len(node.path), node.index)) if dialect.by_level else (lambda node: (0, node.index))


def _plan_of(
    chart: Chart,
    rules: tuple[Rule, ...],
    before: Configuration,
    *,
    left: list[Node],
    entered: "set[Node]",
    active: "set[Node]",
    recorded: Memory = (),
) -> Plan:
    order = sorted(entered, key=_entering(chart.dialect))
    # A region counts as done from the moment its final state is entered: of two that end together, the later one ends
    # their parallel, once.
    later = [set(order[place + 1 :]) for place in range(len(order))]
    steps = [(node.enter, _done_events(node, active - rest)) for node, rest in zip(order, later, strict=True)]
    ends = [node for node in order if node.kind == "final" and node.parent is not None and node.parent.parent is None]
    after = leaves(active)
    return Plan(
        rules=rules,
        before=before,
        after=after,
        leave=tuple(action for node in left for action in node.leave),
        enter=tuple((actions, done) for actions, done in steps if actions or done),
        outcome=(ends[0].outcome or ends[0].name) if ends else None,
        is_rest=bool(ends) or not chart.candidates(after, ALWAYS),
        recorded=recorded,
    )


# -- which rules, and what they leave ----------------------------------------------------------------------------------


def remove_conflicts(rules: tuple[Rule, ...], exits: "Mapping[Rule, set[Node]]") -> tuple[Rule, ...]:
    """Keep of two rules whose exit sets meet the one with the inner source, else the earlier one. Pure."""
    kept: list[Rule] = []
    for rule in rules:
        rivals = [other for other in kept if exits[rule] & exits[other]]
        if all(rule.source.is_descendant(other.source) for other in rivals):
            kept = [other for other in kept if other not in rivals]
            kept.append(rule)
    return tuple(kept)


def exit_set(rule: Rule, aims: tuple[Node, ...], active: "set[Node]", *, dialect: Dialect = SCXML) -> "set[Node]":
    """Return the active nodes that a rule leaves: all inside its domain. Pure."""
    if not aims:
        return set()
    domain = _domain(rule, aims, active, dialect=dialect)
    if dialect.in_the_way and sum(child in active for child in domain.children) > 1:
        domain = next(child for child in domain.children if child in aims[0].path)
        return {node for node in active if domain in node.path}
    return {node for node in active if node.is_descendant(domain)}


def _domain(rule: Rule, aims: tuple[Node, ...], active: "set[Node]", *, dialect: Dialect) -> Node:
    """Return the innermost compound node that a rule does not leave; for an internal rule its source.

    In the habits of `transitions` a rule has one aim, and its domain need not be compound.
    """
    source = rule.source
    if not aims:
        return source
    if dialect.in_the_way:
        return next(node for node in _ancestors(aims[0]) if node in active or node.parent is None)
    if not rule.reenter and source.kind == "compound" and all(aim.is_descendant(source) for aim in aims):
        return source
    above = (node for node in _ancestors(source) if node.kind == "compound")
    return next(node for node in above if all(aim.is_descendant(node) for aim in aims))


def _ancestors(node: Node) -> Iterable[Node]:
    while node.parent is not None:
        node = node.parent
        yield node


# -- what is remembered ------------------------------------------------------------------------------------------------


def _recorded(left: "set[Node]", active: "set[Node]") -> Memory:
    """Return what the regions among the nodes that are left remember, in document order."""
    regions = sorted((node for node in left if node.histories), key=lambda node: node.index)
    return tuple((one.name, leaves({node for node in active if node.is_descendant(one)})) for one in regions)


def _aims(chart: Chart, rule: Rule, memory: Memory) -> tuple[Node, ...]:
    """Return where a rule leads, with each history replaced by what it stands for."""
    if not rule.recalls:
        return rule.targets
    return tuple(node for target in rule.targets for node in _meaning(chart, target, memory))


def _meaning(chart: Chart, target: Node, memory: Memory) -> Iterable[Node]:
    if target.kind != "history":
        return (target,)
    assert target.parent is not None
    found = dict(memory).get(target.parent.name)
    nodes = [chart.nodes[name] for name in (target.fallback if found is None else found)]
    if found is None or target.deep:
        return nodes
    return [child for child in target.parent.children if any(child in node.path for node in nodes)]


# -- what is entered ---------------------------------------------------------------------------------------------------


def _recall(chart: Chart, memory: Memory, node: Node) -> tuple[Node, ...]:
    """Return what a region enters by default where that is not one child, with each history replaced."""
    return tuple(one for name in node.start for one in _meaning(chart, chart.nodes[name], memory))


def _enter_aims(aims: tuple[Node, ...], domain: Node, entered: "set[Node]", *, recall: Recall) -> None:
    """Enter what a rule leads to, what lies between that and the domain, and the regions beside it by default."""
    for aim in aims:
        _enter_default(aim, entered, recall=recall)
    for aim in aims:
        for node in _ancestors(aim):
            if node is domain:
                break
            entered.add(node)
            if node.kind == "parallel":
                _complete(node, entered, recall=recall)


def _complete(parallel: Node, entered: "set[Node]", *, recall: Recall) -> None:
    """Enter the regions of a parallel that are not entered yet, if what is entered is one of its regions."""
    regions = _regions(parallel)
    missing = [one for one in regions if not any(node is one or node.is_descendant(one) for node in entered)]
    for region in missing if len(missing) < len(regions) else ():
        _enter_default(region, entered, recall=recall)


def _enter_default(node: Node, entered: "set[Node]", *, recall: Recall) -> None:
    entered.add(node)
    if node.start:
        _enter_aims(recall(node), node, entered, recall=recall)
        return
    inner = _regions(node) if node.kind == "parallel" else [one for one in node.children if one.name == node.initial]
    for child in inner:
        _enter_default(child, entered, recall=recall)


def _regions(parallel: Node) -> "list[Node]":
    return [one for one in parallel.children if not parallel.regions or one.name in parallel.regions]


def _done_events(node: Node, active: "set[Node]") -> tuple[str, ...]:
    """Return what is done because a node was entered: its parent, and each parallel above whose regions all are."""
    parent = node.parent
    if node.kind != "final" or parent is None or parent.parent is None:
        return ()
    found = [done_event(parent.name)]
    for above in _ancestors(parent):
        if above.kind != "parallel" or not _is_done(above, active):
            break
        found.append(done_event(above.name))
    return tuple(found)


def _is_done(node: Node, active: "set[Node]") -> bool:
    if node.kind == "parallel":
        return all(_is_done(child, active) for child in node.children)
    return any(child.kind == "final" and child in active for child in node.children)
