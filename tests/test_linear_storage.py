"""What is stored follows what changes, not how large the state is; and every version can be read back."""

import random
import sqlite3
import zlib
from pathlib import Path

import pytest
from attrs import define, field, frozen

import recovery
from persistence import Checkpoint, Corrupt, MemoryStore, SQLiteStore
from persistence.records import KIND_IMAGE, KIND_PATCH
from recovery.drills.disks.counting import CountingDisk
from statemachine import Engine, Limits, State, Workflow, on
from statemachine.errors import Refused
from statemachine.folding import stored_image
from statemachine.limits import PATCHES_MAX, WHOLE_BYTES_MAX
from tests.busy_log import Seen, busy


@frozen
class Write:
    text: str


@frozen
class Turn:
    number: int


@define
class Pages:
    number: int = 0
    text: str = ""
    lines: list[str] = field(factory=list[str])


class Book(Workflow[Pages], revision=1):
    """A state that grows, or stays large."""

    reading = State(initial=True)

    @on(Write, reading, to=None)
    def write(self, event: Write) -> None:
        self.data.lines.append(event.text)

    @on(Turn, reading, to=None)
    def turn(self, event: Turn) -> None:
        self.data.number = event.number


def noise(seed: int, length: int) -> str:
    """Text that does not compress."""
    return random.Random(seed).randbytes(length).hex()[:length]


def turned(engine: Engine, times: int, *, size: int) -> str:
    """Make small changes in a state of a size; return the instance's id."""
    book = engine.start(Book, Pages(text=noise(1, size)), id=f"size-{size}")
    for number in range(1, times + 1):
        book.send(Turn(number), key=f"k-{number}")
    return book.id


def test_state_that_grows_is_stored_once(tmp_path: Path) -> None:
    """1 KiB a step for 200 steps: at most 5 times the live state and 300 bytes a transition, all pages counted."""
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        book = engine.start(Book, id="b")
        for step in range(200):
            book.send(Write(noise(step, 1024)))
        live = len("".join(book.data.lines))
    connection = sqlite3.connect(path)
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    assert path.stat().st_size <= 5 * live + 300 * 201
    assert recovery.verify(path, Book).is_clean


def test_whole_images_at_each_step_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without patches the same file is ten times as large."""
    monkeypatch.setattr("statemachine.drafting._patch", lambda before, image, parts: None)
    with pytest.raises(AssertionError):
        test_state_that_grows_is_stored_once(tmp_path)


@pytest.mark.long
def test_bytes_written_do_not_follow_the_size_of_the_state(tmp_path: Path) -> None:
    """A small change in 1 KiB, 100 KiB and 1 MiB writes the same within a factor of 2, over 1,000 transitions."""
    written = dict[int, int]()
    for size in (1 << 10, 100 << 10, 1 << 20):
        with CountingDisk() as disk, Engine(SQLiteStore(tmp_path / f"{size}.db", vfs=disk.name), Book) as engine:
            disk.reset()
            turned(engine, 1_000, size=size)
            written[size] = disk.bytes["wal"]
    assert max(written.values()) <= 2 * min(written.values()), written


@pytest.mark.long
def test_log_stays_bounded_under_busy_writers(tmp_path: Path) -> None:
    """The hook fires at each commit, the log is folded back and begun anew, with a reader that comes and goes."""
    seen = busy(tmp_path / "busy.db", seconds=5)
    assert seen.faults() == [], str(seen)


@pytest.mark.long
def test_log_that_nobody_folds_is_found(tmp_path: Path) -> None:
    """Negative control: it passes the bound, long before the time is over, and is never begun anew."""
    seen = busy(tmp_path / "busy.db", seconds=60, is_folded=False)
    assert [text.partition(" ")[2][:11] for text in seen.faults()] == ["-wal reache", "log was nev"], str(seen)


def test_run_that_saw_nothing_is_not_sound() -> None:
    """Negative control: each thing that must have been seen is asked for."""
    assert len(Seen(commits=1).faults()) == 4


@pytest.mark.parametrize("size", [WHOLE_BYTES_MAX, 1_500, 5_000])
def test_every_version_is_proven_and_every_key_answers(tmp_path: Path, size: int) -> None:
    """Whole images, patches under an inline head, and patches alone: loaded anew, replayed, told and verified."""
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        instance = turned(engine, 30, size=size)
    with Engine(path, Book) as engine:
        book = engine.get(Book, instance)
        assert (book.data.number, len(book.data.text), book.version) == (30, size, 31)
        for number in (1, 17, 30):
            again = book.send(Turn(number), key=f"k-{number}")
            assert (again.replayed, again.version, again.payload) == (True, number + 1, {"number": number})
        assert [one.version for one in book.history()] == list(range(1, 32))
    assert recovery.verify(path, Book).is_clean


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_whole_image_comes_again_when_patches_outweigh_it_or_are_many(tmp_path: Path, store: str) -> None:
    """The head counts what follows the newest whole image; both bounds hold, and small data is never patched."""
    kept = MemoryStore() if store == "memory" else SQLiteStore(tmp_path / "book.db")
    with Engine(kept, Book) as engine:
        turned(engine, 40, size=600)
        turned(engine, PATCHES_MAX + 2, size=60_000)
        turned(engine, 10, size=10)
        with kept.reader() as reader:
            kinds = {name: [row.record.kind for row in reader.journal(name)] for name in reader.instances()}
            heads = [reader.head(name) for name in kinds]
    assert set(kinds["size-10"]) == {KIND_IMAGE}
    many = kinds["size-60000"]
    assert many == [KIND_IMAGE, *[KIND_PATCH] * PATCHES_MAX, KIND_IMAGE, KIND_PATCH]
    middle = kinds["size-600"]
    assert 2 < middle.count(KIND_IMAGE) < 10
    assert [head.image is None for head in heads if head is not None] == [False, True, False]
    assert [head.patches for head in heads if head is not None][1] == 1


def test_limit_of_inline_data_is_the_engines(tmp_path: Path) -> None:
    """At the border the head holds the data, one byte above it does not; either way it is read back."""
    with Engine(tmp_path / "book.db", Book, limits=Limits(inline_bytes_max=100)) as engine:
        empty = len(b'{"number":0,"text":"","lines":[]}')
        for size in (100 - empty, 101 - empty):
            book = engine.start(Book, Pages(text="x" * size), id=str(size))
            with engine.store.reader() as reader:
                head = reader.head(book.id)
            assert head is not None
            assert (head.image is None) == (size == 101 - empty)
            assert len(book.data.text) == size


WHERE = "where instance = (select id from perdure_instance where name = 'size-5000') and version ="
BOMB = zlib.compress(bytes(1 << 27), 9)
DAMAGE = {  # a row of the journal: its version, what its body becomes, and the last version that is sound after it
    "a whole image": (1, b"nothing", 0),
    "a patch": (11, b'{"event":{"number":10},"patch":{"set":{"lines":["forged"]}}}', 10),
    "a patch of nothing": (11, b'{"event":{"number":10},"patch":{"drop":{"nothing":null}}}', 10),
    "a torn stream": (11, zlib.compress(b"x" * 99)[:-3], 10),
    "a bomb": (11, BOMB, 10),
    "the newest patch": (21, b"nothing", 20),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_row_under_a_large_head_is_refused_and_set_aside(tmp_path: Path, damage: str) -> None:
    """An image that is folded from damage is never used: the engine refuses, recovery says from where on."""
    path, (version, body, sound) = tmp_path / "book.db", DAMAGE[damage]
    with Engine(path, Book) as engine:
        turned(engine, 20, size=5_000)
        turned(engine, 3, size=3_000)
    connection = sqlite3.connect(path)
    assert connection.execute(f"update perdure_journal set body = ? {WHERE} ?", (body, version)).rowcount == 1
    connection.commit()
    connection.close()
    with Engine(path, Book) as engine:
        with pytest.raises((Refused, Corrupt)):
            engine.get(Book, "size-5000")
        assert engine.get(Book, "size-3000").version == 4
    for level in ("heads", "full"):
        told = {one.instance: one for one in recovery.recover(path, Book, level=level).instances}
        assert (told["size-5000"].verdict, told["size-3000"].verdict) == ("QUARANTINED", "CLEAN")
        assert told["size-5000"].sound_version == sound


def test_patch_that_a_later_one_wrote_over_is_found_by_the_whole_chain(tmp_path: Path) -> None:
    """The head's image is proven by its digest and usable; the journal is not what it was."""
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        turned(engine, 20, size=5_000)
    connection = sqlite3.connect(path)
    body = b'{"event":{"number":10},"patch":{"set":{"number":77}}}'
    connection.execute(f"update perdure_journal set body = ? {WHERE} 11", (body,))
    connection.commit()
    connection.close()
    with Engine(path, Book) as engine:
        assert engine.get(Book, "size-5000").data.number == 20
    assert [one.verdict for one in recovery.verify(path, Book).instances] == ["QUARANTINED"]


@pytest.mark.parametrize(
    "column", ["patches = 7", "patched = 1", "image_digest = zeroblob(32)", "time = 1", "hash = zeroblob(32)"]
)
def test_large_head_that_disagrees_with_its_journal_is_rebuilt(tmp_path: Path, column: str) -> None:
    """Every column of a head without its image is proven, and made good from the journal."""
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        turned(engine, 20, size=5_000)
    connection = sqlite3.connect(path)
    connection.execute(f"update perdure_instance set {column}")  # ours
    connection.commit()
    connection.close()
    report = recovery.recover(path, Book, level="full")
    assert [one.verdict for one in report.instances] == ["REBUILT"], str(report)
    with Engine(path, Book) as engine:
        book = engine.get(Book, "size-5000")
        assert (book.version, book.data.number) == (22, 20)
        book.send(Turn(99))
    assert recovery.verify(path, Book).is_clean


def test_large_head_whose_newest_row_is_damaged_is_kept_where_a_checkpoint_has_its_data(tmp_path: Path) -> None:
    """The checkpoint's image has the digest that the head proves: KEPT AT HEAD, and the instance goes on."""
    path = tmp_path / "book.db"
    with Engine(path, Book) as engine:
        book = engine.get(Book, turned(engine, 20, size=5_000))
        with engine.store.reader() as reader:
            head = reader.head(book.id)
            assert head is not None
            image = stored_image(head, reader)
        with engine.store.transaction() as transaction:
            told = ("before the fault", ("a",), None, 5)
            transaction.checkpoint(Checkpoint(book.id, head.version, head.hash, *told, image))
            transaction.commit()
    connection = sqlite3.connect(path)
    connection.execute(f"update perdure_journal set note = 'x' {WHERE} 21")
    connection.commit()
    connection.close()
    assert [one.verdict for one in recovery.recover(path, Book, level="full").instances] == ["KEPT AT HEAD"]
    with Engine(path, Book) as engine:
        book = engine.get(Book, "size-5000")
        assert (book.data.number, book.version) == (20, 22)
        assert book.send(Turn(20), key="k-20").replayed
        book.send(Turn(21))
    assert recovery.verify(path, Book).is_clean


def test_key_whose_hint_is_damaged_answers_all_the_same(tmp_path: Path) -> None:
    """Where its row stands is only a hint."""
    path = tmp_path / "book.db"
    for n in (0, 3, 99):
        with Engine(path, Book) as engine:
            turned(engine, 5, size=5_000)
        connection = sqlite3.connect(path)
        connection.execute("update perdure_key set n = ?", (n,))
        connection.commit()
        connection.close()
        with Engine(path, Book) as engine:
            again = engine.get(Book, "size-5000").send(Turn(2), key="k-2")
            assert (again.replayed, again.version) == (True, 3)


@pytest.mark.parametrize("size", [10, 5_000])
def test_new_definition_begins_with_a_whole_image(tmp_path: Path, size: int) -> None:
    """What an older class encoded is never patched by a newer one."""
    path = tmp_path / "book.db"

    @define
    class More(Pages):
        colour: str = "white"

    class Newer(Workflow[More], revision=2, name="Book"):
        reading = State(initial=True)

        @on(Turn, reading, to=None)
        def turn(self, event: Turn) -> None:
            self.data.number = event.number

    with Engine(path, Book) as engine:
        turned(engine, 3, size=size)
    with Engine(path, Newer) as engine:
        book = engine.get(Newer, f"size-{size}")
        book.send(Turn(7))
        book.send(Turn(8))
        assert (book.data.colour, book.data.number) == ("white", 8)
        with engine.store.reader() as reader:
            kinds = [row.record.kind for row in reader.journal(book.id)]
    patch = KIND_PATCH if size > WHOLE_BYTES_MAX else KIND_IMAGE
    assert kinds == [KIND_IMAGE, patch, patch, patch, KIND_IMAGE, patch]
    assert recovery.verify(path, Newer).is_clean
