"""The process that dies: `python -m perdure.demo.child PATH SEED DONE DEATHS BREAK`.

It makes its script from the seed, opens the file through recovery, and goes on after the first DONE steps, which its
parent knows to be acknowledged. The step that was under way when the process before it died is sent again under its old
key: if it had been committed, the answer is the transition on record. What `send` returned is told to the parent in one
line, after it returned; a line that was written survives its writer.
"""

import os
import sys

import recovery
from perdure.demo.events import Approve
from perdure.demo.faults import Fault, faulty
from perdure.demo.order import SCHEMA, Order
from perdure.demo.script import CrashPoint, Script, Step, script_of
from perdure.demo.wire import Acknowledged, Opened
from persistence import SQLiteStore, Store
from statemachine import Engine, Transition

__all__ = ["main", "perform", "play"]

STDOUT = 1


def main() -> None:
    """Read the arguments and play."""
    path, *numbers = sys.argv[1:]
    seed, done, deaths, forgets = (int(number) for number in numbers)
    play(path, script_of(seed), done=done, deaths=deaths, forgets=bool(forgets))


def play(path: str, script: Script, *, done: int, deaths: int, forgets: bool) -> None:
    """Recover the file and do the rest of the script, up to the next kill."""
    fault = Fault()
    store = faulty(SQLiteStore(path, schema=SCHEMA), fault)
    _say(_recover(store).line())
    kill = script.kills[deaths] if deaths < len(script.kills) else None
    with recovery.open(store, Order) as engine:
        for step in script.steps[done:]:
            fault.point = kill.point if kill is not None and kill.step == step.number else None
            fault.forgets = forgets and step.number == script.lost
            told = _told(step, perform(engine, step))
            fault.strike(CrashPoint.ANSWER)
            _say(told.line())


def perform(engine: Engine, step: Step) -> Transition:
    """Do one step. Durable on return."""
    if step.event is None:
        return engine.start(Order, id=step.order).history()[0]
    roles = ("manager",) if isinstance(step.event, Approve) else ()
    return engine.get(Order, step.order).send(step.event, key=step.key, roles=roles)


def _recover(store: Store) -> Opened:
    """Judge what the process before this one left behind."""
    unclean = len(store.facts.unclean)
    report = recovery.recover(store, Order)
    return Opened(unclean, len(report.instances), sum(report.counts().get(good, 0) for good in ("CLEAN", "RESUMED")))


def _told(step: Step, done: Transition) -> Acknowledged:
    return Acknowledged(
        step=step.number,
        order=done.instance,
        version=done.version,
        event=done.event,
        hash=done.hash,
        replayed=done.replayed,
        after=",".join(done.after),
    )


def _say(line: str) -> None:
    os.write(STDOUT, line.encode())


if __name__ == "__main__":
    main()
