"""Selecting and running: which rules an event takes, and the loop that makes a macrostep of them. Pure of I/O.

What a guard or an action does is its caller's affair: they are asked of a `Runner`. The algorithm of selection exists
once, here; `Cursor`, the engine and `StatechartMachine` call it. It is the one of SCXML (W3C Recommendation, September
2015, appendix D); where the habits of `transitions` differ, the chart's `Dialect` says so:

  1. For each active leaf, in document order, the first rule that holds is taken, inner states before outer ones, then
     in source order. Guards of all regions are evaluated before any action runs, each at most once.
  2. Of two rules whose exit sets meet, the one with the inner source stays, else the one of the earlier leaf.
  3. The states in the exit sets are left, innermost first; then the rules' actions run; then states are entered in
     document order. Entering a parallel state enters all its regions; entering a compound its initial state.
  4. A final state that is entered makes its region done, and a parallel whose regions are all done is done: internal
     events, taken in the same macrostep.
  5. After each microstep eventless rules are tried first, then internal events in their order, until neither is left.

Where SCXML leaves a choice: a rule whose target lies inside its own compound source does not leave the source, unless
it says `reenter`; one from a state to itself does. Exit actions and rule actions see the configuration before, entry
actions the one after.
"""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from attrs import frozen

from statemachine.chart import ALWAYS, Chart, Configuration, Node, Plan, Rule, done_event, leaves, remember
from statemachine.dialect import SCXML, Dialect
from statemachine.errors import InvariantBroken

__all__ = ["MICROSTEPS_MAX", "Macrostep", "Runner", "Unhandled", "begin", "macrostep", "select"]

MICROSTEPS_MAX = 1_000  # eventless rules and internal events that never come to rest are a loop


class Runner(Protocol):
    """Runs what a rule names, for one attempted event."""

    raised: "deque[tuple[str, object]]"
    """Internal events that actions raised: stored name and event, in order."""

    def holds(self, rule: Rule, event: object) -> bool:
        """Evaluate a rule's roles and guard."""
        ...

    def act(self, action: str, event: object) -> None:
        """Run an action with the event that caused it (None for hooks of states and internal ends of regions)."""
        ...

    def arrive(self, configuration: Configuration) -> None:
        """Take note that this configuration is active from here on."""
        ...


@frozen(eq=False)
class Macrostep:
    """What an event did, from one stable configuration to the next."""

    before: Configuration
    after: Configuration
    plans: tuple[Plan, ...]
    outcome: str | None  # set if the instance ended


@frozen(eq=False)
class Unhandled:
    """No rule took the event. `blocked` are the rules that listen to it and did not hold; empty if there are none."""

    blocked: tuple[Rule, ...]


def select(
    chart: Chart, configuration: Configuration, event: str, *, holds: Callable[[Rule], bool]
) -> Plan | Unhandled:
    """Decide one microstep. `holds` answers for a rule's roles and guard, and is asked at most once for each."""
    candidates = chart.candidates(configuration, event)
    if not candidates:
        return _NOBODY
    answers: dict[Rule, bool] = {}
    chosen: dict[Rule, None] = {}
    for rules in candidates:
        for rule in rules:
            answer = answers.get(rule)
            if answer is None:
                answer = answers[rule] = holds(rule)
            if answer:
                chosen[rule] = None
                break
    if not chosen:
        return Unhandled(tuple(answers))
    return plan(chart, configuration, tuple(chosen))


def macrostep(
    chart: Chart, configuration: Configuration, event: tuple[str, object], *, runner: Runner
) -> Macrostep | Unhandled:
    """Run one external event to the end. Whatever an action raises passes through: nothing of the macrostep counts."""
    name, value = event
    first = select(chart, configuration, name, holds=partial(_holds, runner, value))
    if isinstance(first, Unhandled):
        return first
    return _settle(chart, first, value, runner=runner)


def _holds(runner: Runner, event: object, rule: Rule) -> bool:
    return runner.holds(rule, event)


def begin(chart: Chart, *, runner: Runner) -> Macrostep:
    """Enter the initial configuration, and run to the end what follows from it."""
    entered: set[Node] = set()
    _enter_default(chart.root, entered)
    entered.discard(chart.root)
    return _settle(chart, _plan_of((), (), left=[], entered=entered, active=entered), None, runner=runner)


def _settle(chart: Chart, first: Plan, value: object, *, runner: Runner) -> Macrostep:
    plans = [first]
    internal: deque[tuple[str, object]] = deque()
    _run(first, value, internal=internal, runner=runner)
    while (current := plans[-1]).outcome is None:
        following, value = _next(chart, current.after, internal, runner=runner)
        if following is None:
            break
        if len(plans) == MICROSTEPS_MAX:
            raise InvariantBroken("microsteps_max", f"no rest after {MICROSTEPS_MAX} microsteps: {_loop(plans)}")
        plans.append(following)
        _run(following, value, internal=internal, runner=runner)
    return Macrostep(first.before, plans[-1].after, tuple(plans), plans[-1].outcome)


def _next(
    chart: Chart, configuration: Configuration, internal: "deque[tuple[str, object]]", *, runner: Runner
) -> tuple[Plan | None, object]:
    """Return the next microstep of a macrostep: eventless rules before internal events. None at rest."""
    name, value = ALWAYS, None
    while True:
        found = select(chart, configuration, name, holds=partial(_holds, runner, value))
        if isinstance(found, Plan):
            return found, value
        if not internal:
            return None, None
        name, value = internal.popleft()


def _run(plan: Plan, value: object, *, internal: "deque[tuple[str, object]]", runner: Runner) -> None:
    for action in plan.leave:
        runner.act(action, None)
    for rule in plan.rules:
        runner.act(rule.action, value)
    runner.arrive(plan.after)
    for actions, done in plan.enter:
        for action in actions:
            runner.act(action, None)
        internal.extend(runner.raised)
        runner.raised.clear()
        internal.extend((name, None) for name in done)
    internal.extend(runner.raised)
    runner.raised.clear()


def _loop(plans: list[Plan]) -> str:
    return " → ".join(",".join(plan.after) for plan in plans[-5:])


_NOBODY = Unhandled(())


# -- plans -------------------------------------------------------------------------------------------------------------


def plan(chart: Chart, configuration: Configuration, rules: tuple[Rule, ...]) -> Plan:
    """Return what these rules do together from this configuration; remembered. Pure."""
    key = (configuration, rules)
    found = chart.plans.get(key)
    if found is None:
        found = _make_plan(chart, configuration, rules)
        remember(chart.plans, key, found)
    return found


def _make_plan(chart: Chart, configuration: Configuration, rules: tuple[Rule, ...]) -> Plan:
    active = {node for leaf in configuration for node in chart.nodes[leaf].path}
    kept = remove_conflicts(rules, active, dialect=chart.dialect)
    left = {node for rule in kept for node in exit_set(rule, active, dialect=chart.dialect)}
    staying = active - left
    entered: set[Node] = set()
    for rule in kept:
        if rule.target is not None:
            _enter_target(rule.target, _domain(rule, active, chart.dialect), entered)
    order = sorted(left, key=_leaving(chart.dialect))
    return _plan_of(kept, configuration, left=order, entered=entered, active=staying | entered, dialect=chart.dialect)


def _leaving(dialect: Dialect) -> "Callable[[Node], tuple[int, int]]":
    return (lambda node: (-len(node.path), node.index)) if dialect.by_level else (lambda node: (0, -node.index))


def _entering(dialect: Dialect) -> "Callable[[Node], tuple[int, int]]":
    return (lambda node: (len(node.path), node.index)) if dialect.by_level else (lambda node: (0, node.index))


def _plan_of(
    rules: tuple[Rule, ...],
    before: Configuration,
    *,
    left: list[Node],
    entered: "set[Node]",
    active: "set[Node]",
    dialect: Dialect = SCXML,
) -> Plan:
    order = sorted(entered, key=_entering(dialect))
    # A region counts as done from the moment its final state is entered: of two that end together, the later one ends
    # their parallel, once.
    later = [set(order[place + 1 :]) for place in range(len(order))]
    steps = [(node.enter, _done_events(node, active - rest)) for node, rest in zip(order, later, strict=True)]
    ends = [node for node in order if node.kind == "final" and node.parent is not None and node.parent.parent is None]
    return Plan(
        rules=rules,
        before=before,
        after=leaves(active),
        leave=tuple(action for node in left for action in node.leave),
        enter=tuple((actions, done) for actions, done in steps if actions or done),
        outcome=(ends[0].outcome or ends[0].name) if ends else None,
    )


def remove_conflicts(rules: tuple[Rule, ...], active: "set[Node]", *, dialect: Dialect = SCXML) -> tuple[Rule, ...]:
    """Keep of two rules whose exit sets meet the one with the inner source, else the earlier one. Pure."""
    kept: list[Rule] = []
    for rule in rules:
        mine = exit_set(rule, active, dialect=dialect)
        rivals = [other for other in kept if mine & exit_set(other, active, dialect=dialect)]
        if all(rule.source.is_descendant(other.source) for other in rivals):
            kept = [other for other in kept if other not in rivals]
            kept.append(rule)
    return tuple(kept)


def exit_set(rule: Rule, active: "set[Node]", *, dialect: Dialect = SCXML) -> "set[Node]":
    """Return the active nodes that a rule leaves: all inside its domain. Pure."""
    if rule.target is None:
        return set()
    domain = _domain(rule, active, dialect)
    if dialect.in_the_way and sum(child in active for child in domain.children) > 1:
        domain = next(child for child in domain.children if child is rule.target or rule.target.is_descendant(child))
        return {node for node in active if node is domain or node.is_descendant(domain)}
    return {node for node in active if node.is_descendant(domain)}


def _domain(rule: Rule, active: "set[Node]", dialect: Dialect) -> Node:
    """Return the innermost node that a rule does not leave, which is compound but in the habits of `transitions`."""
    source, target = rule.source, rule.target
    assert target is not None
    if dialect.in_the_way:
        return next(node for node in _ancestors(target) if node in active or node.parent is None)
    if not rule.reenter and source.kind == "compound" and target.is_descendant(source):
        return source
    above = (node for node in _ancestors(source) if node.kind == "compound")
    return next(node for node in above if target.is_descendant(node))


def _ancestors(node: Node) -> Iterable[Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def _enter_target(target: Node, domain: Node, entered: "set[Node]") -> None:
    """Enter a target, the nodes between it and the domain, and the other regions of each parallel on that way."""
    _enter_default(target, entered)
    for node in _ancestors(target):
        if node is domain:
            break
        entered.add(node)
        if node.kind == "parallel":
            _complete(node, entered)


def _complete(parallel: Node, entered: "set[Node]") -> None:
    """Enter the regions of a parallel that are not entered yet, if what is entered is one of its regions."""
    regions = _regions(parallel)
    missing = [one for one in regions if not any(node is one or node.is_descendant(one) for node in entered)]
    for region in missing if len(missing) < len(regions) else ():
        _enter_default(region, entered)


def _enter_default(node: Node, entered: "set[Node]") -> None:
    entered.add(node)
    inner = [one for one in node.children if one.name == node.initial] if node.kind != "parallel" else _regions(node)
    for child in inner:
        _enter_default(child, entered)


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
