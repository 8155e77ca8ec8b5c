"""What a diagram shows, as plain values: every format is written from it, and JSON is nothing but it. Pure.

States stand in document order, histories among them; a state names its parent. A rule is one decorator at one of its
sources, so a rule for three events is one, and a rule from `ANY` is one at each state of the first level. Timers and
the two ends of a task are rules too. docs/diagrams.md describes each field.

A rule is drawn as an arrow, unless an arrow would lie: one that leads nowhere (internal), or between a region and what
lies in it, stands as a row in the box of its source. Both Mermaid and Graphviz draw an arrow between a box and a box
inside of it wrong or not at all.
"""

import textwrap
from collections.abc import Iterable, Iterator
from inspect import cleandoc

from attrs import frozen

from statemachine.chart import ALWAYS, FAILED, Chart, Configuration, Node, Rule, done_event
from statemachine.definition import Definition
from statemachine.durations import text_of
from statemachine.specs import TaskSpec, TimerSpec

__all__ = ["DrawnRule", "DrawnState", "Picture", "arrows", "clean", "label", "picture", "rows"]

LABEL_WIDTH = 40  # signs in a line; beyond it, lists of events are broken


@frozen
class DrawnState:
    """One state, region or history."""

    name: str  # full
    kind: str  # atomic, final, compound, parallel, history
    parent: str | None
    active: bool  # itself or something in it is
    initial: tuple[str, ...]  # of a region: what it enters by default; of a history: where it leads at first
    outcome: str | None  # of a final state of the first level: how the instance ends
    deep: bool  # of a history
    tags: tuple[str, ...]
    enter: tuple[str, ...]  # names of methods
    leave: tuple[str, ...]
    defer: tuple[str, ...]  # names of events

    @property
    def last(self) -> str:
        """Its name in its parent."""
        return self.name.rpartition(".")[2]


@frozen
class DrawnRule:
    """One rule at one source; a timer or an end of a task is one too."""

    kind: str  # on, always, done, error, after, task_done, task_failed
    events: tuple[str, ...]  # on: names of events; done: regions; after: the timer; task_…: the task
    source: str
    targets: tuple[str, ...]  # none: nothing is left
    guard: str | None
    action: str | None
    roles: tuple[str, ...]
    reenter: bool
    delay_ms: int | None  # of a timer


@frozen
class DrawnTask:
    """One task of a state."""

    name: str
    state: str
    attempts: int
    delay_ms: int
    timeout_ms: int | None


@frozen
class Picture:
    """A workflow, and where one of its instances stands."""

    workflow: str
    revision: int
    description: str  # the first line of its docstring
    initial: tuple[str, ...]
    configuration: tuple[str, ...] | None  # None: of the workflow alone
    states: tuple[DrawnState, ...]
    rules: tuple[DrawnRule, ...]
    tasks: tuple[DrawnTask, ...]

    def inside(self, parent: str | None) -> list[DrawnState]:
        """Return what stands directly in a region; of None, the first level."""
        return [state for state in self.states if state.parent == parent]

    def is_side(self, state: DrawnState) -> bool:
        """Say whether a state stands in a parallel, active together with those beside it."""
        return state.kind != "history" and any(
            one.name == state.parent and one.kind == "parallel" for one in self.states
        )


def picture(definition: Definition, configuration: Configuration | None) -> Picture:
    """Return what is to be drawn of a workflow, and of an instance that stands there. Pure."""
    chart = definition.chart
    active = {node.name for leaf in configuration or () for node in chart.nodes[leaf].path}
    documented = cleandoc(vars(definition.workflow).get("__doc__") or "")  # its own, not that of a base
    return Picture(
        workflow=definition.name,
        revision=definition.revision,
        description=clean(documented.partition("\n\n")[0]),
        initial=_initial(chart.root),
        configuration=configuration,
        states=tuple(
            _state(node, active=active, tags=definition.tags) for node in chart.nodes.values() if node is not chart.root
        ),
        rules=(*_rules(chart), *_timers(definition.timers), *_ends(definition.tasks)),
        tasks=tuple(
            DrawnTask(one.name, one.state, one.attempts, one.delay_ms, one.timeout_ms) for one in definition.tasks
        ),
    )


def _state(node: Node, *, active: set[str], tags: dict[str, tuple[str, ...]]) -> DrawnState:
    return DrawnState(
        name=node.name,
        kind=node.kind,
        parent=node.parent.name or None if node.parent else None,
        active=node.name in active,
        initial=node.fallback or _initial(node),
        outcome=(node.outcome or node.name) if node.kind == "final" and "." not in node.name else None,
        deep=node.deep,
        tags=tags.get(node.name, ()),
        enter=node.enter,
        leave=node.leave,
        defer=tuple(sorted(node.defers)),
    )


def _initial(node: Node) -> tuple[str, ...]:
    return node.start or ((node.initial,) if node.initial else ())


def _rules(chart: Chart) -> Iterator[DrawnRule]:
    """Put together what one decorator says at one source."""
    found: dict[object, tuple[Rule, list[str]]] = {}
    for rule in chart.rules:
        kind = _kind(rule.event)
        key = (kind, rule.source.name, rule.targets, rule.action, rule.guard, rule.reenter, rule.roles)
        found.setdefault(key, (rule, []))[1].append(rule.event.removeprefix("done:") if kind == "done" else rule.event)
    for rule, events in found.values():
        kind = _kind(rule.event)
        yield DrawnRule(
            kind=kind,
            events=tuple(events) if kind in {"on", "done"} else (),
            source=rule.source.name,
            targets=tuple(target.name for target in rule.targets),
            guard=rule.guard,
            action=rule.action,
            roles=rule.roles,
            reenter=rule.reenter,
            delay_ms=None,
        )


def _kind(event: str) -> str:
    if event.startswith(done_event("")):
        return "done"
    return {ALWAYS: "always", FAILED: "error"}.get(event, "on")


def _timers(timers: Iterable[TimerSpec]) -> Iterator[DrawnRule]:
    for one in timers:
        for source in one.sources:
            yield _rule_of_its_own("after", one.name, source, to=one.target, action=one.name, delay_ms=one.delay_ms)


def _ends(tasks: Iterable[TaskSpec]) -> Iterator[DrawnRule]:
    for one in tasks:
        yield _rule_of_its_own("task_done", one.name, one.state, to=one.done, action=one.result)
        yield _rule_of_its_own("task_failed", one.name, one.state, to=one.failed, action=None)


def _rule_of_its_own(
    kind: str, name: str, source: str, *, to: str | None, action: str | None, delay_ms: int | None = None
) -> DrawnRule:
    targets = () if to is None else (to,)
    return DrawnRule(kind, (name,), source, targets, None, action, (), reenter=False, delay_ms=delay_ms)


# -- words -------------------------------------------------------------------------------------------------------------


def label(rule: DrawnRule) -> list[str]:
    """Return the lines at an arrow: `Submit as manager [is_large]`, `/ submit`. Pure."""
    head = _trigger(rule)
    head += f" as {' or '.join(rule.roles)}" if rule.roles else ""
    head += f" [{rule.guard}]" if rule.guard else ""
    inside = (f"{target}.".startswith(f"{rule.source}.") for target in rule.targets)
    head += " (reenter)" if rule.reenter and any(inside) else ""  # elsewhere its source is left anyway
    return [*_wrapped(head), *([f"/ {rule.action}"] if rule.action else [])]


def _trigger(rule: DrawnRule) -> str:
    names = ", ".join(rule.events)
    if rule.kind == "done":
        return "done" if rule.events == (rule.source,) else f"done {names}"
    if rule.kind == "after":
        return f"after {text_of(rule.delay_ms or 0)}"
    return {"on": names, "task_done": f"{names} done", "task_failed": f"{names} failed"}.get(rule.kind, rule.kind)


def arrows(drawn: Picture) -> list[DrawnRule]:
    """Return the rules that are drawn as arrows; all others are rows of their source. Pure."""
    return [rule for rule in drawn.rules if not _is_row(rule, drawn)]


def _is_row(rule: DrawnRule, drawn: Picture) -> bool:
    """Say whether an arrow would lie."""
    leaves = {state.name for state in drawn.states if not state.initial or state.kind == "history"}
    regions = {state.parent for state in drawn.states}
    is_loop = rule.targets == (rule.source,) and rule.source in leaves - regions
    return not rule.targets or (not is_loop and any(_is_around(rule.source, one) for one in rule.targets))


def _is_around(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def rows(state: DrawnState, drawn: Picture) -> list[str]:
    """Return the lines in the box of a state below its name. Pure."""
    tasks = [one for one in drawn.tasks if one.state == state.name]
    inner = [rule for rule in drawn.rules if rule.source == state.name and _is_row(rule, drawn)]
    lines = [
        *([f"outcome: {state.outcome}"] if state.outcome not in {None, state.name} else []),
        *([", ".join(state.tags)] if state.tags else []),
        *(f"entry / {name}" for name in state.enter),
        *(f"do / {one.name}" + (f" (up to {one.attempts} times)" if one.attempts > 1 else "") for one in tasks),
        *(f"exit / {name}" for name in state.leave),
        *(f"{name} / defer" for name in state.defer),
        *(" ".join([*label(rule), *(["→", ", ".join(rule.targets)] if rule.targets else [])]) for rule in inner),
    ]
    return [part for line in lines for part in _wrapped(line)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(clean(text), LABEL_WIDTH, break_long_words=False, break_on_hyphens=False)


def clean(text: str) -> str:
    """Return a text on one line, and without what no picture can show. Pure."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(text.split()))
