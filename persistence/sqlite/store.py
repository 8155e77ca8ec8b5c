"""The store on one SQLite file: one writing connection, one reading connection, opened, adopted and closed here.

Opening asks before it changes: a file that is no database, or of another format, is left as it was. A file that holds
only the user's tables is adopted: ours are added in one transaction and the journal mode becomes WAL.

Before anything is written the anchor is compared with the file: it is read first, then the snapshot is opened, so that
what another engine commits meanwhile is in the snapshot. Until that has passed no connection folds the log back, not
even when it closes; where it does not pass, nothing is written at all (`facts.barred`) but by who accepts the loss.

The writing connection is used by one thread at a time (a lock), the reading one too (`views`). After a fork the child
owns neither: every use there raises, and nothing is closed on the parent's behalf. The locks know their owners: an
interrupt can come behind the last line of a block and before the first of its end, and whoever hears of it then tells
what is his from what is another's (`abandon`).
"""

import logging
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress

import apsw

from persistence.block import Block, release_all
from persistence.errors import (
    Busy,
    CannotOpen,
    Closed,
    Corrupt,
    InDoubt,
    ReadOnlyStore,
    StoreError,
    TailLost,
    WrongLevel,
)
from persistence.process import PROCESS
from persistence.records import StoreFacts
from persistence.sqlite import marks, statements
from persistence.sqlite.adopting import adopt, marks_of
from persistence.sqlite.anchor import Anchor, Slot
from persistence.sqlite.appending import UNREAD, Memory
from persistence.sqlite.comparing import compared, end_of_lane, strangers
from persistence.sqlite.connection import (
    BUSY_MS_MAX,
    Log,
    Names,
    be_patient,
    connect,
    fold_once,
    has_log,
    hold_log,
    keep_log,
    set_level,
)
from persistence.sqlite.copying import copy_store
from persistence.sqlite.errors import explained, translate
from persistence.sqlite.meta import check_given, read_meta
from persistence.sqlite.query import fetch_one, run, run_with
from persistence.sqlite.reader import SQLiteReader
from persistence.sqlite.schema import FORMAT, LEVELS
from persistence.sqlite.settling import failed, settled, unsettled
from persistence.sqlite.snapshots import Snapshots
from persistence.sqlite.transaction import CACHE_MAX, Ending, SQLiteTransaction
from persistence.sqlite.usersql import UserSql
from persistence.sqlite.views import Views
from persistence.store import Capabilities, Reader

__all__ = ["SQLiteStore"]

ROWS_MAX = 2**62  # positions of the lane; a million a second would take 146,000 years to get there
logger = logging.getLogger("perdure.persistence")
logging.getLogger("perdure").addHandler(logging.NullHandler())  # silent unless the user says otherwise


class SQLiteStore:
    """Instances in one SQLite file.

    `level` is the durability level: `full` (a commit survives a power loss) or `normal` (it survives a killed process);
    None takes the file's own, `full` for a new one. `schema` makes the user's tables. `vfs` names a registered SQLite
    VFS. `anchor` says where the anchor is, if not beside the file. Where the anchor tells of a tail that the file does
    not hold, the store opens for reading only and `facts.barred` says why; `accepts_loss` accepts it. Raises
    CannotOpen, NotADatabase, NewerFormat, ReadOnlyStore, WrongLevel, Busy, SqlFailed, Corrupt.
    """

    capabilities = Capabilities(sql=True, durable=True)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        level: str | None = None,
        schema: str | None = None,
        anchor: str | os.PathLike[str] | None = None,
        vfs: str | None = None,
        read_only: bool = False,
        accepts_loss: bool = False,
    ) -> None:
        self.path = os.fspath(path)
        self.read_only = read_only
        self._owner = PROCESS.pid
        self._writing = threading.RLock()
        self._generation, self._memory = 0, Memory()
        self._mark = uuid.uuid4().hex
        self._in_doubt: str | None = None
        self._vfs, self._snapshots = vfs, Snapshots(self.path, vfs=vfs)
        self._names: Names | None = None
        self._is_open = self._is_closed = self._is_unmarked = self._has_views = False
        self._is_stale = False  # its pages may not be what the file holds
        self._ending = Ending(self._committed, self._settle)
        self._open_transaction: SQLiteTransaction | None = None
        check_given(self.path, schema, anchor, read_only=read_only)
        self._anchor = Anchor(self.path, anchor, vfs=vfs)
        if level is not None and level not in LEVELS:
            raise WrongLevel(f"{self.path}: {level!r} is no durability level; choose one of {', '.join(LEVELS)}")
        is_held = has_log(self.path)
        self._writer = connect(self.path, vfs=vfs, read_only=read_only)
        try:
            # A file that is refused is left as it was: closing it must not fold away a log that others left.
            hold_log(self._writer, is_held=is_held)
            self._facts = self._open(level, schema, accepts=accepts_loss)
            self._open_reader()
        except BaseException:
            self._close_connections()
            raise
        self._is_open = True

    # -- opening ---------------------------------------------------------------------------------------------------

    def _open(self, level: str | None, schema: str | None, *, accepts: bool) -> StoreFacts:
        slots = self._anchor.read()  # before the snapshot is opened
        meta = read_meta(self._writer, self.path, level=level)
        self._user, self._cursor = UserSql(self._writer, self.path), self._writer.cursor()
        if meta is None and self.read_only:
            raise CannotOpen(f"{self.path}: no store in it yet; open it once for writing")
        facts = None
        if meta is None:
            self._anchor.check_new(slots)
        else:
            facts = compared(self._writer, self._anchor, slots, accepts=accepts, read_only=self.read_only)
        if facts is None or not (self.read_only or facts.barred):
            with explained(self.path):
                keep_log(self._writer, self.path)
                set_level(self._writer, level or (meta or {}).get("level") or "full")
                if facts is not None:
                    fold_once(self._writer)
                self._log = Log(self._writer)
            meta, place = adopt(self._writer, self.path, user=self._user, owner=self._mark, level=level, schema=schema)
            slot = Slot(meta["store_id"], int(meta["epoch"]), meta["level"], *place[1:])
            self._anchor.take(place[0], slot)
        assert meta is not None
        set_level(self._writer, meta["level"])
        if facts is None:
            facts = StoreFacts(meta["store_id"], FORMAT, int(meta["epoch"]), meta["level"])
            facts.notes = strangers(self._anchor, slots, facts.store_id)
        facts.unclean = self._unclean()
        for one in filter(None, (facts.barred, *facts.notes)):
            logger.warning("%s: %s", self.path, one)
        return facts

    def _open_reader(self) -> None:
        reader = connect(self.path, vfs=self._vfs, read_only=True)
        self._views, self._has_views = Views(reader, self._check), True
        for connection in (self._writer, reader):
            hold_log(connection, is_held=self._facts.barred is not None)

    def _unclean(self) -> tuple[str, ...]:
        with explained(self.path):
            found = marks_of(self._writer)
        return tuple(mark.id for mark in found if mark.id != self._mark and marks.is_gone(mark))

    @property
    def facts(self) -> StoreFacts:
        """What the store said of itself when it was opened."""
        return self._facts

    # -- using -----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if PROCESS.pid != self._owner:
            raise Closed(f"{self.path}: opened by the parent process before it forked; fork first, then open it")
        if not self._is_open:
            raise Closed(f"{self.path}: the store is closed")
        if self._in_doubt is not None:
            raise InDoubt(self._in_doubt)

    @property
    def _is_usable(self) -> bool:
        return PROCESS.pid == self._owner and self._is_open and self._in_doubt is None

    def transaction(self) -> Block[SQLiteTransaction]:
        """Begin writing. What is not committed when the block ends is undone."""
        return Block(self._begin, self._finish)

    def _begin(self) -> SQLiteTransaction:
        """Take the turn, and begin."""
        if PROCESS.pid != self._owner or self.read_only or self._facts.barred is not None:
            self._check_writable()
        if not (self._writing.acquire(blocking=False) or self._writing.acquire(timeout=BUSY_MS_MAX / 1000)):
            raise Busy(f"{self.path}: other threads of this process held the store for {BUSY_MS_MAX} ms; try again")
        if self._open_transaction is not None:
            self._writing.release()
            raise Busy(f"{self.path}: this thread has a transaction open, for which it would wait; end that one first")
        try:
            if not self._is_open or self._in_doubt is not None:
                self._check()
            run_with(self._cursor, statements.BEGIN, ())
        except (apsw.Error, StoreError) as error:
            self._writing.release()
            if isinstance(error, apsw.Error):
                raise translate(error, self.path) from error
            raise
        except BaseException:  # a Ctrl-C, which may have come when it had begun
            self._give_back()
            raise
        try:
            self._refresh()
            made = self._open_transaction = SQLiteTransaction(
                self._cursor, self._memory, user=self._user, generation=self._generation, ending=self._ending
            )
        except BaseException as error:
            self._end(error)
            raise
        return made

    def _check_writable(self) -> None:
        self._check()
        if self.read_only:
            raise ReadOnlyStore(f"{self.path}: the store was opened for reading only")
        raise TailLost(
            f"{self.path}: {self._facts.barred}. Nothing is written until the loss is accepted: keep a copy of the "
            "file with its -wal and its anchor, look for a backup, then perdure recover FILE --accept-tail-loss"
        )

    def _finish(self, begun: SQLiteTransaction, error: BaseException | None) -> None:
        """End the transaction as the block ended. One that was abandoned has ended: what is open is another one."""
        if self._open_transaction is begun:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        """End the transaction, and give the turn back."""
        try:
            done = self._open_transaction
            if error is not None:
                if not isinstance(error, Exception):
                    self.abandon()
                    return
                self._undo(done, error)
            else:
                if done is None or not done.is_ended or done.has_marked:
                    self._undo(done, None)
                if PROCESS.pid == self._owner:
                    self._log.fold(self._anchor.sync)
            self._open_transaction = None
            self._writing.release()
        except BaseException:
            self._give_back()
            raise

    def _give_back(self) -> None:
        """Undo what is open of this thread's transaction, and release the lock as often as this thread has it."""
        if not self._writing.acquire(blocking=False):  # another thread's: an interrupt came behind the release
            return
        try:
            done, self._open_transaction = self._open_transaction, None
            self._undo(done, None)
            if done is not None:
                done.is_ended = True
            if self._is_usable:  # an interrupt can come where it waits for nobody (`connection.Log`)
                be_patient(self._writer)
        finally:
            release_all(self._writing)

    def abandon(self) -> None:
        """End what an interrupt left open of this thread's."""
        if PROCESS.pid == self._owner:
            try:
                self._give_back()
            finally:
                self._views.abandon()

    def _undo(self, done: SQLiteTransaction | None, error: BaseException | None) -> None:
        """Undo what was not committed; after damage drop the pages that were read: a short read reads well again."""
        if isinstance(error, InDoubt):
            self._in_doubt = str(error)
        elif done is not None and done.is_unsettled:
            self._in_doubt = f"{self.path}: a COMMIT failed, and an interrupt came before it was known if it happened"
        self._is_stale |= isinstance(error, Corrupt)
        try:
            # A callback may fork: the child's unwinding must not touch the parent's transaction.
            if self._is_usable:
                if self._writer.in_transaction:
                    run(self._writer, statements.ROLLBACK)
                if self._is_stale:
                    self._is_stale = False
                    self._writer.release_memory()
                    self._forget()
        finally:
            # What was only read stays true, whatever raised: a refusal costs nobody the cache.
            if done is None or done.has_marked or (done.has_written and not done.is_ended):
                self._forget()

    def _committed(self, n: int, seal: bytes) -> None:
        """Do what comes between COMMIT and the answer."""
        if self._vfs is None:  # else names need not be those of files
            self._names = self._names or Names(self._writer)
            self._names.check()
        self._anchor.write(n, seal)
        if self._memory.data_version != UNREAD:  # what was settled is read anew
            self._memory.data_version = self._writer.data_version()

    def _settle(self, error: apsw.Error, wanted: tuple[int, bytes] | None) -> None:
        """Find out whether the COMMIT that raised `error` happened, on a connection of its own; return if it did."""
        self._forget()
        place = self._writer.filename  # a relative path may lead elsewhere by this time
        self._anchor.sync()  # before the log is folded back
        with suppress(apsw.Error):
            hold_log(self._writer, is_held=True)
            self._writer.close(force=True)
        if wanted is None:
            raise unsettled(self.path, error, "it has no rows that could be looked for") from error
        try:
            self._writer, is_applied = settled(
                place, vfs=self._vfs, store_id=self._facts.store_id, mark=self._mark, wanted=wanted
            )
        except (apsw.Error, StoreError) as why:
            raise unsettled(self.path, error, why) from error
        set_level(self._writer, self._facts.level)
        self._user, self._cursor = UserSql(self._writer, self.path), self._writer.cursor()
        self._log, self._names = Log(self._writer), None
        if not is_applied:
            raise failed(self.path, error) from error

    def _refresh(self) -> None:
        """Drop what is remembered if another connection wrote, and read the end of the lane anew.

        The number is the pager's, which follows our own commits too: `_committed` takes note of those.
        """
        seen, memory = self._writer.data_version(), self._memory
        if seen == memory.data_version and len(memory.instances) + len(memory.symbols) < CACHE_MAX:
            return
        self._forget()
        with explained(self.path):
            if fetch_one(self._writer, statements.EPOCH) != (str(self._facts.epoch),):
                raise Closed(f"{self.path}: another process accepted a loss, and a new epoch began; open it again")
            last, seal = end_of_lane(self._writer)
        self._memory.data_version = seen
        if last > ROWS_MAX:
            raise Corrupt(
                f"{self.path}: the order of commits ends at row {last}, which is damage: nothing can follow it; "
                "keep a copy and restore it from a backup"
            )
        self._memory.last, self._memory.seal = last, seal

    def _forget(self) -> None:
        self._memory = Memory()
        self._generation += 1

    def reader(self) -> Block[SQLiteReader]:
        """Begin reading: one consistent view, ended with the block. Other threads that read wait for it.

        A reader that is begun inside a reader, by the same thread, is the same view.
        """
        self._check()
        return self._views.one()

    def snapshot(self) -> AbstractContextManager[SQLiteReader]:
        """Begin reading for as long as it takes, on a connection of its own: nobody waits for it."""
        self._check()
        return self._snapshots.one()

    def backup(self, target: str, prove: Callable[[Reader], None]) -> None:
        """Copy the file as it is, while it is written, into one that does not exist. Durable on return."""
        self._check()
        held = self._snapshots.one()
        with held:
            assert held.connection is not None
            copy_store(held.connection, target, prove)

    def settle(self) -> None:
        """Forget the open marks of owners that are gone."""
        if not self._facts.unclean or self._facts.barred is not None:
            return
        with self.transaction() as transaction:
            for mark in self._facts.unclean:
                run(self._writer, statements.DROP_OPEN_MARK, mark)
            transaction.commit()
        self._facts.unclean = ()

    # -- closing ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Remove the open mark, fold the log back and close both connections. Closing twice is allowed. Raises Busy."""
        if PROCESS.pid != self._owner or self._is_closed:
            return
        try:
            self._close()
        except Exception:
            raise
        except BaseException:  # an interrupt: whoever closes it next goes on from here
            self.abandon()
            raise

    def _close(self) -> None:
        """Wait until nobody of this process uses the store, and close it. Raises Busy."""
        with ExitStack() as held:
            for lock in (self._writing, self._views.lock):
                if not lock.acquire(timeout=BUSY_MS_MAX / 1000):
                    raise Busy(f"{self.path}: the store is in use; end its transactions and readers, then close it")
                held.callback(lock.release)
            self._snapshots.check_ended()
            if self._open_transaction is not None or self._views.is_open:
                raise Busy(f"{self.path}: the store is in use by this thread; end what it began, then close the store")
            if self._is_closed:  # another thread closed it meanwhile
                return
            self._is_open = False
            try:
                if not (self._is_unmarked or self.read_only or self._facts.barred or self._in_doubt):
                    with explained(self.path):
                        run(self._writer, statements.DROP_OPEN_MARK, self._mark)
                    self._is_unmarked = True
            finally:
                self._close_connections()
                self._is_closed = True

    def _close_connections(self) -> None:
        # Both, and here: a connection that is collected later would close then, and fold or delete the log of
        # whoever has the file open by that time. The reader first, so that the writer is last and folds the log.
        if not self._anchor.close():
            with suppress(apsw.Error):
                hold_log(self._writer, is_held=True)  # the slots are synced before the log is folded back
        try:
            if self._has_views:
                self._views.close()
        finally:
            with explained(self.path):
                self._writer.close(force=True)
