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

What 2 and 3 do is a plan (`statemachine.plans`). Where SCXML leaves a choice: a rule whose targets lie inside its own
compound source does not leave the source, unless it says `reenter`; one from a state to itself does. Exit actions and
rule actions see the configuration before, entry actions the one after.

Deferring is not SCXML's but UML's (2.5.1, 14.2.3): an event from outside that no rule takes waits if an active state
defers it. The innermost word counts: a state that defers hides the rules around it, and its own and inner rules come
first. In a parallel the event is taken where one region takes it. Internal events do not wait.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, frozen

from statemachine.chart import ALWAYS, Chart, Configuration, Memory, Plan, Rule
from statemachine.errors import InvariantBroken
from statemachine.plans import initial_plan, plan, updated

__all__ = ["MICROSTEPS_MAX", "Macrostep", "Runner", "Unhandled", "begin", "macrostep", "next_waiting", "select"]

MICROSTEPS_MAX = 1_000  # eventless rules and internal events that never come to rest are a loop
LOOP_SHOWN_MAX = 8  # microsteps of it: longer ones are not read


class Runner(Protocol):
    """Runs what a rule names, for one attempted event."""

    raised: list[tuple[str, object]]
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


@define(eq=False)
class Macrostep:
    """What an event did, from one stable configuration to the next. One is built for each event: hence not frozen."""

    before: Configuration
    after: Configuration
    plans: tuple[Plan, ...]
    outcome: str | None  # set if the instance ended
    memory: Memory = ()  # after it


@frozen(eq=False)
class Unhandled:
    """No rule took the event. `blocked` are the rules that listen to it and did not hold; empty if there are none.

    `deferred_by` is the active state that makes an event from outside wait: it is deferred, not refused for good.
    """

    blocked: tuple[Rule, ...]
    deferred_by: str | None = None


def select(
    chart: Chart,
    configuration: Configuration,
    event: str,
    *,
    holds: Callable[[Rule, object], bool],
    value: object = None,
    memory: Memory = (),
    internal: bool = False,
) -> Plan | Unhandled:
    """Decide one microstep. `holds` answers for a rule's roles and guard, and is asked at most once for each.

    `event` is the stored name, `value` the event itself, as `holds` is given it with each rule. `memory` is what the
    regions of the chart remember, for rules that lead to a history; `internal` says that the event came from within,
    and is not deferred.
    """
    if internal and event in chart.deferred:
        candidates = chart.undeferred(configuration, event)
    else:
        known = chart.heard.get((configuration, event))  # what `candidates` asks first: it spares a call
        candidates = chart.candidates(configuration, event) if known is None else known
    if not candidates:
        return _NOBODY
    chosen: tuple[Rule, ...]
    if len(candidates) == 1:
        for rule in candidates[0]:
            if holds(rule, value):
                chosen = (rule,)
                break
        else:
            return Unhandled(candidates[0])
    else:
        chosen, asked = _chosen(candidates, holds, value)
        if not chosen:
            return Unhandled(asked)
    found = None if memory else chart.plans.get((configuration, chosen))  # the same
    return plan(chart, configuration, chosen, memory=memory) if found is None else found


def _chosen(
    candidates: tuple[tuple[Rule, ...], ...], holds: Callable[[Rule, object], bool], value: object
) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Return the first rule of each leaf that holds, each once, and all that were asked."""
    answers: dict[Rule, bool] = {}
    chosen: dict[Rule, None] = {}
    for rules in candidates:
        for rule in rules:
            answer = answers.get(rule)
            if answer is None:
                answer = answers[rule] = holds(rule, value)
            if answer:
                chosen[rule] = None
                break
    return tuple(chosen), tuple(answers)


def macrostep(
    chart: Chart, configuration: Configuration, event: tuple[str, object], *, runner: Runner, memory: Memory = ()
) -> Macrostep | Unhandled:
    """Run one external event to the end. Whatever an action raises passes through: nothing of the macrostep counts."""
    name, value = event
    first = select(chart, configuration, name, holds=runner.holds, value=value, memory=memory)
    if isinstance(first, Unhandled):
        return Unhandled(first.blocked, chart.deferring(configuration, name))
    return _settle(chart, first, value, runner=runner, memory=memory)


def next_waiting(chart: Chart, configuration: Configuration, waiting: Iterable[str]) -> int | None:
    """Return which of the events that wait, oldest first, is to be tried next; None if all go on waiting. Pure.

    One that is deferred here is passed over, unless a rule below the state that defers it listens: only its guard can
    tell, so the answer of `macrostep` may still be that it is deferred; ask again with those after it.
    """
    if chart.outcome(configuration) is not None:
        return None
    return next((place for place, event in enumerate(waiting) if not _waits(chart, configuration, event)), None)


def _waits(chart: Chart, configuration: Configuration, event: str) -> bool:
    return not chart.candidates(configuration, event) and chart.deferring(configuration, event) is not None


def begin(chart: Chart, *, runner: Runner) -> Macrostep:
    """Enter the initial configuration, and run to the end what follows from it."""
    return _settle(chart, initial_plan(chart), None, runner=runner, memory=())


def _settle(chart: Chart, plan: Plan, value: object, *, runner: Runner, memory: Memory) -> Macrostep:
    """Run a microstep and those that follow from it. The one place that says in which order callbacks run."""
    act, raised = runner.act, runner.raised
    internal: list[tuple[str, object]] = []
    plans: tuple[Plan, ...] = ()
    before = plan.before
    while True:
        for action in plan.leave:
            act(action, None)
        for rule in plan.rules:
            act(rule.action, value)
        runner.arrive(plan.after)
        for actions, done in plan.enter:
            for action in actions:
                act(action, None)
            if raised or done:
                _queue(internal, raised, done)
        if plan.recorded:
            memory = updated(chart, memory, plan.recorded)
        plans += (plan,)
        if plan.is_rest and not internal and not raised:  # as most events come to
            break
        following, value = _next(chart, plans, internal, runner=runner, memory=memory)
        if following is None:
            break
        plan = following
    return Macrostep(before, plan.after, plans, plan.outcome, memory)


def _queue(internal: list[tuple[str, object]], raised: list[tuple[str, object]], done: tuple[str, ...]) -> None:
    """Take over what actions raised, then the ends of regions."""
    internal.extend(raised)
    raised.clear()
    internal.extend([(name, None) for name in done])


def _next(
    chart: Chart,
    plans: tuple[Plan, ...],
    internal: list[tuple[str, object]],
    *,
    runner: Runner,
    memory: Memory,
) -> tuple[Plan | None, object]:
    """Return the next microstep of a macrostep: eventless rules before internal events. None at rest, and at an end."""
    last = plans[-1]
    _queue(internal, runner.raised, ())
    name, value = ALWAYS, None
    while last.outcome is None:
        found = select(chart, last.after, name, holds=runner.holds, value=value, memory=memory, internal=True)
        if isinstance(found, Plan):
            if len(plans) == MICROSTEPS_MAX:
                raise InvariantBroken("microsteps_max", f"no rest after {MICROSTEPS_MAX} microsteps: {_loop(plans)}")
            return found, value
        if not internal:
            break
        name, value = internal.pop(0)
    return None, None


def _loop(plans: tuple[Plan, ...]) -> str:
    """Show the last turn of a loop, from a microstep to the same one again; where there is none, the last ones."""
    last = len(plans) - 1
    before = next((place for place in range(last - 1, -1, -1) if plans[place] is plans[last]), -1)
    turn = plans[before + 1 :][-LOOP_SHOWN_MAX:]
    taken = (f" -{'+'.join(rule.action for rule in one.rules)}→ {','.join(one.after)}" for one in turn)
    return ",".join(turn[0].before) + "".join(taken)


_NOBODY = Unhandled(())
