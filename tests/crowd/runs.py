"""A crowd: several processes, each with several threads, on one file, and what is to be said of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from attrs import asdict, frozen

from persistence import SQLiteStore
from statemachine import Engine
from tests.children import ROOT
from tests.crowd.judging import judged
from tests.crowd.sending import Heard, Part
from tests.crowd.tills import SCHEMA, SHARED, Till, own
from tests.patience import WAIT_SECONDS_MAX

__all__ = ["Crowd", "Outcome", "gather", "table"]


@frozen
class Crowd:
    """How many send, and for how long."""

    processes: int = 4
    threads: int = 8
    seconds: float = 60
    fault: str = ""  # of every process


@frozen
class Outcome:
    """What came of a crowd."""

    heard: list[Heard]
    commits: int
    rows: int
    wrong: list[str]


def gather(crowd: Crowd, folder: Path) -> Outcome:
    """Let a crowd send to a new file in a folder, and judge what came of it."""
    path = str(folder / "tills.db")
    with Engine(path, Till, schema=SCHEMA) as engine:
        for name in (
            *SHARED,
            *(own(part, thread) for part in range(crowd.processes) for thread in range(crowd.threads)),
        ):
            engine.start(Till, id=name)
    heard = _sent(crowd, path)
    store = SQLiteStore(path, read_only=True)
    with store.reader() as reader:
        seals = [row.seal is not None for row in reader.lane()]
    store.close()
    return Outcome(heard, sum(seals), len(seals), judged(path, heard))


def _sent(crowd: Crowd, path: str) -> list[Heard]:
    with ExitStack() as stack:
        children = [
            stack.enter_context(_child(Part(path, number, crowd.threads, crowd.seconds, crowd.fault)))
            for number in range(crowd.processes)
        ]
        for child in children:
            assert child.stdout is not None
            if child.stdout.readline() != "ready\n":
                raise AssertionError("a process could not open the store")
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        with ThreadPoolExecutor(len(children)) as hearing:  # who is not heard stands at a full pipe, and keeps the lock
            return list(hearing.map(partial(_told, crowd.seconds), children))


def _child(part: Part) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.crowd.sending", json.dumps(asdict(part))]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _told(seconds: float, child: "subprocess.Popen[str]") -> Heard:
    try:
        printed, _ = child.communicate(timeout=seconds + WAIT_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        child.kill()
        return Heard(errors=["a process hangs"])
    if child.returncode:
        return Heard(errors=[f"a process ended with {child.returncode}"])
    return Heard.decoded(printed)


def table(outcome: Outcome) -> Iterator[str]:
    """Return lines that say how the processes shared the file, in milliseconds."""
    names = ("calls", "ran", "replayed", "refused", "busy", "p50", "p99", "longest")
    yield "process" + "".join(f"{name:>10}" for name in names)
    for number, heard in enumerate(outcome.heard):
        ran = sum(not one.is_replayed for one in heard.answers)
        counts = (len(heard.waits), ran, len(heard.answers) - ran, heard.refused, heard.busy)
        waits = "".join(f"{_wait(heard, share):>10.2f}" for share in (0.5, 0.99, 1))
        yield f"{number:<7}" + "".join(f"{count:>10}" for count in counts) + waits
    each = outcome.rows / max(outcome.commits, 1)
    yield f"{outcome.rows} transitions in {outcome.commits} commits, {each:.1f} in each"


def _wait(heard: Heard, share: float) -> float:
    waits = sorted(heard.waits) or [0.0]
    return 1000 * waits[min(int(share * len(waits)), len(waits) - 1)]
