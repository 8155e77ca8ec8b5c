"""Perdure: an instance, and 20 events sent to it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, frozen

from benchmarks.peers.jobs.job import STEPS, run
from statemachine import Engine, State, Workflow, on


@frozen
class Step:
    number: int


@define
class JobData:
    number: int = 0
    by: str = "nobody"


class Job(Workflow[JobData], revision=1):
    """Counts its steps."""

    even, odd = State(initial=True), State()

    @on(Step, even, to=odd)
    def to_odd(self, event: Step) -> None:
        self.data.number = event.number

    @on(Step, odd, to=even)
    def to_even(self, event: Step) -> None:
        self.data.number = event.number


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Open an engine."""
    with Engine(folder / "perdure.db", Job) as engine:

        def work(number: int) -> int:
            job = engine.start(Job, id=f"job-{number}")
            for step in range(1, STEPS + 1):
                job.send(Step(step))
            return job.data.number

        yield work


if __name__ == "__main__":
    run(opened)
