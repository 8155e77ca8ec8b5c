"""The ground floor: records, their hashes, the Store port, and stores on SQLite and in memory.

It knows ids, names and bytes, and no state machines: a store can be written against this package alone.
"""

from typing import TYPE_CHECKING

from persistence import shared_name
from persistence.errors import (
    Busy,
    CannotOpen,
    Closed,
    Conflict,
    Corrupt,
    InDoubt,
    NewerFormat,
    NoSql,
    NotADatabase,
    NotFound,
    ReadOnlyStore,
    SqlFailed,
    StoreError,
    StoreFull,
    WrongLevel,
)
from persistence.memory import MemoryStore
from persistence.records import Draft, Head, KeyRecord, Quarantine, Record, Row, Sealed, StoreFacts
from persistence.store import Capabilities, Reader, Store, Transaction, Value

if TYPE_CHECKING:
    from persistence.sqlite import SQLiteStore

__all__ = [
    "Busy",
    "CannotOpen",
    "Capabilities",
    "Closed",
    "Conflict",
    "Corrupt",
    "Draft",
    "Head",
    "InDoubt",
    "KeyRecord",
    "MemoryStore",
    "NewerFormat",
    "NoSql",
    "NotADatabase",
    "NotFound",
    "Quarantine",
    "ReadOnlyStore",
    "Reader",
    "Record",
    "Row",
    "SQLiteStore",
    "Sealed",
    "SqlFailed",
    "Store",
    "StoreError",
    "StoreFacts",
    "StoreFull",
    "Transaction",
    "Value",
    "WrongLevel",
]

shared_name.check_shared_name()


def __getattr__(name: str) -> object:
    """Load the SQLite store when it is first asked for, so that a third party's store needs no apsw."""
    if name == "SQLiteStore":
        from persistence.sqlite import SQLiteStore  # noqa: PLC0415  # the point of this function

        return SQLiteStore
    raise AttributeError(f"module 'persistence' has no attribute {name!r}")
