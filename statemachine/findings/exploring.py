"""Every place that a chart can come to, by the rules of `step` and `plans`, with each guard taken either way. Pure.

A *place* is a configuration, what its regions remember, and the ends of regions that wait to be taken. What is explored
is at least what can happen, never less, so whatever is not found here does not happen:
  - a guard, and whether a sender has a role, answers yes or no; the same one answers the same within one microstep;
  - any event of the chart may be sent at rest, and raised by an action between two microsteps;
  - a task or a timer may come to its end at rest, and an event may fail wherever one is taken;
  - an end that was raised twice before it was taken may be taken at any time from then on.
An eventless rule without a guard comes before all of that: where one listens, nothing else is taken.

It ends at PLACES_MAX or STEPS_MAX: beyond them `is_complete` is False, and nobody may say what does not happen.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeAlias

from attrs import define, field, frozen

from statemachine.chart import ALWAYS, FAILED, Chart, Configuration, Memory, Node, Plan, Rule
from statemachine.plans import initial_plan, plan, updated

__all__ = ["TASK", "TIMER", "Explored", "Place", "Step", "choices", "explore"]

PLACES_MAX = 2_000  # more than any chart that people draw by hand; wide parallels multiply without end
STEPS_MAX = 20_000  # about a second
CHOICES_MAX = 256  # of one selection: eight guards that do not depend on each other

TASK = "task:"
TIMER = "timer:"

Test: TypeAlias = tuple[str | None, tuple[str, ...]]
Candidates: TypeAlias = tuple[tuple[Rule, ...], ...]


@frozen
class Place:
    """Where an instance can stand between two microsteps."""

    configuration: Configuration
    memory: Memory = ()
    ends: tuple[str, ...] = ()  # of regions, first come first; each once
    again: frozenset[str] = frozenset()  # those that were raised once more while they waited


@frozen(eq=False)
class Step:
    """One microstep that can happen at a place. `plan` is None where an end is dropped because no rule takes it."""

    event: str
    plan: Plan | None
    after: Place
    chosen: tuple[Rule, ...] = ()  # before conflicts were removed
    is_internal: bool = False


@define(eq=False)
class Explored:
    """What was found. Rules that were asked and never taken have what came before them in `before`."""

    chart: Chart
    steps: dict[Place, list[Step]] = field(factory=dict[Place, list[Step]])
    ended: set[Place] = field(factory=set[Place])
    passing: set[Place] = field(factory=set[Place])  # an eventless rule without a guard listens there
    asked: set[Rule] = field(factory=set[Rule])
    taken: set[Rule] = field(factory=set[Rule])
    before: dict[Rule, set[Rule]] = field(factory=lambda: defaultdict(set))
    raised: set[str] = field(factory=set[str])  # ends of regions
    is_complete: bool = True

    def nodes(self) -> set[Node]:
        """Return every node that can become active. Pure."""
        return {node for place in self.steps for node in self.active(place)}

    def active(self, place: Place) -> set[Node]:
        """Return the nodes that are active at a place. Pure."""
        return {node for leaf in place.configuration for node in self.chart.nodes[leaf].path}

    def leading_to(self, goal: Iterable[Place]) -> set[Place]:
        """Return the places from which one of some places can be reached, these included. Pure."""
        behind: dict[Place, list[Place]] = defaultdict(list)
        for place, steps in self.steps.items():
            for step in steps:
                behind[step.after].append(place)
        found = set(goal)
        open_ = list(found)
        while open_:
            fresh = [one for one in behind[open_.pop()] if one not in found]
            found.update(fresh)
            open_.extend(fresh)
        return found


class _BeyondError(Exception):
    """A bound was met; it never leaves this module."""


def _stop(*, when: bool) -> None:
    if when:
        raise _BeyondError


def explore(chart: Chart, others: Iterable[Rule]) -> Explored:
    """Return where a chart can come to. `others` are tasks and timers, as rules of events of their own. Pure.

    What it finds out stands in the chart's caches: give it a chart of its own.
    """
    return _Explorer(chart, others).run()


class _Explorer:
    def __init__(self, chart: Chart, others: Iterable[Rule]) -> None:
        self.found = Explored(chart)
        self.chart = chart
        self._events: Mapping[Node, list[str]] = defaultdict(list)
        self._ends = {rule.event for rule in chart.rules if rule.event.startswith("done:")}
        for rule in chart.rules:
            if ":" not in rule.event and rule.event not in self._events[rule.source]:
                self._events[rule.source].append(rule.event)
        self._others: Mapping[Node, list[Rule]] = defaultdict(list)
        for rule in others:
            self._others[rule.source].append(rule)
        self._steps_left = STEPS_MAX

    def run(self) -> Explored:
        first = self._arrive(initial_plan(self.chart), Place(()))
        found = self.found.steps
        open_ = [first]
        try:
            while open_:
                place = open_.pop()
                if place in found:
                    continue
                _stop(when=len(found) == PLACES_MAX)
                steps: list[Step] = []
                found[place] = steps
                for step in self._steps(place):
                    steps.append(step)
                    self._steps_left -= 1
                    _stop(when=self._steps_left == 0)
                open_.extend(step.after for step in reversed(steps))
        except _BeyondError:
            self.found.is_complete = False
        return self.found

    def _steps(self, place: Place) -> Iterator[Step]:
        if place in self.found.ended:
            return
        eventless = self.chart.candidates(place.configuration, ALWAYS)
        yield from self._selected(place, ALWAYS, eventless, internal=True)
        if any(_is_certain(rule) for rules in eventless for rule in rules):
            self.found.passing.add(place)
            return
        events = list(dict.fromkeys(event for node in self._ordered(place) for event in self._events.get(node, ())))
        yield from self._ended_regions(place)
        if place.ends:
            for event in events:
                yield from self._heard(place, event, internal=True)
            return
        yield from self._at_rest(place, events)

    def _ordered(self, place: Place) -> list[Node]:
        return sorted(self.found.active(place), key=lambda node: node.index)

    def _ended_regions(self, place: Place) -> Iterator[Step]:
        """Take the end that waits longest, or drop it; and those that may come at any time."""
        for event in place.ends[:1]:
            after = Place(place.configuration, place.memory, place.ends[1:], place.again)
            yield from self._heard(after, event, internal=True)
            if self._may_be_left(place, event):
                yield Step(event, None, after, is_internal=True)
        for event in sorted(place.again):
            yield from self._heard(place, event, internal=True)

    def _may_be_left(self, place: Place, event: str) -> bool:
        return () in choices(self.chart.undeferred(place.configuration, event))

    def _at_rest(self, place: Place, events: list[str]) -> Iterator[Step]:
        can_fail = False
        for event in events:
            candidates = self.chart.candidates(place.configuration, event)
            can_fail = can_fail or bool(candidates)
            yield from self._selected(place, event, candidates, internal=False)
            if event in self.chart.deferred:
                yield from self._heard(place, event, internal=True)
        for node in self._ordered(place):
            for rule in self._others.get(node, ()):
                can_fail = True
                yield self._step(place, rule.event, (rule,))
        if can_fail:
            yield from self._selected(place, FAILED, self.chart.candidates(place.configuration, FAILED), internal=False)

    def _heard(self, place: Place, event: str, *, internal: bool) -> Iterator[Step]:
        candidates = self.chart.undeferred(place.configuration, event)
        return self._selected(place, event, candidates, internal=internal)

    def _selected(self, place: Place, event: str, candidates: Candidates, *, internal: bool) -> Iterator[Step]:
        for rules in candidates:
            self._note(rules)
        for chosen in choices(candidates):
            if chosen:
                yield self._step(place, event, chosen, internal=internal)

    def _note(self, rules: tuple[Rule, ...]) -> None:
        self.found.asked.update(rules)
        for index, rule in enumerate(rules):
            above = next((one for one in rules[:index] if _takes_for(one, rule)), None)
            if above is not None:
                self.found.before[rule].add(above)

    def _step(self, place: Place, event: str, chosen: tuple[Rule, ...], *, internal: bool = False) -> Step:
        made = plan(self.chart, place.configuration, chosen, memory=place.memory)
        self.found.taken.update(made.rules)
        for rule in chosen:
            if rule not in made.rules:
                self.found.before[rule].update(made.rules)
        return Step(event, made, self._arrive(made, place), chosen, is_internal=internal)

    def _arrive(self, made: Plan, place: Place) -> Place:
        memory = updated(self.chart, place.memory, made.recorded) if made.recorded else place.memory
        self.found.raised.update(event for _, done in made.enter for event in done)
        if made.outcome is not None:
            end = Place(made.after, memory)
            self.found.ended.add(end)
            return end
        ends, again = list(place.ends), set(place.again)
        for event in (event for _, done in made.enter for event in done if event in self._ends):
            if event in ends:
                again.add(event)
            else:
                ends.append(event)
        return Place(made.after, memory, tuple(ends), frozenset(again))


# -- guards, either way ------------------------------------------------------------------------------------------------


def choices(candidates: Candidates, *, holding: str | None = None) -> list[tuple[Rule, ...]]:
    """Return what a selection can choose: per active leaf the first rule that holds. () where none does. Pure.

    `holding` is a guard that is known to say yes.
    """
    known: dict[Test, bool] = {} if holding is None else {(holding, ()): True}
    found = list(islice(_per_leaf(candidates, known, ()), CHOICES_MAX + 1))
    _stop(when=len(found) > CHOICES_MAX)
    return list(dict.fromkeys(found))


def _per_leaf(
    candidates: Candidates, answers: Mapping[Test, bool], chosen: tuple[Rule, ...]
) -> Iterator[tuple[Rule, ...]]:
    if not candidates:
        yield tuple(dict.fromkeys(chosen))
        return
    for rule, known in _first(candidates[0], answers):
        yield from _per_leaf(candidates[1:], known, chosen if rule is None else (*chosen, rule))


def _first(rules: tuple[Rule, ...], answers: Mapping[Test, bool]) -> Iterator[tuple[Rule | None, Mapping[Test, bool]]]:
    """Return each rule of a leaf that can be the first one that holds, with the answers that make it so."""
    for rule in rules:
        answer = _answer(rule, answers)
        if answer is not False:
            yield rule, {**answers, _test(rule): True}
        if answer:
            return
        answers = {**answers, _test(rule): False}
    yield None, answers


def _answer(rule: Rule, answers: Mapping[Test, bool]) -> bool | None:
    if _is_certain(rule):
        return True
    guard, roles = _test(rule)
    if any(answers.get(weaker) is False for weaker in ((guard, ()), (None, roles))):
        return False
    return answers.get((guard, roles))


def _test(rule: Rule) -> Test:
    return rule.guard, rule.roles


def _is_certain(rule: Rule) -> bool:
    return rule.guard is None and not rule.roles


def _takes_for(above: Rule, rule: Rule) -> bool:
    """Say whether a rule holds whenever another one does."""
    return above.guard in {None, rule.guard} and above.roles in {(), rule.roles}
