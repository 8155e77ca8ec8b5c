"""One connection, opened the way that was measured to be right, and when its log is folded back into the file.

The pragmas and why: WAL with synchronous=FULL syncs once per commit; psow=0 does not trust the disk to keep the rest of
a sector intact; mmap is off because an I/O error would become a signal; foreign keys are the user's and are enforced.
SQLite's own checkpoints are switched off *before* the hook is set, because that pragma removes the hook. The hook only
notes the length of the log: the writer folds it back after a commit has returned, so that no failure of it is taken for
a failure of the commit. It waits for no reader.

A forked child leaks the connections that it inherited, and cannot use them. Closing one there, at the latest when the
interpreter is torn down, would fold and delete by its name a log that by then may be another process's, with
acknowledged commits in it. A statement of a transaction that the parent has begun would write into the parent's log.

Nor can a forked child open a file that its parent had open: SQLite keeps a table of the locks of its process, the child
inherits it, and takes none of the locks that it believes to have. The parent, closing, would delete the child's log.
"""

import ctypes
import logging
import os
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from random import SystemRandom
from urllib.parse import quote

import apsw

from persistence.errors import CannotOpen, Closed, InDoubt, NotFound
from persistence.sqlite import statements
from persistence.sqlite.errors import explained
from persistence.sqlite.query import pragma, run
from persistence.sqlite.schema import LEVELS

__all__ = [
    "CHECKPOINT_PAGES",
    "Log",
    "Names",
    "check_path",
    "connect",
    "fold_once",
    "has_log",
    "hold_log",
    "keep_log",
    "leak_when_forked",
    "set_level",
]

BUSY_MS_MAX = 5_000  # how long BEGIN IMMEDIATE waits for another process; longer waits hide a stuck owner
BUSY_PAUSE_SECONDS = 0.005  # between two tries where SQLite itself does not wait; making a store takes about as long
TRY_SECONDS_MAX = 0.002  # between two tries for a lock: a commit takes about as long
CHECKPOINT_PAGES = 1_000  # overwriting a log is 1.8 times cheaper than growing it: fold it back early at first
LENGTHS_MAX = 4  # times as long it may become: a fold every 800 transitions or so, 16 MB
GROWN_PAGES = 256  # by which a log is grown ahead: a millisecond each time, and never past where it is folded back
GROWN_FROM = 64  # a log that is shorter may be of somebody who writes a few transitions and closes
GROWN_MARGIN = 16  # pages before the end of what was grown: most transactions write fewer
RESTART_PAGES = 16_384  # 64 MB: some reader keeps the log from being reused
FOLDER_STEP_NS = 100_000_000  # a folder that changed so short ago may change again within one step of its clock
LOOK_SECONDS_MAX = 1.0  # after which files are looked at in any case: some file systems tell times in steps of seconds
STATEMENTS_MAX = 256  # our statements are about thirty; the rest is the user's reading

logger = logging.getLogger("perdure.persistence")

Identity = tuple[int, int] | None
"""What tells a file from another one of its name; None where there is none."""


def _look(path: str) -> os.stat_result | None:
    """Return what the system says of a file; None where there is none. Opens nothing."""
    try:
        return os.stat(path)  # noqa: PTH116  # os.path is what takes any PathLike
    except OSError:
        return None


def file_identity(path: str) -> Identity:
    """Return what tells a file from another one of its name."""
    found = _look(path)
    return None if found is None else (found.st_dev, found.st_ino)


_leaked: "weakref.WeakSet[object]" = weakref.WeakSet()
"""What a forked child leaks."""
_opened: "weakref.WeakKeyDictionary[apsw.Connection, Identity]" = weakref.WeakKeyDictionary()
"""The files of our connections, as they were when they were opened."""
_inherited: set[Identity] = set()
"""The files that an ancestor of this process had open when it forked."""


def leak_when_forked(thing: object) -> None:
    """Let a forked child keep a reference that is never given back; SQLite itself may not be called there."""
    _notice_forks()
    _leaked.add(thing)


def _disown() -> None:
    """Leak what a forked child inherited, and refuse its statements."""
    for thing in list(_leaked):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    for connection, identity in list(_opened.items()):
        try:
            connection.exec_trace = _refuse
        except apsw.ConnectionClosedError:
            continue
        except apsw.ThreadingViolationError:
            pass  # it is in use by a thread that the child does not have, and refuses whatever is asked
        _inherited.add(identity)
    _inherited.discard(None)


def _refuse(cursor: apsw.Cursor, _statement: str, _bindings: object) -> bool:
    raise Closed(f"{cursor.connection.filename}: opened by the parent process before it forked")


@cache
def _notice_forks() -> None:
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(after_in_child=_disown)


def check_path(path: str, *, read_only: bool) -> None:
    """Refuse a path that SQLite would take for something else, or explain badly. Raises CannotOpen, NotFound."""
    if path in {"", ":memory:"}:
        raise CannotOpen(f"{path!r}: this names no file; use MemoryStore for what need not last")
    try:
        is_name = b"\0" not in path.encode()
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        raise CannotOpen(f"{path!r}: a path holds no NUL, and is text that UTF-8 can write; rename the file")
    if os.path.isdir(path):  # noqa: PTH112  # os.path is what takes any PathLike
        raise CannotOpen(f"{path}: this is a folder; name a file in it")
    if not os.path.isdir(os.path.dirname(path) or "."):  # noqa: PTH112, PTH120  # as above
        raise NotFound(f"{path}: its folder does not exist; make it first")
    if read_only and not os.path.exists(path):  # noqa: PTH110  # as above
        raise NotFound(f"{path}: there is no such file; check the path, or open it once for writing")


def has_log(path: str) -> bool:
    """Say whether somebody left a log that is not folded back yet."""
    found = _look(f"{os.path.realpath(path)}-wal")
    return found is not None and found.st_size > 0


class Names:
    """The names of a database and its log, and whether they still are the files that a connection has open.

    Another SQLite library in this process (the standard library's sqlite3) does not see our locks: closing its
    connection deletes the log under us. What is written from then on would be gone with this process. Asked after each
    commit: one look at the folder, whose time changes with every name in it, and at the files only where it has, or
    after a second. A time of a moment ago says nothing: the clock of a file system goes in steps.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._paths = (connection.filename, connection.filename_wal)
        self._folder = os.path.dirname(connection.filename) or "."  # noqa: PTH120  # as above
        self._changed = -1  # nanoseconds since 1970: when the folder had changed at the last look
        self._again = 0.0  # when the files are looked at in any case
        self._known: tuple[Identity, Identity] | None = None

    def check(self) -> None:
        """Raise InDoubt if what was just written is not the file of its name any more, or its log is not."""
        folder = _look(self._folder)
        changed = -1 if folder is None else folder.st_mtime_ns
        now = time.monotonic()
        if changed == self._changed and changed >= 0 and now < self._again:
            return
        self._compare()
        self._again = now + LOOK_SECONDS_MAX
        self._changed = changed if time.time_ns() - changed > FOLDER_STEP_NS else -1

    def _compare(self) -> None:
        path = self._paths[0]
        found = (file_identity(path), file_identity(self._paths[1]))
        known = self._known = self._known or found
        if found[0] is None or found[0] != known[0]:
            raise InDoubt(
                f"{path}: the file was deleted or replaced while it was open; what was written since has no name any "
                "more. Close the engine, put the file back and open it with recovery.open"
            )
        if found[1] is None or found[1] != known[1]:
            raise InDoubt(
                f"{path}: its log was deleted by another SQLite library in this process, such as sqlite3; close the "
                "engine, open the file with recovery.open, and read your tables through engine.sql()"
            )


def hold_log(connection: apsw.Connection, *, is_held: bool) -> None:
    """Say whether closing the connection leaves the log as it is; by default the last one to close folds it back."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(is_held))


def be_patient(connection: apsw.Connection) -> None:
    """Let a connection wait for a lock, up to the bound, and as long as the others that wait.

    SQLite's own handler waits longer with each try, up to 100 ms. Who has just written tries again at once, so that who
    has waited long hardly ever finds the lock free: one of four busy processes waited two seconds. Short and random
    waits give everybody the same chance at each moment.
    """
    until, draw = 0.0, SystemRandom().uniform  # another draw in each process

    def wait(tried: int) -> bool:
        nonlocal until
        if not tried:
            until = time.monotonic() + BUSY_MS_MAX / 1000
        elif time.monotonic() >= until:
            return False
        time.sleep(draw(0, TRY_SECONDS_MAX))
        return True

    connection.set_busy_handler(wait)


def connect(path: str, *, vfs: str | None = None, read_only: bool = False, may_make: bool = True) -> apsw.Connection:
    """Open a connection; `may_make` a file that is not there. It changes nothing. Raises what `explained` raises."""
    if file_identity(path) in _inherited:
        raise CannotOpen(
            f"{path}: this process was forked while its parent had the file open, so SQLite's locks do not hold here; "
            "fork before you open it, or start the process anew (multiprocessing: spawn or forkserver)"
        )
    authority = (
        "//" if path.startswith("/") else ""
    )  # empty; without it the first name of "//a/b" would be taken for it
    mode = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    mode |= apsw.SQLITE_OPEN_CREATE if may_make and not read_only else 0
    with explained(path):
        connection = apsw.Connection(
            f"file:{authority}{quote(path)}?psow=0",
            flags=mode | apsw.SQLITE_OPEN_URI,
            vfs=vfs,
            statementcachesize=STATEMENTS_MAX,
        )
    leak_when_forked(connection)
    _opened[connection] = file_identity(path)
    be_patient(connection)
    for name, value in (
        ("mmap_size", 0),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        ("wal_autocheckpoint", 0),
    ):
        pragma(connection, name, value)
    # With statistics SQLite would prepare a statement anew for each value that is bound to it.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection


def keep_log(connection: apsw.Connection, path: str) -> None:
    """Put the file into WAL mode, where it is not. Raises Busy, CannotOpen.

    SQLite does not wait here, it gives up at once where another connection does the same: two processes that open a new
    file at the same time would fail each other.
    """
    if pragma(connection, "journal_mode") == "wal":
        return
    deadline = time.monotonic() + BUSY_MS_MAX / 1000
    mode = None
    while mode is None:
        try:
            mode = pragma(connection, "journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
    if mode != "wal":
        raise CannotOpen(f"{path}: SQLite cannot keep a write-ahead log there; use a local disk")


def set_level(connection: apsw.Connection, level: str) -> None:
    """Make commits on this connection as durable as the store's level says."""
    pragma(connection, "synchronous", LEVELS[level])


def fold_once(connection: apsw.Connection) -> None:
    """Fold the log back into the file, before anything is written: of a store that was just made, or after a crash.

    Else a new store would stand in its log alone: one bit that turns in the log's first frame, and SQLite finds an
    empty file, in which the next one to open it would make another store. And after a crash SQLite goes on behind the
    last commit, in its very sector: what psow=0 padded it with need not have outlived the crash, and a disk that ruins
    the sector under a write would take an acknowledged commit with it.
    """
    with suppress(apsw.BusyError):  # somebody else has it open by now, and folds
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


class Log:
    """The write-ahead log of one writing connection: how long it is, and when it is folded back.

    Each time it may become longer, up to a bound: folding costs four syncs. And it is grown ahead of what is written: a
    sync of a file whose length has changed writes the file system's own journal too, and takes nearly twice as long.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection, self._path = connection, connection.filename
        self._pages = 0
        self._length = self._next = CHECKPOINT_PAGES
        self._room = GROWN_FROM  # pages that the file is long enough for, as far as we know
        connection.set_wal_hook(self._note)

    def _note(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def _grow(self, pages: int) -> None:
        """Make the file longer: write zeros behind the log's end in a transaction, and undo it.

        What stays behind the last commit is no part of the log, as after any transaction that was too large for memory.
        A failure here concerns nobody: the next commit finds out by itself what is wrong.
        """
        self._room = max(self._room, pages + GROWN_PAGES)
        connection = self._connection
        connection.set_busy_handler(None)
        try:
            with suppress(apsw.Error):
                run(connection, statements.BEGIN)
                run(connection, statements.PUT_ZEROS, GROWN_PAGES * pragma(connection, "page_size"))
                connection.cache_flush()
        finally:  # a Ctrl-C can come here too: left open, the transaction would lock out everybody
            try:
                with suppress(apsw.Error):
                    if connection.in_transaction:
                        run(connection, statements.ROLLBACK)
            finally:
                be_patient(connection)

    def fold(self, before: Callable[[], bool]) -> None:
        """Fold the log back if it is long; called after a commit has returned. Raises nothing of SQLite's.

        `before` makes the anchor durable and says whether it is: else the log stays. Folding waits for nobody: a reader
        that holds the log back is passed by, and the next try comes when the log has grown by as much again. A failure
        here concerns no transition: they are durable in the log.
        """
        pages = self._pages
        if pages < CHECKPOINT_PAGES:
            self._next = self._length  # it was begun anew
        if pages < self._next:
            if pages + GROWN_MARGIN > self._room:
                self._grow(pages)
            return
        self._next = pages + CHECKPOINT_PAGES
        if not before():
            return
        is_long = pages > RESTART_PAGES
        self._connection.set_busy_handler(None)
        try:
            mode = apsw.SQLITE_CHECKPOINT_RESTART if is_long else apsw.SQLITE_CHECKPOINT_PASSIVE
            length, folded = self._connection.wal_checkpoint(mode=mode)
            if length == folded:
                self._length = min(self._length + CHECKPOINT_PAGES, LENGTHS_MAX * CHECKPOINT_PAGES)
        except apsw.BusyError:
            pass  # a reader; said below where the log is long
        except apsw.Error as error:
            logger.warning("%s: the log of %s pages could not be folded back: %s", self._path, pages, error)
        finally:
            be_patient(self._connection)
        if is_long:
            logger.warning("%s: the log reached %s pages: a reader kept it from being reused", self._path, pages)
