"""A disk that counts: every sync and write passes through to the real one, and is counted by the kind of its file.

A killed process says nothing about syncs: the kernel keeps what was written. So that a commit survives a power loss is
shown by counting.
"""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from recovery.drills.disks.passing import Call, Disk

__all__ = ["CountingDisk"]

R = TypeVar("R")


class CountingDisk(Disk):
    """A pass-through disk that counts.

    `syncs` and `writes` count calls by kind of file: "db", "wal", "journal", "other"; `bytes` counts what was written.
    Deleting a file with a sync of its folder counts as a sync of "other".
    """

    def __init__(self, *, base: str = "") -> None:
        super().__init__(base=base)
        self.syncs: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def called(self, call: Call, go: Callable[[], R]) -> R:
        """Count a call, and pass it on."""
        if call.kind == "sync" or call.syncs_folder:
            self.syncs[call.file] += 1
        elif call.kind == "write":
            self.writes[call.file] += 1
            self.bytes[call.file] += len(call.data)
        return go()

    def reset(self) -> None:
        """Begin to count from zero."""
        self.syncs.clear()
        self.writes.clear()
        self.bytes.clear()
