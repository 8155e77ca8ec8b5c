"""PD202, PD207, PD215: states in which nothing can happen, regions that are never done, instances that never end."""

from collections.abc import Iterator

from statemachine.chart import Node, Rule, done_event
from statemachine.errors import ChartFinding
from statemachine.findings.subject import Subject
from statemachine.plans import exit_set

__all__ = ["dead_ends", "endless", "unfinished"]

LEAVES_SHOWN_MAX = 6  # of a circle: more are not read


def dead_ends(subject: Subject) -> Iterator[ChartFinding]:
    """Find leaves that nothing leaves and in which no rule listens. Pure."""
    for node in _dead_leaves(subject):
        yield ChartFinding(
            "PD202", node.name, f"{subject.label}: nothing can happen any more in {node.name!r}. {_way_out(node)}"
        )


def _way_out(node: Node) -> str:
    if node.kind == "final":
        return "Add @done for its region."
    is_region = node.parent is not None and node.parent.kind == "parallel"  # it cannot be final
    return "Add a rule for it, or drop it." if is_region else "Make it a Final, or add a rule for it."


def _dead_leaves(subject: Subject) -> list[Node]:
    explored, nodes = subject.explored, subject.chart.nodes
    seen = {nodes[leaf] for place in explored.steps for leaf in place.configuration}
    alive: set[Node] = set()
    for place, steps in explored.steps.items():
        active = explored.active(place)
        for rule in {rule for step in steps if step.plan for rule in step.plan.rules}:
            alive |= _left(rule, active) | {node for node in active if rule.source in node.path}
    waiting = {one for one in seen if _waits(subject, one)}
    return sorted(seen - alive - waiting, key=lambda node: node.index)


def _left(rule: Rule, active: set[Node]) -> set[Node]:
    """Return what a rule leaves, also where it is entered again; of a history at least that."""
    aims = (target.parent if target.kind == "history" else target for target in rule.targets)
    return exit_set(rule, tuple(aim for aim in aims if aim is not None), active)


def _waits(subject: Subject, leaf: Node) -> bool:
    """Say whether a leaf is the end of the workflow, or of a region whose end, or that of what is around, is taken."""
    if leaf.kind != "final":
        return False
    heard = {rule.event for rule in subject.chart.rules}
    return leaf.parent is subject.chart.root or any(done_event(node.name) in heard for node in leaf.path)


def endless(subject: Subject) -> Iterator[ChartFinding]:
    """Find a circle of states from which no end is reached, where the workflow has one that others reach. Pure."""
    explored = subject.explored
    if not explored.ended:
        return
    dead = {node.name for node in _dead_leaves(subject)}
    stuck = [place for place in explored.steps if not dead.isdisjoint(place.configuration)]
    ending = explored.leading_to([*explored.ended, *stuck])
    doomed = {leaf for place in explored.steps if place not in ending for leaf in place.configuration}
    free = {leaf for place in ending for leaf in place.configuration}
    names = [name for name in subject.chart.nodes if name in doomed - free]
    if names:
        more = f" and {len(names) - LEAVES_SHOWN_MAX} more" if len(names) > LEAVES_SHOWN_MAX else ""
        yield ChartFinding(
            "PD215",
            names[0],
            f"{subject.label}: from {', '.join(map(repr, names[:LEAVES_SHOWN_MAX]))}{more} no final state of the "
            "workflow can be reached. Add a rule that leads out.",
        )


def unfinished(subject: Subject) -> Iterator[ChartFinding]:
    """Find regions that are active and never done, though rules wait for their end. Pure."""
    for region in sorted(subject.reached, key=lambda node: node.index):
        end = done_event(region.name)
        waiting = [rule for rule in subject.chart.rules if rule.event == end and rule.source in subject.reached]
        if waiting and end not in subject.explored.raised:
            yield ChartFinding(
                "PD207",
                region.name,
                f"{subject.label}.{waiting[0].action} waits for the end of {region.name!r}, which never comes: "
                f"{_reason(subject, region)}. Add a rule that leads to a final state there, or drop this one.",
            )


def _reason(subject: Subject, region: Node) -> str:
    part = _endless_part(subject, region)
    if part is None:
        return "its regions are never in final states together"
    has_final = any(child.kind == "final" for child in part.children)
    return f"no final state of {part.name!r} is reached" if has_final else f"{part.name!r} has no final state"


def _endless_part(subject: Subject, region: Node) -> Node | None:
    """Return the first region, itself or inside a parallel, of which no final state is reached."""
    if region.kind == "parallel":
        return next((found for child in region.children if (found := _endless_part(subject, child))), None)
    return None if any(child.kind == "final" and child in subject.reached for child in region.children) else region
