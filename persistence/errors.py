"""What can go wrong between us and the world: one coded error class per kind.

A `StoreError` never says that the chart refused something (that is `statemachine.Refused`) and never that a workflow is
declared wrongly (`statemachine.DefinitionError`). It says what the disk, the file or another process did.
"""

__all__ = [
    "BackupFailed",
    "Busy",
    "CannotOpen",
    "Closed",
    "Conflict",
    "Corrupt",
    "InDoubt",
    "NewerFormat",
    "NoSql",
    "NotADatabase",
    "NotCommitted",
    "NotFound",
    "ReadOnlyStore",
    "SqlFailed",
    "StoreError",
    "StoreFull",
    "TailLost",
    "WrongLevel",
]


class StoreError(Exception):
    """The world failed: disk, file, lock or another process.

    `code` is stable and has a page in docs/errors.md; `extended` is SQLite's extended result code where there is one.
    """

    code = "PS300"
    extended: int | None = None

    def __init__(self, message: str, *, extended: int | None = None) -> None:
        super().__init__(f"{self.code} {message}")
        self.extended = extended


class Busy(StoreError):
    """Somebody else held the write lock for longer than the bound; nothing happened, try again."""

    code = "PS301"


class Conflict(StoreError):
    """Somebody else's transition came first; nothing of ours was written."""

    code = "PS302"


class StoreFull(StoreError):
    """The disk is full; nothing of ours was written."""

    code = "PS303"


class Corrupt(StoreError):
    """SQLite itself found the file damaged."""

    code = "PS304"


class InDoubt(StoreError):
    """A COMMIT raised, and not even a settling write could tell whether it happened: the store has stopped."""

    code = "PS305"


class NotADatabase(StoreError):
    """The file is not an SQLite database."""

    code = "PS306"


class NewerFormat(StoreError):
    """The file was written in another format than this version reads."""

    code = "PS307"


class ReadOnlyStore(StoreError):
    """The file, its folder or the way it was opened does not allow writing."""

    code = "PS308"


class CannotOpen(StoreError):
    """The file cannot be opened: its folder is missing, it is a folder, or the rights do not allow it."""

    code = "PS309"


class NotFound(CannotOpen):
    """There is no such file or folder."""

    code = "PS314"


class Closed(StoreError):
    """The store is closed, or was opened by another process (a fork)."""

    code = "PS310"


class NoSql(StoreError):
    """`self.sql` was used where there is no SQL: in a `Cursor`, or on a store without it."""

    code = "PS311"


class SqlFailed(StoreError):
    """A statement of the user's failed or was not allowed; the transition that ran it did not happen."""

    code = "PS312"


class WrongLevel(StoreError):
    """The store was made with another durability level than the one asked for."""

    code = "PS313"


class TailLost(StoreError):
    """The anchor tells of commits that the file does not hold; it is read-only until the loss is accepted."""

    code = "PS322"


class NotCommitted(StoreError):
    """A COMMIT failed, and it was settled that nothing of it happened, nor will; send it again."""

    code = "PS323"


class BackupFailed(StoreError):
    """The backup was not made: its target exists or cannot be written, or it is damaged. Nothing is left of it."""

    code = "PS330"
