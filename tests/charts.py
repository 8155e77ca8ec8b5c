"""Random statecharts, and two judges that share no code with `statemachine`: a walk for legality, an interpreter.

`stories()` draws a chart and what is sent to it. `Story.chart` builds it from specs (`machine.build`, `compile_chart`),
`Story.workflow` declares the same chart as a real class. `is_legal` walks the specs; `Reference` is SCXML's appendix D,
as it stands there, slow and plain, with the dialect that `statemachine.step` names in its docstring:

  - a rule whose target lies inside its own compound source is internal, unless it says `reenter`;
  - a parallel that becomes done makes a parallel that holds it directly done too, however deep the nesting;
  - exit and rule actions see the configuration before, entry actions the one after;
  - the number of microsteps of one macrostep is bounded.
"""

import re
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from attrs import define, field, frozen
from hypothesis import strategies as st

from statemachine import ANY, Compound, Final, Parallel, State, Workflow, always, done, enter, leave, on
from statemachine.chart import ALWAYS, Chart, Configuration, Rule, compile_chart, done_event
from statemachine.errors import InvariantBroken
from statemachine.machine import build
from statemachine.specs import RuleSpec, StateSpec
from statemachine.states import Ref
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

    kind: Literal["on", "always", "done"]
    events: tuple[str, ...]  # of `on`
    sources: tuple[str, ...]  # empty for ANY
    target: str | None
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

    @property
    def rules(self) -> tuple[RuleSpec, ...]:
        """The rules as the definition hands them to `build`."""
        tops = tuple(spec.name for spec in self.states if spec.kind != "final")
        return tuple(
            RuleSpec(order, event, sources, rule.target, f"rule_{order}", guard=rule.guard, reenter=rule.reenter)
            for order, rule in enumerate(self.drawn)
            for event, sources in _heard(rule, rule.sources or tops)
        )

    def chart(self) -> Chart:
        """A fresh chart, its caches empty."""
        machine = build("drawn", self.states, self.rules)
        machine.initial = self.initial
        return compile_chart(machine, schemas={})

    def workflow(self, holding: set[str]) -> type[Workflow[Log]]:
        """Declare the chart as a class; its guards read `holding`."""
        refs: dict[str, Ref] = {}
        tops = {spec.name: _ref(spec, spec.name, initial=spec.name == self.initial, refs=refs) for spec in self.states}
        body: dict[str, object] = {**tops, **{name: _guard(name, holding) for name in GUARDS}}
        for order, rule in enumerate(self.drawn):
            body[f"rule_{order}"] = _decorator(rule, refs, body)(
                self._action(f"rule_{order}", takes_event=rule.kind == "on")
            )
        for path, spec in every(self.states):
            body.update({name: enter(refs[path])(self._action(name)) for name in spec.enter})
            body.update({name: leave(refs[path])(self._action(name)) for name in spec.leave})
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


def _heard(rule: DrawnRule, sources: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    if rule.kind == "always":
        return [(ALWAYS, sources)]
    if rule.kind == "done":
        return [(done_event(source), (source,)) for source in sources]
    return [(event, sources) for event in rule.events]


def _ref(spec: StateSpec, path: str, *, initial: bool, refs: dict[str, Ref]) -> Ref:
    if spec.kind in {"atomic", "final"}:
        refs[path] = State(initial=initial) if spec.kind == "atomic" else Final(initial=initial, outcome=spec.outcome)
        return refs[path]
    inner = {
        one.name: _ref(one, f"{path}.{one.name}", initial=one.name == spec.initial, refs=refs) for one in spec.children
    }
    base = Parallel if spec.kind == "parallel" else Compound
    made = types.new_class(spec.name, (base,), {"initial": initial}, lambda namespace: namespace.update(inner))
    refs[path] = cast("type[Compound]", made)
    return refs[path]


def _guard(name: str, holding: set[str]) -> Callable[[object], bool]:
    def guard(frame: object) -> bool:
        return name in holding

    guard.__name__ = name
    return guard


def _decorator(rule: DrawnRule, refs: Mapping[str, Ref], body: Mapping[str, object]) -> Callable[..., object]:
    sources: Any = tuple(refs[source] for source in rule.sources) or (ANY,)
    to = None if rule.target is None else refs[rule.target]
    when: Any = None if rule.guard is None else body[rule.guard]
    if rule.kind == "on":
        events: Any = tuple(EVENTS[event] for event in rule.events)
        return on(events, *sources, to=to, when=when, reenter=rule.reenter)
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
    return StateSpec(
        name,
        kind,
        children=tuple(
            _drawn_state(draw, inner, depth + 1, above=path, in_parallel=kind == "parallel") for inner in names
        ),
        initial=draw(st.sampled_from(names)) if kind == "compound" else None,
        outcome=draw(st.sampled_from([None, "over"])) if kind == "final" else None,
        enter=(f"enter_{path.replace('.', '_')}",) if draw(st.booleans()) else (),
        leave=(f"leave_{path.replace('.', '_')}",),
    )


def _drawn_rules(draw: Draw, states: Sequence[StateSpec]) -> tuple[DrawnRule, ...]:
    paths = dict(every(states))
    sources = [path for path, spec in paths.items() if spec.kind != "final"]
    regions = [path for path, spec in paths.items() if spec.children]
    if not sources:
        return ()
    count = draw(st.integers(0, 12)) or draw(st.integers(0, 12))  # seldom none
    rules = [_drawn_rule(draw, [*paths], sources, regions=regions) for _ in range(count)]
    return tuple(sorted(rules, key=lambda rule: not rule.sources))  # the definition asks rules of ANY last


def _drawn_rule(draw: Draw, paths: list[str], sources: list[str], *, regions: list[str]) -> DrawnRule:
    kinds = ["on"] * 5 + ["always"] + ["done"] * (2 if regions else 0)
    kind = draw(st.sampled_from(kinds))
    one = st.lists(st.sampled_from(regions if kind == "done" else sources), min_size=1, max_size=3, unique=True)
    events = st.lists(st.sampled_from([*EVENTS]), min_size=1, max_size=2, unique=True)
    guards = st.sampled_from([None, None, None, *GUARDS] if kind != "always" else GUARDS)
    return DrawnRule(
        kind=kind,
        events=tuple(draw(events)) if kind == "on" else (),
        sources=() if kind != "done" and draw(st.integers(0, 9)) == 9 else tuple(draw(one)),
        target=draw(st.sampled_from(paths if kind == "always" else [*paths, *paths, None])),
        guard=draw(guards),
        reenter=kind == "on" and draw(st.booleans()),
    )


@st.composite
def configurations(draw: Draw, states: Sequence[StateSpec]) -> Configuration:
    """Draw a legal configuration."""
    spec = draw(st.sampled_from(list(states)))
    return tuple(_drawn_leaves(draw, spec, spec.name))


def _drawn_leaves(draw: Draw, spec: StateSpec, path: str) -> Iterator[str]:
    if not spec.children:
        yield path
    chosen = (
        spec.children if spec.kind == "parallel" else [draw(st.sampled_from(spec.children))] if spec.children else ()
    )
    for child in chosen:
        yield from _drawn_leaves(draw, child, f"{path}.{child.name}")


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


def every(states: Sequence[StateSpec], above: str = "") -> Iterator[tuple[str, StateSpec]]:
    """Every state with its full name, in document order."""
    for spec in states:
        path = f"{above}{spec.name}"
        yield path, spec
        yield from every(spec.children, f"{path}.")


def is_legal(states: Sequence[StateSpec], configuration: Configuration) -> bool:
    """Whether active leaves make a legal configuration, by a walk over the specs."""
    leaves = [path for path, spec in every(states) if not spec.children]
    in_order = [leaf for leaf in leaves if leaf in configuration]
    return list(configuration) == in_order and _one_is_sound(states, "", set(configuration))


def _one_is_sound(states: Sequence[StateSpec], above: str, leaves: set[str]) -> bool:
    active = [spec for spec in states if _is_active(spec, above + spec.name, leaves)]
    return len(active) == 1 and _is_sound(active[0], above + active[0].name, leaves)


def _is_active(spec: StateSpec, path: str, leaves: set[str]) -> bool:
    if not spec.children:
        return path in leaves
    return any(_is_active(child, f"{path}.{child.name}", leaves) for child in spec.children)


def _is_sound(spec: StateSpec, path: str, leaves: set[str]) -> bool:
    if spec.kind == "compound":
        return _one_is_sound(spec.children, f"{path}.", leaves)
    return all(
        _is_active(child, f"{path}.{child.name}", leaves) and _is_sound(child, f"{path}.{child.name}", leaves)
        for child in spec.children
    )


# -- telling a story ---------------------------------------------------------------------------------------------------

Entry = tuple[Any, ...]


@frozen
class Told:
    """What one event came to: the outcome in a word, the configuration after it, the callbacks in their order."""

    what: str  # rest, unhandled, loop, or the instance's outcome
    after: Configuration
    ran: tuple[Entry, ...]  # (callback, event), and (configuration,) between exit and entry


class Recorder:
    """The runner of a story: writes down what it is asked, and raises what the story says."""

    def __init__(self, story: Story, holding: frozenset[str]) -> None:
        self.raised: deque[tuple[str, object]] = deque()
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
    configuration = story.start
    for sent in story.sends if story.start else (None, *story.sends):
        recorder = Recorder(story, frozenset() if sent is None else sent.holding)
        found: Macrostep | Unhandled | None = None
        try:
            if sent is None:
                found = begin(chart, runner=recorder)
            else:
                found = macrostep(chart, configuration, (sent.event, "sent"), runner=recorder)
        except InvariantBroken:
            yield Told("loop", configuration, tuple(recorder.ran)), recorder, None
            if not configuration:
                return
            continue
        if isinstance(found, Unhandled):
            yield Told("unhandled", configuration, ()), recorder, None
            continue
        configuration = found.after
        yield Told(found.outcome or "rest", configuration, tuple(recorder.ran)), recorder, found
        if found.outcome is not None:
            return


# -- charts in one line ------------------------------------------------------------------------------------------------


def written(tree: str, *rules: str) -> Chart:
    """Return the chart of a line: `a* p{x[x1* x2!] y} end!`, and rules: `E a, b > p.x.x2 if g0 reenter`.

    `*` marks the initial state, `!` a final one, `[…]` a compound, `{…}` a parallel. `> -` is an internal rule. A state
    runs `+name` when it is entered and `-name` when it is left; the n-th rule, from 0, runs `#n`.
    """
    children, initial = _read_states(deque(re.findall(r"\w+|[*!{}\[\]]", tree)), "")
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
        None if target == "-" else target,
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


# -- judge two: SCXML's algorithm --------------------------------------------------------------------------------------


@frozen(eq=False)
class RefRule:
    """A transition of the reference: one rule at one source."""

    source: str
    target: str | None
    guard: str | None
    action: str
    reenter: bool


class Reference:
    """The interpreter of SCXML, appendix D; its procedures under their names. States are names, the root is ""."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.kind = {"": "scxml"}
        self.parent: dict[str, str | None] = {"": None}
        self.kids: dict[str, list[str]] = {"": []}
        self.spec: dict[str, StateSpec] = {}
        self.order: list[str] = [""]
        self._add(story.states, "")
        self.initial = {path: f"{path}.{spec.initial}" for path, spec in self.spec.items() if spec.kind == "compound"}
        self.initial[""] = story.initial
        self.configuration: set[str] = {""}
        self.internal: deque[tuple[str, object]] = deque()
        self.ran: list[Entry] = []
        self.running = True
        self.outcome: str | None = None
        self.holding: frozenset[str] = frozenset()
        for leaf in story.start:
            self.configuration |= {leaf, *self.ancestors(leaf, "")}

    def _add(self, states: Sequence[StateSpec], above: str) -> None:
        for spec in states:
            path = f"{above}.{spec.name}" if above else spec.name
            self.kind[path], self.parent[path], self.spec[path] = spec.kind, above, spec
            self.kids[above].append(path)
            self.kids[path] = []
            self.order.append(path)
            self._add(spec.children, path)

    # -- the loop

    def tell(self) -> Iterator[Told]:
        """Run the story, as `tell` does."""
        start = RefRule("", self.story.initial, None, "", reenter=False)
        for sent in self.story.sends if self.story.start else (None, *self.story.sends):
            self.ran = []
            self.holding = frozenset() if sent is None else sent.holding
            before = set(self.configuration)
            first = [start] if sent is None else self.select_transitions(sent.event)
            if not first:
                yield Told("unhandled", self.leaves(), ())
                continue
            if not self.macrostep(first, None if sent is None else "sent"):
                self.configuration = before
                self.internal.clear()
                yield Told("loop", self.leaves(), tuple(self.ran))
                if sent is None:
                    return
                continue
            yield Told(self.outcome or "rest", self.leaves(), tuple(self.ran))
            if not self.running:
                return

    def macrostep(self, enabled: list[RefRule], value: object) -> bool:
        """Run to rest; whether it came to rest within the bound."""
        self.microstep(enabled, value)
        count = 1
        while self.running:
            value = None
            enabled = self.select_transitions(ALWAYS)
            if not enabled:
                if not self.internal:
                    break
                name, value = self.internal.popleft()
                enabled = self.select_transitions(name)
            if enabled:
                if count == MICROSTEPS_MAX:
                    return False
                self.microstep(enabled, value)
                count += 1
        self.internal.clear()
        return True

    def microstep(self, enabled: list[RefRule], value: object) -> None:
        self.exit_states(enabled)
        for rule in enabled:
            if rule.action:
                self.execute(rule.action, value)
        self.enter_states(enabled)

    def execute(self, action: str, value: object) -> None:
        self.ran.append((action, value))
        if action in self.story.raises:
            self.internal.append((self.story.raises[action], f"raised by {action}"))

    # -- selection

    def rules(self, state: str, event: str) -> list[RefRule]:
        return [
            RefRule(state, rule.target, rule.guard, rule.action, rule.reenter)
            for rule in self.story.rules
            if state in rule.sources and rule.event == event
        ]

    def select_transitions(self, event: str) -> list[RefRule]:
        enabled: list[RefRule] = []
        found: dict[tuple[str, str], RefRule] = {}
        for leaf in self.leaves():
            for state in [leaf, *self.ancestors(leaf, "")]:
                holding = [one for one in self.rules(state, event) if one.guard is None or one.guard in self.holding]
                if holding:
                    rule = found.setdefault((state, event), holding[0])
                    if rule not in enabled:
                        enabled.append(rule)
                    break
        return self.remove_conflicting_transitions(enabled)

    def remove_conflicting_transitions(self, enabled: list[RefRule]) -> list[RefRule]:
        filtered: list[RefRule] = []
        for t1 in enabled:
            preempted = False
            to_remove: list[RefRule] = []
            for t2 in filtered:
                if self.compute_exit_set([t1]) & self.compute_exit_set([t2]):
                    if self.is_descendant(t1.source, t2.source):
                        to_remove.append(t2)
                    else:
                        preempted = True
                        break
            if not preempted:
                filtered = [one for one in filtered if one not in to_remove]
                filtered.append(t1)
        return filtered

    # -- leaving and entering

    def compute_exit_set(self, rules: list[RefRule]) -> set[str]:
        to_exit: set[str] = set()
        for rule in rules:
            if rule.target is not None:
                domain = self.transition_domain(rule)
                to_exit |= {state for state in self.configuration if self.is_descendant(state, domain)}
        return to_exit

    def exit_states(self, enabled: list[RefRule]) -> None:
        to_exit = self.compute_exit_set(enabled)
        for state in reversed([one for one in self.order if one in to_exit]):
            for action in self.spec[state].leave:
                self.execute(action, None)
            self.configuration.discard(state)

    def compute_entry_set(self, enabled: list[RefRule]) -> set[str]:
        to_enter: set[str] = set()
        for rule in enabled:
            if rule.target is not None:
                self.add_descendants(rule.target, to_enter)
                self.add_ancestors(rule.target, self.transition_domain(rule), to_enter)
        return to_enter

    def enter_states(self, enabled: list[RefRule]) -> None:
        to_enter = self.compute_entry_set(enabled)
        self.ran.append((self.leaves(self.configuration | to_enter),))
        for state in [one for one in self.order if one in to_enter]:
            self.configuration.add(state)
            for action in self.spec[state].enter:
                self.execute(action, None)
            if self.kind[state] == "final":
                self.end(state)

    def end(self, final: str) -> None:
        parent = self.parent[final]
        assert parent is not None
        if parent == "":
            self.running = False
            self.outcome = self.spec[final].outcome or self.spec[final].name
            return
        self.internal.append((done_event(parent), None))
        above = self.parent[parent]
        while above and self.kind[above] == "parallel" and all(map(self.is_in_final_state, self.kids[above])):
            self.internal.append((done_event(above), None))
            above = self.parent[above]

    def add_descendants(self, state: str, to_enter: set[str]) -> None:
        to_enter.add(state)
        if self.kind[state] == "compound":
            self.add_descendants(self.initial[state], to_enter)
            self.add_ancestors(self.initial[state], state, to_enter)
        elif self.kind[state] == "parallel":
            self.add_regions(state, to_enter)

    def add_ancestors(self, state: str, ancestor: str, to_enter: set[str]) -> None:
        for above in self.ancestors(state, ancestor):
            to_enter.add(above)
            if self.kind[above] == "parallel":
                self.add_regions(above, to_enter)

    def add_regions(self, parallel: str, to_enter: set[str]) -> None:
        for child in self.kids[parallel]:
            if not any(one == child or self.is_descendant(one, child) for one in to_enter):
                self.add_descendants(child, to_enter)

    # -- small ones

    def transition_domain(self, rule: RefRule) -> str:
        assert rule.target is not None
        if not rule.reenter and self.kind[rule.source] == "compound" and self.is_descendant(rule.target, rule.source):
            return rule.source
        for above in [*self.ancestors(rule.source, ""), ""]:
            if self.kind[above] in {"compound", "scxml"} and self.is_descendant(rule.target, above):
                return above
        return ""

    def ancestors(self, state: str, below: str) -> list[str]:
        """Proper ancestors, innermost first, up to but not including one of them; never the root."""
        found: list[str] = []
        above = self.parent[state]
        while above and above != below:
            found.append(above)
            above = self.parent[above]
        return found

    def is_descendant(self, state: str, other: str) -> bool:
        return state != other and (other == "" or other in self.ancestors(state, ""))

    def is_in_final_state(self, state: str) -> bool:
        if self.kind[state] == "compound":
            return any(self.kind[kid] == "final" and kid in self.configuration for kid in self.kids[state])
        return self.kind[state] == "parallel" and all(map(self.is_in_final_state, self.kids[state]))

    def leaves(self, active: set[str] | None = None) -> Configuration:
        """The active leaves, in document order."""
        here = self.configuration if active is None else active
        return tuple(state for state in self.order if state in here and state and not self.kids[state])
