"""An instance can be read as it was at each of its versions, and versions can be named."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

import recovery
from persistence import MemoryStore, ReadOnlyStore
from statemachine import Engine, Final, Instance, Limits, Refused, State, Workflow, on
from statemachine.workflow import definition_of
from tests.children import Add, End, Tally
from tests.kit import Clock

LINE = "a line of a book that is long enough to be stored as a patch, because whole it would weigh more. "


@frozen
class Write:
    line: str


@frozen
class Close:
    pass


@define
class BookData:
    lines: list[str]


class Book(Workflow[BookData], revision=1):
    """Grows."""

    open_ = State(initial=True)
    closed = Final(outcome="closed")

    @on(Write, open_, to=None)
    def write(self, event: Write) -> None:
        self.data.lines.append(event.line)

    @on(Close, open_, to=closed)
    def close(self, event: Close) -> None: ...


@define
class PagesData:
    pages: int = 0


class Pages(Workflow[PagesData], revision=2, name="Book"):
    """The same workflow, which no longer keeps lines."""

    open_ = State(initial=True)
    closed = Final(outcome="closed")

    @on(Close, open_, to=closed)
    def close(self, event: Close) -> None: ...


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    store: Any = MemoryStore() if request.param == "memory" else tmp_path / "book.db"
    with Engine(store, Book, Tally, clock=Clock()) as engine:
        yield engine


def refusal(work: Callable[[], object]) -> Refused:
    """The refusal that something raises."""
    with pytest.raises(Refused) as raised:
        work()
    return raised.value


def lines(count: int) -> list[str]:
    """What a book of so many lines holds."""
    return [f"{number} {LINE}" for number in range(count)]


def written(engine: Engine, count: int) -> Any:
    """A book of `count` lines, which is at version `count` + 1."""
    book = engine.start(Book, BookData([]), id="b")
    for line in lines(count):
        book.send(Write(line))
    return book


# -- versions ----------------------------------------------------------------------------------------------------------


def test_each_version_reads_as_it_was(engine: Engine) -> None:
    book = written(engine, 60)
    book.send(Close())
    for version in (1, 2, 30, 61):
        was = book.at(version)
        assert (was.id, was.version, was.workflow, was.state, was.outcome) == ("b", version, Book, "open_", None)
        assert was.data.lines == lines(version - 1)
        assert [one.version for one in was.history()] == list(range(1, version + 1))
    assert (book.at(62).outcome, book.at(62).state, book.at(62).data) == ("closed", "closed", book.data)


def test_a_version_does_not_change_when_the_instance_moves_on(engine: Engine) -> None:
    book = written(engine, 2)
    was = book.at(3)
    book.send(Write("more"))
    was.data.lines.append("a copy")
    assert (was.version, was.data.lines, len(was.history())) == (3, lines(2), 3)


def test_the_end_from_outside_is_a_version(engine: Engine) -> None:
    book = written(engine, 1)
    engine.terminate("b", why="stuck")
    assert [book.at(version).outcome for version in (1, 2, 3)] == [None, None, "terminated"]


CUT_BELOW_THE_HEAD = "update perdure_journal set prior = 0 where version = 19"


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of 20 versions, with another instance's rows between them, entered at each third."""
    monkeypatch.setattr("persistence.sqlite.appending.PLACES_EVERY", 3)
    with Engine(tmp_path / "book.db", Book, Tally) as engine:
        book, tally = engine.start(Book, BookData([]), id="b"), engine.start(Tally)
        for line in lines(19):
            tally.send(Add(1))
            book.send(Write(line))
    return tmp_path / "book.db"


def test_an_old_version_is_found_from_the_place_above_it(long: Path) -> None:
    """The way from the head is cut, and nobody takes it."""
    change(long, CUT_BELOW_THE_HEAD)
    with Engine(long, Book, Tally) as engine:
        found = [len(engine.get(Book, "b").at(version).data.lines) for version in range(2, 19)]
    assert found == list(range(1, 18))


@pytest.mark.parametrize(
    "damage",
    [
        "delete from perdure_place",
        "update perdure_place set n = n + 1",
        "update perdure_place set n = n - 2",
        "update perdure_place set n = -1",
        "update perdure_place set version = version + 2",
    ],
)
def test_a_place_that_is_wrong_costs_the_way_from_the_head(long: Path, damage: str) -> None:
    change(long, damage)
    with Engine(long, Book, Tally) as engine:
        assert [len(engine.get(Book, "b").at(version).data.lines) for version in range(1, 21)] == list(range(20))
    assert recovery.verify(long, Book, Tally).is_clean


def test_without_a_place_the_way_from_the_head_is_taken(long: Path) -> None:
    """Negative control: then it matters that it is cut."""
    change(long, "delete from perdure_place")
    change(long, CUT_BELOW_THE_HEAD)
    with Engine(long, Book, Tally) as engine:
        assert refusal(lambda: engine.get(Book, "b").at(5)).code == "instance_unsound"


@pytest.mark.parametrize("version", [0, -1, 4, True, 1.0, None, 2**70])
def test_a_version_that_there_is_not_is_refused(engine: Engine, version: Any) -> None:
    book = written(engine, 2)
    refused = refusal(lambda: book.at(version))
    assert (refused.code, refused.version) == ("invalid_argument", 3)
    assert "has versions 1 to 3" in refused.reason


def test_an_instance_that_there_is_not_is_refused(engine: Engine) -> None:
    engine.start(Tally, id="t")
    for name in ("absent", "t"):
        handle = Instance[Any, Any](engine, definition_of(Book), name)
        assert refusal(partial(handle.at, 1)).code == "unknown_instance"


def test_an_earlier_version_that_does_not_fit_the_class_says_so_of_its_data(tmp_path: Path) -> None:
    with Engine(tmp_path / "book.db", Book) as engine:
        written(engine, 2)
    with Engine(tmp_path / "book.db", Pages) as engine:
        was = Instance[Pages, PagesData](engine, definition_of(Pages), "b").at(2)
        assert (was.state, was.version) == ("open_", 2)
        refused = refusal(lambda: was.data)
        assert (refused.code, "version 2 does not fit" in refused.reason) == ("needs_migration", True)


def change(path: Path, statement: str) -> None:
    """Run SQL on a closed file, as damage."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("column", ["body = x'7b7d'", "hash = zeroblob(32)", "actor = 'eve'", "after = before"])
def test_a_version_that_was_changed_is_refused_and_others_are_read(tmp_path: Path, column: str) -> None:
    path = tmp_path / "tally.db"
    with Engine(path, Tally) as engine:
        tally = engine.start(Tally, id="t")
        for number in range(5):
            tally.send(Add(number + 1))
        tally.send(End())
    version = 7 if column.startswith("after") else 3
    change(path, f"UPDATE perdure_journal SET {column} WHERE version = {version}")  # ours
    with Engine(path, Tally) as engine:
        tally = Instance[Tally, Any](engine, definition_of(Tally), "t")
        refused = refusal(lambda: tally.at(version))
        assert (refused.code, f"version {version}" in refused.reason) == ("instance_unsound", True)
        assert tally.at(2).data.total == 1
        assert tally.at(6).data.total == 15


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_a_named_version_is_read_by_its_name(engine: Engine) -> None:
    book = written(engine, 10)
    named = book.checkpoint("draft", tags=("sent", "ann"), note="before the editor")
    book.send(Write("more"))
    book.checkpoint("final")
    was = book.at("draft")
    assert (named.label, named.version, named.tags, named.note) == ("draft", 11, ("sent", "ann"), "before the editor")
    assert (was.version, was.data.lines, was.state) == (11, lines(10), "open_")
    assert book.checkpoints() == [named, *book.checkpoints()[1:]]
    assert [(one.label, one.version) for one in book.checkpoints()] == [("draft", 11), ("final", 12)]


def test_naming_is_no_transition(engine: Engine) -> None:
    book = written(engine, 1)
    heard: list[object] = []
    engine.subscribe(heard.append)
    before = [one.hash for one in book.history()]
    book.checkpoint("draft")
    assert [one.hash for one in book.history()] == before
    assert book.send(Write("more")).version == 3
    engine.close()
    assert len(heard) == 1


def test_naming_the_same_version_the_same_again_changes_nothing(engine: Engine) -> None:
    book = written(engine, 1)
    assert book.checkpoint("draft", note="a") == book.checkpoint("draft", note="a")
    for work in (lambda: book.checkpoint("draft"), lambda: book.checkpoint("draft", note="a", tags=("b",))):
        assert refusal(work).code == "label_taken"
    book.send(Write("more"))
    refused = refusal(lambda: book.checkpoint("draft", note="a"))
    assert (refused.code, refused.version, "of version 2" in refused.reason) == ("label_taken", 3, True)
    assert len(book.checkpoints()) == 1


def test_one_of_several_threads_that_name_alike_names(tmp_path: Path) -> None:
    with Engine(tmp_path / "book.db", Book) as engine:
        book, told = written(engine, 1), list[str]()
        start = threading.Barrier(4)

        def work(number: int) -> None:
            start.wait()
            try:
                told.append(book.checkpoint("draft", note=str(number)).note or "")
            except Refused as refused:
                told.append(refused.code)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (one,) = book.checkpoints()
    assert sorted(told) == sorted([one.note or "", *["label_taken"] * 3])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"label": ""}, "label='' is no text"),
        ({"label": 7}, "label=7 is no text"),
        ({"label": "x" * 1025}, "label has 1025 bytes"),
        ({"label": "a", "tags": "human"}, "tags='human' is no tuple of texts"),
        ({"label": "a", "tags": ("",)}, "tags=('',) is no tuple of texts"),
        ({"label": "a", "note": "x" * (Limits().note_bytes_max + 1)}, "note has 16385 bytes"),
    ],
)
def test_a_name_that_cannot_be_stored_is_refused(engine: Engine, words: Any, told: str) -> None:
    book = written(engine, 1)
    refused = refusal(lambda: book.checkpoint(words["label"], **{one: words[one] for one in words if one != "label"}))
    assert (refused.code, told in refused.reason) == ("invalid_argument", True), refused.reason
    assert book.checkpoints() == []


def test_a_label_that_there_is_not_is_refused_with_those_there_are(engine: Engine) -> None:
    book = written(engine, 1)
    assert "it has none" in refusal(lambda: book.at("draft")).reason
    book.checkpoint("draft")
    assert "it has 'draft'" in refusal(lambda: book.at("final")).reason


def test_a_damaged_checkpoint_is_passed_by(tmp_path: Path) -> None:
    """The journal has its image too."""
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        written(engine, 10).checkpoint("draft")
        engine.get(Book, "b").send(Write("more"))
    change(path, "UPDATE perdure_checkpoint SET image = (SELECT image FROM perdure_instance LIMIT 1)")
    with Engine(path, Book) as engine:
        assert engine.get(Book, "b").at("draft").data.lines == lines(10)


def test_names_outlast_the_process_and_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        written(engine, 3).checkpoint("draft", tags=("Zoë",))
    assert recovery.verify(path, Book).is_clean
    with Engine(path, Book, read_only=True) as engine:
        book = engine.get(Book, "b")
        assert book.checkpoints()[0].tags == ("Zoë",)
        with pytest.raises(ReadOnlyStore):
            book.checkpoint("final")
