"""A picture as a Mermaid state diagram (stateDiagram-v2). Pure.

What Mermaid 11 does, and what is done about it:
- Words such as `end` cannot be ids, and it makes ids of its own (`fulfil_start`): `_Ids` keeps clear of both.
- `:` and `;` end a label, and it is HTML: what is not plain is written as an entity. A box with rows is Markdown, too.
- A region has no room for text: what is to be said of one is a box without a border inside of it.
- The colour of a region would colour what is in it: an active region is pale, an active state is not.
- Its sign for regions side by side, `--`, fails where one of them holds a parallel (`No such shape: divider`): they
  have a dashed border.
- A final state has no name: it is a state with an arrow to the end sign.
"""

import re
from collections.abc import Iterator
from itertools import count

from statemachine.diagrams.picture import DrawnState, Picture, arrows, label, rows

__all__ = ["mermaid"]

RESERVED = (
    "accdescr acctitle as choice class classdef click default direction end fork hide history href join left note "
    "of over right root scale skinparam state statediagram style title"
)
PLAIN = re.compile(r"[^\w /.,()\[\]→-]|_|--")
"""What may mean something in a label: all but letters, digits, and a few signs."""

MARKDOWN = re.compile(r"[\\`*]|(?<![^\W_])_+|_+(?![^\W_])")
"""What Markdown takes for more than a sign; a `_` inside a word is none."""

CLASSES = {
    "active": "fill:#ffd54f,stroke:#b26a00,stroke-width:3px,color:#1f2328",
    "around": "fill:#fff6d6,stroke:#b26a00,stroke-width:2px,color:#1f2328",
    "rows": "fill:none,stroke:none",
    "side": "stroke-dasharray:6 4",
}


def mermaid(drawn: Picture) -> str:
    """Return the text of a Mermaid diagram. Pure."""
    return "\n".join(_Writer(drawn).lines()) + "\n"


class _Ids:
    """Ids that Mermaid takes, each for one name: readable, and no id that Mermaid has or makes itself.

    What is no state has a blank in its name, which a state's never holds.
    """

    def __init__(self) -> None:
        self._taken: set[str] = {*RESERVED.split()}
        self._known: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return the id of a name, always the same one."""
        if name not in self._known:
            self._known[name] = self._free(name)
        return self._known[name]

    def _free(self, name: str) -> str:
        found = re.sub(r"[. ]", "__", name)
        if not re.fullmatch(r"\w+", found, re.ASCII):  # names of machines of transitions may hold anything
            found = f"state_{len(self._known)}"
        while self._taken.intersection(one.lower() for one in _derived(found)):
            found += "_"
        self._taken.update(one.lower() for one in _derived(found))
        return found


def _derived(id: str) -> tuple[str, ...]:
    """Return an id and those that Mermaid makes of it."""
    return (id, f"{id}_start", f"{id}_end")


class _Writer:
    def __init__(self, drawn: Picture) -> None:
        self._drawn = drawn
        self._ids = _Ids()
        self._regions = {state.parent for state in drawn.states}
        for state in drawn.states:  # in their order, so that an id does not depend on where it is first used
            self._ids[state.name]

    def lines(self) -> Iterator[str]:
        drawn = self._drawn
        yield "stateDiagram-v2"
        yield f"  accTitle: {_escaped(drawn.workflow)}"
        if drawn.description:
            yield f"  accDescr: {_escaped(drawn.description)}"
        yield from (f"  classDef {name} {style}" for name, style in CLASSES.items())
        yield from self._inside(None, drawn.initial, indent="  ")
        yield from self._arrows()
        yield from (f"  class {self._ids[state.name]} {self._class(state)}" for state in drawn.states if state.active)
        yield from (f"  class {self._ids[state.name]} side" for state in drawn.states if drawn.is_side(state))
        yield from (f"  class {self._text_id(state)} rows" for state in drawn.states if self._has_text(state))

    def _inside(self, parent: str | None, initial: tuple[str, ...], *, indent: str) -> Iterator[str]:
        yield from (f"{indent}[*] --> {self._ids[target]}" for target in initial)
        for state in self._drawn.inside(parent):
            yield from self._state(state, indent)

    def _state(self, state: DrawnState, indent: str) -> Iterator[str]:
        known = self._ids[state.name]
        if state.name not in self._regions:
            name = ("H*" if state.deep else "H") + f" {state.last}" if state.kind == "history" else state.last
            yield f'{indent}state "{_box([name, *rows(state, self._drawn)])}" as {known}'
            yield from (f"{indent}{known} --> {self._ids[target]} : default" for target in state.initial)
            if state.kind == "final":
                yield f"{indent}{known} --> [*]"
            return
        yield f'{indent}state "{_escaped(state.last)}" as {known} {{'
        inner = f"{indent}  "
        if self._has_text(state):
            yield f'{inner}state "{_box(rows(state, self._drawn))}" as {self._text_id(state)}'
        yield from self._inside(state.name, state.initial, indent=inner)
        yield f"{indent}}}"

    def _has_text(self, state: DrawnState) -> bool:
        return state.name in self._regions and bool(rows(state, self._drawn))

    def _text_id(self, state: DrawnState) -> str:
        return self._ids[f"{state.name} text"]

    def _class(self, state: DrawnState) -> str:
        return "around" if state.name in self._regions else "active"

    def _arrows(self) -> Iterator[str]:
        forks = count(1)
        for rule in arrows(self._drawn):
            source, text = self._ids[rule.source], _lines(label(rule))
            if len(rule.targets) == 1:
                yield f"  {source} --> {self._ids[rule.targets[0]]} : {text}"
                continue
            fork = self._ids[f"fork {next(forks)}"]
            yield f"  state {fork} <<fork>>"
            yield f"  {source} --> {fork} : {text}"
            yield from (f"  {fork} --> {self._ids[target]}" for target in rule.targets)


def _box(lines: list[str]) -> str:
    """Return the lines of a box: Mermaid reads several as Markdown, and as TeX between two `$$`, but one as it is."""
    if len(lines) == 1:
        return _lines(lines)
    plain = (MARKDOWN.sub(lambda match: "".join(f"\\{sign}" for sign in match[0]), line) for line in lines)
    return _lines([line.replace("$", "$\N{WORD JOINER}") for line in plain])


def _lines(lines: list[str]) -> str:
    return "<br/>".join(_escaped(line).replace("/ ", "/\N{NO-BREAK SPACE}") for line in lines)


def _escaped(text: str) -> str:
    """Return a text that Mermaid shows as it is: what might mean something as entities of its own form, `#58;`."""
    return PLAIN.sub(lambda match: "".join(f"#{ord(sign)};" for sign in match[0]), text)
