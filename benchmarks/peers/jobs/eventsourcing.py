"""eventsourcing: an aggregate that is loaded, changed and saved 20 times, on its SQLite module."""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs.job import STEPS, run


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Make the application."""
    domain: Any = importlib.import_module("eventsourcing.domain")
    applications: Any = importlib.import_module("eventsourcing.application")

    class Job(domain.Aggregate):  # type: ignore[misc]  # its library is not in this environment
        """Counts its steps."""

        @domain.event("Begun")  # type: ignore[untyped-decorator]  # as above
        def __init__(self) -> None:
            self.number = 0
            self.by = "nobody"

        @domain.event("Stepped")  # type: ignore[untyped-decorator]  # as above
        def step(self, number: int) -> None:
            self.number = number

    settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "eventsourcing.db")}
    application = applications.Application(env=settings)

    def work(_number: int) -> int:
        job = Job()
        application.save(job)
        for step in range(1, STEPS + 1):
            found = application.repository.get(job.id)
            found.step(step)
            application.save(found)
        return int(application.repository.get(job.id).number)

    try:
        yield work
    finally:
        application.close()


if __name__ == "__main__":
    run(opened)
