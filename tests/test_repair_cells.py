"""Each cell of an instance's rows, changed by hand: found or harmless, and nobody else is stopped."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import recovery
from examples.order import Charged, Order, OrderData, Submit
from persistence import StoreError
from statemachine import Refused
from tests.damage import ROW_OF_B, copied_over, damaged, dump, verdicts
from tests.kit import shop

VALUES = {
    "INTEGER": ("0", "7777", "9223372036854775807", "-1"),
    "TEXT": ("'x'", "cast(x'ff41' as text)", "null"),
    "BLOB": ("x''", "zeroblob(32)", "null"),
}
ROWS = {
    "head": ("perdure_instance", "name = 'b'"),
    "version 1": ("perdure_journal", f"{ROW_OF_B} and version = 1"),
    "version 2": ("perdure_journal", f"{ROW_OF_B} and version = 2"),
    "key": ("perdure_key", f"{ROW_OF_B} and version = 2"),
    "key of the start": ("perdure_key", f"{ROW_OF_B} and version = 1"),
}
HARMLESS = {
    ("head", "prior"),  # a hint that nothing relies on
    ("version 1", "prior"),  # there is none before it, and the chain ends there
    ("version 1", "before"),  # a number that names no symbol reads as the empty text that is hashed
    ("key", "n"),  # a hint, where its row stands
    ("key of the start", "n"),
    ("key", "error"),
    ("key of the start", "error"),  # no rule handles errors yet
}
SEALS = {("version 1", "seal"), ("version 2", "seal")}  # proven by the commit after it, reported, never rewritten


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damaged(tmp_path_factory.mktemp("sound"))


def changed(sound: Path, row: str) -> Iterator[tuple[str, Path]]:
    """Yield each column of a row, and a file in which only it is another value."""
    table, where = ROWS[row]
    connection = sqlite3.connect(sound)
    columns = connection.execute(f"select name, type from pragma_table_info('{table}')").fetchall()
    connection.close()
    before = dump(sound)
    for column, kind in columns:
        for value in VALUES[kind]:
            path = copied_over(sound, sound.with_name("changed"))
            connection = sqlite3.connect(path)
            try:
                connection.execute(f"update {table} set {column} = {value} where {where}")
                connection.commit()
            except sqlite3.IntegrityError:
                continue  # SQLite itself holds the rule
            finally:
                connection.close()
            if dump(path) != before:
                yield column, path


def judged(path: Path) -> str | None:
    """Recover a file, twice, and return the verdict on b; None where the file takes no more rows, and that is said."""
    found = recovery.verify(path, Order)
    try:
        report = recovery.recover(path, Order, level="full")
    except StoreError as error:
        return None if "which is damage" in str(error) else f"refused: {error}"
    once = dump(path)
    recovery.recover(path, Order, level="full")
    assert dump(path) == once
    told = verdicts(report)
    others = {name: verdict for name, verdict in told.items() if name in {"a", "c"}}
    assert others == {"a": "CLEAN", "c": "CLEAN"} or "key" in str(report)  # a key can be given to another instance
    if found.is_clean:
        return "unnoticed"
    if any("could not be done" in finding for finding in report.store):
        return None
    return told.get("b", "lost")


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS)
def test_a_changed_cell_is_repaired_or_refused_and_stops_nobody_else(sound: Path, row: str) -> None:
    count = 0
    for column, path in changed(sound, row):
        verdict = judged(path)
        count += 1
        if verdict == "unnoticed":
            assert (row, column) in HARMLESS, column
        if verdict in {"REBUILT", "KEPT AT HEAD", "unnoticed"} or (row, column) in SEALS:
            assert is_as_it_was(path), column
            assert recovery.verify(path, Order).is_clean or (row, column) in SEALS, column
        else:
            assert verdict in {"QUARANTINED", "lost", None}, column
            assert verdict != "QUARANTINED" or is_refused(path), column
    assert count > 10


def is_as_it_was(path: Path) -> bool:
    """Say whether b stands where it stood, knows its key and goes on."""
    folder = path.parent / "opened"
    folder.mkdir(exist_ok=True)
    copied_over(path, folder / "shop.db")
    with shop(folder) as engine:
        order = engine.get(Order, "b")
        stands = (order.state, order.data, order.send(Submit("lamp", 1), key="k").version)
        order.send(Charged("c"))
    return stands == ("charging", OrderData("lamp", 1), 2) and recovery.verify(folder / "shop.db", Order).counts() == {
        "CLEAN": 3
    }


def is_refused(path: Path) -> bool:
    """Say whether an engine loads b no more; of a name that was changed there is no b."""
    folder = path.parent / "opened"
    folder.mkdir(exist_ok=True)
    copied_over(path, folder / "shop.db")
    with shop(folder) as engine:
        try:
            engine.get(Order, "b")
        except (Refused, StoreError):
            return True
    return False
