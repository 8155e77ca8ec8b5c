"""Files with many instances and many rows: how fast they are written to and reopened, and what is kept."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.durable import child
from benchmarks.durable.grouped import flood
from benchmarks.durable.grown import build
from benchmarks.durable.lines import Line, line, skipped
from benchmarks.durable.sizes import Setting
from benchmarks.durable.work import SEED, Lamp, Tick, scratch
from statemachine import Engine

__all__ = ["instances", "memory", "reopening", "rows"]


def instances(setting: Setting) -> Iterator[Line]:
    """Send to instances drawn evenly from few and from many, in turn."""
    size = setting.size
    with scratch(setting.folder) as place:
        sizes = (size.few_instances, size.many_instances)
        few, many = (_sample(setting, place / f"{count}.db", count, 1) for count in sizes)
        note = f"{sizes[1]} instances against {sizes[0]}; {size.spread} transitions"
        yield _compared(setting, "many instances, serial", few, many, _serial, note=note)
        yield _compared(setting, "many instances, 256 in flight", few, many, _in_flight, note=note)


def rows(setting: Setting) -> Iterator[Line]:
    """Send to the instances of a short journal and of a long one, in turn."""
    size = setting.size
    with scratch(setting.folder) as place:
        count = min(size.few_instances, size.few_rows)
        sizes = (size.few_rows, size.many_rows)
        few, many = (_sample(setting, place / f"{rows}.db", count, rows // count) for rows in sizes)
        note = f"{sizes[1]} rows against {sizes[0]}, {count} instances; {size.spread} transitions"
        yield _compared(setting, "many rows, serial", few, many, _serial, note=note)


Sample = tuple[Path, list[str]]


def _sample(setting: Setting, path: Path, count: int, versions: int) -> Sample:
    """Make a store, and draw the ids that are sent to."""
    names = build(path, instances=count, versions=versions, say=setting.say)
    return path, Random(SEED).choices(names, k=setting.size.spread)


def _compared(
    setting: Setting, name: str, few: Sample, many: Sample, send: Callable[[list[Any]], float], *, note: str
) -> Line:
    """Return the speed of the second as a part of the first's: A B A."""
    ratios: list[float] = []
    for number in range(setting.size.rounds):
        setting.say(f"{name}: round {number + 1} of {setting.size.rounds}")
        before, large, after = (_timed(sample, send) for sample in (few, many, few))
        ratios.append((before + after) / 2 / large)
    return line(name, ratios, "of few", note=note)


def _timed(sample: Sample, send: Callable[[list[Any]], float]) -> float:
    path, names = sample
    with Engine(path, Lamp) as engine:
        return send([engine.get(Lamp, name) for name in names])


def _serial(lamps: list[Any]) -> float:
    start = time.perf_counter()
    for number, lamp in enumerate(lamps):
        lamp.send(Tick(number % 1000))
    return time.perf_counter() - start


def _in_flight(lamps: list[Any]) -> float:
    start = time.perf_counter()
    asyncio.run(flood(lamps, len(lamps), in_flight=min(256, len(lamps))))
    return time.perf_counter() - start


def reopening(setting: Setting) -> Iterator[Line]:
    """Kill a process that was writing, and open the file in another one, once that has imported everything."""
    size = setting.size
    found: list[dict[str, float]] = []
    swept: list[float] = []
    with scratch(setting.folder) as place:
        path = place / "lamps.db"
        build(path, instances=size.live, say=setting.say)
        for number in range(size.reopens):
            setting.say(f"reopen: {number + 1} of {size.reopens}")
            child.run("die", path, size.loads)
            found.append(child.run("reopen", path))
            child.run("die", path, size.loads)
            swept.append(child.run("recover", path))
    parts = ", ".join(
        f"{part} {median(times[part] for times in found):.2f}" for part in ("open", "load", "send", "raw")
    )
    note = f"{size.live} instances; engine open and first head loaded; ms: {parts} (apsw alone)"
    yield line("reopen after a kill", [times["open"] + times["load"] for times in found], "ms", note=note)
    note = "which also judges the instances that were written last"
    yield line("reopen after a kill, recovery.open", swept, "ms", note=note)


def memory(setting: Setting) -> Iterator[Line]:
    """Resident memory of a process that sends to all instances of a file in turn."""
    size = setting.size
    if not Path("/proc/self/status").exists():
        yield skipped("memory", "this system does not tell a process's resident memory")
        return
    with scratch(setting.memory or setting.folder) as place:
        path = place / "lamps.db"
        build(path, instances=size.live, say=setting.say)
        setting.say(f"memory: {size.growth} transitions")
        found: dict[str, float] = child.run("memory", path, size.live, size.growth)
    note = f"{size.live} instances on disk, engine open; of it {found['imported']:.1f} MB Python and imports"
    yield line("memory", [found["opened"]], "MB", note=note)
    note = f"after {size.growth // 2} transitions, all instances in turn, with what is remembered of them"
    yield line("memory, at work", [found["half"]], "MB", note=note)
    grown, note = found["whole"] - found["half"], f"over {size.growth // 2} transitions more"
    yield line("memory, growth", [grown], "MB", note=note)
