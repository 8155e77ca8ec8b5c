"""What is measured: a workflow of two small fields, one of ten fields with a list, and where their files are."""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

from attrs import define, field, frozen

from statemachine import State, Workflow, invariant, on

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # the name of the file system, not of a file
SEED = 7
SYNCS = 300


@frozen
class Tick:
    level: int


@define
class LampData:
    level: int = 0
    by: str = "nobody"


class Lamp(Workflow[LampData], revision=1):
    """One state is left and one entered: a guard every other time, one action, one invariant, two small fields."""

    low, high = State(initial=True), State()

    def may(self, event: Tick) -> bool:
        return event.level >= 0

    @on(Tick, low, to=high, when=may)
    def up(self, event: Tick) -> None:
        self.data.level = event.level

    @on(Tick, high, to=low)
    def down(self, event: Tick) -> None:
        self.data.level = event.level

    @invariant
    def is_positive(self) -> bool:
        return self.data.level >= 0


@define
class Line:
    sku: str = "lamp-1800"
    count: int = 1
    cents: int = 1250
    is_packed: bool = False
    note: str | None = None


@define
class OrderData:
    sku: str = "lamp-1800"
    level: int = 0
    share: float = 0.25
    is_paid: bool = False
    approver: str | None = "ann"
    charge: str | None = None
    attempts: int = 0
    city: str = "Lyon"
    street: str = "rue de la Gare 7"
    lines: list[Line] = field(factory=lambda: [Line() for _ in range(5)])


class Order(Workflow[OrderData], revision=1):
    """The same with ten fields, one of them a list of five objects; two fields change, one of them inside the list."""

    low, high = State(initial=True), State()

    def may(self, event: Tick) -> bool:
        return event.level >= 0

    @on(Tick, low, to=high, when=may)
    def up(self, event: Tick) -> None:
        self._change(event)

    @on(Tick, high, to=low)
    def down(self, event: Tick) -> None:
        self._change(event)

    def _change(self, event: Tick) -> None:
        self.data.level = event.level
        self.data.lines[event.level % 5].count += 1

    @invariant
    def is_positive(self) -> bool:
        return self.data.level >= 0


def keys(count: int) -> list[str]:
    """Return keys of 36 characters, in no order: each takes a place of its own in an index."""
    random = Random(SEED)
    return [str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(count)]


@contextmanager
def scratch(folder: Path) -> Generator[Path]:
    """Make a folder in a folder, and remove it at the end."""
    made = tempfile.mkdtemp(prefix="perdure-bench-", dir=folder)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def file_system(folder: Path) -> str:
    """Return the kind of a folder's file system, as the system calls it; "unknown" where it does not tell."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        _, place, found, *_ = line.split()
        if os.path.commonpath([place, folder.resolve()]) == place and len(place) >= len(best):
            best, kind = place, found
    return kind


def sync_time(folder: Path) -> float:
    """Return the median time of one fdatasync after 4 KiB of a file were written over."""
    sync = getattr(os, "fdatasync", os.fsync)
    found: list[float] = []
    with scratch(folder) as place, (place / "sync").open("wb+", buffering=0) as file:
        file.write(bytes(4096 * SYNCS))
        os.fsync(file.fileno())
        for number in range(SYNCS):
            file.seek(4096 * number)
            file.write(b"x" * 4096)
            start = time.perf_counter()
            sync(file.fileno())
            found.append(time.perf_counter() - start)
    return median(found)
