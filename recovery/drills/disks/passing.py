"""A disk that passes everything through, and tells whoever derives from it of each call before it happens.

It stands over a real base, so shared memory and locks are the base's own and several connections work as they do there
(Python cannot write xShm*). Each disk is registered under its own name and speaks for its own object only: a file that
is still open when the disk is unregistered goes on working, and telling this disk.
"""

import uuid
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import apsw
from attrs import frozen

__all__ = ["Call", "Disk"]

R = TypeVar("R")

KINDS = {
    apsw.SQLITE_OPEN_MAIN_DB: "db",
    apsw.SQLITE_OPEN_WAL: "wal",
    apsw.SQLITE_OPEN_MAIN_JOURNAL: "journal",
}
"""What SQLite says of a file when it opens it -> our name for it; whatever else it opens is "other"."""

KIND_BITS = 0x000FFF00  # of the flags of xOpen: exactly one of the SQLITE_OPEN_MAIN_DB … SQLITE_OPEN_WAL


@frozen
class Call:
    """One call of SQLite to a disk."""

    kind: str  # open, read, write, truncate, sync or delete
    path: str  # empty for a file that has no name
    file: str  # db, wal, journal or other
    handle: int = 0  # tells one open file from another; 0 for delete
    offset: int = 0  # of read and write; for truncate the size
    data: bytes = b""  # what is written
    is_new: bool = False  # open: it makes the file
    syncs_folder: bool = False  # delete: the folder is synced after it


class Disk:
    """A pass-through SQLite VFS. Use it as a context manager, and open stores with `vfs=disk.name`.

    Close every store on it before its block ends. `base` names the VFS under it, which may be another disk's; the
    system's own by default.
    """

    def __init__(self, *, base: str = "") -> None:
        self.name = f"perdure-disk-{uuid.uuid4().hex}"
        self._base = base
        self._vfs: _Vfs | None = None

    def called(self, call: Call, go: Callable[[], R]) -> R:
        """Be told of a call; `go` passes it on. Derived disks count, record or fail here."""
        del call
        return go()

    def __enter__(self) -> Self:
        """Register the disk with SQLite."""
        self._vfs = _Vfs(self, base=self._base)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take its name from SQLite."""
        assert self._vfs is not None
        self._vfs.unregister()


class _Vfs(apsw.VFS):
    """The VFS of one disk."""

    def __init__(self, disk: Disk, *, base: str) -> None:
        super().__init__(disk.name, base=base)
        self._disk = disk
        self._base = base
        self._handles = count(1)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        is_new = bool(flags[0] & apsw.SQLITE_OPEN_CREATE) and not Path(path).exists()
        kind = KINDS.get(flags[0] & KIND_BITS, "other")
        call = Call("open", path, kind, handle=next(self._handles), is_new=is_new)
        return self._disk.called(call, lambda: _File(self._disk, name, flags, base=self._base, opened=call))

    def xDelete(self, filename: str, syncdir: bool) -> None:
        call = Call("delete", filename, "other", syncs_folder=bool(syncdir))
        self._disk.called(call, partial(super().xDelete, filename, syncdir))


class _File(apsw.VFSFile):
    """One open file of one disk."""

    def __init__(
        self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int], *, base: str, opened: Call
    ) -> None:
        super().__init__(base, name, flags)
        self._disk = disk
        self._opened = opened

    def _call(self, kind: str, *, offset: int = 0, data: bytes = b"") -> Call:
        opened = self._opened
        return Call(kind, opened.path, opened.file, handle=opened.handle, offset=offset, data=data)

    def xRead(self, amount: int, offset: int) -> bytes:
        return self._disk.called(self._call("read", offset=offset), partial(super().xRead, amount, offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        go: Callable[[], None] = partial(super().xWrite, data, offset)  # pyright: ignore[reportUnknownMemberType]  # apsw's own Buffer type
        self._disk.called(self._call("write", offset=offset, data=bytes(data)), go)

    def xTruncate(self, newsize: int) -> None:
        self._disk.called(self._call("truncate", offset=newsize), partial(super().xTruncate, newsize))

    def xSync(self, flags: int) -> None:
        self._disk.called(self._call("sync"), partial(super().xSync, flags))
