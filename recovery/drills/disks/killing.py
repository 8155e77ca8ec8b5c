"""A run of kills: a process does a trial and dies at a drawn moment, another one goes on, and so on, file after file.

After each death a copy of the files is judged against what the dead had said; the file itself is left to the next
process, which recovers it. A group that was under way is done again: its steps are answered from the record if they
happened.
"""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from recovery.drills.disks.judging import judge, look, rows_told
from recovery.drills.disks.kills import Death, KillingDisk, Saying, die, prepare
from recovery.drills.disks.recording import SUFFIXES
from recovery.drills.disks.results import Result
from recovery.drills.disks.sending import Heard, Outcome, answer_of
from recovery.drills.disks.trial import FILE, Group, Trial, copied
from recovery.drills.disks.undisturbed import Undisturbed
from recovery.drills.judge import Finding, Kind
from recovery.drills.steps import Answer, Committed, Opened

__all__ = ["kill"]

CALLS_MAX = 150  # of a life that its disk ends: about six transitions
ANSWERS_MAX = 8  # of a life that the parent ends
FILES_MAX = 10  # for each kill: a life that is over before the parent ends it kills nobody


def work(say: Saying, call: int | None, *, trial: Trial, path: Path, done: int) -> None:
    """Do what is left of a trial behind so many groups, in a process that may die."""
    with KillingDisk(call=call) as disk:
        caller = trial.open(path, vfs=disk.name)
        for number, group in enumerate(trial.groups[done:], start=done):
            caller.do(group, hear=partial(_say, say=say, group=number))
        caller.close()


def _say(place: int, outcome: Outcome, *, say: Saying, group: int) -> None:
    say(Heard(group, place, answer_of(outcome)))


def kill(
    trial: Trial,
    folder: Path,
    *,
    wanted: Undisturbed,
    kills: int,
    seed: int = 0,
) -> Result:
    """Kill processes that do a trial, so many times, and judge what each leaves."""
    result, draw = Result(f"kills, {trial.level}"), random.Random(seed)
    prepare(trial.workflow.__module__, __name__)
    while result.seen["kills"] < kills and result.seen["files"] < FILES_MAX * kills:
        with TemporaryDirectory(dir=folder) as name:
            _whole_trial(trial, Path(name), draw, wanted=wanted, result=result)
        result.seen["files"] += 1
    return result


def _whole_trial(trial: Trial, folder: Path, draw: random.Random, *, wanted: Undisturbed, result: Result) -> None:
    """Let one process after the other go on with a file, until a trial is done."""
    heard = _Heard(trial)
    is_done = False
    while not is_done:
        call, answers = {"call": draw.randint(1, CALLS_MAX)}, {"answers": draw.randint(1, ANSWERS_MAX)}
        moment = draw.choice((call, answers))
        death = die(partial(work, trial=trial, path=folder / FILE, done=heard.done), **moment)
        answered = [one for one in death.heard if isinstance(one, Heard)]
        heard.take(answered)
        is_done = not death.is_killed
        result.seen["kills"] += death.is_killed
        story = f"process killed at {moment} with {heard.done} groups answered, and {len(heard.of_next)} of the next"
        differing = [finding for one in answered for finding in _differing(trial, one, wanted)]
        left = _left(trial, folder, heard, wanted=wanted, result=result)
        result.judge(story, [*_unplanned(death), *differing, *left])


class _Heard:
    """What processes have said of a trial: of groups that are done, and of the one after them."""

    def __init__(self, trial: Trial) -> None:
        self._groups = trial.groups
        self._told: list[tuple[Committed, ...]] = []
        self.of_next: dict[int, Answer] = {}

    @property
    def done(self) -> int:
        """How many groups are done; a process goes on behind them."""
        return len(self._told)

    @property
    def told(self) -> list[tuple[Committed, ...]]:
        """What is durable, by group; of the last one perhaps not all of it is known."""
        return [*self._told, _committed(self.of_next)]

    @property
    def under_way(self) -> Group:
        """The steps of the group of which not all was heard."""
        return self._groups[self.done] if self.done < len(self._groups) else ()

    def take(self, heard: Sequence[Heard]) -> None:
        """Take note of what a process said."""
        for one in heard:
            self.of_next[one.place] = one.answer
            if len(self.of_next) == len(self._groups[one.group]):
                self._told.append(_committed(self.of_next))
                self.of_next = {}


def _committed(answers: Mapping[int, Answer]) -> tuple[Committed, ...]:
    return tuple(one for one in answers.values() if isinstance(one, Committed))


def _unplanned(death: Death) -> list[Finding]:
    if death.is_killed or death.code == 0:
        return []
    return [Finding(Kind.DAMAGED, "a process that is killed, or does its work", f"exit code {death.code}")]


def _differing(trial: Trial, heard: Heard, wanted: Undisturbed) -> list[Finding]:
    return wanted.differing(trial.groups[heard.group][heard.place], heard.answer)


def _left(trial: Trial, folder: Path, heard: _Heard, *, wanted: Undisturbed, result: Result) -> list[Finding]:
    """Judge a copy of what a process left behind; no process has it open."""
    files = [path for suffix in SUFFIXES if (path := folder / f"{FILE}{suffix}").exists()]
    with TemporaryDirectory(dir=folder) as name:
        seen = look(trial, copied(files, Path(name)))
    if isinstance(seen, Opened):
        result.seen["committed, not acknowledged"] += len(seen.once.lines) > len(rows_told(heard.told))
    is_answered, is_whole = bool(heard.of_next), trial.is_whole
    return judge(seen, heard.told, wanted=wanted, under_way=heard.under_way, is_whole=is_whole, is_answered=is_answered)
