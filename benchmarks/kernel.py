"""What one event costs in the kernel, in memory: `select`, `macrostep`, `Cursor.send`, and other libraries beside them.

    python -m benchmarks.kernel [rounds] [--peers PYTHON]

PYTHON is an interpreter of an environment with the libraries that benchmarks/peers/kernel.py names. Each round runs
everything once, so that a noisy machine is noisy for all; median and spread in microseconds. The event: a region of two
states that hand over to each other; one state is left and one entered, each with a callback, one action runs, and every
second event asks a guard. Targets: select 1.0 without guards and callbacks, macrostep 1.5 with guards, Cursor.send 4;
at most a tenth of transitions, a twentieth of python-statemachine, less than pysm; less than 20 % more at depth 5 than
at depth 1; linear in regions; a workflow of 200 states compiled in 50 ms.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, frozen

from statemachine import Compound, Cursor, Final, Parallel, State, Workflow, enter, leave, on
from statemachine.chart import Chart, Configuration, Rule
from statemachine.step import begin, macrostep, select
from statemachine.workflow import definition_of

EVENTS = 1_000
PEERS = Path(__file__).parent / "peers" / "kernel.py"


@frozen
class Toggle: ...


@define
class Count:
    count: int = 0


class Lamp(Workflow[Count], revision=1):
    """The machine that the other libraries run too."""

    class run(Compound, initial=True):
        slow = State(initial=True)
        fast = State()

    idle = State()

    def may(self) -> bool:
        """Guard."""
        return True

    @on(Toggle, run.slow, to=run.fast, when=may)
    def up(self, event: Toggle) -> None:
        """Act."""
        self.data.count += 1

    @on(Toggle, run.fast, to=run.slow)
    def down(self, event: Toggle) -> None:
        """Act."""
        self.data.count += 1

    @enter(run.slow, run.fast)
    def came(self) -> None:
        """Come."""

    @leave(run.slow, run.fast)
    def went(self) -> None:
        """Go."""


class Bare:
    """A runner that answers and does nothing: what is measured is the kernel."""

    def __init__(self) -> None:
        self.raised: list[tuple[str, object]] = []

    def holds(self, rule: Rule, event: object) -> bool:
        """Say yes."""
        return True

    def act(self, action: str, event: object) -> None:
        """Do nothing."""

    def arrive(self, configuration: Configuration) -> None:
        """Take no note."""


def act(self: Any, event: Any) -> None:
    """Do nothing."""


def depth(levels: int) -> Chart:
    """Return a chart whose two states lie so many levels deep."""
    slow, fast = State(initial=True), State()
    inner: dict[str, Any] = {"slow": slow, "fast": fast}
    for level in range(1, levels):
        inner = {f"c{level}": types.new_class(f"c{level}", (Compound,), {"initial": True}, _filling(inner))}
    return _chart({**inner, "up": _rule(slow, fast), "down": _rule(fast, slow)})


def regions(count: int) -> Chart:
    """Return a chart of so many regions, each of which takes the event."""
    each: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for number in range(count):
        slow, fast = State(initial=True), State()
        each[f"r{number}"] = types.new_class(f"r{number}", (Compound,), {}, _filling({"slow": slow, "fast": fast}))
        rules |= {f"up{number}": _rule(slow, fast), f"down{number}": _rule(fast, slow)}
    return _chart({"all": types.new_class("all", (Parallel,), {"initial": True}, _filling(each)), **rules})


def large(states: int) -> Callable[[], type[Any]]:
    """Return what defines a workflow of so many states in a row, each with two rules."""
    made: list[Any] = [State(initial=place == 0) for place in range(states - 1)]
    names: dict[str, Any] = {f"s{place}": state for place, state in enumerate([*made, Final()])}
    for place, state in enumerate(made):
        names[f"next{place}"] = _rule(state, names[f"s{place + 1}"])
        names[f"back{place}"] = _rule(state, made[0])
    return lambda: types.new_class("Large", (Workflow[Count],), {"revision": 1}, _filling(names))


def _rule(source: Any, target: Any) -> Callable[..., None]:
    return on(Toggle, source, to=target)(types.FunctionType(act.__code__, globals(), "act"))


def _filling(names: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda space: space.update(names)


def _chart(names: dict[str, Any]) -> Chart:
    return definition_of(types.new_class("Drawn", (Workflow[Count],), {"revision": 1}, _filling(names))).chart


def _time(call: Callable[[], object], *, events: int = EVENTS) -> float:
    start = time.perf_counter()
    for _ in range(events):
        call()
    return (time.perf_counter() - start) / events * 1e6


def _selecting(chart: Chart) -> Callable[[], object]:
    runner = Bare()
    start = begin(chart, runner=runner).after
    return lambda: select(chart, start, "Toggle", holds=runner.holds)


def _stepping(chart: Chart) -> Callable[[], None]:
    runner = Bare()
    now = [begin(chart, runner=runner).after]

    def step() -> None:
        found: Any = macrostep(chart, now[0], ("Toggle", None), runner=runner)
        now[0] = found.after

    return step


def _sending() -> Callable[[], object]:
    cursor, event = Cursor(Lamp, Count()), Toggle()
    return lambda: cursor.send(event)


def _peers(python: str) -> dict[str, float]:
    lines = subprocess.run([python, PEERS], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line["name"]: line["us"] for line in map(json.loads, lines)}


def measured(rounds: int, peers: str | None) -> dict[str, list[float]]:
    """Return the times of each round, by what was measured."""
    chart = definition_of(Lamp).chart
    cases = {
        "select": _selecting(depth(2)),
        "macrostep": _stepping(chart),
        "Cursor.send": _sending(),
        **{f"macrostep, depth {levels}": _stepping(depth(levels)) for levels in (1, 5)},
        **{f"macrostep, {count} regions": _stepping(regions(count)) for count in (2, 4, 8)},
    }
    found: dict[str, list[float]] = {}
    for call in cases.values():
        _time(call)  # warms the caches
    for done in range(rounds):
        for name, call in cases.items():
            found.setdefault(name, []).append(_time(call))
        found.setdefault("define 200 states", []).append(_time(large(200), events=1))
        for name, time_us in (_peers(peers) if peers else {}).items():
            found.setdefault(name, []).append(time_us)
        print(f"\r{done + 1} of {rounds} rounds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", nargs="?", type=int, default=9)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the other libraries")
    given = parser.parse_args()
    found = measured(given.rounds, given.peers)
    cursor = statistics.median(found["Cursor.send"])
    print(f"{'':24} {'median':>9} {'least':>9} {'most':>9}   times Cursor.send")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:24} {median:9.2f} {min(times):9.2f} {max(times):9.2f}   {median / cursor:.2f}")


if __name__ == "__main__":
    main()
