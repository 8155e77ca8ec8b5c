"""The user's rows live and die with their transition, and the user's SQL can reach nothing of ours."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from attrs import define, frozen

from persistence import Draft, SqlFailed, SQLiteStore, StoreError, Transaction, Value
from persistence.conformance.kit import Chain, write
from persistence.sqlite import statements
from persistence.sqlite.usersql import ROWS_MAX
from statemachine import Engine, Instance, State, Workflow, invariant, on
from statemachine.frame import Sql

SCHEMA = """
CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, n INTEGER CHECK (n >= 0));
CREATE TABLE IF NOT EXISTS shelf (id INTEGER PRIMARY KEY, perdure_id TEXT);
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY,
    shelf INTEGER REFERENCES shelf (id),
    later INTEGER REFERENCES shelf (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE IF NOT EXISTS bag (value);
CREATE TABLE IF NOT EXISTS tripwire (id INTEGER);
CREATE TRIGGER IF NOT EXISTS tripped AFTER INSERT ON tripwire BEGIN SELECT RAISE(ROLLBACK, 'tripped'); END;
INSERT OR IGNORE INTO stock VALUES ('lamp', 5);
"""

Plan = Callable[[Sql], Any]


@frozen
class Do:
    pass


@frozen
class Ask:
    pass


@define
class ProbeData:
    done: int = 0


def nothing(sql: Sql) -> bool:
    return True


class Probe(Workflow[ProbeData], revision=1):
    """Runs whatever a test gives it, in its action, its guard or its invariant."""

    idle = State(initial=True)
    action: Plan = nothing
    guard: Plan = nothing
    check: Plan = nothing

    def asked(self) -> bool:
        type(self).guard(self.sql)
        return True

    @on(Do, idle, to=None)
    def act(self, event: Do) -> None:
        type(self).action(self.sql)
        self.data.done += 1

    @on(Ask, idle, to=None, when=asked)
    def answer(self, event: Ask) -> None: ...

    @invariant
    def checked(self) -> bool:
        type(self).check(self.sql)
        return True


@pytest.fixture(autouse=True)
def _plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo after each test what it had the callbacks do."""
    for name in ("action", "guard", "check"):
        monkeypatch.setattr(Probe, name, staticmethod(nothing))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "a.db", Probe, schema=SCHEMA) as engine:
        yield engine


@pytest.fixture
def probe(engine: Engine) -> Instance[Probe, ProbeData]:
    return engine.start(Probe, id="p")


def run(probe: Instance[Probe, ProbeData], *texts: str) -> None:
    """Send an event whose action runs these statements."""

    def plan(sql: Sql) -> None:
        for text in texts:
            sql.execute(text)

    act(probe, plan)


def act(probe: Instance[Probe, ProbeData], plan: Plan) -> None:
    """Send an event whose action does this."""
    Probe.action = staticmethod(plan)
    probe.send(Do())


def stock(engine: Engine) -> Value:
    """What is left of the lamp."""
    return engine.sql().execute("SELECT n FROM stock WHERE sku = 'lamp'")[0][0]


TAKE = "UPDATE stock SET n = n - 1 WHERE sku = 'lamp'"


# -- together, or not at all -------------------------------------------------------------------------------------------


def test_users_rows_commit_with_the_transition(engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    run(probe, TAKE)
    assert (stock(engine), probe.version, probe.data.done) == (4, 2, 1)


def test_users_rows_roll_back_with_a_transition_that_fails_later(
    engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    def plan(sql: Sql) -> None:
        sql.execute(TAKE)
        raise LookupError("after the write")

    with pytest.raises(LookupError):
        act(probe, plan)
    assert (stock(engine), probe.version) == (5, 1)


def test_users_rows_roll_back_with_a_broken_invariant(engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    def look(sql: Sql) -> None:
        assert sql.execute("SELECT n FROM stock WHERE sku = 'lamp'") == [(5,)], "too little is left"

    Probe.check = staticmethod(look)
    with pytest.raises(AssertionError):
        run(probe, TAKE)
    assert (stock(engine), probe.version) == (5, 1)


def test_action_reads_its_own_writes(probe: Instance[Probe, ProbeData]) -> None:
    seen: list[object] = []

    def plan(sql: Sql) -> None:
        sql.execute(TAKE)
        seen.extend(sql.execute("SELECT n FROM stock"))

    act(probe, plan)
    assert seen == [(4,)]


def test_rows_of_a_writing_statement_are_returned(probe: Instance[Probe, ProbeData]) -> None:
    seen: list[object] = []
    act(probe, lambda sql: seen.extend(sql.execute(f"{TAKE} RETURNING sku, n")))
    assert seen == [("lamp", 4)]


# -- statements that fail ----------------------------------------------------------------------------------------------

FAILING = [
    ("UPDATE stock SET n = -1", apsw.SQLITE_CONSTRAINT_CHECK),
    ("INSERT INTO stock VALUES ('lamp', 1)", apsw.SQLITE_CONSTRAINT_PRIMARYKEY),
    ("INSERT INTO item (shelf) VALUES (99)", apsw.SQLITE_CONSTRAINT_FOREIGNKEY),
    ("INSERT INTO nowhere VALUES (1)", apsw.SQLITE_ERROR),
    ("SELEC 1", apsw.SQLITE_ERROR),
]


@pytest.mark.parametrize(("statement", "extended"), FAILING)
def test_failing_statement_fails_its_transition_with_sqlites_extended_code(
    statement: str, extended: int, engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    with pytest.raises(SqlFailed) as caught:
        run(probe, TAKE, statement)
    assert caught.value.extended == extended
    assert statement in str(caught.value)
    assert (stock(engine), probe.version) == (5, 1)
    run(probe, TAKE)
    assert (stock(engine), probe.version) == (4, 2)


def test_statement_that_fails_and_is_caught_leaves_the_rest_of_the_transition(
    engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    def plan(sql: Sql) -> None:
        sql.execute(TAKE)
        with pytest.raises(SqlFailed):
            sql.execute("UPDATE stock SET n = -1")

    act(probe, plan)
    assert (stock(engine), probe.version) == (4, 2)


def test_deferred_foreign_key_is_judged_at_the_end_of_the_transition(
    engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    with pytest.raises(SqlFailed, match="deferred foreign key") as caught:
        run(probe, TAKE, "INSERT INTO item (later) VALUES (7)")
    assert caught.value.extended == apsw.SQLITE_CONSTRAINT_FOREIGNKEY
    assert (stock(engine), probe.version) == (5, 1)
    run(probe, "INSERT INTO item (later) VALUES (7)", "INSERT INTO shelf (id) VALUES (7)")
    assert probe.version == 2


ENDING = [
    "INSERT OR ROLLBACK INTO stock VALUES ('lamp', 1)",
    "UPDATE OR ROLLBACK stock SET n = -1",
    "INSERT INTO tripwire VALUES (1)",
]


@pytest.mark.parametrize("ending", ENDING)
@pytest.mark.parametrize("later", ["SELECT 1", TAKE])
def test_statement_that_ends_the_transaction_poisons_the_attempt_whatever_is_caught(
    ending: str, later: str, engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    def plan(sql: Sql) -> None:
        sql.execute(TAKE)
        with pytest.raises(SqlFailed):
            sql.execute(ending)
        with pytest.raises(SqlFailed, match="ended the transaction"):
            sql.execute(later)

    with pytest.raises(SqlFailed, match="ended the transaction"):
        act(probe, plan)
    assert (stock(engine), probe.version) == (5, 1)
    run(probe, TAKE)
    assert (stock(engine), probe.version) == (4, 2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "port.db", schema=SCHEMA)
    yield store
    store.close()


def drafts() -> tuple[Draft, Draft]:
    chain = Chain("i-1")
    return chain.next(), chain.next()


def test_member_after_a_poisoned_one_does_not_start_a_transaction_of_its_own(store: SQLiteStore) -> None:
    """Outside a transaction a SAVEPOINT would begin one, and its RELEASE would commit it."""
    first, second = drafts()
    write(store, first)
    with store.transaction() as transaction:
        with pytest.raises(SqlFailed), transaction.member():
            transaction.execute(ENDING[0], (), writable=True)
        with pytest.raises(SqlFailed), transaction.member():
            transaction.execute(TAKE, (), writable=True)
        with pytest.raises(SqlFailed):
            transaction.append([second])
        with pytest.raises(SqlFailed):
            transaction.commit()
    with store.reader() as reader:
        assert reader.execute("SELECT n FROM stock", (), writable=False) == [(5,)]
        assert len(reader.journal("i-1")) == 1
    write(store, second)


def test_statement_after_the_commit_does_not_run(store: SQLiteStore) -> None:
    first, _ = drafts()
    with store.transaction() as transaction:
        transaction.append([first])
        transaction.commit()
        with pytest.raises(SqlFailed):
            transaction.execute(TAKE, (), writable=True)
        with pytest.raises(StoreError), transaction.member():
            transaction.execute(TAKE, (), writable=True)
    with store.reader() as reader:
        assert reader.execute("SELECT n FROM stock", (), writable=False) == [(5,)]


def take_and_fail(transaction: Transaction) -> None:
    transaction.execute(TAKE, (), writable=True)
    raise LookupError("after the write")


def test_member_that_fails_takes_only_its_own_rows_with_it(store: SQLiteStore) -> None:
    first, _ = drafts()
    with store.transaction() as transaction:
        with transaction.member():
            transaction.execute(TAKE, (), writable=True)
        with pytest.raises(LookupError), transaction.member():
            take_and_fail(transaction)
        transaction.append([first])
        transaction.commit()
    with store.reader() as reader:
        assert reader.execute("SELECT n FROM stock", (), writable=False) == [(4,)]


# -- what is not allowed -----------------------------------------------------------------------------------------------

REFUSED = [
    ("PRAGMA synchronous = OFF", "PRAGMA is not allowed"),
    ("PRAGMA foreign_keys", "PRAGMA is not allowed"),
    ("ATTACH ':memory:' AS other", "ATTACH is not allowed"),
    ("DETACH main", "DETACH is not allowed"),
    ("SAVEPOINT mine", "SAVEPOINT is not allowed"),
    ("RELEASE perdure_member", "SAVEPOINT is not allowed"),
    ("ROLLBACK TO perdure_member", "SAVEPOINT is not allowed"),
    ("BEGIN", "TRANSACTION is not allowed"),
    ("COMMIT", "TRANSACTION is not allowed"),
    ("END", "TRANSACTION is not allowed"),
    ("ROLLBACK", "TRANSACTION is not allowed"),
    ("CREATE TABLE mine (a)", "CREATE_TABLE is not allowed"),
    ("CREATE TEMP TABLE mine (a)", "CREATE_TEMP_TABLE is not allowed"),
    ("CREATE INDEX mine ON stock (n)", "CREATE_INDEX is not allowed"),
    ("CREATE VIEW mine AS SELECT 1", "CREATE_VIEW is not allowed"),
    ("CREATE TRIGGER mine AFTER INSERT ON stock BEGIN SELECT 1; END", "CREATE_TRIGGER is not allowed"),
    ("DROP TABLE stock", "DROP_TABLE is not allowed"),
    ("ALTER TABLE stock ADD COLUMN more", "ALTER_TABLE is not allowed"),
    ("ANALYZE", "ANALYZE is not allowed"),
    ("REINDEX", "REINDEX is not allowed"),
    ("VACUUM", "cannot VACUUM"),
    ("INSERT INTO perdure_symbol (name) VALUES ('x')", "perdure_symbol belongs to the store"),
    ("UPDATE perdure_instance SET version = 9", "perdure_instance belongs to the store"),
    ("UPDATE Perdure_Instance SET version = 9", "belongs to the store"),
    ('DELETE FROM "perdure_journal"', "perdure_journal belongs to the store"),
    ("REPLACE INTO perdure_meta (name, value) VALUES ('level', 'normal')", "perdure_meta belongs to the store"),
    ("WITH x AS (SELECT 1) DELETE FROM main.perdure_key", "perdure_key belongs to the store"),
    ("DROP TABLE perdure_journal", "not allowed"),
]


@pytest.mark.parametrize(("statement", "reason"), REFUSED)
def test_statement_that_is_not_for_actions_is_refused_by_name(
    statement: str, reason: str, engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    with pytest.raises(SqlFailed, match=reason):
        run(probe, TAKE, statement)
    assert (stock(engine), probe.version) == (5, 1)


def test_statement_of_ours_is_refused_although_it_is_prepared_already(probe: Instance[Probe, ProbeData]) -> None:
    """The same text stands in the connection's cache of statements, where nobody is asked any more."""
    with pytest.raises(SqlFailed, match="perdure_symbol belongs to the store"):
        act(probe, lambda sql: sql.execute(statements.PUT_SYMBOL, ("x",)))


def test_statement_of_the_users_is_never_run_from_our_cache(engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    """What an action may do, a guard may not, although the same text ran before."""
    run(probe, TAKE)
    Probe.guard = staticmethod(lambda sql: sql.execute(TAKE))
    with pytest.raises(SqlFailed, match="UPDATE is not allowed"):
        probe.send(Ask())
    assert stock(engine) == 4


@pytest.mark.parametrize(
    "text",
    [
        f"{TAKE}; {TAKE}",
        f"{TAKE}; COMMIT",
        f"SELECT 1; {TAKE}",
        f"{TAKE};; {TAKE}",
        f"-- first\n{TAKE};\n-- second\n{TAKE}",
        f"{TAKE}; /* a */ -- b\n {TAKE}",
        f"{TAKE}; /* a */ /* b */{TAKE}",
        f"; {TAKE}; {TAKE}",
    ],
)
def test_two_statements_in_one_text_are_refused_before_the_first_runs(
    text: str, engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    def plan(sql: Sql) -> None:
        with pytest.raises(SqlFailed, match="takes one statement"):
            sql.execute(text)

    act(probe, plan)
    assert (stock(engine), probe.version) == (5, 2)


@pytest.mark.parametrize(
    "text",
    [
        f"{TAKE};",
        f"  {TAKE} ; ",
        f"; {TAKE};;",
        f"{TAKE} -- one",
        f"-- one\n{TAKE}",
        f"/* one; */ {TAKE}; -- and; no more\n",
        f"{TAKE} /* ; */;",
        "UPDATE stock SET n = n - 1 WHERE sku <> 'a;b'",
    ],
)
def test_one_statement_may_have_comments_and_semicolons_around_it(
    text: str, engine: Engine, probe: Instance[Probe, ProbeData]
) -> None:
    run(probe, text)
    assert stock(engine) == 4


@pytest.mark.parametrize("text", ["", "  ", "-- nothing", ";"])
def test_text_without_a_statement_does_nothing(text: str, probe: Instance[Probe, ProbeData]) -> None:
    run(probe, text)
    assert probe.version == 2


@pytest.mark.parametrize("where", ["guard", "check"])
def test_guard_and_invariant_only_read(where: str, engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    seen: list[object] = []
    setattr(Probe, where, staticmethod(lambda sql: seen.extend(sql.execute("SELECT n FROM stock"))))
    probe.send(Ask())
    assert seen[-1] == (5,)
    setattr(Probe, where, staticmethod(lambda sql: sql.execute(TAKE)))
    with pytest.raises(SqlFailed, match="UPDATE is not allowed"):
        probe.send(Ask())
    setattr(Probe, where, staticmethod(nothing))
    assert (stock(engine), probe.version) == (5, 2)


def test_door_for_reading_only_reads(engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    for statement in (TAKE, "CREATE TABLE mine (a)", "PRAGMA user_version = 1", "BEGIN", "DELETE FROM perdure_journal"):
        with pytest.raises(SqlFailed):
            engine.sql().execute(statement)
    assert engine.sql().execute("SELECT instance, version FROM perdure_instances") == [("p", 1)]


def test_our_tables_may_be_read_in_an_action(probe: Instance[Probe, ProbeData]) -> None:
    """They are the user's own journal: a version in the same transaction is as committed."""
    seen: list[object] = []
    act(probe, lambda sql: seen.extend(sql.execute("SELECT version FROM perdure_transitions WHERE instance = 'p'")))
    assert seen == [(1,)]


def test_users_column_may_be_named_like_ours(engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    """A row that remembers its instance: only tables are ours."""
    run(probe, "INSERT INTO shelf (id, perdure_id) VALUES (1, 'p')", "UPDATE shelf SET perdure_id = 'q'")
    assert engine.sql().execute("SELECT perdure_id FROM shelf") == [("q",)]


# -- rows and values ---------------------------------------------------------------------------------------------------

VALUES: list[Value] = [
    None,
    0,
    -(2**63),
    2**63 - 1,
    0.1,
    -0.0,
    1e308,
    math.inf,
    "",
    "Zoë 🙂",
    "nul\0inside",
    b"",
    bytes(range(256)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value_comes_back_as_it_was_given(value: Value, engine: Engine, probe: Instance[Probe, ProbeData]) -> None:
    act(probe, lambda sql: sql.execute("INSERT INTO bag VALUES (?)", (value,)))
    found = engine.sql().execute("SELECT value FROM bag")
    assert repr(found) == repr([(value,)])


def test_wrong_number_of_parameters_fails_the_transition(probe: Instance[Probe, ProbeData]) -> None:
    with pytest.raises(SqlFailed):
        act(probe, lambda sql: sql.execute("INSERT INTO bag VALUES (?)", (1, 2)))
    assert probe.version == 1


def test_number_of_rows_is_bounded(probe: Instance[Probe, ProbeData]) -> None:
    rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    act(probe, lambda sql: sql.execute(rows.format(ROWS_MAX)))
    with pytest.raises(SqlFailed, match=f"more than {ROWS_MAX} rows"):
        act(probe, lambda sql: sql.execute(rows.format(ROWS_MAX + 1)))
    assert probe.version == 2


# -- the user's schema -------------------------------------------------------------------------------------------------


def test_schema_runs_again_harmlessly(tmp_path: Path) -> None:
    for expected in (5, 4, 3):
        with Engine(tmp_path / "a.db", Probe, schema=SCHEMA) as engine:
            assert stock(engine) == expected
            run(engine.start(Probe, id=f"p-{expected}"), TAKE)


FOREIGN = [
    "CREATE TRIGGER mine AFTER INSERT ON perdure_journal BEGIN SELECT 1; END",
    "CREATE VIEW mine AS SELECT n FROM perdure_journal",
    "CREATE VIEW mine AS SELECT instance FROM perdure_transitions",
    "CREATE TRIGGER mine AFTER INSERT ON bag BEGIN DELETE FROM perdure_journal; END",
    "CREATE VIEW perdure_mine AS SELECT 1",
    "CREATE TABLE perdure_mine (a)",
    "CREATE INDEX mine ON perdure_journal (hash)",
    "CREATE INDEX perdure_mine ON bag (value)",
    "ALTER TABLE bag RENAME TO perdure_bag",
    "ALTER TABLE perdure_stub ADD COLUMN more",
    "DROP TABLE perdure_stub",
    "DROP VIEW perdure_instances",
    "INSERT INTO perdure_symbol (name) VALUES ('x')",
    "PRAGMA journal_mode = DELETE",
    "ATTACH ':memory:' AS other",
    "COMMIT",
    "SELECT 1; COMMIT; SELECT 1",
    "CREATE TEMP TABLE mine (a)",
]


@pytest.mark.parametrize("statement", FOREIGN)
def test_schema_that_touches_what_is_ours_is_refused_and_changes_nothing(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    SQLiteStore(path, schema=SCHEMA).close()
    before = schema_of(path)
    with pytest.raises(SqlFailed):
        SQLiteStore(path, schema=f"CREATE TABLE more (a); {statement}")
    assert schema_of(path) == before


def schema_of(path: Path) -> list[tuple[Value, ...]]:
    """Everything that the file defines."""
    store = SQLiteStore(path)
    with store.reader() as reader:
        found = reader.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name", (), writable=False)
    store.close()
    return found


def test_schema_may_hold_views_and_triggers_of_the_users_own(tmp_path: Path) -> None:
    own = """
    CREATE VIEW IF NOT EXISTS scarce AS SELECT sku FROM stock WHERE n < 5;
    CREATE TRIGGER IF NOT EXISTS logged AFTER UPDATE ON stock BEGIN INSERT INTO bag VALUES (new.n); END;
    """
    for _ in range(2):
        with Engine(tmp_path / "a.db", Probe, schema=SCHEMA + own) as engine:
            probe = engine.start(Probe, id="p")
    with Engine(tmp_path / "a.db", Probe) as engine:
        probe = engine.get(Probe, "p")
        run(probe, TAKE)
        assert engine.sql().execute("SELECT sku FROM scarce") == [("lamp",)]
        assert engine.sql().execute("SELECT value FROM bag") == [(4,)]


def test_schema_may_hold_a_full_text_table(tmp_path: Path) -> None:
    schema = "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text)"
    with Engine(tmp_path / "a.db", Probe, schema=schema) as engine:
        run(engine.start(Probe, id="p"), "INSERT INTO words VALUES ('a red lamp')")
        assert engine.sql().execute("SELECT text FROM words ('red')") == [("a red lamp",)]


def test_trigger_that_was_made_elsewhere_may_watch_our_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Engine(path, Probe, schema=SCHEMA) as engine:
        engine.start(Probe, id="p")
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE seen (version)")
    other.execute(
        "CREATE TRIGGER watch AFTER UPDATE ON perdure_instance BEGIN INSERT INTO seen VALUES (new.version); END"
    )
    other.close()
    with Engine(path, Probe) as engine:
        run(engine.get(Probe, "p"), TAKE)
        assert engine.sql().execute("SELECT version FROM seen") == [(2,)]


def test_trigger_that_was_made_elsewhere_cannot_write_our_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Engine(path, Probe, schema=SCHEMA) as engine:
        engine.start(Probe, id="p")
    other = apsw.Connection(str(path))
    other.execute("CREATE TRIGGER bad AFTER UPDATE ON stock BEGIN DELETE FROM perdure_journal; END")
    other.close()
    with Engine(path, Probe) as engine:
        probe = engine.get(Probe, "p")
        with pytest.raises(SqlFailed, match="perdure_journal belongs to the store"):
            run(probe, TAKE)
        assert (stock(engine), probe.version, len(probe.history())) == (5, 1, 1)
