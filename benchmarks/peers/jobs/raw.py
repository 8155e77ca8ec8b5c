"""apsw alone: one UPDATE, one INSERT and one commit a step."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.durable.raw import Raw
from benchmarks.peers.jobs.job import STEPS, run


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Open the file; every job is one of the instances in it."""
    with Raw(folder / "raw.db", instances=1) as raw:

        def work(_number: int) -> int:
            raw.run(STEPS)
            return STEPS

        yield work


if __name__ == "__main__":
    run(opened)
