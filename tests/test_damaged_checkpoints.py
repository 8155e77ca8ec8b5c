"""A named checkpoint is proven by the journal; one that another program damaged is reported, and derived again."""

import json
import zlib
from pathlib import Path

import pytest

import recovery
from persistence import Checkpoint, Corrupt, SQLiteStore
from statemachine import Engine
from statemachine.folding import folded
from tests.damage import change, dump
from tests.format_page import Book, Pages, Write

AT = {"early": 2, "late": 5, "now": 8}
"""Label to version: whole images and patches, the newest one too."""
ONE = "WHERE label = 'late'"
ROW = "WHERE instance = (SELECT id FROM perdure_instance WHERE name = 'book') AND version ="
OTHER = "(SELECT {} FROM perdure_checkpoint WHERE label = 'early')"

DAMAGE = {
    "another image": 'image = CAST(\'{"title":"forged","lines":[]}\' AS BLOB)',
    "no image": "image = zeroblob(0)",
    "a torn stream": f"image = x'{zlib.compress(b'x' * 99)[:-3].hex()}'",
    "a bomb": f"image = x'{zlib.compress(bytes(1 << 27), 9).hex()}'",
    "the image of another version": f"image = {OTHER.format('image')}",
    "hash": "hash = zeroblob(32)",
    "version": "version = 4",
    "a version that is not there": "version = 99",
    "version and image": f"version = 2, image = {OTHER.format('image')}",
}


def stored(path: Path) -> dict[str, Checkpoint]:
    store = SQLiteStore(path, read_only=True)
    try:
        with store.reader() as reader:
            return {one.label: one for one in reader.checkpoints("book")}
    finally:
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A book of eight versions, three of them named."""
    found = tmp_path / "book.db"
    with Engine(found, Book) as engine:
        book = engine.start(Book, Pages(lines=["words " * 600]), id="book")
        for number in range(7):
            book.send(Write(f"line {number}"))
        with engine.store.reader() as reader:
            rows = reader.journal("book")
        with engine.store.transaction() as transaction:
            for label, version in AT.items():
                image = folded(rows[:version]).encoded()
                told = (label, ("a", "b"), f"note of {label}", 5)
                transaction.checkpoint(Checkpoint("book", version, rows[version - 1].hash, *told, image))
            transaction.commit()
    return found


def test_sound_checkpoints_are_no_finding(path: Path) -> None:
    before = dump(path)
    assert recovery.verify(path, Book).is_clean
    assert recovery.recover(path, Book, level="full").notes == ()
    assert dump(path) == before


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_checkpoint_is_reported_and_derived_again(path: Path, damage: str) -> None:
    """`verify` names it and only reads; `recover` makes it what it was, keeps it as found, and does so once."""
    wanted = stored(path)
    change(path, f"UPDATE perdure_checkpoint SET {DAMAGE[damage]} {ONE}")
    before = dump(path)

    report = recovery.verify(path, Book)
    assert (report.is_clean, [one.verdict for one in report.instances]) == (False, ["CLEAN"])
    assert [line for line in report.store if "checkpoint 'late' of 'book' is damaged" in line] == list(report.store)
    assert dump(path) == before

    repaired = recovery.recover(path, Book, level="full")
    assert (repaired.is_clean, len(repaired.notes)) == (True, 1)
    assert stored(path) == wanted
    after = dump(path)
    (kept,) = after["perdure_set_aside"]
    literals = json.loads(kept[6])
    (was,) = [row for row in before["perdure_checkpoint"] if row[5] == b"late"]
    assert [literals[3], literals[4]] == [f"X'{was[3].hex().upper()}'", f"X'{was[4].hex().upper()}'"]
    assert recovery.recover(path, Book, level="full").is_clean
    assert dump(path) == after


def test_tags_that_cannot_be_read_are_dropped_and_the_rest_stays(path: Path) -> None:
    for tags in ("a,b", "5"):
        change(path, f"UPDATE perdure_checkpoint SET tags = '{tags}' {ONE}")
        assert recovery.recover(path, Book, level="full").is_clean
        late = stored(path)["late"]
        assert (late.tags, late.note, late.version) == ((), "note of late", 5)


def test_checkpoint_that_nothing_says_is_reported_and_left(path: Path) -> None:
    """Neither its hash nor its image is of any version: who knows what was named? Nothing is written."""
    change(path, f"UPDATE perdure_checkpoint SET hash = zeroblob(32), image = zeroblob(9) {ONE}")
    before = dump(path)
    for report in (recovery.verify(path, Book), recovery.recover(path, Book, level="full")):
        (told,) = report.store
        assert told.endswith(
            "no sound version has its hash, nor its image at version 5; the journal does not say what it was"
        )
    assert dump(path) == before


def test_checkpoint_that_a_broken_journal_no_longer_reaches_is_reported(path: Path) -> None:
    """What stands below the break is still derived again; above it only what the head proves is sound."""
    change(path, f"UPDATE perdure_journal SET note = 'x' {ROW} 4")
    change(path, "UPDATE perdure_checkpoint SET image = zeroblob(9) WHERE label = 'early'")
    report = recovery.recover(path, Book, level="full")
    assert [one.verdict for one in report.instances] == ["QUARANTINED"]
    assert [line for line in report.store if "checkpoint" in line] == list(report.store)
    assert [("early" in line, "late" in line, "now" in line) for line in report.store] == [(False, True, False)]
    assert ["early" in note for note in report.notes] == [True]


def test_checkpoint_whose_label_is_damaged_is_reported_and_left(path: Path) -> None:
    """It is found by no name, so nothing can be written in its place."""
    change(path, f"UPDATE perdure_checkpoint SET label = CAST(x'ff41' AS TEXT) {ONE}")
    before = dump(path)
    report = recovery.recover(path, Book, level="full")
    assert [line.partition("derived again, nothing")[1] != "" for line in report.store] == [False, True]
    assert dump(path) == before


def test_only_the_full_level_looks(path: Path) -> None:
    change(path, f"UPDATE perdure_checkpoint SET hash = zeroblob(32) {ONE}")
    assert recovery.recover(path, Book).is_clean
    assert not recovery.verify(path, Book).is_clean


def test_word_of_the_author_is_proven_by_nothing(path: Path) -> None:
    """The other side of the border: label, tags, note and time may be anything."""
    change(path, f"UPDATE perdure_checkpoint SET label = 'x', tags = '[]', note = NULL, time = 1 {ONE}")
    assert recovery.verify(path, Book).is_clean


def test_checkpoint_taken_at_face_value_would_be_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without the comparison the same file is called clean."""
    monkeypatch.setattr("recovery.facts.damaged_checkpoints", lambda *_: ())
    with pytest.raises(AssertionError):
        test_damaged_checkpoint_is_reported_and_derived_again(path, "hash")


def test_unreadable_checkpoint_is_corrupt_to_who_reads_it(path: Path) -> None:
    change(path, f"UPDATE perdure_checkpoint SET {DAMAGE['a torn stream']} {ONE}")
    with pytest.raises(Corrupt):
        stored(path)
