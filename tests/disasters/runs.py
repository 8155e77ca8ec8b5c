"""What `make disasters` runs: disasters over the engine as it is, and planted faults that must not get by."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve, frozen

import recovery
from persistence.sqlite import connection
from recovery.drills.disks.erring import fail_disk, strike
from recovery.drills.disks.failing import Fault
from recovery.drills.disks.killing import kill
from recovery.drills.disks.losing import Recording, lose_power, lose_power_again, record
from recovery.drills.disks.results import Result
from recovery.drills.disks.rotting import cut_log, keeps_frames, rot
from recovery.drills.disks.states import CrashState, CrashStates
from recovery.drills.disks.trial import FILE, Trial, Wrap, plain
from recovery.drills.disks.undisturbed import Undisturbed
from tests.disasters import planted
from tests.disasters.ledger import batches, ledgers

TRANSITIONS = 10
BATCHES = 3  # with three starts before them, of as many transitions
KILLS_WITH = 12  # of a planted fault, or of none
FOLDED_PAGES = 8  # with so few, the log is folded back several times within ten transitions
GROWN = {"GROWN_PAGES": 8, "GROWN_FROM": 28, "GROWN_MARGIN": 1}  # by little and often: any zero is as good to strike
NEVER = Fault("open", "EIO", 10**9)


@frozen
class Size:
    """How much of each disaster there is."""

    states: int  # drawn at one point of a power loss
    again_every: int  # every so many states are struck a second time
    faults_every: int
    kills: int
    flips: int


SIZES = {
    "small": Size(states=3, again_every=400, faults_every=60, kills=6, flips=25),
    "whole": Size(states=12, again_every=150, faults_every=1, kills=500, flips=1_500),
    "thorough": Size(states=128, again_every=20, faults_every=1, kills=2_000, flips=10_000),
}


@contextmanager
def scratch() -> Generator[Path]:
    """Return a folder in memory where there is one: what is simulated needs no disk that keeps it."""
    memory = Path("/dev/shm")  # noqa: S108  # the folder made in it is another each time
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def logs(**settings: int) -> Generator[None]:
    """Open stores whose logs grow or are folded back otherwise."""
    before = {name: getattr(connection, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(connection, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(connection, name, value)


def folding(pages: int | None) -> AbstractContextManager[None]:
    """Fold the log back as soon as it has so many pages."""
    return logs() if pages is None else logs(CHECKPOINT_PAGES=pages)


Work = Callable[[str], Trial]
"""A trial at a level of durability."""


def alone(level: str) -> Trial:
    """Every step is sent by itself."""
    return ledgers(TRANSITIONS, level=level)


def together(level: str) -> Trial:
    """Several steps are one batch."""
    return batches(BATCHES, level=level)


def together_in_vain(level: str) -> Trial:
    """Several steps are one batch, until one of them ends its transaction: then they are decided again one by one."""
    return batches(BATCHES, level=level, is_whole=False)


NAMES: dict[Work, str] = {alone: "", together: ", group commit", together_in_vain: ", group commit in vain"}


@contextmanager
def prepared(folder: Path, trial: Trial) -> Generator[tuple[Path, Recording, Undisturbed]]:
    """Record a trial, and do it undisturbed: a folder to work in, the recording, and what is wanted."""
    with logs(**GROWN), TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        for part in ("undisturbed", "recorded"):
            (work / part).mkdir()
        yield work, record(trial, work / "recorded"), Undisturbed(trial, work / "undisturbed")


def named(result: Result, work: Work, *, pages: int | None = None) -> Result:
    """Say in the name of a result what was struck."""
    result.name += ", log folded back" if pages else ""
    result.name += NAMES[work]
    return result


def power(
    folder: Path,
    size: Size,
    *,
    work: Work = alone,
    level: str = "full",
    sector: int = 4096,
    pages: int | None = None,
) -> Result:
    trial = work(level)
    with folding(pages), prepared(folder, trial) as (place, recording, wanted):
        found = lose_power(trial, recording, place, wanted=wanted, sector=sector, states_max=size.states)
        return named(found, work, pages=pages)


def power_on_a_store(folder: Path, trial: Trial) -> Result:
    """Lose power at each call of a trial on a store that is there already: a sample for the tests."""
    for part in ("recorded", "undisturbed"):
        (folder / part).mkdir()
    with logs(**GROWN):
        trial.open(folder / "recorded" / FILE).close()
        recording, wanted = record(trial, folder / "recorded"), Undisturbed(trial, folder / "undisturbed")
        return lose_power(trial, recording, folder, wanted=wanted, states_max=1)


def power_twice(folder: Path, size: Size, *, work: Work = alone, level: str = "full") -> Result:
    trial = work(level)
    with prepared(folder, trial) as (place, recording, wanted):
        firsts = islice(CrashStates(recording.disk, states_max=4), 0, None, size.again_every)
        return named(lose_power_again(trial, recording, place, firsts=firsts, wanted=wanted), work)


def errors(folder: Path, size: Size, *, work: Work = alone, pages: int | None = None) -> Result:
    trial = work("full")
    with folding(pages), prepared(folder, trial) as (place, _, wanted):
        found = fail_disk(trial, place, wanted=wanted, every=size.faults_every)
        return named(found, work, pages=pages)


def kills(folder: Path, size: Size, *, work: Work = alone) -> Result:
    trial = batches(2 * BATCHES) if work is together else ledgers(2 * TRANSITIONS)
    with prepared(folder, trial) as (place, _, wanted):
        return named(kill(trial, place, wanted=wanted, kills=size.kills), work)


def rotten(folder: Path, size: Size, *, is_closed: bool) -> Result:
    """Bits of a file that was closed, or of the file and the log that a kill left behind."""
    trial = ledgers(TRANSITIONS)
    with folding(FOLDED_PAGES), prepared(folder, trial) as (work, recording, _):
        return rot(trial, at_rest(recording, is_closed=is_closed), work, count=size.flips)


def cut(folder: Path, size: Size) -> Result:
    """Files that a kill left behind each answer, and the last commit is gone from their log."""
    del size
    return cuts_log_with(folder, plain)


def cuts_log_with(folder: Path, wrap: Wrap) -> Result:
    trial = evolve(ledgers(TRANSITIONS), wrap=wrap)
    with prepared(folder, trial) as (work, recording, _):
        return cut_log(trial, recording, work)


def at_rest(recording: Recording, *, is_closed: bool) -> CrashState:
    """Return the files after the close, or after a kill behind the last answer."""
    log = recording.disk.log
    last = max(place for place, op in enumerate(log, start=1) if op.kind == "told")
    return next(CrashStates(recording.disk, end=None if is_closed else last).at_end())


# -- planted faults ----------------------------------------------------------------------------------------------------


def loses_power_with(folder: Path, wrap: Wrap, *, work: Work = alone) -> Result:
    trial = evolve(work("full"), wrap=wrap)
    with prepared(folder, trial) as (place, recording, wanted):
        return lose_power(trial, recording, place, wanted=wanted, states_max=2)


def dies_with(folder: Path, wrap: Wrap, *, work: Work = alone) -> Result:
    """Kill some processes."""
    trial = evolve(work("full"), wrap=wrap)
    with TemporaryDirectory(dir=folder) as name:
        (Path(name) / "undisturbed").mkdir()
        wanted = Undisturbed(trial, Path(name) / "undisturbed")
        return kill(trial, Path(name), wanted=wanted, kills=KILLS_WITH)


def fails_syncs_with(folder: Path, wrap: Wrap, *, work: Work = alone) -> Result:
    """Fail each sync, once or until the disk is mended: a batch whose COMMIT failed once is decided again at once."""
    faults = [Fault("sync", "EIO", number, is_lasting=lasts) for number in range(1, 20) for lasts in (False, True)]
    return struck_with(evolve(work("full"), wrap=wrap), folder, faults)


def meets_nothing_with(folder: Path, wrap: Wrap, *, work: Work = alone) -> Result:
    return struck_with(evolve(work("full"), wrap=wrap), folder, [NEVER])


def struck_with(trial: Trial, folder: Path, faults: list[Fault]) -> Result:
    result = Result("planted")
    with logs(**GROWN), TemporaryDirectory(dir=folder) as name:
        wanted = Undisturbed(trial, Path(name))
        for fault in faults:
            with TemporaryDirectory(dir=folder) as place:
                strike(trial, Path(place), fault, wanted=wanted, result=result)
    return result


def opens_damaged_log_with(folder: Path, wrap: Wrap) -> Result:
    """Damage a log at rest, open the file and close it, as everybody does who has not looked before."""
    trial = evolve(ledgers(TRANSITIONS), wrap=wrap)
    with prepared(folder, trial) as (work, recording, _):
        return keeps_frames(at_rest(recording, is_closed=False), work, lambda path: trial.open(path).close())


def opens_damaged_log_alone_with(folder: Path, wrap: Wrap) -> Result:
    """The same, and the anchor is gone: nothing tells that the log was longer."""
    trial = evolve(ledgers(TRANSITIONS), wrap=wrap)

    def visit(path: Path) -> None:
        path.with_name(f"{path.name}-anchor").unlink()
        trial.open(path).close()

    with prepared(folder, trial) as (work, recording, _):
        return keeps_frames(at_rest(recording, is_closed=False), work, visit)


def verifies_damaged_log_with(folder: Path, wrap: Wrap) -> Result:
    """The same, and only a verification looks into it."""
    trial = evolve(ledgers(TRANSITIONS), wrap=wrap)
    with prepared(folder, trial) as (work, recording, _):
        return keeps_frames(
            at_rest(recording, is_closed=False), work, lambda path: recovery.verify(path, trial.workflow)
        )


def grouped(run: Callable[..., Result]) -> Callable[[Path, Wrap], Result]:
    """Strike batches, and not steps that are sent by themselves."""
    return partial(run, work=together)


Control = tuple[Callable[[Path, Wrap], Result], Wrap, str]

CONTROLS: dict[str, Control] = {
    "synchronous=OFF": (loses_power_with, planted.unsynced, "LOST"),
    "an answer given before COMMIT": (loses_power_with, planted.answers_first, "LOST"),
    "a head written outside the transaction": (loses_power_with, planted.head_outside, "DAMAGED"),
    "a failed COMMIT taken for absent after a mere read": (fails_syncs_with, planted.believes_reads, "LEFT_BEHIND"),
    "user SQL that ends the transaction": (meets_nothing_with, planted.sql_ends, "DIFFERS"),
    "user SQL that leaves a cursor open": (loses_power_with, planted.cursor_open, "DIFFERS"),
    "a damaged WAL whose intact frames are gone after an open and a close": (
        opens_damaged_log_alone_with,
        plain,
        "LOST",
    ),
    "an anchor written after the answer": (cuts_log_with, planted.anchors_late, "LOST"),
    "an anchor written before COMMIT": (loses_power_with, planted.anchors_early, "DAMAGED"),
    "a cache that survives a rollback": (meets_nothing_with, planted.remembering, "DAMAGED"),
    "a batch answered before COMMIT, power lost": (grouped(loses_power_with), planted.answers_first, "LOST"),
    "a batch answered before COMMIT, killed": (grouped(dies_with), planted.answers_first, "LOST"),
    "a batch in two commits": (grouped(loses_power_with), planted.commits_twice, "LEFT_BEHIND"),
    "a failed COMMIT of a batch taken for absent": (grouped(fails_syncs_with), planted.believes_reads, "LEFT_BEHIND"),
    "a deferred foreign key that fails a neighbour": (grouped(meets_nothing_with), planted.keys_fail_all, "LOST"),
    "a member that fails and takes a neighbour's SQL along": (
        grouped(meets_nothing_with),
        planted.undoes_neighbours,
        "DIFFERS",
    ),
    "a member that fails and leaves its SQL to a neighbour": (
        grouped(meets_nothing_with),
        planted.undoes_none,
        "DIFFERS",
    ),
}
"""Planted fault -> the disasters that must find it, and what it is called there. The damaged WAL needs no planting but
that its anchor is taken away."""

SOUND: dict[str, Control] = {
    "no fault, power lost": (loses_power_with, plain, ""),
    "no fault, syncs that fail": (fails_syncs_with, plain, ""),
    "a damaged WAL that is opened and closed": (opens_damaged_log_with, plain, ""),
    "a log that is cut": (cuts_log_with, plain, ""),
    "a damaged WAL that is only verified": (verifies_damaged_log_with, plain, ""),
    "a commit that is refused once": (meets_nothing_with, planted.refusing, ""),
    "no fault, power lost, group commit": (grouped(loses_power_with), plain, ""),
    "no fault, killed, group commit": (grouped(dies_with), plain, ""),
    "no fault, syncs that fail, group commit": (grouped(fails_syncs_with), plain, ""),
    "no fault, group commit": (grouped(meets_nothing_with), plain, ""),
    "a commit of a batch that is refused once": (grouped(meets_nothing_with), planted.refusing, ""),
    "foreign keys that COMMIT alone looks at": (grouped(meets_nothing_with), planted.keys_unchecked, ""),
}
"""The same disasters without a fault, which find nothing. A batch that COMMIT refuses is decided again one by one: so a
foreign key that nobody looks at before harms no neighbour either, as long as it is not told to all."""
