"""DBOS: a workflow function of 20 steps, on its default SQLite file.

Its schema needs SQLite 3.42; where the interpreter's own is older, the one of pysqlite3 takes its place.
"""

import importlib
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs.job import STEPS, run


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Launch it."""
    if sqlite3.sqlite_version_info < (3, 42):
        sys.modules["sqlite3"] = importlib.import_module("pysqlite3")
    library: Any = importlib.import_module("dbos")
    dbos = library.DBOS
    url = f"sqlite:///{folder / 'dbos.db'}"
    config = {"name": "job", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"}
    dbos(config=config)

    @dbos.step()  # type: ignore[untyped-decorator]  # its library is not in this environment
    def step(state: dict[str, Any]) -> dict[str, Any]:
        return {"number": state["number"] + 1, "by": "nobody"}

    @dbos.workflow()  # type: ignore[untyped-decorator]  # its library is not in this environment
    def work() -> int:
        state: dict[str, Any] = {"number": 0, "by": "nobody"}
        for _ in range(STEPS):
            state = step(state)
        return int(state["number"])

    def job(number: int) -> int:
        with library.SetWorkflowID(f"job-{number}"):
            return int(work())

    dbos.launch()
    try:
        yield job
    finally:
        dbos.destroy()


if __name__ == "__main__":
    run(opened)
