"""Runs members in transactions, one after the other or many in one: what the writer of an engine calls.

A member alone is decided again where somebody else took its place. Members together are decided one by one where
anything but a member fails; and nothing of what is durable is ever run again, whatever goes wrong after the commit.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TypeVar

from persistence import Busy, Conflict, InDoubt
from statemachine.batch import Batch, Desk
from statemachine.errors import Refused
from statemachine.members import UNDECIDED, Member, Work

__all__ = ["Batches", "Inside"]

T = TypeVar("T")

TRIES_MAX = 3  # of a member whose place somebody else took: more say that a store's compare and set is broken
AFTERWARDS = "after a commit of %s transitions, which are durable: nothing of it is run again"
logger = logging.getLogger("perdure.statemachine")


class Inside(threading.local):
    """What a thread is doing."""

    calls = False  # it runs callbacks
    is_torn = False  # it was interrupted, and what that left open may be open still: a second one can come at once


class Batches:
    """Runs members in transactions: what the writer of an engine calls, one batch at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.inside = Inside()

    def alone(self, work: Work[T]) -> T:
        """Decide and commit one member. Raises what it raises, StoreError, InDoubt."""
        desk, inside = self._desk, self.inside
        result: T = UNDECIDED
        for tried in range(TRIES_MAX + 1):
            batch = None
            try:
                inside.calls = True
                with desk.store.transaction() as transaction:
                    batch = Batch(desk, transaction)
                    result = work(batch)
                    batch.commit()
            except Refused:  # what was read stays true
                raise
            except Exception as error:
                if (durable := self._durable(batch)) is not None:
                    logger.exception(AFTERWARDS, durable)
                    return result
                if not isinstance(error, Conflict) or tried == TRIES_MAX:
                    raise
            except BaseException:
                inside.is_torn = True
                self.abandon()
                raise
            else:
                return result
            finally:
                inside.calls = False
        raise AssertionError  # the last try has returned or raised

    def together(self, members: Sequence[Member]) -> int:
        """Decide and commit members in one transaction, and set what came of each; return how many of them.

        Those that are left when the time of a batch is over have not begun. Where anything but a member fails all are
        decided again, one by one. Raises only what interrupts the calling thread and is its own: those who are
        undecided then are told that nothing happened, or that it is unknown.
        """
        told: list[Member] = []  # what these know is certain
        try:
            count = 0 if len(members) == 1 else self._as_one(members, told)
            return count or self._one_by_one(members, told)
        except BaseException:
            self.inside.is_torn = True
            self.abandon()
            doubt = InDoubt("the thread that wrote was interrupted; whether it happened is not known: look")
            _fail([member for member in members if member not in told], doubt)
            raise

    def _as_one(self, members: Sequence[Member], told: list[Member]) -> int:
        """Decide and commit them in one transaction; return how many, 0 where all are to be decided again."""
        batch, inside, count = None, self.inside, len(members)
        try:
            inside.calls = True
            with self._desk.store.transaction() as transaction:
                batch = Batch(self._desk, transaction)
                if names := _key_names(members):
                    batch.look_up(names)
                count = 0
                for member in self._in_time(members):
                    _decide(member, batch)
                    count += 1
                batch.commit()
        except (Busy, InDoubt) as error:  # as true for each of them: one by one they would wait as long again, each
            _fail(members[:count], error)
        except Exception:
            if (durable := self._durable(batch)) is None:
                return 0
            logger.exception(AFTERWARDS, durable)
        except BaseException:
            if batch is None or not batch.is_committing:
                _fail(members, Busy("the thread that wrote was interrupted; nothing happened, try again"))
                told.extend(members)
            elif batch.is_committed:
                told.extend(members[:count])
            raise
        finally:
            inside.calls = False
        return count

    def _in_time(self, members: Sequence[Member]) -> Iterator[Member]:
        """Iterate over members for as long as a batch may take; over one in any case."""
        until = monotonic() + self._desk.limits.batch_ms_max / 1_000
        for member in members:
            yield member
            if monotonic() > until:
                break

    def abandon(self) -> None:
        """End what an interrupt left open: it can come before a block begins to end, and then nothing else ends it.

        This thread has been marked as torn at once: where another interrupt comes, its next call to the engine does it.
        """
        self._desk.heads.clear()
        self._desk.store.abandon()
        self.inside.is_torn = False

    def _durable(self, batch: Batch | None) -> int | None:
        """Drop what is remembered; return how many transitions are durable all the same, None where nothing was."""
        self._desk.heads.clear()
        return batch.size if batch is not None and batch.is_committed else None

    def _one_by_one(self, members: Sequence[Member], told: list[Member]) -> int:
        """Decide and commit each in a transaction of its own, whatever came of it before; return how many."""
        for member in members:
            member.result, member.error = UNDECIDED, None
        for member in self._in_time(members):
            _decide_alone(member, self)
            told.append(member)
        return len(told)


def _key_names(members: Sequence[Member]) -> list[tuple[str, str, str]]:
    return [name for member in members if (name := member.key_name()) is not None]


def _decide(member: Member, batch: Batch) -> None:
    try:
        member.result = member.run(batch)
    except BaseException as error:  # whatever its callbacks raise is its sender's
        if _is_interrupt(error):
            raise
        member.error = error


def _decide_alone(member: Member, batches: Batches) -> None:
    try:
        member.result = batches.alone(member.run)
    except BaseException as error:  # as above
        if _is_interrupt(error):
            raise
        member.error = error


def _is_interrupt(error: BaseException) -> bool:
    """Say whether this was the thread's own: on the main one the handler of a signal may raise SystemExit anywhere."""
    is_main = threading.current_thread() is threading.main_thread()
    return isinstance(error, KeyboardInterrupt) or (is_main and isinstance(error, SystemExit))


def _fail(members: Sequence[Member], error: Exception) -> None:
    for member in members:
        member.error = error
