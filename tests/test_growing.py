"""The log is grown ahead by a transaction that is undone: whatever becomes of it, it leaves nothing."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

from persistence import SQLiteStore
from persistence.conformance.kit import generation_of
from persistence.sqlite import statements
from persistence.sqlite.connection import GROWN_FROM, GROWN_PAGES, Log
from recovery.drills.disks.passing import Call, Disk
from statemachine import Engine, Instance
from tests.children import Add, Tally, TallyData
from tests.interrupting import interruptible

R = TypeVar("R")
SENDS = GROWN_FROM  # each writes a page at least
WAL_HEADER, FRAME_HEADER = 32, 24


class Zeros(Disk):
    """A disk that does something at the first page of zeros that is written to a log."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__()
        self.do: Callable[[], object] | None = do

    def called(self, call: Call, go: Callable[[], R]) -> R:
        is_zeros = call.kind == "write" and call.file == "wal" and len(call.data) > FRAME_HEADER
        if self.do is not None and is_zeros and not any(call.data[4:]):  # behind the number of the page after it
            do, self.do = self.do, None
            do()
        return go()


def at(disk: Disk, path: Path) -> SQLiteStore:
    return SQLiteStore(path, vfs=disk.name)


def fill(tally: Instance[Tally, TallyData]) -> None:
    for _ in range(SENDS):
        tally.send(Add(1))


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    def make(*pragmas: str) -> Path:
        connection = apsw.Connection(str(tmp_path / "a.db"))
        for pragma in (*pragmas, "CREATE TABLE theirs (a)"):
            connection.execute(pragma)
        connection.close()
        return tmp_path / "a.db"

    return make


@pytest.mark.parametrize("pragma", ["page_size = 512", "page_size = 65536", "auto_vacuum = 1", "auto_vacuum = 2"])
def test_growing_a_log_leaves_neither_rows_nor_pages_nor_news(pragma: str, made: Callable[..., Path]) -> None:
    path = made(f"PRAGMA {pragma}")
    with Engine(path, Tally) as engine:
        tally = engine.start(Tally, id="t")
        generation = generation_of(engine.store)
        fill(tally)
        assert generation_of(engine.store) == generation  # what is remembered is still true
        other = apsw.Connection(str(path))
        size = other.pragma("page_size")
        assert Path(f"{path}-wal").stat().st_size > WAL_HEADER + GROWN_PAGES * (size + FRAME_HEADER)
        assert other.pragma("page_count") < GROWN_PAGES
        assert other.pragma("freelist_count") == 0
        assert other.execute("SELECT count(*) FROM perdure_set_aside").fetchall() == [(0,)]
        other.close()
    with Engine(path, Tally) as engine:
        assert engine.get(Tally, "t").version == 1 + SENDS


@pytest.fixture
def _interruptible() -> Iterator[None]:
    with interruptible():
        yield


def go_on_after_an_interrupt(path: Path) -> int:
    """Interrupt the thread that grows the log; return how many of the events after it were taken."""
    with Zeros(lambda: signal.raise_signal(signal.SIGINT)) as disk, Engine(at(disk, path), Tally) as engine:
        tally = engine.start(Tally, id="t")
        with pytest.raises(KeyboardInterrupt):
            fill(tally)
        before = tally.version
        fill(tally)
        return tally.version - before


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_while_the_log_grows_leaves_an_engine_that_goes_on(tmp_path: Path) -> None:
    assert go_on_after_an_interrupt(tmp_path / "a.db") == SENDS


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # apsw tells of the fault a second time
def test_a_log_that_cannot_grow_fails_nobody(error: type[apsw.Error], tmp_path: Path) -> None:
    def fail() -> None:
        raise error("planted")

    with Zeros(fail) as disk, Engine(at(disk, tmp_path / "a.db"), Tally) as engine:
        tally = engine.start(Tally, id="t")
        fill(tally)
        assert disk.do is None
        fill(tally)
        assert tally.version == 1 + 2 * SENDS


def test_what_the_growing_of_a_log_left_would_be_found(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the transaction that grows it is committed."""

    def grow(log: Log, pages: int) -> None:
        log._room = pages + GROWN_PAGES
        log._connection.execute(statements.PUT_ZEROS, (GROWN_PAGES * 4096,))

    monkeypatch.setattr(Log, "_grow", grow)
    with pytest.raises(AssertionError):
        test_growing_a_log_leaves_neither_rows_nor_pages_nor_news("page_size = 4096", made)
