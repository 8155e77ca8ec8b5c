"""Hearing what was committed: `engine.subscribe`.

The writer hands over what it has committed, which is a few appends under a lock that is never held while anything runs,
and goes on. Each subscription has a thread of its own that calls its callback, one transition after the other, in the
order of the commits.

A subscriber hears every transition from its beginning to its end, without a gap: one that is too slow is not waited
for, and nothing in the middle is dropped. It is ended, what was queued until then is delivered, and it is told.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from persistence import Draft
from persistence.process import PROCESS
from statemachine.transition import Transition

__all__ = ["Subscription", "Subscriptions"]

CLOSE_SECONDS_MAX = 5.0  # how long closing an engine waits until its subscribers have heard what is queued
logger = logging.getLogger("perdure")


class Subscription:
    """What `engine.subscribe` returns. Thread-safe; may be used as a context manager."""

    def __init__(
        self,
        callback: Callable[[Transition], object],
        *,
        workflow: str | None,
        unheard_max: int,
        ended: Callable[[str], object] | None,
    ) -> None:
        self._callback = callback
        self._workflow = workflow
        self._most = unheard_max
        self._ended = ended
        self._queue: deque[Transition] = deque()
        self._changed = threading.Condition()
        self._reason: str | None = None
        self._owner = PROCESS.pid
        self._thread = threading.Thread(target=self._serve, name="perdure-subscriber", daemon=True)

    def begin(self) -> None:
        """Start its thread."""
        self._thread.start()

    @property
    def reason(self) -> str | None:
        """Why it ended, or is to end once what is queued was heard; None while it goes on."""
        return self._reason

    def put(self, drafts: Sequence[Draft]) -> None:
        """Queue what was committed; where it would be too much, end. Called by the writer: it waits for nobody."""
        mine = [one for one in drafts if self._workflow in {None, one.record.workflow}]
        with self._changed:
            if self._reason is not None or not mine:
                return
            if len(self._queue) + len(mine) <= self._most:
                self._queue.extend(Transition(one.record, one.head.hash) for one in mine)  # without images
            else:
                first = mine[0].record
                self._reason = (
                    f"PS331 more than {self._most} transitions waited for this subscriber: it heard everything before "
                    f"version {first.version} of {first.instance!r}. Do less in the callback, or raise unheard_max."
                )
            self._changed.notify()

    def end(self) -> None:
        """End it: what is still queued is not heard. A callback that runs is not waited for.

        In a forked child it does nothing.
        """
        if PROCESS.pid != self._owner:
            return
        with self._changed:
            self._queue.clear()
            self._reason = self._reason or "it was ended"
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """End it once what is queued was heard, and wait for that, but not longer than this."""
        with self._changed:
            self._reason = self._reason or "the engine was closed"
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)
        if self._queue and self._thread is not threading.current_thread():
            logger.warning("%d transitions were not heard by %r before its engine closed", len(self._queue), self)
            self.end()

    def _serve(self) -> None:
        while (transition := self._next()) is not None:
            try:
                self._callback(transition)
            except BaseException:  # SystemExit too: this thread is nobody else's
                logger.exception("%r raised on %r", self, transition)
            if PROCESS.pid != self._owner:  # the callback forked, and what is queued is the parent's: the child ends
                return
        reason = self._reason or ""
        if reason.startswith("PS331"):
            logger.error("%r: %s", self, reason)
        if self._ended is not None:
            try:
                self._ended(reason)
            except Exception:
                logger.exception("%r raised when it was told that it has ended", self)

    def _next(self) -> Transition | None:
        """Wait for the next transition; None where it is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._reason is not None)
            return self._queue.popleft() if self._queue else None

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.end()

    def __repr__(self) -> str:
        """Show whom it calls."""
        return f"<Subscription {getattr(self._callback, '__qualname__', self._callback)!s}>"


class Subscriptions:
    """Those of one engine."""

    def __init__(self) -> None:
        self._all: list[Subscription] = []
        self._mutex = threading.Lock()

    def add(self, subscription: Subscription) -> None:
        """Let one hear what is committed from here on."""
        with self._mutex:
            self._all = [*(one for one in self._all if one.reason is None), subscription]
        subscription.begin()

    def hear(self, drafts: Sequence[Draft]) -> None:
        """Queue what was committed, for everybody; called by the writer, after the commit. Raises nothing."""
        for one in self._all:
            with suppress(Exception):  # a commit that has happened fails nobody
                one.put(drafts)

    def close(self) -> None:
        """Let everybody hear what is queued, for a bounded time, and end them."""
        for one in self._all:
            one.close(CLOSE_SECONDS_MAX)
