"""What can run but looks wrong, each with a stable code (`perdure explain`): what `check` returns.

A finding is certain: it rests on everything that the chart can do (`exploring`), with guards taken either way. A chart
that is too large for that has only the findings that need none of it, never a doubtful one. A rule of a subclass that
takes an event before its base's is meant, and is no finding.
"""

from collections.abc import Callable, Iterator

from attrs import frozen

from statemachine.definition import Definition
from statemachine.errors import ChartFinding
from statemachine.findings.accepting import accepted, spare
from statemachine.findings.ending import dead_ends, endless, unfinished
from statemachine.findings.looping import loops
from statemachine.findings.naming import alike, outcomes
from statemachine.findings.reaching import unreachable
from statemachine.findings.remembering import aimless_histories, deferrals, unused_histories
from statemachine.findings.shadowing import ambiguous, hidden, passed_by, shadowed, unheard
from statemachine.findings.subject import Subject

__all__ = ["Judged", "findings", "judged"]

_EXPLORED: tuple[Callable[[Subject], Iterator[ChartFinding]], ...] = (
    unreachable,
    dead_ends,
    shadowed,
    passed_by,
    loops,
    unfinished,
    unheard,
    unused_histories,
    deferrals,
    hidden,
    endless,
)
_WRITTEN: tuple[Callable[[Subject], Iterator[ChartFinding]], ...] = (ambiguous, alike, aimless_histories, outcomes)


@frozen(eq=False)
class Judged:
    """One workflow, judged."""

    findings: tuple[ChartFinding, ...]  # by code
    accepted: tuple[tuple[ChartFinding, str], ...]  # by the class, each with its reason
    is_complete: bool  # else the chart is too large, and only what is written in it was looked at


def findings(definition: Definition) -> tuple[ChartFinding, ...]:
    """Return what looks wrong and is not accepted, by code. Pure."""
    return judged(definition).findings


def judged(definition: Definition) -> Judged:
    """Return what looks wrong, and what the class accepts of it. Pure."""
    subject = Subject(definition)
    is_complete = subject.explored.is_complete
    checks = (*_WRITTEN, *(_EXPLORED if is_complete else ()))
    found = sorted((one for check in checks for one in check(subject)), key=lambda one: one.code)
    reasons = accepted(definition.workflow)
    taken = {one: reasons.get(f"{one.code} {one.where}") or reasons.get(one.code) for one in found}
    left = tuple(one for one in found if not taken[one])
    unneeded = tuple(spare(definition, found)) if is_complete else ()
    return Judged((*left, *unneeded), tuple((one, reason) for one, reason in taken.items() if reason), is_complete)
