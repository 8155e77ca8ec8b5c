"""A COMMIT of which nobody knows is settled by a write: it happened, or never will, or the store stops."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import apsw
import pytest

from persistence import InDoubt, NotCommitted, Quarantine, ReadOnlyStore, SQLiteStore, Store, StoreError, StoreFull
from recovery.drills.disks.passing import Call, Disk
from statemachine import Engine, Instance, Refused
from statemachine.proving import check_chain
from tests.children import Add, Tally, TallyData

R = TypeVar("R")
LASTING = 10**9


class LogDisk(Disk):
    """A disk on which the next `left` calls of a kind to the log fail."""

    kind = ""
    code = apsw.SQLITE_IOERR_FSYNC
    left = 0

    def fail(self, kind: str, code: int, *, count: int = 1) -> None:
        self.kind, self.code, self.left = kind, code, count

    def called(self, call: Call, go: Callable[[], R]) -> R:
        if not self.left or call.kind != self.kind or call.file != "wal":
            return go()
        self.left -= 1
        raise apsw.exception_for(self.code)


@pytest.fixture
def disk() -> Iterator[LogDisk]:
    with LogDisk() as disk:
        yield disk


@pytest.fixture
def engine(tmp_path: Path, disk: LogDisk) -> Iterator[Engine]:
    engine = Engine(SQLiteStore(tmp_path / "t.db", vfs=disk.name), Tally)
    yield engine
    disk.left = 0
    engine.close()


def started(engine: Engine) -> Instance[Tally, TallyData]:
    tally = engine.start(Tally, id="t")
    tally.send(Add(1), key="first")
    return tally


def versions(path: Path) -> int:
    with Engine(path, Tally, read_only=True) as engine:
        return engine.get(Tally, "t").version


FAULTS = {
    "a write that fails": ("write", apsw.SQLITE_IOERR_WRITE, NotCommitted, "PS323"),
    "a disk that is read-only": ("write", apsw.SQLITE_READONLY, ReadOnlyStore, "PS308"),
    "a full disk": ("write", apsw.SQLITE_FULL, StoreFull, "PS303"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_settled_as_absent_is_told_so_and_the_engine_goes_on(
    engine: Engine, disk: LogDisk, tmp_path: Path, name: str
) -> None:
    kind, fault, error, code = FAULTS[name]
    tally = started(engine)
    disk.fail(kind, fault)
    with pytest.raises(error, match=code):
        tally.send(Add(1), key="second")
    assert (tally.version, tally.data.total) == (2, 1)
    assert tally.send(Add(1), key="second").version == 3
    assert tally.send(Add(1), key="second").replayed
    engine.close()
    assert versions(tmp_path / "t.db") == 3


def test_what_was_settled_as_applied_is_answered_like_any_other(engine: Engine, disk: LogDisk, tmp_path: Path) -> None:
    """A sync failed, but what it was for stands in the log, and SQLite takes it up when it opens the file again."""
    tally = started(engine)
    disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
    done = tally.send(Add(5), key="second")
    assert disk.left == 0
    assert (done.version, done.replayed, tally.data.total) == (3, False, 6)
    assert tally.send(Add(5), key="second").replayed
    assert tally.send(Add(1)).version == 4
    engine.close()
    assert versions(tmp_path / "t.db") == 4


def test_a_store_is_settled_where_it_was_opened(tmp_path: Path, disk: LogDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is of the folder in which the process stood then."""
    monkeypatch.chdir(tmp_path)
    engine = Engine(SQLiteStore("t.db", vfs=disk.name), Tally)
    tally = started(engine)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
    assert tally.send(Add(5), key="second").version == 3
    engine.close()


def test_a_sync_that_failed_while_somebody_reads_is_settled_as_absent(engine: Engine, disk: LogDisk) -> None:
    """Then SQLite recovers no log, and the settling write takes the place of what was there."""
    tally = started(engine)
    with engine.store.reader() as reader:
        assert len(reader.journal("t")) == 2
        disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
        with pytest.raises(NotCommitted):
            tally.send(Add(1))
        assert len(reader.journal("t")) == 2
    assert len(tally.history()) == 2


def test_a_disk_on_which_nothing_can_be_written_stops_the_store(engine: Engine, disk: LogDisk, tmp_path: Path) -> None:
    tally = started(engine)
    disk.fail("write", apsw.SQLITE_FULL, count=LASTING)
    with pytest.raises(InDoubt, match=r"PS305 .* could not be settled"):
        tally.send(Add(1), key="second")
    disk.left = 0
    for call in (lambda: tally.send(Add(1)), lambda: tally.version, lambda: engine.list(Tally)):
        with pytest.raises(InDoubt):
            call()
    engine.close()
    with Engine(tmp_path / "t.db", Tally) as again:
        assert again.get(Tally, "t").send(Add(1), key="second").version == 3


def test_the_level_of_a_store_is_its_own_again_after_a_settling_write(tmp_path: Path, disk: LogDisk) -> None:
    store = SQLiteStore(tmp_path / "t.db", vfs=disk.name, level="normal")
    with Engine(store, Tally) as engine:
        tally = started(engine)
        disk.fail("write", apsw.SQLITE_IOERR_WRITE)
        with pytest.raises(NotCommitted):
            tally.send(Add(1))
        disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
        assert tally.send(Add(1)).version == 3
        assert disk.left == 1, "the log was synced, which this level does not"
        disk.left = 0


def test_memory_is_never_ahead_of_the_disk(engine: Engine, disk: LogDisk) -> None:
    """Also for other instances, whose heads were remembered before."""
    tally, other = started(engine), engine.start(Tally, id="u")
    for number in range(5):
        disk.fail("write", apsw.SQLITE_IOERR_WRITE)
        with pytest.raises(NotCommitted):
            other.send(Add(1), key=f"{number}")
        assert other.version == 1
        assert tally.send(Add(1)).version == 3 + number
    assert [one.version for one in tally.history()] == list(range(1, 8))


@pytest.mark.parametrize("fault", [("write", apsw.SQLITE_IOERR_WRITE), ("sync", apsw.SQLITE_IOERR_FSYNC)])
def test_a_batch_whose_commit_failed_answers_each_member_as_it_is_on_disk(
    engine: Engine, disk: LogDisk, tmp_path: Path, fault: tuple[str, int]
) -> None:
    tallies = [engine.start(Tally, id=f"t-{number}") for number in range(20)]
    disk.fail(*fault)
    told = [tally.submit(Add(1), key="k") for tally in tallies]
    done = {tally.id for tally, future in zip(tallies, told, strict=True) if future.exception() is None}
    assert len(done) >= len(tallies) - 1, "who is alone in a batch is told; the others are decided again"
    assert {tally.id for tally in tallies if tally.version == 2} == done
    engine.close()
    with Engine(tmp_path / "t.db", Tally, read_only=True) as again:
        assert {tally.id for tally in again.list(Tally) if tally.version == 2} == done


def test_another_engine_on_the_file_goes_on_too(engine: Engine, disk: LogDisk, tmp_path: Path) -> None:
    tally = started(engine)
    with Engine(tmp_path / "t.db", Tally) as other:
        disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
        with pytest.raises(NotCommitted):
            tally.send(Add(1))
        assert other.get(Tally, "t").send(Add(1)).version == 3
        assert tally.send(Add(1)).version == 4


def test_a_file_that_was_deleted_is_noticed_before_anybody_is_answered_and_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with Engine(path, Tally) as engine:
        tally = started(engine)
        path.unlink()
        with pytest.raises(InDoubt, match=r"PS305 .* was deleted or replaced"):
            tally.send(Add(1))
        with pytest.raises(InDoubt):
            tally.send(Add(1))
    assert not path.exists()


def test_a_file_that_was_deleted_cannot_be_settled_and_is_not_made_anew(
    engine: Engine, disk: LogDisk, tmp_path: Path
) -> None:
    tally = started(engine)
    disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
    (tmp_path / "t.db").unlink()
    with pytest.raises(InDoubt, match="could not be settled"):
        tally.send(Add(1))
    assert not (tmp_path / "t.db").exists()


def test_a_failed_mark_has_no_row_to_look_for_and_stops_the_store(engine: Engine, disk: LogDisk) -> None:
    started(engine)
    disk.fail("sync", apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(InDoubt, match="no rows that could be looked for"):
        set_aside(engine.store)


def set_aside(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.quarantine(Quarantine("t", "planted", 1, 0))
        transaction.commit()


class ShortDisk(Disk):
    """A disk that reads half of each page, while it is told so."""

    is_short = False

    def called(self, call: Call, go: Callable[[], R]) -> R:
        found = go()
        if self.is_short and call.kind == "read" and call.file == "db" and isinstance(found, bytes) and call.offset:
            return cast("R", found[: len(found) // 2])
        return found


def test_an_engine_that_read_short_reads_well_again(tmp_path: Path) -> None:
    """What a page cache holds of it is dropped: it need not be opened again."""
    with ShortDisk() as disk:
        with Engine(SQLiteStore(tmp_path / "t.db", vfs=disk.name), Tally) as engine:
            tallies = [engine.start(Tally, id=f"t-{number}") for number in range(300)]
        with Engine(SQLiteStore(tmp_path / "t.db", vfs=disk.name), Tally) as engine:
            disk.is_short = True
            heard: list[str] = []
            for tally in tallies[::40]:
                try:
                    engine.get(Tally, tally.id).send(Add(1))
                except StoreError as error:
                    heard.append(error.code)
            disk.is_short = False
            assert heard, "nothing was read short: the test says nothing"
            for tally in tallies[::40]:
                engine.get(Tally, tally.id).send(Add(1))


def test_a_history_that_ends_before_its_head_is_not_told(tmp_path: Path) -> None:
    """A page that was read short is zeros to SQLite: rows are missing, and nothing says so."""
    with Engine(tmp_path / "t.db", Tally) as engine:
        started(engine)
        with engine.store.reader() as reader:
            head, rows = reader.head("t"), reader.journal("t")
    assert head is not None
    check_chain(head, rows, ())
    for count in range(len(rows)):
        with pytest.raises(Refused, match=f"its journal ends at version {count}, and its head stands at version 2"):
            check_chain(head, rows[:count], ())
