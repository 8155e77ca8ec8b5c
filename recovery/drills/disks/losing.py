"""A run of power losses: a trial is recorded once, and each state that the disk could hold is opened and judged."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from recovery.drills.disks.recording import RecordingDisk
from recovery.drills.disks.results import Progress, Result
from recovery.drills.disks.states import STATES_MAX, CrashState, CrashStates
from recovery.drills.disks.trial import FILE, Trial, judge, look
from recovery.drills.judge import Finding
from recovery.drills.steps import Committed, Evidence, Opened

__all__ = ["Recording", "looked_at", "lose_power", "lose_power_again", "record"]

STATES_AGAIN_MAX = 4  # drawn at one point of a recovery: each first crash has about a hundred


@frozen
class Recording:
    """A disk with its log, and what the caller was told meanwhile."""

    disk: RecordingDisk
    told: tuple[Committed, ...]


def record(trial: Trial, folder: Path) -> Recording:
    """Do every step of a trial on a recording disk, close the file, and return both."""
    told: list[Committed] = []
    with RecordingDisk(folder / FILE) as disk:
        caller = trial.open(folder / FILE, vfs=disk.name)
        try:
            for step in trial.steps:
                told.append(caller.do(step))
                disk.tell(len(told))
        finally:
            caller.close()
    return Recording(disk, tuple(told))


def looked_at(trial: Trial, state: CrashState, *, beside: Path) -> Opened | Finding:
    """Make a state's files in a new folder, open them, and return what is there."""
    with _written(state, beside) as folder:
        return look(trial, folder / FILE)


@contextmanager
def _written(state: CrashState, beside: Path) -> Generator[Path]:
    with TemporaryDirectory(dir=beside) as name:
        state.write(Path(name))
        yield Path(name)


def lose_power(
    trial: Trial,
    recording: Recording,
    folder: Path,
    *,
    wanted: Sequence[Evidence],
    sector: int = 4096,
    states_max: int = STATES_MAX,
    seed: int = 0,
    progress: Progress | None = None,
) -> Result:
    """Lose power after each call of a recording, and judge what a disk may hold then."""
    result = Result(f"power loss, {trial.level}, sectors of {sector}")
    states = CrashStates(recording.disk, sector=sector, states_max=states_max, seed=seed)
    seen: dict[bytes, Opened | Finding] = {}
    for state in states:
        if state.digest not in seen:
            seen[state.digest] = looked_at(trial, state, beside=folder)
        found, told = seen[state.digest], recording.told[: state.told]
        result.judge(state.story, judge(trial, found, told, wanted=wanted, has_lost_power=True))
        if isinstance(found, Opened):
            result.seen["tail lost"] += len(found.once.lines) < len(told)
        if progress is not None:
            progress(result.tried)
    result.extent = f"{states.points} crashes, {states.whole} whole; {len(seen)} files of {states.possible:.1e} states"
    return result


def lose_power_again(
    trial: Trial,
    recording: Recording,
    folder: Path,
    *,
    firsts: Iterable[CrashState],
    wanted: Sequence[Evidence],
    has_noise: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Lose power as `firsts` say, and lose it again at each call of the recovery that follows.

    The recovery goes on with the step after those that are there, so that a second crash strikes a write as well.
    """
    result = Result(f"power loss in recovery, {trial.level}")
    for state in firsts:
        told = recording.told[: state.told]
        if trial.level == "normal":  # the first loss may have cost its tail, and the work goes on before it
            there = looked_at(trial, state, beside=folder)
            told = told[: len(there.once.lines) if isinstance(there, Opened) else 0]
        with _written(state, folder) as first:
            again = _recovered(trial, first, told=told)
            for second in CrashStates(again.disk, states_max=STATES_AGAIN_MAX, has_noise=has_noise):
                found = looked_at(trial, second, beside=folder)
                known = again.told[: second.told] if second.told else told
                story = f"{state.story}\n  then, in the recovery, {second.story}"
                result.judge(story, judge(trial, found, known, wanted=wanted, has_lost_power=True))
                if progress is not None:
                    progress(result.tried)
        result.seen["first crashes"] += 1
    return result


def _recovered(trial: Trial, folder: Path, *, told: Sequence[Committed]) -> Recording:
    """Open a file after a crash, do one more step and close it, all of it recorded."""
    with RecordingDisk(folder / FILE) as disk:
        caller = trial.open(folder / FILE, vfs=disk.name)
        try:
            if len(told) < len(trial.steps):
                told = (*told, caller.do(trial.steps[len(told)]))
                disk.tell(len(told))
        finally:
            caller.close()
    return Recording(disk, tuple(told))
