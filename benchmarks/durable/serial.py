"""One `send` after another, from one thread and from 64."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from threading import Barrier, Thread

from benchmarks.durable.lines import Line, line, skipped
from benchmarks.durable.raw import Raw
from benchmarks.durable.sizes import Setting
from benchmarks.durable.work import Lamp, Tick, keys, scratch
from statemachine import Engine, Instance

__all__ = ["serial", "software", "threads"]

THREADS = 64

Pair = tuple[float, float]  # seconds of the fresh part and of the steady one


def serial(setting: Setting) -> Iterator[Line]:
    """On the disk, with a key: A B A of fresh files, first so many transitions and then the steady state."""
    size = setting.size
    named = keys(size.fresh + size.steady)
    rounds = list(_rounds(setting, setting.folder, parts=(size.fresh, size.steady), named=named))
    for place, (name, count) in enumerate((("fresh file", size.fresh), ("steady", size.steady))):
        raws = [seconds[place] / count * 1e6 for raw, _, again in rounds for seconds in (raw, again)]
        times = [ours[place] / count * 1e6 for _, ours, _ in rounds]
        ratios = [(raw[place] + again[place]) / 2 / ours[place] for raw, ours, again in rounds]
        note = f"{count} transitions; {median(times):.0f} us, raw {median(raws):.0f} us"
        yield line(f"serial, with a key, {name}", ratios, "of raw", note=note)


def software(setting: Setting) -> Iterator[Line]:
    """In memory, where a sync costs nothing: what is left is software."""
    size = setting.size
    count = size.fresh + size.steady
    for name, named in (("with a key", keys(count)), ("without a key", None)):
        if setting.memory is None:
            yield skipped(f"tmpfs, {name}", "this system has no file system in memory at /dev/shm")
            continue
        rounds = list(_rounds(setting, setting.memory, parts=(size.fresh, size.steady), named=named))
        times = [ours[1] / size.steady * 1e6 for _, ours, _ in rounds]
        raws = [seconds[1] / size.steady * 1e6 for raw, _, again in rounds for seconds in (raw, again)]
        ratios = [ours[1] * 2 / (raw[1] + again[1]) for raw, ours, again in rounds]
        note = f"steady, {size.steady} transitions; {median(times):.1f} us, raw {median(raws):.1f} us"
        yield line(f"tmpfs, {name}", ratios, "x raw time", note=note)


def _rounds(
    setting: Setting, folder: Path, *, parts: tuple[int, int], named: list[str] | None
) -> Iterator[tuple[Pair, Pair, Pair]]:
    for number in range(setting.size.rounds):
        setting.say(f"serial: round {number + 1} of {setting.size.rounds}")
        with scratch(folder) as place:
            yield (
                _raw(place / "before.db", parts),
                _ours(place / "ours.db", parts, named=named),
                _raw(place / "after.db", parts),
            )


def _raw(path: Path, parts: tuple[int, int]) -> Pair:
    with Raw(path) as raw:
        return raw.run(parts[0]), raw.run(parts[1])


def _ours(path: Path, parts: tuple[int, int], *, named: list[str] | None) -> Pair:
    with Engine(path, Lamp) as engine:
        send = engine.start(Lamp).send
        fresh = _send(send, range(parts[0]), named=named)
        return fresh, _send(send, range(parts[0], sum(parts)), named=named)


def _send(send: Callable[..., object], numbers: range, *, named: list[str] | None) -> float:
    start = time.perf_counter()
    if named is None:
        for number in numbers:
            send(Tick(number % 1000))
    else:
        for number in numbers:
            send(Tick(number % 1000), key=named[number])
    return time.perf_counter() - start


def threads(setting: Setting) -> Iterator[Line]:
    """64 threads, each with an instance of its own, beside the serial raw loop."""
    size = setting.size
    ratios: list[float] = []
    cpus: list[float] = []
    for number in range(size.rounds):
        setting.say(f"threads: round {number + 1} of {size.rounds}")
        with scratch(setting.folder) as place:
            with Raw(place / "before.db", instances=THREADS) as raw:
                before = raw.run(size.fresh) / size.fresh
            seconds, cpu = _in_threads(place / "ours.db", size.threads // THREADS)
            with Raw(place / "after.db", instances=THREADS) as raw:
                after = raw.run(size.fresh) / size.fresh
        ratios.append((before + after) / 2 / seconds)
        cpus.append(cpu * 1e6)
    yield line("64 threads", ratios, "of raw", note=f"{size.threads} transitions beside the serial raw loop")
    yield line("64 threads, CPU", cpus, "us")


def _in_threads(path: Path, each: int) -> Pair:
    """Return seconds and CPU seconds of one transition."""
    with Engine(path, Lamp) as engine:
        lamps = [engine.start(Lamp) for _ in range(THREADS)]
        barrier = Barrier(THREADS + 1)
        running = [Thread(target=_send_when, args=(barrier, lamp, each)) for lamp in lamps]
        for thread in running:
            thread.start()
        barrier.wait()
        start, cpu = time.perf_counter(), time.process_time()
        for thread in running:
            thread.join()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        if any(lamp.version != each + 1 for lamp in lamps):
            raise RuntimeError("a thread did not send everything")
    return seconds / (each * THREADS), cpu / (each * THREADS)


def _send_when(barrier: Barrier, lamp: "Instance[Lamp, object]", each: int) -> None:
    barrier.wait()
    for number in range(each):
        lamp.send(Tick(number))
