"""The store on SQLite, through apsw. The only place in `persistence` that knows apsw."""

import apsw

from persistence.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore", "sqlite_version"]


def sqlite_version() -> str:
    """Return the version of SQLite that runs here: the one inside apsw."""
    return apsw.sqlite_lib_version()
