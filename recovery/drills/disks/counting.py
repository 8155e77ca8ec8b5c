"""A disk that counts: every sync and write passes through to the real one, and is counted by the kind of its file.

A killed process says nothing about syncs: the kernel keeps what was written. So that a commit survives a power loss is
shown by counting. Shared memory is passed through by apsw itself, so several connections work as on the real disk.

Each disk is registered under its own name and counts for its own object only. A file that is still open when the disk
is unregistered goes on working, and counting here.
"""

import uuid
from collections import Counter
from types import TracebackType
from typing import Self

import apsw

__all__ = ["CountingDisk"]

KINDS = {
    apsw.SQLITE_OPEN_MAIN_DB: "db",
    apsw.SQLITE_OPEN_WAL: "wal",
    apsw.SQLITE_OPEN_MAIN_JOURNAL: "journal",
}
"""What SQLite says of a file when it opens it -> our name for it; whatever else it opens is "other"."""

KIND_BITS = 0x000FFF00  # of the flags of xOpen: exactly one of the SQLITE_OPEN_MAIN_DB … SQLITE_OPEN_WAL


class CountingDisk:
    """A pass-through SQLite VFS that counts. Use it as a context manager, and open stores with `vfs=disk.name`.

    `syncs` and `writes` count calls by kind of file: "db", "wal", "journal", "other". Deleting a file with a sync of
    its folder counts as a sync of "other". `base` names the VFS under it; the system's own by default.
    """

    def __init__(self, *, base: str = "") -> None:
        self.name = f"perdure-counting-{uuid.uuid4().hex}"
        self.syncs: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self._base = base
        self._vfs: _Vfs | None = None

    def __enter__(self) -> Self:
        """Register the disk with SQLite."""
        self._vfs = _Vfs(self, base=self._base)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take its name from SQLite; close every store on it before."""
        assert self._vfs is not None
        self._vfs.unregister()

    def reset(self) -> None:
        """Begin to count from zero."""
        self.syncs.clear()
        self.writes.clear()


class _Vfs(apsw.VFS):
    """The VFS of one disk."""

    def __init__(self, disk: CountingDisk, *, base: str) -> None:
        super().__init__(disk.name, base=base)
        self._disk = disk
        self._base = base

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  # apsw's name
        return _File(self._disk, name, flags, base=self._base)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802  # apsw's signature
        self._disk.syncs["other"] += bool(syncdir)
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    """One open file of one disk."""

    def __init__(self, disk: CountingDisk, name: str | apsw.URIFilename | None, flags: list[int], *, base: str) -> None:
        super().__init__(base, name, flags)
        self._disk = disk
        self._kind = KINDS.get(flags[0] & KIND_BITS, "other")

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        self._disk.syncs[self._kind] += 1
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        self._disk.writes[self._kind] += 1
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType]  # apsw's own Buffer type
