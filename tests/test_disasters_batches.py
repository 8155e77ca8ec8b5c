"""What is committed together is lost together or not at all, whoever of it was answered may rely on all of it.

Small versions of what `make disasters` runs over group commit, and the negative controls of its judge.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from persistence import Closed, SQLiteStore
from recovery.drills.disks.erring import strike
from recovery.drills.disks.failing import Fault
from recovery.drills.disks.judging import judge, kept, look
from recovery.drills.disks.results import Result
from recovery.drills.disks.sending import Gate, as_one_batch, unheard
from recovery.drills.disks.trial import FILE, Trial
from recovery.drills.disks.undisturbed import Undisturbed
from recovery.drills.judge import Kind
from recovery.drills.steps import Evidence, Opened, Refusal
from statemachine import Refused, Transition
from tests.disasters import runs
from tests.disasters.ledger import batches
from tests.disasters.runs import SIZES, prepared, scratch

STARTS = 3


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as folder:
        yield folder


def seals(path: Path) -> list[int]:
    """Return the last row of each commit."""
    store = SQLiteStore(path, read_only=True)
    try:
        with store.reader() as reader:
            return [row.n for row in reader.lane() if row.seal is not None]
    finally:
        store.close()


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def check_clean(result: Result) -> None:
    assert result.tried > 0
    assert not result.bad, "\n".join(result.stories)


def one_batch(level: str = "full") -> Trial:
    """Return a trial of three starts and one batch of three transitions."""
    trial = batches(2, level=level)
    return evolve(trial, groups=trial.groups[: STARTS + 1])


# -- the trial ---------------------------------------------------------------------------------------------------------


def test_each_batch_of_the_trial_is_one_commit(folder: Path) -> None:
    """Else nothing is said of crashes in a commit of several."""
    with prepared(folder, batches(3)) as (work, _, _):
        assert seals(work / "recorded" / FILE) == [1, 2, 3, 6, 9, 10]


def test_a_member_that_ends_the_transaction_has_all_of_its_batch_decided_again_one_by_one(folder: Path) -> None:
    with prepared(folder, batches(3, is_whole=False)) as (work, _, _):
        assert seals(work / "recorded" / FILE) == [*range(1, 11)]


def test_the_trial_has_members_that_are_refused_that_raise_that_break_a_key_and_that_come_twice(folder: Path) -> None:
    with prepared(folder, batches(3)) as (_, recording, _):
        replayed = [one.replayed for group in recording.told for one in group]
    assert set(batches(3).fails.values()) == {"guard_failed", "SpoiltError", "SqlFailed", "key_reused"}
    assert (replayed.count(False), replayed.count(True)) == (10, 1)


def test_a_trial_that_does_not_go_as_it_says_is_no_trial(folder: Path) -> None:
    """Else an engine that does nothing would agree with itself."""
    trial = one_batch()
    with pytest.raises(ValueError, match=r"c: .* the trial says a version, it came to guard_failed"):
        Undisturbed(evolve(trial, fails={}), folder)
    with pytest.raises(ValueError, match=r"a: .* the trial says guard_failed, it came to a version"):
        Undisturbed(evolve(trial, fails={BATCH[0]: "guard_failed"}), made(folder / "other"))


def test_batches_come_to_what_the_same_steps_come_to_one_by_one(folder: Path) -> None:
    with prepared(folder, batches(6)) as (work, recording, wanted):
        assert judge(look(batches(6), work / "recorded" / FILE), recording.told, wanted=wanted) == []


# -- disasters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["full", "normal"])
def test_power_loss_takes_a_batch_whole_or_not_at_all(folder: Path, level: str) -> None:
    result = runs.power_on_a_store(folder, one_batch(level))
    check_clean(result)
    assert bool(result.seen["tail lost"]) is (level == "normal")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("sync", "EIO", 13),
        Fault("sync", "EIO", 14, is_lasting=True),
        Fault("write", "ENOSPC", 160, is_lasting=True),
    ],
    ids=str,
)
def test_a_caller_who_sends_again_what_failed_of_a_batch_gets_every_answer_once(folder: Path, fault: Fault) -> None:
    trial, result = batches(3), Result("one")
    with prepared(folder, trial) as (work, _, wanted):
        strike(trial, work, fault, wanted=wanted, result=result)
    check_clean(result)
    assert result.seen["struck"] == 1


def test_processes_that_are_killed_in_a_batch_lose_nothing_that_they_had_said(folder: Path) -> None:
    result = runs.kills(folder, evolve(SIZES["small"], kills=2), work=runs.together)
    check_clean(result)
    assert result.seen["kills"] >= 2


# -- the judge ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def done(folder: Path) -> Iterator[tuple[Opened, Any, Undisturbed]]:
    """Return the file of such a trial, what was told of it, and what is wanted."""
    trial = one_batch()
    with prepared(folder, trial) as (work, recording, wanted):
        seen = look(trial, work / "recorded" / FILE)
        assert isinstance(seen, Opened)
        yield seen, recording.told, wanted


BATCH = one_batch().groups[STARTS]


def without(seen: Opened, *keys: str) -> Opened:
    """Take rows from what was seen, as if they had never been."""
    lines = tuple(line for line in seen.once.lines if line.key not in keys)
    less: Evidence = evolve(seen.once, lines=lines)
    return evolve(seen, once=less, twice=less)


def kinds(*args: Any, **more: Any) -> list[Kind]:
    return [one.kind for one in judge(*args, **more) if one.kind is not Kind.DIFFERS]


def test_a_batch_that_was_under_way_may_be_there_whole(done: tuple[Opened, Any, Undisturbed]) -> None:
    seen, told, wanted = done
    assert judge(seen, told[:STARTS], wanted=wanted, under_way=BATCH) == []
    assert judge(seen, told[:STARTS], wanted=wanted, under_way=BATCH, is_answered=True) == []


def test_a_torn_batch_is_found(done: tuple[Opened, Any, Undisturbed]) -> None:
    seen, told, wanted = done
    torn = without(seen, "add-3")
    assert kinds(torn, told[:STARTS], wanted=wanted, under_way=BATCH) == [Kind.LEFT_BEHIND]
    assert kinds(torn, told[:STARTS], wanted=wanted, under_way=BATCH, is_whole=False) == []


def test_a_batch_of_which_anybody_was_answered_and_that_is_not_there_is_found(
    done: tuple[Opened, Any, Undisturbed],
) -> None:
    """A refusal is an answer too: it was decided on what those before it left."""
    seen, told, wanted = done
    gone = without(seen, "add-1", "add-2", "add-3")
    assert kinds(gone, told[:STARTS], wanted=wanted, under_way=BATCH) == []
    assert kinds(gone, told[:STARTS], wanted=wanted, under_way=BATCH, is_answered=True) == [Kind.LOST]


def test_the_row_of_a_member_that_was_refused_is_found(done: tuple[Opened, Any, Undisturbed]) -> None:
    seen, told, wanted = done
    refused = evolve(seen.once.lines[-1], instance="c", version=2, event="Add", key="none-0")
    more = evolve(seen.once, lines=(*seen.once.lines, refused))
    found = judge(evolve(seen, once=more, twice=more), told, wanted=wanted, under_way=BATCH)
    assert [one.kind for one in found] == [Kind.LEFT_BEHIND, Kind.DIFFERS]


def test_a_tail_that_is_lost_begins_with_the_first_batch_of_which_anything_is_missing(
    done: tuple[Opened, Any, Undisturbed],
) -> None:
    seen, told, _ = done
    assert kept(told, seen) == told
    assert kept(told, without(seen, "add-3")) == told[:STARTS]


def test_an_answer_that_is_not_that_of_an_undisturbed_caller_is_found(folder: Path) -> None:
    (folder / "undisturbed").mkdir()
    wanted, added = Undisturbed(one_batch(), folder / "undisturbed"), BATCH[0]
    assert wanted.differing(added, wanted.answer(added)) == []
    (found,) = wanted.differing(added, Refusal("guard_failed"))
    assert (found.kind, found.found) == (Kind.DIFFERS, "guard_failed")


# -- holding -----------------------------------------------------------------------------------------------------------


def test_where_the_call_that_holds_the_others_back_fails_nothing_is_queued() -> None:
    held: Future[Transition] = Future()
    held.set_exception(Closed("it is closed"))
    queued: list[int] = []

    def call() -> Future[Transition]:
        queued.append(1)
        return Future()

    with pytest.raises(Closed, match="it is closed"):
        as_one_batch(Gate(), held, [call], hear=unheard)
    assert queued == []


def test_a_call_that_is_not_taken_is_answered_with_why(folder: Path) -> None:
    trial = batches(2)
    caller = trial.open(folder / FILE)
    try:
        for group in trial.groups[:STARTS]:
            caller.do(group)
        nobody = evolve(BATCH[0], instance="nobody")
        refused, done = caller.do((nobody, BATCH[1]))
    finally:
        caller.close()
    assert isinstance(refused, Refused)
    assert refused.code == "unknown_instance"
    assert not isinstance(done, Exception)
