"""PD210 to PD212: histories that bring nothing back, and events that wait for nothing."""

from collections.abc import Iterator
from math import prod

from statemachine.chart import Node
from statemachine.errors import ChartFinding
from statemachine.findings.exploring import Place, choices
from statemachine.findings.subject import Subject
from statemachine.plans import updated

__all__ = ["aimless_histories", "deferrals", "unused_histories"]


def unused_histories(subject: Subject) -> Iterator[ChartFinding]:
    """Find histories that no rule leads to, or none after their region was left. Pure."""
    chart = subject.chart
    begun = {name for node in chart.nodes.values() for name in node.start}
    for history in (node for node in chart.nodes.values() if node.kind == "history"):
        if history.name in begun:
            continue
        rules = [rule for rule in chart.rules if history in rule.targets]
        if rules and subject.explored.taken.isdisjoint(rules):
            continue  # they never run, and that is found
        if not any(_is_brought_back(subject, history, place) for place in subject.explored.steps):
            why = "its region was never left before" if rules else "no rule leads to it"
            repair = "Lead to the state itself, or drop it." if rules else "Name it in to=…, or drop it."
            yield ChartFinding(
                "PD210",
                history.name,
                f"{subject.label}: history {history.name!r} brings nothing back: {why}. {repair}",
            )


def _is_brought_back(subject: Subject, history: Node, place: Place) -> bool:
    assert history.parent is not None
    plans = (step.plan for step in subject.explored.steps[place] if step.plan)
    using = (plan for plan in plans if any(history in rule.targets for rule in plan.rules))
    memories = (dict(updated(subject.chart, place.memory, plan.recorded)) for plan in using)
    return any(history.parent.name in memory for memory in memories)


def aimless_histories(subject: Subject) -> Iterator[ChartFinding]:
    """Find histories that have only one thing to bring back. Pure."""
    for history in (node for node in subject.chart.nodes.values() if node.kind == "history"):
        region = history.parent
        assert region is not None
        if history.deep:
            is_aimless, why = _ways(region) == 1, "its region has one state"
        elif region.kind == "parallel":
            is_aimless, why = True, "it stands for all regions of a parallel, as they begin"
        else:
            is_aimless, why = len(region.children) == 1, "its region has one state"
        if is_aimless:
            repair = "Write deep=True" if _ways(region) > 1 else "Lead to the state itself"
            yield ChartFinding(
                "PD211",
                history.name,
                f"{subject.label}: history {history.name!r} remembers nothing: {why}. {repair}, or drop it.",
            )


def _ways(node: Node) -> int:
    """Return in how many configurations a node can be."""
    inside = [_ways(child) for child in node.children]
    return (prod if node.kind == "parallel" else sum)(inside) if inside else 1


def deferrals(subject: Subject) -> Iterator[ChartFinding]:
    """Find events that a state defers, and that never have to wait there or wait for ever. Pure."""
    for node in sorted(subject.reached, key=lambda node: node.index):
        for event in sorted(node.defers):
            places = [place for place in subject.places_in(node) if subject.is_rest(place)]
            waiting = [place for place in places if _waits(subject, place, event)]
            why = (
                "a rule always takes it there" if not waiting else "it is taken in no state that is reached from there"
            )
            if places and (not waiting or not _is_taken_after(subject, waiting, event)):
                yield ChartFinding(
                    "PD212",
                    node.name,
                    f"{subject.label}: {node.name!r} defers {event} for nothing: {why}. Drop it from defer=….",
                )


def _waits(subject: Subject, place: Place, event: str) -> bool:
    found = choices(subject.chart.candidates(place.configuration, event))
    return () in found and subject.chart.deferring(place.configuration, event) is not None


def _is_taken_after(subject: Subject, waiting: list[Place], event: str) -> bool:
    steps = subject.explored.steps
    taking = (
        place
        for place in steps
        if any(step.event == event and step.plan and not step.is_internal for step in steps[place])
    )
    return not subject.explored.leading_to(taking).isdisjoint(waiting)
