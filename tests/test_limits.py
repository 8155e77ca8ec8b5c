"""Every limit passes at its border and is refused one beyond it; docs/limits.md names each with its value."""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import define, fields, frozen

from persistence import Busy, Corrupt, MemoryStore, SqlFailed
from persistence.sqlite import usersql
from persistence.sqlite.transaction import SQLiteTransaction
from statemachine import (
    DataError,
    DefinitionError,
    Engine,
    Instance,
    InvariantBroken,
    Limits,
    Refused,
    State,
    Transition,
    Workflow,
    always,
    on,
)
from statemachine import step as step_module
from statemachine.batch import LOOKED_AT
from statemachine.members import Member
from tests.kit import Clock
from tests.patience import AS_SHIPPED, WAIT_SECONDS_MAX, value_of

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "limits.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([\w.]+)` \| ([\d,]+) \| .+ \| .+ \|$", re.MULTILINE)


@frozen
class Put:
    text: str


@frozen
class Count:
    to: int


@define
class NotesData:
    text: str = ""
    left: int = 0


class Notes(Workflow[NotesData], revision=1):
    """Keeps one text, and counts down in microsteps."""

    idle = State(initial=True)
    counting = State()

    @on(Put, idle, to=None)
    def put(self, event: Put) -> None:
        self.data.text = event.text

    @on(Count, idle, to=counting)
    def count(self, event: Count) -> None:
        self.data.left = event.to

    def has_more(self) -> bool:
        return self.data.left > 1

    @always(counting, to=counting, when=has_more)
    def go_on(self) -> None:
        self.data.left -= 1

    @always(counting, to=idle)
    def rest(self) -> None:
        self.data.left = 0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Callable[[Limits], Engine]]:
    """Opens engines with limits, each on a store of its own."""
    with ExitStack() as stack:

        def opened(limits: Limits) -> Engine:
            return stack.enter_context(Engine(MemoryStore(), Notes, clock=Clock(), limits=limits))

        yield opened


Open = Callable[[Limits], Engine]


def code(work: Callable[[], object]) -> str:
    """The code of the refusal that something raises."""
    with pytest.raises(Refused) as raised:
        work()
    return raised.value.code


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_names_every_limit_of_an_engine_with_its_default() -> None:
    told = {name: int(value.replace(",", "")) for name, value in ROW.findall(PAGE) if "." not in name}
    assert told == {one.name: one.default for one in fields(Limits)}


def test_the_page_names_fixed_limits_as_they_are() -> None:
    told = [(name, int(value.replace(",", ""))) for name, value in ROW.findall(PAGE) if "." in name]
    assert len(told) == 10
    for name, value in told:
        assert AS_SHIPPED.get(name, value_of(name)) == value, name


def test_a_value_that_was_changed_would_be_seen() -> None:
    assert ROW.findall("| `heads_max` | 9 | why | what |") == [("heads_max", "9")]


# -- what a limit can be -----------------------------------------------------------------------------------------------

MOST = {
    "event_bytes_max": 67_108_864,
    "data_bytes_max": 67_108_864,
    "inline_bytes_max": 67_108_864,
    "text_bytes_max": 67_108_864,
    "note_bytes_max": 67_108_864,
    "key_days": 36_500,
    "heads_max": 1_000_000,
    "calls_max": 1_000_000,
    "batch_max": 1_000_000,
    "batch_ms_max": 1_000_000,
    "unheard_max": 1_000_000,
    "snapshots_max": 1_000_000,
}


def test_every_limit_has_a_range_and_the_page_tells_it() -> None:
    assert list(MOST) == [one.name for one in fields(Limits)]
    section = PAGE.partition("## An engine's")[2].partition("| limit |")[0]
    assert set(re.findall(r"\d+,[\d,]+\d", section)) == {f"{most:,}" for most in MOST.values()}


@pytest.mark.parametrize("name", MOST)
def test_a_limit_is_a_whole_number_in_its_range(folder: Open, name: str) -> None:
    for value in (1, MOST[name]):
        assert getattr(folder(Limits(**{name: value})).limits, name) == value
    wrong: tuple[Any, ...] = (0, -1, MOST[name] + 1, 2**80, 1.0, float("nan"), True, "1", None)
    for value in wrong:
        with pytest.raises(DefinitionError) as raised:
            Limits(**{name: value})
        assert str(raised.value) == (
            f"PD158 Limits: {name}={value!r} is no limit: it is a whole number from 1 to {MOST[name]:,}. "
            f"Write one of these, or leave it out for the default, {getattr(Limits(), name):,}."
        )


@pytest.mark.parametrize("edge", [dict.fromkeys(MOST, 1), MOST], ids=["the least", "the most"])
def test_an_engine_works_at_the_ends_of_what_is_counted(folder: Open, edge: dict[str, int]) -> None:
    engine = folder(Limits(**{name: value for name, value in edge.items() if not name.endswith("_bytes_max")}))
    heard = list[int]()
    notes = [engine.start(Notes) for _ in range(3)]
    assert [one.submit(Put("a")).result(WAIT_SECONDS_MAX).version for one in notes] == [2, 2, 2]
    with engine.snapshot() as snapshot, engine.subscribe(lambda one: heard.append(one.version)):
        assert notes[0].send(Put("b")).version == 3
        assert snapshot.get(Notes, notes[0].id).version == 2
        engine.close()
    assert heard == [3]


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_a_payload_is_as_large_as_its_limit(folder: Open) -> None:
    notes = folder(Limits(event_bytes_max=len('{"text":"12345"}'))).start(Notes)
    assert notes.send(Put("12345")).version == 2
    assert code(lambda: notes.send(Put("123456"))) == "invalid_payload"
    assert notes.version == 2


def test_data_is_as_large_as_its_limit(folder: Open) -> None:
    most = len('{"left":0,"text":"12345"}')
    engine = folder(Limits(data_bytes_max=most))
    notes = engine.start(Notes, NotesData("12345"))
    assert code(lambda: engine.start(Notes, NotesData("123456"))) == "invalid_payload"
    assert notes.send(Put("54321")).version == 2
    with pytest.raises(DataError, match=f"would have {most + 1} bytes; at most {most}"):
        notes.send(Put("654321"))
    assert (notes.version, notes.data.text) == (2, "54321")


@pytest.mark.parametrize("most", [1, 7])
def test_ids_keys_and_actors_are_as_long_as_their_limit(folder: Open, most: int) -> None:
    engine = folder(Limits(text_bytes_max=most))
    fits, over = "x" * most, "x" * (most + 1)
    notes = engine.start(Notes, id=fits, actor=fits)
    assert notes.send(Put("a"), key=fits, actor=fits).version == 2
    assert engine.get(Notes, fits).version == 2
    for work in (
        lambda: engine.start(Notes, id=over),
        lambda: engine.get(Notes, over),
        lambda: notes.send(Put("a"), key=over),
        lambda: notes.send(Put("a"), actor=over),
        lambda: engine.terminate(over, why="stuck"),
    ):
        assert code(work) == "invalid_argument"


def test_a_limit_counts_bytes_and_not_letters(folder: Open) -> None:
    engine = folder(Limits(text_bytes_max=4))
    assert engine.start(Notes, id="éé").id == "éé"
    assert code(lambda: engine.start(Notes, id="ééa")) == "invalid_argument"


def test_a_note_is_as_long_as_its_limit(folder: Open) -> None:
    notes = folder(Limits(note_bytes_max=3)).start(Notes, note="123")
    assert notes.send(Put("a"), note="123").note == "123"
    assert code(lambda: notes.send(Put("a"), note="1234")) == "invalid_argument"


# -- counts ------------------------------------------------------------------------------------------------------------


def test_heads_beyond_their_limit_are_forgotten_and_read_again(folder: Open) -> None:
    engine = folder(Limits(heads_max=2))
    notes = [engine.start(Notes, id=f"n-{number}") for number in range(5)]
    for round_ in range(3):
        assert [one.send(Put(str(round_))).version for one in notes] == [round_ + 2] * 5
        assert len(engine._desk.heads) <= 2  # what is remembered is seen nowhere else
    assert [one.data.text for one in notes] == ["2"] * 5


class Held:
    """A subscriber that stops at its first transition until it is let go."""

    def __init__(self) -> None:
        self.begun, self.gate, self.over = threading.Event(), threading.Event(), threading.Event()
        self.heard = 0

    def __call__(self, _: Transition) -> None:
        self.heard += 1
        self.begun.set()
        assert self.gate.wait(WAIT_SECONDS_MAX)

    def ended(self, _: str) -> None:
        self.over.set()


@pytest.mark.parametrize(("beyond", "heard"), [(0, 4), (1, 4)])
def test_as_many_transitions_wait_for_a_subscriber_as_the_limit_says(folder: Open, beyond: int, heard: int) -> None:
    engine, held = folder(Limits(unheard_max=3)), Held()
    subscription = engine.subscribe(held, ended=held.ended)
    notes = engine.start(Notes)
    assert held.begun.wait(WAIT_SECONDS_MAX)
    for _ in range(3 + beyond):
        notes.send(Put("a"))
    assert (subscription.reason is None) == (beyond == 0)
    held.gate.set()
    engine.close()
    assert held.over.wait(WAIT_SECONDS_MAX)
    assert held.heard == heard


def test_as_many_snapshots_are_held_as_the_limit_says(folder: Open) -> None:
    engine = folder(Limits(snapshots_max=2))
    with engine.snapshot(), engine.snapshot(), pytest.raises(Busy), engine.snapshot():
        pass


def test_microsteps_are_as_many_as_their_limit(folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "MICROSTEPS_MAX", 5)
    notes = folder(Limits()).start(Notes)
    assert notes.send(Count(4)).after == ("idle",)  # the event, three rounds and the rest
    with pytest.raises(InvariantBroken, match="microsteps_max"):
        notes.send(Count(5))
    assert notes.version == 2


def test_a_statement_returns_as_many_rows_as_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usersql, "ROWS_MAX", 3)
    schema = "create table if not exists t (n int); insert into t values (1), (2), (3)"
    with Engine(tmp_path / "n.db", Notes, schema=schema) as engine:
        assert len(engine.sql().execute("select n from t")) == 3
        with pytest.raises(SqlFailed, match="more than 3 rows"):
            engine.sql().execute("select 1 from t union all select 2")


def test_waiting_calls_and_batches_are_as_many_as_their_limits(folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that is held up lets calls queue: those beyond the limit are refused, and the rest is batched."""
    engine = folder(Limits(calls_max=4, batch_max=2))
    notes = engine.start(Notes)
    sizes = list[int]()
    together = engine._batches.together  # batches are seen nowhere else

    def counted(members: Sequence[Member]) -> int:
        sizes.append(len(members))
        return together(members)

    monkeypatch.setattr(engine._batches, "together", counted)
    with engine.store.transaction():  # nobody can write
        futures = [notes.submit(Put(str(number))) for number in range(4)]
        with pytest.raises(Busy, match="4 calls wait"):
            notes.submit(Put("one more"))
    assert [future.result(WAIT_SECONDS_MAX).version for future in futures] == [2, 3, 4, 5]
    assert max(sizes) <= 2
    assert sum(sizes) == 4


DAY = 86_400_000_000


def ended(engine: Engine, name: str) -> Instance[Notes, NotesData]:
    """An instance that was sent one event with a key, and ended."""
    notes = engine.start(Notes, id=name)
    notes.send(Put("once"), key="k")
    engine.terminate(name, why="done")
    return notes


def answers(notes: Instance[Notes, NotesData]) -> bool:
    """Whether the key still answers, as it does for an honest retry."""
    with suppress(Refused):  # it has ended, and knows of no such key
        return notes.send(Put("once"), key="k").replayed
    return False


@pytest.mark.parametrize("store", [MemoryStore, None], ids=["memory", "file"])
def test_keys_answer_as_many_days_as_their_limit_behind_the_end(tmp_path: Path, store: Any) -> None:
    """They are forgotten as other instances end, whoever has the engine then; what runs keeps its own."""
    clock = Clock()
    with Engine(store() if store else tmp_path / "notes.db", Notes, clock=clock, limits=Limits(key_days=2)) as engine:
        runs = engine.start(Notes, id="runs")
        runs.send(Put("once"), key="k")
        old = ended(engine, "old")
        clock.now += 2 * DAY
        for number in range(3):
            ended(engine, f"at the border {number}")
        assert answers(old)
        clock.now += 1
        for number in range(3):  # wherever it began to look, it came round
            ended(engine, f"behind it {number}")
        assert not answers(old)
        assert [answers(engine.get(Notes, f"behind it {number}")) for number in range(3)] == [True] * 3
        assert answers(runs)


def test_every_instance_is_looked_at_in_turn(tmp_path: Path) -> None:
    """Sixteen with each end: however many there are, none keeps its keys for good."""
    clock = Clock()
    with Engine(tmp_path / "notes.db", Notes, clock=clock) as engine:
        many = [ended(engine, f"n-{number}") for number in range(100)]
        clock.now += 31 * DAY
        left = [sum(map(answers, many))]
        for number in range(9):
            ended(engine, f"later {number}")
            left.append(sum(map(answers, many)))
        assert left[0] == 100
        assert all(0 <= one - other <= LOOKED_AT for one, other in pairwise(left))
        assert left[-1] == 0


def test_an_end_is_not_held_up_by_keys_that_cannot_be_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged page under the keys of another instance fails the first try, and the next one looks elsewhere."""
    clock = Clock()
    places: list[int] = []
    expire = SQLiteTransaction.expire_keys

    def damaged(transaction: SQLiteTransaction, *, before: int, place: int, most: int) -> int:
        places.append(place)
        if len(places) == 1:
            raise Corrupt("a page is damaged")
        return expire(transaction, before=before, place=place, most=most)

    monkeypatch.setattr(SQLiteTransaction, "expire_keys", damaged)
    with Engine(tmp_path / "notes.db", Notes, clock=clock) as engine:
        notes = engine.start(Notes, id="n")
        with pytest.raises(Corrupt):
            engine.terminate("n", why="done")
        assert notes.outcome is None
        engine.terminate("n", why="done")
        assert notes.outcome == "terminated"
    assert places[1] == places[0] + LOOKED_AT
