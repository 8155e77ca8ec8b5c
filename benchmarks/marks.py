"""Counting the syncs of a process with strace, between two marks that it sets. Needs the standard library alone.

A mark is the sync of a file with a name that says so: it stands among the calls that are counted, in their order.
"""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

__all__ = ["BEGIN", "END", "mark", "synced", "watched"]

BEGIN, END = "counting-begins", "counting-ends"
CALLS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"
CALL = re.compile(r"(?:^|\s)(\w+)\((?:\d+<([^>]*)>)?")
KINDS = ("-wal", "-journal", "-shm", ".anchor", ".db")


def mark(folder: Path, name: str) -> None:
    """Set a mark."""
    with (folder / name).open("w") as file:
        os.fsync(file.fileno())


def watched(command: list[str], told: Path) -> list[str] | None:
    """Return the command that runs another one and writes its syncs to a file; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    return [strace, "-f", "-qq", "-y", "-e", f"trace={CALLS}", "-o", str(told), *command]


def synced(told: Path) -> Counter[str]:
    """Count the syncs between the marks by the sort of file, as strace wrote them."""
    found = Counter[str]()
    is_counting = False
    for text in told.read_text(encoding="utf-8", errors="replace").splitlines():
        call = CALL.search(text)
        if call is None or "resumed>" in text:
            continue
        name = Path(call[2] or "?").name
        if name in {BEGIN, END}:
            is_counting = name == BEGIN
        elif is_counting:
            found[next((kind for kind in KINDS if name.endswith(kind)), "folder or other")] += 1
    return found
