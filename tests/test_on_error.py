"""A failure that an `@on_error` rule handles is undone whole, and answered by one transition that says what failed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from persistence import MemoryStore, SqlFailed, SQLiteStore, Store
from recovery import verify
from statemachine import (
    ANY,
    Compound,
    Cursor,
    DataError,
    Engine,
    Failed,
    FrameError,
    InvariantBroken,
    Limits,
    Parallel,
    Refused,
    State,
    Workflow,
    check,
    enter,
    invariant,
    on,
    on_error,
)
from statemachine.failing import TEXT_LENGTH_MAX
from tests.children import run_child
from tests.kit import Clock

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SQLiteStore(folder / "mill.db", schema="create table if not exists sacks (n int unique)"),
}


@frozen
class Grind:
    how: str = "well"


@frozen
class Note: ...


@define
class Flour:
    sacks: list[str] = field(factory=list)
    failures: list[Failed] = field(factory=list)
    notes: int = 0


class Mute(Exception):  # noqa: N818  # a test's
    def __str__(self) -> str:
        raise ValueError("no words")


class Mill(Workflow[Flour], revision=1):
    """Fails in many ways."""

    idle = State(initial=True)

    class running(Parallel):
        class stones(Compound):
            turning = State(initial=True)

        class door(Compound):
            shut = State(initial=True)

    broken = State()

    def asks(self, event: Grind) -> bool:
        return event.how != "asking" or 1 // 0 > 0

    @on(Grind, idle, running.stones.turning, to=running, when=asks)
    def grind(self, event: Grind) -> None:
        self.data.sacks.append(event.how)
        self.raise_(Note())
        FAULTS.get(event.how, _nothing)(self)

    @enter(running)
    def starts(self) -> None:
        if self.data.sacks[-1:] == ["entering"]:
            raise LookupError("no grain")

    @on(Note, ANY, to=None)
    def note_(self, event: Note) -> None:
        self.data.notes += 1
        if self.data.sacks[-1:] == ["noting"]:
            raise LookupError("no ink")

    @on_error(idle, running.stones, to=broken)
    def mend(self, event: Failed) -> None:
        self.data.failures.append(event)
        if event.text == "twice":
            raise LookupError("once more")
        if event.text == "worse":
            self.data.sacks.extend("abcd")

    @invariant
    def at_most_three(self) -> bool:
        if self.data.sacks[-1:] == ["judging"]:
            raise LookupError("no scales")
        return len(self.data.sacks) <= 3


def _nothing(mill: Mill) -> None: ...


def _raise(error: Exception) -> Callable[[Mill], None]:
    def fault(mill: Mill) -> None:
        raise error

    return fault


def _overfill(mill: Mill) -> None:
    mill.data.sacks.extend("abcd")


def _misfit(mill: Mill) -> None:
    wrong: Any = 3
    mill.data.sacks.append(wrong)


def _assign(mill: Mill) -> None:
    mill.sacks = 3


def _insert(mill: Mill) -> None:
    mill.sql.execute("insert into sacks values (1)")
    raise LookupError("after it was written")


def _select(mill: Mill) -> None:
    mill.sql.execute("select nothing")


FAULTS: dict[str, Callable[[Mill], None]] = {
    "badly": _raise(ValueError("grit")),
    "silently": _raise(KeyError()),
    "mutely": _raise(Mute()),
    "oddly": _raise(ValueError("\ud800\0" + "x" * 5_000)),
    "wrongly": _misfit,
    "twice": _raise(ValueError("twice")),
    "worse": _raise(ValueError("worse")),
    "too much": _overfill,
    "assigning": _assign,
    "refusing": _raise(Refused("guard_failed", "by hand")),
    "inserting": _insert,
    "selecting": _select,
}

# how it fails, and what the rule is told
HANDLED: list[tuple[str, str, str]] = [
    ("badly", "ValueError", "grit"),
    ("silently", "KeyError", ""),
    ("asking", "ZeroDivisionError", "integer division or modulo by zero"),
    ("entering", "LookupError", "no grain"),
    ("noting", "LookupError", "no ink"),
    ("judging", "LookupError", "no scales"),
    ("wrongly", "DataError", "Flour.sacks[1]: expected text, got 3"),
]

# how it fails, and what the sender gets as it was raised
NOT_HANDLED: list[tuple[str, type[Exception], str]] = [
    ("too much", InvariantBroken, "Mill.at_most_three"),
    ("assigning", FrameError, "PF401"),
    ("refusing", Refused, "by hand"),
    ("twice", LookupError, "once more"),
    ("worse", InvariantBroken, "Mill.at_most_three"),
]


@pytest.fixture(params=STORES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with Engine(STORES[request.param](tmp_path), Mill, clock=Clock()) as made:
        yield made


# -- in memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "kind", "text"), HANDLED, ids=[one[0] for one in HANDLED])
def test_what_failed_is_undone_and_handled_from_where_it_began(how: str, kind: str, text: str) -> None:
    cursor = Cursor(Mill, Flour()).send(Grind(how))

    assert (cursor.state, cursor.data) == ("broken", Flour(failures=[Failed(kind, text, "Grind")]))
    assert cursor.error == (f"{kind}: {text}" if text else kind)


@pytest.mark.parametrize(("how", "kind", "text"), NOT_HANDLED, ids=[one[0] for one in NOT_HANDLED])
def test_what_says_that_something_is_wrong_is_raised(how: str, kind: type[Exception], text: str) -> None:
    cursor = Cursor(Mill, Flour())

    with pytest.raises(kind, match=text):
        cursor.send(Grind(how))
    assert (cursor.state, cursor.data, cursor.error) == ("idle", Flour(), None)


def test_the_handlers_own_failure_shows_the_first_one() -> None:
    with pytest.raises(LookupError, match="once more") as raised:
        Cursor(Mill, Flour()).send(Grind("twice"))

    assert isinstance(raised.value.__context__, ValueError)


def test_an_error_is_that_of_the_last_event() -> None:
    cursor = Cursor(Mill, Flour()).send(Grind("badly"))

    assert cursor.send(Note()).error is None


def test_inner_states_handle_before_outer_ones_and_any_comes_last() -> None:
    class Nested(Mill, revision=1):
        @on_error(ANY, to=None)
        def shrug(self, event: Failed) -> None:
            self.data.notes = 7

        @on_error(Mill.running, to=Mill.idle)
        def stop(self, event: Failed) -> None:
            self.data.notes = 8

        @on(Note, Mill.broken, to=None)
        def fail(self, event: Note) -> None:
            raise ValueError

    cursor = Cursor(Nested, Flour()).send(Grind())

    # The region of the stones has its own rule, and it is the inner one; the door has only the outer one.
    assert cursor.send(Grind("badly")).state == "broken"
    assert (cursor.send(Note()).data.notes, cursor.state) == (7, "broken")


def test_a_failure_where_nobody_handles_it_is_raised() -> None:
    cursor = Cursor(Mill, Flour()).send(Grind("badly"))

    class Fragile(Mill, revision=1):
        @on(Note, Mill.broken, to=None)
        def fail(self, event: Note) -> None:
            raise ValueError("nobody is there")

    fragile = Cursor(Fragile, Flour()).send(Grind("badly"))

    assert cursor.state == "broken"
    with pytest.raises(ValueError, match="nobody is there"):
        fragile.send(Note())


def test_words_that_cannot_be_stored_are_made_storable() -> None:
    odd = Cursor(Mill, Flour()).send(Grind("oddly")).data.failures[0].text
    mute = Cursor(Mill, Flour()).send(Grind("mutely")).data.failures[0]

    assert (odd[:3], len(odd)) == ("??x", TEXT_LENGTH_MAX)
    assert (mute.type, "failed" in mute.text) == ("Mute", True)


def test_a_start_that_fails_is_raised() -> None:
    class Stillborn(Mill, revision=1):
        @enter(Mill.idle)
        def wakes(self) -> None:
            raise LookupError("no grain")

    with pytest.raises(LookupError, match="no grain"):
        Cursor(Stillborn, Flour())


def test_a_way_for_failures_leads_to_its_state_and_does_not_hide_a_dead_end() -> None:
    class Stuck(Workflow[None], revision=1):
        a = State(initial=True)
        b = State()

        @on(Note, a, to=None)
        def note_(self, event: Note) -> None: ...

        @on_error(a, b, to=b)
        def fail(self, event: Failed) -> None: ...

    assert [(one.code, one.where) for one in check(Stuck)] == [("PD202", "b")]


# -- through the engine ------------------------------------------------------------------------------------------------


def test_the_sender_gets_the_transition_with_its_error(engine: Engine) -> None:
    mill = engine.start(Mill, id="m")

    done = mill.send(Grind("badly"), key="k", actor="ann")

    assert (done.event, done.payload, done.before, done.after) == ("Grind", {"how": "badly"}, ("idle",), ("broken",))
    assert (done.version, done.error, done.replayed, done.actor) == (2, "ValueError: grit", False, "ann")
    assert mill.data == Flour(failures=[Failed("ValueError", "grit", "Grind")])
    assert [one.error for one in mill.history()] == [None, "ValueError: grit"]


def test_an_agent_is_told_what_failed(engine: Engine) -> None:
    outcome = engine.start(Mill, id="m").fire("Grind", {"how": "badly"})

    assert (outcome["outcome"], outcome["state"]) == ("committed", "broken")
    assert outcome["hint"].endswith("It failed and was undone, and a rule handled that: ValueError: grit.")


def test_its_key_answers_with_the_error_and_runs_nothing_again(engine: Engine) -> None:
    mill = engine.start(Mill, id="m")
    first = mill.send(Grind("badly"), key="k")

    again = Engine(engine.store, Mill).get(Mill, "m").send(Grind("badly"), key="k")

    assert (again.replayed, again.error, again.hash) == (True, "ValueError: grit", first.hash)
    assert mill.version == 2
    with engine.store.reader() as reader:
        assert [(key.key, key.error) for key in reader.keys("m")] == [("", None), ("k", "ValueError: grit")]


@pytest.mark.parametrize(("how", "kind", "text"), NOT_HANDLED, ids=[one[0] for one in NOT_HANDLED])
def test_what_is_not_handled_leaves_no_row_and_no_key(
    engine: Engine, how: str, kind: type[Exception], text: str
) -> None:
    mill = engine.start(Mill, id="m")

    with pytest.raises(kind, match=text):
        mill.send(Grind(how), key="k")

    assert (mill.version, mill.data) == (1, Flour())
    assert mill.send(Grind(), key="k").error is None


def test_both_attempts_see_one_time_and_one_version(engine: Engine) -> None:
    seen: list[tuple[object, int]] = []

    class Watched(Mill, revision=1):
        def grind(self, event: Grind) -> None:
            seen.append((self.now, self.version))
            clock.now += 1_000
            raise ValueError

        def mend(self, event: Failed) -> None:
            seen.append((self.now, self.version))

    clock = Clock()
    with Engine(MemoryStore(), Watched, clock=clock) as watching:
        watching.start(Watched, id="w").send(Grind())

    assert len(set(seen)) == 1
    assert len(seen) == 2


def test_the_users_sql_of_the_failed_attempt_is_undone_and_that_of_the_handler_stays(tmp_path: Path) -> None:
    class Booked(Mill, revision=1):
        def mend(self, event: Failed) -> None:
            self.sql.execute("insert into sacks values (2)")

    with Engine(STORES["sqlite"](tmp_path), Booked) as engine:
        done = engine.start(Booked, id="b").send(Grind("inserting"))

        assert done.error == "LookupError: after it was written"
        assert engine.sql().execute("select n from sacks") == [(2,)]


def test_a_handler_that_fails_leaves_none_of_its_sql_either(tmp_path: Path) -> None:
    class Booked(Mill, revision=1):
        def mend(self, event: Failed) -> None:
            self.sql.execute("insert into sacks values (2)")
            raise LookupError("once more")

    with Engine(STORES["sqlite"](tmp_path), Booked) as engine:
        booked = engine.start(Booked, id="b")
        with pytest.raises(LookupError, match="once more"):
            booked.send(Grind("inserting"))

        assert engine.sql().execute("select n from sacks") == []
        assert booked.version == 1


def test_an_error_of_the_users_sql_is_a_store_error_and_raised(tmp_path: Path) -> None:
    with Engine(STORES["sqlite"](tmp_path), Mill) as engine:
        mill = engine.start(Mill, id="m")

        with pytest.raises(SqlFailed):
            mill.send(Grind("selecting"))
        assert mill.version == 1


def test_a_statement_that_ends_the_transaction_is_not_handled_whatever_the_callback_raises(tmp_path: Path) -> None:
    def ending(mill: Mill) -> None:
        mill.sql.execute("insert into sacks values (1)")
        try:
            mill.sql.execute("insert or rollback into sacks values (1)")
        except SqlFailed as error:
            raise ValueError("hidden") from error

    FAULTS["ending"] = ending
    with Engine(STORES["sqlite"](tmp_path), Mill) as engine:
        mill = engine.start(Mill, id="m")
        with pytest.raises(SqlFailed):
            mill.send(Grind("ending"))

        assert (mill.version, engine.sql().execute("select n from sacks")) == (1, [])
        assert mill.send(Grind()).version == 2


def test_an_error_is_hashed_with_its_row_and_a_keys_error_is_compared_with_it(tmp_path: Path) -> None:
    with Engine(tmp_path / "mill.db", Mill) as engine:
        engine.start(Mill, id="m").send(Grind("badly"), key="k")
    assert verify(tmp_path / "mill.db", Mill).is_clean

    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1])\n"
        "c.execute(\"update perdure_key set error = 'ValueError: sand' where error is not null\")\n"
        "print(c.total_changes); c.commit(); c.close()"
    )
    assert run_child(script, tmp_path / "mill.db") == (0, "1")
    assert "key 'k' of version 2 answers with another error" in str(verify(tmp_path / "mill.db", Mill))


def test_data_that_is_too_large_is_raised_and_not_handled(tmp_path: Path) -> None:
    with Engine(STORES["memory"](tmp_path), Mill, limits=Limits(data_bytes_max=60)) as engine:
        mill = engine.start(Mill, id="m")

        with pytest.raises(DataError, match="at most 60"):
            mill.send(Grind("x" * 50))
        assert mill.version == 1
