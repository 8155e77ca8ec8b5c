"""From elements to executable content: what attributes and texts mean, and every expression and script parsed."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from attrs import define

from statemachine.scxml.document import (
    Assignment,
    Branch,
    Cancel,
    Content,
    ForEach,
    If,
    Log,
    Parameter,
    Payload,
    Raise,
    Script,
    Send,
)
from statemachine.scxml.lexing import KEYWORDS, ScriptSyntaxError
from statemachine.scxml.library import held_json
from statemachine.scxml.parsing import parse_expression, parse_location, parse_script
from statemachine.scxml.reading import BYTES_MAX, Element, Place, mistake
from statemachine.scxml.syntax import Array, Expression, Literal, Member, Name, Object

__all__ = ["EVENT_NAME", "NAME_LENGTH_MAX", "Contents", "ReadScript", "milliseconds"]

T = TypeVar("T")
ReadScript: TypeAlias = Callable[[str], str | os.PathLike[str]]
"""Takes the `src` of a script; returns its text, or the path of its file."""
EVENT_NAME = r"(?!_other(?![\w-]))[^\W\d][\w-]*(?:\.[\w-]+)*"  # what a name of an event may be
_VARIABLE = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_DELAY = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(ms|s|m|h|d)\s*")
NAME_LENGTH_MAX = 200  # of an id or an event: it stands in each row of its instances
DELAY_MS_MAX = 10**15  # 30,000 years: with the time of now it stays an integer that can be stored
SEND_TYPES = frozenset({"scxml", "http://www.w3.org/TR/scxml/#SCXMLEventProcessor"})


@define(eq=False)
class Contents:
    """Makes executable content of elements."""

    read_script: ReadScript | None

    def given(self, element: Element) -> Expression | None:
        """Return the value that an element gives: its `expr`, or what stands in it as JSON or else as text."""
        value = self.expression(element, "expr")
        text = element.text.strip()
        if value is not None and text:
            raise mistake("PD170", element.place, f"<{element.tag}> has both expr and content. Keep one.")
        return value if value is not None or not text else _inline(text)

    def script(self, element: Element, *, with_functions: bool = False) -> Script:
        """Return a script. Raises DefinitionError (PD162, PD166, PD169, PD170)."""
        source, place = self._source(element)
        body = _parsed(lambda text: parse_script(text, with_functions=with_functions), source, place, what="script")
        return Script(body, element.place)

    def _source(self, element: Element) -> tuple[str, Place]:
        src = element.get("src")
        if src is None:
            return element.text, element.text_places[0] if element.texts else element.place
        if element.text.strip():
            raise mistake("PD170", element.place, "<script> has both src and content. Keep one.")
        if self.read_script is None:
            raise mistake(
                "PD166",
                element.place,
                f"script {src!r} is not fetched. Write it here, or give from_scxml read_script=….",
            )
        given = self.read_script(src)
        found = given if isinstance(given, str) else _read_file(given)
        if len(found) > BYTES_MAX:
            raise mistake("PD162", element.place, f"script {src!r} has more than {BYTES_MAX} bytes. Split it.")
        try:
            return found if isinstance(found, str) else found.decode(), Place(src)
        except UnicodeDecodeError as error:
            raise mistake("PD169", element.place, f"script {src!r} is not in UTF-8: {error}. Write it so.") from error

    # -- executable content --------------------------------------------------------------------------------------------

    def content(self, elements: Sequence[Element]) -> tuple[Content, ...]:
        """Return executable content. Raises DefinitionError (PD165, PD166, PD169, PD170)."""
        return tuple(self._one(element) for element in elements)

    def _one(self, element: Element) -> Content:
        place = element.place
        match element.tag:
            case "assign":
                value = self.given(element)
                if value is None:
                    raise mistake("PD170", place, "<assign> assigns nothing. Write expr=….")
                return Assignment(self._location(element, "location"), value, place)
            case "raise":
                return Raise(self._event_name(element.attributes["event"], place), place)
            case "log":
                return Log(element.get("label") or "", self.expression(element, "expr"), place)
            case "script":
                return self.script(element)
            case "if":
                return If(tuple(self._branches(element)), place)
            case "foreach":
                return self._foreach(element)
            case "send":
                return self._send(element)
            case _:
                return Cancel(self._either(element, "sendid"), place)

    def _branches(self, element: Element) -> Iterator[Branch]:
        condition, content, is_last = self.expression(element, "cond"), list[Element](), False
        for one in element.children:
            if one.tag not in {"elseif", "else"}:
                content.append(one)
                continue
            if is_last:
                raise mistake("PD170", one.place, f"<{one.tag}> stands after <else>. Put <else> last.")
            yield Branch(condition, self.content(content))
            condition, content, is_last = self.expression(one, "cond"), [], one.tag == "else"
        yield Branch(condition, self.content(content))

    def _foreach(self, element: Element) -> ForEach:
        array = self._required(element, "array")
        item = self.variable(element.attributes["item"], element.place, what="item")
        index = element.get("index")
        if index is not None:
            self.variable(index, element.place, what="index")
        return ForEach(array, item, index, self.content(element.children), element.place)

    def _send(self, element: Element) -> Send:
        place, target = element.place, element.get("target")
        if element.get("type") not in {None, *SEND_TYPES}:
            raise mistake(
                "PD166", place, f"type={element.get('type')!r}: events are sent to this instance only. Drop it."
            )
        if target not in {None, "#_internal"}:
            raise mistake("PD166", place, f"target={target!r}: events are sent to this instance only. Drop it.")
        if "id" in element.attributes and "idlocation" in element.attributes:
            raise mistake("PD170", place, "<send> has both id and idlocation. Keep one.")
        delay = self._delay(element)
        if target and delay is not None:
            raise mistake("PD170", place, "<send> to #_internal has a delay. Drop one of them.")
        event = self._either(element, "event", computed="eventexpr")
        if isinstance(event, Literal):
            self._event_name(str(event.value), place)
        location = self._location(element, "idlocation") if "idlocation" in element.attributes else None
        return Send(event, delay, element.get("id"), location, bool(target), self._payload(element), place)

    def _delay(self, element: Element) -> Expression | None:
        written = element.get("delay")
        if written is None:
            return self.expression(element, "delayexpr")
        if "delayexpr" in element.attributes:
            raise mistake("PD170", element.place, "<send> has both delay and delayexpr. Keep one.")
        if milliseconds(written) is None:
            raise mistake("PD165", element.place, f"delay={written!r} is no duration. Write '10ms', '2s', '1.5h'.")
        return Literal(written)

    def _payload(self, element: Element) -> Payload:
        names = [Parameter(one, Name(one, 0)) for one in (element.get("namelist") or "").split()]
        for one in names:
            self.variable(one.name, element.place, what="namelist")
        parameters = [*names, *(self._parameter(one) for one in element.all("param"))]
        contents = element.all("content")
        if len(contents) > 1 or (contents and parameters):
            raise mistake(
                "PD170", element.place, "<send> has several contents, or content and parameters. Keep one kind."
            )
        return Payload(tuple(parameters), self.given(contents[0]) if contents else None)

    def _parameter(self, element: Element) -> Parameter:
        if ("expr" in element.attributes) == ("location" in element.attributes):
            raise mistake("PD170", element.place, "<param> has either expr or location. Write one of them.")
        value = self.expression(element, "expr")
        return Parameter(element.attributes["name"], self._location(element, "location") if value is None else value)

    def _either(self, element: Element, name: str, *, computed: str | None = None) -> Expression:
        """Return what an attribute says, or what the one that computes it does."""
        written, value = element.get(name), self.expression(element, computed or f"{name}expr")
        if (written is None) == (value is None):
            raise mistake("PD170", element.place, f"<{element.tag}> has either {name} or {computed or f'{name}expr'}.")
        return Literal(written) if value is None else value

    def expression(self, element: Element, name: str) -> Expression | None:
        """Return the expression of an attribute; None where it is missing. Raises DefinitionError (PD169)."""
        written = element.get(name)
        if written is None:
            return None
        return _parsed(parse_expression, written, element.place, what=name)

    def _required(self, element: Element, name: str) -> Expression:
        return _parsed(parse_expression, element.attributes[name], element.place, what=name)

    def _location(self, element: Element, name: str) -> Name | Member:
        return _parsed(parse_location, element.attributes[name], element.place, what=name)

    def variable(self, written: str, place: Place, *, what: str) -> str:
        """Return a name of a variable. Raises DefinitionError (PD165)."""
        if not _VARIABLE.fullmatch(written) or written in KEYWORDS or written.startswith("_"):
            raise mistake("PD165", place, f"{what}={written!r} is no name of a variable. Use letters, digits, _.")
        return written

    def _event_name(self, written: str, place: Place) -> str:
        if not re.fullmatch(EVENT_NAME, written):
            raise mistake("PD165", place, f"event={written!r} is no name of an event. Write 'order' or 'order.paid'.")
        self.check_length("event", written, place)
        return written

    @staticmethod
    def check_length(what: str, written: str, place: Place) -> None:
        """Raise DefinitionError (PD162) for a name that is too long."""
        if len(written) > NAME_LENGTH_MAX:
            raise mistake(
                "PD162", place, f"{what}={written[:20] + '…'!r} has more than {NAME_LENGTH_MAX} signs. Shorten it."
            )


def _read_file(path: "os.PathLike[str]") -> bytes:
    with Path(path).open("rb") as file:
        return file.read(BYTES_MAX + 1)


def milliseconds(written: str) -> int | None:
    """Return a duration of CSS2 ("1.5s", "10ms") in milliseconds; None for what is none, or too long. Pure."""
    found = _DELAY.fullmatch(written)
    if found is None:
        return None
    unit = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]]
    delay_ms = round(float(found[1]) * unit)
    return delay_ms if delay_ms <= DELAY_MS_MAX else None


def _parsed(parse: Callable[[str], T], source: str, place: Place, *, what: str) -> T:
    try:
        return parse(source)
    except ScriptSyntaxError as error:
        line = source.count("\n", 0, error.at)
        column = error.at - source.rfind("\n", 0, error.at)
        where = Place(place.label, place.line + line, column if line else place.column + column - 1)
        if what != "script":  # an attribute stands somewhere behind the beginning of its element
            raise mistake(
                "PD169", place, f"{what}={source.strip()[:60]!r}, character {error.at + 1}: {error}. See docs/scxml.md."
            ) from error
        raise mistake("PD169", where, f"script: {error}. See docs/scxml.md.") from error


def _inline(text: str) -> Expression:
    """Return what stands in an element: JSON, or else text with its spaces folded, as SCXML (B.2.1) has it."""
    try:
        return _tree(held_json(text))
    except (ValueError, RecursionError):
        return Literal(" ".join(text.split()))


def _tree(plain: Any) -> Expression:
    match plain:
        case list():
            return Array(tuple(_tree(one) for one in cast("Sequence[Any]", plain)))
        case dict():
            return Object(tuple((key, _tree(one)) for key, one in cast("dict[str, Any]", plain).items()))
        case _:
            return Literal(plain)
