"""A file that holds only its user's tables becomes a store in one go, and stays its user's file."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from persistence import CannotOpen, SQLiteStore
from persistence.sqlite import store as module
from persistence.sqlite.connection import connect
from persistence.sqlite.schema import TABLES, VIEWS
from statemachine import Engine
from tests.children import Add, Tally, child, run_child
from tests.patience import WAIT_SECONDS_MAX

SCHEMA = "CREATE TABLE IF NOT EXISTS extra (a)"
APPLICATION_ID, USER_VERSION = 0x5A0E5A0E, 4711
CHILDREN = 4

Rows = list[tuple[object, ...]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that was made with the standard library's SQLite, and closed."""
    with closing(sqlite3.connect(tmp_path / "users.db")) as connection:
        connection.executescript(f"""
            PRAGMA page_size = 1024;
            PRAGMA application_id = {APPLICATION_ID};
            PRAGMA user_version = {USER_VERSION};
            CREATE TABLE stock (sku TEXT PRIMARY KEY, n INTEGER);
            CREATE TABLE "odd name" (a, b);
            CREATE VIEW scarce AS SELECT sku FROM stock WHERE n < 3;
            CREATE TRIGGER logged AFTER UPDATE ON stock BEGIN INSERT INTO "odd name" VALUES (old.n, new.n); END;
            INSERT INTO stock VALUES ('lamp', 5), ('bulb', 2);
        """)
    return tmp_path / "users.db"


def read(path: Path, *statements: str) -> list[Rows]:
    """Read with the standard library's SQLite. No connection of ours may be open in this process."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements]


def users(path: Path) -> list[Rows]:
    """What is the user's in a file: the marks in its header, its definitions, its rows."""
    return read(
        path,
        "PRAGMA application_id",
        "PRAGMA user_version",
        "PRAGMA page_size",
        "SELECT type, name, sql FROM sqlite_schema WHERE substr(tbl_name, 1, 8) <> 'perdure_' ORDER BY name",
        "SELECT sku, n FROM stock ORDER BY sku",
        "SELECT a, b FROM 'odd name'",
        "PRAGMA integrity_check",
    )


def names(path: Path) -> set[str]:
    """The names of everything that a file defines."""
    (found,) = read(path, "SELECT name FROM sqlite_schema")
    return {str(name) for (name,) in found}


BESIDE = """
import json, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("PRAGMA foreign_keys = ON")
found = [c.execute(text).fetchall() for text in sys.argv[2:]]
c.commit()
c.close()
print(json.dumps(found))
"""


def beside(path: Path, *statements: str) -> list[list[list[object]]]:
    """Run statements with the standard library's SQLite in a process of its own, as the user's other programs do.

    Not in this process: each of two SQLites in one would drop the other's locks.
    """
    code, printed = run_child(BESIDE, path, *statements)
    assert code == 0
    found: list[list[list[object]]] = json.loads(printed)
    return found


def test_file_is_adopted_and_what_is_the_users_stays(path: Path) -> None:
    before = users(path)
    with Engine(path, Tally) as engine:
        engine.start(Tally, id="t").send(Add(1))
    assert users(path) == before
    assert read(path, "PRAGMA journal_mode") == [[("wal",)]]


def test_only_names_that_begin_with_perdure_are_added(path: Path) -> None:
    before = names(path)
    SQLiteStore(path).close()
    added = {name.removeprefix("sqlite_autoindex_") for name in names(path) - before}
    assert len(added) >= len(TABLES) + len(VIEWS)
    assert all(name.startswith("perdure_") for name in added)


def test_opening_again_adds_nothing(path: Path) -> None:
    SQLiteStore(path).close()
    before = read(path, "SELECT type, name, sql FROM sqlite_schema", "SELECT name, value FROM perdure_meta")
    SQLiteStore(path).close()
    assert read(path, "SELECT type, name, sql FROM sqlite_schema", "SELECT name, value FROM perdure_meta") == before


def test_users_programs_go_on_beside_an_open_engine(path: Path) -> None:
    """Reading, writing, and reading what the engine did, with an older SQLite that has none of our settings."""
    with Engine(path, Tally) as engine:
        tally = engine.start(Tally, id="t")
        tally.send(Add(1), key="k")
        stock, transitions, instances = beside(
            path,
            "SELECT n FROM stock WHERE sku = 'lamp'",
            "SELECT instance, version, event, before, after, key FROM perdure_transitions ORDER BY n",
            "SELECT instance, workflow, version, configuration, outcome, data, quarantine FROM perdure_instances",
        )
        assert stock == [[5]]
        assert transitions == [
            ["t", 1, "perdure.start", "", "counting", None],
            ["t", 2, "Add", "counting", "counting", "k"],
        ]
        assert instances == [["t", "Tally", 2, "counting", None, '{"total":1}', None]]
        beside(path, "UPDATE stock SET n = 1 WHERE sku = 'lamp'")
        assert engine.sql().execute("SELECT sku FROM scarce ORDER BY sku") == [("bulb",), ("lamp",)]
        assert tally.send(Add(1)).version == 3
        beside(path, "INSERT INTO stock VALUES ('desk', 9)", "CREATE TABLE later (a)")
        assert tally.send(Add(1)).version == 4
        assert engine.sql().execute("SELECT count(*) FROM later") == [(0,)]


def test_times_in_the_views_are_utc_and_can_be_read(path: Path) -> None:
    with Engine(path, Tally, clock=lambda: 1_700_000_000_250_000) as engine:
        engine.start(Tally, id="t")
    found = read(path, "SELECT time FROM perdure_transitions", "SELECT time FROM perdure_instances")
    assert found == [[("2023-11-14T22:13:20.250Z",)]] * 2


def test_file_with_a_log_that_was_left_by_a_kill_is_adopted_with_it(path: Path) -> None:
    script = """
import os, signal, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("PRAGMA journal_mode = WAL")
c.execute("INSERT INTO stock VALUES ('desk', 9)")
c.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_child(script, path) == (-9, "")
    with Engine(path, Tally) as engine:
        assert engine.sql().execute("SELECT n FROM stock WHERE sku = 'desk'") == [(9,)]


# -- an adoption that does not come to its end -------------------------------------------------------------------------

POINTS = [
    "journal_mode",
    "BEGIN IMMEDIATE",
    "CREATE TABLE perdure_meta",
    "CREATE TABLE perdure_journal",
    "CREATE VIEW perdure_transitions",
    "INSERT INTO perdure_meta",
    SCHEMA,
    "INSERT INTO perdure_open_mark",
    "COMMIT",
]

KILLED = """
import os, signal, sys
from persistence.sqlite import store
connect = store.connect

def traced(*args, **kwargs):
    connection = connect(*args, **kwargs)

    def trace(cursor, statement, bindings):
        if sys.argv[2] in statement:
            print("killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    connection.exec_trace = trace
    return connection

store.connect = traced
store.SQLiteStore(sys.argv[1], schema=sys.argv[3])
"""


@pytest.mark.parametrize("point", POINTS)
def test_kill_during_adoption_leaves_the_users_file_usable_and_adoptable(point: str, path: Path) -> None:
    before = users(path)
    assert run_child(KILLED, path, point, SCHEMA) == (-9, "killed")
    assert users(path) == before
    assert not any(name.startswith("perdure_") for name in names(path))
    assert beside(path, "UPDATE stock SET n = n RETURNING sku")
    store = SQLiteStore(path, schema=SCHEMA)
    assert store.facts.unclean == ()
    store.close()


@pytest.mark.parametrize("point", POINTS[2:])
def test_exception_during_adoption_leaves_the_users_file_usable_and_adoptable(
    point: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = users(path)

    def traced(where: str, *, vfs: str | None = None, read_only: bool = False) -> apsw.Connection:
        opened = connect(where, vfs=vfs, read_only=read_only)

        def trace(_cursor: apsw.Cursor, statement: str, _bindings: object) -> bool:
            if point in statement:
                raise LookupError(point)
            return True

        opened.exec_trace = trace
        return opened

    with monkeypatch.context() as patch:
        patch.setattr(module, "connect", traced)
        with pytest.raises(LookupError):
            SQLiteStore(path, schema=SCHEMA)
    assert users(path) == before
    assert not any(name.startswith("perdure_") for name in names(path))
    with Engine(path, Tally, schema=SCHEMA) as engine:
        assert engine.start(Tally, id="t").version == 1


OPEN = """
import sys
from persistence import SQLiteStore
from tests.patience import patient
with patient():
    print("ready", flush=True)
    sys.stdin.readline()
    store = SQLiteStore(sys.argv[1], schema=sys.argv[2])
    print(store.facts.store_id, len(store.facts.unclean), flush=True)
    sys.stdin.readline()
    store.close()
"""


@pytest.mark.parametrize("existing", [True, False], ids=["the user's", "new"])
def test_processes_that_open_a_file_at_once_make_one_store(*, existing: bool, path: Path) -> None:
    where = path if existing else path.with_name("new.db")
    processes = [child(OPEN, where, SCHEMA, stdin=subprocess.PIPE) for _ in range(CHILDREN)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told: set[str] = set()
    for process in processes:
        assert process.stdout is not None
        told.add(process.stdout.readline())
    for process in processes:
        with process:
            process.communicate("close\n", timeout=WAIT_SECONDS_MAX)
            assert process.returncode == 0
    assert len(told) == 1
    assert told.pop().endswith(" 0\n")
    assert read(where, "SELECT count(*) FROM perdure_open_mark") == [[(0,)]]


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (("CREATE TABLE Perdure_stock (sku TEXT)",), "a table named 'Perdure_stock'"),
        (("CREATE TABLE stock (sku TEXT)", "CREATE VIEW perdure_all AS SELECT sku FROM stock"), "a view named"),
        (('PRAGMA encoding = "UTF-16le"', "CREATE TABLE stock (sku TEXT)"), "its texts are not UTF-8"),
    ],
)
def test_file_that_cannot_be_adopted_is_refused_and_left_as_it_was(
    tmp_path: Path, statements: tuple[str, ...], told: str
) -> None:
    path = tmp_path / "theirs.db"
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CannotOpen, match=told):
        SQLiteStore(path)
    assert path.read_bytes() == before
