"""Where the time of one serial `send` goes: functions and statements, timed from outside.

Each function of `STAGES` is replaced, wherever it was imported to, by one that reads the clock around it; the time of a
stage is what it spent outside of the other stages. What reading the clock costs is measured and taken off. Statements
are timed in the connection itself, whoever runs them. A function that is gone is named, and its time stands in the
stage around it.
"""

import importlib
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import apsw

from benchmarks.durable.raw import Raw
from benchmarks.durable.work import Lamp, Tick, keys
from statemachine import Engine

ROUNDS = 3
WHOLE = "rest"
STAGES = {
    "statemachine.events:request": "check the event",
    "statemachine.writer:Writer.send": "take the turn",
    "statemachine.batches:Batches.alone": "a batch of one",
    "statemachine.batch:Batch.fire": "a batch of one",
    "statemachine.batch:Batch.commit": "a batch of one",
    "statemachine.batch:attempt_at": "an attempt, its data thawed",
    "statemachine.codec:Codec.digest": "digest of the event, for its key",
    "statemachine.definition:Definition.image_of": "encode what changed",
    "statemachine.decide:handle": "decide",
    "statemachine.decide:decide": "decide",
    "statemachine.step:macrostep": "macrostep, guard and action with it",
    "statemachine.runner:FrameRunner.finish": "invariants, is anything changed",
    "statemachine.runner:FrameRunner.check_unchanged": "invariants, is anything changed",
    "statemachine.drafting:draft": "record, draft and body",
    "statemachine.batch:Batch.look_up": "ask for the key",
    "persistence.records:digests": "hashes",
    "persistence.records:stub_hash": "hashes",
    "persistence.records:image_digest": "hashes",
    "persistence.records:seal_of": "hashes",
    "persistence.records:head_of": "record, draft and body",
    "persistence.sqlite.transaction:SQLiteTransaction.append": "append, without its SQL",
    "persistence.sqlite.transaction:SQLiteTransaction.commit": "commit, without its SQL",
    "persistence.sqlite.transaction:SQLiteTransaction.keys": "ask for the key",
    "persistence.sqlite.connection:Log.fold": "fold the log back",
    "persistence.sqlite.connection:Names.check": "are the files still there",
    "persistence.sqlite.anchor:Anchor.write": "write the anchor",
}
CONTEXTS = {
    "persistence.sqlite.store:SQLiteStore.transaction": "begin and end the transaction",
}
TABLES = ("perdure_journal", "perdure_key", "perdure_instance", "data_version")  # the first that is named


class Stopwatch:
    """Adds up what each stage spent outside of the stages within it."""

    def __init__(self) -> None:
        self.is_on = False
        self.stages: dict[str, list[int]] = {}  # by name: nanoseconds, calls, calls of stages within it
        self._open: list[list[int]] = [[0, 0]]  # of each stage that runs: nanoseconds and number of those within it

    def timed(self, stage: str | Callable[[tuple[Any, ...]], str], function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is timed as a stage; its name may depend on the arguments."""
        open_, stages, now = self._open, self.stages, time.perf_counter_ns

        def run(*given: Any, **named: Any) -> Any:
            if not self.is_on:
                return function(*given, **named)
            inner = [0, 0]
            open_.append(inner)
            start = now()
            try:
                return function(*given, **named)
            finally:
                spent = now() - start
                open_.pop()
                name = stage if isinstance(stage, str) else stage(given)
                total = stages.setdefault(name, [0, 0, 0])
                total[0] += spent - inner[0]
                total[1] += 1
                total[2] += inner[1]
                around = open_[-1]
                around[0] += spent
                around[1] += 1

        return run

    def microseconds(self, count: int, *, whole: float) -> dict[str, tuple[float, float]]:
        """Return microseconds and calls by stage, of one of `count` that takes `whole` seconds where nobody watches.

        What watching added is taken off: of each call what a call that does nothing shows, and the rest, which falls
        after the clock was read, of the stage around it, as much for each.
        """
        own = _own_cost()
        calls = sum(total[1] for total in self.stages.values())
        inner = sum(total[2] for total in self.stages.values())
        added = sum(total[0] for total in self.stages.values()) - whole * 1e9
        around = max(added - own * calls, 0) / inner
        return {
            name: ((spent - own * calls - around * inner) / count / 1000, calls / count)
            for name, (spent, calls, inner) in self.stages.items()
        }


def _own_cost(*, loops: int = 20_000) -> float:
    """Return how many nanoseconds a stage that does nothing seems to take."""
    watch = Stopwatch()
    watch.is_on = True
    empty = watch.timed("empty", lambda: None)
    for _ in range(loops):
        empty()
    return watch.stages["empty"][0] / loops


class TimedContext:
    """A context manager whose coming and going are timed."""

    def __init__(self, inner: AbstractContextManager[Any], watch: Stopwatch, stage: str) -> None:
        self._enter = watch.timed(stage, inner.__enter__)
        self._exit = watch.timed(stage, inner.__exit__)

    def __enter__(self) -> Any:
        return self._enter()

    def __exit__(self, *error: object) -> Any:
        return self._exit(*error)


@contextmanager
def watching(watch: Stopwatch) -> Generator[None]:
    """Time every stage that is there, while the block is open."""
    undo: list[tuple[Any, str, Any]] = []
    for place, stage in (STAGES | CONTEXTS).items():
        for holder, name, function in list(_holders(place)) if _is_there(place) else ():
            undo.append((holder, name, function))
            setattr(holder, name, _watched(watch, place, stage, function))
    for function in ("execute", "executemany"):
        setattr(TimedCursor, function, watch.timed(statement_stage, getattr(apsw.Cursor, function)))
    plain = apsw.Connection
    undo.append((apsw, "Connection", plain))
    setattr(apsw, "Connection", TimedConnection)  # noqa: B010  # a stub's class cannot be assigned to
    try:
        yield
    finally:
        for holder, name, function in reversed(undo):
            setattr(holder, name, function)


def _watched(watch: Stopwatch, place: str, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if place not in CONTEXTS:
        return watch.timed(stage, function)
    made = watch.timed(stage, function)
    return lambda *given, **named: TimedContext(made(*given, **named), watch, stage)


def _is_there(place: str) -> bool:
    try:
        return any(_holders(place))
    except (ImportError, AttributeError, KeyError):
        return False


def _holders(place: str) -> Iterator[tuple[Any, str, Any]]:
    """Return everything of ours that holds a function by its name: the class of a method, or each importing module."""
    module, _, path = place.partition(":")
    found: Any = importlib.import_module(module)
    owner, _, name = path.rpartition(".")
    if owner:
        yield getattr(found, owner), name, vars(getattr(found, owner))[name]
        return
    function = getattr(found, name)
    for other in list(sys.modules.values()):
        if other.__name__.partition(".")[0] in {"statemachine", "persistence"} and vars(other).get(name) is function:
            yield other, name, function


class TimedCursor(apsw.Cursor):
    """Its methods are replaced by timed ones."""


class TimedConnection(apsw.Connection):
    """Hands out timed cursors, also for its own `execute`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.cursor_factory = TimedCursor


def statement_stage(given: tuple[Any, ...]) -> str:
    """Return what a statement is listed as."""
    statement = str(given[1])
    verb = statement.split(None, 1)[0].upper()
    table = next((f" {table}" for table in TABLES if table in statement), "")
    return f"SQL: {verb}{table}"


def profile(
    path: Path, *, count: int, with_key: bool = True
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Send so many events, untimed and timed, beside the raw loop; return the stages, and whole times in us."""
    raw_times: list[float] = []
    times: list[float] = []
    watch = Stopwatch()
    for number in range(ROUNDS):
        with Raw(path / f"raw{number}.db") as raw:
            raw.run(count // 4)
            raw_times.append(raw.run(count))
        times.append(_send(path / f"plain{number}.db", count, with_key=with_key))
        with watching(watch):
            _send(path / f"timed{number}.db", count, with_key=with_key, watch=watch)
    stages = watch.microseconds(count * ROUNDS, whole=sum(times))
    stages |= {f"gone: {place}": (0.0, 0.0) for place in STAGES | CONTEXTS if not _is_there(place)}
    each = 1e6 / count
    return stages, {"raw": median(raw_times) * each, "send": median(times) * each}


def _send_one(instance: Any, event: object, key: str | None) -> None:
    instance.send(event, key=key)


def _send(path: Path, count: int, *, with_key: bool, watch: Stopwatch | None = None) -> float:
    send = _send_one if watch is None else watch.timed(WHOLE, _send_one)
    before = count // 4
    named: list[str | None] = [*keys(before + count)] if with_key else [None] * (before + count)
    with Engine(path, Lamp) as engine:
        lamp = engine.start(Lamp)
        for number in range(before):
            send(lamp, Tick(number % 1000), named[number])
        if watch is not None:
            watch.is_on = True
        start = time.perf_counter()
        for number in range(before, before + count):
            send(lamp, Tick(number % 1000), named[number])
        spent = time.perf_counter() - start
        if watch is not None:
            watch.is_on = False
        return spent


def show(path: Path, *, count: int, with_key: bool = True) -> None:
    """Print the profile as a table, the most expensive stage first."""
    stages, whole = profile(path, count=count, with_key=with_key)
    print(f"{'one serial send, us':44}{'us':>8}{'share':>8}{'calls':>8}")
    total = sum(spent for spent, _ in stages.values())
    for name, (spent, calls) in sorted(stages.items(), key=lambda item: -item[1][0]):
        print(f"{name:44}{spent:8.2f}{spent / total:8.1%}{calls:8.2f}")
    sql = sum(spent for name, (spent, _) in stages.items() if name.startswith("SQL"))
    print(f"{'sum of the stages':44}{total:8.2f}   of which SQL {sql:.2f}")
    print(f"{'not timed: send':44}{whole['send']:8.2f}{whole['send'] / whole['raw']:8.2f}x the raw loop")
    print(f"{'the raw loop':44}{whole['raw']:8.2f}")
