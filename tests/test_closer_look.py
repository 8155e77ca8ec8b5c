"""Damage in one row is its own: many damaged instances are looked at together, and their neighbours are cleared."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from attrs import evolve

import recovery
from persistence import SQLiteStore
from persistence.records import digests, head_hash
from persistence.sqlite import schema, statements
from persistence.sqlite.reader import SQLiteReader
from persistence.store import PLACE_MIN
from statemachine import Engine
from tests.children import Add, Tally
from tests.damage import change, verdicts

COUNT, ROUNDS = 12, 4
ROW = "instance = (select id from perdure_instance where name = 't-5') and version = {}"


def tallies(folder: Path, *damage: str) -> Path:
    """A file of twelve instances at version 5, changed by another program; those of a round share commits."""
    path = folder / "tally.db"
    with Engine(path, Tally) as engine:
        made = [engine.start(Tally, id=f"t-{number}") for number in range(COUNT)]
        for _ in range(ROUNDS):
            with engine.store.transaction():  # the writer begins, and waits; the others become one batch
                futures = [one.submit(Add(1)) for one in made]
            assert {future.result().version for future in futures} == {made[0].version}
    connection = sqlite3.connect(path)
    for statement in damage:
        connection.execute(statement)
    connection.commit()
    assert connection.execute("select count(*) from perdure_journal where seal is null").fetchone() >= (ROUNDS,)
    connection.close()
    return path


@pytest.mark.parametrize(
    ("damage", "verdict"),
    [
        ("hash = zeroblob(32) where " + ROW.format(3), "QUARANTINED"),
        ("hash = zeroblob(32) where " + ROW.format(5), "KEPT AT HEAD"),
        ("note = 'x' where " + ROW.format(3), "QUARANTINED"),
        ("note = 'x' where " + ROW.format(5), "KEPT AT HEAD"),
        ("note = 'x', hash = zeroblob(32) where " + ROW.format(5), "KEPT AT HEAD"),
        ("note = 'x', hash = zeroblob(32) where " + ROW.format(3), "QUARANTINED"),
        ("body = x'78', hash = x'' where " + ROW.format(3), "QUARANTINED"),
    ],
)
def test_a_damaged_row_accuses_nobody_who_shared_its_commit(tmp_path: Path, damage: str, verdict: str) -> None:
    path = tallies(tmp_path, f"update perdure_journal set {damage}")
    sound = {f"t-{number}": "CLEAN" for number in range(COUNT)}
    assert verdicts(recovery.verify(path, Tally)) == {**sound, "t-5": verdict}
    assert verdicts(recovery.recover(path, Tally, level="full")) == {**sound, "t-5": verdict}


def test_two_damaged_hashes_of_one_commit_accuse_nobody_else(tmp_path: Path) -> None:
    other = ROW.format(3).replace("t-5", "t-7")
    path = tallies(tmp_path, f"update perdure_journal set hash = zeroblob(32) where ({ROW.format(3)}) or ({other})")
    found = verdicts(recovery.verify(path, Tally))
    assert [name for name, verdict in found.items() if verdict != "CLEAN"] == ["t-5", "t-7"]


def test_a_row_that_was_made_to_follow_is_found_by_the_seal_of_its_commit(tmp_path: Path) -> None:
    """Journal and head agree: only the seal tells, and it cannot tell which row of its commit was forged."""
    path = tallies(tmp_path)
    store = SQLiteStore(path)
    with store.reader() as reader:
        head, row = reader.head("t-5"), reader.journal("t-5")[-1]
    store.close()
    assert head is not None
    assert head.image is not None
    record = evolve(row.record, note="forged")
    rest, digest = digests(record)
    forged = (head_hash(head.previous_hash, digest, head.image),)
    change(path, f"update perdure_journal set note = 'forged', hash = ? where {ROW.format(5)}", *forged)
    change(path, "update perdure_instance set rest_digest = ?, hash = ? where name = 't-5'", rest, *forged)
    assert verdicts(recovery.verify(path, Tally))["t-5"] == "QUARANTINED"


def test_a_changed_seal_of_a_batch_accuses_nobody(tmp_path: Path) -> None:
    path = tallies(tmp_path, "update perdure_journal set seal = zeroblob(32) where n = 24")
    report = recovery.verify(path, Tally)
    assert set(verdicts(report).values()) == {"CLEAN"}
    assert not report.is_clean


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note of each look for rows how many instances it was for, and from which place on."""
    found, places = list[tuple[int, int]](), SQLiteReader.places

    def noted(self: SQLiteReader, instances: Sequence[str], *, first: int = PLACE_MIN) -> dict[str, list[int]]:
        found.append((len(instances), first))
        return places(self, instances, first=first)

    monkeypatch.setattr(SQLiteReader, "places", noted)
    return found


@pytest.mark.parametrize(
    "damage",
    [
        "update perdure_instance set time = 0",
        "update perdure_journal set note = 'x' where version = 5",
        "update perdure_journal set instance = 99 where version = 5",
    ],
)
def test_the_journal_is_read_once_however_many_are_damaged(
    tmp_path: Path, looks: list[tuple[int, int]], damage: str
) -> None:
    """Repairs look only at what came behind: each look at all of it would make a thousand repairs a thousand scans."""
    path, last = tallies(tmp_path, damage), COUNT * (ROUNDS + 1)
    recovery.verify(path, Tally)
    assert looks == [(COUNT, PLACE_MIN)]
    looks.clear()
    report = recovery.recover(path, Tally, level="full")
    assert [one.repair for one in report.instances if not one.repair] == []
    assert looks == [(COUNT, PLACE_MIN), *[(1, last + 1)] * COUNT]


def test_rows_are_read_by_their_places_and_sought_in_one_pass() -> None:
    """What the comments of the statements say of the way that SQLite takes."""
    connection = apsw.Connection(":memory:")
    for statement in (*schema.TABLES, *schema.VIEWS):
        connection.execute(statement)

    def plan(statement: str, *values: object) -> list[str]:
        return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    assert "SEARCH j USING INTEGER PRIMARY KEY (rowid=?)" in plan(statements.EVIDENCE, "[1]", "a")
    sought = plan(statements.PLACES, 0, "[1]")
    assert [step for step in sought if "perdure_" in step] == [
        "SEARCH perdure_journal USING INTEGER PRIMARY KEY (rowid>?)"
    ]
