"""Faults of one process that only another process can suffer from: the crowd must find each."""

from collections.abc import Callable

from persistence import SQLiteStore, Store
from tests.disasters.planted import answers_first

__all__ = ["FAULTS"]


def forgets_nothing(store: SQLiteStore) -> Store:
    """What is remembered is not dropped where another connection wrote."""
    refresh = store._refresh

    def remember() -> None:
        if not store._memory.last:
            refresh()

    vars(store)["_refresh"] = remember
    return store


FAULTS: dict[str, Callable[[SQLiteStore], Store]] = {
    "remembers what others changed": forgets_nothing,
    "answers before COMMIT": answers_first,
}
