"""`engine.sql()`: the user's own tables, read from outside of any transition."""

from collections.abc import Callable, Sequence

from persistence import Store, Value

__all__ = ["ReadingSql"]


class ReadingSql:
    """Reads the user's tables as committed. Thread-safe."""

    def __init__(self, store: Store, check_turn: Callable[[], None]) -> None:
        self._store = store
        self._check_turn = check_turn

    def execute(self, statement: str, parameters: Sequence[Value] = (), /) -> list[tuple[Value, ...]]:
        """Run one reading statement and return all its rows. Raises SqlFailed for one that writes."""
        self._check_turn()
        with self._store.reader() as reader:
            return reader.execute(statement, parameters, writable=False)
