"""A disk that fails: the n-th call of a kind gets an I/O error, a full disk or a short read, once or from then on.

It counts calls by kind, so that a loop can strike each one: run once without a plan, then once for each call counted.
Nothing reaches the disk under it when a call fails, but for a short read, which is a read of half as much.
"""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar, cast

import apsw
from attrs import frozen

from recovery.drills.disks.passing import Call, Disk

__all__ = ["FAULTS", "FailingDisk", "Fault"]

R = TypeVar("R")

SHORT = -1  # no error of the disk's: SQLite makes one of what it gets
FAULTS: dict[tuple[str, str], int] = {
    ("open", "EIO"): apsw.SQLITE_CANTOPEN,
    ("open", "ENOSPC"): apsw.SQLITE_FULL,
    ("read", "EIO"): apsw.SQLITE_IOERR_READ,
    ("read", "short"): SHORT,
    ("write", "EIO"): apsw.SQLITE_IOERR_WRITE,
    ("write", "ENOSPC"): apsw.SQLITE_FULL,
    ("sync", "EIO"): apsw.SQLITE_IOERR_FSYNC,
    ("sync", "ENOSPC"): apsw.SQLITE_FULL,
    ("truncate", "EIO"): apsw.SQLITE_IOERR_TRUNCATE,
    ("delete", "EIO"): apsw.SQLITE_IOERR_DELETE,
}
"""Kind of call and what happens to it -> what SQLite's own VFS answers then."""


@frozen
class Fault:
    """One planned failure. `is_lasting`: every later call of that kind fails too, until the disk is mended."""

    kind: str
    how: str
    number: int  # from 1 on
    is_lasting: bool = False

    def __str__(self) -> str:
        """Return it as a story tells it."""
        return f"{self.how} on {self.kind} {self.number}{' and every later one' if self.is_lasting else ''}"


class FailingDisk(Disk):
    """A disk that fails as `fault` says. `calls` counts by kind, `struck` how often it failed."""

    def __init__(self, *, base: str = "", fault: Fault | None = None) -> None:
        super().__init__(base=base)
        self.fault = fault
        self.calls: Counter[str] = Counter()
        self.struck = 0

    def mend(self) -> None:
        """Fail no more."""
        self.fault = None

    def called(self, call: Call, go: Callable[[], R]) -> R:
        """Count a call; pass it on, or fail."""
        self.calls[call.kind] += 1
        fault = self.fault
        if fault is None or not self._is_due(fault, call):
            return go()
        self.struck += 1
        code = FAULTS[fault.kind, fault.how]
        if code != SHORT:
            raise apsw.exception_for(code)
        read = go()
        assert isinstance(read, bytes)
        return cast("R", read[: len(read) // 2])

    def _is_due(self, fault: Fault, call: Call) -> bool:
        count = self.calls[call.kind]
        return fault.kind == call.kind and (count == fault.number or (fault.is_lasting and count > fault.number))
