"""Many `asend`s in flight over 128 instances, beside the raw loop at 256 transitions a commit."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.durable.lines import Line, line
from benchmarks.durable.raw import GROUP, Raw
from benchmarks.durable.sizes import Setting
from benchmarks.durable.work import Lamp, Order, Tick, keys, scratch
from statemachine import Engine, Workflow

__all__ = ["flood", "grouped", "grouped_wide", "grouped_with_keys"]

INSTANCES = 128


def grouped(setting: Setting) -> Iterator[Line]:
    """Two small fields, without keys."""
    for in_flight in (128, 1024):
        yield from _measured(setting, f"{in_flight} in flight", Lamp, in_flight=in_flight)


def grouped_with_keys(setting: Setting) -> Iterator[Line]:
    """Each with a key of 36 characters."""
    named = keys(setting.size.grouped)
    yield from _measured(setting, "256 in flight, with keys", Lamp, in_flight=256, named=named)


def grouped_wide(setting: Setting) -> Iterator[Line]:
    """Ten fields, one of them a list of five objects."""
    yield from _measured(setting, "256 in flight, ten fields and a list", Order, in_flight=256)


def _measured(
    setting: Setting,
    name: str,
    workflow: type[Workflow[Any]],
    *,
    in_flight: int,
    named: Sequence[str] | None = None,
) -> Iterator[Line]:
    size = setting.size
    ratios: list[float] = []
    times: list[float] = []
    cpus: list[float] = []
    for number in range(size.rounds):
        setting.say(f"{name}: round {number + 1} of {size.rounds}")
        with scratch(setting.folder) as place:
            before = _raw(place / "before.db", size.raw_grouped)
            seconds, cpu = _ours(place / "ours.db", workflow, size.grouped, in_flight=in_flight, named=named)
            after = _raw(place / "after.db", size.raw_grouped)
        ratios.append((before + after) / 2 / seconds)
        times.append(seconds * 1e6)
        cpus.append(cpu * 1e6)
    raw = median(ratios) * median(times)
    yield line(
        name, ratios, "of raw", note=f"{size.grouped} transitions; {median(times):.1f} us, raw grouped {raw:.1f} us"
    )
    yield line(f"{name}, CPU", cpus, "us")


def _raw(path: Path, count: int) -> float:
    with Raw(path, instances=INSTANCES) as raw:
        return raw.run(count, group=GROUP) / count


def _ours(
    path: Path, workflow: type[Workflow[Any]], count: int, *, in_flight: int, named: Sequence[str] | None
) -> tuple[float, float]:
    """Return seconds and CPU seconds of one transition, after some that warm up."""
    with Engine(path, workflow) as engine:
        instances: list[Any] = [engine.start(workflow) for _ in range(INSTANCES)]
        asyncio.run(flood(instances, INSTANCES, in_flight=in_flight))
        start, cpu = time.perf_counter(), time.process_time()
        sent = asyncio.run(flood(instances, count, in_flight=in_flight, named=named))
        return (time.perf_counter() - start) / sent, (time.process_time() - cpu) / sent


async def flood(instances: Sequence[Any], count: int, *, in_flight: int, named: Sequence[str] | None = None) -> int:
    """Send events so that so many are in flight, spread evenly over the instances, and return how many were sent."""
    each = max(count // in_flight, 1)

    async def one(first: int) -> None:
        for number in range(first, first + each):
            # Of those that are in flight each is another instance's, as far as there are so many.
            instance = instances[(first // each + (number - first) * in_flight) % len(instances)]
            await instance.asend(Tick(number % 1000), key=None if named is None else named[number % len(named)])

    await asyncio.gather(*(one(place * each) for place in range(in_flight)))
    return each * in_flight
