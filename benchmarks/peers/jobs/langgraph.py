"""LangGraph: a graph whose node runs 20 times, with SqliteSaver, `durability="sync"`: stored before the next step."""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

from benchmarks.peers.jobs.job import STEPS, run


class State(TypedDict):
    number: int
    by: str


@contextmanager
def opened(folder: Path) -> Generator[Callable[[int], int]]:
    """Compile the graph."""
    graphs: Any = importlib.import_module("langgraph.graph")
    savers: Any = importlib.import_module("langgraph.checkpoint.sqlite")

    def step(state: State) -> State:
        return {"number": state["number"] + 1, "by": "nobody"}

    def onwards(state: State) -> str:
        return "step" if state["number"] < STEPS else str(graphs.END)

    builder = graphs.StateGraph(State)
    builder.add_node("step", step)
    builder.add_edge(graphs.START, "step")
    builder.add_conditional_edges("step", onwards, ["step", graphs.END])
    with savers.SqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        graph = builder.compile(checkpointer=saver)

        def work(number: int) -> int:
            config = {"configurable": {"thread_id": f"job-{number}"}, "recursion_limit": STEPS + 5}
            return int(graph.invoke({"number": 0, "by": "nobody"}, config, durability="sync")["number"])

        yield work


if __name__ == "__main__":
    run(opened)
