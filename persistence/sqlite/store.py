"""The store on one SQLite file: one writing connection, one reading connection, opened, adopted and closed here.

Opening asks before it changes: a file that is no database, or of another format, is left as it was. A file that holds
only the user's tables is adopted: ours are added in one transaction and the journal mode becomes WAL.

The writing connection is used by one thread at a time (a lock), the reading one too. After a fork the child owns
neither: every use there raises, and nothing is closed on the parent's behalf.
"""

import logging
import os
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import apsw

from persistence.errors import (
    Busy,
    CannotOpen,
    Closed,
    Corrupt,
    InDoubt,
    NewerFormat,
    ReadOnlyStore,
    WrongLevel,
)
from persistence.records import StoreFacts
from persistence.sqlite import marks, statements
from persistence.sqlite.connection import (
    BUSY_MS_MAX,
    Log,
    check_path,
    connect,
    fold_once,
    has_log,
    hold_log,
    keep_log,
    log_identity,
    set_level,
)
from persistence.sqlite.errors import explained
from persistence.sqlite.query import fetch_all, fetch_one, iterate, pragma, run
from persistence.sqlite.reader import SQLiteReader
from persistence.sqlite.schema import FORMAT, LEVELS, TABLES, VIEWS
from persistence.sqlite.transaction import CACHE_MAX, NO_SEAL, Memory, SQLiteTransaction
from persistence.sqlite.usersql import UserSql
from persistence.store import Capabilities

__all__ = ["SQLiteStore"]

ROWS_MAX = 2**62  # positions of the lane; a million a second would take 146,000 years to get there
logger = logging.getLogger("perdure.persistence")
logging.getLogger("perdure").addHandler(logging.NullHandler())  # silent unless the user says otherwise


class SQLiteStore:
    """Instances in one SQLite file.

    `level` is the durability level: `full` (a commit survives a power loss) or `normal` (it survives a killed process);
    None takes the file's own, `full` for a new one. `schema` makes the user's tables. `vfs` names a registered SQLite
    VFS. Raises CannotOpen, NotADatabase, NewerFormat, ReadOnlyStore, WrongLevel, Busy, SqlFailed.
    """

    capabilities = Capabilities(sql=True, durable=True)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        level: str | None = None,
        schema: str | None = None,
        vfs: str | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self.read_only = read_only
        self._owner = os.getpid()
        self._writing, self._reading = threading.Lock(), threading.RLock()
        self._generation = 0
        self._memory = Memory()
        self._mark = uuid.uuid4().hex
        self._is_open = False
        self._in_doubt: str | None = None
        self._has_vfs = vfs is not None  # then names need not be those of files
        self._log_identity: tuple[int, int] | None = None
        check_path(self.path, read_only=read_only)
        if level is not None and level not in LEVELS:
            raise WrongLevel(f"{self.path}: {level!r} is no durability level; choose one of {', '.join(LEVELS)}")
        is_held = has_log(self.path)
        self._writer = connect(self.path, vfs=vfs, read_only=read_only)
        self._reader: apsw.Connection | None = None
        try:
            # A file that is refused is left as it was: closing it must not fold away a log that others left.
            hold_log(self._writer, is_held=is_held)
            self._facts = self._open(level, schema)
            hold_log(self._writer, is_held=False)
            self._reader = connect(self.path, vfs=vfs, read_only=True)
            self._reading_sql = UserSql(self._reader, self.path)
        except BaseException:
            self._close_connections()
            raise
        self._is_open = True

    # -- opening ---------------------------------------------------------------------------------------------------

    def _open(self, level: str | None, schema: str | None) -> StoreFacts:
        meta = self._read_meta(level)
        self._user = UserSql(self._writer, self.path)
        if self.read_only:
            if meta is None:
                raise CannotOpen(f"{self.path}: no store in it yet; open it once for writing")
        else:
            with explained(self.path):
                keep_log(self._writer, self.path)
                set_level(self._writer, level or (meta or {}).get("level") or "full")
                self._log = Log(self._writer)
            meta = self._adopt(level, schema)
        set_level(self._writer, meta["level"])
        return StoreFacts(meta["store_id"], int(meta["format"]), int(meta["epoch"]), meta["level"], self._unclean())

    def _read_meta(self, level: str | None) -> dict[str, str] | None:
        """Read what the file says of itself, changing nothing; None where no store is in it.

        The format comes first: what else stands in another format's meta is not ours to judge.
        """
        with explained(self.path):
            if fetch_one(self._writer, statements.HAS_META) == (0,):
                self._check_adoptable()
                return None
            try:
                meta: dict[str, str] = {
                    str(name): str(value) for name, value in fetch_all(self._writer, statements.META)
                }
            except apsw.SQLError:
                meta = {}
        if meta.get("format", str(FORMAT)) != str(FORMAT):
            raise NewerFormat(
                f"{self.path}: written in format {meta['format']}, this version reads {FORMAT}; "
                "nothing was changed, open it with the version that wrote it"
            )
        if not _is_sound(meta):
            raise Corrupt(f"{self.path}: perdure_meta is damaged; keep a copy and restore it from a backup")
        if level not in {None, meta["level"]}:
            raise WrongLevel(
                f"{self.path}: the store is at level {meta['level']!r}, asked for {level!r}; "
                "nothing was changed, leave the level out or ask for the store's own"
            )
        return meta

    def _check_adoptable(self) -> None:
        """Refuse a file that cannot be adopted, before anything in it changes. Raises CannotOpen."""
        taken = fetch_one(self._writer, statements.TAKEN_NAME)
        if taken is not None:
            raise CannotOpen(
                f"{self.path}: it holds a {taken[0]} named {taken[1]!r}, and what begins with perdure_ is the store's; "
                "nothing was changed, rename it"
            )
        if pragma(self._writer, "encoding") != "UTF-8":
            raise CannotOpen(f"{self.path}: its texts are not UTF-8; nothing was changed, copy it into a new file")

    def _adopt(self, level: str | None, schema: str | None) -> dict[str, str]:
        """Add our tables where they are missing, the user's as `schema` says, and the open mark: one transaction."""
        with explained(self.path):
            run(self._writer, statements.BEGIN)
            try:
                meta = self._read_meta(level)
                is_new = meta is None
                if meta is None:
                    for statement in (*TABLES, *VIEWS):
                        run(self._writer, statement)
                    meta = {"format": str(FORMAT), "store_id": uuid.uuid4().hex, "epoch": "1", "level": level or "full"}
                    for pair in meta.items():
                        run(self._writer, statements.PUT_META, *pair)
                if schema is not None:
                    self._user.define(schema)
                mark = marks.this_process(self._mark)
                values = (mark.id, mark.host, mark.boot, mark.pid, mark.started, time.time_ns() // 1000)
                run(self._writer, statements.PUT_OPEN_MARK, *values)
                run(self._writer, statements.COMMIT)
            except BaseException:
                if self._writer.in_transaction:
                    run(self._writer, statements.ROLLBACK)
                raise
            if is_new:
                fold_once(self._writer)
        return meta

    def _unclean(self) -> tuple[str, ...]:
        with explained(self.path):
            found = [marks.Mark(*row) for row in iterate(self._writer, statements.OPEN_MARKS)]
        return tuple(mark.id for mark in found if mark.id != self._mark and marks.is_gone(mark))

    @property
    def facts(self) -> StoreFacts:
        """What the store said of itself when it was opened."""
        return self._facts

    # -- using -----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if os.getpid() != self._owner:
            raise Closed(f"{self.path}: opened by the parent process; open it again after a fork")
        if not self._is_open:
            raise Closed(f"{self.path}: the store is closed")
        if self._in_doubt is not None:
            raise InDoubt(self._in_doubt)

    @contextmanager
    def transaction(self) -> Generator[SQLiteTransaction]:
        """Begin writing. What is not committed when the block ends is undone."""
        self._check()
        if self.read_only:
            raise ReadOnlyStore(f"{self.path}: the store was opened for reading only")
        if not self._writing.acquire(timeout=BUSY_MS_MAX / 1000):
            raise Busy(f"{self.path}: other threads of this process held the store for {BUSY_MS_MAX} ms; try again")
        try:
            self._check()
            yield from self._transaction()
        finally:
            self._writing.release()

    def _transaction(self) -> Generator[SQLiteTransaction]:
        """The inside of `transaction`, under the lock."""
        with explained(self.path):
            run(self._writer, statements.BEGIN)
        transaction = None
        try:
            self._refresh()
            transaction = SQLiteTransaction(self._writer, self._memory, user=self._user, generation=self._generation)
            yield transaction
            if transaction.is_ended:
                self._check_log()
        except InDoubt as error:
            self._in_doubt = str(error)
            raise
        finally:
            # A callback may fork: the child's unwinding must not touch the parent's transaction.
            if os.getpid() == self._owner and self._writer.in_transaction:
                run(self._writer, statements.ROLLBACK)
            # What was only read stays true, whatever raised: a refusal costs nobody the cache.
            if transaction is None or transaction.has_marked or (transaction.has_written and not transaction.is_ended):
                self._forget()
        if os.getpid() != self._owner:
            return
        warning = self._log.fold()
        if warning is not None:
            logger.warning("%s: %s", self.path, warning)

    def _check_log(self) -> None:
        """Raise InDoubt if the log that was just written is not the file of that name any more.

        Another SQLite library in this process (the standard library's sqlite3) does not see our locks: closing its
        connection deletes the log under us. What is written from then on would be gone with this process.
        """
        if self._has_vfs:
            return
        found = log_identity(self._writer.filename_wal)
        if self._log_identity is None:
            self._log_identity = found
        if found is None or found != self._log_identity:
            raise InDoubt(
                f"{self.path}: its log was deleted by another SQLite library in this process, such as sqlite3; close "
                "the engine, open the file with recovery.open, and read your tables through engine.sql()"
            )

    def _refresh(self) -> None:
        """Drop what is remembered if another connection wrote, and read the end of the lane anew."""
        with explained(self.path):
            (seen,) = fetch_all(self._writer, statements.DATA_VERSION)[0]
            if seen == self._memory.data_version and self._memory.size() < CACHE_MAX:
                return
            self._forget()
            self._memory.data_version = seen
            row = fetch_one(self._writer, statements.LAST)
        if row is not None:
            if row[0] > ROWS_MAX:
                raise Corrupt(
                    f"{self.path}: the order of commits ends at row {row[0]}, which is damage: nothing can follow it; "
                    "keep a copy and restore it from a backup"
                )
            self._memory.last, self._memory.seal = row[0], row[1] or NO_SEAL

    def _forget(self) -> None:
        self._memory = Memory()
        self._generation += 1

    @contextmanager
    def reader(self) -> Generator[SQLiteReader]:
        """Begin reading: one consistent view, ended with the block. Other threads that read wait for it.

        A reader that is begun inside a reader, by the same thread, is the same view.
        """
        self._check()
        with self._reading:
            self._check()
            reader = self._reader
            assert reader is not None
            if reader.in_transaction:
                yield SQLiteReader(reader, self._reading_sql)
                return
            with explained(self.path):
                run(reader, statements.BEGIN_READ)
            self._reading_sql.renew()
            try:
                yield SQLiteReader(reader, self._reading_sql)
            finally:
                if os.getpid() == self._owner and reader.in_transaction:
                    run(reader, statements.ROLLBACK)

    def expire_keys(self, *, before: int) -> int:
        """Forget all keys of instances that ended before a time, in several transactions; return of how many."""
        count, found = 0, 1
        while found:
            with self.transaction() as transaction:
                found = transaction.expire_keys(before=before)
                transaction.commit()
            count += found
        return count

    def settle(self) -> None:
        """Forget the open marks of owners that are gone."""
        if not self._facts.unclean:
            return
        with self.transaction() as transaction:
            for mark in self._facts.unclean:
                run(self._writer, statements.DROP_OPEN_MARK, mark)
            transaction.commit()
        self._facts.unclean = ()

    # -- closing ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Remove the open mark, fold the log back and close both connections. Closing twice is allowed. Raises Busy."""
        if os.getpid() != self._owner or not self._is_open:
            return
        with self._whole():
            self._is_open = False
            try:
                if not self.read_only and self._in_doubt is None:
                    with explained(self.path):
                        run(self._writer, statements.DROP_OPEN_MARK, self._mark)
            finally:
                self._close_connections()

    @contextmanager
    def _whole(self) -> Generator[None]:
        """Wait until nobody of this process uses the store, and keep it so. Raises Busy."""
        with ExitStack() as held:
            for lock in (self._writing, self._reading):
                if not lock.acquire(timeout=BUSY_MS_MAX / 1000):
                    raise Busy(f"{self.path}: the store is in use; end its transactions and readers, then close it")
                held.callback(lock.release)
            if self._reader is not None and self._reader.in_transaction:
                raise Busy(f"{self.path}: the store is in use by a reader of this thread; end it, then close the store")
            yield

    def _close_connections(self) -> None:
        # Both, and here: a connection that is collected later would close then, and fold or delete the log of
        # whoever has the file open by that time. The reader first, so that the writer is last and folds the log.
        try:
            if self._reader is not None:
                with explained(self.path):
                    self._reader.close(force=True)
        finally:
            with explained(self.path):
                self._writer.close(force=True)


def _is_sound(meta: dict[str, str]) -> bool:
    """Say whether meta of our format holds what it must (F1)."""
    if set(meta) != {"format", "store_id", "epoch", "level"}:
        return False
    epoch = meta["epoch"]
    return meta["level"] in LEVELS and bool(meta["store_id"]) and epoch.isascii() and epoch.isdecimal()
