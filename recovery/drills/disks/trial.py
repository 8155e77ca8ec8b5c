"""A work that disasters strike: what one caller does, group after group, on a file that he opens.

A group is one step, which he sends and waits for, or several, which he queues so that they are one batch.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from attrs import field, frozen

import recovery
from persistence import SQLiteStore, Store
from recovery.drills.disks.sending import Call, Gate, Hears, Outcome, as_one_batch, outcome_of, unheard
from recovery.drills.doing import do_step
from recovery.drills.rehearsed import AnyWorkflow
from recovery.drills.steps import Step
from statemachine import Engine, Limits, Transition
from statemachine.limits import COUNT_MAX
from statemachine.workflow import definition_of

__all__ = ["FILE", "Caller", "Group", "Trial", "copied", "plain"]

FILE = "trial.db"
UNHURRIED = Limits(batch_ms_max=COUNT_MAX)  # a group is one batch, also where the machine stands still

Wrap = Callable[[SQLiteStore], Store]
"""What stands between the engine and the store: where faults are planted."""

Group = tuple[Step, ...]
"""Steps that are committed together. They have one time, and come to the same in whatever order they are done."""


def plain(store: SQLiteStore) -> Store:
    """Plant nothing."""
    return store


@frozen
class Trial:
    """A workflow, the user's tables, and what a caller does.

    A step takes a version, or fails as `fails` says: always, whatever else of its group was done. Each that takes one
    has a key, or is a start in a group of its own.
    """

    workflow: type[AnyWorkflow]
    schema: str
    groups: tuple[Group, ...]
    level: str = "full"
    wrap: Wrap = field(default=plain)
    fails: Mapping[Step, str] = field(factory=dict[Step, str])  # code of the refusal, or name of what is raised
    is_whole: bool = True  # the steps of a group are one commit; else they are decided again one by one
    held: Step | None = None  # refused by the chart whenever there is a group of several: behind it they queue up

    def open(self, path: Path, *, vfs: str | None = None) -> "Caller":
        """Recover and open a file, and return somebody who does the steps. Raises StoreError."""
        store = SQLiteStore(path, level=self.level, schema=self.schema, vfs=vfs)
        caller = Caller(self)
        try:
            caller.engine = recovery.open(self.wrap(store), self.workflow, clock=caller.clock, limits=UNHURRIED)
        except BaseException:
            store.close()
            raise
        return caller


class Caller:
    """Does groups of steps on an open file, one group at a time."""

    engine: Engine

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._time = 0
        self._gate: Gate | None = None  # where the next one stands who asks for the time
        self._definition = definition_of(trial.workflow)

    def clock(self) -> int:
        """What the engine takes for the time: that of the step."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.stand()
        return self._time

    def do(self, group: Sequence[Step], *, hear: Hears = unheard) -> list[Outcome]:
        """Do a group and return what came of each step, which `hear` is told as soon as it is known.

        What is committed is durable on return. Raises whatever the engine raises before anything was queued.
        """
        self._time = group[0].time
        if len(group) > 1:
            return self._together(group, hear)
        outcome = outcome_of(partial(do_step, self.engine, self._trial.workflow, self._definition, step=group[0]))
        hear(0, outcome)
        return [outcome]

    def _together(self, group: Sequence[Step], hear: Hears) -> list[Outcome]:
        assert self._trial.held is not None
        gate = self._gate = Gate()
        try:
            return as_one_batch(gate, self._call(self._trial.held)(), [self._call(step) for step in group], hear=hear)
        finally:
            self._gate = None

    def _call(self, step: Step) -> Call:
        event = self._definition.events[step.event].decode(step.payload)

        def call() -> Future[Transition]:
            return self.engine.get(self._trial.workflow, step.instance).submit(event, key=step.key, roles=step.roles)

        return call

    def close(self) -> None:
        """Close the file. Raises StoreError."""
        self.engine.close()


def copied(files: Iterable[Path], folder: Path) -> Path:
    """Copy the files of a database that nobody of this process has open, and return where it is."""
    for file in files:
        shutil.copy(file, folder / file.name)
    return folder / FILE
