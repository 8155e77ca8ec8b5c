"""Group commit: who waits together is committed together, nobody fails another or is answered before the commit."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen

from persistence import Busy, Conflict, MemoryStore, SqlFailed, Store
from persistence.memory import MemoryTransaction
from persistence.sqlite.transaction import SQLiteTransaction
from statemachine import (
    Engine,
    Final,
    Instance,
    InvariantBroken,
    Limits,
    Refused,
    State,
    Transition,
    Workflow,
    batch,
    batches,
    invariant,
    on,
)
from statemachine import writer as writing
from tests.interrupting import interrupt_until, interruptible
from tests.patience import WAIT_SECONDS_MAX

SCHEMA = """
create table if not exists booking (instance text, amount int unique);
create table if not exists account (name text primary key);
create table if not exists entry (account text references account deferrable initially deferred);
"""
ENTERED, GO = threading.Event(), threading.Event()
RUNS: list[str] = []


@frozen
class Hold:
    """Stay in the action until somebody outside says go."""


@frozen
class Pay:
    amount: int


@frozen
class Spoil:
    """Write, then do as told."""

    how: str


@frozen
class Close: ...


@define
class TillData:
    total: int = 0


class Till(Workflow[TillData], revision=1):
    """Takes money, and breaks in every way."""

    open_ = State(initial=True)
    closed = Final()

    @on(Hold, open_, to=None)
    def hold(self, event: Hold) -> None:
        ENTERED.set()
        assert GO.wait(WAIT_SECONDS_MAX)

    @on(Pay, open_, to=None)
    def pay(self, event: Pay) -> None:
        RUNS.append(f"{self.id} {event.amount}")
        self.sql.execute("insert into booking values (?, ?)", (self.id, event.amount))
        self.data.total += event.amount

    @on(Spoil, open_, to=None)
    def spoil(self, event: Spoil) -> None:
        self.sql.execute("insert into booking values (?, ?)", (self.id, 999))
        self.data.total = -1 if event.how == "invariant" else 999
        if event.how == "raise":
            raise ValueError(event.how)
        if event.how == "rollback":
            self.sql.execute("insert or rollback into booking values (?, ?)", (self.id, 999))
        if event.how == "foreign key":
            self.sql.execute("insert into entry values ('nobody')")
        if event.how == "exit":
            raise SystemExit(3)
        if event.how == "interrupt":
            raise KeyboardInterrupt

    @on(Close, open_, to=closed)
    def close(self, event: Close) -> None: ...

    @invariant
    def not_negative(self) -> bool:
        return self.data.total >= 0


@frozen
class Put:
    item: int


@define
class BoxData:
    total: int = 0


class Box(Workflow[BoxData], revision=1):
    """Has no SQL, for stores that have none."""

    open_ = State(initial=True)

    @on(Put, open_, to=None)
    def put(self, event: Put) -> None:
        self.data.total += event.item

    @on(Hold, open_, to=None)
    def hold(self, event: Hold) -> None:
        ENTERED.set()
        assert GO.wait(WAIT_SECONDS_MAX)


@pytest.fixture(autouse=True)
def _events() -> Iterator[None]:
    ENTERED.clear()
    GO.clear()
    RUNS.clear()
    yield
    GO.set()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "till.db", Till, schema=SCHEMA) as made:
        yield made


def boxes(store: Store, **settings: Any) -> tuple[Engine, Instance[Box, BoxData]]:
    engine = Engine(store, Box, **settings)
    return engine, engine.start(Box, id="b")


@contextmanager
def held(instance: Instance[Any, Any]) -> Iterator[None]:
    """Let what is queued inside the block wait together: a batch of its own is held until the end of it."""
    first = instance.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    yield
    GO.set()
    first.result(WAIT_SECONDS_MAX)


def seals(engine: Engine) -> list[int]:
    """Return the rows that carry a seal: the last one of each commit."""
    with engine.store.reader() as reader:
        return [one.n for one in reader.lane() if one.seal is not None]


# -- one commit --------------------------------------------------------------------------------------------------------


def test_what_waits_together_is_one_commit(engine: Engine) -> None:
    tills = [engine.start(Till, id=f"t{number}") for number in range(5)]
    with held(tills[0]):
        waiting = [till.submit(Pay(10 * number + turn)) for turn in range(2) for number, till in enumerate(tills)]
    done = [one.result(WAIT_SECONDS_MAX) for one in waiting]

    assert [one.version for one in done] == [3, 2, 2, 2, 2, 4, 3, 3, 3, 3]
    assert seals(engine) == [1, 2, 3, 4, 5, 6, 16]
    assert [till.data.total for till in tills] == [1, 21, 41, 61, 81]
    assert len(engine.sql().execute("select * from booking")) == 10


def test_a_batch_has_a_most(tmp_path: Path) -> None:
    with Engine(tmp_path / "till.db", Till, schema=SCHEMA, limits=Limits(batch_max=4)) as engine:
        till = engine.start(Till, id="t")
        with held(till):
            waiting = [till.submit(Pay(number)) for number in range(10)]
        assert [one.result(WAIT_SECONDS_MAX).version for one in waiting] == [*range(3, 13)]
        assert seals(engine) == [1, 2, 6, 10, 12]


def test_senders_on_threads_of_their_own_are_one_commit_too(engine: Engine) -> None:
    """Thirty threads wait while one writes: one of them leads, and all are answered with their own transitions."""
    tills = [engine.start(Till, id=f"t{number}") for number in range(30)]
    versions: list[tuple[str, int]] = []

    def send(number: int) -> None:
        done = tills[number].send(Pay(number))
        versions.append((done.instance, done.version))

    held_back = threading.Thread(target=lambda: tills[0].send(Hold()))
    held_back.start()
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    threads = [threading.Thread(target=send, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    while len(engine._writer._queue) < 30:  # all of them wait
        pass
    GO.set()
    for thread in (held_back, *threads):
        thread.join(WAIT_SECONDS_MAX)

    assert sorted(versions) == sorted([("t0", 3), *((f"t{number}", 2) for number in range(1, 30))])
    assert seals(engine) == [*range(1, 32), 61]


# -- decided on what those before it left ------------------------------------------------------------------------------


def test_each_is_decided_on_what_those_before_it_left(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    with held(till):
        paid = till.submit(Pay(1), expect_version=2)
        stale = till.submit(Pay(2), expect_version=2)
        closed = till.submit(Close())
        late = till.submit(Pay(3))

    assert (paid.result(WAIT_SECONDS_MAX).version, closed.result(WAIT_SECONDS_MAX).version) == (3, 4)
    with pytest.raises(Refused, match=r"^stale_version: expected version 2, it is at 3"):
        stale.result(WAIT_SECONDS_MAX)
    with pytest.raises(Refused, match=r"^instance_final: "):
        late.result(WAIT_SECONDS_MAX)
    assert (till.version, till.data.total) == (4, 1)


def test_a_key_that_comes_twice_in_a_batch_runs_once(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    with held(till):
        first, again, other = (till.submit(Pay(amount), key="k") for amount in (1, 1, 2))

    done, replayed = first.result(WAIT_SECONDS_MAX), again.result(WAIT_SECONDS_MAX)
    assert (done.replayed, replayed.replayed, replayed.version, replayed.hash) == (False, True, done.version, done.hash)
    with pytest.raises(Refused, match=r"^key_reused: .* at version 3"):
        other.result(WAIT_SECONDS_MAX)
    assert till.send(Pay(1), key="k").replayed
    assert RUNS == ["t 1"]


def test_an_id_that_is_started_twice_in_a_batch_is_started_once(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    found: list[str] = []

    def start(total: int) -> None:
        try:
            found.append(f"{engine.start(Till, TillData(total), id='new').id} {total}")
        except Refused as refused:
            found.append(refused.code)

    threads = [threading.Thread(target=start, args=(total,)) for total in (5, 5, 6)]
    with held(till):
        for place, thread in enumerate(threads):
            thread.start()
            while len(engine._writer._queue) <= place:
                pass
    for thread in threads:
        thread.join(WAIT_SECONDS_MAX)

    assert sorted(found) == ["id_taken", "new 5", "new 5"]
    assert engine.get(Till, "new").version == 1


# -- nobody fails another ----------------------------------------------------------------------------------------------

SPOILT: dict[str, type[BaseException]] = {
    "raise": ValueError,
    "invariant": InvariantBroken,
    "rollback": SqlFailed,
    "foreign key": SqlFailed,
    "exit": SystemExit,
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_member_that_fails_leaves_nothing_and_fails_no_other(how: str, engine: Engine) -> None:
    one, bad, other = (engine.start(Till, id=name) for name in ("one", "bad", "other"))
    with held(one):
        before, spoilt, after = one.submit(Pay(1)), bad.submit(Spoil(how)), other.submit(Pay(2))

    assert (before.result(WAIT_SECONDS_MAX).version, after.result(WAIT_SECONDS_MAX).version) == (3, 2)
    with pytest.raises(SPOILT[how]):
        spoilt.result(WAIT_SECONDS_MAX)
    assert (one.data.total, bad.data.total, other.data.total, bad.version) == (1, 0, 2, 1)
    assert engine.sql().execute("select * from booking order by amount") == [("one", 1), ("other", 2)]
    assert bad.send(Pay(3)).version == 2


def test_a_batch_that_a_statement_ended_is_decided_again_one_by_one(engine: Engine) -> None:
    """What ran in vain ran again, and counts once."""
    one, bad, other = (engine.start(Till, id=name) for name in ("one", "bad", "other"))
    with held(one):
        waiting = [one.submit(Pay(1)), bad.submit(Spoil("rollback")), other.submit(Pay(2))]
    assert waiting[0].result(WAIT_SECONDS_MAX).version == 3
    assert waiting[2].result(WAIT_SECONDS_MAX).version == 2

    assert RUNS.count("one 1") == 2
    assert seals(engine)[-2:] == [5, 6]


def test_neighbours_of_a_member_whose_savepoint_is_not_undone_are_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a member that only looks as if it were bounded leaves its rows with its neighbours."""

    @contextmanager
    def unbounded(_: SQLiteTransaction) -> Iterator[None]:
        yield

    monkeypatch.setattr(SQLiteTransaction, "member", unbounded)
    with pytest.raises(AssertionError):
        test_a_member_that_fails_leaves_nothing_and_fails_no_other("raise", engine)


def test_what_goes_wrong_after_the_commit_of_a_batch_runs_nothing_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody is answered with what is durable, and the log of the program tells of the rest."""
    one, other = engine.start(Till, id="one"), engine.start(Till, id="other")
    remember = batch.Desk.remember

    def failing(desk: batch.Desk, heads: Any) -> None:
        remember(desk, heads)
        if len(heads) > 1:
            raise RuntimeError("after the commit")

    monkeypatch.setattr(batch.Desk, "remember", failing)
    with held(one):
        waiting = [one.submit(Pay(1)), other.submit(Pay(2)), one.submit(Pay(3))]

    assert [till.result(WAIT_SECONDS_MAX).version for till in waiting] == [3, 2, 4]
    assert RUNS == ["one 1", "other 2", "one 3"]
    assert (one.data.total, other.data.total) == (4, 2)
    assert "after a commit of 3 transitions, which are durable" in caplog.text


def test_half_a_draft_is_decided_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails behind the draft of a member, where memory runs out, fails nobody: its draft is not committed then."""
    one, other = engine.start(Till, id="one"), engine.start(Till, id="other")

    def failing(record: Any, proof: bytes) -> Any:
        if record.version == 2:  # of the one that holds the others up
            return Transition(record, proof)
        monkeypatch.setattr(batch, "Transition", Transition)
        raise MemoryError

    monkeypatch.setattr(batch, "Transition", failing)
    with held(one):
        waiting = [one.submit(Pay(1)), other.submit(Pay(2)), one.submit(Pay(3))]

    assert [till.result(WAIT_SECONDS_MAX).version for till in waiting] == [3, 2, 4]
    assert (one.data.total, other.data.total) == (4, 2)
    assert RUNS == ["one 1", "other 2", "one 3"] * 2


def test_what_goes_wrong_after_the_commit_of_one_alone_runs_nothing_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where it looks like a transition that came first, which is decided again."""
    till = engine.start(Till, id="t")
    remember = batch.Desk.remember

    def failing(desk: batch.Desk, heads: Any) -> None:
        remember(desk, heads)
        raise Conflict("after the commit")

    monkeypatch.setattr(batch.Desk, "remember", failing)
    assert till.send(Pay(1), key="k").version == 2
    monkeypatch.undo()

    assert (RUNS, till.version, till.data.total) == (["t 1"], 2, 1)
    assert till.send(Pay(1), key="k").replayed
    assert "after a commit of 1 transitions, which are durable" in caplog.text


# -- answers -----------------------------------------------------------------------------------------------------------


def told_before_commit(engine: Engine, till: Instance[Till, TillData], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Say whether anybody was told, a refusal included, before COMMIT had returned."""
    early: list[bool] = []
    commit = SQLiteTransaction.commit
    waiting: list[Any] = []

    def committing(transaction: SQLiteTransaction) -> None:
        early.append(any(one.done() for one in waiting))
        commit(transaction)
        early.append(any(one.done() for one in waiting))

    with held(till):
        waiting += [till.submit(Pay(1)), till.submit(Pay(1), expect_version=9), till.submit(Pay(2))]
        monkeypatch.setattr(SQLiteTransaction, "commit", committing)
    for one in waiting:
        one.exception(WAIT_SECONDS_MAX)
    while len(early) < 4:  # two commits: the one that was held, and theirs
        pass
    return any(early)


def test_nobody_is_told_before_the_commit_has_returned(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not told_before_commit(engine, engine.start(Till, id="t"), monkeypatch)


def test_an_answer_before_the_commit_is_found(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: each member is told as soon as it is decided."""
    decide = batches._decide

    def eager(member: Any, of: Any) -> None:
        decide(member, of)
        member.future.set_result(None)

    monkeypatch.setattr(batches, "_decide", eager)
    assert told_before_commit(engine, engine.start(Till, id="t"), monkeypatch)


# -- somebody else's transition came first -----------------------------------------------------------------------------


def conflicting(monkeypatch: pytest.MonkeyPatch, times: int, *, first: int = 1) -> list[int]:
    """Let commits of a MemoryStore, from one with so many drafts on, find that somebody came before them.

    Returns how many drafts each had.
    """
    found: list[int] = []
    append = MemoryTransaction.append

    def appending(transaction: MemoryTransaction, drafts: Any) -> None:
        if len(drafts) >= (1 if found else first) and len(found) < times:
            found.append(len(drafts))
            transaction.has_written = True
            raise Conflict("b: version 2 was taken by somebody else")
        append(transaction, drafts)

    monkeypatch.setattr(MemoryTransaction, "append", appending)
    return found


def test_a_conflict_is_decided_again_three_times_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, box = boxes(MemoryStore())
    found = conflicting(monkeypatch, 3)
    assert box.send(Put(1)).version == 2
    assert found == [1, 1, 1]

    found = conflicting(monkeypatch, 4)
    with pytest.raises(Conflict):
        box.send(Put(2))
    assert (found, box.version, box.data.total) == ([1, 1, 1, 1], 2, 1)
    engine.close()


def test_a_batch_with_a_conflict_is_decided_again_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, box = boxes(MemoryStore())
    with held(box):
        waiting = [box.submit(Put(number)) for number in range(3)]
        found = conflicting(monkeypatch, 2, first=3)
    assert [one.result(WAIT_SECONDS_MAX).version for one in waiting] == [3, 4, 5]
    assert found == [3, 1]  # the batch, and the first of its members when that was decided again
    engine.close()


# -- waiting, and being interrupted ------------------------------------------------------------------------------------


def queued(engine: Engine, count: int) -> None:
    """Wait until so many are in the queue."""
    while len(engine._writer._queue) < count:
        pass


def test_who_waits_too_long_is_told_that_it_is_busy_and_nothing_of_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, box = boxes(MemoryStore())
    monkeypatch.setattr(writing, "TURN_SECONDS_MAX", 0.05)
    with held(box), pytest.raises(Busy, match="nothing happened, try again"):
        box.send(Put(1))
    assert box.send(Put(2)).version == 3
    assert box.data.total == 2
    engine.close()


def test_who_is_interrupted_while_he_waits_takes_his_event_back(engine: Engine) -> None:
    till = engine.start(Till, id="t")
    is_back = threading.Event()

    def interrupt() -> None:
        queued(engine, 1)
        interrupt_until(is_back)

    with interruptible(), held(till):
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            till.send(Pay(1))
        is_back.set()
        interrupting.join(WAIT_SECONDS_MAX)
    assert till.send(Pay(2)).version == 3
    assert RUNS == ["t 2"]


def test_who_is_interrupted_before_he_begins_can_send_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else his thread would be taken for one that runs callbacks, for as long as it lives."""
    till = engine.start(Till, id="t")

    def interrupted() -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.store, "transaction", interrupted)
    with pytest.raises(KeyboardInterrupt):
        till.send(Pay(1))
    assert till.send(Pay(2)).version == 2


def test_who_is_interrupted_while_he_leads_fails_the_others_with_busy(engine: Engine) -> None:
    """They are told that nothing happened, which is so, and the next batch is led by somebody else."""
    till, other = engine.start(Till, id="t"), engine.start(Till, id="o")
    told: list[str] = []

    def pay() -> None:
        queued(engine, 1)
        try:
            other.send(Pay(1))
        except Busy as busy:
            told.append(str(busy))
        told.append(f"v{other.send(Pay(2)).version}")

    def go() -> None:
        queued(engine, 2)
        GO.set()

    holding = threading.Thread(target=lambda: till.send(Hold()))
    holding.start()
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    threads = [threading.Thread(target=pay), threading.Thread(target=go)]
    for thread in threads:
        thread.start()
    with pytest.raises(KeyboardInterrupt):
        till.send(Spoil("interrupt"))
    for thread in (holding, *threads):
        thread.join(WAIT_SECONDS_MAX)

    assert told == ["PS301 the thread that wrote was interrupted; nothing happened, try again", "v2"]
    assert (till.version, till.data.total, other.data.total) == (2, 0, 2)


def test_a_callback_of_a_future_can_send(engine: Engine) -> None:
    """It runs on the writer's own thread, which leads what was queued before it."""
    till = engine.start(Till, id="t")
    versions: list[int] = []
    with held(till):
        first = till.submit(Pay(1))
        first.add_done_callback(lambda _: versions.append(till.send(Pay(3)).version))
        second = till.submit(Pay(2))
    assert second.result(WAIT_SECONDS_MAX).version == 4
    assert till.submit(Pay(4)).result(WAIT_SECONDS_MAX).version == 6
    assert versions == [5]


def test_senders_wait_for_room_where_they_are_asked_to() -> None:
    engine, box = boxes(MemoryStore(), limits=Limits(calls_max=2), when_full="wait")
    first = box.submit(Hold())
    assert ENTERED.wait(WAIT_SECONDS_MAX)
    futures: list[Any] = []
    sending = threading.Thread(target=lambda: futures.extend(box.submit(Put(number)) for number in range(5)))
    sending.start()
    room: Any = engine._writer._room
    while not room._waiters:  # of the condition: it waits for room
        pass
    assert len(engine._writer._queue) == 1
    GO.set()
    sending.join(WAIT_SECONDS_MAX)

    assert [one.result(WAIT_SECONDS_MAX).version for one in (first, *futures)] == [2, 3, 4, 5, 6, 7]
    engine.close()


# -- what a lone writer remembers --------------------------------------------------------------------------------------


def reads(engine: Engine, send: Callable[[int], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often heads were read from the store for fifty events."""
    found: list[object] = []
    heads = SQLiteTransaction.heads

    def counted(transaction: SQLiteTransaction, ids: Any) -> Any:
        found.append(ids)
        return heads(transaction, ids)

    monkeypatch.setattr(SQLiteTransaction, "heads", counted)
    for number in range(50):
        send(number)
    return len(found)


def test_a_lone_writer_never_reads_a_head_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    till = engine.start(Till, id="t")
    assert reads(engine, lambda number: till.send(Pay(number)), monkeypatch) == 0
    assert reads(engine, lambda number: asyncio.run(till.asend(Pay(100 + number))), monkeypatch) == 0


def test_heads_are_read_again_when_another_connection_wrote(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the count."""
    till = engine.start(Till, id="t")
    with Engine(tmp_path / "till.db", Till) as other:
        theirs = other.get(Till, "t")

        def send(number: int) -> None:
            (till if number % 2 else theirs).send(Pay(number))

        assert reads(engine, send, monkeypatch) >= 49
