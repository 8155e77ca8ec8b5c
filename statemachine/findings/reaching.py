"""PD201: states that are never reached."""

from collections.abc import Iterator

from statemachine.errors import ChartFinding
from statemachine.findings.subject import Subject

__all__ = ["unreachable"]


def unreachable(subject: Subject) -> Iterator[ChartFinding]:
    """Find states that are never active; of nested ones the outermost: one finding for one cause. Pure."""
    for node in subject.chart.nodes.values():
        parent = node.parent
        if parent is None or node.kind == "history" or node in subject.reached:
            continue
        if parent is subject.chart.root or parent in subject.reached:
            yield ChartFinding(
                "PD201",
                node.name,
                f"{subject.label}: state {node.name!r} is never reached. Add a rule that leads there, or drop it.",
            )
