"""How long it takes to define a workflow of 50 states and 100 rules.

    python -m benchmarks.define [rounds]

The class statement only, callbacks made before; median and spread in milliseconds. Target: at most 25 ms.
"""

import gc
import statistics
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import attrs
from attrs import define, field

from statemachine import Final, State, Workflow, on

STATES, RULES, EVENTS = 50, 100, 20


@define
class Part:
    sku: str = ""
    price: float = 0.0


@define
class Data:
    count: int = 0
    note: str | None = None
    parts: list[Part] = field(factory=list[Part])
    by_name: dict[str, Part] = field(factory=dict[str, Part])


def events() -> list[type[Any]]:
    """Return event classes, as many as the rules listen to."""
    members = {"by": attrs.field(type=str), "n": attrs.field(type=int, default=0)}
    return [attrs.make_class(f"Event{place}", members, frozen=True) for place in range(EVENTS)]


def body(heard: list[type[Any]]) -> Callable[[dict[str, Any]], None]:
    """Return what fills a class body: states in a row, each with two rules."""

    def fill(names: dict[str, Any]) -> None:
        states: list[Any] = [State(initial=place == 0) for place in range(STATES - 1)]
        for place, state in enumerate([*states, Final()]):
            names[f"s{place}"] = state
        for place in range(RULES):
            source, target = states[place % len(states)], states[(place * 7 + 1) % len(states)]

            def act(self: Any, event: Any) -> None:
                self.data.count += 1

            act.__name__ = act.__qualname__ = f"r{place}"
            names[act.__name__] = on(heard[place % EVENTS], source, to=target)(act)

    return fill


def milliseconds() -> float:
    """Define a workflow, with classes that nobody has seen, and return how long it took."""
    fill = body(events())
    gc.collect()
    start = time.perf_counter()
    types.new_class("Large", (Workflow[Data],), {"revision": 1}, fill)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Print the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    first = milliseconds()  # imports transitions
    times = [milliseconds() for _ in range(rounds)]
    print(
        f"{STATES} states, {RULES} rules, {EVENTS} events; {rounds} rounds, ms (the first of the process: {first:.0f})"
    )
    print(f"median {statistics.median(times):.1f}, {min(times):.1f}…{max(times):.1f}")


if __name__ == "__main__":
    main()
