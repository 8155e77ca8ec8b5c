"""PD209, PD216: names that are easily taken for each other."""

from collections.abc import Iterable, Iterator

from statemachine.definition import Definition
from statemachine.errors import ChartFinding
from statemachine.findings.subject import Subject

__all__ = ["alike", "outcomes"]


def alike(subject: Subject) -> Iterator[ChartFinding]:
    """Find states of one parent, events, or methods whose names differ only in case or underscores. Pure."""
    names = _ids(subject.definition)
    for parent in subject.chart.nodes.values():
        inside = {one.name: names.get(one.name, one.name) for one in (*parent.children, *parent.histories)}
        yield from _alike(subject, "states", inside)
    yield from _alike(subject, "events", {name: name for name in subject.definition.events})
    if not names:
        yield from _alike(subject, "methods", {name: name for name in _methods(subject.definition)})


def _ids(definition: Definition) -> dict[str, str]:
    """Return the ids of states by full name, where names were made from them: of an SCXML document."""
    program = vars(definition.workflow).get("__scxml__")
    return {} if program is None else {path: known for known, path in program.paths.items()}


def _methods(definition: Definition) -> Iterable[str]:
    chart = definition.chart
    rules = (name for rule in chart.rules for name in (rule.action, rule.guard) if name)
    hooks = (name for node in chart.nodes.values() for name in (*node.enter, *node.leave))
    tasks = (task.name for task in definition.tasks)
    timers = (timer.name for timer in definition.timers)
    return dict.fromkeys((*rules, *hooks, *tasks, *timers, *definition.invariants))


def _alike(subject: Subject, what: str, names: dict[str, str]) -> Iterator[ChartFinding]:
    known: dict[str, str] = {}
    for path, name in names.items():
        first = known.setdefault(name.replace("_", "").casefold(), name)
        if first != name:
            yield ChartFinding(
                "PD209",
                path,
                f"{subject.label}: the {what} {first!r} and {name!r} differ only in case or underscores. Rename one.",
            )


def outcomes(subject: Subject) -> Iterator[ChartFinding]:
    """Find final states whose outcome is the name of another one that has its own. Pure."""
    finals = [one for one in subject.chart.root.children if one.kind == "final"]
    names = {one.name for one in finals if one.outcome in {None, one.name}}
    for one in finals:
        if one.outcome in names - {one.name}:
            yield ChartFinding(
                "PD216",
                one.name,
                f"{subject.label}: the outcome of {one.name!r} is {one.outcome!r}, which is the name of another final "
                "state: nobody can tell which it was. Choose another word, or lead to that state.",
            )
