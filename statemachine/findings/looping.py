"""PD206: eventless rules that lead in a circle and never come to rest."""

from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

from statemachine.chart import ALWAYS, Plan
from statemachine.errors import ChartFinding
from statemachine.findings.bodies import does_nothing
from statemachine.findings.exploring import Explored, Place, Step, choices
from statemachine.findings.subject import Subject

__all__ = ["Loop", "find_loops", "loops"]


@frozen
class Loop:
    """Eventless microsteps that repeat. `guard` is what must hold for it; None where no guard can stop it."""

    actions: tuple[str, ...]  # of its rules, the first one declared first
    states: tuple[str, ...]
    guard: str | None
    place: Place  # where it begins


def loops(subject: Subject) -> Iterator[ChartFinding]:
    """Find circles of eventless rules. Pure."""
    workflow = subject.definition.workflow
    for loop in find_loops(subject.explored, is_idle=lambda name: does_nothing(getattr(workflow, name))):
        shown = ", ".join(map(repr, loop.actions))
        why = "no guard stops it" if loop.guard is None else f"nothing on the way changes what {loop.guard!r} reads"
        yield ChartFinding(
            "PD206",
            loop.actions[0],
            f"{subject.label}: the eventless {shown} lead in a circle through {', '.join(map(repr, loop.states))}, and "
            f"{why}. Give one of them a guard that ends it, or an event.",
        )


def find_loops(explored: Explored, *, is_idle: Callable[[str], bool]) -> list[Loop]:
    """Return what never comes to rest: whatever guards say, or for as long as one guard says yes.

    A guard can end a circle by what an action on the way changes; so of the second kind are only those whose actions
    all are idle.
    """
    found = _circles(explored, _follow(explored, explored.passing, None), guard=None)
    guards = {rule.guard for rule in explored.chart.rules if rule.event == ALWAYS and rule.guard}
    for guard in sorted(guards):
        places = {place for place in explored.steps if place not in explored.ended}
        following = _follow(explored, places, guard)
        idle = {place: [one for one in steps if _is_idle(one, is_idle)] for place, steps in following.items()}
        kept = {place: steps for place, steps in following.items() if len(idle[place]) == len(steps)}
        known = {one.actions for one in found}
        found += [one for one in _circles(explored, kept, guard=guard) if one.actions not in known]
    return found


def _is_idle(step: Step, is_idle: Callable[[str], bool]) -> bool:
    made = step.plan
    assert isinstance(made, Plan)
    inside = (action for actions, _ in made.enter for action in actions)
    return all(map(is_idle, (*made.leave, *(rule.action for rule in made.rules), *inside)))


def _follow(explored: Explored, places: set[Place], guard: str | None) -> Mapping[Place, list[Step]]:
    """Return the eventless steps of those places where one is taken in any case."""
    found: dict[Place, list[Step]] = {}
    for place in places:
        chosen = choices(explored.chart.candidates(place.configuration, ALWAYS), holding=guard)
        if () not in chosen:
            found[place] = [one for one in explored.steps[place] if one.event == ALWAYS and one.chosen in chosen]
    return found


def _circles(explored: Explored, following: Mapping[Place, list[Step]], *, guard: str | None) -> list[Loop]:
    """Return the circles among places of which each step leads to such a place again."""
    never = set(following)
    while gone := {place for place in never if any(step.after not in never for step in following[place])}:
        never -= gone
    found: dict[frozenset[str], Loop] = {}
    for place in (one for one in explored.steps if one in never):  # in the order in which they were found
        loop = _circle(place, following, guard)
        found.setdefault(frozenset(loop.actions), loop)
    return list(found.values())


def _circle(place: Place, following: Mapping[Place, list[Step]], guard: str | None) -> Loop:
    seen: dict[Place, int] = {}
    steps: list[Step] = []
    while place not in seen:
        seen[place] = len(steps)
        steps.append(following[place][0])
        place = steps[-1].after
    turn = steps[seen[place] :]
    rules = {rule.order: rule.action for step in turn if step.plan for rule in step.plan.rules}
    states = dict.fromkeys(leaf for step in turn if step.plan for leaf in step.plan.before)
    return Loop(tuple(dict.fromkeys(rules[order] for order in sorted(rules))), tuple(states), guard, place)
