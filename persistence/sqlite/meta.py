"""What a store is asked to open, and what the file says of itself in `perdure_meta` (F1), before anything changes."""

import os

import apsw

from persistence.errors import CannotOpen, Corrupt, NewerFormat, WrongLevel
from persistence.sqlite import statements
from persistence.sqlite.anchor import EPOCH_MAX
from persistence.sqlite.connection import check_path
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_all, fetch_one, pragma
from persistence.sqlite.schema import FORMAT, LEVELS

__all__ = ["check_given", "read_meta"]

STORE_ID_CHARS, HEX = 32, frozenset("0123456789abcdef")


def check_given(path: str, schema: object, anchor: object, *, read_only: bool) -> None:
    """Refuse what names no file, no SQL or no anchor, before anything is opened. Raises CannotOpen, NotFound."""
    check_path(path, read_only=read_only)
    if schema is not None and not isinstance(schema, str):
        raise CannotOpen(f"{path}: schema={schema!r} is no text of SQL; nothing was opened, give one")
    if anchor is not None and not isinstance(anchor, (str, os.PathLike)):
        raise CannotOpen(f"{path}: anchor={anchor!r} is no path; nothing was opened, give one")


def read_meta(connection: apsw.Connection, path: str, *, level: str | None) -> dict[str, str] | None:
    """Read what the file says of itself, changing nothing; None where no store is in it.

    The format comes first: what else stands in another format's meta is not ours to judge.
    """
    with explained(path):
        if fetch_one(connection, statements.HAS_META) == (0,):
            _check_adoptable(connection, path)
            return None
        try:
            meta: dict[str, str] = {str(name): str(value) for name, value in fetch_all(connection, statements.META)}
        except apsw.SQLError:
            meta = {}
    if meta.get("format", str(FORMAT)) != str(FORMAT):
        raise NewerFormat(
            f"{path}: written in format {meta['format']}, this version reads {FORMAT}; "
            "nothing was changed, open it with the version that wrote it"
        )
    if not _is_sound(meta):
        raise Corrupt(f"{path}: perdure_meta is damaged; keep a copy and restore it from a backup")
    if level not in {None, meta["level"]}:
        raise WrongLevel(
            f"{path}: the store is at level {meta['level']!r}, asked for {level!r}; "
            "nothing was changed, leave the level out or ask for the store's own"
        )
    return meta


def _check_adoptable(connection: apsw.Connection, path: str) -> None:
    """Refuse a file that cannot be adopted, before anything in it changes. Raises CannotOpen."""
    taken = fetch_one(connection, statements.TAKEN_NAME)
    if taken is not None:
        raise CannotOpen(
            f"{path}: it holds a {taken[0]} named {taken[1]!r}, and what begins with perdure_ is the store's; "
            "nothing was changed, rename it"
        )
    if pragma(connection, "encoding") != "UTF-8":
        raise CannotOpen(f"{path}: its texts are not UTF-8; nothing was changed, copy it into a new file")


def _is_sound(meta: dict[str, str]) -> bool:
    """Say whether meta of our format holds what it must (F1)."""
    if set(meta) != {"format", "store_id", "epoch", "level"}:
        return False
    epoch, store_id = meta["epoch"], meta["store_id"]
    is_short = epoch.isascii() and epoch.isdecimal() and len(epoch) <= len(str(EPOCH_MAX))
    is_number = is_short and 0 < int(epoch) <= EPOCH_MAX
    return meta["level"] in LEVELS and is_number and len(store_id) == STORE_ID_CHARS and HEX.issuperset(store_id)
