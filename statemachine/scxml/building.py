"""From elements to a `Document`: what attributes and texts mean, and what the table of elements cannot say."""

import re
from collections.abc import Iterable, Iterator

from attrs import define, evolve, field

from statemachine.scxml.contents import EVENT_NAME, Contents, ReadScript
from statemachine.scxml.document import Data, Document, Script, StateNode, TransitionNode
from statemachine.scxml.matching import DONE, takes
from statemachine.scxml.reading import Element, Place, mistake
from statemachine.scxml.syntax import Block, Function

__all__ = ["build"]


STATES_MAX = 2_000  # charts are compiled whole, when the program starts
_DESCRIPTOR = re.compile(rf"\*|({EVENT_NAME})(?:\.\*|\.)?")
_ID = re.compile(r"[^\W\d][\w.-]*")


def build(root: Element, read_script: ReadScript | None) -> Document:
    """Return what a document says. Raises DefinitionError (PD162, PD165 to PD170)."""
    return _Builder(read_script, root).document()


@define(eq=False)
class _Builder(Contents):
    root: Element
    states: dict[str, StateNode] = field(factory=dict[str, StateNode])
    functions: dict[str, Function] = field(factory=dict[str, Function])
    data: dict[str, Data] = field(factory=dict[str, Data])
    ends: set[str] = field(factory=set[str])  # events that are the end of a state, as they are found out
    unnamed: int = 0

    def document(self) -> Document:
        root = self.root
        self._check_head(root)
        scripts = tuple(self._document_script(one) for one in root.all("script"))
        node = self._state(root)
        if not node.states:
            raise mistake("PD170", root.place, "the document has no states. Write <state id=…/>.")
        del self.states[""]
        for state in [node, *self.states.values()]:
            self._check_references(state)
        return Document(
            root.get("name"), node, tuple(self.data.values()), scripts, self.functions, root.place, self.states
        )

    def _check_head(self, root: Element) -> None:
        for name, wanted, repair in (
            ("version", ("1.0",), "Documents are of version 1.0."),
            ("binding", ("early",), "Data is made at the start: write binding='early'."),
        ):
            given = root.get(name)
            if given is not None and given not in wanted:
                raise mistake("PD165", root.place, f"{name}={given!r}. {repair}")
        model = root.get("datamodel")
        if model not in {None, "ecmascript", "null"}:
            raise mistake("PD166", root.place, f"datamodel={model!r} is not supported. Use 'ecmascript' or 'null'.")

    # -- states --------------------------------------------------------------------------------------------------------

    def _state(self, element: Element) -> StateNode:
        node = self._head(element)
        for one in element.all("datamodel"):
            for data in one.children:
                self._add_data(data)
        transitions = tuple(self._transition(one) for one in element.all("transition"))
        return self._settled(
            evolve(
                node,
                states=tuple(self._state(one) for one in element.all("state", "parallel", "final")),
                histories=tuple(self._state(one) for one in element.all("history")),
                initial=self._initial(element),
                transitions=transitions,
                enter=tuple(self.content(one.children) for one in element.all("onentry")),
                leave=tuple(self.content(one.children) for one in element.all("onexit")),
            )
        )

    def _head(self, element: Element) -> StateNode:
        if element.tag == "scxml":
            self.states[""] = node = StateNode("scxml", "", element.place)
            return node
        known = element.get("id")
        name = self._unnamed(element.tag) if known is None else known
        if not _ID.fullmatch(name):
            raise mistake("PD165", element.place, f"id={name!r} is no id. Use letters, digits, _, - and dots.")
        self.check_length("id", name, element.place)
        if name in self.states:
            first = self.states[name].place.line
            raise mistake("PD168", element.place, f"id {name!r} is taken in line {first}. Choose another one.")
        if len(self.states) > STATES_MAX:
            raise mistake("PD162", element.place, f"there are more than {STATES_MAX} states. Split the document.")
        kind = element.get("type") if element.tag == "history" else None
        if kind not in {None, "shallow", "deep"}:
            raise mistake("PD165", element.place, f"type={kind!r}. A history is 'shallow' or 'deep'.")
        self.states[name] = node = StateNode(element.tag, name, element.place, is_deep=kind == "deep")
        return node

    def _settled(self, node: StateNode) -> StateNode:
        self.states[node.id] = node  # in its place of the order: `_head` has taken it
        if node.tag == "history":
            self._check_history(node)
        return node

    def _unnamed(self, tag: str) -> str:
        self.unnamed += 1
        return f"{tag}.{self.unnamed}"

    def _initial(self, element: Element) -> tuple[str, ...]:
        given = tuple((element.get("initial") or "").split())
        inner = element.all("initial")
        if not inner:
            return given
        if given or len(inner) > 1:
            raise mistake("PD170", inner[-1].place, "the state says twice which state is its initial one. Keep one.")
        if not element.all("state", "parallel", "final"):
            raise mistake("PD170", inner[0].place, "the state has an initial one and no states. Drop <initial>.")
        return self._default(inner[0])

    def _default(self, element: Element) -> tuple[str, ...]:
        """Return where `<initial>` or `<history>` leads."""
        found = element.all("transition")
        if len(found) != 1 or not found[0].get("target"):
            raise mistake(
                "PD170", element.place, f"<{element.tag}> leads nowhere. Write one <transition target=…/> in it."
            )
        inner = found[0]
        if inner.get("event") or inner.get("cond") or inner.children:
            raise mistake(
                "PD166",
                inner.place,
                f"the transition of <{element.tag}> has an event, a condition or content. Move it into an <onentry>.",
            )
        return tuple((inner.get("target") or "").split())

    def _check_history(self, node: StateNode) -> None:
        if len(node.transitions) != 1 or not node.transitions[0].targets:
            raise mistake(
                "PD170", node.place, f"history {node.id!r} leads nowhere. Write one <transition target=…/> in it."
            )
        rule = node.transitions[0]
        if rule.events or rule.condition or rule.content:
            raise mistake(
                "PD166",
                rule.place,
                "the transition of <history> has an event, a condition or content. Move it into an <onentry>.",
            )

    def _check_references(self, state: StateNode) -> None:
        self._check_known(state.initial, state.place)
        inside = {one.id for child in (*state.states, *state.histories) for one in _with_inner(child)}
        for name in state.initial:
            if name not in inside:
                raise mistake(
                    "PD167", state.place, f"initial state {name!r} does not lie in {state.id!r}. Name one that does."
                )
        for rule in state.transitions:
            self._check_known(rule.targets, rule.place)
            self._check_ends(rule)
        for history in state.histories:
            for name in history.transitions[0].targets:
                if name not in inside:
                    raise mistake(
                        "PD167",
                        history.place,
                        f"the default {name!r} does not lie in {state.id!r}. Name one that does.",
                    )

    def _check_ends(self, rule: TransitionNode) -> None:
        for event in rule.events:
            if not event.startswith(DONE) or event in self.ends:
                continue
            if not any(takes(event, DONE + one) for one in self.states):
                raise mistake("PD167", rule.place, f"event={event!r} is the end of no state. Correct the name.")
            self.ends.add(event)

    def _check_known(self, names: Iterable[str], place: Place) -> None:
        for name in names:
            if name not in self.states:
                raise mistake("PD167", place, f"there is no state {name!r}. Correct the name, or declare the state.")

    def _transition(self, element: Element) -> TransitionNode:
        kind = element.get("type")
        if kind not in {None, "internal", "external"}:
            raise mistake("PD165", element.place, f"type={kind!r}. A transition is 'internal' or 'external'.")
        events = tuple(
            dict.fromkeys(self._descriptor(one, element.place) for one in (element.get("event") or "").split())
        )
        if "event" in element.attributes and not events:
            raise mistake("PD165", element.place, "event is empty. Name one, or drop the attribute.")
        return TransitionNode(
            events,
            self.expression(element, "cond"),
            tuple((element.get("target") or "").split()),
            kind == "internal",
            self.content(element.children),
            element.place,
        )

    def _descriptor(self, written: str, place: Place) -> str:
        found = _DESCRIPTOR.fullmatch(written)
        if found is None:
            raise mistake(
                "PD165", place, f"event={written!r} names no event. Write 'order', 'order.paid', 'order.*' or '*'."
            )
        self.check_length("event", written, place)
        return found[1] or "*"

    # -- data and scripts ----------------------------------------------------------------------------------------------

    def _add_data(self, element: Element) -> None:
        name = self.variable(element.attributes["id"], element.place, what="id")
        if name in self.data:
            raise mistake("PD168", element.place, f"data {name!r} is declared twice. Drop one.")
        self.data[name] = Data(name, self.given(element), element.place)

    def _document_script(self, element: Element) -> Script:
        script = self.script(element, with_functions=True)
        plain = [one for one in script.body.statements if not isinstance(one, Function)]
        for one in script.body.statements:
            if isinstance(one, Function):
                if one.name in self.functions:
                    raise mistake("PD168", element.place, f"function {one.name!r} is declared twice. Drop one.")
                self.functions[one.name] = one
        return evolve(script, body=Block(tuple(plain)))


def _with_inner(state: StateNode) -> Iterator[StateNode]:
    yield state
    for child in (*state.states, *state.histories):
        yield from _with_inner(child)
