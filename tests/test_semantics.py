"""What a declaration says happens in a Cursor and through an engine alike: each class runs in memory and on stores."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from attrs import define, field, frozen

from persistence import MemoryStore
from statemachine import (
    ANY,
    Compound,
    Configuration,
    Cursor,
    Engine,
    Final,
    InvariantBroken,
    Parallel,
    Refused,
    State,
    Workflow,
    always,
    done,
    enter,
    leave,
    on,
)
from statemachine import step as kernel


@frozen
class Go:
    how: str = ""


@frozen
class Stay: ...


@frozen
class Spin: ...


@define
class Trail:
    ran: list[str] = field(factory=list)


class Running(Protocol):
    """What a Cursor and a handle have in common."""

    @property
    def data(self) -> Any: ...
    @property
    def configuration(self) -> Configuration: ...
    @property
    def outcome(self) -> str | None: ...
    def send(self, event: Any, /) -> object: ...


Start = Callable[[type[Workflow[Trail]]], Running]


@pytest.fixture(params=["cursor", "memory", "sqlite"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a workflow, wherever it runs."""
    opened: list[Engine] = []

    def begin(workflow: type[Workflow[Trail]]) -> Running:
        if request.param == "cursor":
            return Cursor(workflow, Trail())
        opened.append(Engine(MemoryStore() if request.param == "memory" else tmp_path / "w.db", workflow))
        return opened[-1].start(workflow)

    yield begin
    for engine in opened:
        engine.close()


class Lines(Workflow[Trail], revision=1):
    """Two regions that know of each other, and every kind of transition."""

    class both(Parallel, initial=True):
        class left(Compound):
            a = State(initial=True)
            b = State()
            z = Final()

        class right(Compound):
            c = State(initial=True)
            d = State()
            y = Final()
            x = Final()

    early = Final()
    late = Final(outcome="too late")

    def is_ahead(self) -> bool:
        return self.is_in(Lines.both.right.d)

    def ended_early(self) -> bool:
        return self.is_in(Lines.both.right.y)

    def is_first(self, event: Go) -> bool:
        return event.how == "first"

    @on(Go, both.left.a, to=both.left.b, when=is_ahead)
    def follow(self, event: Go) -> None:
        self.data.ran.append("follow")

    @on(Go, both.right.c, to=both.right.d)
    def lead(self, event: Go) -> None:
        self.data.ran.append("lead")

    @on(Go, both.left.b, to=both.left.z)
    def finish_left(self, event: Go) -> None: ...

    @on(Go, both.right.d, to=both.right.y, when=is_first)
    def finish_early(self, event: Go) -> None:
        self.data.ran.append("early")

    @on(Go, both.right.d, to=both.right.x)
    def finish_late(self, event: Go) -> None:
        self.data.ran.append("late")

    @on(Stay, both.left, to=both.left.b)
    def move(self, event: Stay) -> None:
        self.data.ran.append("move")

    @on(Spin, both.left, to=both.left.b, reenter=True)
    def spin(self, event: Spin) -> None:
        self.data.ran.append("spin")

    @on((Stay, Spin), ANY, to=None)
    def anything(self, event: Stay | Spin) -> None:
        self.data.ran.append("anything")

    @done(both, to=early, when=ended_early)
    def end_early(self) -> None:
        self.data.ran.append(f"ended in y: {self.is_in(Lines.both.right.y)}")

    @done(both, to=late)
    def end_late(self) -> None: ...

    @enter(both, both.left, both.left.b)
    def came(self) -> None:
        self.data.ran.append("came")

    @leave(both, both.left, both.left.a)
    def went(self) -> None:
        self.data.ran.append("went")


def test_a_guard_sees_the_other_region_as_it_was_before_any_action(start: Start) -> None:
    lines = start(Lines)

    lines.send(Go())
    assert (lines.configuration, lines.data.ran[2:]) == (("both.left.a", "both.right.d"), ["lead"])
    lines.send(Go())
    assert lines.data.ran[3:] == ["went", "follow", "late", "came"]


def test_a_local_transition_stays_in_its_source_and_reenter_leaves_it(start: Start) -> None:
    local, external = start(Lines), start(Lines)

    local.send(Stay())
    external.send(Spin())

    # The right region answers with the internal rule of ANY, which meets nobody.
    assert local.data.ran[2:] == ["went", "move", "anything", "came"]
    # A region of a parallel is left together with it: only a compound can stay.
    assert external.data.ran[2:] == ["went"] * 3 + ["spin", "anything"] + ["came"] * 3


def test_any_takes_what_no_state_takes_and_changes_nothing(start: Start) -> None:
    class Further(Lines, revision=1):
        def move(self, event: Stay) -> None: ...

        @on(Stay, Lines.both.right.c, to=None)
        def rest(self, event: Stay) -> None:
            self.data.ran.append("rest")

        @on(Spin, Lines.both.left, to=None)
        def spin(self, event: Spin) -> None:
            self.data.ran.append("held")

    further = start(Further)

    further.send(Spin())
    assert further.data.ran[2:] == ["held", "anything"]  # the right region has no rule but that of ANY
    assert further.configuration == ("both.left.a", "both.right.c")


def test_which_final_state_ended_a_region_is_asked_of_the_configuration_and_data_outlasts_the_end(start: Start) -> None:
    early, late = start(Lines), start(Lines)
    for event in (Go(), Go(how="first")):
        early.send(event)
    for event in (Go(), Go()):
        late.send(event)

    early.send(Go())
    late.send(Go())

    assert (early.outcome, early.data.ran[-1]) == ("early", "ended in y: True")
    assert (late.outcome, late.configuration) == ("too late", ("late",))
    with pytest.raises(Refused, match=r"^instance_final"):
        late.send(Stay())


class Round(Workflow[Trail], revision=1):
    """Comes to no rest, by eventless rules or by events that it raises itself."""

    still = State(initial=True)
    first = State()
    second = State()

    @on(Go, still, to=first)
    def begin(self, event: Go) -> None:
        self.data.ran.append("began")

    @always(first, to=second)
    def on_(self) -> None: ...

    @always(second, to=first)
    def back(self) -> None: ...

    @on(Spin, still, to=None)
    def spin(self, event: Spin) -> None:
        self.raise_(Spin())


# what is sent, and how the loop is shown
LOOPS = [
    (Go(), "microsteps_max: no rest after 1000 microsteps: second -back→ first -on_→ second"),
    (Spin(), "microsteps_max: no rest after 1000 microsteps: still -spin→ still"),
]


@pytest.mark.parametrize(("event", "shown"), LOOPS, ids=["eventless", "raised"])
def test_a_loop_is_stopped_shown_and_undone(start: Start, event: object, shown: str) -> None:
    looping = start(Round)

    with pytest.raises(InvariantBroken) as raised:
        looping.send(event)

    assert str(raised.value) == shown
    assert (looping.configuration, looping.data) == (("still",), Trail())


def test_a_loop_that_takes_another_way_each_time_is_shown_by_its_last_microsteps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Long(Workflow[Trail], revision=1):
        s0 = State(initial=True)
        s1 = State()
        s2 = State()
        s3 = State()

        @on(Go, s0, to=s1)
        @on(Go, s1, to=s2)
        @on(Go, s2, to=s3)
        def step(self, event: Go) -> None:
            self.raise_(Go())

    monkeypatch.setattr(kernel, "MICROSTEPS_MAX", 2)

    with pytest.raises(InvariantBroken, match=r"after 2 microsteps: s0 -step→ s1 -step→ s2$"):
        Cursor(Long, Trail()).send(Go())
