"""A disk that remembers: every call that changes a file passes through to the real disk, and stands in a log in order.

What a disk may hold after a power loss is made of that log, in `states`. The disk is bound to one path: it records the
database, its -wal, its -journal and its anchor, and nothing of any other file that is opened through it.

SQLite says nothing of folders when it makes a file. Its unix VFS syncs the folder with the first sync of a log or a
rollback journal that it made (os_unix.c: UNIXFILE_DIRSYNC), and after a delete where it is asked to: both are in the
log as a sync of the folder. SQLite renames nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from attrs import frozen

from recovery.drills.disks.passing import Call, Disk

__all__ = ["SUFFIXES", "Op", "RecordingDisk"]

R = TypeVar("R")

SUFFIXES = ("", "-wal", "-journal", "-anchor")  # -shm is shared memory: nothing of it is meant to survive


@frozen
class Op:
    """One thing that happened to a disk, or `told`: how much a caller knew by then."""

    kind: str  # create, delete, write, truncate, sync, folder or told
    name: str = ""  # of the file, without its folder
    file: int = 0  # which file: one that was deleted and made again under its name is another
    offset: int = 0  # for truncate the size
    data: bytes = b""
    told: int = 0  # from how many groups there are answers

    def __str__(self) -> str:
        """Return it as a story tells it."""
        match self.kind:
            case "write":
                return f"write of {len(self.data)} bytes to {self.name} at {self.offset}"
            case "truncate":
                return f"truncate of {self.name} to {self.offset} bytes"
            case "folder":
                return "sync of the folder"
            case "told":
                return f"acknowledgement {self.told}"
            case _:
                return f"{self.kind} of {self.name}"


class RecordingDisk(Disk):
    """A pass-through disk that logs what happens to one database.

    `before` holds the files that stood there when the disk was entered, which count as durable; `log` what happened.
    """

    def __init__(self, path: Path, *, base: str = "") -> None:
        super().__init__(base=base)
        self.path = str(path.resolve())
        self.before: dict[str, bytes] = {}
        self.log: list[Op] = []
        self._told = 0
        self._names = {self.path + suffix: Path(self.path).name + suffix for suffix in SUFFIXES}
        self._files: dict[str, int] = {}  # path -> which file has that name
        self._opened: dict[int, int] = {}  # handle -> which file it is
        self._unlinked: set[int] = set()  # files whose first sync syncs the folder as well

    def __enter__(self) -> Self:
        """Keep what stands there, and register the disk."""
        for path, name in self._names.items():
            if Path(path).exists():
                self.before[name] = Path(path).read_bytes()
                self._files[path] = len(self._files) + 1
        return super().__enter__()

    @property
    def numbers(self) -> dict[str, int]:
        """Which file had which name at first."""
        return {name: number for number, name in enumerate(self.before, start=1)}

    def tell(self, count: int) -> None:
        """Note that a caller has answers from the first `count` groups of his trial; told again it says nothing."""
        if count > self._told:
            self._told = count
            self.log.append(Op("told", told=count))

    def called(self, call: Call, go: Callable[[], R]) -> R:
        """Pass a call on, and log it if it succeeded."""
        answer = go()
        name = self._names.get(call.path)
        if name is not None and call.kind != "read":
            self._record(call, name)
        return answer

    def _record(self, call: Call, name: str) -> None:
        match call.kind:
            case "open":
                self._open(call, name)
            case "delete":
                self.log.append(Op("delete", name, self._files.pop(call.path, 0)))
                if call.syncs_folder:
                    self.log.append(Op("folder"))
            case _:
                file = self._opened[call.handle]
                self.log.append(Op(call.kind, name, file, offset=call.offset, data=call.data))
                if call.kind == "sync" and file in self._unlinked:
                    self._unlinked.remove(file)
                    self.log.append(Op("folder"))

    def _open(self, call: Call, name: str) -> None:
        known = self._files.get(call.path)
        if known is None:
            known = 1 + max((*self._files.values(), *self._opened.values(), len(self.before)), default=0)
            self._files[call.path] = known
            self.log.append(Op("create", name, known))
            if call.file != "db":
                self._unlinked.add(known)
        self._opened[call.handle] = known
