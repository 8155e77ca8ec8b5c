"""Burr: an application whose action runs 20 times, with SQLitePersister."""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs.job import STEPS, run


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Open the persister."""
    core: Any = importlib.import_module("burr.core")
    persistence: Any = importlib.import_module("burr.core.persistence")

    @core.action(reads=["number"], writes=["number", "by"])  # type: ignore[untyped-decorator]  # its library is not in this environment
    def step(state: Any) -> Any:
        return state.update(number=state["number"] + 1, by="nobody")

    @core.action(reads=[], writes=[])  # type: ignore[untyped-decorator]  # its library is not in this environment
    def end(state: Any) -> Any:
        return state

    with persistence.SQLitePersister.from_values(str(folder / "burr.db")) as persister:
        persister.initialize()

        def work(number: int) -> int:
            application = (
                core.ApplicationBuilder()
                .with_actions(step=step, end=end)
                .with_transitions(("step", "step", core.expr(f"number < {STEPS}")), ("step", "end"))
                .with_identifiers(app_id=f"job-{number}")
                .with_state_persister(persister)
                .with_state(number=0, by="nobody")
                .with_entrypoint("step")
                .build()
            )
            for _ in range(STEPS):
                application.step()
            return int(application.state["number"])

        yield work


if __name__ == "__main__":
    run(opened)
