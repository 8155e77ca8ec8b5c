"""The nested event of benchmarks/kernel.py on other state machine libraries; prints one line of JSON per library.

    python3.11 -m venv peers && peers/bin/pip install transitions==0.9.3 python-statemachine==3.2.2 pysm==0.4.1
    python -m benchmarks.kernel --peers peers/bin/python

Run by that benchmark, once per round, in an environment of its own: python-statemachine owns the name `statemachine`
too. Each machine is a region of two states that hand over to each other: per event one state is left and one entered,
each with a callback, one action runs, and every second event asks a guard.
"""

import importlib
import json
import sys
import time
import types
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, cast

EVENTS = 1_000


def transitions() -> tuple[Callable[[], object], Callable[[], int]]:
    """Return what sends one event, and what counts the actions."""
    nesting: Any = importlib.import_module("transitions.extensions.nesting")

    class Model:
        """Counts."""

        count = 0
        toggle: Callable[[], object]

        def may(self) -> bool:
            """Guard."""
            return True

        def act(self) -> None:
            """Act."""
            self.count += 1

        def hook(self) -> None:
            """Come or go."""

    model = Model()
    leaf = {"on_enter": "hook", "on_exit": "hook"}
    inner = [{"name": "slow", **leaf}, {"name": "fast", **leaf}]
    states = ["idle", {"name": "run", "initial": "slow", "children": inner}]
    machine = nesting.HierarchicalMachine(model, states=states, initial="run", auto_transitions=False)
    machine.add_transition("toggle", "run_slow", "run_fast", conditions="may", before="act")
    machine.add_transition("toggle", "run_fast", "run_slow", before="act")
    return model.toggle, lambda: model.count


def python_statemachine() -> tuple[Callable[[], object], Callable[[], int]]:
    """Return what sends one event, and what counts the actions."""
    library: Any = importlib.import_module("statemachine")
    state = library.State
    slow, fast = (state(initial=first, enter="hook", exit="hook") for first in (True, False))
    toggle = slow.to(fast, cond="may", on="act") | fast.to(slow, on="act")
    inner: dict[str, object] = {"slow": slow, "fast": fast, "toggle": toggle}
    run = types.new_class("run", (state.Compound,), {"initial": True}, lambda space: space.update(inner))
    idle = state()
    names: dict[str, Any] = {"run": run, "idle": idle, "rest": cast("Any", run).to(idle) | idle.to(run)}

    def act(self: Any) -> None:
        self.count += 1

    def may(self: Any) -> bool:
        return True

    def hook(self: Any) -> None: ...

    names |= {"count": 0, "act": act, "may": may, "hook": hook}
    machine: Any = types.new_class("Lamp", (library.StateChart,), {}, lambda space: space.update(names))()
    return lambda: machine.send("toggle"), lambda: machine.count


def pysm() -> tuple[Callable[[], object], Callable[[], int]]:
    """Return what sends one event, and what counts the actions."""
    library: Any = importlib.import_module("pysm")
    counted = [0]

    def act(state: object, event: object) -> None:
        counted[0] += 1

    def may(state: object, event: object) -> bool:
        return True

    def hook(state: object, event: object) -> None: ...

    root, run = library.StateMachine("root"), library.StateMachine("run")
    idle, slow, fast = library.State("idle"), library.State("slow"), library.State("fast")
    root.add_state(idle)
    root.add_state(run, initial=True)
    run.add_state(slow, initial=True)
    run.add_state(fast)
    run.add_transition(slow, fast, events=["toggle"], condition=may, action=act)
    run.add_transition(fast, slow, events=["toggle"], action=act)
    for state in (slow, fast):
        state.handlers = {"enter": hook, "exit": hook}
    root.initialize()
    return lambda: root.dispatch(library.Event("toggle")), lambda: counted[0]


def microseconds(send: Callable[[], object], count: Callable[[], int]) -> float:
    """Return the time of one event. Raises RuntimeError for a machine that did not take each."""
    before = count()
    start = time.perf_counter()
    for _ in range(EVENTS):
        send()
    spent = (time.perf_counter() - start) / EVENTS * 1e6
    if count() - before != EVENTS:
        raise RuntimeError(f"{count() - before} actions for {EVENTS} events")
    return spent


PEERS = {"transitions": transitions, "python-statemachine": python_statemachine, "pysm": pysm}


def main() -> None:
    """Print the times of each library: the first run warms up and does not count."""
    for name, make in PEERS.items():
        send, count = make()
        microseconds(send, count)
        sys.stdout.write(json.dumps({"name": f"{name} {version(name)}", "us": microseconds(send, count)}) + "\n")


if __name__ == "__main__":
    main()
