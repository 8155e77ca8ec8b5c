"""Reads what `diagram` writes, strictly and by no code of `statemachine`: a judge for tests/test_diagrams.py."""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field

Rule = tuple[str, tuple[str, ...], str]
"""Source, targets, action."""


@define
class Seen:
    """What a diagram shows, by full names, each as often as it stands there."""

    states: list[str] = field(factory=list)
    active: set[str] = field(factory=set)
    rules: list[Rule] = field(factory=list)
    begins: list[tuple[str, str]] = field(factory=list)  # a region or history ("" for the workflow): what it begins in


@define
class Arrows:
    """Arrows between ids, to be read once all ids are known."""

    found: list[tuple[str, str, str]] = field(factory=list)

    def tell(self, seen: Seen, ids: Mapping[str, str], *, begins: Mapping[str, str]) -> None:
        """Put rules and beginnings into what is seen; a fork's arrows are one rule."""
        into = {target: (source, words) for source, target, words in self.found if target.startswith("fork")}
        for fork, (source, words) in into.items():
            targets = tuple(ids[target] for one, target, _ in self.found if one == fork)
            seen.rules.append((ids[source], targets, _action(words)))
        for source, target, words in self.found:
            if source in begins and words in {"", "default"}:
                seen.begins.append((begins[source], ids[target]))
            elif source not in into and target not in into:
                seen.rules.append((ids[source], (ids[target],), _action(words)))


def _action(words: str) -> str:
    return words.rpartition("/ ")[2]


def _rows(source: str, words: str) -> Iterator[Rule]:
    """Read the rules that stand in a box: `E0 [g0] / rule_1 → a.b, c`."""
    for match in re.finditer(r"/ (rule_\d+)(?: → ([\w.]+(?:, [\w.]+)*))?", " ".join(words.split())):
        yield source, tuple(match[2].split(", ")) if match[2] else (), match[1]


def read_mermaid(text: str) -> Seen:
    """Read a Mermaid text. Each line must have one of the forms that are written, each id one meaning."""
    lines = text.splitlines()
    assert lines[0] == "stateDiagram-v2", lines[0]
    seen, arrows, above = Seen(), Arrows(), [""]
    ids: dict[str, str] = {}
    begins: dict[str, str] = {}
    for line in lines[1:]:
        word = line.strip()
        if word == "}":
            above.pop()
        elif box := re.fullmatch(r'state "([^":;\n]*(?:#\d+;[^":;\n]*)*)" as (\w+)( \{)?', word):
            assert len(line) - len(word) == 2 * len(above), line
            name, *rows = _plain(box[1]).split("\n")
            assert box[2] not in ids, line
            if f"  class {box[2]} rows" in lines:
                ids[box[2]] = above[-1]
                seen.rules += _rows(above[-1], " ".join([name, *rows]))
                continue
            ids[box[2]] = f"{above[-1]}.{re.sub('^H[*]? ', '', name)}".lstrip(".")
            begins.update({box[2]: ids[box[2]]} if name.startswith("H") else {})
            seen.states.append(ids[box[2]])
            seen.rules += _rows(ids[box[2]], " ".join(rows))
            above += [ids[box[2]]] if box[3] else []
        elif arrow := re.fullmatch(r"(\w+|\[\*\]) --> (\w+)(?: : ([^:;\n]*(?:#\d+;[^:;\n]*)*))?", word):
            source = arrow[1] if arrow[1] != "[*]" else f"begin {above[-1]}"
            begins.update({source: above[-1]} if arrow[1] == "[*]" else {})
            arrows.found.append((source, arrow[2], _plain(arrow[3] or "")))
        elif style := re.fullmatch(r"class (\w+) (active|around|side|rows)", word):
            seen.active |= {ids[style[1]]} if style[2] in {"active", "around"} else set()
        else:
            assert re.fullmatch(
                r"classDef \w+ [\w:#,. -]+|acc(Title|Descr): [^:;]*(#\d+;[^:;]*)*|state \w+ <<fork>>|\w+ --> \[\*\]",
                word,
            ), line
    assert above == [""], above
    arrows.tell(seen, ids, begins=begins)
    return seen


def _plain(text: str) -> str:
    """Return what Mermaid shows of a label: lines, then entities, then (of a box with rows) Markdown's backslashes."""
    is_markdown = "<br/>" in text
    text = text.replace("<br/>", "\n").replace("\N{NO-BREAK SPACE}", " ")
    assert not re.search(r"[<>]", text), text
    text = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text).replace("\N{WORD JOINER}", "")
    return re.sub(r"\\([\\`*_])", r"\1", text) if is_markdown else text


STRING = r'"((?:[^"\\]|\\.)*)"'
HTML = r"<((?:[^<>]|<[^<>]*>)*)>"


def read_dot(text: str) -> Seen:
    """Read a dot text. Each line must have one of the forms that are written."""
    lines = text.splitlines()
    assert re.fullmatch(rf"digraph {STRING} {{", lines[0]), lines[0]
    seen, arrows, above = Seen(), Arrows(), [""]
    ids: dict[str, str] = {}
    begins: dict[str, str] = {}
    for line in lines[1:]:
        word = line.strip()
        box = re.fullmatch(rf"{STRING} \[(.*)\]", word)
        if word == "}":
            above.pop()
        elif cluster := re.fullmatch(rf"subgraph {STRING} {{", word):
            above.append(cluster[1].removeprefix("cluster "))
        elif head := re.fullmatch(r"graph \[(.*label=.*)\]", word):
            _see(seen, above[-1], head[1])
        elif arrow := re.fullmatch(rf"{STRING} -> {STRING}(?: \[(.*)\])?", word):
            arrows.found.append((arrow[1], arrow[2], " ".join(_shown(arrow[3] or ""))))
        elif box and re.match("begin |fork ", box[1]):
            ids[box[1]] = box[1].removeprefix("begin ").replace("of all", "")
            begins.update({box[1]: ids[box[1]]} if box[1].startswith("begin ") else {})
        elif box:
            assert box[1].rpartition(".")[0] == above[-1], line
            assert box[1] not in ids, line
            ids[box[1]] = box[1]
            begins.update({box[1]: box[1]} if "shape=circle" in box[2] else {})
            _see(seen, box[1], box[2])
        else:
            assert re.fullmatch(rf"(graph|node|edge) \[.*|fontname=.*\]|tooltip={STRING}", word), line
    assert above == [], above
    arrows.tell(seen, ids, begins=begins)
    return seen


def _see(seen: Seen, name: str, attributes: str) -> None:
    seen.states.append(name)
    seen.active |= {name} if re.search(r'fillcolor="#ff', attributes) else set()
    seen.rules += _rows(name, " ".join(_shown(attributes)))


def _shown(attributes: str) -> list[str]:
    """Return the lines of a label."""
    found = re.search(rf"label={HTML}", attributes)
    pieces = re.split(r"<[^>]*>", found[1]) if found else []
    shown = (html.unescape(piece).replace("\\\\", "\\").replace("\N{NO-BREAK SPACE}", " ") for piece in pieces)
    return [piece.strip() for piece in shown if piece]


def read_json(text: str) -> Seen:
    """Read the plain structure."""
    found: dict[str, Any] = json.loads(text)
    states: list[dict[str, Any]] = found["states"]
    return Seen(
        states=[one["name"] for one in states],
        active={one["name"] for one in states if one["active"]},
        rules=[(one["source"], tuple(one["targets"]), one["action"]) for one in found["rules"]],
        begins=[
            *_begins("", found["initial"]),
            *(pair for one in states for pair in _begins(one["name"], one["initial"])),
        ],
    )


def _begins(name: str, initial: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((name, target) for target in initial)


READERS = {"mermaid": read_mermaid, "dot": read_dot, "json": read_json}
