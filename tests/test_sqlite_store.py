"""A failing disk never makes the store say more than is so, and never stops it from going on where it can."""

import logging
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from persistence import Busy, Closed, Corrupt, InDoubt, SqlFailed, SQLiteStore, StoreError
from persistence.conformance.kit import Chain, generation_of, write
from persistence.sqlite import statements
from persistence.sqlite.connection import CHECKPOINT_PAGES
from persistence.sqlite.query import run
from persistence.store import Value
from statemachine import Engine
from tests.children import Add, Tally


class Faulty(apsw.VFS):
    """A disk on which one call on one kind of file fails while `fault` is set."""

    def __init__(self, name: str) -> None:
        super().__init__(name, base="")
        self.name = name
        self.fault: tuple[str, int, type[apsw.Error]] | None = None  # call, flag of the file, what is raised

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # apsw's name
        return FaultyFile(self, name, flags)

    def check(self, call: str, flags: int) -> None:
        if self.fault is not None and self.fault[0] == call and self.fault[1] & flags:
            raise self.fault[2]("planted")


class FaultyFile(apsw.VFSFile):
    """One open file of a faulty disk."""

    def __init__(self, disk: Faulty, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.disk, self.flags = disk, flags[0]

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # apsw's name
        self.disk.check("read", self.flags)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        self.disk.check("write", self.flags)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        self.disk.check("sync", self.flags)
        super().xSync(flags)


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Faulty]:
    disk = Faulty(f"perdure-faulty-{id(request)}")
    yield disk
    disk.unregister()


@pytest.fixture
def store(disk: Faulty, tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "a.db", vfs=disk.name, schema="CREATE TABLE mine (a)")
    yield store
    disk.fault = None
    store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # apsw tells of the fault a second time
@pytest.mark.parametrize("kind", [apsw.IOError, apsw.FullError])
def test_checkpoint_that_fails_concerns_no_transition(
    kind: type[apsw.Error], store: SQLiteStore, disk: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and tried again after the next commit."""
    with Engine(store, Tally) as engine:
        tally = engine.start(Tally, id="t")
        disk.fault = ("write", apsw.SQLITE_OPEN_MAIN_DB, kind)
        with caplog.at_level(logging.WARNING, logger="perdure.persistence"):
            for number in range(CHECKPOINT_PAGES // 3):
                assert tally.send(Add(1)).version == number + 2
        assert "could not be folded back" in caplog.text
        disk.fault = None
        assert tally.send(Add(1)).version == CHECKPOINT_PAGES // 3 + 2
    again = SQLiteStore(store.path)
    with again.reader() as reader:
        assert len(reader.journal("t")) == CHECKPOINT_PAGES // 3 + 2
    again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_disk_that_is_full_while_the_users_rows_are_written_fails_the_transition_alone(
    store: SQLiteStore, disk: Faulty
) -> None:
    """More pages than the cache holds go to the log before COMMIT: what failed there never happened, for certain."""
    chain = Chain("i-1")
    write(store, chain.next())
    seen = generation_of(store)
    disk.fault = ("write", apsw.SQLITE_OPEN_WAL, apsw.FullError)

    def fill() -> None:
        with store.transaction() as transaction, transaction.member():
            for _ in range(10):
                transaction.execute("INSERT INTO mine VALUES (zeroblob(1000000))", (), writable=True)

    with pytest.raises(StoreError) as caught:
        fill()
    disk.fault = None
    assert caught.type is SqlFailed
    assert "planted" in str(caught.value)
    assert generation_of(store) != seen
    write(store, chain.next())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_disk_that_is_full_in_commit_is_in_doubt_until_the_store_is_opened_again(
    store: SQLiteStore, disk: Faulty, tmp_path: Path
) -> None:
    """SQLite rolls back by itself then, which is what a commit that did happen can look like, too."""
    chain = Chain("i-1")
    write(store, chain.next())
    lost = chain.next()
    disk.fault = ("write", apsw.SQLITE_OPEN_WAL, apsw.FullError)
    with pytest.raises(InDoubt):
        write(store, lost)
    disk.fault = None
    store.close()
    again = SQLiteStore(tmp_path / "a.db")
    with again.reader() as reader:
        assert len(reader.journal("i-1")) == 1
    write(again, lost)
    again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sync_that_fails_in_commit_is_in_doubt_and_nothing_more_is_answered(
    store: SQLiteStore, disk: Faulty, tmp_path: Path
) -> None:
    chain = Chain("i-1")
    write(store, chain.next())
    disk.fault = ("sync", apsw.SQLITE_OPEN_WAL, apsw.IOError)
    with pytest.raises(InDoubt, match=r"a\.db"):
        write(store, chain.next())
    disk.fault = None
    with pytest.raises(InDoubt):
        write(store, Chain("i-2").next())
    with pytest.raises(InDoubt), store.reader():
        raise AssertionError("a store in doubt began a reader")
    store.close()
    with pytest.raises(Closed):
        write(store, Chain("i-2").next())
    again = SQLiteStore(tmp_path / "a.db")
    with again.reader() as reader:
        assert len(reader.journal("i-1")) in {1, 2}
        assert list(reader.instances()) == ["i-1"]
    again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_read_that_fails_leaves_the_door_for_reading_usable(store: SQLiteStore, disk: Faulty) -> None:
    """An I/O error ends the read transaction: the next one is another."""
    write(store, Chain("i-1").next(image=b"x" * 1_000_000))  # more than its pages in the cache of the reader
    query = "SELECT length(image), instr(image, x'00') FROM perdure_instance"
    with store.reader() as reader:
        reader.execute(
            "SELECT count(*) FROM perdure_instance", (), writable=False
        )  # what is read fails, not the schema
        disk.fault = ("read", apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_DB, apsw.IOError)
        with pytest.raises(SqlFailed):
            reader.execute(query, (), writable=False)
        with pytest.raises(SqlFailed, match="ended the transaction"):
            reader.execute(query, (), writable=False)
    disk.fault = None
    with store.reader() as reader:
        assert reader.execute(query, (), writable=False) == [(1_000_000, 0)]


def test_transaction_inside_a_transaction_is_busy_and_leaves_the_outer_one(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded; the wait is cut short here."""
    monkeypatch.setattr("persistence.sqlite.store.BUSY_MS_MAX", 10)
    with store.transaction() as transaction:
        with pytest.raises(Busy):
            write(store, Chain("i-2").next())
        transaction.append([Chain("i-1").next()])
        transaction.commit()
    with store.reader() as reader:
        assert list(reader.instances()) == ["i-1"]


def test_who_is_interrupted_as_a_transaction_begins_leaves_none(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python tells of a Ctrl-C once the statement has run."""

    def interrupted(connection: apsw.Connection | apsw.Cursor, statement: str, *values: Value) -> None:
        monkeypatch.undo()
        run(connection, statement, *values)
        raise KeyboardInterrupt

    monkeypatch.setattr("persistence.sqlite.store.run", interrupted)
    with pytest.raises(KeyboardInterrupt), store.transaction():
        pass
    write(store, Chain("a").next())


def test_a_key_that_cannot_be_read_concerns_no_statement_after_it(store: SQLiteStore) -> None:
    chain = Chain("a")
    write(store, chain.next(key="one"), chain.next(key="two"), chain.next(key="three"))
    other = apsw.Connection(store.path)
    other.execute("UPDATE perdure_symbol SET name = CAST(x'ff' AS TEXT) WHERE name = 'cart'")
    other.close()
    with store.transaction() as transaction, pytest.raises(Corrupt, match="no UTF-8"):
        transaction.keys([("a", "send", key) for key in ("one", "two", "three")])
    write(store, Chain("b").next())


def test_store_in_use_is_not_closed_under_its_user(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.sqlite.store.BUSY_MS_MAX", 10)
    with store.transaction() as transaction:
        with pytest.raises(Busy, match="in use"):
            store.close()
        transaction.append([Chain("i-1").next()])
        transaction.commit()
    with store.reader() as reader:
        with pytest.raises(Busy, match="in use"):
            store.close()
        assert list(reader.instances()) == ["i-1"]
    store.close()


def test_second_commit_is_an_error_and_puts_nothing_in_doubt(store: SQLiteStore) -> None:
    with store.transaction() as transaction:
        transaction.append([Chain("i-1").next()])
        transaction.commit()
        with pytest.raises(StoreError, match="committed already"):
            transaction.commit()
    write(store, Chain("i-2").next())


def test_no_statement_changes_a_row_of_the_journal() -> None:
    """But for recovery's: a pointer that is no part of what is hashed, and a row that is kept elsewhere first."""
    written = {name: text for name, text in vars(statements).items() if name.isupper() and "perdure_journal" in text}
    changing = re.compile(r"\b(UPDATE|DELETE FROM|REPLACE INTO) perdure_journal")
    assert {name for name, text in written.items() if changing.search(text)} == {"MEND_PRIOR", "DROP_ROW"}
    assert statements.MEND_PRIOR == "UPDATE perdure_journal SET prior = ? WHERE n = ? AND prior <> ?"


def test_a_log_that_another_library_deleted_is_noticed_before_anybody_is_answered(tmp_path: Path) -> None:
    with Engine(tmp_path / "tally.db", Tally) as engine:
        tally = engine.start(Tally, id="t")
        other = sqlite3.connect(tmp_path / "tally.db")
        other.execute("select count(*) from perdure_instances").fetchall()
        other.close()
        with pytest.raises(InDoubt, match="its log was deleted by another SQLite library in this process"):
            tally.send(Add(1))
        with pytest.raises(InDoubt):
            tally.send(Add(1))
    with Engine(tmp_path / "tally.db", Tally) as engine:
        assert engine.get(Tally, "t").version in {1, 2}  # unknown is what InDoubt means
