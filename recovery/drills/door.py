"""`recovery.drill`: everything that a user can get wrong is said here, before anything runs.

Nothing is imported of Hypothesis until a drill is made: `import recovery` works without it.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from persistence import Store
from statemachine import DefinitionError, Limits, Workflow
from statemachine.definition import Definition
from statemachine.tasks import check_runnable
from statemachine.usertables import ReadingSql

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from recovery.drills.running import Drill

    Values = SearchStrategy[Any]

__all__ = ["drill"]

AnyWorkflow = Workflow[Any]
SECONDS = 30.0


def drill(
    workflow: type[AnyWorkflow],
    /,
    *,
    schema: str | None = None,
    durability: str | None = None,
    limits: Limits | None = None,
    start: "Values | None" = None,
    strategies: "Mapping[type, Values] | None" = None,
    observe: Callable[[ReadingSql], object] | None = None,
    store: Callable[[Store], Store] | None = None,
    seconds: float = SECONDS,
    seed: int | None = None,
) -> "Drill":
    """Return a drill of a workflow: its `TestCase` is what pytest collects, its `run` needs no pytest.

    Instances are started, events drawn from those that are enabled, payloads from their types; actions raise, and the
    process is dropped or killed at each point of a transition. After each disaster the file is recovered and judged
    from what the caller was told and against the file of an undisturbed run.

    `schema`, `durability` and `limits` are the engine's. `start` draws initial data, `strategies` payloads by the class
    of the event. `observe` reads what the user's rows come to (by default all tables of the user's are compared whole).
    `store` puts a store of your own between the drill and the file. Workflow, `observe` and `store` are imported by new
    processes: they stand at module level. Raises DefinitionError (PD18x), ImportError (PS321) without Hypothesis.
    """
    definition = _definition(workflow)
    if find_spec("hypothesis") is None:
        raise ImportError("PS321 a drill needs Hypothesis, which is not installed: pip install 'perdure[drill]'")
    from recovery.drills.running import Drill

    check_runnable(definition.name, definition.tasks, definition.timers)
    named = _by_name(definition, strategies or {})
    _check_start(definition, start)
    _check_importable(definition.name, {"the class": workflow, "observe=": observe, "store=": store})
    from recovery.drills.child import Setup

    setup = Setup(workflow, schema, durability, limits, observe, store)
    return Drill(setup, initial=start, strategies=named, seconds=seconds, seed=seed)


def _definition(workflow: object) -> Definition:
    found = getattr(workflow, "__definition__", None) if isinstance(workflow, type) else None
    if not isinstance(found, Definition):
        raise DefinitionError(
            "PD180", f"drill({workflow!r}): this is no workflow that can run. Give it a subclass of Workflow."
        )
    return found


def _by_name(definition: Definition, strategies: Mapping[Any, object]) -> "dict[str, Values]":
    from hypothesis.strategies import SearchStrategy

    kinds = {codec.kind: name for name, codec in definition.events.items()}
    found: dict[str, Values] = {}
    for kind, values in strategies.items():
        if kind not in kinds:
            known = ", ".join(definition.events)
            raise DefinitionError(
                "PD181", f"{definition.name}: strategies= names {kind!r}, which is no event of it. It has {known}."
            )
        if not isinstance(values, SearchStrategy):
            raise DefinitionError(
                "PD181", f"{definition.name}: strategies= gives {values!r} for {kinds[kind]}. Give a strategy."
            )
        found[kinds[kind]] = values
    return found


def _check_start(definition: Definition, start: "Values | None") -> None:
    if start is not None:
        return
    try:
        definition.initial_data()
    except TypeError as error:
        raise DefinitionError(
            "PD182", f"{definition.name}: its data is not made of defaults alone ({error}). Write start=a strategy."
        ) from error


def _check_importable(name: str, given: Mapping[str, object]) -> None:
    from recovery.drills.process import unsendable

    for what, value in given.items():
        reason = unsendable(value)
        if reason is not None:
            raise DefinitionError(
                "PD183", f"{name}: a new process cannot import {what} ({reason}). Put it at the level of its module."
            )
