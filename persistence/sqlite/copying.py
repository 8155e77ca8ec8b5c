"""A copy of the file while it is written: `store.backup`.

SQLite's backup copies pages from a connection that holds one view, so the copy is of one moment, no writer waits, and
none makes it begin again. It grows under another name, is proven there, and only then gets its own: whoever is killed
leaves a file that ends in `.part-…` and no target. The open marks of those who have the file open stay out of it. An
anchor is not copied either; who opens the copy makes one.
"""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw

from persistence.errors import BackupFailed
from persistence.sqlite import statements
from persistence.sqlite.connection import check_path, connect, set_level
from persistence.sqlite.errors import explained
from persistence.sqlite.query import run
from persistence.sqlite.reader import SQLiteReader
from persistence.sqlite.usersql import UserSql
from persistence.store import Reader

__all__ = ["copy_store"]

STEP_PAGES = 256  # copied between two looks at signals: a megabyte


def copy_store(source: apsw.Connection, target: str, prove: Callable[[Reader], None]) -> None:
    """Copy the file that a connection reads into one that does not exist, once `prove` has looked at the copy.

    Durable on return. Raises BackupFailed, StoreFull, CannotOpen, NotFound, and what `prove` raises; then there is no
    target.
    """
    check_path(target, read_only=False)
    place = Path(target)
    for name in _family(place):
        if name.exists() or name.is_symlink():
            raise BackupFailed(f"{name}: exists, and a backup overwrites nothing; choose another name")
    part = place.with_name(f"{place.name}.part-{uuid.uuid4().hex}")
    try:
        part.touch(mode=0o600, exist_ok=False)  # what a store holds is nobody else's business
        _fill(source, str(part))
        _prove(str(part), prove)
        with suppress(OSError):  # a disk of its own need not have such a name
            part.chmod(Path(source.filename).stat().st_mode & 0o777)
        _sync(part)
        _name(part, place)
    except OSError as error:
        raise BackupFailed(f"{target}: the copy could not be written: {error}; nothing is left of it") from error
    finally:
        for name in _family(part):
            name.unlink(missing_ok=True)


def _family(place: Path) -> list[Path]:
    """Return a file and what is kept beside it: a log or anchor that was left there would be taken for the copy's."""
    return [place, *(place.with_name(place.name + ending) for ending in ("-wal", "-shm", "-journal", "-anchor"))]


def _fill(source: apsw.Connection, part: str) -> None:
    copy = connect(part)
    try:
        with explained(part):
            with copy.backup("main", source, "main") as backup:
                while not copy_pages(backup):
                    pass
            set_level(copy, "full")
            run(copy, statements.DROP_OPEN_MARKS)
            copy.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)  # closing would not say that it failed
    finally:
        copy.close(force=True)


def copy_pages(backup: apsw.Backup) -> bool:
    """Copy some pages; return whether these were the last."""
    return backup.step(STEP_PAGES)


def _prove(part: str, prove: Callable[[Reader], None]) -> None:
    copy = connect(part, read_only=True)
    try:
        with explained(part):
            run(copy, statements.BEGIN_READ)
        prove(SQLiteReader(copy, UserSql(copy, part)))
    finally:
        copy.close(force=True)


def _name(part: Path, place: Path) -> None:
    """Give a file its name, where nobody has taken it. Durable on return; where it raises, the name is free."""
    try:
        place.hardlink_to(part)  # unlike renaming it never overwrites
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        place.touch(exist_ok=False)
        part.replace(place)
    try:
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(place.parent)
    except OSError:
        place.unlink()
        raise


def _sync(name: Path) -> None:
    """Make a file or a folder durable. Nobody has a connection to it: closing it here would drop SQLite's locks."""
    opened = os.open(name, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
