"""A work that disasters strike, run by one caller, step after step; and the verdict on the files that they leave.

The caller keeps the only list that the judge believes. A file is good if and only if it opens, a first full recovery
finds nothing to repair and a second one finds the same, it holds every transition that the caller was told of, beside
them at most the one that was under way, and its rows, heads and user tables are those of the undisturbed run after as
many transitions. At the level `normal` a power loss may cost the tail of the list, and nothing else.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

import recovery
from persistence import SQLiteStore, Store, StoreError
from recovery.drills.doing import committed, do_step
from recovery.drills.evidence import evidence_of, tables_of
from recovery.drills.judge import Finding, Kind, compare, judge_file
from recovery.drills.rehearsed import AnyWorkflow
from recovery.drills.steps import Committed, Evidence, Opened, Step
from statemachine import Engine
from statemachine.workflow import definition_of

__all__ = ["FILE", "Caller", "Trial", "copied", "judge", "look", "plain", "undisturbed"]

FILE = "trial.db"
GOOD = "CLEAN"

Wrap = Callable[[SQLiteStore], Store]
"""What stands between the engine and the store: where faults are planted."""


def plain(store: SQLiteStore) -> Store:
    """Plant nothing."""
    return store


@frozen
class Trial:
    """A workflow, the user's tables, and what a caller does. Every step happens, and takes a version."""

    workflow: type[AnyWorkflow]
    schema: str
    steps: tuple[Step, ...]
    level: str = "full"
    wrap: Wrap = field(default=plain)

    def open(self, path: Path, *, vfs: str | None = None) -> "Caller":
        """Recover and open a file, and return somebody who does the steps. Raises StoreError."""
        store = SQLiteStore(path, level=self.level, schema=self.schema, vfs=vfs)
        caller = Caller(self)
        try:
            caller.engine = recovery.open(self.wrap(store), self.workflow, clock=caller.clock)
        except BaseException:
            store.close()
            raise
        return caller


class Caller:
    """Does steps on an open file, one at a time."""

    engine: Engine

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._time = 0
        self._definition = definition_of(trial.workflow)

    def clock(self) -> int:
        """What the engine takes for the time: that of the step."""
        return self._time

    def do(self, step: Step) -> Committed:
        """Do a step and return the answer. Durable on return; raises whatever the engine raises."""
        self._time = step.time
        return committed(do_step(self.engine, self._trial.workflow, self._definition, step=step))

    def close(self) -> None:
        """Close the file. Raises StoreError."""
        self.engine.close()


def undisturbed(trial: Trial, folder: Path) -> list[Evidence]:
    """Return what stands in a file after no step, after one, after two …, when nothing goes wrong."""
    caller = evolve(trial, wrap=plain).open(folder / FILE)
    try:
        found = [_evidence(caller.engine.store, folder / FILE)]
        for step in trial.steps:
            caller.do(step)
            found.append(_evidence(caller.engine.store, folder / FILE))
        return found
    finally:
        caller.close()


def look(trial: Trial, path: Path) -> Opened | Finding:
    """Open a file, recover it twice and return what stands in it; a finding if it does not open. Changes the file."""
    try:
        store = SQLiteStore(path, level=trial.level, schema=trial.schema)
        try:
            first = recovery.recover(store, trial.workflow, level="full")
            damage = [f"{one.instance} {one.verdict} {one.reason}" for one in first.instances if one.verdict != GOOD]
            once = _evidence(store, path)
            second = recovery.recover(store, trial.workflow, level="full")
            differs = "" if first == second else f"first {first.to_json()}\nthen {second.to_json()}"
            return Opened((*damage, *first.store), once, _evidence(store, path), differs)
        finally:
            store.close()
    except StoreError as error:
        return Finding(Kind.DAMAGED, "a file that opens", str(error))


def _evidence(store: Store, path: Path) -> Evidence:
    return evidence_of(store, observed=tables_of(str(path)))


def judge(
    trial: Trial,
    seen: Opened | Finding,
    told: Sequence[Committed],
    *,
    wanted: Sequence[Evidence],
    is_certain: bool = False,
    has_lost_power: bool = False,
) -> list[Finding]:
    """Return what must not be in a file; `wanted` is what the undisturbed run left after each step. Pure.

    `is_certain`: the caller was told that nothing is under way, so the file must hold what he knows and no more.
    """
    if isinstance(seen, Finding):
        return [seen]
    count = len(seen.once.lines)
    if has_lost_power and trial.level == "normal":
        told = told[:count]
    is_more = count > len(told) and not is_certain and len(told) < len(trial.steps)
    found = judge_file(seen, told, in_flight=trial.steps[len(told)] if is_more else None)
    if count < len(wanted):
        found += compare(seen.once, wanted[count])
    return found


def copied(files: Iterable[Path], folder: Path) -> Path:
    """Copy the files of a database that nobody of this process has open, and return where it is."""
    for file in files:
        shutil.copy(file, folder / file.name)
    return folder / FILE
