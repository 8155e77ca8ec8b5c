"""The store remembers which keys it wrote for instances that began with it, and looks in the file for all others."""

from pathlib import Path

import pytest
from attrs import define, frozen

from persistence import SQLiteStore, StoreFull
from persistence.sqlite import statements
from persistence.sqlite.transaction import SQLiteTransaction
from statemachine import Engine, Instance, Refused, State, Workflow, on

UNREADABLE = "SELECT no_such_function()"


@frozen
class Add:
    amount: int


@define
class Sum:
    total: int = 0


class Adder(Workflow[Sum], revision=1):
    counting = State(initial=True)

    @on(Add, counting, to=None)
    def add(self, event: Add) -> None:
        self.data.total += event.amount


def added(adder: Instance[Adder, Sum], key: str) -> tuple[int, bool]:
    done = adder.send(Add(1), key=key)
    return done.version, done.replayed


def test_a_key_of_an_instance_that_began_here_is_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there can be none, the file is not asked."""
    with Engine(tmp_path / "a.db", Adder) as engine:
        adder = engine.start(Adder, id="a")
        monkeypatch.setattr(statements, "KEY", UNREADABLE)
        assert added(adder, "one") == (2, False)


def test_a_key_that_was_written_here_is_looked_for(tmp_path: Path) -> None:
    """What it stands for is in the file; another event under it is refused."""
    with Engine(tmp_path / "a.db", Adder) as engine:
        adder = engine.start(Adder, id="a")
        assert [added(adder, key) for key in ("one", "two", "one")] == [(2, False), (3, False), (2, True)]
        with pytest.raises(Refused, match="key_reused"):
            adder.send(Add(2), key="two")


def test_a_key_of_an_instance_that_began_elsewhere_is_looked_for(tmp_path: Path) -> None:
    """Also where an instance began here after it."""
    path = tmp_path / "a.db"
    with Engine(path, Adder) as engine:
        engine.start(Adder, id="b")
        assert added(engine.start(Adder, id="a"), "one") == (2, False)
    with Engine(path, Adder) as engine:
        engine.start(Adder, id="c").send(Add(1), key="one")
        assert added(engine.get(Adder, "a"), "one") == (2, True)
        assert added(engine.get(Adder, "b"), "one") == (2, False)


def test_a_key_that_another_engine_wrote_meanwhile_is_found(tmp_path: Path) -> None:
    """Its commit makes this one forget what it knew."""
    path = tmp_path / "a.db"
    with Engine(path, Adder) as engine, Engine(path, Adder) as other:
        adder = engine.start(Adder, id="a")
        assert added(adder, "one") == (2, False)
        assert added(other.get(Adder, "a"), "two") == (3, False)
        assert [added(adder, "two"), added(adder, "one"), added(adder, "three")] == [(3, True), (2, True), (4, False)]


def test_a_key_whose_commit_failed_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was rolled back, and with it what was remembered."""

    def full(_: SQLiteTransaction) -> None:
        raise StoreFull("no room")

    with Engine(tmp_path / "a.db", Adder) as engine:
        adder = engine.start(Adder, id="a")
        with monkeypatch.context() as patched:
            patched.setattr(SQLiteTransaction, "commit", full)
            with pytest.raises(StoreFull):
                adder.send(Add(1), key="one")
            with pytest.raises(StoreFull):
                engine.start(Adder, id="b")
        assert [added(adder, "one"), added(adder, "one")] == [(2, False), (2, True)]
        assert added(engine.start(Adder, id="b"), "one") == (2, False)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_keys_are_found_where_more_were_written_than_are_remembered(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an instance that began before they were emptied are looked for again, those of a younger one known."""
    monkeypatch.setattr("persistence.sqlite.appending.KEYS_MAX", most)
    with Engine(tmp_path / "a.db", Adder) as engine:
        keys = [f"k{number}" for number in range(6)]
        for name in ("a", "b"):
            adder = engine.start(Adder, id=name)
            assert [added(adder, key) for key in keys] == [(version, False) for version in range(2, 8)]
        for name in ("a", "b"):
            adder = engine.get(Adder, name)
            assert [added(adder, key) for key in keys] == [(version, True) for version in range(2, 8)]


def test_a_key_that_was_forgotten_is_refused_by_the_file_and_then_found(tmp_path: Path) -> None:
    """Were the memory ever wrong, nothing would happen twice: the Conflict makes it forget, and the next try looks."""
    with Engine(tmp_path / "a.db", Adder) as engine:
        adder = engine.start(Adder, id="a")
        adder.send(Add(1), key="one")
        store = engine.store
        assert isinstance(store, SQLiteStore)
        memory = store._memory
        memory.names.clear()
        assert added(adder, "one") == (2, True)
        assert store._memory is not memory
