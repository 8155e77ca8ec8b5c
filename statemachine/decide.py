"""One attempted event, from frozen data to what would be written: run by `Cursor` and by the engine alike.

Nothing here is durable and nothing outside changes: data is thawed for this attempt and frozen again at its end, so
that an attempt that fails leaks nothing.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from attrs import define, evolve

from statemachine.chart import FAILED, Chart, Configuration
from statemachine.definition import Definition
from statemachine.errors import InvariantBroken, Refused
from statemachine.failing import failure
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep, Unhandled, begin, macrostep

__all__ = ["Decision", "broken_invariant", "decide", "decide_start", "handle"]


@define(eq=False)
class Decision:
    """What an attempt came to. One is built for each event: hence not frozen, which costs three times as much."""

    macrostep: Macrostep
    frozen: object  # the data after it
    error: str | None = None  # what failed and was handled


def decide(definition: Definition, attempt: FrameRunner, frozen: object, *, name: str, event: object) -> Decision:
    """Run one event on thawed data. Raises Refused, InvariantBroken, and whatever a callback raises."""
    configuration = attempt.configuration
    attempt.begin(definition, frozen)
    try:
        found = macrostep(definition.chart, configuration, (name, event), runner=attempt, memory=attempt.memory)
        if isinstance(found, Unhandled):
            attempt.check_unchanged()
            raise _refusal(
                definition.chart, name, found, configuration=configuration, missing_role=attempt.missing_role
            )
        return Decision(found, attempt.finish())
    finally:
        attempt.end()


def handle(
    definition: Definition,
    attempt: FrameRunner,
    frozen: object,
    *,
    event: tuple[str, object],
    bound: Callable[[], AbstractContextManager[None]] | None = None,
) -> tuple[FrameRunner, Decision]:
    """Run one event; where it fails and an `@on_error` rule handles that, run the rule in an attempt of its own.

    That one is a fresh one, from where the event found the instance. Each runs inside a `bound` that undoes what it
    wrote by SQL if it raises. Returns the attempt that counts. Raises as `decide` does; of the rule's own failure
    nothing is handled.
    """
    configuration, (name, value) = attempt.configuration, event
    try:
        if bound is None:
            return attempt, decide(definition, attempt, frozen, name=name, event=value)
        with bound():
            return attempt, decide(definition, attempt, frozen, name=name, event=value)
    except Exception as error:
        failed = failure(definition.chart, configuration, error, event=name)
        if failed is None:
            raise
        attempt = attempt.again(definition.thaw(frozen), configuration)
        with nullcontext() if bound is None else bound():
            decision = decide(definition, attempt, frozen, name=FAILED, event=failed)
        return attempt, evolve(decision, error=str(failed))


def decide_start(definition: Definition, attempt: FrameRunner, frozen: object) -> Decision:
    """Enter the initial configuration. Raises InvariantBroken, and whatever a callback raises."""
    attempt.begin(definition, frozen)
    try:
        return Decision(begin(definition.chart, runner=attempt), attempt.finish())
    finally:
        attempt.end()


def broken_invariant(definition: Definition, attempt: FrameRunner, frozen: object) -> str | None:
    """Return which invariant does not hold for a stored instance; None if all hold. Raises what an invariant raises."""
    attempt.begin(definition, frozen)
    try:
        attempt.finish()
    except InvariantBroken as error:
        return str(error)
    finally:
        attempt.end()
    return None


def _refusal(chart: Chart, name: str, found: Unhandled, *, configuration: Configuration, missing_role: bool) -> Refused:
    enabled = chart.events(configuration)
    here = ", ".join(configuration)
    if found.deferred_by is not None:
        code, reason = "event_deferred", f"{name} is deferred by {found.deferred_by}: it is taken once that is left"
    elif not found.blocked:
        sources = sorted({rule.source.name for rule in chart.rules if rule.event == name})
        code, reason = "event_not_enabled", f"{name} is taken in {', '.join(sources)}, not in {here}"
    elif missing_role:
        roles = sorted({role for rule in found.blocked for role in rule.roles})
        code, reason = "role_missing", f"{name} in {here} needs one of the roles {', '.join(roles)}"
    else:
        guards = sorted({rule.guard for rule in found.blocked if rule.guard})
        code, reason = "guard_failed", f"{name} in {here} was stopped by {', '.join(guards)}"
    return Refused(code, reason, state=configuration, enabled=enabled)
