"""A callback sees one attempt and nothing that outlives it: what would make two runs differ is refused or repeats."""

import asyncio
import types
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from attrs import define, frozen
from hypothesis import given
from hypothesis import strategies as st

from persistence.store import Value
from statemachine import (
    Cursor,
    DataError,
    DefinitionError,
    FrameError,
    State,
    Workflow,
    always,
    enter,
    invariant,
    on,
    task,
)
from statemachine.decide import broken_invariant, decide
from statemachine.frame import RESERVED, Attempt
from statemachine.runner import FrameRunner
from statemachine.workflow import definition_of

# Words of the design that Workflow does not have yet, or that stand in its class line.
PLANNED = {"emit", "name", "progress", "revision", "scope", "tell"}


@frozen
class Go: ...


@define
class Counter:
    count: int = 0


@define
class Nested:
    names: dict[str, list[str]]
    inner: list[Counter]


class Database:
    """A port that notes whether a statement might have written."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def execute(self, statement: str, parameters: Sequence[Value], *, writable: bool) -> list[tuple[Value, ...]]:
        self.asked.append((statement, writable))
        return [(1,)]


KEPT: list[Any] = []


class Asking(Workflow[Counter], revision=1):
    """Every kind of callback asks the database, and one keeps its frame."""

    a = State(initial=True)
    b = State()

    def guard(self) -> bool:
        return self.sql.execute("guard") == [(1,)]

    @on(Go, a, to=b, when=guard)
    def act(self, event: Go) -> None:
        KEPT.append(self)
        self.sql.execute("act")

    @enter(b)
    def came(self) -> None:
        self.sql.execute("enter")

    @invariant
    def fine(self) -> bool:
        return self.sql.execute("invariant") == [(1,)]


def asked(database: Database | None = None) -> FrameRunner:
    attempt = FrameRunner(Counter())
    attempt.configuration, attempt.sql = ("a",), database
    return attempt


def run(workflow: type[Any], attempt: FrameRunner) -> None:
    definition = definition_of(workflow)
    decide(definition, attempt, definition.freeze(attempt.data), event=("Go", Go()))


def test_sql_can_write_in_actions_and_only_read_in_guards_and_invariants() -> None:
    database = Database()

    run(Asking, asked(database))

    assert database.asked == [("guard", False), ("act", True), ("enter", True), ("invariant", False)]


def test_after_a_guard_that_raises_sql_can_write_again() -> None:
    class Failing(Workflow[Counter], revision=1):
        a = State(initial=True)

        def fails(self) -> bool:
            raise LookupError

        @on(Go, a, to=None, when=fails)
        def act(self, event: Go) -> None: ...

    attempt = asked(Database())

    with pytest.raises(LookupError):
        run(Failing, attempt)
    assert attempt.may_write


def test_sql_of_a_kept_frame_is_dead() -> None:
    database = Database()
    KEPT.clear()
    run(Asking, asked(database))
    before = list(database.asked)

    with pytest.raises(
        FrameError, match=r"^PF405 self\.sql was used after its transition was over; use engine\.sql\(\)"
    ):
        KEPT[0].sql.execute("late")

    assert database.asked == before


def test_sql_kept_by_itself_is_dead_too() -> None:
    KEPT.clear()
    attempt = asked(Database())
    run(Asking, attempt)
    sql = KEPT[0].sql

    with pytest.raises(FrameError, match="after its transition was over"):
        sql.execute("late")


def test_a_frame_of_a_failed_attempt_is_dead() -> None:
    class Failing(Workflow[Counter], revision=1):
        a = State(initial=True)

        @on(Go, a, to=None)
        def act(self, event: Go) -> None:
            KEPT.append(self)
            raise LookupError

    KEPT.clear()
    with pytest.raises(LookupError):
        run(Failing, asked(Database()))

    with pytest.raises(FrameError, match="after its transition was over"):
        KEPT[0].sql.execute("late")


@pytest.mark.parametrize("name", ["data", "total", "a", "_private"])
def test_nothing_is_assigned_to_self(name: str) -> None:
    frame = Asking(Counter())

    with pytest.raises(
        FrameError, match=rf"^PF401 Asking.{name} cannot be assigned: a frame is thrown away. Use self.data.$"
    ):
        setattr(frame, name, 3)


class Lists(Workflow[Nested], revision=1):
    a = State(initial=True)

    @on(Go, a, to=None)
    def act(self, event: Go) -> None:
        self.data.names["all"].append("one")
        self.data.inner[0].count = 7
        if len(self.data.names["all"]) > 1:
            raise LookupError

    @invariant
    def fine(self) -> bool:
        KEPT.append(self.data)
        return True


def test_a_failed_action_leaks_nothing_of_nested_values() -> None:
    given = Nested({"all": []}, [Counter()])
    cursor = Cursor(Lists, given)
    first = cursor.send(Go()).data

    with pytest.raises(LookupError):
        cursor.send(Go())

    assert cursor.data == first == Nested({"all": ["one"]}, [Counter(7)])
    assert given == Nested({"all": []}, [Counter()])


def test_what_was_kept_of_an_attempt_is_a_copy_that_changes_nothing() -> None:
    KEPT.clear()
    cursor = Cursor(Lists, Nested({"all": []}, [Counter()])).send(Go())
    KEPT[-1].names["all"].append("late")
    cursor.data.names["all"].append("read")

    assert cursor.data.names == {"all": ["one"]}


@pytest.mark.parametrize("where", ["names", "inner"])
def test_a_guard_that_changes_a_nested_value_is_an_error(where: str) -> None:
    class Deep(Workflow[Nested], revision=1):
        a = State(initial=True)

        def meddles(self) -> bool:
            if where == "names":
                self.data.names["all"].append("x")
            else:
                self.data.inner[0].count += 1
            return True

        @on(Go, a, to=None, when=meddles)
        def act(self, event: Go) -> None: ...

    with pytest.raises(FrameError, match=r"^PF402 Deep\.meddles changed self\.data"):
        Cursor(Deep, Nested({"all": []}, [Counter()])).send(Go())


def test_a_kept_frame_raises_no_event() -> None:
    KEPT.clear()
    run(Asking, asked(Database()))

    with pytest.raises(FrameError, match=r"^PF405 self\.raise_ was used after its transition was over"):
        KEPT[0].raise_(Go())


def test_the_key_of_a_task_exists_only_in_a_task() -> None:
    class Keyed(Workflow[Counter], revision=1):
        a = State(initial=True)

        @on(Go, a, to=None)
        def act(self, event: Go) -> None:
            KEPT.append(self.effect_key)

    with pytest.raises(FrameError, match=r"^PF407 self\.effect_key belongs to tasks"):
        Cursor(Keyed, Counter()).send(Go())
    assert Keyed(Counter()).effect_key == "unit-test"


class Errands(Workflow[Nested], revision=1):
    """Tasks that do what a task must not do, and one that does not."""

    a = State(initial=True)

    @on(Go, a, to=None)
    def go(self, event: Go) -> None: ...

    @task(a, done=None, failed=a)
    def scribble(self) -> int:
        self.data.inner[0].count += 1
        return 1

    @task(a, done=None, failed=a)
    async def scribble_later(self) -> int:
        await asyncio.sleep(0)
        self.data.names["all"].append("me")
        return 1

    @task(a, done=None, failed=a)
    def call(self) -> int:
        self.raise_(Go())
        return 1

    @task(a, done=None, failed=a)
    async def read(self) -> int:
        return len(self.data.names["all"]) + self.data.inner[0].count


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda frame: frame.scribble(), r"^PF402 Errands\.scribble changed self\.data; a task only reads"),
        (lambda frame: asyncio.run(frame.scribble_later()), r"^PF402 Errands\.scribble_later changed self\.data"),
        (lambda frame: frame.call(), r"^PF404 Errands\.call raised an event; a task only reads"),
    ],
)
def test_a_task_that_writes_is_an_error_at_every_depth(work: Callable[[Any], object], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        work(Errands(Nested({"all": []}, [Counter()])))


def test_a_task_that_reads_returns_its_result() -> None:
    assert asyncio.run(Errands(Nested({"all": ["me"]}, [Counter(2)])).read()) == 3


# -- only reading ------------------------------------------------------------------------------------------------------


class Meddling(Workflow[Counter], revision=1):
    """Its subclasses let one of its questions change data."""

    a = State(initial=True)
    b = State()
    c = State()

    def first(self) -> bool:
        return False

    def second(self, event: Go) -> bool:
        return True

    def third(self) -> bool:
        return False

    @on(Go, a, to=b, when=first)
    def never(self, event: Go) -> None: ...

    @on(Go, a, to=b, when=second)
    def act(self, event: Go) -> None:
        self.data.count += 1

    @always(b, to=c, when=third)
    def rest(self) -> None: ...

    @invariant
    def fine(self) -> bool:
        return True

    @invariant
    def finer(self) -> bool:
        return True


def meddler(name: str, *, answer: bool) -> type[Meddling]:
    """A subclass in which one guard or invariant changes data."""

    def meddle(self: Meddling) -> bool:
        self.data.count += 10
        return answer

    def meddle_on(self: Meddling, event: Go) -> bool:
        return meddle(self)

    body: dict[str, Any] = {name: meddle_on if name == "second" else meddle}
    return types.new_class("Meddler", (Meddling,), {"revision": 1}, lambda namespace: namespace.update(body))


# who changes data, what it answers, and who is named: all that were asked since the data was known to be unchanged
MEDDLERS = [
    ("first", False, "Meddler.first or Meddler.second"),
    ("first", True, "Meddler.first"),
    ("second", True, "Meddler.first or Meddler.second"),
    ("second", False, "Meddler.first or Meddler.second"),
    ("third", False, "Meddler.third"),
    ("third", True, "Meddler.third"),
]


@pytest.mark.parametrize(("name", "answer", "named"), MEDDLERS)
def test_a_guard_that_changes_data_is_an_error_that_names_it(name: str, *, answer: bool, named: str) -> None:
    cursor = Cursor(meddler(name, answer=answer), Counter())

    with pytest.raises(FrameError) as raised:
        cursor.send(Go())

    assert str(raised.value) == f"PF402 {named} changed self.data; a guard or invariant only reads"
    assert (cursor.state, cursor.data.count) == ("a", 0)


@pytest.mark.parametrize("name", ["fine", "finer"])
def test_an_invariant_that_changes_data_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(FrameError, match=r"^PF402 Meddler\.fine or Meddler\.finer changed self\.data"):
        Cursor(meddler(name, answer=True), Counter())


def test_an_invariant_that_changes_data_is_reported_for_a_stored_instance() -> None:
    definition = definition_of(meddler("finer", answer=True))

    with pytest.raises(FrameError) as raised:
        broken_invariant(definition, asked(), definition.freeze(Counter()))

    assert str(raised.value) == "PF402 Meddler.fine or Meddler.finer changed self.data; a guard or invariant only reads"


def test_sound_guards_and_invariants_are_no_error() -> None:
    assert Cursor(Meddling, Counter()).send(Go()).data.count == 1


@pytest.mark.parametrize("answer", [1, 0, None, "yes", []])
def test_a_guard_that_returns_no_bool_is_an_error(answer: object) -> None:
    class Vague(Meddling, revision=1):
        def first(self) -> bool:
            return cast("bool", answer)

    with pytest.raises(FrameError) as raised:
        Cursor(Vague, Counter()).send(Go())

    assert str(raised.value) == f"PF403 Vague.first returned {answer!r}; a guard or invariant returns a bool"


def test_an_invariant_that_returns_no_bool_is_an_error() -> None:
    class Vague(Meddling, revision=1):
        def fine(self) -> bool:
            return cast("bool", 1)

    with pytest.raises(FrameError, match=r"^PF403 Vague\.fine returned 1; a guard or invariant returns a bool$"):
        Cursor(Vague, Counter())


@pytest.mark.parametrize("name", ["first", "third", "fine"])
def test_a_question_that_raises_an_event_is_an_error(name: str) -> None:
    class Loud(Meddling, revision=1): ...

    def shout(self: Meddling) -> bool:
        self.raise_(Go())
        return name == "fine"

    setattr(Loud, name, shout)

    with pytest.raises(FrameError, match=rf"^PF404 Loud.{name} raised an event; a guard or invariant only reads$"):
        Cursor(Loud, Counter()).send(Go())


# -- time, chance, ids -------------------------------------------------------------------------------------------------


def attempt_of(*, seed: bytes = b"", time: int = 0) -> Attempt:
    attempt = Attempt(None)
    attempt.seed, attempt.time = seed, time
    return attempt


def drawn(attempt: Attempt) -> tuple[float, str, str]:
    return attempt.random.random(), attempt.new_id(), attempt.new_id()


def test_the_same_seed_draws_the_same_again() -> None:
    assert drawn(attempt_of(seed=b"one")) == drawn(attempt_of(seed=b"one"))
    assert drawn(attempt_of(seed=b"one")) != drawn(attempt_of(seed=b"two"))


def test_two_ids_of_one_attempt_differ() -> None:
    _, one, other = drawn(attempt_of())

    assert one != other


def test_another_version_draws_other_numbers() -> None:
    seen: list[tuple[float, str]] = []

    class Drawing(Workflow[None], revision=1):
        a = State(initial=True)

        @on(Go, a, to=None)
        def draw(self, event: Go) -> None:
            seen.append((self.random.random(), self.new_id()))

    Cursor(Drawing, None).send(Go()).send(Go())
    Cursor(Drawing, None).send(Go()).send(Go())

    assert seen[:2] == seen[2:]
    assert seen[0] != seen[1]


def test_now_is_the_time_of_the_attempt() -> None:
    attempt = attempt_of(time=1_700_000_000_123_456)

    assert attempt.now == datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=UTC)


@given(seed=st.binary(max_size=40), time=st.integers(0, 2**48 * 1000 - 1))
def test_a_new_id_is_a_uuid_of_version_7(seed: bytes, time: int) -> None:
    made = uuid.UUID(attempt_of(seed=seed, time=time).new_id())

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == time // 1000


@given(seed=st.binary(max_size=8), time=st.integers(0, 10**15))
def test_later_ids_sort_after_earlier_ones(seed: bytes, time: int) -> None:
    one, later = attempt_of(seed=seed, time=time), attempt_of(seed=seed, time=time + 1000)

    assert one.new_id() < later.new_id()
    assert later.now - one.now == timedelta(milliseconds=1)


# -- names -------------------------------------------------------------------------------------------------------------


def test_the_reserved_names_are_those_of_workflow_and_the_planned_ones() -> None:
    public = {name for name in dir(Workflow) if not name.startswith("_")}

    assert public | PLANNED == RESERVED
    assert not public & PLANNED, "no longer planned: take it off the list above"


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_not_a_users(name: str) -> None:
    with pytest.raises(DefinitionError, match=rf"^PD114 Taken: '{name}' is a name of the frame"):
        types.new_class("Taken", (Workflow,), {"revision": 1}, lambda namespace: namespace.update({name: None}))


def test_an_action_that_returns_something_is_an_error() -> None:
    class Answering(Workflow[Counter], revision=1):
        a = State(initial=True)

        @on(Go, a, to=None)
        def go(self, event: Go) -> None:
            return cast("None", self.data)

    with pytest.raises(FrameError, match=r"^PF409 Answering\.go returned Counter; an action returns nothing"):
        Cursor(Answering, Counter()).send(Go())


@frozen
class Amount:
    value: int


def test_an_event_that_is_raised_is_checked_like_one_that_is_sent() -> None:
    wrong: Any = "three"

    class Raising(Workflow[Counter], revision=1):
        a = State(initial=True)

        @on(Go, a, to=None)
        def go(self, event: Go) -> None:
            self.raise_(Amount(wrong))

        @on(Amount, a, to=None)
        def amount(self, event: Amount) -> None: ...

    with pytest.raises(DataError, match=r"Amount\.value: expected an integer, got 'three'"):
        Cursor(Raising, Counter()).send(Go())
