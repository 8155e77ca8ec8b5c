"""Who writes next, and for whom: one transaction at a time, for everybody who waits when it begins.

There is one baton. Who holds it leads: takes the first members of the queue as one batch, has them decided and
committed, and lets the baton go on to whoever is first in the queue by then. So what queued up while the last sync ran
is one commit, no delay is added, and no callback of anybody's holds up the next one.

Senders who wait on threads of their own are told one by the other, and the baton goes along: who is told wakes the next
one, and the last hands it on. Each wakes only to go back to his caller, and most are in the queue again by then: two
halves of them that take turns would fight for the interpreter's lock, and be two commits.

A sender who comes when nobody writes and nobody waits runs alone, on his own thread. Else he waits, and leads when he
is first: nobody is overtaken. Calls that do not wait (`submit`, `asend`) are led by a thread of the writer's own, which
the first of them starts; a sender's batch ends before one of those, because their callbacks are not his affair.
Queueing them wakes nobody: `begin` does, and so does everybody who sends, closes, or finds the queue full.

A batch of several in which anything but a member fails is decided again, one by one: no member fails its neighbours.
Busy and InDoubt are as true for each of them, and told to all.

The baton says whose it is, and is taken, given and laid down in one step each, which no signal can tear apart. So a
sender who is interrupted sees at whatever place whether it is his, and passes it on; and no step that could be
interrupted comes between giving it to somebody and waking him.

A forked child leads nobody: who waits is in the parent, and a lock that another thread held at the fork stays locked.
"""

import atexit
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar, cast

from persistence.errors import Busy, Closed
from persistence.process import PROCESS
from statemachine.limits import Limits
from statemachine.members import Called, Member, Turn, Work, interrupted, tell_all

__all__ = ["Writer"]

T = TypeVar("T")
logger = logging.getLogger("perdure.statemachine")

TURN_SECONDS_MAX = 10.0  # how long a sender waits for others of its process; longer waits hide a stuck callback


class _Here(Called):
    """A member that the writer's own thread waits for, in the callback of a future."""

    __slots__ = ("is_told",)

    def __init__(self, work: Work[Any]) -> None:
        super().__init__(work)
        self.is_told = False

    def tell(self) -> None:
        """Take note."""
        self.is_told = True


class _End(Called):
    """The last member: the writer's thread ends with it."""

    __slots__ = ("_writer",)

    def __init__(self, writer: "Writer") -> None:
        super().__init__(lambda _: None)
        self._writer = writer

    def begin(self) -> bool:
        """End the thread."""
        self._writer.has_ended = True
        return False


class Runs(Protocol):
    """What a writer has done by its engine."""

    def alone(self, work: Work[T]) -> T:
        """Decide and commit one member. Raises what it raises."""
        ...

    def together(self, members: Sequence[Member]) -> int:
        """Decide and commit the first of some members, and set what came of each; return how many.

        Raises only what is the calling thread's own; then none of them is to be decided any more.
        """
        ...


class Writer:
    """Takes turns, and makes batches of those who wait. Thread-safe."""

    def __init__(self, runs: Runs, limits: Limits) -> None:
        self._runs = runs
        self._limits = limits
        self._baton: dict[int, object] = {}  # under 0 whose it is; empty where it is nobody's
        self._queue: deque[Member] = deque()
        self._mutex = threading.Lock()  # over the queue's first member: who takes it, leads it or takes it out
        self._room = threading.Condition(self._mutex)
        self._running = 0  # members of the batch that is being written
        self._woken = SimpleQueue[None]()  # of the thread: it holds the baton; one step of C puts it in
        self._thread: threading.Thread | None = None
        self._untold: deque[Member] = deque()  # whose callbacks are to be run, by the thread alone
        self._is_calling = False
        self._steps = 0  # one up where somebody is to lead, and where he ends: odd while the baton is in his hands
        self._is_closed = False
        self._owner = PROCESS.pid
        self.has_ended = False  # the thread

    # -- senders who wait on their own threads -------------------------------------------------------------------------

    def send(self, work: Work[T]) -> T:
        """Run one member and return its result. Durable on return. Raises what it raises, Busy."""
        try:
            if not self._queue and self._baton.setdefault(0, work) is work:
                try:
                    self._steps |= 1
                    return self._runs.alone(work)
                finally:
                    self._pass_on(work)
        except Exception:
            raise
        except BaseException:
            self._pass_on(work)  # an interrupt can come while it is taken and passed on too
            raise
        if self._thread is threading.current_thread():
            return self._send_here(work)
        turn = Turn(work)
        try:
            self._put(turn)
            self._wait(turn)
            if turn.leads:
                self._lead(turn)
            else:
                self._wake_next(turn)
        except Busy:  # it has left
            raise
        except BaseException:
            if not self._leave(turn, for_good=True):  # nobody wakes this one any longer, so it wakes the next at once
                self._wake_next(turn)
            raise
        return cast("T", turn.outcome())

    def _wait(self, turn: Turn) -> None:
        """Wait until a turn leads or was told. Raises Busy."""
        steps = self._steps
        batch: int | None = None  # the step in which it was seen in one: what comes of that is told
        while not turn.is_told and not turn.lock.acquire(timeout=TURN_SECONDS_MAX):
            has_ended = batch is not None and (batch % 2 == 0 or batch != self._steps) and not turn.is_late
            if self._leave(turn, for_good=has_ended):
                self._hand_on(steps)
                raise Busy(f"other threads used this engine for {TURN_SECONDS_MAX} s; nothing happened, try again")
            if has_ended:  # the batch, and who led it was interrupted behind it
                return
            turn.is_late, batch = False, self._steps

    def _hand_on(self, steps: int) -> None:
        """Pass on a baton that is in nobody's hands: nobody has led since the count was `steps`."""
        own = object()
        with self._mutex:
            if steps != self._steps or steps % 2 or not self._baton:
                return
            self._baton[0] = own  # whoever had it finds that out, and who else would do the same that it was seen to
            self._steps += 2
        self._pass_on(own)

    def _send_here(self, work: Work[T]) -> T:
        """Lead until this member has been told: nobody else leads those that are queued before it."""
        member = _Here(work)
        self._put(member)
        while not member.is_told:
            self._woken.get()
            self._lead(None)
        return cast("T", member.outcome())

    # -- calls that do not wait ----------------------------------------------------------------------------------------

    def queue(self, member: Member, *, waits: bool = False) -> None:
        """Queue a member; what came of it is told on the writer's thread. Nobody is woken before `begin`.

        Where too many wait it raises Busy, or `waits` for room; the callback of a future never does, because only its
        thread makes room. Raises Closed.
        """
        with self._mutex:
            if self._thread is not None and not self._is_closed and self._has_room():
                self._queue.append(member)  # while the engine cannot be closed: behind its end nobody would lead it
                return
        self.begin()  # those who were queued without it make no room before they are led
        with self._mutex:
            self._make_room(waits=waits)
            self._queue.append(member)

    def _make_room(self, *, waits: bool) -> None:
        """Begin the writer's thread, and wait for room or refuse. Called under the mutex."""
        if waits and self._thread is not threading.current_thread():
            self._room.wait_for(lambda: self._has_room() or self._is_closed)
        if self._is_closed:
            raise Closed("this engine is closed; open another one")
        if not self._has_room():
            most = self._limits.calls_max
            raise Busy(f"{most} calls wait for this engine; nothing happened, wait for some of them")
        if self._thread is None:
            thread = threading.Thread(target=self._serve, name="perdure", daemon=True)
            thread.start()
            self._thread = thread  # only one that runs: else nobody would lead
            atexit.register(self.close)  # what is queued is not lost where nobody closes the engine

    def _has_room(self) -> bool:
        return len(self._queue) + self._running < self._limits.calls_max

    def forget(self, member: Member) -> None:
        """Take a member out of the queue, where it still stands there."""
        if PROCESS.pid != self._owner:
            return
        with suppress(ValueError), self._mutex:
            self._queue.remove(member)
            self._room.notify()

    def _serve(self) -> None:
        """Lead whenever a call that does not wait is first; what the writer's thread runs."""
        with self._mutex:
            if self._thread is None and not self._is_closed:  # who began it was interrupted before he could say so
                self._thread = threading.current_thread()
        if self._thread is not threading.current_thread():
            return
        while not self.has_ended and PROCESS.pid == self._owner:  # else a callback forked, and the child ends
            self._woken.get()
            with suppress(BaseException):  # it was told to its member; this thread is everybody's
                self._lead(None)

    def close(self) -> None:
        """Take no more calls, and wait until those that are queued have run.

        From the callback of a future, which runs on the writer's own thread, it does not wait: what is queued is then
        refused by the store, which is closed. In a forked child it does nothing.
        """
        if PROCESS.pid != self._owner:
            return
        end = _End(self)
        with self._mutex:
            if not self._is_closed:
                self._is_closed = True
                if self._thread is not None:
                    self._queue.append(end)
            self._room.notify_all()
        thread = self._thread
        if thread is None:
            return
        atexit.unregister(self.close)
        self.begin()
        if thread is not threading.current_thread():
            thread.join()

    # -- the baton -----------------------------------------------------------------------------------------------------

    def _put(self, member: Member) -> None:
        self._queue.append(member)
        self.begin()

    def begin(self) -> None:
        """Let the first of the queue lead, where nobody has the baton. Any thread may say so, at any time."""
        own = object()
        try:
            self._pass_on(own)  # its holder may have left before this one was in the queue
        except BaseException:
            self._pass_on(own)
            raise

    def _pass_on(self, own: object) -> None:
        """Hand the baton, where it is `own`'s or nobody's, to who is first in the queue; lay it down where nobody is.

        Where it was interrupted it can be called again, and does what is left to be done.
        """
        while self._baton.setdefault(0, own) is own:
            self._steps = (self._steps | 1) + 1
            if self._queue:
                if PROCESS.pid != self._owner:
                    return
                with self._mutex:
                    if self._queue:
                        self._hand_to(self._queue[0])
                        return
            del self._baton[0]
            if not self._queue:
                return

    def _hand_to(self, first: Member) -> None:
        """Let a member lead. Called under the mutex."""
        self._steps |= 1
        if isinstance(first, Turn):
            first.leads = True
            self._baton[0] = first
            first.lock.release()
        else:
            self._baton[0] = self  # its thread's
            self._woken.put(None)

    def _leave(self, turn: Turn, *, for_good: bool) -> bool:
        """Take a turn out of the queue, and pass the baton on if it has it. Returns False where a batch has it.

        Where it is left there `for_good`, nobody waits for it any longer: it is not queued again if it comes too late.
        """
        if PROCESS.pid != self._owner:
            return True
        with self._mutex:
            if turn not in self._queue:
                turn.is_left |= for_good
                return False
            self._queue.remove(turn)
        self._pass_on(turn)
        return True

    def _lead(self, own: Turn | None) -> None:
        """Run one batch, pass the baton on, and tell what came of it."""
        members: list[Member] = []
        late: list[Member] = []  # whom the time of the batch did not suffice for
        try:
            self._steps |= 1
            self._take(own, members)
            if members:
                count = self._runs.together(members)
                late, members = members[count:], members[:count]
        except BaseException as error:
            if members and self._queue and members[-1] is self._queue[0]:
                members.pop()  # interrupted as it was taken: it still waits
            doubt = interrupted()
            for member in members:
                if not member.is_decided:  # an interrupt is this thread's, and nobody else's
                    member.error = error if isinstance(error, Exception) else doubt
            raise
        finally:
            self._steps = (self._steps | 1) + 1
            if PROCESS.pid == self._owner:
                try:
                    self._end_batch(members, own, late)
                except BaseException:
                    if own is not None and self._baton.get(0) is own:  # an interrupt, and nobody was woken yet
                        self._end_batch(members, own, late)
                    raise
                tell_all([member for member in members if not (isinstance(member, Turn) or member.calls_back)])
                self._call_back([member for member in members if member.calls_back])

    def _end_batch(self, members: list[Member], own: Turn | None, late: list[Member]) -> None:
        """Make room, and tell senders what came of their turns, each by the one before him; the last has the baton.

        Those whom the batch did not come to are first in the queue again, in their order.
        """
        holder = self if own is None else own
        with self._mutex:
            self._put_back(late, own)
            self._running = 0
            self._room.notify_all()
            turns = _waiting(members, own)
            for turn, following in pairwise(turns):
                turn.following = following
            for turn in turns:
                turn.is_told = True
            if turns:
                if self._baton.get(0) is holder:
                    self._baton[0] = turns[-1]  # before it is told, which it may find out by itself
                turns[0].lock.release()
                return
        self._pass_on(holder)

    def _put_back(self, late: list[Member], own: Turn | None) -> None:
        waiting = [member for member in late if not (isinstance(member, Turn) and member.is_left)]
        if not waiting or waiting[0] in self._queue:  # this was interrupted behind it
            return
        for member in waiting:
            member.is_late = True
        if own is None and self.has_ended:  # the end was taken with them; behind it senders lead, and it stays taken
            self.has_ended = False
            self._queue.appendleft(_End(self))
        self._queue.extendleft(reversed(waiting))

    def _wake_next(self, turn: Turn) -> None:
        following, turn.following = turn.following, None
        if following is not None:
            following.lock.release()
        self._pass_on(turn)

    def _call_back(self, members: list[Member]) -> None:
        """Tell members whose senders' code runs then, one after the other: a callback that sends leads, and waits.

        Were those that it leads told inside of it, callbacks would stand on each other without end.
        """
        self._untold.extend(members)
        if not members or self._is_calling:
            return
        self._is_calling = True
        try:
            while self._untold:
                try:
                    self._untold.popleft().tell()
                except BaseException:  # of a callback that exits: this thread is everybody's
                    logger.exception("the callback of a future raised")
        finally:
            self._is_calling = False

    def _take(self, own: Turn | None, members: list[Member]) -> None:
        """Take the first members of the queue, as many as one batch has; a sender takes only those who wait as he."""
        with self._mutex:
            self._take_first(own, members)
            self._running = len(members)

    # This and `_waiting` are functions of their own: from CPython 3.12 on a loop that ends with an `if`, and a filter,
    # can be interrupted outside of the `with` block that they are written in, and the mutex would stay locked.

    def _take_first(self, own: Turn | None, members: list[Member]) -> None:
        while self._queue and len(members) < self._limits.batch_max:
            member = self._queue[0]
            if own is not None and not isinstance(member, Turn):
                break
            members.append(member)  # before it leaves the queue: an interrupt in between would lose it
            self._queue.popleft()
            if not (member.is_late or member.begin()):
                members.pop()
                if isinstance(member, _End):
                    break  # who comes behind it could be late, and it with him, for as long as anybody sends


def _waiting(members: Sequence[Member], own: Turn | None) -> list[Turn]:
    return [one for one in members if isinstance(one, Turn) and one is not own and not one.is_left]
