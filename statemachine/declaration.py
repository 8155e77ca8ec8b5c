"""What stands in the class bodies of a workflow, checked and put into specs, a machine and a chart.

Inheritance: states are merged by name (`statemachine.naming`). A subclass's rules come before its base's; a method that
is redefined with a decorator replaces the rule, one without keeps it. Guards and actions bind by name.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from attrs import asdict, define, field

from statemachine._codec.fields import is_frozen, is_record
from statemachine.chart import ALWAYS, FAILED, Chart, done_event
from statemachine.codec import Codec
from statemachine.compiling import compile_chart
from statemachine.errors import DefinitionError
from statemachine.failing import Failed
from statemachine.inheritance import data_type, noted_in
from statemachine.naming import Names
from statemachine.rules import Declared, Hook, TimerNote, notes
from statemachine.specs import RuleSpec, StateSpec, TaskSpec, TimerSpec
from statemachine.states import Any_, Final, Parallel, Ref, State, histories, options, substates
from statemachine.tasks import AnyTask, Noted, is_task

if TYPE_CHECKING:
    from statemachine.machine import ChartMachine
    from statemachine.signatures import Signatures

__all__ = ["Declaration"]


@define(eq=False)
class Declaration:
    """What stands in the class bodies of a workflow and its bases, being put together."""

    label: str
    workflow: type[Any]
    bodies: list[type]  # the workflow's own and its bases', a subclass's first
    events: dict[str, Codec[Any]] = field(factory=dict[str, Codec[Any]])
    invariants: tuple[str, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()
    results: dict[str, Codec[Any]] = field(factory=dict[str, Codec[Any]])  # of tasks, by their names
    timers: tuple[TimerSpec, ...] = ()
    data: Codec[Any] | None = None
    hooks: dict[str, dict[str, list[str]]] = field(factory=lambda: {"enter": {}, "leave": {}})
    names: Names = field(init=False)
    signatures: "Signatures" = field(init=False)
    machine: "ChartMachine" = field(init=False)
    chart: Chart = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Name the states of every class."""
        from statemachine.signatures import Signatures  # like machine: needed only where a class is defined

        self.signatures = Signatures(self.label, self.workflow)
        self.names = Names(self.label, self.workflow, self.bodies)

    def compile(self) -> None:
        """Check everything and make machine and chart. Raises DefinitionError."""
        from statemachine.machine import build  # a third of the time of `import statemachine`; needed only here

        if not self.names.tree:
            raise DefinitionError("PD103", f"{self.label} has no states. Declare one: cart = State(initial=True).")
        declared = noted_in(self.bodies)
        self._collect_hooks(declared)
        self.rules = tuple(self._rule_specs(declared))
        self.timers = tuple(self._timer_spec(name, note) for name, note in declared if isinstance(note, TimerNote))
        self.tasks = tuple(self._task_spec(name, note) for name, note in declared if is_task(note))
        self.data = self._data_codec()
        self.names.check_outcomes()
        initial = self._initial("", self.names.tree)
        states = [self._state_spec("", name, state) for name, state in self.names.tree.items()]
        self.machine = build(self.label, states, self.rules)
        self.machine.initial = initial
        self.machine.start = self.names.start(self.workflow)
        self.chart = compile_chart(self.machine, schemas=self._schemas())

    def _schemas(self) -> Mapping[str, object]:
        return {
            "invariants": list(self.invariants),
            # Only where there are any: what has none keeps the text, and the fingerprint, that it had.
            **({"tasks": [asdict(one) for one in self.tasks]} if self.tasks else {}),
            **({"timers": [asdict(one) for one in self.timers]} if self.timers else {}),
            "events": {name: codec.description for name, codec in sorted(self.events.items())},
            "data": None if self.data is None else self.data.description,
        }

    # -- states --------------------------------------------------------------------------------------------------------

    def _state_spec(self, above: str, name: str, state: Ref) -> StateSpec:
        path = f"{above}.{name}" if above else name
        enter, leave = (tuple(self.hooks[kind].get(path, ())) for kind in ("enter", "leave"))
        written = options(state)
        defer = tuple(self._deferred(event, path) for event in written.defer)
        if isinstance(state, State):
            outcome = state.outcome if isinstance(state, Final) else None
            kind = "final" if isinstance(state, Final) else "atomic"
            return StateSpec(name, kind, outcome=outcome, tags=written.tags, enter=enter, leave=leave, defer=defer)
        inner = substates(state)
        if not inner:
            raise DefinitionError("PD108", f"{self.label}: region {path!r} has no states. Declare them in its body.")
        is_parallel = issubclass(state, Parallel)
        for child in (name for name, one in inner.items() if is_parallel and isinstance(one, Final)):
            raise DefinitionError(
                "PD110",
                f"{self.label}: final state '{path}.{child}' stands in a parallel, of which only regions are done. "
                "Put it into a Compound.",
            )
        return StateSpec(
            name,
            "parallel" if is_parallel else "compound",
            children=(
                *(self._state_spec(path, child, one) for child, one in inner.items()),
                *self._history_specs(path, state),
            ),
            initial=None if is_parallel else self._initial(path, inner),
            tags=written.tags,
            enter=enter,
            leave=leave,
            defer=defer,
            start=self.names.start(state),
        )

    def _history_specs(self, path: str, region: Ref) -> list[StateSpec]:
        return [
            StateSpec(name, "history", deep=history.deep, fallback=self.names.fallback(history, f"{path}.{name}"))
            for name, history in histories(region).items()
        ]

    def _deferred(self, event: type[object], path: str) -> str:
        """Return the stored name of an event that a state defers. Raises DefinitionError (PD109, PD137)."""
        name = self._event(event)
        if not any(rule.event == name and rule.sources for rule in self.rules):
            raise DefinitionError(
                "PD137", f"{self.label}: {path!r} defers {name}, which no rule takes: it would wait for ever. Drop it."
            )
        return name

    def _initial(self, path: str, inner: Mapping[str, Ref]) -> str:
        marked = [name for name, state in inner.items() if options(state).initial]
        label = f"compound state {path!r}" if path else "the workflow"
        if not marked:
            raise DefinitionError(
                "PD104", f"{self.label}: {label} has no initial child. Mark one: State(initial=True)."
            )
        if len(marked) > 1:
            raise DefinitionError(
                "PD105", f"{self.label}: {label} has {len(marked)} initial children: {', '.join(marked)}. Keep one."
            )
        return marked[0]

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _collect_hooks(self, declared: list[tuple[str, Noted]]) -> None:
        for name, note in declared:
            if isinstance(note, Hook):
                self.signatures.callback(name, takes=1)
                if note.kind == "invariant":
                    self.invariants = (*self.invariants, name)
                for path in self._each_once([self.names.state(state, name) for state in note.states], name):
                    self.hooks[note.kind].setdefault(path, []).append(name)

    def _timer_spec(self, name: str, note: TimerNote) -> TimerSpec:
        self.signatures.callback(name, takes=1)
        sources = self._each_once([self.names.state(source, name) for source in note.sources], name)
        self._check_not_final(sources, name)
        return TimerSpec(name, note.delay_ms, tuple(sources), self._target(note.to, name))

    def _task_spec(self, name: str, task: AnyTask) -> TaskSpec:
        if notes(task) or notes(task.__wrapped__):
            raise DefinitionError("PD129", f"{self.label}.{name} is a task and a rule at once. Make two methods.")
        handler = None if task.handler is None else getattr(task.handler, "__name__", "")
        returns = self.signatures.task(name, handler)
        result = self.results[name] = Codec(cast("type[Any]", returns), path=f"{self.label}.{name}'s result")
        note = task.note
        state = self.names.state(note.state, name)
        self._check_not_final([state], name)
        return TaskSpec(
            name,
            state,
            done=self._target(note.done, name),
            failed=self.names.state(note.failed, name),
            result=handler,
            returns=result.description,
            attempts=note.retry.attempts if note.retry else 1,
            delay_ms=note.retry.delay_ms if note.retry else 0,
            timeout_ms=note.timeout_ms,
        )

    def _rule_specs(self, declared: list[tuple[str, Noted]]) -> list[RuleSpec]:
        rules = [(name, note) for name, note in declared if isinstance(note, Declared)]
        # Rules of ANY are asked after all others: a state's own rule is the more specific one.
        ordered = sorted(rules, key=lambda rule: any(isinstance(source, Any_) for source in rule[1].sources))
        self._check_one_handler([(name, rule) for name, rule in ordered if rule.kind == "on_error"])
        return [spec for order, (name, rule) in enumerate(ordered) for spec in self._specs(order, name, rule)]

    def _check_one_handler(self, handlers: list[tuple[str, Declared]]) -> None:
        """Raise DefinitionError (PD139) where a state has two rules for failures: the second would never run."""
        known: dict[str, str] = {}
        for name, rule in handlers:
            for source in rule.sources:
                where = "ANY" if isinstance(source, Any_) else self.names.state(source, name)
                first = known.setdefault(where, name)
                if first != name:
                    raise DefinitionError(
                        "PD139", f"{self.label}: {first!r} and {name!r} are both @on_error for {where}. Keep one."
                    )

    def _specs(self, order: int, name: str, rule: Declared) -> list[RuleSpec]:
        self.signatures.rule(name, (Failed,) if rule.kind == "on_error" else rule.events)
        sources = self._each_once([path for source in rule.sources for path in self._sources(source, name)], name)
        targets = self.names.targets(rule.to, name)
        guard = None if rule.when is None else self.signatures.guard(rule.when, rule.events, of=name)
        self._check_sources(rule, sources, name)
        heard = self._heard(rule, sources)
        self._each_once([event for event, _ in heard], name)
        return [
            RuleSpec(order, event, tuple(at), targets, name, guard=guard, reenter=rule.reenter, roles=rule.roles)
            for event, at in heard
        ]

    def _target(self, to: Ref | None, name: str) -> str | None:
        return None if to is None else self.names.state(to, name)

    def _each_once(self, names: list[str], where: str) -> list[str]:
        """Return names of states or events of one rule. Raises DefinitionError for one that stands twice."""
        for name in (name for name in names if names.count(name) > 1):
            raise DefinitionError(
                "PD133", f"{self.label}.{where} names {name!r} twice (ANY means every first-level state). Keep one."
            )
        return names

    def _heard(self, rule: Declared, sources: list[str]) -> list[tuple[str, list[str]]]:
        """Return the names of events that a rule listens to, and at which sources."""
        if rule.kind == "always":
            return [(ALWAYS, sources)]
        if rule.kind == "on_error":
            return [(FAILED, sources)]
        if rule.kind == "done":
            ends = [self.names.state(region, "@done") for region in rule.ends]
            return [(done_event(end), sources) for end in ends] or [(done_event(one), [one]) for one in sources]
        return [(self._event(event), self._listening(rule, event, sources)) for event in rule.events]

    def _listening(self, rule: Declared, event: type, sources: list[str]) -> list[str]:
        """Return at which sources a rule listens to an event: one of ANY not where a state's own word is to defer."""
        own = {self.names.paths.get(source) for source in rule.sources if not isinstance(source, Any_)}
        return [one for one in sources if one in own or event not in options(self.names.states[one]).defer]

    def _sources(self, source: Ref | Any_, name: str) -> list[str]:
        if isinstance(source, Any_):
            return [path for path, state in self.names.tree.items() if not isinstance(state, Final)]
        return [self.names.state(source, name)]

    def _check_sources(self, rule: Declared, sources: list[str], name: str) -> None:
        for source in sources:
            state = self.names.states[source]
            if rule.kind == "done" and isinstance(state, State) and not rule.ends:
                raise DefinitionError(
                    "PD110", f"{self.label}.{name}: @done({source}) names a leaf, which is never done. Name its region."
                )
        self._check_not_final(sources, name)

    def _check_not_final(self, sources: Sequence[str], name: str) -> None:
        for source in sources:
            if isinstance(self.names.states[source], Final):
                raise DefinitionError(
                    "PD113", f"{self.label}.{name}: {source!r} is final and cannot be left. Make it a State."
                )

    # -- events and data -----------------------------------------------------------------------------------------------

    def _event(self, event: type[Any]) -> str:
        stored = getattr(event, "event_name", event.__name__)
        is_name = type(stored) is str and re.fullmatch(r"[^\W\d][\w.-]*", stored)
        if is_name and stored.startswith("perdure."):
            raise DefinitionError(
                "PD118", f"{event.__name__}: event_name {stored!r} begins as Perdure's own do. Choose another one."
            )
        if not is_name:
            raise DefinitionError(
                "PD118", f"{event.__name__}: event_name {stored!r} is no name. Use letters, digits, _, - and dots."
            )
        if not is_record(event) or not is_frozen(event):
            raise DefinitionError(
                "PD109", f"{self.label}: event {stored} is no frozen attrs class or dataclass. Write @frozen."
            )
        known = self.events.get(stored)
        if known is not None and known.kind is not event:
            raise DefinitionError(
                "PD118", f"{self.label}: two events are stored as {stored!r}. Give one another event_name."
            )
        if known is None:
            self.events[stored] = Codec(event, path=stored)
        return stored

    def _data_codec(self) -> Codec[Any] | None:
        kind = data_type(self.workflow)
        if kind is None or kind is type(None):
            return None
        if not is_record(kind):
            raise DefinitionError(
                "PD102", f"{self.label}: data type {kind!r} is neither attrs class nor dataclass. Write @define."
            )
        return Codec(kind, path=kind.__name__)
