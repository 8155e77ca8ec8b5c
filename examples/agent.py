"""An agent that works on an order through its door: offers in, one call out, its outcome read. No model is needed.

The agent is a script that makes a model's mistakes: it sends a text for a number, it tries what it may not do, and it
dies (SIGKILL) after a call was committed and before it has read the answer. A new process repeats that call under the
same key, is told that it had run before, and goes on. What it needs for that is one rule: note the call *before* firing
it, with the id that is its key.

    python -m examples.agent               the whole story, synchronously and with asyncio, in a temporary folder
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define, frozen

import recovery
from examples.order import SCHEMA, Order, OrderData
from statemachine import Engine, Instance, Outcome

STOCKED = f"{SCHEMA}; insert or ignore into stock values ('lamp', 5)"  # noqa: S608  # constants
CALLS_MAX = 20  # a script that gets nowhere stops


@frozen
class Call:
    """One tool call. Its id is the key under which it runs at most once."""

    id: str
    name: str
    arguments: dict[str, object]
    roles: tuple[str, ...] = ()


@define
class Transcript:
    """What the agent keeps: one line for each call before it is made, and one for each outcome that it has read."""

    path: Path

    def note(self, **line: object) -> None:
        """Append a line and let it reach the disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> tuple[list[Call], list[Outcome]]:
        """Return the calls that were made, and the outcomes that were read."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        noted = [line["call"] for line in lines if "call" in line]
        calls = [Call(one["id"], one["name"], one["arguments"], tuple(one["roles"])) for one in noted]
        return calls, [line["outcome"] for line in lines if "outcome" in line]


# -- the script, where a model would be --------------------------------------------------------------------------------

GOAL: list[tuple[str, dict[str, object]]] = [
    ("Submit", {"sku": "lamp", "total": 1800}),
    ("Approve", {"by": "ann"}),
    ("Charged", {"charge": "ch-1"}),
    ("Labelled", {"tracking": "t-1"}),
    ("Picked", {"bin": "b7"}),
]


def decide(order: Instance[Order, OrderData], calls: list[Call], outcomes: list[Outcome]) -> Call | None:
    """Return the next call; None when nothing is left to do."""
    if len(calls) > len(outcomes):
        return calls[-1]  # its answer was lost: the same call, under the same key
    name = f"{order.id}-call-{len(calls) + 1}"
    last = outcomes[-1] if outcomes else None
    if last is not None and last["code"] == "invalid_payload":  # the hint names arguments.total: mend it
        return Call(name, "Submit", {"sku": "lamp", "total": 1800})
    if last is not None and last["code"] == "role_missing":  # the hint names the role: somebody who has it is asked
        return Call(name, calls[-1].name, calls[-1].arguments, roles=("manager",))
    enabled = {offer["event"]: offer for offer in order.offers() if offer["enabled"] != "no"}
    if not calls:
        return Call(name, "Submit", {"sku": "lamp", "total": "1800"})  # as models do
    if last is not None and last["state"] == "review":
        return Call(name, "Approve", {"by": "ann"})  # not offered to it: it tries nevertheless
    return next((Call(name, event, arguments) for event, arguments in GOAL if event in enabled), None)


# -- the loop around it ------------------------------------------------------------------------------------------------


def work(order: Instance[Order, OrderData], transcript: Transcript, *, dies_at: str) -> None:
    """Call until nothing is left to do, one call after the other."""
    for call in steps(order, transcript):
        outcome = order.fire(call.name, call.arguments, key=call.id, actor="agent", roles=call.roles)
        take(outcome, call, transcript, dies_at=dies_at)


async def awork(order: Instance[Order, OrderData], transcript: Transcript, *, dies_at: str) -> None:
    """Do the same without blocking the event loop: others work on their orders meanwhile."""
    for call in steps(order, transcript):
        outcome = await order.afire(call.name, call.arguments, key=call.id, actor="agent", roles=call.roles)
        take(outcome, call, transcript, dies_at=dies_at)


def steps(order: Instance[Order, OrderData], transcript: Transcript) -> Iterator[Call]:
    """Decide on call after call; each is noted before it is made."""
    for _ in range(CALLS_MAX):
        calls, outcomes = transcript.read()
        call = decide(order, calls, outcomes)
        if call is None:
            return
        if call not in calls:
            transcript.note(call={"id": call.id, "name": call.name, "arguments": call.arguments, "roles": call.roles})
        yield call


def take(outcome: Outcome, call: Call, transcript: Transcript, *, dies_at: str) -> None:
    """Read an outcome, unless this is where the process dies."""
    if outcome["outcome"] == "committed" and call.name == dies_at:
        say(f"  {call.id:14} {call.name} was committed; SIGKILL before its answer is read")
        os.kill(os.getpid(), signal.SIGKILL)
    say(f"  {call.id:14} {call.name} {json.dumps(call.arguments)} → {outcome['outcome']} {outcome['code']}".rstrip())
    say(f"                 {outcome['hint']}")
    transcript.note(outcome=outcome)


def say(line: str) -> None:
    """Print a line at once: this process may be about to die."""
    print(line, flush=True)


# -- processes ---------------------------------------------------------------------------------------------------------


def process(folder: Path, mode: str, dies_at: str) -> None:
    """Be one process of an agent, from opening the file to the end of the work."""
    with recovery.open(folder / "shop.db", Order, schema=STOCKED) as engine:
        if mode == "sync":
            order = engine.start(Order, id="sync-1")
            work(order, Transcript(folder / "sync-1.jsonl"), dies_at=dies_at)
        else:
            asyncio.run(several(engine, folder, dies_at))


async def several(engine: Engine, folder: Path, dies_at: str) -> None:
    """Work on two orders at once in one event loop."""
    orders = [engine.start(Order, id=name) for name in ("async-1", "async-2")]
    await asyncio.gather(*(awork(order, Transcript(folder / f"{order.id}.jsonl"), dies_at=dies_at) for order in orders))


def story(folder: Path) -> None:
    """Let each kind of agent be killed once and go on in a new process, and show what the orders say of it."""
    for mode in ("sync", "async"):
        for dies_at in ("Approve", "nowhere"):
            say(f"{mode}: a new process")
            command = [sys.executable, "-m", "examples.agent", os.fspath(folder), mode, dies_at]
            code = subprocess.run(command, check=False).returncode  # noqa: S603  # this very module
            if code not in {0, -signal.SIGKILL}:
                sys.exit(f"the agent's process ended with {code}")
            say("  ended by SIGKILL\n" if code else "  done\n")
    with recovery.open(folder / "shop.db", Order) as engine:
        for order in engine.list(Order):
            events = ", ".join(one.event for one in order.history()[1:])
            say(f"{order.id}: {order.state} at version {order.version}: {events}")
        ((lamps,),) = engine.sql().execute("select n from stock")
        say(f"lamps left: {lamps!r} of 5")


def main(arguments: list[str]) -> None:
    """Tell the story, or be one process of it."""
    if arguments:
        process(Path(arguments[0]), *arguments[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        story(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
