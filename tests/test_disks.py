"""The simulated disks do what they say: states that a log allows, failures where they are planned, bits and deaths."""

import gc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import apsw
import pytest

from examples.order import SCHEMA
from persistence import SQLiteStore, StoreError, StoreFull
from recovery.drills.disks.failing import FAULTS, FailingDisk, Fault
from recovery.drills.disks.killing import work
from recovery.drills.disks.kills import Saying, die
from recovery.drills.disks.losing import record
from recovery.drills.disks.recording import Op, RecordingDisk
from recovery.drills.disks.rot import Flip, flips
from recovery.drills.disks.sending import Heard
from recovery.drills.disks.states import CrashState, CrashStates
from recovery.drills.disks.trial import FILE
from recovery.drills.steps import Committed
from tests.disasters.ledger import ledgers

OLD, NEW, MORE = (bytes([letter]) * 512 for letter in b"onm")
MADE = (Op("create", FILE, 1), Op("folder"))
SECTOR = 512


def disk_with(*log: Op) -> RecordingDisk:
    """Return a disk on which this happened."""
    disk = RecordingDisk(Path("/nowhere") / FILE)
    disk.log = list(log)
    return disk


def at_the_end(*log: Op, states_max: int = 100) -> set[tuple[tuple[str, bytes], ...]]:
    """Return what the files may be after the last entry of a log."""
    states = CrashStates(disk_with(*log), sector=SECTOR, states_max=states_max)
    return {tuple(sorted(state.files.items())) for state in states.at_end()}


def write(data: bytes, *, offset: int = 0, file: int = 1, name: str = FILE) -> Op:
    return Op("write", name, file, offset=offset, data=data)


def contents(*wanted: bytes) -> set[tuple[tuple[str, bytes], ...]]:
    return {((FILE, one),) for one in wanted}


# -- power loss: what a log allows -------------------------------------------------------------------------------------


def test_what_was_synced_is_certain() -> None:
    assert at_the_end(*MADE, write(OLD + NEW), Op("sync", FILE, 1)) == contents(OLD + NEW)


def test_each_sector_that_was_not_synced_is_old_or_new_whatever_the_others_are() -> None:
    log = (*MADE, write(OLD + OLD), Op("sync", FILE, 1), write(NEW), write(NEW, offset=SECTOR))
    assert at_the_end(*log) == contents(OLD + OLD, NEW + OLD, OLD + NEW, NEW + NEW)


def test_a_sector_holds_any_of_the_contents_that_it_had_since_its_sync() -> None:
    log = (*MADE, write(OLD), Op("sync", FILE, 1), write(NEW), write(MORE))
    assert at_the_end(*log) == contents(OLD, NEW, MORE)


def test_a_write_across_a_sector_may_be_torn_at_its_border() -> None:
    log = (*MADE, write(OLD + OLD), Op("sync", FILE, 1), write(b"nn", offset=SECTOR - 1))
    begun, ended = OLD[:-1] + b"n" + OLD, OLD + b"n" + OLD[1:]
    assert at_the_end(*log) == contents(OLD + OLD, begun, ended, begun[:SECTOR] + ended[SECTOR:])


def test_a_file_that_grew_may_be_short_or_hold_zeros() -> None:
    log = (*MADE, write(OLD), Op("sync", FILE, 1), write(NEW, offset=SECTOR))
    assert at_the_end(*log) == contents(OLD, OLD + bytes(SECTOR), OLD + NEW)


def test_a_truncate_that_was_not_synced_may_not_have_happened() -> None:
    log = (*MADE, write(OLD), Op("sync", FILE, 1), Op("truncate", FILE, 1))
    assert contents(OLD, b"") <= at_the_end(*log)


def test_a_file_that_was_made_may_be_missing_until_its_folder_is_synced() -> None:
    made = (Op("create", FILE, 1), write(OLD), Op("sync", FILE, 1))
    assert at_the_end(*made) == {(), *contents(OLD)}
    assert at_the_end(*made, Op("folder")) == contents(OLD)


def test_a_file_that_was_deleted_may_be_back_until_its_folder_is_synced() -> None:
    made = (*MADE, write(OLD), Op("sync", FILE, 1), Op("delete", FILE, 1))
    assert at_the_end(*made) == {(), *contents(OLD)}
    assert at_the_end(*made, Op("folder")) == {()}


def test_a_file_that_was_deleted_and_made_again_is_another_one() -> None:
    """Its name may stand for the first, for the second or for none; what is synced in one is not in the other."""
    log = (*MADE, write(OLD), Op("sync", FILE, 1), Op("delete", FILE, 1), Op("create", FILE, 2), write(NEW, file=2))
    assert at_the_end(*log, Op("sync", FILE, 2)) == {(), *contents(OLD, NEW)}


def test_two_files_keep_no_order_between_them() -> None:
    log = f"{FILE}-wal"
    made = (*MADE, Op("create", log, 2), Op("folder"), write(OLD), write(NEW, file=2, name=log))
    found = {tuple(len(content) for _, content in files) for files in at_the_end(*made)}
    assert found == {(0, 0), (0, SECTOR), (SECTOR, 0), (SECTOR, SECTOR)}


def test_only_the_sectors_under_the_write_may_hold_noise() -> None:
    log = (*MADE, write(OLD + OLD), Op("sync", FILE, 1), write(NEW, offset=SECTOR))
    last = [one for one in CrashStates(disk_with(*log), sector=SECTOR) if "call 5 of 5" in one.story]
    assert {one.files[FILE][:SECTOR] for one in last} == {OLD}
    assert [one.story for one in last if one.files[FILE][SECTOR:] not in {OLD, NEW}] == [
        one.story for one in last if "noise" in one.story
    ]


def test_every_state_is_made_where_they_are_few_and_a_sample_is_counted_where_they_are_many() -> None:
    log = (*MADE, write(OLD * 20), Op("sync", FILE, 1), *(write(NEW, offset=place * SECTOR) for place in range(20)))
    states = CrashStates(disk_with(*log), sector=SECTOR, states_max=64, has_noise=False)
    assert states.distinct == 0
    made = list(states)
    assert states.distinct == len(made)
    assert states.possible > 2**20
    assert states.whole < states.points == len(log)
    assert states.tried <= 64 * states.points


def test_the_same_seed_draws_the_same_states() -> None:
    log = (*MADE, *(write(NEW, offset=place * SECTOR) for place in range(20)))
    drawn = [[one.digest for one in CrashStates(disk_with(*log), sector=SECTOR, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_state_says_what_its_caller_knew_and_when_it_was() -> None:
    log = (*MADE, write(OLD), Op("sync", FILE, 1), Op("told", told=1))
    last = list(CrashStates(disk_with(*log), sector=SECTOR))[-1]
    assert (last.told, last.story.split(";")[0]) == (1, "power lost after call 5 of 5, the acknowledgement 1")


# -- power loss: recording a real one ----------------------------------------------------------------------------------


def newest(disk: RecordingDisk) -> CrashState:
    return next(CrashStates(disk).at_end())


def left(folder: Path) -> dict[str, bytes]:
    """Return what a store leaves behind when it is closed."""
    return {name: (folder / name).read_bytes() for name in (FILE, f"{FILE}-anchor")}


def test_the_log_of_a_store_makes_the_very_files_that_it_left(tmp_path: Path) -> None:
    recording = record(ledgers(7), tmp_path)
    assert newest(recording.disk).files == left(tmp_path)


def test_what_stood_there_before_is_durable(tmp_path: Path) -> None:
    record(ledgers(4), tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with RecordingDisk(tmp_path / FILE) as disk:
        ledgers(7).open(tmp_path / FILE, vfs=disk.name).close()
    assert next(iter(CrashStates(disk))).files[FILE] == before
    assert newest(disk).files == left(tmp_path)


def test_a_disk_records_its_own_path_alone(tmp_path: Path) -> None:
    with RecordingDisk(tmp_path / FILE) as disk:
        SQLiteStore(tmp_path / "other.db", vfs=disk.name).close()
    assert disk.log == []


def test_a_connection_that_is_collected_late_touches_no_other_disk(tmp_path: Path) -> None:
    with RecordingDisk(tmp_path / "one.db") as first:
        late = apsw.Connection(str(tmp_path / "one.db"), vfs=first.name)
        late.execute("pragma journal_mode=wal; create table t (a)").fetchall()
        with RecordingDisk(tmp_path / FILE) as second:
            store = SQLiteStore(tmp_path / FILE, vfs=second.name)
            count = len(second.log)
            del late
            gc.collect()
            assert len(second.log) == count
            store.close()
    assert any(op.kind == "delete" and op.name == "one.db-wal" for op in first.log)


def test_the_folder_is_synced_with_the_first_sync_of_each_log(tmp_path: Path) -> None:
    """As SQLite's own VFS does it, which tells nobody."""
    log = record(ledgers(4), tmp_path).disk.log
    before = [log[place - 1] for place, op in enumerate(log) if op.kind == "folder"]
    assert [(op.kind, op.name) for op in before] == [
        ("sync", f"{FILE}{suffix}") for suffix in ("-journal", "-wal", "-anchor")
    ]


def test_several_connections_work_on_one_recording_disk(tmp_path: Path) -> None:
    with RecordingDisk(tmp_path / FILE) as disk:
        first = SQLiteStore(tmp_path / FILE, vfs=disk.name, schema=SCHEMA)
        second = SQLiteStore(tmp_path / FILE, vfs=disk.name)
        assert first.facts.store_id == second.facts.store_id
        first.close()
        second.close()
    assert newest(disk).files == left(tmp_path)


# -- I/O errors --------------------------------------------------------------------------------------------------------


@pytest.fixture
def failing() -> Iterator[FailingDisk]:
    with FailingDisk() as disk:
        yield disk


def strike(disk: FailingDisk, folder: Path) -> Callable[[], None]:
    """Open, write and close a file through a disk, with a small cache, so that all kinds of calls happen."""

    def go() -> None:
        connection = apsw.Connection(str(folder / "x.db"), vfs=disk.name)
        try:
            connection.execute("pragma cache_size = 1; create table if not exists t (a); insert into t values (1)")
            changes = "pragma journal_mode = truncate; delete from t; select count(*) from sqlite_schema"
            connection.execute(changes).fetchall()
        finally:
            connection.close(force=True)

    return go


@pytest.mark.parametrize(("kind", "how"), sorted(FAULTS))
def test_every_fault_strikes_the_call_that_it_names(tmp_path: Path, failing: FailingDisk, kind: str, how: str) -> None:
    strike(failing, tmp_path)()
    count = failing.calls[kind]
    assert count > 0, f"no {kind} happened: the test says nothing"
    is_lasting = how == "short"  # a header that is too short is a new file's
    failing.fault = Fault(kind, how, count + 1, is_lasting=is_lasting)
    with pytest.raises(apsw.Error):
        strike(failing, tmp_path)()
    assert failing.struck == 1 or is_lasting


def test_a_lasting_fault_strikes_until_the_disk_is_mended(tmp_path: Path, failing: FailingDisk) -> None:
    failing.fault = Fault("write", "ENOSPC", 1, is_lasting=True)
    for _ in range(2):
        with pytest.raises(apsw.FullError):
            strike(failing, tmp_path)()
    failing.mend()
    strike(failing, tmp_path)()
    assert failing.struck > 1


def test_the_store_says_in_its_own_words_that_the_disk_is_full(tmp_path: Path, failing: FailingDisk) -> None:
    failing.fault = Fault("write", "ENOSPC", 1, is_lasting=True)
    with pytest.raises(StoreFull):
        SQLiteStore(tmp_path / FILE, vfs=failing.name)


def test_a_store_whose_close_fails_says_so_with_a_code_and_is_closed(tmp_path: Path, failing: FailingDisk) -> None:
    store = SQLiteStore(tmp_path / FILE, vfs=failing.name)
    failing.fault = Fault("sync", "EIO", 1, is_lasting=True)
    with pytest.raises(StoreError):
        store.close()
    failing.mend()
    SQLiteStore(tmp_path / FILE).close()


# -- bits --------------------------------------------------------------------------------------------------------------


def test_a_flip_turns_one_bit_and_a_second_turn_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0\0\0")
    flip = Flip(path, 10)
    flip.turn()
    assert path.read_bytes() == b"\0\4\0"
    flip.turn()
    assert path.read_bytes() == b"\0\0\0"


def test_every_bit_of_every_file_is_drawn_once_where_all_are_asked_for(tmp_path: Path) -> None:
    paths = [tmp_path / "x", tmp_path / "y"]
    paths[0].write_bytes(b"ab")
    paths[1].write_bytes(b"c")
    drawn = list(flips(*paths, count=1_000))
    wanted = [*(Flip(paths[0], bit) for bit in range(16)), *(Flip(paths[1], bit) for bit in range(8))]
    assert sorted(drawn, key=str) == sorted(wanted, key=str)


def test_the_same_seed_draws_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(1_000))
    drawn = [list(flips(path, count=20, seed=seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


# -- deaths ------------------------------------------------------------------------------------------------------------


def test_a_process_dies_before_the_call_that_is_drawn_and_what_it_said_is_kept(tmp_path: Path) -> None:
    death = die(partial(work, trial=ledgers(7), path=tmp_path / FILE, done=0), call=150)
    assert death.is_killed
    assert 0 < len(death.heard) < 7
    assert all(isinstance(one, Heard) and isinstance(one.answer, Committed) for one in death.heard)


def count_without_end(say: Saying, call: int | None) -> None:
    for number in count():
        say(number)


def test_a_process_is_killed_once_it_has_said_so_much() -> None:
    death = die(count_without_end, answers=3)
    assert death.is_killed
    assert death.heard == tuple(range(len(death.heard)))
    assert len(death.heard) >= 3


def test_a_process_that_nobody_kills_does_its_work(tmp_path: Path) -> None:
    death = die(partial(work, trial=ledgers(7), path=tmp_path / FILE, done=0))
    assert (death.code, len(death.heard)) == (0, 7)
