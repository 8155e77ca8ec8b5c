"""Where the database of a run lives, and what becomes of it: a folder that goes away, or a file that was asked for."""

import shutil
import tempfile
from pathlib import Path

__all__ = ["KEPT", "Place", "TakenError"]

KEPT = "perdure-demo.db"
BESIDE = ("", "-wal", "-shm", "-anchor")  # what SQLite and the store put beside a file


class TakenError(ValueError):
    """The file that was to be made is there already."""


def _is_taken(path: str) -> bool:
    """Whether somebody needs what is there. Whoever only read a file leaves an empty log and its index behind."""
    found = Path(path)
    return found.exists() and not (path.endswith("-shm") or (path.endswith("-wal") and found.stat().st_size == 0))


class Place:
    """One file for one run. Not settled it leaves nothing behind."""

    def __init__(self, kept: str | None) -> None:
        """Take the file to keep, or make a folder for one that is not. Raises TakenError."""
        self.kept = kept
        self.remark = ""
        self._stays = False
        if kept is None:
            self._folder: str | None = tempfile.mkdtemp(prefix="perdure-demo-")
            self.path = str(Path(self._folder) / "shop.db")
            return
        self._folder, self.path = None, kept
        for beside in BESIDE:
            if _is_taken(kept + beside):
                raise TakenError(f"{kept}{beside} is there already: remove it first, or run without --keep.")

    def settle(self, *, is_evidence: bool) -> None:
        """Decide what becomes of the file; `is_evidence` keeps it, because somebody must look into it."""
        self._stays = is_evidence or self.kept is not None
        if is_evidence:
            self.remark = "  (kept: look into it)"
        elif not self._stays:
            self.remark = "  (removed; --keep keeps it)"

    def leave(self) -> None:
        """Remove what does not stay."""
        if self._stays:
            return
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        for beside in BESIDE:
            Path(self.path + beside).unlink(missing_ok=True)
