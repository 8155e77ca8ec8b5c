"""`engine.sql()`: the user's own tables, read from outside of any transition."""

from collections.abc import Callable, Sequence

from persistence import Reader, Value

__all__ = ["ReadingSql"]

Rows = list[tuple[Value, ...]]


class ReadingSql:
    """Reads the user's tables as committed. Thread-safe."""

    def __init__(self, look: Callable[[Callable[[Reader], Rows]], Rows]) -> None:
        self._look = look

    def execute(self, statement: str, parameters: Sequence[Value] = (), /) -> list[tuple[Value, ...]]:
        """Run one reading statement and return all its rows. Raises SqlFailed for one that writes."""
        return self._look(lambda reader: reader.execute(statement, parameters, writable=False))
