"""PD203 to PD205, PD208, PD213, PD214: rules that never run, and events that nobody takes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from statemachine.chart import ALWAYS, FAILED, Rule
from statemachine.errors import ChartFinding
from statemachine.findings.subject import Subject

__all__ = ["ambiguous", "hidden", "passed_by", "shadowed", "unheard"]


def shadowed(subject: Subject) -> Iterator[ChartFinding]:
    """Find rules that are asked, and that others always come before. Pure."""
    explored = subject.explored
    for rules in subject.written.values():
        asked = [rule for rule in rules if rule in explored.asked]
        before = {one for rule in asked for one in explored.before[rule]}
        above = {one.action: one for one in sorted(before, key=lambda one: one.order)}
        if not above or not explored.taken.isdisjoint(rules):
            continue
        first = rules[0]
        if any(subject.owner(action) is not subject.owner(first.action) for action in above):
            continue  # a subclass's, which is meant
        where = ", ".join(dict.fromkeys(rule.source.name for rule in asked))
        heard = ", ".join(dict.fromkeys(map(_heard, asked)))
        yield ChartFinding(
            "PD214" if first.event == FAILED else "PD203",
            first.action,
            f"{subject.label}.{first.action} never runs for {heard} in {where}: "
            f"{', '.join(map(repr, above))} {_standing(asked, list(above.values()))} it and "
            f"{'takes' if len(above) == 1 else 'take'} it always. {_repair(list(above.values()), asked)}",
        )


def _heard(rule: Rule) -> str:
    if rule.event in {ALWAYS, FAILED}:
        return {ALWAYS: "eventless", FAILED: "a failure"}[rule.event]
    return f"the end of {rule.event.removeprefix('done:')}" if rule.event.startswith("done:") else rule.event


def _standing(asked: Sequence[Rule], above: Sequence[Rule]) -> str:
    sources = {rule.source for rule in asked}
    if all(one.source in sources for one in above):
        return "stands above" if len(above) == 1 else "stand above"
    return "comes before" if len(above) == 1 else "come before"


def _repair(above: Sequence[Rule], asked: Sequence[Rule]) -> str:
    if any(rule.guard and rule.guard == one.guard for rule in asked for one in above):
        return "Give it another guard, or drop it."
    return "Put the rule with the guard first, or drop this one."


def passed_by(subject: Subject) -> Iterator[ChartFinding]:
    """Find rules, tasks and timers of states that an eventless rule always leaves at once; failures without a cause."""
    explored = subject.explored
    others = _tasks_and_timers(subject)
    for name, rules in [*((rules[0].action, rules) for rules in subject.written.values()), *others]:
        reached = [rule for rule in rules if rule.source in subject.reached]
        is_heard = not explored.asked.isdisjoint(rules) or not explored.taken.isdisjoint(rules)
        if not reached or is_heard or rules[0].event.startswith("done:"):
            continue
        places = [place for rule in reached for place in subject.places_in(rule.source)]
        where = ", ".join(dict.fromkeys(rule.source.name for rule in reached))
        if all(place in explored.passing for place in places):
            at_once = _leaving_at_once(subject, reached)
            yield ChartFinding(
                "PD205",
                name,
                f"{subject.label}.{name} never runs: {where} is left at once by the eventless "
                f"{', '.join(map(repr, at_once))}. Give that a guard, or drop this one.",
            )
        elif rules[0].event == FAILED:
            yield ChartFinding(
                "PD214",
                name,
                f"{subject.label}.{name} never runs: in {where} no event is taken, so nothing can fail. Drop it.",
            )


def _tasks_and_timers(subject: Subject) -> list[tuple[str, list[Rule]]]:
    found: dict[str, list[Rule]] = defaultdict(list)
    for rule in subject.others:
        found[rule.action].append(rule)
    return list(found.items())


def _leaving_at_once(subject: Subject, rules: Sequence[Rule]) -> list[str]:
    """Return the eventless rules that are taken while sources of rules are active."""
    steps = subject.explored.steps
    places = [place for rule in rules for place in subject.places_in(rule.source)]
    taken = (step.plan for place in places for step in steps[place] if step.event == ALWAYS)
    return sorted({one.action for plan in taken if plan for one in plan.rules})


def ambiguous(subject: Subject) -> Iterator[ChartFinding]:
    """Find two rules without guard and roles that meet in some state and event, and neither covers the other. Pure.

    One that covers the other is a special case and its general rule, or is shadowed.
    """
    certain = [rules for rules in subject.written.values() if rules[0].guard is None and not rules[0].roles]
    for index, later in enumerate(certain):
        for first in certain[:index]:
            mine, others = _cells(later), _cells(first)
            both = [cell for cell in mine if cell in others]
            if not both or mine <= others or others <= mine:
                continue
            if subject.owner(first[0].action) is subject.owner(later[0].action):
                event, source = both[0]
                yield ChartFinding(
                    "PD204",
                    later[0].action,
                    f"{subject.label}: {first[0].action!r} and {later[0].action!r} both take {event} in {source!r} "
                    f"without a guard; {first[0].action!r} always wins. Name the state in one of them.",
                )


def _cells(rules: Sequence[Rule]) -> set[tuple[str, str]]:
    return {(_heard(rule), rule.source.name) for rule in rules}


def unheard(subject: Subject) -> Iterator[ChartFinding]:
    """Find events whose rules never run, or are asked in no state that is reached. Pure."""
    for event in subject.definition.events:
        rules = [rule for rule in subject.chart.rules if rule.event == event]
        if rules and subject.explored.taken.isdisjoint(rules):
            names = ", ".join(dict.fromkeys(repr(rule.action) for rule in rules))
            yield ChartFinding(
                "PD208",
                event,
                f"{subject.label}: nobody takes {event}: {names} never run. Add a rule that can, or drop the event.",
            )


def hidden(subject: Subject) -> Iterator[ChartFinding]:
    """Find rules whose event waits wherever they stand: an inner state defers it. Pure."""
    chart, explored = subject.chart, subject.explored
    sent = {
        rule
        for steps in explored.steps.values()
        for step in steps
        if step.plan and not step.is_internal
        for rule in step.plan.rules
    }
    for rules in subject.written.values():
        taken = [rule for rule in rules if rule in explored.taken]
        if not taken or not sent.isdisjoint(rules) or rules[0].event not in chart.deferred:
            continue
        at_rest = [
            (rule, place) for rule in taken for place in subject.places_in(rule.source) if subject.is_rest(place)
        ]
        heard = (rule in _flat(chart.candidates(place.configuration, rule.event)) for rule, place in at_rest)
        if at_rest and not any(heard):
            rule, place = at_rest[0]
            yield ChartFinding(
                "PD213",
                rule.action,
                f"{subject.label}.{rule.action} takes no {rule.event} that is sent: "
                f"{chart.deferring(place.configuration, rule.event)!r} defers it, and inner states come first. "
                "Drop the rule, or the defer.",
            )


def _flat(candidates: tuple[tuple[Rule, ...], ...]) -> set[Rule]:
    return {rule for rules in candidates for rule in rules}
