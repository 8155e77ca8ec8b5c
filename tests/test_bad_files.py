"""A file that cannot be used is refused with one clear, coded error, and is left exactly as it was."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import apsw
import pytest

from persistence import (
    Busy,
    CannotOpen,
    Corrupt,
    NewerFormat,
    NotADatabase,
    NotFound,
    ReadOnlyStore,
    SqlFailed,
    SQLiteStore,
    StoreError,
    WrongLevel,
)
from persistence.conformance.kit import Chain, write
from statemachine import Engine
from tests.children import Add, Tally, run_child

Picture = dict[str, tuple[bytes, int, int]]
Make = Callable[[Path], Path]


def picture(folder: Path) -> Picture:
    """Every file of a folder: its bytes, when it was written, its rights. No connection may be open."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
    }


def names_in(folder: Path) -> list[str]:
    """The names of a folder's files, which are not opened."""
    return [path.name for path in folder.iterdir()]


def without_sidecars(found: Picture) -> Picture:
    """A picture without what a connection that may not write leaves behind: shared memory, and an empty log."""
    return {
        name: file for name, file in found.items() if not name.endswith("-shm") and (file[0] or name[-4:] != "-wal")
    }


def made(path: Path) -> Path:
    """Make a store with one instance in it."""
    store = SQLiteStore(path)
    write(store, Chain("i-1").next())
    store.close()
    return path


def changed(path: Path, statement: str) -> Path:
    """Change a store behind its back, in a process of its own: two SQLites in one would drop each other's locks."""
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()"
    assert run_child(script, path, statement) == (0, "")
    return path


def refused(path: str | Path, kind: type[StoreError], **settings: object) -> StoreError:
    """Open a store that must be refused; the error names its code, the path and a repair."""
    with pytest.raises(StoreError) as caught:
        SQLiteStore(path, **settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the test's
    error = caught.value
    assert type(error) is kind, repr(error)
    assert str(error).startswith(f"{kind.code} ")
    assert str(path) in str(error) or repr(str(path)) in str(error)
    assert len(str(error)) > len(str(path)) + 25, "no repair is named"
    return error


# -- what is no store --------------------------------------------------------------------------------------------------


def truncated(path: Path, size: int) -> Path:
    os.truncate(made(path), size)
    return path


def text(path: Path) -> Path:
    path.write_text("This is a letter, and no database at all.\n" * 100)
    return path


def short_text(path: Path) -> Path:
    path.write_text("hi")
    return path


def wrong_page_size(path: Path) -> Path:
    content = bytearray(made(path).read_bytes())
    content[16:18] = b"\x12\x34"
    path.write_bytes(content)
    return path


def damaged_schema(path: Path) -> Path:
    content = bytearray(made(path).read_bytes())
    content[100:4096] = os.urandom(3996)
    path.write_bytes(content)
    return path


def changing(statement: str) -> Make:
    """Return what makes a store and changes it."""
    return lambda path: changed(made(path), statement)


def cut(size: int) -> Make:
    """Return what makes a store and cuts it off."""
    return lambda path: truncated(path, size)


BAD: dict[str, tuple[Make, type[StoreError]]] = {
    "text": (text, NotADatabase),
    "short text": (short_text, NotADatabase),
    "wrong page size": (wrong_page_size, NotADatabase),
    "cut to a page": (cut(4096), Corrupt),
    "cut within a page": (cut(5000), Corrupt),
    "cut within the header": (cut(99), Corrupt),
    "damaged schema": (damaged_schema, Corrupt),
    "meta without epoch": (changing("DELETE FROM perdure_meta WHERE name = 'epoch'"), Corrupt),
    "empty meta": (changing("DELETE FROM perdure_meta"), Corrupt),
    "unknown level": (changing("UPDATE perdure_meta SET value = 'often' WHERE name = 'level'"), Corrupt),
    "epoch in words": (changing("UPDATE perdure_meta SET value = 'one' WHERE name = 'epoch'"), Corrupt),
    "no store id": (changing("UPDATE perdure_meta SET value = '' WHERE name = 'store_id'"), Corrupt),
    "other columns": (changing("ALTER TABLE perdure_meta RENAME COLUMN value TO other"), Corrupt),
    "newer format": (changing("UPDATE perdure_meta SET value = '9' WHERE name = 'format'"), NewerFormat),
    "odd format": (changing("UPDATE perdure_meta SET value = 'x' WHERE name = 'format'"), NewerFormat),
}


@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
@pytest.mark.parametrize(("make", "kind"), BAD.values(), ids=BAD)
def test_file_is_refused_and_left_as_it_was(
    make: Make, kind: type[StoreError], *, read_only: bool, tmp_path: Path
) -> None:
    path = make(tmp_path / "a.db")
    before = picture(tmp_path)
    refused(path, kind, read_only=read_only, schema="CREATE TABLE mine (a)")
    after = picture(tmp_path)
    assert (without_sidecars(after) if read_only else after) == before


def test_newer_format_may_have_more_in_its_meta_and_other_levels(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db")
    changed(path, "INSERT INTO perdure_meta (name, value) VALUES ('lease', '5')")
    changed(path, "UPDATE perdure_meta SET value = 'eventual' WHERE name = 'level'")
    changed(path, "UPDATE perdure_meta SET value = '7' WHERE name = 'format'")
    before = picture(tmp_path)
    error = refused(path, NewerFormat)
    assert "format 7" in str(error)
    assert picture(tmp_path) == before


LEAVE_LOG = """
import os, signal, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("PRAGMA wal_autocheckpoint = 0")
c.execute("UPDATE perdure_meta SET value = '9' WHERE name = 'format'")
c.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
def test_newer_format_that_was_killed_keeps_its_log(*, read_only: bool, tmp_path: Path) -> None:
    """Closing a file folds its log away: here that would be another version's, which may mean something else by it."""
    path = made(tmp_path / "a.db")
    assert run_child(LEAVE_LOG, path) == (-9, "")
    before = picture(tmp_path)
    assert before["a.db-wal"][0]
    refused(path, NewerFormat, read_only=read_only)
    after = picture(tmp_path)
    assert (after["a.db"], after["a.db-wal"]) == (before["a.db"], before["a.db-wal"])


# -- paths -------------------------------------------------------------------------------------------------------------


def test_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()
    refused(tmp_path / "a.db", CannotOpen)
    refused(tmp_path / "a.db", CannotOpen, read_only=True)
    assert list((tmp_path / "a.db").iterdir()) == []


def test_missing_folder_is_not_made(tmp_path: Path) -> None:
    refused(tmp_path / "no" / "a.db", NotFound)
    refused(tmp_path / "no" / "a.db", NotFound, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_not_made_to_be_read(tmp_path: Path) -> None:
    refused(tmp_path / "a.db", NotFound, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_file_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "a.db", NotFound)


@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
@pytest.mark.parametrize("name", ["a\0b.db", "a\0/b.db", "\udcff.db"])
def test_name_that_no_file_can_have(name: str, *, read_only: bool, tmp_path: Path) -> None:
    path = f"{tmp_path}/{name}"
    with pytest.raises(CannotOpen) as caught:
        SQLiteStore(path, read_only=read_only)
    assert "\0" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_name_that_sqlite_would_take_for_no_file(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(path, CannotOpen)
    assert list(tmp_path.iterdir()) == []


ODD = [
    "a?b.db",
    "a#b.db",
    "100%.db",
    "%41.db",
    "a b.db",
    "?mode=ro",
    "ä🙂.db",
    "file:a.db",
    "a'b\"c.db",
    "a&vfs=x.db",
    "a\\b",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_name_is_a_name(name: str, tmp_path: Path) -> None:
    with Engine(tmp_path / name, Tally) as engine:
        engine.start(Tally, id="t").send(Add(1))
        assert set(names_in(tmp_path)) == {name, *(name + suffix for suffix in ("-wal", "-shm", "-anchor"))}
    with Engine(tmp_path / name, Tally, read_only=True) as engine:
        assert engine.get(Tally, "t").data.total == 1
    assert set(without_sidecars(picture(tmp_path))) == {name, f"{name}-anchor"}


def test_path_may_be_relative_or_begin_with_two_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("a.db", "./a.db", f"/{tmp_path}/a.db", f"//{tmp_path}/a.db", f"{tmp_path}//a.db"):
        with Engine(path, Tally) as engine:
            engine.start(Tally, id=path)
    with Engine("a.db", Tally) as engine:
        assert len(engine.list(Tally)) == 5


def test_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    SQLiteStore(tmp_path / "a.db").close()
    SQLiteStore(tmp_path / "a.db", read_only=True).close()


# -- levels ------------------------------------------------------------------------------------------------------------


def test_unknown_level_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    error = refused(tmp_path / "a.db", WrongLevel, level="often")
    assert "full, normal" in str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("level", "other"), [("full", "normal"), ("normal", "full")])
def test_other_level_than_the_files_is_refused_and_changes_nothing(level: str, other: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    SQLiteStore(path, level=level).close()
    before = picture(tmp_path)
    error = refused(path, WrongLevel, level=other, schema="CREATE TABLE mine (a)")
    assert level in str(error)
    assert picture(tmp_path) == before
    refused(path, WrongLevel, level=other, read_only=True)
    store = SQLiteStore(path)
    assert (store.facts.level, store.facts.unclean) == (level, ())
    store.close()


def test_schema_that_fails_leaves_no_open_mark_and_a_file_that_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with pytest.raises(SqlFailed):
        SQLiteStore(path, schema="CREATE TABLE mine (a); SELEC 1")
    store = SQLiteStore(path, schema="CREATE TABLE mine (a)")
    with store.reader() as reader:
        assert reader.execute("SELECT count(*) FROM perdure_open_mark", (), writable=False) == [(1,)]
    store.close()


# -- rights ------------------------------------------------------------------------------------------------------------


def test_engine_that_was_opened_to_read_refuses_to_write(tmp_path: Path) -> None:
    with Engine(tmp_path / "a.db", Tally) as engine:
        engine.start(Tally, id="t")
    before = picture(tmp_path)
    with Engine(tmp_path / "a.db", Tally, read_only=True) as engine:
        tally = engine.get(Tally, "t")
        assert tally.version == 1
        for use in (lambda: tally.send(Add(1)), lambda: engine.start(Tally)):
            with pytest.raises(ReadOnlyStore, match="reading only"):
                use()
        assert tally.version == 1
    assert without_sidecars(picture(tmp_path)) == before


def test_file_without_a_store_is_not_adopted_to_be_read(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "a.db"))
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = picture(tmp_path)
    refused(tmp_path / "a.db", CannotOpen, read_only=True)
    assert without_sidecars(picture(tmp_path)) == before


NOBODY = """
import encodings.ascii, json, os, sys  # what is imported late could not be read any more
from persistence import SQLiteStore, StoreError
from statemachine import Engine
from tests.children import Add, Tally
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
told = []
for read_only in (False, True):
    try:
        with Engine(sys.argv[1], Tally, read_only=read_only) as engine:
            told.append(engine.get(Tally, "t").version)
            if not read_only:
                engine.get(Tally, "t").send(Add(1))
    except StoreError as error:
        told.append([type(error).__name__, str(error)])
print(json.dumps(told))
"""


def as_nobody(path: Path) -> list[object]:
    """What a process without rights is told when it opens a store to write, and to read."""
    code, printed = run_child(NOBODY, path)
    assert code == 0
    return list(json.loads(printed))


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may read and only we may write; each start of pytest closes the folders of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def shared(public: Path) -> Path:
    """A store with one instance, in a folder that everybody may read and only we may write."""
    with Engine(public / "a.db", Tally) as engine:
        engine.start(Tally, id="t")
    (public / "a.db").chmod(0o644)
    return public / "a.db"


def test_read_only_folder_is_named_and_left_as_it_was(shared: Path) -> None:
    before = picture(shared.parent)
    to_write, to_read = as_nobody(shared)
    assert isinstance(to_write, list)
    assert to_write[0] == "ReadOnlyStore"
    assert str(shared) in to_write[1]
    assert isinstance(to_read, list)
    assert to_read[0] == "ReadOnlyStore"
    assert str(shared) in to_read[1]
    assert picture(shared.parent) == before


def test_read_only_folder_of_a_running_engine_can_be_read(shared: Path) -> None:
    with Engine(shared, Tally) as engine:
        engine.get(Tally, "t").send(Add(1))
        to_write, to_read = as_nobody(shared)
        assert isinstance(to_write, list)
        assert to_write[0] == "ReadOnlyStore"
        assert to_read == 2
        assert engine.get(Tally, "t").send(Add(1)).version == 3


def test_anchor_that_may_not_be_written_is_named(shared: Path) -> None:
    """Everything else may be; it says which file it is, and who only reads needs no such right."""
    shared.parent.chmod(0o777)
    shared.chmod(0o666)
    to_write, to_read = as_nobody(shared)
    anchor = f"{os.path.realpath(shared)}-anchor"
    assert to_write == ["ReadOnlyStore", f"PS308 {anchor}: the anchor may not be written; check the rights"]
    assert to_read == 1


def test_file_without_the_right_to_read_is_named(shared: Path) -> None:
    shared.chmod(0o600)
    for told in as_nobody(shared):
        assert isinstance(told, list)
        assert told[0] in {"CannotOpen", "ReadOnlyStore"}
        assert str(shared) in told[1]


def test_folder_in_which_nothing_can_be_made_is_named(public: Path) -> None:
    to_write, to_read = as_nobody(public / "new.db")
    assert isinstance(to_write, list)
    assert to_write[0] == "CannotOpen"
    assert isinstance(to_read, list)
    assert to_read[0] == "NotFound"
    assert list(public.iterdir()) == []


# -- others ------------------------------------------------------------------------------------------------------------


def test_write_lock_that_is_held_by_another_is_busy_and_nothing_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded: the wait is cut short here so that the test need not wait."""
    monkeypatch.setattr("persistence.sqlite.connection.BUSY_MS_MAX", 10)
    path = made(tmp_path / "a.db")
    other = apsw.Connection(str(path))
    store = SQLiteStore(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match=r"a\.db.*try again"):
        write(store, Chain("i-2").next())
    refused(path, Busy)
    other.execute("ROLLBACK")
    other.close()
    write(store, Chain("i-2").next())
    store.close()


def test_file_that_is_read_by_another_becomes_a_store_once_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not wait before it changes the journal mode: we do. The pause ends the reading here."""
    path = tmp_path / "a.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE mine (a); BEGIN; SELECT a FROM mine").fetchall()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        other.execute("ROLLBACK")

    monkeypatch.setattr("persistence.sqlite.connection.BUSY_MS_MAX", 10)
    monkeypatch.setattr("persistence.sqlite.connection.time", SimpleNamespace(monotonic=lambda: 0.0, sleep=pause))
    SQLiteStore(path).close()
    assert len(pauses) == 1
    other.close()


def test_file_that_cannot_have_a_log_is_refused(tmp_path: Path) -> None:
    """Without WAL neither the syncs nor the readers are what they are said to be."""
    path = tmp_path / "a.db"
    vfs = NoSharedMemory("perdure-no-shm")
    refused(path, CannotOpen, vfs="perdure-no-shm")
    SQLiteStore(path).close()
    vfs.unregister()


class NoSharedMemory(apsw.VFS):
    """A disk that SQLite can keep no log on: its files know only what the oldest disks know."""

    def __init__(self, name: str) -> None:
        super().__init__(name, base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # apsw's
        return cast("apsw.VFSFile", Bare(apsw.VFSFile("", name, flags)))


class Bare:
    """A file that is no VFSFile."""

    def __init__(self, file: apsw.VFSFile) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)
