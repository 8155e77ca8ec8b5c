"""Every store of ours keeps every promise of the port."""

from pathlib import Path

import apsw
import pytest

from persistence import Busy, MemoryStore, SQLiteStore, Store, Transaction
from persistence.conformance import StoreContract
from persistence.conformance.kit import Chain, generation_of, write


class TestMemoryStore(StoreContract):
    def open_store(self) -> Store:
        return MemoryStore()


class TestSQLiteStore(StoreContract):
    SCHEMA = """
    CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
    """

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.count = 0

    def open_store(self) -> Store:
        self.count += 1
        return SQLiteStore(self.folder / f"{self.count}.db", schema=self.SCHEMA)

    def open_again(self, store: Store) -> Store:
        assert isinstance(store, SQLiteStore)
        return SQLiteStore(store.path)

    def damage_head(self, store: Store, instance: str) -> bool:
        assert isinstance(store, SQLiteStore)
        other = apsw.Connection(store.path)
        spoilt = "hash = x'00', image = x'00', version = 7, configuration = 99, head = 99, prior = 99, outcome = 'lost'"
        other.execute(f"UPDATE perdure_instance SET {spoilt} WHERE name = ?", (instance,))
        other.execute("UPDATE perdure_journal SET prior = 99")
        other.close()
        return True

    def fail_commit(self, transaction: Transaction) -> bool:
        transaction.execute("INSERT INTO child (parent) VALUES (1)", (), writable=True)  # outside a member: not judged
        return True


class TestSQLiteStoreAtNormal(TestSQLiteStore):
    def open_store(self) -> Store:
        self.count += 1
        return SQLiteStore(self.folder / f"{self.count}.db", schema=self.SCHEMA, level="normal")


@pytest.mark.parametrize("kind", [MemoryStore, SQLiteStore])
def test_a_store_that_abandons_nothing_breaks_the_contract(
    kind: type[MemoryStore | SQLiteStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    made: list[MemoryStore | SQLiteStore] = []

    class Kept(StoreContract):
        def open_store(self) -> Store:
            made.append(MemoryStore() if kind is MemoryStore else SQLiteStore(tmp_path / "a.db"))
            return made[0]

    monkeypatch.setattr(kind, "abandon", lambda _: None)
    monkeypatch.setattr("persistence.memory.BUSY_SECONDS_MAX", 0.05)
    monkeypatch.setattr("persistence.sqlite.store.BUSY_MS_MAX", 50)
    with pytest.raises((AssertionError, Busy)):
        Kept().test_what_an_interrupt_left_open_is_abandoned()
    monkeypatch.undo()
    made[0].abandon()
    made[0].close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_generation_stays_over_clean_transactions(kind: str, tmp_path: Path) -> None:
    """Or every head would be read and judged again for every event."""
    store: Store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "a.db")
    chain = Chain("i-1")
    write(store, chain.next())
    seen = generation_of(store)
    write(store, chain.next())
    with store.reader() as reader:
        reader.head("i-1")
    assert generation_of(store) == seen
    store.close()
