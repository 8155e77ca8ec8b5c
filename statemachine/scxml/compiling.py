"""From a `Document` to a workflow class: the same declarations that somebody would write by hand, made by program.

States become states, transitions rules, content methods; then the class is defined like any other. So there is one way
from a declaration to a chart, with all its checks, and an instance runs, is stored and is recovered like any other.

Names. A state's is its id with each sign that Python does not take replaced by `_`; methods are named after their state
and their place in it (`cart__transition_1`), so that a change elsewhere in the document renames nothing.

A transition is external unless it says `internal`, as SCXML has it: `reenter`. One without a target leaves nothing. A
document's own transitions, which are not in the Recommendation, are rules of `ANY`.
"""

import os
import re
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from attrs import define, field, frozen

from statemachine.errors import DefinitionError
from statemachine.frame import ATTEMPT, RESERVED
from statemachine.rules import Declared, Hook, attach
from statemachine.scxml.building import build
from statemachine.scxml.contents import ReadScript
from statemachine.scxml.data import DocumentData, DocumentEvent
from statemachine.scxml.document import Content, Document, ForEach, If, Raise, Send, StateNode, TransitionNode
from statemachine.scxml.matching import DONE, OTHER, takes
from statemachine.scxml.reading import Place, mistake, read
from statemachine.scxml.running import Program, session
from statemachine.scxml.syntax import Literal
from statemachine.states import ANY, START, Any_, Compound, Final, History, Parallel, Ref, State, Target

if TYPE_CHECKING:
    from statemachine.workflow import Workflow

__all__ = ["compile_document", "program_of"]

PROGRAM = "__scxml__"
REGION_NAMES = frozenset({"is_initial", "region_defer", "region_tags"})
EVENTS_MAX = 2_000  # each is a class
RULES_MAX = 50_000  # a transition is a rule for each event that it takes: a "*" in each state multiplies
Made = "type[Workflow[DocumentData]]"


def compile_document(
    source: "str | os.PathLike[str]",
    *,
    name: str | None,
    line: Mapping[str, Any],
    read_script: ReadScript | None,
) -> "type[Workflow[DocumentData]]":
    """Return the workflow class of a document. Raises DefinitionError, OSError where a file cannot be read.

    `line` are the keywords of its class line, but for its name.
    """
    document = build(read(source), read_script)
    known = name or document.name
    if known is None:
        raise mistake(
            "PD171", document.place, "the workflow has no name. Write <scxml name=…>, or from_scxml(…, name=…)."
        )
    compiler = _Compiler(document, known)
    try:
        return compiler.workflow(line)
    except DefinitionError as error:
        if str(error).startswith(f"{error.code} {document.place.label}, line "):
            raise  # it has its place
        # Of the declaration: it names a method, and that has a place.
        found = (place for method, place in compiler.places.items() if f".{method}:" in str(error))
        place = next(found, document.place)
        raise mistake(error.code, place, str(error).partition(" ")[2]) from error


def program_of(workflow: type[object]) -> Program:
    """Return what a workflow that was read from a document runs. Raises TypeError for any other."""
    found = vars(workflow).get(PROGRAM)
    if found is None:
        raise TypeError(f"{workflow!r} was not read from an SCXML document")
    return cast("Program", found)


@define(eq=False)
class _Compiler:
    document: Document
    name: str
    paths: dict[str, str] = field(factory=dict[str, str])  # id -> full name
    refs: dict[str, Target] = field(factory=dict[str, Target])  # id -> the object that stands for it
    methods: dict[str, Any] = field(factory=dict[str, Any])
    places: dict[str, Place] = field(factory=dict[str, Place])  # of the transitions, by their methods
    taken: set[str] = field(factory=set[str])  # names of first-level states and of methods
    named: dict[str, list[str]] = field(
        factory=lambda: defaultdict[str, list[str]](list)
    )  # descriptor -> what it takes
    regions: list[StateNode] = field(factory=list[StateNode])  # those that can be done
    ended: dict[str, list[StateNode]] = field(factory=dict[str, list[StateNode]])  # descriptor -> whose end it takes
    rules: int = 0
    program: Program = field(init=False)

    def workflow(self, line: Mapping[str, Any]) -> "type[Workflow[DocumentData]]":
        root = self.document.root
        self._name_states(root, "")
        self.taken.update(path for path in self.paths.values() if "." not in path)
        self.regions = [one for one in self.document.states.values() if _can_be_done(one)]
        self.program = self._program()
        body: dict[str, Any] = dict(self._inside(root))
        self._add_methods()
        start = self._start(root)
        namespace = {
            "__doc__": f"Read from an SCXML document: {self.document.place.label}.",
            "__module__": __name__,
            PROGRAM: self.program,
            **({START: start} if start else {}),
            **body,
            **self.methods,
        }
        from statemachine.workflow import Workflow  # which imports this module for those who read documents

        made = types.new_class(
            re.sub(r"\W", "_", self.name) or "Document",
            (Workflow[DocumentData],),
            {**line, "name": self.name},
            lambda names: names.update(namespace),
        )
        return cast("type[Workflow[DocumentData]]", made)

    # -- names ---------------------------------------------------------------------------------------------------------

    def _name_states(self, state: StateNode, above: str) -> None:
        taken = {*RESERVED, *REGION_NAMES, ATTEMPT}
        for child in (*state.states, *state.histories):
            name = _identifier(child.id, taken)
            taken.add(name)
            self.paths[child.id] = f"{above}.{name}" if above else name
            self._name_states(child, self.paths[child.id])

    def _last(self, state: StateNode) -> str:
        return self.paths[state.id].rpartition(".")[2]

    # -- events --------------------------------------------------------------------------------------------------------

    def _program(self) -> Program:
        descriptors = {one for node in self._nodes() for rule in node.transitions for one in rule.events}
        own = {one for node in self._nodes() for one in _names_sent(node)}
        names = {one for one in descriptors if one != "*" and not one.startswith(DONE)}
        names |= {one for one in own if any(takes(descriptor, one) for descriptor in descriptors)}
        names |= {OTHER} if "*" in descriptors else set()
        if len(names) > EVENTS_MAX:
            raise mistake(
                "PD162", self.document.place, f"there are more than {EVENTS_MAX} names of events. Split the document."
            )
        for name in sorted(names):
            for descriptor in _descriptors(name):
                self.named[descriptor].append(name)
        return Program(
            self.document,
            self.name,
            {one: path for one, path in self.paths.items() if self.document.states[one].tag != "history"},
            {name: _event_class(name) for name in sorted(names)},
            frozenset(one.name for one in self.document.data),
        )

    def _nodes(self) -> Iterable[StateNode]:
        return [self.document.root, *self.document.states.values()]

    def _heard(self, rule: TransitionNode) -> tuple[type[DocumentEvent], ...]:
        events = self.program.events
        return tuple(events[name] for name in sorted({name for one in rule.events for name in self.named.get(one, ())}))

    def _ends(self, rule: TransitionNode) -> list[StateNode]:
        """Return the regions whose end a transition takes."""
        for event in rule.events:
            if event not in self.ended:
                self.ended[event] = [one for one in self.regions if takes(event, DONE + one.id)]
        found = {one.id for event in rule.events for one in self.ended[event]}
        return [one for one in self.regions if one.id in found] if found else []

    # -- states --------------------------------------------------------------------------------------------------------

    def _inside(self, state: StateNode) -> Mapping[str, Target]:
        """Make what stands in a state; return it by name."""
        first = self._first(state)
        made: dict[str, Target] = {self._last(one): self._ref(one, initial=one is first) for one in state.states}
        for one in state.histories:
            to = tuple(cast("Ref", self.refs[target]) for target in one.transitions[0].targets if target in self.refs)
            made[self._last(one)] = self.refs[one.id] = History(to=to or (), deep=one.is_deep)
        return made

    def _first(self, state: StateNode) -> StateNode | None:
        """Return the child that is entered by default, or in which lies what is."""
        if state.tag == "parallel":
            return None
        if not state.initial:
            return state.states[0]
        target = self.document.states[state.initial[0]]
        if target in state.histories:
            target = self.document.states[target.transitions[0].targets[0]]
        path = self.paths[target.id]
        inside = (
            one for one in state.states if path == self.paths[one.id] or path.startswith(f"{self.paths[one.id]}.")
        )
        return next(inside, state.states[0])

    def _start(self, state: StateNode) -> tuple[Target, ...]:
        """Return what is entered by default where that is not one child."""
        found = tuple(self.refs[one] for one in state.initial)
        is_plain = not found[1:] and all(self.document.states[one] in state.states for one in state.initial)
        return () if is_plain else found

    def _ref(self, state: StateNode, *, initial: bool) -> Ref:
        if not state.states:
            made: Ref = Final(initial=initial) if state.tag == "final" else State(initial=initial)
        else:
            body = self._inside(state)
            kind = Parallel if state.tag == "parallel" else Compound
            made = types.new_class(self._last(state), (kind,), {"initial": initial}, lambda names: names.update(body))
            start = self._start(state)
            if start:
                setattr(made, START, start)
        self.refs[state.id] = made
        return made

    # -- methods -------------------------------------------------------------------------------------------------------

    def _add_methods(self) -> None:
        for state in self._nodes():
            prefix = self.paths.get(state.id, "document").replace(".", "__")
            if state.tag != "history":
                self._add_rules(state, prefix)
                self._add_hooks(state, prefix)
        if any(isinstance(one, Send) and not one.is_internal for node in self._nodes() for one in _contents(node)):
            self._add_arrivals()

    def _add_hooks(self, state: StateNode, prefix: str) -> None:
        ref = self.refs.get(state.id)
        if state is self._first(self.document.root):
            self._method(f"{prefix}__begin", _beginning(self.program), Hook("enter", (cast("Ref", ref),)))
        for place, content in enumerate(state.enter, 1):
            self._method(
                f"{prefix}__enter_{place}", _running(self.program, content), Hook("enter", (cast("Ref", ref),))
            )
        for place, content in enumerate(state.leave, 1):
            self._method(
                f"{prefix}__leave_{place}", _running(self.program, content), Hook("leave", (cast("Ref", ref),))
            )

    def _add_rules(self, state: StateNode, prefix: str) -> None:
        source = cast("Ref", self.refs[state.id]) if state.id else ANY
        taken: set[type[DocumentEvent]] = set()
        for place, rule in enumerate(state.transitions, 1):
            name = f"{prefix}__transition_{place}"
            if not rule.events:
                self._rule(name, rule, source, kind="always")
                continue
            # What an earlier transition always takes is no event of a wildcard; what is named stays: `check` finds it.
            heard = tuple(one for one in self._heard(rule) if one not in taken or one.event_name in rule.events)
            taken.update(heard if rule.condition is None else ())
            if heard:
                self._rule(name, rule, source, kind="on", events=heard)
            for region in self._ends(rule):
                suffix = self.paths[region.id].replace(".", "__")
                self._rule(f"{name}__{suffix}", rule, source, kind="done", region=region)

    def _rule(
        self,
        name: str,
        rule: TransitionNode,
        source: Ref | Any_,
        *,
        kind: Any,
        events: tuple[type[DocumentEvent], ...] = (),
        region: StateNode | None = None,
    ) -> None:
        done = None if region is None else DONE + region.id
        asking = _asking_event if events else _asking
        guard = None if rule.condition is None else asking(self.program, rule, done)
        if guard is not None:
            self._method(f"{name}__condition", guard)
        note = Declared(
            kind,
            events,
            (source,),
            tuple(self.refs[one] for one in rule.targets) or None,
            guard,
            reenter=bool(rule.targets) and not rule.is_internal,
            ends=() if region is None else (cast("Any", self.refs[region.id]),),
        )
        self.places[name] = rule.place
        self._count(max(len(events), 1) * (len(self.document.root.states) if source is ANY else 1), rule.place)
        taking = _taking_event if events else _taking
        self._method(name, taking(self.program, rule.content, done), note)

    def _count(self, rules: int, place: Place) -> None:
        """Count what a transition becomes, before it is made. Raises DefinitionError (PD162)."""
        self.rules += rules
        if self.rules > RULES_MAX:
            raise mistake(
                "PD162",
                place,
                f"up to here transitions take more than {RULES_MAX} events, each counted for itself. Name fewer, or "
                "take them in a state around.",
            )

    def _add_arrivals(self) -> None:
        """Add the rule for an event that the document sent to itself and that nothing takes: it has arrived, too."""
        events = tuple(self.program.events.values())
        if events:
            self._count(len(events) * len(self.document.root.states), self.document.place)
            guard = _asking_arrival()
            self._method("document__has_arrived", guard)
            note = Declared("on", events, (ANY,), None, guard)
            self._method("document__arrival", _taking_event(self.program, (), None), note)
        ends = tuple(cast("Ref", self.refs[one.id]) for one in self.document.root.states if one.tag == "final")
        if ends:
            self._method("document__end", _ending(self.program), Hook("enter", ends))

    def _method(self, name: str, function: Callable[..., Any], *notes: Declared | Hook) -> None:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        function.__name__ = function.__qualname__ = name
        for note in notes:
            attach(function, note)
        self.methods[name] = function


# -- the methods -------------------------------------------------------------------------------------------------------


def _beginning(program: Program) -> Callable[[Any], None]:
    def begin(self: "Workflow[DocumentData]") -> None:
        session(program, self).begin()

    return begin


def _ending(program: Program) -> Callable[[Any], None]:
    def end(self: "Workflow[DocumentData]") -> None:
        session(program, self).end()

    return end


def _running(program: Program, content: Sequence[Content]) -> Callable[[Any], None]:
    def run(self: "Workflow[DocumentData]") -> None:
        session(program, self).run(content)

    return run


def _taking(program: Program, content: Sequence[Content], done: str | None) -> Callable[..., None]:
    def take(self: "Workflow[DocumentData]") -> None:
        current = session(program, self)
        current.done = done or current.done
        current.run(content)

    return take


def _taking_event(program: Program, content: Sequence[Content], _: str | None) -> Callable[..., None]:
    def take(self: "Workflow[DocumentData]", event: DocumentEvent) -> None:
        current = session(program, self)
        current.take(event)
        current.run(content)

    return take


def _asking(program: Program, rule: TransitionNode, done: str | None) -> Callable[..., bool]:
    condition = rule.condition
    assert condition is not None

    def holds(self: "Workflow[DocumentData]") -> bool:
        current = session(program, self)
        return current.holds(condition, rule.place, done=done or current.done)

    return holds


def _asking_event(program: Program, rule: TransitionNode, _: str | None) -> Callable[..., bool]:
    condition = rule.condition
    assert condition is not None

    def holds(self: "Workflow[DocumentData]", _: DocumentEvent) -> bool:
        return session(program, self).holds(condition, rule.place, done=None)

    return holds


def _asking_arrival() -> Callable[..., bool]:
    def has_arrived(_: object, event: DocumentEvent) -> bool:
        return event.pending > 0

    return has_arrived


# -- what a document says ----------------------------------------------------------------------------------------------


def _identifier(id: str, taken: set[str]) -> str:
    name = re.sub(r"\W", "_", id)
    if name.startswith("__"):
        name = f"s{name}"
    while name in taken:
        name += "_"
    return name


def _event_class(name: str) -> type[DocumentEvent]:
    body = {"event_name": name, "__annotations__": {"event_name": ClassVar[str]}, "__doc__": f"The event {name}."}
    return frozen(type(name, (DocumentEvent,), {**body, "__module__": __name__}))


def _descriptors(name: str) -> Iterable[str]:
    """Return every descriptor that takes an event."""
    words = () if name == OTHER else name.split(".")
    return ["*", *(".".join(words[: length + 1]) for length in range(len(words)))]


def _can_be_done(state: StateNode) -> bool:
    if state.tag == "parallel":
        return bool(state.states) and all(map(_can_be_done, state.states))
    return any(one.tag == "final" for one in state.states)


def _contents(state: StateNode) -> Iterable[Content]:
    blocks = (*state.enter, *state.leave, *(rule.content for rule in state.transitions))
    return [one for block in blocks for one in _flat(block)]


def _flat(content: Iterable[Content]) -> Iterable[Content]:
    for one in content:
        yield one
        if isinstance(one, If):
            for branch in one.branches:
                yield from _flat(branch.content)
        elif isinstance(one, ForEach):
            yield from _flat(one.content)


def _names_sent(state: StateNode) -> Iterable[str]:
    for one in _contents(state):
        if isinstance(one, Raise):
            yield one.event
        elif isinstance(one, Send) and isinstance(one.event, Literal):
            yield str(one.event.value)
