"""The anchor tells of a lost tail, bars every write until that is accepted, and never cries wolf."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

import recovery
from persistence import CannotOpen, Closed, NotFound, ReadOnlyStore, SQLiteStore, TailLost
from persistence.sqlite.anchor import SLOT_BYTES, SYNC_COMMITS, Slot, decoded
from recovery.drills.disks.counting import CountingDisk
from recovery.drills.disks.failing import FailingDisk
from recovery.drills.disks.passing import Call, Disk
from recovery.drills.disks.recording import RecordingDisk
from statemachine import Engine
from tests.children import Add, Tally, run_child
from tests.damage import mistype

FRAME = 24 + 4096
R = TypeVar("R")
SENT = 9
COMMAND = "from perdure.cli import main; main()"

KILLED = """
import os, signal, sys
from statemachine import Engine
from tests.children import Add, Tally
path, level, anchor, count = sys.argv[1:]
engine = Engine(path, Tally, durability=level, anchor=anchor or None)
tally = engine.start(Tally, id="t")
for number in range(int(count)):
    tally.send(Add(1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, *, level: str = "full", anchor: str = "", count: int = SENT) -> Path:
    """Return the file of a process that was killed after a start and `count` events."""
    path = folder / "t.db"
    assert run_child(KILLED, path, level, anchor, str(count)) == (-9, "")
    return path


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def cut(path: Path) -> None:
    """Take the second half of the log's frames away."""
    log = beside(path, "-wal")
    frames = (log.stat().st_size - 32) // FRAME
    os.truncate(log, 32 + FRAME * (frames // 2))


def damage(path: Path) -> None:
    """Turn a byte in the middle of the log over."""
    log = beside(path, "-wal")
    content = bytearray(log.read_bytes())
    content[32 + FRAME * ((len(content) - 32) // FRAME // 2) + 100] ^= 0xFF
    log.write_bytes(content)


def delete(path: Path) -> None:
    beside(path, "-wal").unlink()


def slots(path: Path) -> list[Slot | None]:
    content = beside(path, "-anchor").read_bytes()
    return [decoded(content[place : place + SLOT_BYTES]) for place in range(0, len(content), SLOT_BYTES)]


def sent(path: Path, count: int, *, start: bool = True) -> None:
    """Send so many events, and close the file."""
    with Engine(path, Tally) as engine:
        tally = engine.start(Tally, id="t") if start else engine.get(Tally, "t")
        for _ in range(count):
            tally.send(Add(1))


# -- the slot ----------------------------------------------------------------------------------------------------------


def test_a_slot_comes_back_as_it_was_and_no_bit_of_it_can_turn_unseen() -> None:
    slot = Slot("0123456789abcdef" * 2, 7, "normal", 2**40, bytes(range(32)))
    data = slot.encoded()
    assert len(data) == SLOT_BYTES
    assert decoded(data) == slot
    for bit in range(8 * SLOT_BYTES):
        turned = bytearray(data)
        turned[bit // 8] ^= 1 << bit % 8
        assert decoded(bytes(turned)) is None
    assert decoded(bytes(SLOT_BYTES)) is None


def test_the_slot_of_an_engine_tells_of_its_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    sent(path, 3)
    store = SQLiteStore(path, read_only=True)
    with store.reader() as reader:
        *_, last = reader.lane()
    store.close()
    assert slots(path) == [Slot(store.facts.store_id, 1, "full", 4, last.seal or b"")]


def test_each_open_engine_has_a_slot_and_one_that_was_closed_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with Engine(path, Tally) as one:
        tally = one.start(Tally, id="t")
        with Engine(path, Tally) as two:
            two.get(Tally, "t").send(Add(1))
            tally.send(Add(1))
            assert [slot.n for slot in slots(path) if slot] == [3, 2]
        with Engine(path, Tally):
            assert [slot.n for slot in slots(path) if slot] == [3, 3]


def test_the_slot_of_a_killed_engine_is_taken_over_and_never_falls(tmp_path: Path) -> None:
    path = killed(tmp_path)
    before = slots(path)
    with Engine(path, Tally) as engine:
        assert slots(path) == before
        engine.get(Tally, "t").send(Add(1))
        assert [slot.n for slot in slots(path) if slot] == [SENT + 2]


def test_the_anchor_is_made_and_synced_before_the_first_commit(tmp_path: Path) -> None:
    with RecordingDisk(tmp_path / "t.db") as disk:
        store = SQLiteStore(tmp_path / "t.db", vfs=disk.name)
        ends = [(op.kind, op.name) for op in disk.log[-3:]]
        store.close()
    assert ends == [("write", "t.db-anchor"), ("sync", "t.db-anchor"), ("folder", "")]


def test_the_anchor_is_synced_before_the_log_is_folded_back_and_at_the_close(tmp_path: Path) -> None:
    with RecordingDisk(tmp_path / "t.db") as disk, Engine(SQLiteStore(tmp_path / "t.db", vfs=disk.name), Tally) as one:
        tally = one.start(Tally, id="t")
        for _ in range(700):
            tally.send(Add(1))
        del disk.log[: next(place for place, op in enumerate(disk.log) if op.name == "t.db-anchor")]
        syncs = [op.name for op in disk.log if op.kind == "sync"]
        assert "t.db" in syncs, "the log was never folded back: the test says nothing"
        folds = [place for place, name in enumerate(syncs) if name == "t.db"]
        assert all("t.db-anchor" in syncs[max(0, place - 3) : place] for place in folds)
        count = len(disk.log)
        tally.send(Add(1))
        one.close()
        closing = [op.name for op in disk.log[count:] if op.kind == "sync"]
    assert closing.index("t.db-anchor") < closing.index("t.db")


def test_the_anchor_is_synced_every_thousand_commits(tmp_path: Path) -> None:
    with CountingDisk() as disk:
        store = SQLiteStore(tmp_path / "t.db", vfs=disk.name)
        disk.reset()
        for n in range(1, 2 * SYNC_COMMITS + 1):
            store._anchor.write(n, bytes(32))
        assert (disk.writes["other"], disk.syncs["other"]) == (2 * SYNC_COMMITS, 2)
        store._anchor.write(5, bytes(32))  # a position that is lower is not written
        assert disk.writes["other"] == 2 * SYNC_COMMITS
        store.close()


class FailingAnchor(Disk):
    """A disk on which only the anchor cannot be written or synced, while it is told so."""

    is_failing = False

    def called(self, call: Call, go: Callable[[], R]) -> R:
        if self.is_failing and call.file == "other" and call.kind in {"write", "sync"}:
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)
        return go()


def test_an_anchor_that_cannot_be_written_fails_no_commit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FailingAnchor() as disk, Engine(SQLiteStore(tmp_path / "t.db", vfs=disk.name), Tally) as engine:
        tally = engine.start(Tally, id="t")
        disk.is_failing = True
        assert tally.send(Add(1)).version == 2
        assert "the anchor could not be written" in caplog.text
        disk.is_failing = False
        assert tally.send(Add(1)).version == 3
    assert [slot.n for slot in slots(tmp_path / "t.db") if slot] == [3]


def test_an_anchor_that_cannot_be_made_refuses_the_store_before_anything_is_acknowledged(tmp_path: Path) -> None:
    beside(tmp_path / "t.db", "-anchor").mkdir()
    with pytest.raises(CannotOpen):
        Engine(tmp_path / "t.db", Tally)


def test_a_forked_child_writes_nothing_to_the_anchor_and_closes_nothing(tmp_path: Path) -> None:
    script = """
import os, sys
from statemachine import Engine
from tests.children import Add, Tally
engine = Engine(sys.argv[1], Tally)
tally = engine.start(Tally, id="t")
child = os.fork()
if not child:
    engine.store._anchor.write(99, bytes(32))
    engine.store._anchor.close()
    engine.close()
    sys.exit(0)
os.waitpid(child, 0)
print(tally.send(Add(1)).version)
engine.close()
"""
    assert run_child(script, tmp_path / "t.db") == (0, "2")
    assert [slot.n for slot in slots(tmp_path / "t.db") if slot] == [2]


# -- a tail that is lost -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [cut, damage, delete])
def test_a_log_that_lost_frames_bars_every_write_and_stays_as_it_is(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = killed(tmp_path)
    harm(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
    with recovery.open(path, Tally) as engine:
        with pytest.raises(TailLost, match=rf"PS322 .*TAIL LOST: rows \d+ to {SENT + 1} committed"):
            engine.start(Tally, id="u")
        engine.list(Tally)
    report = recovery.recover(path, Tally, level="full")
    assert report.store[0].startswith("TAIL LOST: rows ")
    assert not report.is_clean
    after = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
    assert {name: content for name, content in after.items() if content} == before


def test_reading_goes_on_where_the_tail_is_lost(tmp_path: Path) -> None:
    path = killed(tmp_path)
    cut(path)
    with Engine(path, Tally) as engine:
        [tally] = engine.list(Tally)
        assert 0 < tally.version < SENT + 1
        assert len(tally.history()) == tally.version
        with pytest.raises(TailLost):
            tally.send(Add(1))


def test_an_older_copy_without_its_anchor_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    sent(path, 2)
    shutil.copy(path, tmp_path / "old")
    sent(path, 3, start=False)
    shutil.copy(tmp_path / "old", path)
    assert recovery.verify(path, Tally).store == (
        "TAIL LOST: rows 4 to 6 committed, and not in the file any more, which ends at row 3",
    )


def test_an_older_copy_that_went_on_under_another_anchor_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    sent(path, 2)
    for file in (path, beside(path, "-anchor")):
        shutil.copy(file, tmp_path / file.name.replace("t.db", "old"))
    sent(path, 3, start=False)
    sent(tmp_path / "old", 5, start=False)
    shutil.copy(tmp_path / "old", path)
    assert recovery.verify(path, Tally).store == (
        "TAIL LOST: row 6 stands under another seal than the anchor's: another history goes on there",
    )


# -- accepting it ------------------------------------------------------------------------------------------------------


def test_accepting_a_loss_keeps_the_log_and_begins_an_epoch(tmp_path: Path) -> None:
    path = killed(tmp_path)
    damage(path)
    log = beside(path, "-wal").read_bytes()
    [note] = recovery.accept_tail_loss(path)
    assert note.endswith(f"accepted: epoch 2 begins; the log is kept as {beside(path, '-wal-lost-1')}")
    assert beside(path, "-wal-lost-1").read_bytes() == log
    assert recovery.verify(path, Tally).is_clean
    assert {slot.epoch for slot in slots(path) if slot} == {2}
    assert recovery.accept_tail_loss(path) == ()
    with recovery.open(path, Tally) as engine:
        [tally] = engine.list(Tally)
        assert tally.send(Add(1)).version == len(tally.history())
        assert engine.store.facts.epoch == 2
    store = SQLiteStore(path, read_only=True)
    with store.reader() as reader:
        assert [row.record.epoch for row in reader.journal("t")][-2:] == [1, 2]
    store.close()


def test_an_older_copy_that_is_accepted_begins_an_epoch_of_which_nothing_was_written(tmp_path: Path) -> None:
    """The anchor's own epoch was lived in already, by what is lost."""
    path = tmp_path / "t.db"
    sent(path, 2)
    shutil.copy(path, tmp_path / "old")
    beside(path, "-anchor").unlink()
    with pytest.raises(TailLost), Engine(path, Tally, anchor=beside(path, "-anchor")) as engine:
        engine.get(Tally, "t").send(Add(1))
    recovery.accept_tail_loss(path, anchor=beside(path, "-anchor"))
    sent(path, 1, start=False)
    shutil.copy(tmp_path / "old", path)
    epochs = "the anchor is of epoch 2 and the file of epoch 1, so it is an older copy"
    assert recovery.verify(path, Tally).store == (f"TAIL LOST: {epochs}",)
    recovery.accept_tail_loss(path)
    assert [slot.epoch for slot in slots(path) if slot] == [3]
    assert recovery.verify(path, Tally).is_clean


def test_an_engine_that_was_open_while_a_loss_was_accepted_stops(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with Engine(path, Tally) as engine:
        tally = engine.start(Tally, id="t")
        connection = apsw.Connection(str(path))
        connection.execute("update perdure_meta set value = '2' where name = 'epoch'")
        connection.close()
        with pytest.raises(Closed, match="a new epoch began; open it again"):
            tally.send(Add(1))


def test_after_a_crash_while_a_loss_is_accepted_the_slots_of_the_old_epoch_count_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    sent(path, 2)
    with sqlite3.connect(path) as connection:
        connection.execute("update perdure_meta set value = '2' where name = 'epoch'")
    connection.close()
    report = recovery.verify(path, Tally)
    assert report.is_clean
    assert report.notes[0].startswith("no anchor: ")


def test_the_level_normal_accepts_a_lost_tail_and_says_so(tmp_path: Path) -> None:
    path = killed(tmp_path, level="normal")
    cut(path)
    verified = recovery.verify(path, Tally)
    assert verified.is_clean
    assert "this level permits it" in verified.notes[0]
    report = recovery.recover(path, Tally, level="full")
    assert report.is_clean
    assert "acknowledged tail lost, as this level permits: epoch 2 begins" in report.notes[0]
    assert recovery.verify(path, Tally).notes == ()


# -- a missing anchor, and a strange one -------------------------------------------------------------------------------


def test_a_missing_anchor_is_reported_and_made(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    sent(path, 2)
    beside(path, "-anchor").unlink()
    report = recovery.verify(path, Tally)
    assert report.is_clean
    assert report.notes[0].startswith("no anchor: ")
    assert not beside(path, "-anchor").exists()
    sent(path, 1, start=False)
    assert recovery.verify(path, Tally).notes == ()


@pytest.mark.parametrize("seal", ["NULL", "x''", "zeroblob(31)", "'text'", "7"])
def test_a_newest_seal_that_is_damage_is_no_loss_and_is_followed_by_the_next_commit(tmp_path: Path, seal: str) -> None:
    """Each opening tells the anchor where the store ends: what is no seal would be missed by the one after it."""
    path = tmp_path / "tally.db"
    with Engine(path, Tally) as engine:
        engine.start(Tally, id="a").send(Add(1))
    mistype(path, "perdure_journal", f"seal = {seal} where n = 2")
    for version in (3, 4):
        with Engine(path, Tally) as engine:
            assert (engine.store.facts.barred, engine.store.facts.notes) == (None, ())
            assert engine.get(Tally, "a").send(Add(1)).version == version
    report = recovery.verify(path, Tally)
    assert report.counts() == {"CLEAN": 1}
    assert report.store != ()


def test_a_link_to_a_database_has_the_anchor_and_the_log_of_the_file_it_leads_to(tmp_path: Path) -> None:
    """Else what was written through one name would be unknown, or a loss, to who comes by the other."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    real, link = tmp_path / "real" / "tally.db", tmp_path / "links" / "other.db"
    link.symlink_to(real)
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    for number, name in enumerate((link, real, tmp_path / "folder" / "tally.db", link)):
        with Engine(name, Tally) as engine:
            assert engine.start(Tally, id=f"t-{number}").version == 1
            assert engine.store.facts.notes == ()
            assert {one.name for one in real.parent.iterdir()} >= {"tally.db", "tally.db-wal", "tally.db-anchor"}
    assert [one.name for one in link.parent.iterdir()] == ["other.db"]
    assert recovery.verify(link, Tally).is_clean


def test_a_new_store_makes_no_anchor_of_a_file_that_is_something_else(tmp_path: Path) -> None:
    """Its size may be right by chance: what is in it decides."""
    picture = tmp_path / "picture"
    picture.write_bytes(b"JPEG" * 160)
    with pytest.raises(CannotOpen, match="this is no anchor: no slot in it is valid; nothing was changed"):
        Engine(tmp_path / "tally.db", Tally, anchor=picture)
    assert picture.read_bytes() == b"JPEG" * 160


def test_a_named_anchor_that_is_missing_bars_every_write_until_that_is_accepted(tmp_path: Path) -> None:
    path, anchor = tmp_path / "t.db", tmp_path / "elsewhere"
    with Engine(path, Tally, anchor=anchor) as engine:
        engine.start(Tally, id="t")
    assert not beside(path, "-anchor").exists()
    anchor.unlink()
    with Engine(path, Tally, anchor=anchor) as engine, pytest.raises(TailLost, match="ANCHOR MISSING"):
        engine.get(Tally, "t").send(Add(1))
    assert recovery.verify(path, Tally, anchor=anchor).store[0].startswith("ANCHOR MISSING: ")
    code, printed = run_child(COMMAND, "verify", path, "--anchor", anchor)
    assert (code, "STORE            ANCHOR MISSING: " in printed) == (1, True)
    recovery.accept_tail_loss(path, anchor=anchor)
    with recovery.open(path, Tally, anchor=anchor) as engine:
        assert engine.get(Tally, "t").send(Add(1)).version == 2


def test_slots_of_another_store_count_as_missing_and_are_reported(tmp_path: Path) -> None:
    for name in ("t.db", "u.db"):
        sent(tmp_path / name, 2)
    shutil.copy(tmp_path / "u.db-anchor", tmp_path / "t.db-anchor")
    notes = recovery.verify(tmp_path / "t.db", Tally).notes
    assert [note.split(":")[0] for note in notes] == [
        "no anchor",
        f"1 slots of {tmp_path / 't.db-anchor'} are those of another store",
    ]


def test_the_anchor_of_a_store_that_is_gone_is_reported_and_used_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    sent(path, 2)
    path.unlink()
    store = SQLiteStore(path)
    assert store.facts.notes == (f"1 slots of {path}-anchor are those of another store",)
    store.close()
    assert [slot.store_id for slot in slots(path) if slot] == [store.facts.store_id]
    assert recovery.verify(path).notes == ()


def test_an_anchor_in_a_folder_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="the folder of the anchor does not exist"):
        Engine(tmp_path / "t.db", Tally, anchor=tmp_path / "nowhere" / "anchor")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_file_of_the_database_is_refused_as_its_anchor(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "t.db"
    sent(path, 1)
    before = path.read_bytes()
    with pytest.raises(CannotOpen, match="the anchor is a file of its own"):
        Engine(path, Tally, anchor=f"{path}{suffix}")
    assert path.read_bytes() == before


def test_a_file_that_is_no_row_of_slots_is_refused_as_an_anchor_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("remember the milk")
    with pytest.raises(CannotOpen, match="this is no anchor: 17 bytes"):
        Engine(tmp_path / "t.db", Tally, anchor=other)
    assert other.read_text() == "remember the milk"


def test_a_store_that_only_reads_writes_no_anchor(tmp_path: Path) -> None:
    path = killed(tmp_path)
    before = beside(path, "-anchor").read_bytes()
    with Engine(path, Tally, read_only=True) as engine, pytest.raises(ReadOnlyStore):
        engine.get(Tally, "t").send(Add(1))
    assert beside(path, "-anchor").read_bytes() == before


# -- what is not lost --------------------------------------------------------------------------------------------------

NOT_LOST = {
    "the seal of the last row": "update perdure_journal set seal = zeroblob(32) where n = 4",
    "the seal is gone": "update perdure_journal set seal = null where n = 4",
    "the hash of the last row": "update perdure_journal set hash = zeroblob(32), seal = zeroblob(32) where n = 4",
    "the last row": "delete from perdure_journal where n = 4",
    "the head": "update perdure_instance set hash = zeroblob(32)",
    "an earlier row": "delete from perdure_journal where n = 2",
}


@pytest.mark.parametrize("name", NOT_LOST)
def test_damage_to_a_row_is_no_lost_tail(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.db"
    sent(path, 3)
    with sqlite3.connect(path) as connection:
        assert connection.execute(NOT_LOST[name]).rowcount == 1
    connection.close()
    report = recovery.verify(path, Tally)
    assert not report.is_clean, "nothing was damaged: the test says nothing"
    assert not any("TAIL LOST" in one for one in report.store)


def test_opening_reads_as_much_of_a_long_journal_as_of_a_short_one(tmp_path: Path) -> None:
    reads: list[int] = []
    for count in (5, 400):
        folder = tmp_path / str(count)
        folder.mkdir()
        sent(folder / "t.db", count)
        with FailingDisk() as disk:
            store = SQLiteStore(folder / "t.db", vfs=disk.name)
            reads.append(disk.calls["read"])
            store.close()
    assert reads[1] <= reads[0] + 6  # the depth of the trees


def test_the_command_tells_of_a_lost_tail_and_accepts_it(tmp_path: Path) -> None:
    path = killed(tmp_path)
    cut(path)
    assert run_child(COMMAND, "verify", path)[0] == 1
    code, printed = run_child(COMMAND, "recover", path)
    assert code == 1
    assert "STORE            TAIL LOST: rows " in printed
    code, printed = run_child(COMMAND, "recover", path, "tests.children:Tally", "--accept-tail-loss")
    assert code == 0, printed
    assert run_child(COMMAND, "verify", path)[0] == 0
