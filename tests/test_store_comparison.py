"""Every store of ours does what `MemoryStore` does, whatever is drawn; a store that does not is found."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from persistence import MemoryStore, SQLiteStore, Store
from persistence.conformance.comparing import StoreComparison
from persistence.sqlite.transaction import SQLiteTransaction

QUICK = settings(max_examples=25, stateful_step_count=20, deadline=None)


class MemoryComparison(StoreComparison):
    def open_store(self) -> Store:
        return MemoryStore()


class SQLiteComparison(StoreComparison):
    def open_store(self) -> Store:
        self.folder = tempfile.TemporaryDirectory()
        return SQLiteStore(Path(self.folder.name) / "compared.db")

    def open_again(self, store: Store) -> Store:
        assert isinstance(store, SQLiteStore)
        store.close()
        return SQLiteStore(store.path)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


@pytest.mark.parametrize("comparison", [MemoryComparison, SQLiteComparison])
def test_a_store_does_what_memory_store_does(comparison: type[StoreComparison]) -> None:
    run_state_machine_as_test(comparison, settings=QUICK)


@pytest.mark.long
@pytest.mark.parametrize("comparison", [MemoryComparison, SQLiteComparison])
def test_a_store_does_what_memory_store_does_over_many(comparison: type[StoreComparison]) -> None:
    run_state_machine_as_test(comparison, settings=settings(QUICK, max_examples=300, stateful_step_count=40))


FAULTS = {
    "a mark is lost": ("quarantine", lambda *_, **__: None),
    "a checkpoint is lost": ("checkpoint", lambda *_, **__: None),
    "a failed append can be committed": ("_check_fits", lambda transaction: transaction._check_open()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_does_otherwise_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative controls, planted in the SQLite store."""
    name, planted = FAULTS[fault]
    replacement: Any = planted
    monkeypatch.setattr(SQLiteTransaction, name, replacement)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SQLiteComparison, settings=settings(QUICK, max_examples=100, phases=[Phase.generate]))
