"""harel: an execution and 20 events, on SqliteStore, in the caller's thread."""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs.job import STEPS, run

SOURCE = """
event Step {}

machine job {
  initial Even
  state Even {}
  state Odd {}

  from Even to Odd on Step set context.number = context.number + 1
  from Odd to Even on Step set context.number = context.number + 1
}
"""


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Open the store."""
    library: Any = importlib.import_module("harel")
    stores: Any = importlib.import_module("harel.engine.store.sqlite")
    definition = library.definition_from_dsl(SOURCE, "job")
    store = stores.SqliteStore(folder / "harel.db")
    runner = library.DurableRunner(store, {definition.id: definition}, execution="inline")

    def work(number: int) -> int:
        execution = runner.create(definition.id, context={"number": 0, "by": "nobody"})
        for _ in range(STEPS):
            execution = runner.process(execution.id, library.Event(kind="Step"))
        return int(execution.context["number"])

    yield work


if __name__ == "__main__":
    run(opened)
