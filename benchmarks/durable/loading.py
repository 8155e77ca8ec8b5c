"""How long it takes to load: heads that an engine has not seen, versions far below a head, and named checkpoints."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

from attrs import define

from benchmarks.durable.grouped import flood
from benchmarks.durable.grown import build
from benchmarks.durable.lines import Line, line
from benchmarks.durable.sizes import Setting
from benchmarks.durable.work import SEED, Lamp, LampData, Tick, scratch
from statemachine import Engine, State, Workflow, on

__all__ = ["loading"]

NEAR = 1_000  # versions: what is loaded lies so far from a head, or from a checkpoint, at most
LABEL = "audited"


@define
class BookData:
    number: int
    lines: list[str]


class Book(Workflow[BookData], revision=1):
    """Larger than what a head holds, so that its image is folded from the journal; one line of many is changed."""

    reading = State(initial=True)

    @on(Tick, reading, to=None)
    def turn(self, event: Tick) -> None:
        self.data.number = event.level
        self.data.lines[event.level * 7 % len(self.data.lines)] = f"line {event.level:059}"


def book(size: int) -> BookData:
    """Return data of so many bytes, in lines of 64."""
    return BookData(0, [f"line {number:059}" for number in range(size // 67)])


def loading(setting: Setting) -> Iterator[Line]:
    """Two small fields, 4 KiB and 1 MiB."""
    size = setting.size
    with scratch(setting.folder) as place:
        names = build(place / "lamps.db", instances=size.live, say=setting.say)
        drawn = Random(SEED).sample(names, k=size.loads)
        with Engine(place / "lamps.db", Lamp) as engine:
            times = [_milliseconds(partial(engine.get, Lamp, name)) for name in drawn]
    yield _line("load a head", times, f"{size.loads} of {size.live} instances, each once")
    yield from _old(setting, "", Lamp, LampData())
    yield from _old(setting, ", 4 KiB", Book, book(4 << 10))
    yield _large(setting)


def _old(setting: Setting, suffix: str, workflow: type[Workflow[Any]], data: object) -> Iterator[Line]:
    """Load from a few instances that are old, each named at a quarter of its age."""
    size, random = setting.size, Random(SEED)
    named, near = size.aged // 4, min(NEAR, size.aged // 8)
    with scratch(setting.folder) as place:
        path = place / "old.db"
        names = _aged(path, workflow, data, setting=setting, named=named)
        with Engine(path, workflow) as engine:
            if suffix:
                times = [_milliseconds(partial(engine.get, workflow, name)) for name in names]
                yield _line(f"load a head{suffix}", times, f"{len(names)} instances, each once")

            def load(place: int | str) -> float:
                return _milliseconds(partial(engine.get(workflow, random.choice(names)).at, place))

            for what, first, last in (
                ("the head", size.aged - near, size.aged),
                ("a checkpoint", named - near, named + near),
            ):
                times = [load(random.randint(first, last)) for _ in range(size.loads)]
                yield _line(f"load near {what}{suffix}", times, f"versions {first} to {last} of {size.aged}")
            times = [load(LABEL) for _ in range(size.loads)]
            yield _line(f"load a named checkpoint{suffix}", times, f"of version {named} of {size.aged}")


def _large(setting: Setting) -> Line:
    """Load versions of one large state: most of them are a whole image and patches."""
    size, random = setting.size, Random(SEED)
    with scratch(setting.folder) as place:
        names = _aged(place / "old.db", Book, book(size.large), setting=setting, named=0)
        with Engine(place / "old.db", Book) as engine:
            one = engine.get(Book, names[0])
            drawn = [random.randint(1, one.version) for _ in range(size.loads // 10)]
            times = [_milliseconds(partial(one.at, version)) for version in drawn]
    return _line("load an older version, 1 MiB", times, f"{size.large} bytes, a line of 64 changed by each")


def _aged(path: Path, workflow: type[Workflow[Any]], data: object, *, setting: Setting, named: int) -> list[str]:
    """Let instances take turns until they are old, and return their ids: each row has another page than the one before.

    Versions at which nothing is named are those of a large state: one instance, of so many as a fold may take.
    """
    size = setting.size
    versions, count = (size.aged, size.old) if named else (size.patched, 1)
    with Engine(path, workflow) as engine:
        instances: list[Any] = [engine.start(workflow, data) for _ in range(count)]
        setting.say(f"{path.name}: {count} instances of {versions} versions")
        if named:
            _send(instances, named - 1)
            for instance in instances:
                instance.checkpoint(LABEL)
        _send(instances, versions - max(named, 1))
        return [instance.id for instance in instances]


def _send(instances: Sequence[Any], each: int) -> None:
    asyncio.run(flood(instances, each * len(instances), in_flight=len(instances)))


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _line(name: str, times: Sequence[float], note: str) -> Line:
    return line(name, times, "ms", note=f"{note}; p99 {quantiles(times, n=100, method='inclusive')[98]:.3f} ms")
