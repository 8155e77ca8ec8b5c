"""The store on SQLite, through apsw. The only place in `persistence` that knows apsw."""

from persistence.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
