"""A workflow as a drill runs it: the class's own definition, whose actions are counted and whose seeds repeat.

`self.random` and `self.new_id()` are seeded from the instance's secret, which is another one in each file. Here the
seed is made of the instance's id and the version, so that a run repeats, and the disturbed run and the undisturbed one
make the same ids. Nothing else differs from what the engine runs: rules, guards, codecs and invariants are the class's.
"""

from collections.abc import Callable
from typing import Any, cast

from statemachine import Workflow
from statemachine.definition import Definition
from statemachine.frame import Attempt, Callback
from statemachine.workflow import definition_of

__all__ = ["PlannedError", "rehearsed"]

AnyWorkflow = Workflow[Any]
Acted = Callable[[str], None]


class PlannedError(Exception):
    """What an action raises because the drill wants it to."""


def rehearsed(workflow: type[AnyWorkflow], acted: Acted) -> type[AnyWorkflow]:
    """Return what an engine takes for the workflow; `acted` is called with a name whenever an action has run.

    It may raise: then the action has changed data and written rows, and raises.
    """
    definition = cast("Definition", _Rehearsed(definition_of(workflow), acted))
    return cast("type[AnyWorkflow]", type(workflow.__name__, (), {"__definition__": definition}))


class _Rehearsed:
    def __init__(self, definition: Definition, acted: Acted) -> None:
        self._definition = definition
        self.callbacks = _counted(definition, acted)

    def __getattr__(self, name: str) -> object:
        return getattr(self._definition, name)

    def frame(self, attempt: Attempt) -> object:
        repeats = Attempt(None)  # what its own seed is made of stands in the record too
        repeats.seed = f"{attempt.id} {attempt.version}".encode()
        vars(attempt)["_random"] = repeats.random
        return self._definition.frame(attempt)


def _counted(definition: Definition, acted: Acted) -> dict[str, Callback]:
    """Return the class's methods; when an action has run, `acted` is told."""
    asked = {rule.guard for rule in definition.chart.rules} | set(definition.invariants)

    def counted(name: str, callback: Callback) -> Callback:
        function, takes_event = callback

        def act(frame: object, event: object) -> object:
            answer = function(frame, event) if takes_event else function(frame)
            acted(name)
            return answer

        return act, True

    return {name: found if name in asked else counted(name, found) for name, found in definition.callbacks.items()}
