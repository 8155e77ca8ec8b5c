"""On random charts what is found is true: what cannot happen by the findings does not happen in random stories.

The controls plant a mistake in the analysis, and the same properties must notice it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from statemachine import step
from statemachine.chart import ALWAYS, FAILED, Configuration, Plan, Rule, done_event
from statemachine.errors import InvariantBroken
from statemachine.findings import ending, exploring, looping, shadowing
from statemachine.findings import subject as subject_module
from statemachine.findings.exploring import Explored, Place, choices
from statemachine.findings.looping import find_loops
from statemachine.findings.reaching import unreachable
from statemachine.findings.subject import Subject
from statemachine.plans import plan, updated
from statemachine.step import Macrostep, Unhandled, begin, macrostep, next_waiting, select
from statemachine.workflow import definition_of
from tests.charts import GUARDS, MICROSTEPS_MAX, Recorder, Story, Told, stories, tell, waiting_stories

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SHORT = settings(max_examples=200, deadline=None, print_blob=True, suppress_health_check=SLOW)
CONTROL = settings(SHORT, max_examples=3000, derandomize=True, database=None, phases=[Phase.generate], print_blob=False)
TURNS = 40


@pytest.fixture(autouse=True, scope="module")
def _bounds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "MICROSTEPS_MAX", MICROSTEPS_MAX)
        patch.setattr(exploring, "PLACES_MAX", 300)  # larger charts take the time of many small ones
        yield


def judged(story: Story) -> Subject | None:
    """The workflow of a story, explored; None where that met a bound."""
    subject = Subject(definition_of(story.workflow(set())))
    return subject if subject.explored.is_complete else None


def told(subject: Subject, story: Story) -> list[tuple[Told, Recorder]]:
    """What happens to an instance from its start."""
    chart = subject.definition.chart
    return [(one, recorder) for one, recorder, _ in tell(chart, evolve(story, start=()))]


def visited(recorder: Recorder) -> set[Configuration]:
    """Every configuration that was active, also before an event that did not come to rest."""
    return {entry[0] for entry in recorder.ran if len(entry) == 1}


def ran(recorder: Recorder) -> set[str]:
    return {entry[0] for entry in recorder.ran if len(entry) > 1}


# -- the properties ----------------------------------------------------------------------------------------------------


def what_is_unreachable_is_never_entered(story: Story) -> None:
    if subject := judged(story):
        lost = {one.where for one in unreachable(subject)}
        places = {place.configuration for place in subject.explored.steps}
        for _, recorder in told(subject, story):
            for configuration in visited(recorder):
                assert configuration in places
                assert not any(f"{leaf}.".startswith(f"{name}.") for leaf in configuration for name in lost)


def what_never_runs_never_runs(story: Story) -> None:
    """Of shadowed rules, of rules of states that are passed through, and of events that nobody takes."""
    if subject := judged(story):
        found = [*shadowing.shadowed(subject), *shadowing.passed_by(subject)]
        lost = {one.where for one in found}
        unheard = {one.where for one in shadowing.unheard(subject)}
        for place, (one, recorder) in enumerate(told(subject, story)):
            assert lost.isdisjoint(ran(recorder))
            if place and story.sends[place - 1].event in unheard:
                assert one.what == "unhandled"


def what_never_ends_raises_no_end(story: Story) -> None:
    if subject := judged(story):
        lost = {done_event(one.where) for one in ending.unfinished(subject)}
        chart = subject.definition.chart
        for _, _, done in tell(chart, evolve(story, start=())):
            ends = {end for plan in (done.plans if done else ()) for _, ends in plan.enter for end in ends}
            assert ends <= subject.explored.raised
            assert lost.isdisjoint(ends)


def a_circle_goes_round_for_as_long_as_its_guard_holds(story: Story) -> None:
    if subject := judged(story):
        for loop in find_loops(subject.explored, is_idle=lambda _: True):
            for count in range(len(GUARDS) + 1):
                for others in combinations(GUARDS, count):
                    assert_goes_round(subject.explored, loop.place, {*others, loop.guard})


def assert_goes_round(explored: Explored, place: Place, holding: set[str | None]) -> None:
    """By `select` alone: an eventless rule is taken again and again."""
    configuration, memory = place.configuration, place.memory
    for _ in range(TURNS):
        found = select(
            explored.chart,
            configuration,
            ALWAYS,
            holds=lambda rule, _: rule.guard is None or rule.guard in holding,
            memory=memory,
            internal=True,
        )
        assert isinstance(found, Plan), f"at rest in {configuration}"
        assert found.outcome is None
        configuration, memory = found.after, updated(explored.chart, memory, found.recorded)


def a_dead_end_is_never_left(story: Story) -> None:
    """Nor is an end reached from a state that leads to none."""
    if subject := judged(story):
        dead = {one.where for one in ending.dead_ends(subject)}
        endless = {one.where for one in ending.endless(subject)}
        seen: set[str] = set()
        for one, _ in told(subject, story):
            assert seen & dead <= set(one.after)
            assert not (seen & endless and one.what not in {"rest", "unhandled", "loop"})
            seen.update(one.after)


# -- with events that wait, failures that are handled, and timers ------------------------------------------------------


class Life:
    """An instance that events, failures and timers happen to, in the order of a story."""

    def __init__(self, subject: Subject, story: Story) -> None:
        self._subject, self._story = subject, story
        self._chart = subject.definition.chart
        self._waiting: list[str] = []
        self.ran: set[str] = set()
        self.seen: set[Configuration] = set()
        self.taken: set[str] = set()  # events
        self.at: Macrostep | None = None
        self._take("", frozenset(), lambda runner: begin(self._chart, runner=runner))

    def live(self) -> "Life":
        """Send each event, once again as one that fails; then try what waits; then let a timer come due."""
        for turn, sent in enumerate(self._story.sends):
            for name in (sent.event, FAILED):
                heard = self.at is not None and self._chart.candidates(self.at.after, sent.event)
                if name == sent.event or heard:
                    self._send(name, sent.holding)
                    self._retry(sent.holding)
            for rule in self._subject.others[turn % 2 :: 2]:
                self._come_due(rule, sent.holding)
                self._retry(sent.holding)
        return self

    def _send(self, name: str, holding: frozenset[str]) -> None:
        if self.at is None or self.at.outcome is not None:
            return
        at = self.at
        is_taken = self._take(
            name,
            holding,
            lambda runner: macrostep(self._chart, at.after, (name, None), runner=runner, memory=at.memory),
        )
        if not is_taken and self._chart.deferring(at.after, name) is not None:
            self._waiting.append(name)

    def _retry(self, holding: frozenset[str]) -> None:
        if self.at is None:
            return
        place = next_waiting(self._chart, self.at.after, self._waiting)
        if place is not None:
            self._send(self._waiting.pop(place), holding)

    def _come_due(self, rule: Rule, holding: frozenset[str]) -> None:
        at = self.at
        if at is None or at.outcome or not any(f"{leaf}.".startswith(f"{rule.source.name}.") for leaf in at.after):
            return
        nodes = self._chart.nodes
        here = evolve(rule, source=nodes[rule.source.name], targets=tuple(nodes[one.name] for one in rule.targets))
        made = plan(self._chart, at.after, (here,), memory=at.memory)
        self._take(
            rule.event, holding, lambda runner: step._settle(self._chart, made, None, runner=runner, memory=at.memory)
        )

    def _take(self, name: str, holding: frozenset[str], run: Callable[[Recorder], Macrostep | Unhandled]) -> bool:
        recorder = Recorder(self._story, holding)
        try:
            found = run(recorder)
        except InvariantBroken:
            found = None  # a loop: undone, but for what is noted of it
        self.ran |= ran(recorder)
        self.seen |= visited(recorder)
        if isinstance(found, Macrostep):
            self.at = found
            self.taken.add(name)
        return isinstance(found, Macrostep)


def what_is_found_does_not_happen_in_a_life(story: Story) -> None:
    """Nothing that is unreachable, never runs or is heard by nobody; and whatever waited is known to."""
    if subject := judged(story):
        life = Life(subject, story).live()
        found = [*shadowing.shadowed(subject), *shadowing.passed_by(subject)]
        unheard = {one.where for one in shadowing.unheard(subject)}
        lost = {one.where for one in unreachable(subject)}
        assert life.seen <= {place.configuration for place in subject.explored.steps}
        assert not any(f"{leaf}.".startswith(f"{name}.") for leaves in life.seen for leaf in leaves for name in lost)
        assert {one.where for one in found}.isdisjoint(life.ran)
        assert unheard.isdisjoint(life.taken)


def a_dead_end_is_never_left_in_a_life(story: Story) -> None:
    if subject := judged(story):
        dead = {one.where for one in ending.dead_ends(subject)}
        life = Life(subject, evolve(story, sends=()))
        stuck: set[str] = set()
        for sent in story.sends:
            life._story = evolve(story, sends=(sent,))
            assert life.at is None or stuck <= set(life.at.after)
            stuck |= dead & set(life.at.after if life.at else ())
            life.live()


PROPERTIES: Sequence[Callable[[Story], None]] = (
    what_is_unreachable_is_never_entered,
    what_never_runs_never_runs,
    what_never_ends_raises_no_end,
    a_circle_goes_round_for_as_long_as_its_guard_holds,
    a_dead_end_is_never_left,
)


LIVES: Sequence[Callable[[Story], None]] = (what_is_found_does_not_happen_in_a_life, a_dead_end_is_never_left_in_a_life)


@pytest.mark.long
@pytest.mark.parametrize("holds", LIVES, ids=lambda one: one.__name__)
def test_what_is_found_is_true_where_events_wait_and_failures_are_handled(holds: Callable[[Story], None]) -> None:
    SHORT(given(waiting_stories())(holds))()


@pytest.mark.long
@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda one: one.__name__)
def test_what_is_found_is_true(holds: Callable[[Story], None]) -> None:
    SHORT(given(stories())(holds))()


# -- controls ----------------------------------------------------------------------------------------------------------


def _no_ends(patch: pytest.MonkeyPatch) -> None:
    """Ends of regions are forgotten."""
    patch.setattr(exploring._Explorer, "_ended_regions", lambda *_: iter(()))


def _guards_hold(patch: pytest.MonkeyPatch) -> None:
    """Guards are taken to say yes only."""
    patch.setattr(exploring, "choices", lambda candidates, **_: choices(candidates)[:1])


def _no_memory(patch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered."""
    patch.setattr(exploring, "updated", lambda *_: ())


def _certain(patch: pytest.MonkeyPatch) -> None:
    """Guarded rules are taken for rules without a guard."""
    patch.setattr(exploring, "_is_certain", lambda _: True)


def _ends_of_leaves(patch: pytest.MonkeyPatch) -> None:
    """Only a plan's first end is noted."""
    straight = exploring._Explorer._arrive

    def arrive(explorer: exploring._Explorer, made: Plan, place: Place) -> Place:
        enter = tuple((actions, done[:1]) for actions, done in made.enter)
        return straight(explorer, evolve(made, enter=enter), place)

    patch.setattr(exploring._Explorer, "_arrive", arrive)


def _ways_out_are_missed(patch: pytest.MonkeyPatch) -> None:
    """Of several eventless steps only the first one is followed."""
    straight = looping._follow

    def follow(explored: Explored, places: set[Place], guard: str | None) -> object:
        return {place: steps[:1] for place, steps in straight(explored, places, guard).items()}

    patch.setattr(looping, "_follow", follow)


def _nothing_is_left(patch: pytest.MonkeyPatch) -> None:
    """A rule is taken to leave nothing but its source."""
    patch.setattr(ending, "_left", lambda *_: set())


def _failures_are_no_steps(patch: pytest.MonkeyPatch) -> None:
    """Rules for failures are not followed."""
    straight = exploring._Explorer._selected

    def selected(explorer: exploring._Explorer, place: Place, event: str, *more: Any, **named: Any) -> object:
        return iter(()) if event == FAILED else straight(explorer, place, event, *more, **named)

    patch.setattr(exploring._Explorer, "_selected", selected)


def _timers_never_come_due(patch: pytest.MonkeyPatch) -> None:
    """Tasks and timers are not followed."""
    straight = exploring.explore
    patch.setattr(subject_module, "explore", lambda chart, _: straight(chart, ()))


LIFE_CONTROLS = (_failures_are_no_steps, _timers_never_come_due)

CONTROLS: Sequence[tuple[Callable[[pytest.MonkeyPatch], None], Callable[[Story], None]]] = (
    (_no_ends, what_is_unreachable_is_never_entered),
    (_guards_hold, what_is_unreachable_is_never_entered),
    (_no_memory, what_is_unreachable_is_never_entered),
    (_certain, what_never_runs_never_runs),
    (_guards_hold, what_never_runs_never_runs),
    (_ends_of_leaves, what_never_ends_raises_no_end),
    (_ways_out_are_missed, a_circle_goes_round_for_as_long_as_its_guard_holds),
    (_nothing_is_left, a_dead_end_is_never_left),
)


@pytest.mark.long
@pytest.mark.parametrize(("plant", "holds"), CONTROLS, ids=lambda one: one.__name__)
def test_a_mistake_of_the_analysis_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None], holds: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert is_noticed(holds, stories()), f"{plant.__name__} was not noticed"


@pytest.mark.long
@pytest.mark.parametrize("plant", LIFE_CONTROLS, ids=lambda one: one.__name__)
def test_a_mistake_about_failures_and_timers_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    assert is_noticed(what_is_found_does_not_happen_in_a_life, waiting_stories())


def is_noticed(holds: Callable[[Story], None], drawn: st.SearchStrategy[Story]) -> bool:
    """Whether a search finds a story on which a property fails."""

    def fails(story: Story) -> bool:
        try:
            holds(story)
        except AssertionError:
            return True
        return False

    try:
        find(drawn, fails, settings=CONTROL)
    except NoSuchExample:
        return False
    return True
