"""xstate-statemachine: one `persisted` block for each event, on SQLiteStore."""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs.job import STEPS, run


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Open the store."""
    library: Any = importlib.import_module("xstate_statemachine")
    persistence: Any = importlib.import_module("xstate_statemachine.persistence")

    def count(interpreter: Any, context: dict[str, Any], event: Any, action: Any) -> None:
        context["number"] += 1

    states = {
        "even": {"on": {"STEP": {"target": "odd", "actions": ["count"]}}},
        "odd": {"on": {"STEP": {"target": "even", "actions": ["count"]}}},
    }
    config = {"id": "job", "initial": "even", "context": {"number": 0, "by": "nobody"}, "states": states}
    machine = library.create_machine(config, logic=library.MachineLogic(actions={"count": count}))
    store = persistence.SQLiteStore(str(folder / "xstate.db"))

    def work(number: int) -> int:
        last = 0
        for _ in range(STEPS):
            with persistence.persisted(store, f"job:{number}", machine) as job:
                job.send("STEP", wait=True)
                last = int(job.context["number"])
        return last

    yield work


if __name__ == "__main__":
    run(opened)
