"""The ground floor: records, their hashes, the Store port, and stores on SQLite and in memory.

It knows ids, names and bytes, and no state machines: a store can be written against this package alone.
"""

from typing import TYPE_CHECKING

from persistence import shared_name
from persistence.errors import (
    BackupFailed,
    Busy,
    CannotOpen,
    Closed,
    Conflict,
    Corrupt,
    InDoubt,
    NewerFormat,
    NoSql,
    NotADatabase,
    NotCommitted,
    NotFound,
    ReadOnlyStore,
    SqlFailed,
    StoreError,
    StoreFull,
    TailLost,
    WrongLevel,
)
from persistence.records import (
    Checkpoint,
    Draft,
    Found,
    Head,
    KeyRecord,
    Quarantine,
    Record,
    Row,
    Sealed,
    Standing,
    StoreFacts,
    Stub,
)
from persistence.store import Capabilities, Reader, Store, Transaction, Value

if TYPE_CHECKING:
    from persistence.memory import MemoryStore
    from persistence.sqlite import SQLiteStore

__all__ = [
    "BackupFailed",
    "Busy",
    "CannotOpen",
    "Capabilities",
    "Checkpoint",
    "Closed",
    "Conflict",
    "Corrupt",
    "Draft",
    "Found",
    "Head",
    "InDoubt",
    "KeyRecord",
    "MemoryStore",
    "NewerFormat",
    "NoSql",
    "NotADatabase",
    "NotCommitted",
    "NotFound",
    "Quarantine",
    "ReadOnlyStore",
    "Reader",
    "Record",
    "Row",
    "SQLiteStore",
    "Sealed",
    "SqlFailed",
    "Standing",
    "Store",
    "StoreError",
    "StoreFacts",
    "StoreFull",
    "Stub",
    "TailLost",
    "Transaction",
    "Value",
    "WrongLevel",
]

shared_name.check_shared_name()


def __getattr__(name: str) -> object:
    """Load a store when it is first asked for: the one on SQLite needs apsw, and most programs need only one."""
    if name == "MemoryStore":
        from persistence.memory import MemoryStore

        return MemoryStore
    if name == "SQLiteStore":
        from persistence.sqlite import SQLiteStore

        return SQLiteStore
    raise AttributeError(f"module 'persistence' has no attribute {name!r}")
