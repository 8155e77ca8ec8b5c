"""What is measured in a process of its own: `python -m benchmarks.durable.child NAME FILE NUMBER …`.

Prints one JSON value; started by `run`, which reads it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import recovery
from benchmarks.durable.grouped import flood
from benchmarks.durable.grown import id_of
from benchmarks.durable.raw import read_one
from benchmarks.durable.work import Lamp, Tick
from benchmarks.marks import BEGIN, END, mark
from persistence import SQLiteStore  # at the top: what is measured begins after the imports
from statemachine import Engine

__all__ = ["ROOT", "command", "run", "send_marked"]

BATCH = 1_000
ROOT = Path(__file__).resolve().parents[2]


def command(name: str, path: Path, *numbers: int) -> list[str]:
    """Return the command of a child."""
    return [sys.executable, "-m", "benchmarks.durable.child", name, str(path), *map(str, numbers)]


# With bytecode, as an install has it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(name: str, path: Path, *numbers: int) -> Any:
    """Run a child and return what it printed. Raises RuntimeError for one that failed."""
    done = subprocess.run(
        command(name, path, *numbers), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"the child {name} failed: {done.stderr}")
    return json.loads(done.stdout) if done.stdout else None


def send(path: Path, in_flight: int, count: int) -> int:
    """Send so many events, with marks around them, and return how many."""
    with Engine(path, Lamp) as engine:
        return send_marked(engine, in_flight, count, tell=partial(mark, path.parent))


def send_marked(engine: Engine, in_flight: int, count: int, *, tell: Callable[[str], None]) -> int:
    """Send so many events to as many instances as are in flight, and return how many were sent."""
    lamps = [engine.start(Lamp) for _ in range(max(in_flight, 1))]
    tell(BEGIN)
    if in_flight:
        sent = asyncio.run(flood(lamps, count, in_flight=in_flight))
    else:
        sent = count
        for number in range(count):
            lamps[0].send(Tick(number))
    tell(END)
    return sent


def die(path: Path, count: int) -> None:
    """Send so many events and die."""
    engine = Engine(path, Lamp)
    for lamp, number in zip(engine.list(Lamp)[:count], range(count), strict=False):
        lamp.send(Tick(number))
    os.kill(os.getpid(), signal.SIGKILL)


def reopen(path: Path) -> dict[str, float]:
    """Return milliseconds: to an engine, to its first head, to its first send, and of a raw connection to one row."""
    start = time.perf_counter()
    engine = Engine(SQLiteStore(path), Lamp)
    opened = time.perf_counter()
    lamp = engine.get(Lamp, _first(path))
    loaded = time.perf_counter()
    lamp.send(Tick(1))
    sent = time.perf_counter()
    read_one(path, "SELECT version FROM perdure_instance WHERE id = 7")
    raw = time.perf_counter() - sent
    engine.close()
    times = {"open": opened - start, "load": loaded - opened, "send": sent - loaded, "raw": raw}
    return {name: seconds * 1000 for name, seconds in times.items()}


def recover(path: Path) -> float:
    """Return the milliseconds of `recovery.open`, which also judges what was written last."""
    start = time.perf_counter()
    engine = recovery.open(path, Lamp)
    spent = time.perf_counter() - start
    engine.close()
    return spent * 1000


def _first(path: Path) -> str:
    return path.with_suffix(".first").read_text(encoding="utf-8")


def memory(path: Path, instances: int, count: int) -> dict[str, float]:
    """Return resident MB: after the imports, with the engine open, after half of so many events, and after all.

    The instances take turns, and no handle is kept.
    """
    found = {"imported": resident()}
    batch = min(BATCH, instances, count // 2)
    with Engine(path, Lamp) as engine:
        found["opened"] = resident()
        sent = 0
        for half in ("half", "whole"):
            end = sent + count // 2
            while sent < end:
                lamps = [engine.get(Lamp, id_of(number % instances)) for number in range(sent, sent + batch)]
                sent += asyncio.run(flood(lamps, batch, in_flight=100))
            found[half] = resident()
    return found


def resident() -> float:
    """Return the resident memory of this process in MB."""
    for text in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if text.startswith("VmRSS:"):
            return int(text.split()[1]) / 1024
    raise RuntimeError("this system does not tell a process's resident memory")


CHILDREN: dict[str, Callable[..., Any]] = {
    "send": send,
    "die": die,
    "reopen": reopen,
    "recover": recover,
    "memory": memory,
}


def main(arguments: Sequence[str]) -> None:
    """Run one and print what it returns."""
    name, path, *numbers = arguments
    print(json.dumps(CHILDREN[name](Path(path), *map(int, numbers))))


if __name__ == "__main__":
    main(sys.argv[1:])
