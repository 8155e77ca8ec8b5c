"""What every job's process does: some jobs to warm up, then so many between two marks, timed. Prints one JSON value.

A job is a new instance that takes 20 steps, each of which makes a small new state durable. Needs the standard library
alone: it runs in the environments of the libraries.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.marks import BEGIN, END, mark

__all__ = ["STEPS", "run"]

STEPS = 20
WARM_JOBS = 2


def run(opened: Callable[[Path], AbstractContextManager[Callable[[int], int]]]) -> None:
    """Measure jobs. `opened` yields what runs one job, given its number, and returns the last step's number."""
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
    with opened(folder) as work:
        for number in range(WARM_JOBS):
            work(number)
        mark(folder, BEGIN)
        start = time.perf_counter()
        last = [work(WARM_JOBS + number) for number in range(jobs)]
        spent = time.perf_counter() - start
        mark(folder, END)
        if set(last) != {STEPS}:
            raise RuntimeError(f"jobs ended after steps {set(last)}, not {STEPS}")
    print(json.dumps({"us": spent / (jobs * STEPS) * 1e6, "python": sys.version.split()[0]}))
