"""What an engine, a check or a document is given and cannot be is one clear coded error, and nothing was written."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recovery
from persistence import CannotOpen, MemoryStore, SqlFailed, Store, WrongLevel
from persistence.sqlite import SQLiteStore
from statemachine import DefinitionError, Engine, FrameError, Limits, Workflow, check
from statemachine.settings import TIME_MAX
from tests.children import Add, Tally

YEAR_9999 = 253_402_300_799_999_999


@pytest.fixture(params=["memory", "file"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    return MemoryStore if request.param == "memory" else lambda: SQLiteStore(tmp_path / "tally.db")


@pytest.mark.parametrize(
    "told", [1.5, float("nan"), True, "1", None, -1, -(2**63) - 1, YEAR_9999 + 1, 2**63, 2**80], ids=repr
)
def test_a_clock_that_tells_no_time_stops_what_it_was_asked_for(opened: Callable[[], Store], told: Any) -> None:
    """Whoever asks it: a start with and without an id, an event, a checkpoint, an end; then it may go on."""
    times: list[Any] = [7]
    with Engine(opened(), Tally, clock=lambda: times[-1]) as engine:
        tally = engine.start(Tally, id="t")
        times.append(told)
        for ask in (
            lambda: engine.start(Tally),
            lambda: engine.start(Tally, id="u"),
            lambda: tally.send(Add(1), key="k"),
            lambda: tally.submit(Add(1)).result(),
            lambda: tally.checkpoint("c"),
            lambda: engine.terminate("t", why="over"),
        ):
            with pytest.raises(FrameError, match=r"^PF410 the engine's clock told .*Let it return whole microseconds"):
                ask()
        times.append(8)
        assert ([one.id for one in engine.list(Tally)], tally.version, tally.checkpoints()) == (["t"], 1, [])
        assert tally.send(Add(1), key="k").version == 2


def test_the_first_and_the_last_time_that_can_be_told_are_taken_and_read_back(opened: Callable[[], Store]) -> None:
    times = [0]
    with Engine(opened(), Tally, clock=lambda: times[-1]) as engine:
        tally = engine.start(Tally, id="t")
        times.append(TIME_MAX)
        tally.send(Add(1))
        assert TIME_MAX == YEAR_9999
        assert [one.time.year for one in tally.history()] == [1970, 9999]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"limits": 5}, "PD157 Engine: limits=5 is not what an engine takes. Write limits=Limits(…)."),
        ({"limits": Limits}, "PD157 Engine: limits="),
        ({"clock": 5}, "PD157 Engine: clock=5 is not what an engine takes. Give a function that returns microseconds"),
        ({"when_full": "drop"}, "PD157 Engine: when_full='drop' is not what an engine takes. Write when_full='refuse'"),
        ({"schema": 5}, "PS309 tally.db: schema=5 is no text of SQL; nothing was opened, give one"),
        ({"schema": b"create table t (n)"}, "PS309 tally.db: schema=b'create table t (n)' is no text of SQL"),
        ({"anchor": 5}, "PS309 tally.db: anchor=5 is no path; nothing was opened, give one"),
        ({"anchor": b"a"}, "PS309 tally.db: anchor=b'a' is no path"),
        ({"durability": 5}, "PS313 tally.db: 5 is no durability level; choose one of full, normal"),
    ],
)
def test_a_setting_that_cannot_be_is_named_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((DefinitionError, CannotOpen, WrongLevel)) as raised:
        Engine("tally.db", Tally, **settings)
    assert str(raised.value).startswith(told)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # names only


@pytest.mark.parametrize("schema", ["create table t (n);\0", "create table \ud800 (n)"], ids=["a NUL", "a surrogate"])
def test_a_schema_that_no_sqlite_can_read_is_a_coded_error(tmp_path: Path, schema: str) -> None:
    with pytest.raises(SqlFailed, match="is no text that SQLite can read"):
        Engine(tmp_path / "tally.db", Tally, schema=schema)
    with Engine(tmp_path / "tally.db", Tally) as engine:
        assert engine.start(Tally).version == 1


@pytest.mark.parametrize("value", [5, None, "Tally", int, Workflow, b"Tally"], ids=repr)
def test_what_is_no_workflow_class_is_refused_by_a_code_everywhere(tmp_path: Path, value: Any) -> None:
    doors: tuple[Callable[[], object], ...] = (
        lambda: check(value),
        lambda: Engine(MemoryStore(), value),
        lambda: recovery.open(tmp_path / "tally.db", value),
    )
    for door in doors:
        with pytest.raises(DefinitionError, match=r"^PD156 .* is no workflow class that can run\. Give a subclass"):
            door()


@pytest.mark.parametrize("source", [b"<scxml/>", 5, None, ["<scxml/>"]], ids=repr)
def test_a_document_is_text_or_a_path(source: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^PD172 document, line 1, column 1: .* is neither text nor a path\."):
        Workflow.from_scxml(source, name="order")


@pytest.mark.parametrize("door", [recovery.verify, recovery.recover, recovery.open, recovery.accept_tail_loss])
@pytest.mark.parametrize("path", [5, None, b"tally.db"], ids=repr)
def test_a_path_that_is_none_is_refused_by_a_code(door: Callable[[Any], object], path: Any) -> None:
    with pytest.raises(CannotOpen, match=r"^PS309 .* is neither a path nor a Store"):
        door(path)
