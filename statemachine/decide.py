"""One attempted event, from an image of the data to what would be written: run by `Cursor` and by the engine alike.

Nothing here is durable and nothing outside changes: data is thawed from its image for this attempt and frozen again at
its end, so that an attempt that fails leaks nothing.
"""

from attrs import frozen

from statemachine.chart import Chart, Configuration
from statemachine.definition import Definition
from statemachine.errors import InvariantBroken, Refused
from statemachine.frame import Attempt
from statemachine.runner import FrameRunner
from statemachine.step import Macrostep, Unhandled, begin, macrostep

__all__ = ["Decision", "broken_invariant", "decide", "decide_start"]


@frozen(eq=False)
class Decision:
    """What an attempt came to."""

    macrostep: Macrostep
    image: bytes  # of the data after it


def decide(definition: Definition, attempt: Attempt, image: bytes, *, name: str, event: object) -> Decision:
    """Run one event on thawed data. Raises Refused, InvariantBroken, and whatever a callback raises."""
    configuration = attempt.configuration
    runner = FrameRunner(definition, attempt, image)
    try:
        found = macrostep(definition.chart, configuration, (name, event), runner=runner)
        if isinstance(found, Unhandled):
            runner.check_unchanged()
            raise _refusal(definition.chart, name, found, configuration=configuration, missing_role=runner.missing_role)
        return Decision(found, runner.finish())
    finally:
        runner.end()


def decide_start(definition: Definition, attempt: Attempt, image: bytes) -> Decision:
    """Enter the initial configuration. Raises InvariantBroken, and whatever a callback raises."""
    runner = FrameRunner(definition, attempt, image)
    try:
        return Decision(begin(definition.chart, runner=runner), runner.finish())
    finally:
        runner.end()


def broken_invariant(definition: Definition, attempt: Attempt, image: bytes) -> str | None:
    """Return which invariant does not hold for a stored instance; None if all hold. Raises what an invariant raises."""
    runner = FrameRunner(definition, attempt, image)
    try:
        runner.finish()
    except InvariantBroken as error:
        return str(error)
    finally:
        runner.end()
    return None


def _refusal(chart: Chart, name: str, found: Unhandled, *, configuration: Configuration, missing_role: bool) -> Refused:
    enabled = chart.events(configuration)
    here = ", ".join(configuration)
    if not found.blocked:
        sources = sorted({rule.source.name for rule in chart.rules if rule.event == name})
        code, reason = "event_not_enabled", f"{name} is taken in {', '.join(sources)}, not in {here}"
    elif missing_role:
        roles = sorted({role for rule in found.blocked for role in rule.roles})
        code, reason = "role_missing", f"{name} in {here} needs one of the roles {', '.join(roles)}"
    else:
        guards = sorted({rule.guard for rule in found.blocked if rule.guard})
        code, reason = "guard_failed", f"{name} in {here} was stopped by {', '.join(guards)}"
    return Refused(code, reason, state=configuration, enabled=enabled)
