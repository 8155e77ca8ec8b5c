"""Runs rehearsals until the time is over or one fails, in rounds of which each has a seed: one seed, one run."""

import math
import os
import sys
import time
import unittest
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from recovery.drills.child import Setup
from recovery.drills.machine import STEPS_MAX, DrillMachine
from recovery.drills.matrix import Matrix
from recovery.drills.payloads import Values, values_of
from recovery.drills.process import ChildError, Process
from recovery.drills.rehearsal import Rehearsal
from recovery.drills.story import DrillError
from statemachine.definition import Definition
from statemachine.workflow import definition_of

__all__ = ["SEED_VARIABLE", "Drill"]

SEED_VARIABLE = "PERDURE_DRILL_SEED"
ROUND = 10  # rehearsals of one seed: what is repeated to see a failure again takes seconds
SHRINKS = 100  # rehearsals that look for a shorter story; a number, not a time, so that a seed repeats
SILENT = settings(
    max_examples=ROUND,
    stateful_step_count=STEPS_MAX,
    deadline=None,  # a fork and a sync take as long as they take
    database=None,  # the seed is what repeats a run
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    verbosity=Verbosity.quiet,  # the story is told by us
    report_multiple_bugs=False,
    print_blob=False,
)


class _Over(BaseException):
    """There was enough of it. Hypothesis looks into every Exception, and lets this one pass."""


class Drill:
    """A drill of one workflow. `TestCase` is what pytest or unittest collects; `run` is the same without them."""

    def __init__(
        self,
        setup: Setup,
        *,
        initial: "Values | None",
        strategies: Mapping[str, Values],
        seconds: float,
        seed: int | None,
    ) -> None:
        self.definition: Definition = definition_of(setup.workflow)
        events = self.definition.events
        self.initial = st.builds(self.definition.initial_data) if initial is None else initial
        self.payloads = {name: strategies.get(name, values_of(codec)) for name, codec in events.items()}
        self.roles = {name: _roles(self.definition, name) for name in events}
        nodes = self.definition.chart.nodes.values()
        self.matrix = Matrix(_rules(self.definition), starts_act=any(node.enter for node in nodes))
        self._setup = setup
        self._seconds = seconds
        self._seed = seed
        self._processes: tuple[Process, Process] | None = None
        self._failure: DrillError | ChildError | None = None
        self._shrinks, self._shrinks_max = 0, SHRINKS
        self._ends = math.inf
        self._is_over = False
        self.TestCase: type[DrillCase] = type(f"Drill{self.definition.name}", (DrillCase,), {"drill": self})

    def run(
        self,
        *,
        seconds: float | None = None,
        seed: int | None = None,
        examples: int | None = None,
        shrinks: int = SHRINKS,
    ) -> Matrix:
        """Rehearse, and return what was covered. Raises DrillError, whose text is the story, and ChildError.

        `seconds` (by default the drill's) is the time after which no rehearsal begins; `examples`, a number of
        rehearsals, takes its place. `seed` repeats a run; without it the environment's, the drill's own or a random one
        is used. `shrinks` bounds how many rehearsals look for a shorter story of a failure.
        """
        self._shrinks_max = shrinks
        first = self._first_seed(seed)
        if examples is None:
            self._ends = time.monotonic() + (self._seconds if seconds is None else seconds)
        rounds = count() if examples is None else range(-(-examples // ROUND))
        with self._open():
            for number in rounds:
                self._round(first + number)
                if time.monotonic() >= self._ends:
                    break
        self._check_acknowledged()
        return self.matrix

    def _check_acknowledged(self) -> None:
        """Raise where nothing ever worked: both runs agree on that, and nothing was judged."""
        matrix = self.matrix
        if matrix.rehearsals and not matrix.acknowledged:
            told = f"drill of {self.definition.name}: nothing was acknowledged in {matrix.rehearsals} rehearsals"
            raised = "".join(f"\n  {what}: {matrix.texts[what]}" for what, _ in matrix.raised.most_common(1))
            raise DrillError(f"{told}, so nothing was judged{raised}", steps=0, findings=())

    def _first_seed(self, given: int | None) -> int:
        if given is not None:
            return given
        told = os.environ.get(SEED_VARIABLE)
        if told is not None:
            if not told.isdecimal():
                raise ValueError(f"{SEED_VARIABLE}={told!r} is no seed: it is a whole number, as a story prints it")
            return int(told)
        return int.from_bytes(os.urandom(3), "big") if self._seed is None else self._seed

    def _round(self, number: int) -> None:
        """Rehearse with one seed. Raises the failure that was found, with how to repeat it."""
        self._failure, self._shrinks, self._is_over = None, 0, False
        machine = seed(number)(type("Rehearsing", (DrillMachine,), {"drill": self}))
        try:
            run_state_machine_as_test(machine, settings=SILENT)
        except _Over:
            pass
        except Exception:  # Hypothesis says that it is flaky, where a failure or the end of the time cut it short
            if not (self._is_over or self._has_failed()):
                raise
        found = self._failure
        if found is not None:
            found.args = (f"{found}\n  repeat    {_repeat(number)}",)
            raise found

    def _has_failed(self) -> bool:
        return self._failure is not None

    # -- called by the machine -----------------------------------------------------------------------------------------

    def rehearse(self, folder: Path) -> Rehearsal:
        """Return a rehearsal in a folder. Raises _Over where there was enough of it."""
        if self._failure is None:
            self._is_over = time.monotonic() >= self._ends
        else:
            self._shrinks += 1
            self._is_over = self._shrinks > self._shrinks_max or isinstance(self._failure, ChildError)
        if self._is_over:
            raise _Over
        assert self._processes is not None
        return Rehearsal(*self._processes, folder=folder, matrix=self.matrix, name=self.definition.name)

    def note(self, error: DrillError | ChildError) -> None:
        """Keep the shortest story."""
        known = self._failure
        if isinstance(known, DrillError) and isinstance(error, DrillError) and known.steps <= error.steps:
            return
        self._failure = error

    def leave(self) -> None:
        """End the children of a rehearsal."""
        if self._processes is not None and not isinstance(self._failure, ChildError):
            for process in self._processes:
                process.leave()

    @contextmanager
    def _open(self) -> Generator[None]:
        """Have two servers, for the disturbed run and the undisturbed one."""
        self._processes = Process(self._setup), Process(self._setup)
        try:
            for process in self._processes:
                process.wait_for_server()
            yield
        finally:
            for process in self._processes:
                process.close()
            self._processes = None


def _rules(definition: Definition) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.action for rule in sorted(definition.chart.rules, key=lambda rule: rule.order)))


def _roles(definition: Definition, event: str) -> list[tuple[str, ...]]:
    """Return who sends an event: mostly somebody with every role that a rule of it asks for, sometimes nobody."""
    asked = tuple(dict.fromkeys(role for rule in definition.chart.rules if rule.event == event for role in rule.roles))
    return [asked, asked, asked, ()] if asked else [()]


def _repeat(number: int) -> str:
    """Return the command that repeats a round: of the test that runs, or of the call."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    return f"{SEED_VARIABLE}={number} python -m pytest '{test}'" if test else f"run(seed={number})"


class DrillCase(unittest.TestCase):
    """Runs a drill, and prints what it has covered. Each drill has a subclass of its own."""

    drill: ClassVar[Drill]

    def test_drill(self) -> None:
        """Rehearse for as long as the drill says."""
        sys.stdout.write(f"\n{self.drill.run()}\n")
