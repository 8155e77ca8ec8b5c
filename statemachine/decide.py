"""One attempted event, from frozen data to what would be written: run by `Cursor` and by the engine alike.

Nothing here is durable and nothing outside changes: data is thawed for this attempt and frozen again at its end, so
that an attempt that fails leaks nothing.
"""

from typing import NoReturn, Protocol

from statemachine.chart import FAILED, Chart, Configuration
from statemachine.definition import Definition
from statemachine.errors import InvariantBroken, Refused
from statemachine.failing import failure
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep, Unhandled, begin, macrostep

__all__ = ["Bound", "broken_invariant", "decide", "handle"]


class Bound(Protocol):
    """What bounds one decision: where it raises, what it wrote by SQL is undone."""

    def end(self, error: BaseException | None) -> None:
        """End the decision as it ended. Raises what is wrong with what it wrote, which is undone then."""
        ...


def decide(
    definition: Definition,
    attempt: FrameRunner,
    frozen: object,
    *,
    event: tuple[str, object] | None,
    bound: Bound | None = None,
) -> Macrostep:
    """Run one event on thawed data; without one, enter the initial configuration.

    The data after it stays with the attempt, as it is and frozen. Raises Refused, InvariantBroken, and whatever a
    callback raises.
    """
    attempt.begin(definition, frozen)
    try:
        chart, configuration = definition.chart, attempt.configuration
        if event is None:
            found: Macrostep | Unhandled = begin(chart, runner=attempt)
        else:
            found = macrostep(chart, configuration, event, runner=attempt, memory=attempt.memory)
        if isinstance(found, Unhandled):
            _refuse(chart, configuration, found, name="" if event is None else event[0], attempt=attempt)
        attempt.finish()
        if bound is not None:
            bound.end(None)
    except BaseException as error:
        if bound is not None:
            bound.end(error)
        raise
    else:
        return found
    finally:
        attempt.end()


def handle(
    definition: Definition,
    attempt: FrameRunner,
    frozen: object,
    *,
    event: tuple[str, object],
    bound: Bound | None = None,
) -> tuple[FrameRunner, Macrostep]:
    """Run one event; where it fails and an `@on_error` rule handles that, run the rule in an attempt of its own.

    That one is a fresh one, from where the event found the instance. Each is a decision of its own to `bound`. Returns
    the attempt that counts. Raises as `decide` does; of the rule's own failure nothing is handled.
    """
    configuration = attempt.configuration
    try:
        return attempt, decide(definition, attempt, frozen, event=event, bound=bound)
    except Exception as error:
        failed = failure(definition.chart, configuration, error, event=event[0])
        if failed is None:
            raise
        attempt = attempt.again(definition.thaw(frozen), configuration)
        attempt.error = str(failed)
        return attempt, decide(definition, attempt, frozen, event=(FAILED, failed), bound=bound)


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


def _refuse(
    chart: Chart, configuration: Configuration, found: Unhandled, *, name: str, attempt: FrameRunner
) -> NoReturn:
    """Raise why no rule took an event."""
    attempt.check_unchanged()
    enabled = chart.events(configuration)
    here = ", ".join(configuration)
    if found.deferred_by is not None:
        code, reason = "event_deferred", f"{name} is deferred by {found.deferred_by}: it is taken once that is left"
    elif not found.blocked:
        sources = sorted({rule.source.name for rule in chart.rules if rule.event == name})
        code, reason = "event_not_enabled", f"{name} is taken in {', '.join(sources)}, not in {here}"
    elif attempt.missing_role:
        roles = sorted({role for rule in found.blocked for role in rule.roles})
        code, reason = "role_missing", f"{name} in {here} needs one of the roles {', '.join(roles)}"
    else:
        guards = sorted({rule.guard for rule in found.blocked if rule.guard})
        code, reason = "guard_failed", f"{name} in {here} was stopped by {', '.join(guards)}"
    raise Refused(code, reason, state=configuration, enabled=enabled)
