"""Doing one step as a caller does it, and what he is told."""

from collections.abc import Iterable
from typing import Any, cast

from recovery.drills.rehearsed import AnyWorkflow
from recovery.drills.steps import Committed, Step
from statemachine import Engine, Transition
from statemachine.definition import Definition
from statemachine.events import START

__all__ = ["committed", "do_step"]


def do_step(engine: Engine, workflow: type[AnyWorkflow], definition: Definition, *, step: Step) -> Transition:
    """Start an instance or send an event. Durable on return; raises whatever the engine raises."""
    if step.event == START:
        data = cast("Any", definition.decode_data(step.payload))
        return engine.start(workflow, data, id=step.instance).history()[0]
    event = definition.events[step.event].decode(step.payload)
    return engine.get(workflow, step.instance).send(event, key=step.key, roles=step.roles)


def committed(done: Transition, *, called: Iterable[str] = ()) -> Committed:
    """Return what the caller was told, as plain values. Pure."""
    return Committed(
        instance=done.instance,
        version=done.version,
        event=done.event,
        after=",".join(done.after),
        key=done.key,
        hash=done.hash,
        replayed=done.replayed,
        called=tuple(called),
    )
