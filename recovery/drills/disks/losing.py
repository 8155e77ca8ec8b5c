"""A run of power losses: a trial is recorded once, and each state that the disk could hold is opened and judged."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen

from recovery.drills.disks.judging import Told, judge, kept, look
from recovery.drills.disks.recording import RecordingDisk
from recovery.drills.disks.results import Result
from recovery.drills.disks.sending import Outcome, answer_of
from recovery.drills.disks.states import STATES_MAX, CrashState, CrashStates
from recovery.drills.disks.trial import FILE, Caller, Group, Trial
from recovery.drills.disks.undisturbed import Undisturbed
from recovery.drills.judge import Finding
from recovery.drills.steps import Committed, Opened

__all__ = ["Recording", "looked_at", "lose_power", "lose_power_again", "record", "told_of"]

STATES_AGAIN_MAX = 4  # drawn at one point of a recovery: each first crash has about a hundred


@frozen
class Recording:
    """A disk with its log, and what the caller was told meanwhile: of each group, and of each step."""

    disk: RecordingDisk
    told: tuple[Told, ...]
    outcomes: tuple[tuple[Outcome, ...], ...] = ()


def record(trial: Trial, folder: Path) -> Recording:
    """Do every group of a trial on a recording disk, close the file, and return both.

    The log says where each of a group is answered: by the first one all of it must be durable.
    """
    with RecordingDisk(folder / FILE) as disk:
        caller = trial.open(folder / FILE, vfs=disk.name)
        try:
            outcomes = [_done(caller, group, disk, number=number) for number, group in enumerate(trial.groups, start=1)]
        finally:
            caller.close()
    return Recording(disk, tuple(told_of(group) for group in outcomes), tuple(outcomes))


def _done(caller: Caller, group: Group, disk: RecordingDisk, *, number: int) -> tuple[Outcome, ...]:
    """Do a group, and note in the log where it is heard of."""

    def hear(place: int, outcome: Outcome) -> None:
        del place, outcome
        disk.tell(number)

    return tuple(caller.do(group, hear=hear))


def told_of(outcomes: Iterable[Outcome]) -> Told:
    """Return what a caller knows to be durable. Pure."""
    return tuple(one for one in outcomes if isinstance(one, Committed))


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
    wanted: Undisturbed,
    sector: int = 4096,
    states_max: int = STATES_MAX,
    seed: int = 0,
) -> Result:
    """Lose power after each call of a recording, and judge what a disk may hold then."""
    result = Result(f"power loss, {trial.level}, sectors of {sector}")
    result.judge("nothing lost yet", _differing(trial, recording, wanted))
    states = CrashStates(recording.disk, sector=sector, states_max=states_max, seed=seed)
    seen: dict[bytes, Opened | Finding] = {}
    for state in states:
        if state.digest not in seen:
            seen[state.digest] = looked_at(trial, state, beside=folder)
        found, told = seen[state.digest], recording.told[: state.told]
        result.judge(state.story, _left(trial, found, told, wanted=wanted))
        result.seen["tail lost"] += len(kept(told, found)) < len(told)
    result.extent = f"{states.points} crashes, {states.whole} whole; {len(seen)} files of {states.possible:.1e} states"
    return result


def _differing(trial: Trial, recording: Recording, wanted: Undisturbed) -> list[Finding]:
    """Return how the answers of a caller differ from those of an undisturbed one."""
    answers = zip(chain(*trial.groups), chain(*recording.outcomes), strict=False)
    return [one for step, outcome in answers for one in wanted.differing(step, answer_of(outcome))]


def _left(trial: Trial, seen: Opened | Finding, told: Sequence[Told], *, wanted: Undisturbed) -> list[Finding]:
    """Judge a file that a power loss left behind so many groups."""
    whole = kept(told, seen) if trial.level == "normal" else told
    begun = trial.groups[len(told) : len(told) + 1] if len(whole) == len(told) else ()
    return judge(seen, whole, wanted=wanted, under_way=[*chain(*begun)], is_whole=trial.is_whole)


def lose_power_again(
    trial: Trial,
    recording: Recording,
    folder: Path,
    *,
    firsts: Iterable[CrashState],
    wanted: Undisturbed,
    has_noise: bool = False,
) -> Result:
    """Lose power as `firsts` say, and lose it again at each call of the recovery that follows.

    The recovery goes on with the group after those that are there, so that a second crash strikes a write as well.
    """
    result = Result(f"power loss in recovery, {trial.level}")
    for state in firsts:
        told: Sequence[Told] = recording.told[: state.told]
        if trial.level == "normal":  # the first loss may have cost its tail, and the work goes on before it
            there = looked_at(trial, state, beside=folder)
            told = kept(told, there)
        with _written(state, folder) as first:
            again = _recovered(trial, first, told=told)
            for second in CrashStates(again.disk, states_max=STATES_AGAIN_MAX, has_noise=has_noise):
                found = looked_at(trial, second, beside=folder)
                known = again.told[: second.told] if second.told else told
                story = f"{state.story}\n  then, in the recovery, {second.story}"
                result.judge(story, _left(trial, found, known, wanted=wanted))
        result.seen["first crashes"] += 1
    return result


def _recovered(trial: Trial, folder: Path, *, told: Sequence[Told]) -> Recording:
    """Open a file after a crash, do one more group and close it, all of it recorded."""
    with RecordingDisk(folder / FILE) as disk:
        caller = trial.open(folder / FILE, vfs=disk.name)
        try:
            if len(told) < len(trial.groups):
                told = [*told, told_of(_done(caller, trial.groups[len(told)], disk, number=len(told) + 1))]
        finally:
            caller.close()
    return Recording(disk, tuple(told))
