"""Syncs and bytes of one transition."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.durable import child
from benchmarks.durable.lines import Line, line
from benchmarks.durable.sizes import Setting
from benchmarks.durable.work import Lamp, Tick, keys, scratch
from persistence import SQLiteStore
from recovery.drills.disks.counting import CountingDisk
from statemachine import Engine

__all__ = ["stored", "syncs"]

CALLS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"
CALL = re.compile(r"(?:^|\s)(\w+)\((?:\d+<([^>]*)>)?")


def syncs(setting: Setting) -> Iterator[Line]:
    """Count every sync of a process, whichever file it is of: log, file, anchor, folder."""
    for in_flight in (0, 16, 256):
        name = f"syncs, {in_flight} in flight" if in_flight else "syncs, serial"
        setting.say(name)
        with scratch(setting.folder) as place:
            found, sent, by = _counted(place, in_flight, setting.size.syncs)
        note = f"{dict(found)} in {sent} transitions, counted by {by}"
        yield line(name, [sum(found.values()) / sent], "a transition", note=note)


def _counted(folder: Path, in_flight: int, count: int) -> tuple[Counter[str], int, str]:
    """Return the syncs by file, the transitions, and who counted."""
    strace, told = shutil.which("strace"), folder / "strace"
    if strace is not None:
        watched = [strace, "-f", "-qq", "-y", "-e", f"trace={CALLS}", "-o", str(told)]
        command = [*watched, *child.command("send", folder / "lamps.db", in_flight, count)]
        done = subprocess.run(command, cwd=child.ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:  # else it may not trace here
            return Counter(_files(told)), int(done.stdout), "strace"
    with CountingDisk() as disk, Engine(SQLiteStore(folder / "counted.db", vfs=disk.name), Lamp) as engine:
        found = Counter[str]()

        def mark(name: str) -> None:
            if name == child.END:
                found.update(disk.syncs)
            disk.reset()

        sent = child.send_marked(engine, in_flight, count, mark=mark)
        return found, sent, "the disk of SQLite's calls: the anchor and its folder are not among them"


def _files(told: Path) -> Iterator[str]:
    """Yield what was synced between the marks."""
    is_counting = False
    for text in told.read_text(encoding="utf-8").splitlines():
        found = CALL.search(text)
        if found is None or "resumed>" in text:
            continue
        name = Path(found[2] or "?").name
        if name in {child.BEGIN, child.END}:
            is_counting = name == child.BEGIN
        elif is_counting:
            yield _kind(name)


def _kind(name: str) -> str:
    """Return what sort of file of a store a name is."""
    return next((kind for kind in ("-wal", "-shm", "anchor", ".db") if name.endswith(kind)), "folder or other")


def stored(setting: Setting) -> Iterator[Line]:
    """Grow a file by so many serial transitions of one instance; measured closed, with its log folded back."""
    count = setting.size.stored
    for name, named in (("without a key", None), ("with a key of 36 characters", keys(2 * count))):
        setting.say(f"bytes, {name}")
        with scratch(setting.memory or setting.folder) as place:
            before, after = (_grow(place / "lamps.db", count, start, named) for start in (0, count))
        yield line(f"bytes, {name}", [(after - before) / count], "bytes", note=f"over {count} serial transitions")


def _grow(path: Path, count: int, start: int, named: list[str] | None) -> int:
    with Engine(path, Lamp) as engine:
        lamp = engine.start(Lamp, id="lamp")
        for number in range(start, start + count):
            lamp.send(Tick(number % 1000), key=None if named is None else named[number])
    return sum(file.stat().st_size for file in path.parent.iterdir())
