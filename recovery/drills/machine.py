"""The Hypothesis machine: it draws instances, events, payloads, roles and disasters, and lets a rehearsal do them."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from recovery.drills.points import CrashPoint, Disaster, Way
from recovery.drills.process import ChildError
from recovery.drills.steps import Committed, Step
from recovery.drills.story import DrillError
from statemachine.events import START
from statemachine.loading import configuration_of

if TYPE_CHECKING:
    from recovery.drills.running import Drill

__all__ = ["DrillMachine"]

INSTANCES_MAX = 2  # that run at a time: enough for one to be disturbed by another
STEPS_MAX = 20  # of one rehearsal: from start to end of most workflows, with disasters on the way
LENGTHS = [*range(STEPS_MAX), *[STEPS_MAX] * 60]  # mostly all of them
WHAT = ["send"] * 8 + ["again", "start"]  # one rule, because Hypothesis gives each the same chance
MEMORY = Path("/dev") / "shm"  # a killed process says nothing about syncs: the kernel keeps what was written
EPOCH = 1_700_000_000_000_000  # what the clock says first: microseconds since 1970 UTC
TICK = 1_000_000

CRASHES = [Disaster(point, way) for point in CrashPoint for way in (Way.DROP, Way.KILL)]
SECOND = [Disaster(CrashPoint.ACTION, way, 2) for way in Way]  # with one action before it; most have no third
DISASTERS = [*CRASHES, *[Disaster(CrashPoint.ACTION, Way.RAISE)] * 2, *SECOND]


def _disaster(drawn: int, step: int) -> Disaster | None:
    """Return what strikes a step; the simplest number stands for nothing.

    It counts on by the step: Hypothesis likes to repeat a number, and each point is to be struck. Pure.
    """
    return None if drawn == 0 else DISASTERS[(drawn + step) % len(DISASTERS)]


class DrillMachine(RuleBasedStateMachine):
    """One rehearsal. `drill` is set on a subclass."""

    drill: "ClassVar[Drill]"

    def __init__(self) -> None:
        super().__init__()
        self._configurations: dict[str, tuple[str, ...]] = {}
        self._steps = 0
        self._steps_left = 0
        self._has_failed = False
        place = MEMORY if os.access(MEMORY, os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="perdure-drill-", dir=place))
        try:
            with self._noted():
                self._rehearsal = self.drill.rehearse(self._folder)
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    @initialize(data=st.data())
    def start_first(self, data: st.DataObject) -> None:
        """Start the first instance, and draw how many steps follow.

        Hypothesis leaves out what comes after a step that fails. A rehearsal that fails at its end, when the file is
        judged once more, is shortened by this number alone.
        """
        self._steps_left = data.draw(st.sampled_from(LENGTHS))
        self._start(data)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Send an event, mostly; or send one again, or start one more instance."""
        if not self._steps_left:
            return
        self._steps_left -= 1
        running, what = self._running(), data.draw(st.sampled_from(WHAT))
        if not running or (what == "start" and len(running) < INSTANCES_MAX):
            self._start(data)
        elif what == "again":
            self._send_again(data)
        else:
            self._send(data, running)

    def _start(self, data: st.DataObject) -> None:
        given = data.draw(self.drill.initial)
        instance = f"i-{self._steps}"
        payload = self.drill.definition.prove_data(given)
        self._do(data, Step(instance, START, payload, None, self._now(), shown=f"start {instance} {given!r}"))

    def _send(self, data: st.DataObject, running: list[str]) -> None:
        definition = self.drill.definition
        instance = data.draw(st.sampled_from(running))
        name = data.draw(st.sampled_from(definition.chart.events(self._configurations[instance])))
        event: Any = data.draw(self.drill.payloads[name])
        roles = data.draw(st.sampled_from(self.drill.roles[name]))
        shown = f"{instance} {event!r}{f' as {roles}' if roles else ''}"
        payload = definition.events[name].encode(event)
        self._do(data, Step(instance, name, payload, f"k-{self._steps}", self._now(), roles, shown))

    def _send_again(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self._rehearsal.done) - 1))
        with self._noted():
            self._rehearsal.again(place)

    def _do(self, data: st.DataObject, step: Step) -> None:
        disaster = _disaster(data.draw(st.integers(0, len(DISASTERS))), self._steps)
        with self._noted():
            answer = self._rehearsal.do(step, disaster)
        if isinstance(answer, Committed):
            self._configurations[step.instance] = configuration_of(answer.after)

    def _running(self) -> list[str]:
        events = self.drill.definition.chart.events
        return [instance for instance, configuration in self._configurations.items() if events(configuration)]

    def _now(self) -> int:
        self._steps += 1
        return EPOCH + self._steps * TICK

    @contextmanager
    def _noted(self) -> Generator[None]:
        try:
            yield
        except (DrillError, ChildError) as error:
            self._has_failed = True
            self.drill.note(error)
            raise

    def teardown(self) -> None:
        """Judge the whole once more, and remove the files."""
        try:
            if not self._has_failed:
                with self._noted():
                    self._rehearsal.finish()
        finally:
            self.drill.leave()
            shutil.rmtree(self._folder, ignore_errors=True)
