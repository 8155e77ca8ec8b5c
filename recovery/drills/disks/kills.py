"""A real process that is killed: it says what it was told through a pipe, and dies by SIGKILL at a drawn moment.

Two ways to die. The parent kills it once it has heard a number of answers, wherever it stands then; or its own disk
kills it before a drawn call, so that a seed repeats. What stands in the pipe outlives it.

Children are forks of a server of the standard library's that has imported the work and never done it: a new process
costs milliseconds, and nothing that it remembered outlives it.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from recovery.drills.disks.passing import Call, Disk

__all__ = ["Death", "KillingDisk", "die", "prepare"]

R = TypeVar("R")

SILENCE_SECONDS_MAX = 60.0  # a child that says nothing for so long hangs; a slow disk syncs within one
CHANGES = frozenset({"write", "truncate", "sync", "delete"})

if TYPE_CHECKING:
    Wire = Connection[Any, Any]
    Work = Callable[["Saying", int | None], None]
Saying = Callable[[object], None]


@frozen
class Death:
    """What was heard of a child, and how it ended: a negative code is a signal."""

    heard: tuple[object, ...]
    code: int | None

    @property
    def is_killed(self) -> bool:
        """Whether it was killed; else it had nothing left to do."""
        return self.code == -signal.SIGKILL


class KillingDisk(Disk):
    """A pass-through disk that kills its process in place of its n-th call that changes a file."""

    def __init__(self, *, call: int | None) -> None:
        super().__init__()
        self._left = call

    def called(self, call: Call, go: Callable[[], R]) -> R:
        """Pass a call on, or die."""
        if self._left is not None and call.kind in CHANGES:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return go()


def prepare(*modules: str) -> None:
    """Let the server of the children import these before the first of them starts."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))


def die(work: "Work", *, answers: int | None = None, call: int | None = None) -> Death:
    """Let a child do a work until it is killed, and return what it had said.

    `work(say, call)` says each answer as soon as it has it, and opens its store on a `KillingDisk` with `call`; it must
    be a value that a new process can import, such as a `partial` of a function. With `answers` the parent kills it as
    soon as it has heard so many. Raises TimeoutError where a child says nothing.
    """
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_do, args=(work, theirs, call), daemon=True)
    child.start()
    theirs.close()
    heard: list[object] = []
    try:
        while ours.poll(SILENCE_SECONDS_MAX):
            heard.append(ours.recv())
            if len(heard) == answers:
                child.kill()
        raise TimeoutError(f"a child said nothing for {SILENCE_SECONDS_MAX} s")
    except EOFError:  # it is gone, and all that it said is heard
        child.join()
        return Death(tuple(heard), child.exitcode)
    finally:
        child.kill()
        child.join()
        ours.close()


def _do(work: "Work", wire: "Wire", call: int | None) -> None:
    work(wire.send, call)
