"""No disaster costs what was acknowledged, tears anything or fails without a code; and planted faults are found.

Small versions of what `make disasters` runs.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import evolve

from persistence import SQLiteStore
from recovery.drills.disks.erring import strike
from recovery.drills.disks.failing import Fault
from recovery.drills.disks.judging import judge, look
from recovery.drills.disks.losing import lose_power_again
from recovery.drills.disks.results import Result
from recovery.drills.disks.rot import Flip
from recovery.drills.disks.states import CrashState, CrashStates
from recovery.drills.disks.trial import FILE, copied
from recovery.drills.disks.undisturbed import Undisturbed
from recovery.drills.judge import Kind
from recovery.drills.steps import Opened
from tests.disasters import runs
from tests.disasters.ledger import ledgers
from tests.disasters.runs import CONTROLS, FOLDED_PAGES, SIZES, SOUND, at_rest, folding, prepared, scratch
from tests.disasters.table import DISASTERS

SMALL = SIZES["small"]
LONG = {runs.loses_power_with, runs.fails_syncs_with}
LOG_HEADER, FRAME = 32, 24 + 4096


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as folder:
        yield folder


def check_clean(result: Result) -> None:
    assert result.tried > 0
    assert not result.bad, "\n".join(result.stories)


# -- disasters over the engine as it is --------------------------------------------------------------------------------


def name_of(run: Callable[..., Result]) -> str:
    if not isinstance(run, partial):
        return run.__name__
    told = (f"{name}={getattr(value, '__name__', value)}" for name, value in run.keywords.items())
    return " ".join([run.func.__name__, *told])


@pytest.mark.long
@pytest.mark.parametrize("run", DISASTERS, ids=name_of)
def test_a_disaster_costs_nothing_that_its_level_promises(folder: Path, run: Callable[..., Result]) -> None:
    check_clean(run(folder, SMALL))


def test_power_loss_at_full_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    result = runs.power_on_a_store(folder, ledgers(5))
    check_clean(result)
    assert not result.seen["tail lost"]


def test_power_loss_at_normal_loses_the_tail_and_nothing_else(folder: Path) -> None:
    result = runs.power_on_a_store(folder, ledgers(5, level="normal"))
    check_clean(result)
    assert result.seen["tail lost"], "no tail was lost: the disk lost nothing"


@pytest.mark.parametrize("fault", [Fault("sync", "EIO", 12), Fault("write", "ENOSPC", 150, is_lasting=True)], ids=str)
def test_a_caller_who_sends_again_after_an_error_gets_every_answer_once(folder: Path, fault: Fault) -> None:
    trial, result = ledgers(7), Result("one")
    with prepared(folder, trial) as (work, _, wanted):
        strike(trial, work, fault, wanted=wanted, result=result)
    check_clean(result)
    assert result.seen["struck"] == 1


def test_processes_that_are_killed_lose_nothing_that_they_had_said(folder: Path) -> None:
    result = runs.kills(folder, evolve(SMALL, kills=2))
    check_clean(result)
    assert result.seen["kills"] >= 2


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "killed"])
def test_a_verification_says_so_where_a_bit_has_turned_and_something_has_changed(
    folder: Path, *, is_closed: bool
) -> None:
    check_clean(runs.rotten(folder, SMALL, is_closed=is_closed))


# -- planted faults ----------------------------------------------------------------------------------------------------


def slow(table: dict[str, runs.Control]) -> list[object]:
    """Mark those that lose power, and those that strike nearly as often."""
    marks = {True: [pytest.mark.long], False: []}
    return [pytest.param(name, marks=marks[struck_by(table[name][0]) in LONG]) for name in table]


def struck_by(run: Callable[..., Result]) -> Callable[..., Result]:
    return run.func if isinstance(run, partial) else run


@pytest.mark.parametrize("name", slow(CONTROLS))
def test_a_planted_fault_is_found(folder: Path, name: str) -> None:
    run, wrap, kind = CONTROLS[name]
    result = run(folder, wrap)
    assert kind in result.kinds, f"{name} got by: {result}"


@pytest.mark.parametrize("name", slow(SOUND))
def test_the_same_disaster_without_the_fault_finds_nothing(folder: Path, name: str) -> None:
    run, wrap, _ = SOUND[name]
    check_clean(run(folder, wrap))


def test_the_judge_finds_an_acknowledgement_that_nothing_stands_behind(folder: Path) -> None:
    trial = ledgers(4)
    with prepared(folder, trial) as (work, recording, wanted):
        seen = look(ledgers(4), work / "recorded" / FILE)
        more = evolve(recording.told[-1][0], version=9)
        found = judge(seen, (*recording.told, (more,)), wanted=wanted)
    assert [one.kind for one in found] == [Kind.LOST]


def test_the_judge_finds_rows_of_the_user_that_disagree_with_the_journal(folder: Path) -> None:
    trial = ledgers(4)
    with prepared(folder, trial) as (work, recording, wanted):
        path = work / "recorded" / FILE
        engine = SQLiteStore(path)
        engine._writer.execute("update total set amount = amount + 1")
        engine.close()
        found = judge(look(trial, path), recording.told, wanted=wanted)
    assert [one.kind for one in found] == [Kind.DIFFERS]


def test_the_judge_finds_what_was_said_not_to_have_happened(folder: Path) -> None:
    trial = ledgers(4)
    with prepared(folder, trial) as (work, recording, wanted):
        seen = look(trial, work / "recorded" / FILE)
        assert not judge(seen, recording.told[:-1], wanted=wanted, under_way=trial.groups[-1])
        found = judge(seen, recording.told[:-1], wanted=wanted)
    assert [one.kind for one in found] == [Kind.LEFT_BEHIND]


def test_a_file_that_does_not_open_is_a_finding(folder: Path) -> None:
    (folder / FILE).write_bytes(b"no database" * 1_000)
    (folder / "undisturbed").mkdir()
    found = judge(look(ledgers(4), folder / FILE), (), wanted=Undisturbed(ledgers(4), folder / "undisturbed"))
    assert [one.kind for one in found] == [Kind.DAMAGED]


# -- a damaged log -----------------------------------------------------------------------------------------------------


def damaged_log(state: CrashState, folder: Path, *, frame: int) -> Path:
    """Make the files of a state, and damage one frame of the log."""
    state.write(folder)
    log = folder / f"{FILE}-wal"
    Flip(log, 8 * (LOG_HEADER + FRAME * frame + FRAME // 2)).turn()
    return folder / FILE


def test_a_store_whose_log_is_damaged_from_its_first_frame_on_stays_the_same_store(folder: Path) -> None:
    """The tail is gone, but not the store: an empty file would be taken for one in which no store is yet."""
    trial = ledgers(4)
    with prepared(folder, trial) as (work, recording, _):
        store = SQLiteStore(copied([work / "recorded" / FILE], folder), read_only=True)
        known = store.facts.store_id
        store.close()
        (folder / FILE).unlink()
        path = damaged_log(at_rest(recording, is_closed=False), folder, frame=0)
    again = SQLiteStore(path, read_only=True)
    try:
        assert again.facts.store_id == known
    finally:
        again.close()


def test_two_power_losses_and_a_disk_that_ruins_the_sector_under_a_write_lose_nothing(folder: Path) -> None:
    """What psow=0 pads a commit with need not outlive the first loss, so it protects nothing at the second.

    So the log is folded back before the first write after a crash.
    """
    trial = ledgers(4)
    with prepared(folder, trial) as (work, recording, wanted):
        answered = [one for one in CrashStates(recording.disk, states_max=2) if "acknowledgement 4" in one.story]
        result = lose_power_again(trial, recording, work, firsts=answered, wanted=wanted, has_noise=True)
    check_clean(result)


def test_an_acknowledged_tail_that_a_damaged_log_lost_is_told_with_its_range(folder: Path) -> None:
    trial = ledgers(7)
    with prepared(folder, trial) as (work, recording, _):
        (work / "damaged").mkdir()
        state = at_rest(recording, is_closed=False)
        frames = (len(state.files[f"{FILE}-wal"]) - LOG_HEADER) // FRAME
        seen = look(trial, damaged_log(state, work / "damaged", frame=frames // 2))
    assert isinstance(seen, Opened)
    left = len(seen.once.lines)
    assert 0 < left < 7
    assert seen.damage[0].startswith(f"TAIL LOST: rows {left + 1} to 7 committed, and not in the file any more")


def test_the_intact_frames_of_a_damaged_log_outlive_an_open_and_a_close(folder: Path) -> None:
    run, wrap, _ = SOUND["a damaged WAL that is opened and closed"]
    check_clean(run(folder, wrap))


# -- what the runs stand on --------------------------------------------------------------------------------------------


def test_a_log_is_folded_back_several_times_where_it_is_asked_for(folder: Path) -> None:
    """Else nothing is said of crashes in a checkpoint but that of the close."""
    trial = ledgers(10)
    with folding(FOLDED_PAGES), prepared(folder, trial) as (_, recording, _):
        last = max(place for place, op in enumerate(recording.disk.log) if op.kind == "told")
        folds = [op for op in recording.disk.log[:last] if op.kind == "sync" and op.name == FILE]
    assert len(folds) >= 3


def test_a_log_grows_several_times_ahead_of_what_is_written(folder: Path) -> None:
    """Else nothing is said of crashes while it does."""
    with prepared(folder, ledgers(10)) as (_, recording, _):
        log = recording.disk.log
    zeros = [place for place, op in enumerate(log) if op.name == f"{FILE}-wal" and op.data == bytes(4096)]
    assert sum(after - before > 2 for before, after in pairwise(zeros)) >= 2


def test_the_files_after_a_kill_hold_a_log_and_those_after_a_close_none(folder: Path) -> None:
    with prepared(folder, ledgers(4)) as (_, recording, _):
        assert sorted(at_rest(recording, is_closed=False).files) == [FILE, f"{FILE}-anchor", f"{FILE}-wal"]
        assert sorted(at_rest(recording, is_closed=True).files) == [FILE, f"{FILE}-anchor"]


def test_a_recording_is_the_same_files_as_a_copy_of_them(folder: Path) -> None:
    with prepared(folder, ledgers(4)) as (work, recording, _):
        shutil.copy(work / "recorded" / FILE, folder / "copy")
    assert next(CrashStates(recording.disk).at_end()).files[FILE] == (folder / "copy").read_bytes()
