"""A picture as Graphviz' dot: regions are clusters. Pure.

An arrow ends at nodes, never at a cluster, so each region has a node for its arrows: the sign of its beginning, in a
parallel an invisible one. `lhead` and `ltail` cut them at the border. All labels are HTML-like: one way to escape. A
node's id is the full name of its state, and what is no state has a blank in it, which no name holds.
"""

from collections.abc import Iterator
from html import escape
from itertools import count

from statemachine.diagrams.picture import DrawnState, Picture, arrows, clean, label, rows

__all__ = ["dot"]

ACTIVE, AROUND, LINE, PLAIN = "#ffd54f", "#fff6d6", "#b26a00", "#57606a"
SMALL = 10  # points; names are 12
FONT = "Helvetica,Arial,sans-serif"
DOT = f'shape=circle, label="", width=0.12, height=0.12, style=filled, fillcolor="{PLAIN}"'

HEAD = f"""\
  graph [compound=true, rankdir=TB, nodesep=0.4, ranksep=0.4, bgcolor=white, fontname="{FONT}", fontsize=12]
  node [shape=box, style="rounded,filled", fillcolor=white, color="{PLAIN}", height=0.4, margin="0.12,0.06",
    fontname="{FONT}", fontsize=12]
  edge [color="{PLAIN}", arrowsize=0.7, fontname="{FONT}", fontsize={SMALL}]"""


def dot(drawn: Picture) -> str:
    """Return the text of a dot graph. Pure."""
    return "\n".join(_Writer(drawn).lines()) + "\n"


class _Writer:
    def __init__(self, drawn: Picture) -> None:
        self._drawn = drawn
        self._regions = {state.parent for state in drawn.states}

    def lines(self) -> Iterator[str]:
        drawn = self._drawn
        yield f"digraph {_quoted(drawn.workflow)} {{"
        yield HEAD
        yield f"  tooltip={_quoted(' '.join(filter(None, (drawn.workflow, drawn.description))))}"
        yield from self._inside(None, drawn.initial, indent="  ")
        yield from self._arrows()
        yield "}"

    def _inside(self, parent: str | None, initial: tuple[str, ...], *, indent: str) -> Iterator[str]:
        begin = _quoted(f"begin {parent or 'of all'}")
        if initial:
            yield f"{indent}{begin} [{DOT}]"
        else:
            yield f'{indent}{begin} [shape=point, label="", width=0.1, height=0.1, style=invis]'
        for state in self._drawn.inside(parent):
            yield from self._state(state, indent)
        yield from (f"{indent}{begin} -> {self._end(target, 'lhead')}" for target in initial)

    def _state(self, state: DrawnState, indent: str) -> Iterator[str]:
        text = _box(state.last, rows(state, self._drawn))
        is_region = state.name in self._regions
        style = {"style": '"rounded,filled,dashed"' if self._drawn.is_side(state) else '"rounded,filled"'}
        if state.active:
            style |= {"fillcolor": f'"{AROUND if is_region else ACTIVE}"', "color": f'"{LINE}"', "penwidth": "2"}
        elif is_region:
            style |= {"fillcolor": "white", "color": f'"{PLAIN}"'}
        if is_region:
            attributes = ", ".join(f"{name}={value}" for name, value in {**style, "label": text}.items())
            yield f"{indent}subgraph {_quoted(f'cluster {state.name}')} {{"
            yield f"{indent}  graph [{attributes}]"
            yield from self._inside(state.name, state.initial, indent=f"{indent}  ")
            yield f"{indent}}}"
            return
        if state.kind == "history":
            style = {"shape": "circle", "margin": "0.02", "width": "0.3"}
            text = _box("H*" if state.deep else "H", [state.last])
        if state.kind == "final":
            style["peripheries"] = "2"
        attributes = ", ".join(f"{name}={value}" for name, value in {**style, "label": text}.items())
        yield f"{indent}{_quoted(state.name)} [{attributes}]"
        for target in state.initial:
            yield f"{indent}{_quoted(state.name)} -> {self._end(target, 'lhead', style='dashed')}"

    def _arrows(self) -> Iterator[str]:
        forks = count(1)
        for rule in arrows(self._drawn):
            tail = {"ltail": _quoted(f"cluster {rule.source}")} if rule.source in self._regions else {}
            source, words = self._node(rule.source), {"label": _words(label(rule))}
            if len(rule.targets) == 1:
                yield f"  {source} -> {self._end(rule.targets[0], 'lhead', **tail, **words)}"
                continue
            fork = _quoted(f"fork {next(forks)}")
            yield f'  {fork} [shape=box, label="", width=0.6, height=0.05, style=filled, fillcolor="{PLAIN}"]'
            yield f"  {source} -> {fork} [{_attributes({**tail, **words, 'arrowhead': 'none'})}]"
            yield from (f"  {fork} -> {self._end(target, 'lhead')}" for target in rule.targets)

    def _node(self, name: str) -> str:
        return _quoted(f"begin {name}" if name in self._regions else name)

    def _end(self, target: str, cut: str, **attributes: str) -> str:
        """Return the node of an arrow's end, and the arrow's attributes."""
        if target in self._regions:
            attributes[cut] = _quoted(f"cluster {target}")
        written = _attributes(attributes)
        return self._node(target) + (f" [{written}]" if written else "")


def _attributes(attributes: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in attributes.items())


def _box(name: str, lines: list[str]) -> str:
    """Return the label of a state: its name, and below it its rows in small letters."""
    small = [f'<FONT POINT-SIZE="{SMALL}">{"<BR/>".join(map(_escaped, lines))}</FONT>'] if lines else []
    return f"<{'<BR/>'.join([f'<B>{_escaped(name)}</B>', *small])}>"


def _words(lines: list[str]) -> str:
    """Return the label of an arrow: flush left, and kept away from the line."""
    return "<" + "".join(f'&#160;{_escaped(line)}&#160;<BR ALIGN="LEFT"/>' for line in lines) + ">"


def _escaped(text: str) -> str:
    r"""Return a text for an HTML-like label, in which Graphviz replaces `\N` by the name of the node."""
    return escape(clean(text), quote=True).replace("\\", "\\\\")


def _quoted(text: str) -> str:
    """Return an id or a text in quotes; what a text says with entities and backslashes is taken as it is."""
    return '"' + clean(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'
