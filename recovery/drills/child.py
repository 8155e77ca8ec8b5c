"""The process that dies: it recovers and opens a file, does steps, and ends at the crash point that is planned.

It is a fork of a server that has imported the workflow and never run it, so what a module remembers dies with it. What
its parent is told was durable by then; that it strikes is said before it does.
"""

import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

import recovery
from persistence import SQLiteStore, Store
from recovery.drills.crashing import Crashed, crashing
from recovery.drills.doing import committed, do_step
from recovery.drills.evidence import evidence_of, tables_of
from recovery.drills.points import CrashPoint, Disaster, Way
from recovery.drills.rehearsed import AnyWorkflow, PlannedError, rehearsed
from recovery.drills.steps import (
    Answer,
    Broke,
    Committed,
    Do,
    Dropped,
    Evidence,
    Gone,
    Leave,
    Look,
    Open,
    Opened,
    Raised,
    Refusal,
    Step,
    Struck,
)
from statemachine import Engine, Limits, Refused
from statemachine.usertables import ReadingSql
from statemachine.workflow import definition_of

__all__ = ["Setup", "serve"]

GOOD = "CLEAN"

if TYPE_CHECKING:
    Wire = Connection[Any, Any]


@frozen
class Setup:
    """What a new process needs to know; sent by name, so all of it can be imported there."""

    workflow: type[AnyWorkflow]
    schema: str | None = None
    durability: str | None = None
    limits: Limits | None = None
    observe: Callable[[ReadingSql], object] | None = None
    store: Callable[[Store], Store] | None = None  # what stands between the drill and the file


def serve(wire: "Wire", setup: Setup) -> None:
    """Fork a child whenever one is wanted, and say how it ended; runs until the parent is gone."""
    os.setpgid(0, 0)  # ends as one, with its child; Ctrl-C is for the parent, which ends them
    try:
        wire.send(None)
        while wire.poll(None):
            wire.recv()
            child = os.fork()
            if child == 0:
                _live(wire, setup)
            _, status = os.waitpid(child, 0)
            wire.send(Gone(os.waitstatus_to_exitcode(status)))
    except (EOFError, OSError):
        return  # the parent is gone, and with it the reason to be here


def _live(wire: "Wire", setup: Setup) -> None:
    """Do what the parent says, and end without coming back."""
    code = 1
    try:
        _Child(wire, setup).serve()
        code = 0
    finally:
        if code:
            with suppress(OSError):  # the parent is gone
                wire.send(Broke(traceback.format_exc()))
        os._exit(code)


@define(eq=False)
class _Step:
    """The step that is under way."""

    disaster: Disaster | None = None
    time: int = 0
    called: list[str] = field(factory=list[str])
    answer: Committed | None = None


class _Child:
    def __init__(self, wire: "Wire", setup: Setup) -> None:
        self._wire = wire
        self._setup = setup
        self._step = _Step()
        self._workflow = rehearsed(setup.workflow, self._acted)
        self._definition = definition_of(setup.workflow)
        self._engine: Engine | None = None
        self._path = ""

    def serve(self) -> None:
        """Answer the parent until it says to leave."""
        while not isinstance(asked := self._wire.recv(), Leave):
            self._wire.send(self._answer(asked))
        if self._engine is not None:
            self._engine.close()

    def _answer(self, asked: Open | Do | Look) -> object:
        match asked:
            case Open():
                return self._open(asked.path)
            case Look():
                return self._look()
            case Do():
                return self._do(asked.step, asked.disaster)

    # -- opening -------------------------------------------------------------------------------------------------------

    def _open(self, path: str) -> Opened:
        setup, self._path = self._setup, path
        store: Store = SQLiteStore(path, schema=setup.schema, level=setup.durability)
        if setup.store is not None:
            store = setup.store(store)
        first = recovery.recover(store, self._workflow, level="full")
        damage = [f"{one.instance} {one.verdict} {one.reason}" for one in first.instances if one.verdict != GOOD]
        opened = recovery.open(crashing(store, self._strike), self._workflow, clock=self._clock, limits=setup.limits)
        self._engine = opened
        once = self._look()
        second = recovery.recover(store, self._workflow, level="full")
        differs = "" if first == second else f"first {first.to_json()}\nthen {second.to_json()}"
        return Opened((*damage, *first.store), once, self._look(), differs)

    def _look(self) -> Evidence:
        observe, engine = self._setup.observe, self._opened()
        found = evidence_of(engine.store, observed=repr(observe(engine.sql())) if observe else tables_of(self._path))
        return evolve(found, enabled=tuple((instance, self._enabled(instance)) for instance, *_ in found.heads))

    def _enabled(self, instance: str) -> tuple[str, ...]:
        """Return what may be sent to an instance, or why it cannot be asked."""
        roles = {role for rule in self._definition.chart.rules for role in rule.roles}
        try:
            offers = self._opened().get(self._workflow, instance).offers(roles=tuple(sorted(roles)))
        except Refused as refused:
            return (refused.code,)
        return tuple(f"{offer['event']}: {offer['enabled']}" for offer in offers)

    def _opened(self) -> Engine:
        assert self._engine is not None
        return self._engine

    def _clock(self) -> int:
        return self._step.time

    # -- doing ---------------------------------------------------------------------------------------------------------

    def _do(self, step: Step, disaster: Disaster | None) -> Answer | Dropped:
        self._step = _Step(disaster, step.time)
        try:
            answer = self._perform(step)
            if isinstance(answer, Committed):
                self._step.answer = answer
                self._strike(CrashPoint.ANSWERED)
        except Crashed:
            engine, self._engine = self._opened(), None
            engine.close()  # the file it lets go of is not the one that goes on
            return Dropped()
        finally:
            self._step.disaster = None
        return answer

    def _perform(self, step: Step) -> Answer:
        called = self._step.called
        try:
            done = do_step(self._opened(), self._workflow, self._definition, step=step)
        except Refused as refused:
            return Refusal(refused.code, tuple(called))
        except Exception as error:  # whatever a callback raises is an answer
            return Raised(type(error).__name__, str(error), tuple(called))
        return committed(done, called=called)

    # -- dying ---------------------------------------------------------------------------------------------------------

    def _acted(self, name: str) -> None:
        self._step.called.append(name)
        disaster = self._step.disaster
        if disaster is None or disaster.point is not CrashPoint.ACTION or disaster.action != len(self._step.called):
            return
        if disaster.way is Way.RAISE:
            raise PlannedError(f"planned in {name}")
        self._strike(CrashPoint.ACTION)

    def _strike(self, point: CrashPoint) -> None:
        """End as the plan says, if this is the point."""
        disaster = self._step.disaster
        if disaster is None or disaster.point is not point:
            return
        self._step.disaster = None
        self._wire.send(Struck(point, tuple(self._step.called), self._step.answer))
        if disaster.way is Way.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        self._wire.recv()  # the parent has copied the file as it is on disk
        raise Crashed
