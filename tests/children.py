"""Processes beside the test's own: a workflow that counts, who sends to it, and how a child is run to its end."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import define, frozen

from persistence import Busy
from statemachine import Engine, Final, Instance, Refused, State, Workflow, on
from tests.patience import WAIT_SECONDS_MAX

ROOT = Path(__file__).resolve().parent.parent
TRIES_MAX = 20  # of one event whose store was busy


@frozen
class Add:
    amount: int


@frozen
class End:
    pass


@define
class TallyData:
    total: int = 0


class Tally(Workflow[TallyData], revision=1):
    """Adds up what it is sent."""

    counting = State(initial=True)
    ended = Final()

    def is_positive(self, event: Add) -> bool:
        return event.amount > 0

    @on(Add, counting, to=None, when=is_positive)
    def add(self, event: Add) -> None:
        self.data.total += event.amount

    @on(End, counting, to=ended)
    def end(self, event: End) -> None: ...


@define
class Heard:
    """What a sender was told."""

    acknowledged: list[tuple[str, str, int]]  # instance, key, version
    exceptions: set[str]  # the types of what was raised


def send_to_all(tallies: Sequence[Instance[Tally, TallyData]], name: str, rounds: int) -> Heard:
    """Send to each instance in turn, every event under a key of its own, and one that is refused in each round."""
    heard = Heard([], set())
    for number in range(rounds):
        for tally in tallies:
            key = f"{name}-{number}"
            heard.acknowledged.append((tally.id, key, _send(tally, key, heard)))
        try:
            tallies[number % len(tallies)].send(Add(-1), key=f"{name}-refused-{number}")
        except Exception as error:  # noqa: BLE001  # which types there are is what is asked
            heard.exceptions.add(type(error).__name__)
    return heard


def _send(tally: Instance[Tally, TallyData], key: str, heard: Heard) -> int:
    """Send one event until it is acknowledged, and return its version."""
    for _ in range(TRIES_MAX):
        try:
            return tally.send(Add(1), key=key).version
        except Busy:
            heard.exceptions.add("Busy")
        except Refused as refused:
            heard.exceptions.add(f"Refused {refused.code}")
    raise AssertionError(f"{tally.id} {key}: not acknowledged in {TRIES_MAX} tries")


def child(script: str, *arguments: str | os.PathLike[str], stdin: int | None = None) -> "subprocess.Popen[str]":
    """Start a new interpreter on a script that finds the project's packages and tests."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *(os.fspath(argument) for argument in arguments)],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_child(script: str, *arguments: str | os.PathLike[str]) -> tuple[int, str]:
    """Run a script in a new interpreter, and return its return code and what it printed."""
    with child(script, *arguments) as process:
        printed, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
    return process.returncode, printed.strip()


def main(path: str, name: str, rounds: str) -> None:
    """Open the store, say so, and send when told to; print what was heard."""
    with Engine(path, Tally) as engine:
        print("ready", flush=True)
        sys.stdin.readline()
        heard = send_to_all(engine.list(Tally), name, int(rounds))
    print(json.dumps([heard.acknowledged, sorted(heard.exceptions)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
