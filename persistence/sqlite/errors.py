"""What SQLite raises -> what we raise: one table, and the context that applies it."""

import apsw

from persistence.errors import (
    Busy,
    CannotOpen,
    Corrupt,
    NotADatabase,
    ReadOnlyStore,
    StoreError,
    StoreFull,
)

__all__ = ["Explained", "explained", "translate"]

TABLE: tuple[tuple[type[apsw.Error], type[StoreError], str], ...] = (
    (apsw.BusyError, Busy, "the write lock was held by another process; nothing happened, try again"),
    (apsw.LockedError, Busy, "a table was locked by another connection; nothing happened, try again"),
    (apsw.FullError, StoreFull, "the disk is full; nothing was written, make room and try again"),
    (apsw.NotADBError, NotADatabase, "the file is no SQLite database; nothing was changed, check the path"),
    (apsw.CorruptError, Corrupt, "SQLite found the file damaged; copy it with its -wal before anything else"),
    (apsw.ReadOnlyError, ReadOnlyStore, "the file or its folder may not be written; check the rights"),
    (apsw.PermissionsError, ReadOnlyStore, "the file or its folder may not be written; check the rights"),
    (apsw.CantOpenError, CannotOpen, "the file cannot be opened; check the folder and the rights"),
)


def translate(error: apsw.Error, path: str) -> StoreError:
    """Return the coded error that stands for one of SQLite's, with its extended code. Pure."""
    extended = getattr(error, "extendedresult", None)
    for kind, ours, repair in TABLE:
        if isinstance(error, kind):
            return ours(f"{path}: {repair} ({error})", extended=extended)
    return StoreError(f"{path}: SQLite reported {type(error).__name__}: {error}", extended=extended)


class Explained:
    """A block that raises SQLite's errors as ours. A generator would cost four times as much."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate what was raised."""
        if isinstance(error, apsw.Error):
            raise translate(error, self._path) from error


explained = Explained
