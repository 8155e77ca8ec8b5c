"""Nothing is written into a file whose pages SQLite finds damaged; a value that misfits its column is no such thing."""

import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import recovery
from examples.order import Order
from persistence import Corrupt
from tests.damage import HEAD_DAMAGE, change, damaged, dump, misplace, mistype, verdicts
from tests.kit import shop
from tests.test_cli import perdure

DEAD = (
    "insert into perdure_open_mark (id, host, boot, pid, started, slot, time) "
    f"values ('dead', '{socket.gethostname()}', 'another', 1, '', 0, 0)"
)
PAGE = 4096


def misordered(path: Path) -> None:
    misplace(path, 8)


def root_of(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    ((root,),) = connection.execute("select rootpage from sqlite_schema where name = ?", (name,)).fetchall()
    connection.close()
    assert isinstance(root, int)
    return root


def lost_from_index(path: Path) -> None:
    """Let the index of symbols lack one: what searches by name does not find it, what scans does."""
    place = (root_of(path, "sqlite_autoindex_perdure_symbol_1") - 1) * PAGE + 3
    with path.open("r+b") as file:
        file.seek(place)
        count = int.from_bytes(file.read(2), "big")
        file.seek(place)
        file.write((count - 1).to_bytes(2, "big"))


def free_for_all(path: Path) -> None:
    """Say of a page in use that it is the first of those that are free: who writes takes it."""
    page = root_of(path, "perdure_quarantine")
    with path.open("r+b") as file:
        file.seek(32)
        file.write(page.to_bytes(4, "big") + (1).to_bytes(4, "big"))


def given_away(path: Path) -> None:
    """Put a page in use on the list of free ones, where SQLite's own check of such a file sees nothing wrong."""
    page, last = root_of(path, "perdure_quarantine"), path.stat().st_size // PAGE
    with path.open("r+b") as file:
        file.seek(28)
        file.write((last + 1).to_bytes(4, "big") + (last + 1).to_bytes(4, "big") + (2).to_bytes(4, "big"))
        file.seek(last * PAGE)
        file.write(bytes(4) + (1).to_bytes(4, "big") + page.to_bytes(4, "big") + bytes(PAGE - 12))


PAGES: dict[str, Callable[[Path], None]] = {
    "a row out of order": misordered,
    "an index that lacks a row": lost_from_index,
    "a list of free pages that is none": free_for_all,
    "a page in use and free": given_away,
}


def malformed(folder: Path, damage: str) -> Path:
    """A file in which b is to be rebuilt, and pages are damaged."""
    path = damaged(folder, HEAD_DAMAGE["head: time"])
    PAGES[damage](path)
    return path


@pytest.mark.parametrize("damage", PAGES)
def test_a_file_with_damaged_pages_stays_as_it_is_to_the_last_byte(tmp_path: Path, damage: str) -> None:
    path = malformed(tmp_path, damage)
    before = path.read_bytes()
    report = recovery.recover(path, Order, level="full")
    assert (report.malformed, report.is_clean) == (True, False)
    assert any("recovery writes nothing into it" in line for line in report.store)
    assert not set(verdicts(report).values()) <= {"CLEAN"}
    assert [one.repair for one in report.instances if one.repair] == []
    assert path.read_bytes() == before
    assert recovery.verify(path, Order).malformed


@pytest.mark.parametrize("damage", PAGES)
def test_a_sweep_of_heads_looks_at_the_pages_before_it_repairs(tmp_path: Path, damage: str) -> None:
    path = malformed(tmp_path, damage)
    before = dump(path)
    assert recovery.recover(path, Order, level="heads").malformed
    assert dump(path) == before


def test_without_damaged_pages_the_same_instance_is_repaired(tmp_path: Path) -> None:
    report = recovery.recover(damaged(tmp_path, HEAD_DAMAGE["head: time"]), Order)
    assert (report.malformed, report.is_clean, verdicts(report)["b"]) == (False, True, "REBUILT")


def test_a_sweep_that_repairs_nothing_asks_for_no_pages(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    free_for_all(path)
    assert not recovery.recover(path, Order, level="heads").malformed


def test_open_after_a_kill_raises_where_a_repair_is_due_and_goes_on_where_none_is(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"], DEAD)
    free_for_all(path)
    before = dump(path)
    with pytest.raises(Corrupt, match="recovery writes nothing into it"):
        recovery.open(path, Order)
    assert dump(path) == before
    with shop(tmp_path) as engine:
        assert engine.get(Order, "a").state == "shipped"


def test_the_command_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    path = malformed(tmp_path, "a row out of order")
    shown = perdure("recover", str(path), "examples.order:Order")
    assert (shown.returncode, shown.stderr) == (1, "")
    assert "restore a backup; where there is none, .recover of the sqlite3 shell" in shown.stdout


def test_a_loss_is_not_accepted_into_damaged_pages(tmp_path: Path) -> None:
    path = malformed(tmp_path, "a row out of order")
    before = path.read_bytes()
    with pytest.raises(Corrupt, match="recovery writes nothing into it"):
        recovery.accept_tail_loss(path)
    assert path.read_bytes() == before


def test_a_value_that_does_not_fit_its_column_keeps_nobody_from_being_repaired(tmp_path: Path) -> None:
    """That is damage of one row, which its page outlives: b is set aside, and c rebuilt."""
    path = damaged(tmp_path, "update perdure_instance set time = 0 where name = 'c'")
    mistype(path, "perdure_journal", "time = 'soon' where n = 7")
    report = recovery.recover(path, Order, level="full")
    assert (report.malformed, verdicts(report)) == (False, {"a": "CLEAN", "b": "QUARANTINED", "c": "REBUILT"})


def test_a_rule_that_the_users_own_rows_break_keeps_nobody_from_being_repaired(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])
    connection = sqlite3.connect(path)
    connection.execute("create table fuse (n int check (n > 0))")
    connection.close()
    change(path, "insert into fuse values (1)")
    connection = sqlite3.connect(path)
    connection.execute("pragma ignore_check_constraints = on")
    connection.execute("update fuse set n = -1")
    connection.commit()
    connection.execute("pragma ignore_check_constraints = off")
    assert "CHECK constraint failed" in str(connection.execute("pragma integrity_check").fetchall())
    connection.close()
    report = recovery.recover(path, Order, level="full")
    assert (report.malformed, verdicts(report)) == (False, {"a": "CLEAN", "b": "REBUILT", "c": "CLEAN"})
