"""A backup is of one moment, sound before it has its name, and nothing is left of one that was not made."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import threading
from pathlib import Path

import apsw
import pytest

import recovery
from examples.order import Order
from persistence import BackupFailed, Closed, MemoryStore, NotFound, Quarantine, Reader, SQLiteStore, StoreFull
from persistence.sqlite import copying
from persistence.sqlite.connection import connect
from statemachine import Engine
from tests.children import Add, Tally, child
from tests.damage import DAMAGE, DEEP_DAMAGE, change
from tests.damage import damaged as changed
from tests.kit import shipped, shop
from tests.patience import WAIT_SECONDS_MAX
from tests.test_cli import perdure

ROUNDS = 30
DEFINITION_DAMAGE = {
    "definition: text": "update perdure_definition set text = replace(text, 'cart', 'tart')",
    "definition: fingerprint": "update perdure_definition set fingerprint = zeroblob(32)",
    "definition: gone": "delete from perdure_definition",
}
FOUND = {**DAMAGE, **DEEP_DAMAGE, **DEFINITION_DAMAGE}


def names(folder: Path) -> list[str]:
    """What lies in a folder, anchors left out."""
    return sorted(one.name for one in folder.iterdir() if not one.name.endswith("db-anchor"))


def test_a_backup_holds_what_was_committed_and_opens_as_a_store(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with shop(tmp_path) as engine:
        shipped(engine, "o-1")
        history = [one.hash for one in engine.get(Order, "o-1").history()]
        assert engine.backup(target) == ()
        assert not (tmp_path / "copy.db-anchor").exists()
        engine.start(Order, id="o-2")
        assert "copy.db" in names(tmp_path)
    assert names(tmp_path) == ["copy.db", "shop.db"]
    assert recovery.verify(target, Order).is_clean
    with recovery.open(target, Order) as copy:
        assert [one.id for one in copy.list(Order)] == ["o-1"]
        assert [one.hash for one in copy.get(Order, "o-1").history()] == history
        assert copy.sql().execute("select n from stock where sku = 'lamp'") == [(4,)]
        copy.start(Order, id="o-3")


def test_a_backup_keeps_level_journal_mode_and_the_users_numbers_but_no_open_marks(tmp_path: Path) -> None:
    path, target = tmp_path / "tally.db", tmp_path / "copy.db"
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 7")
    connection.close()
    with Engine(path, Tally, durability="normal") as engine:
        engine.start(Tally, id="t")
        path.chmod(0o640)
        engine.backup(target)
        assert target.stat().st_mode & 0o777 == 0o640
    connection = sqlite3.connect(target)
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    assert connection.execute("pragma user_version").fetchone() == (7,)
    assert connection.execute("select count(*) from perdure_open_mark").fetchone() == (0,)
    connection.close()
    store = SQLiteStore(target)
    assert (store.facts.level, store.facts.unclean) == ("normal", ())
    store.close()


def test_a_plain_copy_of_the_file_loses_what_stands_in_its_log(tmp_path: Path) -> None:
    """Which is why there is a command for it."""
    path, plain, target = tmp_path / "tally.db", tmp_path / "plain.db", tmp_path / "copy.db"
    code = "import sys; from pathlib import Path; Path(sys.argv[2]).write_bytes(Path(sys.argv[1]).read_bytes())"
    with Engine(path, Tally) as engine:
        engine.start(Tally, id="t").send(Add(5))
        with child(code, path, plain) as copying_process:  # another process: opening it here would drop our locks
            assert copying_process.wait() == 0
        engine.backup(target)
    with Engine(plain, Tally) as copy:
        assert copy.list(Tally) == []
    with Engine(target, Tally) as copy:
        assert [one.data.total for one in copy.list(Tally)] == [5]


WRITER = """
import sys
from statemachine import Engine
from tests.children import Add, Tally
with Engine(sys.argv[1], Tally) as engine:
    tally = engine.get(Tally, "t")
    print("ready", flush=True)
    while sys.stdin.readline():
        print(tally.send(Add(1)).version, flush=True)
"""


def test_other_processes_write_while_the_copy_is_made_and_are_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process writes after each step of the copy: it waits for nothing, and the copy is of its first moment."""
    path, target, written = tmp_path / "tally.db", tmp_path / "copy.db", list[int]()
    monkeypatch.setattr(copying, "STEP_PAGES", 8)
    with Engine(path, Tally) as engine:
        engine.start(Tally, id="t")
    with Engine(path, Tally) as engine, child(WRITER, path, stdin=subprocess.PIPE) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        assert stdout.readline() == "ready\n"
        step = copying.copy_pages

        def interleaved(backup: apsw.Backup) -> bool:
            stdin.write("\n")
            stdin.flush()
            written.append(int(stdout.readline()))
            return step(backup)

        monkeypatch.setattr(copying, "copy_pages", interleaved)
        engine.backup(target)
        stdin.close()
    assert len(written) >= 3
    with Engine(target, Tally) as copy:
        assert copy.get(Tally, "t").version == 1


def test_a_thread_writes_while_the_copy_is_made(tmp_path: Path) -> None:
    with Engine(tmp_path / "tally.db", Tally) as engine:
        tally = engine.start(Tally, id="t")
        writer = threading.Thread(target=lambda: [tally.send(Add(1)) for _ in range(ROUNDS)])
        writer.start()
        for number in range(3):
            engine.backup(tmp_path / f"copy-{number}.db")
        writer.join()
        assert tally.version == ROUNDS + 1
    for number in range(3):
        assert recovery.verify(tmp_path / f"copy-{number}.db", Tally).is_clean


@pytest.mark.parametrize("taken", ["copy.db", "copy.db-wal", "copy.db-journal", "copy.db-anchor"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with Engine(tmp_path / "tally.db", Tally) as engine, pytest.raises(BackupFailed, match="exists, and a backup"):
        engine.backup(tmp_path / "copy.db")
    assert (tmp_path / taken).read_text() == "mine"
    assert set(names(tmp_path)) <= {taken, "tally.db"}


def test_one_who_takes_the_name_meanwhile_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    store = SQLiteStore(tmp_path / "tally.db")

    def late(_: Reader) -> None:
        target.write_text("mine")

    with pytest.raises(BackupFailed, match="File exists"):
        store.backup(str(target), late)
    store.close()
    assert (target.read_text(), names(tmp_path)) == ("mine", ["copy.db", "tally.db"])


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links_makes_a_backup_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    target = tmp_path / "copy.db"

    def refuse(_: Path, __: Path) -> None:
        if taken:
            target.write_text("mine")
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with Engine(tmp_path / "tally.db", Tally) as engine:
        engine.start(Tally, id="t")
        if taken:
            with pytest.raises(BackupFailed):
                engine.backup(target)
            assert target.read_text() == "mine"
        else:
            assert engine.backup(target) == ()
    assert names(tmp_path) == ["copy.db", "tally.db"]


def test_a_folder_that_cannot_be_synced_leaves_no_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def fails(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "on purpose")
        sync(descriptor)

    with Engine(tmp_path / "tally.db", Tally) as engine:
        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(BackupFailed, match="on purpose"):
            engine.backup(tmp_path / "copy.db")
        monkeypatch.undo()
    assert names(tmp_path) == ["tally.db"]


KILLED = """
import os, signal, sys
from persistence.sqlite import copying
from statemachine import Engine
from tests.children import Tally
step, copying.STEP_PAGES = copying.copy_pages, 4
def killed(backup):
    step(backup)
    os.kill(os.getpid(), signal.SIGKILL)
copying.copy_pages = killed
with Engine(sys.argv[1], Tally) as engine:
    engine.backup(sys.argv[2])
"""


def test_who_is_killed_leaves_no_target_and_a_sound_store(tmp_path: Path) -> None:
    path, target = tmp_path / "tally.db", tmp_path / "copy.db"
    with Engine(path, Tally) as engine:
        engine.start(Tally, id="t")
    with child(KILLED, path, target) as process:
        assert process.wait(timeout=WAIT_SECONDS_MAX) == -signal.SIGKILL
    assert not target.exists()
    assert [name.startswith("copy.db.part-") for name in names(tmp_path) if name.startswith("copy")] != []
    with recovery.open(path, Tally) as engine:
        assert engine.backup(target) == ()


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with Engine(tmp_path / "tally.db", Tally) as engine, pytest.raises(NotFound, match="its folder does not exist"):
        engine.backup(tmp_path / "absent" / "copy.db")


def test_a_store_without_a_file_has_no_backup(tmp_path: Path) -> None:
    with Engine(MemoryStore(), Tally) as engine, pytest.raises(BackupFailed, match="PS330"):
        engine.backup(tmp_path / "copy.db")
    assert names(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is told that the copy may have no more pages than this, which it answers as it answers a full disk."""

    def small(path: str, *, read_only: bool = False) -> apsw.Connection:
        connection = connect(path, read_only=read_only)
        connection.pragma("max_page_count", 5)
        return connection

    monkeypatch.setattr(copying, "connect", small)
    with Engine(tmp_path / "tally.db", Tally) as engine:
        engine.start(Tally, id="t")
        with pytest.raises(StoreFull):
            engine.backup(tmp_path / "copy.db")
        engine.get(Tally, "t").send(Add(1))
    assert names(tmp_path) == ["tally.db"]


def damaged(folder: Path, statement: str) -> Path:
    """A file of two orders, in which something was changed."""
    with shop(folder) as engine:
        shipped(engine, "o-1")
        engine.start(Order, id="o-2")
    connection = sqlite3.connect(folder / "shop.db")
    connection.execute(statement)
    connection.commit()
    connection.close()
    return folder / "shop.db"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("update perdure_journal set body = x'00' where version = 3", "'o-1': version 3: its body cannot"),
        ("update perdure_journal set seal = x'00' where n = 2", "the seal at row 2 does not follow"),
        (
            "update perdure_instance set time = 0 where name = 'o-2'",
            "'o-2': version 1: a column, the image",
        ),
        ("update perdure_instance set head = 2 where name = 'o-1'", "'o-1': its journal ends at version 2"),
        ("delete from perdure_journal where n = 7", "'o-2'"),
        ("delete from perdure_instance where name = 'o-2'", "belong to an instance"),
    ],
)
def test_a_copy_that_is_damaged_is_not_kept_unless_that_is_accepted(tmp_path: Path, statement: str, told: str) -> None:
    path, target = damaged(tmp_path, statement), tmp_path / "copy.db"
    with Engine(path, Order) as engine:
        with pytest.raises(BackupFailed, match="the copy is damaged, as the store is") as raised:
            engine.backup(target)
        assert names(tmp_path)[0] == "shop.db"
        found = engine.backup(target, accept_damage=True)
    assert any(told in line for line in found), found
    assert found[0] in str(raised.value)
    assert not recovery.verify(target, Order).is_clean


@pytest.mark.parametrize("damage", FOUND)
def test_what_a_verification_finds_a_backup_finds(tmp_path: Path, damage: str) -> None:
    """Heads, rows, keys and definitions, each changed by another program: the same engine that wrote them refuses."""
    path = changed(tmp_path, FOUND[damage])
    with Engine(path, Order, read_only=True) as engine:
        with pytest.raises(BackupFailed, match="the copy is damaged, as the store is"):
            engine.backup(tmp_path / "copy.db")
        found = engine.backup(tmp_path / "copy.db", accept_damage=True)
    assert not recovery.verify(tmp_path / "copy.db", Order).is_clean
    assert len(found) == len(set(found))


def test_a_key_that_stands_for_another_payload_is_found_where_the_class_is_known(tmp_path: Path) -> None:
    """Without it nobody can say which digest a payload has."""
    path = changed(tmp_path, DEEP_DAMAGE["key: digest"])
    with Engine(path, read_only=True) as engine:
        assert engine.backup(tmp_path / "without.db") == ()
    with Engine(path, Order, read_only=True) as engine, pytest.raises(BackupFailed, match="stands for another payload"):
        engine.backup(tmp_path / "with.db")


def test_a_named_checkpoint_that_is_damaged_is_found(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        shipped(engine, "o-1").checkpoint("paid")
    change(tmp_path / "shop.db", "update perdure_checkpoint set image = cast('{}' as blob)")
    with Engine(tmp_path / "shop.db", Order) as engine, pytest.raises(BackupFailed, match="checkpoint 'paid' of 'o-1'"):
        engine.backup(tmp_path / "copy.db")


def test_an_instance_that_is_set_aside_as_it_should_be_does_not_spoil_the_copy(tmp_path: Path) -> None:
    """A broken invariant is nothing that a copy adds or takes away: the mark goes with it."""
    with shop(tmp_path) as engine:
        shipped(engine, "o-1")
        with engine.store.transaction() as transaction:
            transaction.quarantine(Quarantine("o-1", "an invariant is broken", 6, 0))
            transaction.commit()
        assert engine.backup(tmp_path / "copy.db") == ()


def test_a_page_that_is_torn_is_found(tmp_path: Path) -> None:
    path = damaged(tmp_path, "select 1")
    connection = sqlite3.connect(path)
    page = "select rootpage from sqlite_schema where name = 'perdure_stub_instance'"  # nobody reads it but who looks
    ((page_number,),) = connection.execute(page).fetchall()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page_number - 1) * 4096)
        file.write(b"\xff" * 600)
    with Engine(path, Order, read_only=True) as engine, pytest.raises(BackupFailed):
        engine.backup(tmp_path / "copy.db")


def test_a_closed_engine_makes_none(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "tally.db", Tally)
    engine.close()
    with pytest.raises(Closed):
        engine.backup(tmp_path / "copy.db")


def test_the_command_makes_one_and_says_what_is_wrong(tmp_path: Path) -> None:
    path = damaged(tmp_path, "select 1")
    target = tmp_path / "copy.db"
    shown = perdure("backup", str(path), str(target))
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"{target}: a sound copy\n", "")
    again = perdure("backup", str(path), str(target))
    assert (again.returncode, again.stdout) == (3, "")
    assert "PS330" in again.stderr
    assert perdure("backup", str(tmp_path / "absent.db"), str(target)).returncode == 5
