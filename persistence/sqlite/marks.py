"""Open marks: who has the store open, and whether an owner that did not close it is gone.

A mark names a process by host, boot, process id and start time, so that a process id that was given out again is not
taken for its earlier owner. Where a part cannot be known (another host, no /proc) the owner counts as still there: a
sweep that is left out costs nothing, because every instance is checked at its first load anyway.
"""

import os
import socket
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from attrs import frozen

__all__ = ["Mark", "is_gone", "this_process"]

START_FIELD = 19  # field 22, counted from the one after the name
ZOMBIE = "zombie"  # in place of its start: it has ended, and its parent has not looked yet


@frozen
class Mark:
    """One open engine."""

    id: str
    host: str
    boot: str
    pid: int
    started: str
    slot: int  # of the anchor


def this_process(mark_id: str, *, others: Iterable[Mark]) -> Mark:
    """Return the mark of the calling process, with the lowest slot that no living owner of `others` has."""
    taken = {mark.slot for mark in others if not is_gone(mark)}
    slot = next(number for number in count() if number not in taken)
    pid = os.getpid()
    return Mark(mark_id, socket.gethostname(), _boot(), pid, _started(pid), slot)


def is_gone(mark: Mark) -> bool:
    """Say whether the owner of a mark certainly does not run any more."""
    if mark.host != socket.gethostname():
        return False
    if not _is_alive(mark.pid) or _differ(mark.boot, _boot()):
        return True
    started = _started(mark.pid)
    return started == ZOMBIE or _differ(mark.started, started)


def _differ(then: str, now: str) -> bool:
    """Say whether two values differ that are both known."""
    return bool(then and now) and then != now


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _started(pid: int) -> str:
    """Return the start time of a process in clock ticks since boot: field 22 of proc(5)'s stat."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(fields) <= START_FIELD:
        return ""
    return ZOMBIE if fields[0] == "Z" else fields[START_FIELD]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
