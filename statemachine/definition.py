"""From a class body to a `Definition`: collects states and rules over the class's bases, checks them, compiles them.

Inheritance: states are merged by name, a subclass's replacing its base's; rules refer to states by identity, and a
state that was replaced stands for the one that replaced it. A subclass's rules come before its base's; a method that is
redefined with a decorator replaces the rule, one without keeps it. Guards and actions bind by name.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from attrs import asdict, define, field

from statemachine._codec.fields import is_frozen, is_record
from statemachine.chart import ALWAYS, Chart, Configuration, compile_chart, done_event
from statemachine.codec import Codec
from statemachine.errors import DataError, DefinitionError
from statemachine.frame import ATTEMPT, Attempt, Callback
from statemachine.inheritance import data_type, noted_in, own_bodies, stored_name
from statemachine.rules import MISSING, Declared, Hook, TimerNote, notes
from statemachine.specs import RuleSpec, StateSpec, TaskSpec, TimerSpec
from statemachine.states import Any_, Final, Parallel, Ref, State, children, substates
from statemachine.tasks import AnyTask, Noted, is_task

if TYPE_CHECKING:
    from statemachine.machine import ChartMachine
    from statemachine.signatures import Signatures

__all__ = ["Definition", "define_workflow"]


class Definition:
    """A compiled workflow: chart, codecs and callbacks. `chart` is missing on an abstract class."""

    def __init__(self, workflow: type[Any], *, name: str, revision: int, declaration: "Declaration") -> None:
        self.workflow = workflow
        self.name = name
        self.revision = revision
        self.paths = declaration.paths
        self.tags = declaration.tags
        self.events = declaration.events
        self.invariants = declaration.invariants
        self.rules = declaration.rules
        self.tasks = declaration.tasks
        self.results = declaration.results
        self.timers = declaration.timers
        self._names = {codec.kind: stored for stored, codec in self.events.items()}
        self._data = declaration.data
        self._callbacks: dict[str, Callback] = {}
        self._arity = declaration.signatures.arity
        self.machine = declaration.machine
        self.chart = declaration.chart

    @property
    def fingerprint(self) -> bytes:
        """Return the chart's fingerprint, 32 bytes."""
        return self.chart.fingerprint

    def callback(self, name: str) -> Callback:
        """Return a method by name."""
        found = self._callbacks.get(name)
        if found is None:
            function = getattr(self.workflow, name)
            found = self._callbacks[name] = Callback(function, self._arity(function) > 1)
        return found

    def frame(self, attempt: Attempt) -> object:
        """Return a frame: an object of the workflow's class, bound to an attempt."""
        frame = object.__new__(self.workflow)
        object.__setattr__(frame, ATTEMPT, attempt)
        return frame

    def event_name(self, kind: type) -> str:
        """Return the stored name of an event class. Raises KeyError for a class that no rule names."""
        return self._names[kind]

    def encode_data(self, data: object) -> bytes:
        """Return the canonical bytes of the workflow's data; `null` where it has none. Raises DataError."""
        if self._data is None:
            return b"null"
        return self._data.encode(data)

    def prove_data(self, data: object) -> bytes:
        """Return the canonical bytes of data that is to be stored, proven to come back as it is. Raises DataError.

        A class can accept in place what its own validators or `__attrs_post_init__` would refuse or change: stored, it
        could not be read again. What runs no such code comes back as it is.
        """
        image = self.encode_data(data)
        if self._data is None or not self._data.runs_code:
            return image
        try:
            again = self.encode_data(self.decode_data(image))
        except DataError as error:
            raise DataError(f"the data could not be read again: {error}") from error
        if again != image:
            raise DataError(f"the data of {self.name} would come back changed: its class changes it when it is made")
        return image

    def decode_data(self, image: bytes) -> object:
        """Return the data of canonical bytes. Raises DataError."""
        return None if self._data is None else self._data.decode(image)

    def data_digest(self, data: object) -> bytes:
        """Return the digest of initial data, for the key of a start."""
        codec = self._data or Codec(type(None), path="data")
        return codec.digest(self.name, data)

    def digest_of(self, event: str, payload: object) -> bytes:
        """Return the digest that a key of this event and payload has. Raises DataError."""
        if event in self.events:
            codec = self.events[event]
            return codec.digest(event, codec.structure(payload))
        return self.data_digest(None if self._data is None else self._data.structure(payload))

    def initial_data(self) -> object:
        """Return data made of its defaults. Raises TypeError where a field has none."""
        return None if self._data is None else self._data.kind()

    def is_in(self, state: object, configuration: Configuration) -> bool:
        """Say whether a state or region is active in a configuration. Raises DefinitionError for a foreign one."""
        name = self.paths.get(state)
        if name is None:
            raise DefinitionError("PD106", f"{self.name}: {state!r} is no state of this workflow.")
        return any(leaf == name or leaf.startswith(f"{name}.") for leaf in configuration)


def define_workflow(
    workflow: type[Any], *, root: type[Any], revision: Any, name: str | None, abstract: bool
) -> Definition | None:
    """Compile a workflow class, of which `root` is the base that all have; None for an abstract one.

    Raises DefinitionError.
    """
    label = stored_name(workflow, name)
    if revision is MISSING or type(revision) is not int or revision < 1:
        raise DefinitionError(
            "PD101", f"{label}: revision={revision!r}. Write revision=1 in the class line, or higher."
        )
    declaration = Declaration(label, workflow, own_bodies(workflow, root, label))
    if abstract:
        return None
    declaration.compile()
    return Definition(workflow, name=label, revision=revision, declaration=declaration)


@define(eq=False)
class Declaration:
    """What stands in the class bodies of a workflow and its bases, being put together."""

    label: str
    workflow: type[Any]
    bodies: list[type]  # the workflow's own and its bases', a subclass's first
    paths: dict[object, str] = field(factory=dict[object, str])  # state objects of every base -> full name
    states: dict[str, Ref] = field(factory=dict[str, Ref])  # full name -> the object that stands for it
    tree: dict[str, Ref] = field(factory=dict[str, Ref])
    tags: dict[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    events: dict[str, Codec[Any]] = field(factory=dict[str, Codec[Any]])
    invariants: tuple[str, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()
    results: dict[str, Codec[Any]] = field(factory=dict[str, Codec[Any]])  # of tasks, by their names
    timers: tuple[TimerSpec, ...] = ()
    data: Codec[Any] | None = None
    hooks: dict[str, dict[str, list[str]]] = field(factory=lambda: {"enter": {}, "leave": {}})
    signatures: "Signatures" = field(init=False)
    machine: "ChartMachine" = field(init=False)
    chart: Chart = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Collect the states of every class, bases first, so that a subclass's replace its base's."""
        from statemachine.signatures import Signatures  # like machine: needed only where a class is defined

        self.signatures = Signatures(self.label, self.workflow)
        for owner in reversed(self.bodies):
            found = children(owner)
            self.tree.update(found)
            for name, state in found.items():
                self._collect(name, state)
        for name, state in self.tree.items():
            if getattr(self.workflow, name) is not state:
                raise DefinitionError(
                    "PD125", f"{self.label}: {name!r} is a state of a base and something else here. Rename this one."
                )
            self._settle(name, state)
        # What a base's region held and its replacement does not is no state of this workflow.
        self.paths = {state: path for state, path in self.paths.items() if path in self.states}

    def _collect(self, path: str, state: Ref) -> None:
        known = self.paths.setdefault(state, path)
        if known != path:
            raise DefinitionError(
                "PD124", f"{self.label}: {known!r} and {path!r} are one state under two names. Make a State for each."
            )
        for name, inner in substates(state).items():
            self._collect(f"{path}.{name}", inner)

    def _settle(self, path: str, state: Ref) -> None:
        self.states[path] = state
        self.tags[path] = state.tags if isinstance(state, State) else state.region_tags
        for name, inner in substates(state).items():
            self._settle(f"{path}.{name}", inner)

    def compile(self) -> None:
        """Check everything and make machine and chart. Raises DefinitionError."""
        from statemachine.machine import build  # a third of the time of `import statemachine`; needed only here

        if not self.tree:
            raise DefinitionError("PD103", f"{self.label} has no states. Declare one: cart = State(initial=True).")
        declared = noted_in(self.bodies)
        self._collect_hooks(declared)
        self.rules = tuple(self._rule_specs(declared))
        self.timers = tuple(self._timer_spec(name, note) for name, note in declared if isinstance(note, TimerNote))
        self.tasks = tuple(self._task_spec(name, note) for name, note in declared if is_task(note))
        self.data = self._data_codec()
        initial = self._initial("", self.tree)
        states = [self._state_spec("", name, state) for name, state in self.tree.items()]
        self.machine = build(self.label, states, self.rules)
        self.machine.initial = initial
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
        if isinstance(state, State):
            outcome = state.outcome if isinstance(state, Final) else None
            kind = "final" if isinstance(state, Final) else "atomic"
            return StateSpec(name, kind, outcome=outcome, tags=state.tags, enter=enter, leave=leave)
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
            children=tuple(self._state_spec(path, child, one) for child, one in inner.items()),
            initial=None if is_parallel else self._initial(path, inner),
            tags=state.region_tags,
            enter=enter,
            leave=leave,
        )

    def _initial(self, path: str, inner: Mapping[str, Ref]) -> str:
        marked = [name for name, state in inner.items() if _is_initial(state)]
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
                for path in self._each_once([self._path(state, name) for state in note.states], name):
                    self.hooks[note.kind].setdefault(path, []).append(name)

    def _timer_spec(self, name: str, note: TimerNote) -> TimerSpec:
        self.signatures.callback(name, takes=1)
        sources = self._each_once([self._path(source, name) for source in note.sources], name)
        self._check_not_final(sources, name)
        return TimerSpec(name, note.delay_ms, tuple(sources), self._target(note.to, name))

    def _task_spec(self, name: str, task: AnyTask) -> TaskSpec:
        if notes(task) or notes(task.__wrapped__):
            raise DefinitionError("PD129", f"{self.label}.{name} is a task and a rule at once. Make two methods.")
        handler = None if task.handler is None else getattr(task.handler, "__name__", "")
        returns = self.signatures.task(name, handler)
        result = self.results[name] = Codec(cast("type[Any]", returns), path=f"{self.label}.{name}'s result")
        note = task.note
        state = self._path(note.state, name)
        self._check_not_final([state], name)
        return TaskSpec(
            name,
            state,
            done=self._target(note.done, name),
            failed=self._path(note.failed, name),
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
        return [spec for order, (name, rule) in enumerate(ordered) for spec in self._specs(order, name, rule)]

    def _specs(self, order: int, name: str, rule: Declared) -> list[RuleSpec]:
        self.signatures.rule(name, rule.events)
        sources = self._each_once([path for source in rule.sources for path in self._sources(source, name)], name)
        target = self._target(rule.to, name)
        guard = None if rule.when is None else self.signatures.guard(rule.when, rule.events, of=name)
        self._check_sources(rule, sources, name)
        heard = self._heard(rule, sources)
        self._each_once([event for event, _ in heard], name)
        return [
            RuleSpec(order, event, tuple(at), target, name, guard=guard, reenter=rule.reenter, roles=rule.roles)
            for event, at in heard
        ]

    def _target(self, to: Ref | None, name: str) -> str | None:
        return None if to is None else self._path(to, name)

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
        if rule.kind == "done":
            return [(done_event(source), [source]) for source in sources]
        return [(self._event(event), sources) for event in rule.events]

    def _sources(self, source: Ref | Any_, name: str) -> list[str]:
        if isinstance(source, Any_):
            return [path for path, state in self.tree.items() if not isinstance(state, Final)]
        return [self._path(source, name)]

    def _check_sources(self, rule: Declared, sources: list[str], name: str) -> None:
        for source in sources:
            state = self.states[source]
            if rule.kind == "done" and isinstance(state, State):
                raise DefinitionError(
                    "PD110", f"{self.label}.{name}: @done({source}) names a leaf, which is never done. Name its region."
                )
        self._check_not_final(sources, name)

    def _check_not_final(self, sources: Sequence[str], name: str) -> None:
        for source in sources:
            if isinstance(self.states[source], Final):
                raise DefinitionError(
                    "PD113", f"{self.label}.{name}: {source!r} is final and cannot be left. Make it a State."
                )

    def _path(self, state: object, name: str) -> str:
        try:
            return self.paths[state]
        except (KeyError, TypeError) as error:
            raise DefinitionError(
                "PD106", f"{self.label}.{name} names {state!r}, which is no state of this workflow. Declare it there."
            ) from error

    # -- events and data -----------------------------------------------------------------------------------------------

    def _event(self, event: type[Any]) -> str:
        stored = getattr(event, "event_name", event.__name__)
        if type(stored) is not str or not stored.isidentifier():
            raise DefinitionError("PD118", f"{event.__name__}: event_name {stored!r} is no name. Use letters and _.")
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


def _is_initial(state: Ref) -> bool:
    return state.initial if isinstance(state, State) else state.is_initial
