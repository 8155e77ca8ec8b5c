"""docs/format.md is true: its queries and programs run in processes of their own, with the standard library alone."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import recovery
from examples.order import Order
from persistence.sqlite.packing import PACKED_BYTES_MIN
from persistence.sqlite.schema import FORMAT, TABLES, VIEWS
from statemachine import Engine
from statemachine.folding import stored_image
from statemachine.limits import PATCHES_MAX, WHOLE_BYTES_MAX, Limits
from statemachine.patches import fold
from tests.children import run_child
from tests.damage import change, mistype
from tests.format_page import ASKED, PATH, Book, Write, asked, made, rewritten
from tests.kit import STOCKED
from tests.patience import WAIT_SECONDS_MAX
from tests.snippets import python_blocks

PAGE = PATH.read_text(encoding="utf-8")
BACKUP, READING, PROVING, SEALS = python_blocks(PAGE)
ROW = "WHERE instance = (SELECT id FROM perdure_instance WHERE name = 'book') AND version = 3"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("format"))


@pytest.fixture
def copied(file: Path, tmp_path: Path) -> Path:
    """A file of one's own, to be damaged."""
    for one in file.parent.glob("shop.db*"):
        shutil.copy(one, tmp_path)
    return tmp_path / "shop.db"


def run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the page where the file is, isolated: nothing but the standard library can be imported."""
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", program]
    return subprocess.run(
        command, cwd=path.parent, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS_MAX
    )


def test_every_answer_of_the_page_is_what_the_file_says(
    file: Path, record_property: Callable[[str, object], None]
) -> None:
    """The standard library's SQLite, whichever it is, answers each query as the page shows; the version is told."""
    version, _ = asked(file, ["SELECT 1"])
    record_property("sqlite3 of the standard library", version)
    print(f"docs/format.md was asked of SQLite {version}")  # shown by pytest -rP, and where the test fails
    assert rewritten(PAGE, file) == PAGE, "python -m tests.format_page writes the answers into the page"
    assert len(ASKED.findall(PAGE)) > 12


def test_answer_that_is_not_the_files_is_found(file: Path) -> None:
    """Negative control."""
    forged = PAGE.replace("ann|ann", "eve|eve")
    assert rewritten(forged, file) == PAGE != forged


def test_every_table_and_view_is_told_of_in_its_order() -> None:
    made_by = re.compile(r"CREATE (?:TABLE|VIEW) (\w+)")
    names = [found[1] for text in (*VIEWS, *TABLES) if (found := made_by.search(text))]
    assert re.findall(r"^\| `(perdure_\w+)` \|", PAGE, re.MULTILINE) == names
    assert ASKED.findall(PAGE)[-1][1] == f"value\n{FORMAT}\n"


def test_example_of_a_patch_gives_what_the_page_says(file: Path) -> None:
    """By our own fold, and by the page's program."""
    before, patch, after = re.findall(r"^```json\n(.*)\n```$", PAGE, re.MULTILINE)
    assert fold(before.encode(), [patch.encode()]).decode() == after
    by_hand = run(f"{READING}\nprint(folded({before!r}, {patch!r}))", file)
    assert (by_hand.stdout, by_hand.stderr) == (f"{after}\n", "")


def test_journal_is_proven_by_hand(file: Path) -> None:
    """What the program prints are the hashes of the file and the lengths of the data, patches and streams folded."""
    with Engine(file, Order, Book, read_only=True) as engine, engine.store.reader() as reader:
        heads = [head for name in ("o-1", "book") if (head := reader.head(name)) is not None]
        wanted = "".join(
            f"{one.instance} {len(stored_image(one, reader).decode())} {one.hash.hex()}\n" for one in heads
        )
    done = run(READING + PROVING, file)
    assert (done.stdout, done.stderr) == (wanted, "")


def test_seals_are_proven_by_hand(file: Path) -> None:
    done = run(SEALS, file)
    assert (done.stdout, done.stderr) == (f"{recovery.verify(file, Order, Book).seal}\n", "")


@pytest.mark.parametrize("column", ["actor = 'eve'", "time = time + 1", "token = zeroblob(16)", "body = x'7b7d'"])
def test_changed_row_fails_the_proof_by_hand(copied: Path, column: str) -> None:
    """Negative control: of the journal's proof."""
    change(copied, f"UPDATE perdure_journal SET {column} {ROW}")
    assert run(READING + PROVING, copied).returncode == 1


@pytest.mark.parametrize(
    "statement", [f"DELETE FROM perdure_journal {ROW}", f"UPDATE perdure_journal SET hash = x'00' {ROW}"]
)
def test_row_that_is_gone_or_changed_fails_the_proof_of_the_seals(copied: Path, statement: str) -> None:
    """Negative control: of the seals' proof."""
    change(copied, statement)
    done = run(SEALS, copied)
    assert "is not what was written" in done.stderr


def test_copy_made_beside_a_writer_is_whole_and_a_plain_one_is_not(tmp_path: Path) -> None:
    """The page's program takes all that was acknowledged; the database without its log lacks the newest."""
    path = tmp_path / "shop.db"
    with Engine(path, Order, Book, schema=STOCKED) as engine:
        engine.start(Book, id="b").send(Write("one"))
        assert run(BACKUP, path).stderr == ""
        shutil.copy(path, tmp_path / "plain.db")
        engine.get(Book, "b").send(Write("two"))
    assert recovery.verify(tmp_path / "copy.db", Order, Book).is_clean
    count = ["SELECT version FROM perdure_instances WHERE instance = 'b'"]
    assert [asked(tmp_path / name, count)[1] for name in ("copy.db", "plain.db")] == [
        [["version", "2"]],
        [["version"]],
    ]


KILLED = """
import os, signal, sys
from statemachine import Engine
from tests.format_page import Book
Engine(sys.argv[1], Book).start(Book, id="b")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_reading_after_a_kill_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    """Opened read-only, as the page says, the newest commits are seen and the -wal keeps every byte."""
    path = tmp_path / "shop.db"
    assert run_child(KILLED, path) == (-9, "")
    log = (tmp_path / "shop.db-wal").read_bytes()
    assert asked(path, ["SELECT instance FROM perdure_instances"])[1] == [["instance", "b"]]
    assert (tmp_path / "shop.db-wal").read_bytes() == log != b""


def test_vacuum_keeps_the_file_valid(file: Path, copied: Path) -> None:
    """What is not sound before it is all that is not sound after it."""
    assert run("import sqlite3; c = sqlite3.connect('shop.db'); c.execute('VACUUM'); c.close()", copied).stderr == ""
    before, after = (recovery.verify(path, Order, Book) for path in (file, copied))
    assert (after.instances, after.store, after.seal) == (before.instances, before.store, before.seal)


def test_sizes_of_the_page_are_the_limits() -> None:
    assert (WHOLE_BYTES_MAX, PATCHES_MAX, PACKED_BYTES_MIN, Limits().inline_bytes_max) == (256, 250, 1 << 10, 2 << 10)
    for text in ("more than 256 bytes", "or are 250", "of 1 KiB and more", "above 2 KiB"):
        assert text in PAGE


def test_views_answer_the_engine_too_and_split_what_is_remembered(copied: Path) -> None:
    """`engine.sql()` reads them, with the schema untrusted; a region's memory is no state."""
    change(copied, "UPDATE perdure_symbol SET name = 'review|fulfil=fulfil.stock.picked' WHERE name = 'review'")
    with Engine(copied, Order, Book, read_only=True) as engine:
        found = engine.sql().execute(
            "SELECT instance, state FROM perdure_states WHERE workflow = 'Order' LIMIT 3 OFFSET 3"
        )
        split = engine.sql().execute("SELECT DISTINCT remembered FROM perdure_instances WHERE configuration = 'review'")
    assert found == [("o-3", "review"), ("o-4", "review"), ("o-5", "charging")]
    assert sorted(split) == [("fulfil=fulfil.stock.picked",), ("perdure.terminated",)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM perdure_instances WHERE instance = 'o-1'",
        "SELECT * FROM perdure_keys WHERE instance = 'o-1'",
        "SELECT * FROM perdure_checkpoints WHERE instance = 'o-1'",
        "SELECT * FROM perdure_states WHERE instance = 'o-1'",
        "SELECT * FROM perdure_transitions ORDER BY n DESC LIMIT 3",
        next(query for query, _ in ASKED.findall(PAGE) if query.startswith("WITH RECURSIVE")),
    ],
)
def test_question_about_one_instance_reads_no_whole_table(file: Path, query: str) -> None:
    """Views are joins along keys: nothing is scanned but what a query asks all of, and what is virtual."""
    _, (plan,) = asked(file, [f"EXPLAIN QUERY PLAN {query}"])
    scanned = [line.partition("SCAN ")[2] for line in plan if "SCAN " in line]
    assert [one for one in scanned if not re.match(r"leaf VIRTUAL|back\b|j$", one)] == []
    assert "j" not in scanned or "ORDER BY n" in query


def test_users_sqlite3_opens_the_page_s_file_and_its_schema_tells_of_columns(file: Path) -> None:
    """`.schema` shows what SQLite keeps: our comments stand in it."""
    _, ((_, sql, *_),) = asked(file, ["SELECT sql FROM sqlite_schema WHERE name = 'perdure_journal'"])
    assert "-- order of commits" in sql
    assert sqlite3.sqlite_version_info >= (3, 37)


ODD = ('a"b', "a\\b", "a'b", "a\nb\tc", "a\x01b", "a\0b", "[", "{}", "é\U0001f600", ",", '","')


@pytest.mark.parametrize("name", ODD)
def test_views_answer_where_a_damaged_name_holds_anything(copied: Path, name: str) -> None:
    """States are split at their commas, and told as they stand; SQLite's JSON ends a text at a NUL."""
    change(copied, "UPDATE perdure_symbol SET name = ? WHERE name = 'review'", name)
    connection = sqlite3.connect(copied)
    found = [state for (state,) in connection.execute("SELECT state FROM perdure_states WHERE instance = 'o-3'")]
    assert found == name.partition("\0")[0].split(",")
    for (view,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
        connection.execute(f"SELECT * FROM {view}").fetchall()
    connection.close()


@pytest.mark.parametrize("name", ["x'ff22'", "CAST(x'ff2241' AS TEXT)", "NULL", "7"])
def test_views_answer_where_a_damaged_name_is_no_text(copied: Path, name: str) -> None:
    mistype(copied, "perdure_symbol", f"name = {name} WHERE name = 'review'")
    connection = sqlite3.connect(copied)
    connection.text_factory = bytes
    for (view,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
        connection.execute(f"SELECT * FROM {view.decode()}").fetchall()
    ((count,),) = connection.execute("SELECT count(*) FROM perdure_states WHERE instance = 'o-3'").fetchall()
    assert count == 1
    connection.close()
