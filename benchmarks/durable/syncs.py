"""Syncs and bytes of one transition."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.durable import child
from benchmarks.durable.lines import Line, line
from benchmarks.durable.sizes import Setting
from benchmarks.durable.work import Lamp, Tick, keys, scratch
from benchmarks.marks import END, synced, watched
from persistence import SQLiteStore
from recovery.drills.disks.counting import CountingDisk
from statemachine import Engine

__all__ = ["stored", "syncs"]


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
    told = folder / "strace"
    command = watched(child.command("send", folder / "lamps.db", in_flight, count), told)
    if command is not None:
        done = subprocess.run(command, cwd=child.ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:  # else it may not trace here
            return synced(told), int(done.stdout), "strace"
    with CountingDisk() as disk, Engine(SQLiteStore(folder / "counted.db", vfs=disk.name), Lamp) as engine:
        found = Counter[str]()

        def tell(name: str) -> None:
            if name == END:
                found.update(disk.syncs)
            disk.reset()

        sent = child.send_marked(engine, in_flight, count, tell=tell)
        return found, sent, "the disk of SQLite's calls: the anchor and its folder are not among them"


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
