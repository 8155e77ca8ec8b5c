"""Random statecharts, and a judge of legality that shares no code with `statemachine`: a walk over the specs.

`stories()` draws a chart and what is sent to it. `Story.chart` builds it from specs (`machine.build`, `compile_chart`),
`Story.workflow` declares the same chart as a real class. The other judge is `tests.reference`.
"""

import re
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from attrs import define, evolve, field, frozen
from hypothesis import strategies as st

from statemachine import (
    ANY,
    Compound,
    Final,
    History,
    Parallel,
    State,
    Workflow,
    after,
    always,
    done,
    enter,
    leave,
    on,
    on_error,
)
from statemachine.chart import ALWAYS, FAILED, Chart, Configuration, Memory, Rule, done_event
from statemachine.compiling import compile_chart
from statemachine.errors import InvariantBroken
from statemachine.machine import build
from statemachine.specs import RuleSpec, StateSpec
from statemachine.states import Ref, Target
from statemachine.step import Macrostep, Unhandled, begin, macrostep

DEPTH_MAX = 4
MICROSTEPS_MAX = 24  # many charts never rest; the reference is slow
GUARDS = ("g0", "g1", "g2")


@frozen
class E0: ...


@frozen
class E1: ...


@frozen
class E2: ...


EVENTS: Mapping[str, type[Any]] = {"E0": E0, "E1": E1, "E2": E2}


@define
class Log:
    """The data of a declared story: the names of the callbacks that ran."""

    ran: list[str] = field(factory=list)


@frozen
class DrawnRule:
    """A rule as a user would write it: one decorator."""

    kind: Literal["on", "always", "done", "on_error"]
    events: tuple[str, ...]  # of `on`
    sources: tuple[str, ...]  # empty for ANY
    targets: tuple[str, ...]  # none for an internal rule
    guard: str | None
    reenter: bool


@frozen
class Sent:
    """An event that is sent, and the guards that hold for as long as it is worked on."""

    event: str
    holding: frozenset[str]


@frozen(eq=False)
class Story:
    """A chart and what happens to it."""

    states: tuple[StateSpec, ...]
    initial: str
    drawn: tuple[DrawnRule, ...]
    raises: Mapping[str, str]  # callback -> the event that it raises
    start: Configuration  # where the story begins; empty: at the beginning
    sends: tuple[Sent, ...]
    timers: tuple[tuple[str, str | None], ...] = ()  # a state, and where it leads

    @property
    def rules(self) -> tuple[RuleSpec, ...]:
        """The rules as the definition hands them to `build`."""
        tops = [spec for spec in self.states if spec.kind != "final"]
        return tuple(
            RuleSpec(order, event, sources, rule.targets, f"rule_{order}", guard=rule.guard, reenter=rule.reenter)
            for order, rule in enumerate(self.drawn)
            for event, sources in _heard(rule, tops)
        )

    def chart(self) -> Chart:
        """A fresh chart, its caches empty."""
        machine = build("drawn", self.states, self.rules)
        machine.initial = self.initial
        return compile_chart(machine, schemas={})

    def workflow(self, holding: set[str]) -> type[Workflow[Log]]:
        """Declare the chart as a class; its guards read `holding`."""
        refs: dict[str, Target] = {}
        tops = {spec.name: _ref(spec, spec.name, initial=spec.name == self.initial, refs=refs) for spec in self.states}
        body: dict[str, object] = {**tops, **{name: _guard(name, holding) for name in GUARDS}}
        for order, rule in enumerate(self.drawn):
            body[f"rule_{order}"] = _decorator(rule, refs, body)(
                self._action(f"rule_{order}", takes_event=rule.kind in {"on", "on_error"})
            )
        for order, (source, target) in enumerate(self.timers):
            to = None if target is None else cast("Ref", refs[target])
            body[f"timer_{order}"] = after("1s", cast("Ref", refs[source]), to=to)(self._action(f"timer_{order}"))
        for path, spec in every(self.states):
            body.update({name: enter(cast("Ref", refs[path]))(self._action(name)) for name in spec.enter})
            body.update({name: leave(cast("Ref", refs[path]))(self._action(name)) for name in spec.leave})
        made = types.new_class("Drawn", (Workflow[Log],), {"revision": 1}, lambda namespace: namespace.update(body))
        return cast("type[Workflow[Log]]", made)

    def _action(self, name: str, *, takes_event: bool = False) -> Callable[..., None]:
        def act(frame: Workflow[Log]) -> None:
            frame.data.ran.append(name)
            if name in self.raises:
                frame.raise_(EVENTS[self.raises[name]]())

        def act_on(frame: Workflow[Log], event: object) -> None:
            act(frame)

        return act_on if takes_event else act


def _heard(rule: DrawnRule, tops: Sequence[StateSpec]) -> list[tuple[str, tuple[str, ...]]]:
    sources = rule.sources or tuple(spec.name for spec in tops)
    if rule.kind in {"always", "on_error"}:
        return [(ALWAYS if rule.kind == "always" else FAILED, sources)]
    if rule.kind == "done":
        return [(done_event(source), (source,)) for source in sources]
    if rule.sources:
        return [(event, sources) for event in rule.events]
    # One of ANY: a state's own word to defer goes before it.
    return [(event, tuple(spec.name for spec in tops if event not in spec.defer)) for event in rule.events]


def _ref(spec: StateSpec, path: str, *, initial: bool, refs: dict[str, Target]) -> Ref:
    defer = tuple(EVENTS[event] for event in spec.defer)
    if spec.kind in {"atomic", "final"}:
        is_end = spec.kind == "final"
        leaf = Final(initial=initial, outcome=spec.outcome) if is_end else State(initial=initial, defer=defer)
        refs[path] = leaf
        return leaf
    inner: dict[str, Target] = {
        one.name: _ref(one, f"{path}.{one.name}", initial=one.name == spec.initial, refs=refs)
        for one in states_in(spec)
    }
    for one in histories_in(spec):
        inner[one.name] = refs[f"{path}.{one.name}"] = _history(one, path, refs)
    base = Parallel if spec.kind == "parallel" else Compound
    line = {"initial": initial, "defer": defer}
    made = types.new_class(spec.name, (base,), line, lambda namespace: namespace.update(inner))
    region = cast("type[Compound]", made)
    refs[path] = region
    return region


def _history(spec: StateSpec, region: str, refs: Mapping[str, Target]) -> History:
    return History(to=tuple(cast("Ref", refs[f"{region}.{name}"]) for name in spec.fallback), deep=spec.deep)


def _guard(name: str, holding: set[str]) -> Callable[[object], bool]:
    def guard(frame: object) -> bool:
        return name in holding

    guard.__name__ = name
    return guard


def _decorator(rule: DrawnRule, refs: Mapping[str, Target], body: Mapping[str, object]) -> Callable[..., object]:
    sources: Any = tuple(refs[source] for source in rule.sources) or (ANY,)
    several = tuple(refs[target] for target in rule.targets)
    to = None if not several else several[0] if len(several) == 1 else several
    when: Any = None if rule.guard is None else body[rule.guard]
    if rule.kind == "on":
        events: Any = tuple(EVENTS[event] for event in rule.events)
        return on(events, *sources, to=to, when=when, reenter=rule.reenter)
    if rule.kind == "on_error":
        return on_error(*sources, to=to)
    return (always if rule.kind == "always" else done)(*sources, to=to, when=when)


# -- strategies --------------------------------------------------------------------------------------------------------

Draw = Callable[..., Any]


@st.composite
def stories(draw: Draw) -> Story:
    """Draw a chart with up to four levels, and up to six events that are sent to it."""
    count = draw(st.integers(1, 4))
    names = "abcd"[:count]
    states = tuple(_drawn_state(draw, name, 1, above="", in_parallel=False) for name in names)
    rules = _drawn_rules(draw, states)
    callbacks = [f"rule_{order}" for order in range(len(rules))]
    callbacks += [name for _, spec in every(states) for name in (*spec.enter, *spec.leave)]
    heard = sorted({event for rule in rules for event in rule.events})
    raises = draw(st.dictionaries(st.sampled_from(callbacks), st.sampled_from(heard), max_size=3)) if heard else {}
    return Story(
        states=states,
        initial=draw(st.sampled_from(names)),
        drawn=rules,
        raises=raises,
        start=draw(st.just(()) | configurations(states)),
        sends=tuple(Sent(draw(st.sampled_from([*EVENTS])), _holding(draw)) for _ in range(6)),
    )


def _holding(draw: Draw) -> frozenset[str]:
    return frozenset(name for name in GUARDS if draw(st.booleans()))


def _drawn_state(draw: Draw, name: str, depth: int, *, above: str, in_parallel: bool) -> StateSpec:
    path = f"{above}.{name}" if above else name
    kinds = ["atomic"] if in_parallel else ["atomic", "atomic", "final"]
    if depth < DEPTH_MAX:
        kinds += ["compound", "parallel"] if depth > 1 else ["compound", "parallel", "parallel", "parallel"]
    if in_parallel and depth < DEPTH_MAX:
        kinds += ["compound"] * 3
    kind: str = draw(st.sampled_from(kinds))
    count = draw(st.sampled_from([2, 1, 2, 3] if depth < DEPTH_MAX - 1 else [2, 1]))
    names = "abc"[:count] if kind in {"compound", "parallel"} else ""
    inner = tuple(_drawn_state(draw, inner, depth + 1, above=path, in_parallel=kind == "parallel") for inner in names)
    is_end = kind == "final" and depth == 1
    return StateSpec(
        name,
        kind,
        children=(*inner, *_drawn_histories(draw, inner, in_parallel=kind == "parallel")),
        initial=draw(st.sampled_from(names)) if kind == "compound" else None,
        outcome=draw(st.sampled_from([None, "over"])) if is_end else None,
        enter=(f"enter_{path.replace('.', '_')}",) if draw(st.booleans()) else (),
        leave=(f"leave_{path.replace('.', '_')}",),
    )


def _drawn_histories(draw: Draw, states: Sequence[StateSpec], *, in_parallel: bool) -> list[StateSpec]:
    """Draw a region's histories: often none, a shallow one, a deep one, or both."""
    names: str = draw(st.sampled_from(["", "", "h", "k", "hk"])) if states else ""
    return [
        StateSpec(name, "history", deep=name == "k", fallback=_drawn_together(draw, states, in_parallel=in_parallel))
        for name in names
    ]


def _drawn_together(draw: Draw, states: Sequence[StateSpec], *, in_parallel: bool) -> tuple[str, ...]:
    """Draw states that can be entered together: one, or several in different regions."""
    most = len(states) if in_parallel else 1
    chosen = draw(st.lists(st.sampled_from(list(states)), min_size=1, max_size=most, unique_by=lambda spec: spec.name))
    return tuple(name for spec in chosen for name in _drawn_inside(draw, spec, spec.name))


def _drawn_inside(draw: Draw, spec: StateSpec, path: str) -> tuple[str, ...]:
    """Draw a state, or states inside it that can be entered together."""
    inner = states_in(spec)
    if not inner or draw(st.booleans()):
        return (path,)
    return tuple(f"{path}.{name}" for name in _drawn_together(draw, inner, in_parallel=spec.kind == "parallel"))


def _drawn_rules(draw: Draw, states: Sequence[StateSpec]) -> tuple[DrawnRule, ...]:
    paths = dict(every(states))
    sources = [path for path, spec in paths.items() if spec.kind != "final"]
    regions = [path for path, spec in paths.items() if spec.children]
    if not sources:
        return ()
    count = draw(st.integers(0, 12)) or draw(st.integers(0, 12))  # seldom none
    targets: list[tuple[str, ...]] = [(path,) for path in paths]
    targets += [(f"{path}.{one.name}",) for path, spec in paths.items() for one in histories_in(spec)] * 3
    for path, spec in paths.items():
        if spec.kind == "parallel":
            targets += [_inside_regions(draw, spec, path) for _ in range(3)]
    rules = [_drawn_rule(draw, targets, sources, regions=regions) for _ in range(count)]
    return tuple(sorted(rules, key=lambda rule: not rule.sources))  # the definition asks rules of ANY last


def _inside_regions(draw: Draw, parallel: StateSpec, path: str) -> tuple[str, ...]:
    """Draw one target in each of some regions: a state, several, or a history."""
    found: list[str] = []
    for spec in states_in(parallel):
        memories = [f"{path}.{spec.name}.{one.name}" for one in histories_in(spec)]
        if memories and draw(st.booleans()):
            found.append(draw(st.sampled_from(memories)))
        elif not found or draw(st.booleans()):
            found.extend(_drawn_inside(draw, spec, f"{path}.{spec.name}"))
    return tuple(found)


def _drawn_rule(draw: Draw, paths: list[tuple[str, ...]], sources: list[str], *, regions: list[str]) -> DrawnRule:
    kinds = ["on"] * 5 + ["always"] + ["done"] * (2 if regions else 0)
    kind = draw(st.sampled_from(kinds))
    one = st.lists(st.sampled_from(regions if kind == "done" else sources), min_size=1, max_size=3, unique=True)
    events = st.lists(st.sampled_from([*EVENTS]), min_size=1, max_size=2, unique=True)
    guards = st.sampled_from([None, None, None, *GUARDS] if kind != "always" else GUARDS)
    return DrawnRule(
        kind=kind,
        events=tuple(draw(events)) if kind == "on" else (),
        sources=() if kind != "done" and draw(st.integers(0, 9)) == 9 else tuple(draw(one)),
        targets=draw(st.sampled_from(paths if kind == "always" else [*paths, *paths, ()])),
        guard=draw(guards),
        reenter=kind == "on" and draw(st.booleans()),
    )


@st.composite
def waiting_stories(draw: Draw) -> Story:
    """Draw a story in which states defer events, failures are handled, and timers come due."""
    story: Story = draw(stories())
    named = sorted({event for rule in story.drawn if rule.kind == "on" and rule.sources for event in rule.events})
    states = tuple(_deferring(draw, spec, named) for spec in story.states)
    paths = dict(every(states))
    sources = [path for path, spec in paths.items() if spec.kind != "final"]
    targets = st.sampled_from([*paths, None])
    handled = draw(st.lists(st.sampled_from(sources), max_size=3, unique=True)) if sources else []
    handlers = tuple(
        DrawnRule("on_error", (), (source,), () if (to := draw(targets)) is None else (to,), None, reenter=False)
        for source in handled
    )
    timed = draw(st.lists(st.sampled_from(sources), max_size=2, unique=True)) if sources else []
    several = [rule for rule in story.drawn if not rule.sources]
    return evolve(
        story,
        states=states,
        drawn=(*(rule for rule in story.drawn if rule.sources), *handlers, *several),
        timers=tuple((source, draw(targets)) for source in timed),
    )


def _deferring(draw: Draw, spec: StateSpec, events: Sequence[str]) -> StateSpec:
    children = tuple(_deferring(draw, one, events) if one.kind != "history" else one for one in spec.children)
    is_possible = spec.kind != "final" and events and draw(st.integers(0, 2)) == 0
    defer = draw(st.lists(st.sampled_from(events), min_size=1, max_size=2, unique=True)) if is_possible else []
    return evolve(spec, children=children, defer=tuple(defer))


@st.composite
def configurations(draw: Draw, states: Sequence[StateSpec]) -> Configuration:
    """Draw a legal configuration."""
    spec = draw(st.sampled_from(list(states)))
    return tuple(_drawn_leaves(draw, spec, spec.name))


def _drawn_leaves(draw: Draw, spec: StateSpec, path: str) -> Iterator[str]:
    inner = states_in(spec)
    if not inner:
        yield path
    for child in inner if spec.kind == "parallel" or not inner else [draw(st.sampled_from(inner))]:
        yield from _drawn_leaves(draw, child, f"{path}.{child.name}")


@st.composite
def memories(draw: Draw, states: Sequence[StateSpec]) -> Memory:
    """Draw what regions may remember: some of those with a history, each a legal configuration of it."""
    regions = [(path, spec) for path, spec in every(states) if histories_in(spec)]
    return tuple((path, tuple(_drawn_leaves(draw, spec, path))) for path, spec in regions if draw(st.booleans()))


@st.composite
def near_configurations(draw: Draw, states: Sequence[StateSpec]) -> Configuration:
    """Draw a configuration that is legal, nearly legal, or anything."""
    names = [path for path, _ in every(states)]
    found = list(draw(configurations(states)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(0, len(found) - 1)))
        what = draw(st.sampled_from(["drop", "add", "replace", "swap", "unknown"]))
        if what == "drop":
            del found[place : place + 1]
        elif what == "swap":
            found[place:] = reversed(found[place:])
        else:
            new = draw(st.sampled_from(["", "z", "a.z"])) if what == "unknown" else draw(st.sampled_from(names))
            found[place : place + (what == "replace")] = [new]
    return tuple(found)


# -- judge one: legality -----------------------------------------------------------------------------------------------


def states_in(spec: StateSpec) -> tuple[StateSpec, ...]:
    """The states of a region."""
    return tuple(one for one in spec.children if one.kind != "history")


def histories_in(spec: StateSpec) -> tuple[StateSpec, ...]:
    """The histories of a region."""
    return tuple(one for one in spec.children if one.kind == "history")


def every(states: Sequence[StateSpec], above: str = "") -> Iterator[tuple[str, StateSpec]]:
    """Every state with its full name, in document order."""
    for spec in (one for one in states if one.kind != "history"):
        path = f"{above}{spec.name}"
        yield path, spec
        yield from every(spec.children, f"{path}.")


def is_legal(states: Sequence[StateSpec], configuration: Configuration) -> bool:
    """Whether active leaves make a legal configuration, by a walk over the specs."""
    leaves = [path for path, spec in every(states) if not spec.children]
    in_order = [leaf for leaf in leaves if leaf in configuration]
    return list(configuration) == in_order and _one_is_sound(states, "", set(configuration))


def _one_is_sound(states: Sequence[StateSpec], above: str, leaves: set[str]) -> bool:
    active = [spec for spec in states if spec.kind != "history" and _is_active(spec, above + spec.name, leaves)]
    return len(active) == 1 and _is_sound(active[0], above + active[0].name, leaves)


def _is_active(spec: StateSpec, path: str, leaves: set[str]) -> bool:
    if not states_in(spec):
        return path in leaves
    return any(_is_active(child, f"{path}.{child.name}", leaves) for child in states_in(spec))


def _is_sound(spec: StateSpec, path: str, leaves: set[str]) -> bool:
    if spec.kind == "compound":
        return _one_is_sound(spec.children, f"{path}.", leaves)
    return all(
        _is_active(child, f"{path}.{child.name}", leaves) and _is_sound(child, f"{path}.{child.name}", leaves)
        for child in states_in(spec)
    )


def is_legal_memory(states: Sequence[StateSpec], memory: Memory) -> bool:
    """Whether what is remembered is: each time a legal configuration of a region that has a history."""
    specs = dict(every(states))
    regions = [path for path, spec in specs.items() if histories_in(spec)]
    return [name for name, _ in memory] == [path for path in regions if path in dict(memory)] and all(
        is_sound_inside(specs[name], name, leaves) for name, leaves in memory
    )


def is_sound_inside(region: StateSpec, path: str, leaves: Configuration) -> bool:
    """Whether leaves, in document order, are all of a region's when it is active."""
    inside = [f"{path}.{name}" for name, spec in every(region.children) if not spec.children]
    return list(leaves) == [leaf for leaf in inside if leaf in leaves] and _is_sound(region, path, set(leaves))


# -- telling a story ---------------------------------------------------------------------------------------------------

Entry = tuple[Any, ...]


@frozen
class Told:
    """What one event came to: the outcome in a word, the configuration after it, the callbacks in their order."""

    what: str  # rest, unhandled, deferred, loop, or the instance's outcome
    after: Configuration
    ran: tuple[Entry, ...]  # (callback, event), and (configuration,) between exit and entry


class Recorder:
    """The runner of a story: writes down what it is asked, and raises what the story says."""

    def __init__(self, story: Story, holding: frozenset[str]) -> None:
        self.raised: list[tuple[str, object]] = []
        self.ran: list[Entry] = []
        self.asked: list[tuple[int, Rule]] = []  # how many callbacks had run before, and the rule
        self._story = story
        self._holding = holding

    def holds(self, rule: Rule, event: object) -> bool:
        """Answer for a guard."""
        self.asked.append((len(self.ran), rule))
        return rule.guard is None or rule.guard in self._holding

    def act(self, action: str, event: object) -> None:
        """Note a callback."""
        self.ran.append((action, event))
        if action in self._story.raises:
            self.raised.append((self._story.raises[action], f"raised by {action}"))

    def arrive(self, configuration: Configuration) -> None:
        """Note the new configuration."""
        self.ran.append((configuration,))


def tell(chart: Chart, story: Story) -> Iterator[tuple[Told, Recorder, Macrostep | None]]:
    """Run a story on a chart: what its start and each event came to."""
    configuration, memory = story.start, cast("Memory", ())
    for sent in story.sends if story.start else (None, *story.sends):
        recorder = Recorder(story, frozenset() if sent is None else sent.holding)
        found: Macrostep | Unhandled | None = None
        try:
            if sent is None:
                found = begin(chart, runner=recorder)
            else:
                found = macrostep(chart, configuration, (sent.event, "sent"), runner=recorder, memory=memory)
        except InvariantBroken:
            yield Told("loop", configuration, tuple(recorder.ran)), recorder, None
            if not configuration:
                return
            continue
        if isinstance(found, Unhandled):
            yield Told("deferred" if found.deferred_by else "unhandled", configuration, ()), recorder, None
            continue
        configuration, memory = found.after, found.memory
        yield Told(found.outcome or "rest", configuration, tuple(recorder.ran)), recorder, found
        if found.outcome is not None:
            return


# -- charts in one line ------------------------------------------------------------------------------------------------


def written(tree: str, *rules: str) -> Chart:
    """Return the chart of a line: `a* p{x[x1* x2!] y} end!`, and rules: `E a, b > p.x.x2 if g0 reenter`.

    `*` marks the initial state, `!` a final one, `[…]` a compound, `{…}` a parallel; `h^x.a+y` is a history that leads
    to x.a and y, `h^^a` a deep one; `a%E+F` defers E and F. `> -` is an internal rule, `> a+b` one with two targets. A
    state runs `+name` when it is entered and `-name` when it is left; the n-th rule, from 0, runs `#n`.
    """
    children, initial = _read_states(deque(re.findall(r"\w+|\^{1,2}[\w.+]+|%[\w+]+|[*!{}\[\]]", tree)), "")
    assert initial is not None
    machine = build("written", children, [_read_rule(order, rule) for order, rule in enumerate(rules)])
    machine.initial = initial
    return compile_chart(machine, schemas={})


def _read_states(words: deque[str], above: str) -> tuple[tuple[StateSpec, ...], str | None]:
    found: list[StateSpec] = []
    initial: str | None = None
    while words and (name := words.popleft()) not in {"]", "}"}:
        path = f"{above}{name}"
        marks = [words.popleft() for _ in range(2) if words and words[0] in {"*", "!"}]
        if words and words[0].startswith("^"):
            fallback = words.popleft()
            inside = tuple(fallback.lstrip("^").split("+"))
            found.append(StateSpec(name, "history", deep=fallback.startswith("^^"), fallback=inside))
            continue
        defer = tuple(words.popleft()[1:].split("+")) if words and words[0].startswith("%") else ()
        opened = words.popleft() if words and words[0] in {"[", "{"} else ""
        kind = {"[": "compound", "{": "parallel", "": "final" if "!" in marks else "atomic"}[opened]
        children, inner = _read_states(words, f"{path}.") if opened else ((), None)
        found.append(
            StateSpec(
                name,
                kind,
                children=children,
                initial=inner if opened == "[" else None,
                enter=(f"+{path}",),
                leave=(f"-{path}",),
                defer=defer,
            )
        )
        initial = name if "*" in marks else initial
    return tuple(found), initial


def _read_rule(order: int, rule: str) -> RuleSpec:
    head, _, tail = rule.partition(" > ")
    event, _, sources = head.partition(" ")
    target, *options = tail.split()
    return RuleSpec(
        order,
        event,
        tuple(sources.split(", ")),
        () if target == "-" else tuple(target.split("+")),
        f"#{order}",
        guard=options[options.index("if") + 1] if "if" in options else None,
        reenter="reenter" in options,
    )


def conversation(chart: Chart, *events: str, holding: str = "", raises: Mapping[str, str] | None = None) -> list[str]:
    """Start a chart and send it events; per event a line: what ran, then `= configuration`, then the outcome."""
    story = Story((), "", (), raises or {}, (), tuple(Sent(event, frozenset(holding.split())) for event in events))
    return [_line(told) for told, _, _ in tell(chart, story)]


def _line(told: Told) -> str:
    ran = [str(entry[0]) for entry in told.ran if len(entry) > 1]
    ended = [] if told.what == "rest" else [told.what]
    return " ".join([*ran, "=", ",".join(told.after), *ended])
