"""A run of kills: a process does a trial and dies at a drawn moment, another one goes on, and so on, file after file.

After each death a copy of the files is judged against what the dead had said; the file itself is left to the next
process, which recovers it. A step that was under way is done again: it is answered from the record if it happened.
"""

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from recovery.drills.disks.kills import Death, KillingDisk, Saying, die, prepare
from recovery.drills.disks.recording import SUFFIXES
from recovery.drills.disks.results import Progress, Result
from recovery.drills.disks.trial import FILE, Trial, copied, judge, look
from recovery.drills.judge import Finding, Kind
from recovery.drills.steps import Committed, Evidence, Opened

__all__ = ["kill"]

CALLS_MAX = 150  # of a life that its disk ends: about six transitions
ANSWERS_MAX = 8  # of a life that the parent ends


def work(say: Saying, call: int | None, *, trial: Trial, path: Path, done: int) -> None:
    """Do what is left of a trial, in a process that may die."""
    with KillingDisk(call=call) as disk:
        caller = trial.open(path, vfs=disk.name)
        for step in trial.steps[done:]:
            say(caller.do(step))
        caller.close()


def kill(
    trial: Trial,
    folder: Path,
    *,
    wanted: Sequence[Evidence],
    kills: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Kill processes that do a trial, so many times, and judge what each leaves."""
    result, draw = Result(f"kills, {trial.level}"), random.Random(seed)
    prepare(trial.workflow.__module__, __name__)
    while result.seen["kills"] < kills:
        with TemporaryDirectory(dir=folder) as name:
            _whole_trial(trial, Path(name), draw, wanted=wanted, result=result)
        result.seen["files"] += 1
        if progress is not None:
            progress(result.seen["kills"])
    return result


def _whole_trial(
    trial: Trial, folder: Path, draw: random.Random, *, wanted: Sequence[Evidence], result: Result
) -> None:
    """Let one process after the other go on with a file, until a trial is done."""
    told: list[Committed] = []
    is_done = False
    while not is_done:
        call, answers = {"call": draw.randint(1, CALLS_MAX)}, {"answers": draw.randint(1, ANSWERS_MAX)}
        moment = draw.choice((call, answers))
        death = die(partial(work, trial=trial, path=folder / FILE, done=len(told)), **moment)
        told += [one for one in death.heard if isinstance(one, Committed)]
        is_done = death.code == 0
        result.seen["kills"] += death.is_killed
        story = f"process killed at {moment} with {len(told)} acknowledged"
        result.judge(story, [*_unplanned(death), *_left(trial, folder, told, wanted=wanted, result=result)])


def _unplanned(death: Death) -> list[Finding]:
    if death.is_killed or death.code == 0:
        return []
    return [Finding(Kind.DAMAGED, "a process that is killed, or does its work", f"exit code {death.code}")]


def _left(
    trial: Trial, folder: Path, told: Sequence[Committed], *, wanted: Sequence[Evidence], result: Result
) -> list[Finding]:
    """Judge a copy of what a process left behind; no process has it open."""
    files = [path for suffix in SUFFIXES if (path := folder / f"{FILE}{suffix}").exists()]
    with TemporaryDirectory(dir=folder) as name:
        seen = look(trial, copied(files, Path(name)))
    if isinstance(seen, Opened):
        result.seen["committed, not acknowledged"] += len(seen.once.lines) > len(told)
    return judge(trial, seen, told, wanted=wanted)
