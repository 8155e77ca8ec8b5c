"""From XML to elements with their places, by the standard library's expat, with off whatever could be attacked with.

A document type is refused where it begins, and with it every entity but the five of XML: nothing is expanded, nothing
is fetched. Bytes, depth and elements have limits, and the first error ends the reading. Pure, but for reading the file.
"""

import os
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from attrs import define, field, frozen

from statemachine._codec.scalars import shown
from statemachine.errors import DefinitionError
from statemachine.scxml.grammar import GRAMMAR, NAMESPACE, UNSUPPORTED

__all__ = ["BYTES_MAX", "DEPTH_MAX", "ELEMENTS_MAX", "Element", "Place", "mistake", "read", "read_text"]

BYTES_MAX = 1 << 20  # a thousand states with their rules are a fifth of it
DEPTH_MAX = 60  # elements inside each other: charts are walked by functions that call themselves
ELEMENTS_MAX = 20_000


@frozen
class Place:
    """Where something stands in a document: its label, and line and column from 1."""

    label: str
    line: int = 1
    column: int = 1


@frozen(eq=False)
class Element:
    """One element. Its attributes are those that it may have; its text is what stands directly in it."""

    tag: str
    attributes: dict[str, str]
    place: Place
    children: "list[Element]" = field(factory=list["Element"])
    texts: list[str] = field(factory=list[str])
    text_places: list[Place] = field(factory=list[Place])  # where the first text begins

    @property
    def text(self) -> str:
        """What stands directly in it."""
        return "".join(self.texts)

    def get(self, name: str) -> str | None:
        """Return an attribute; None where it is missing."""
        return self.attributes.get(name)

    def all(self, *tags: str) -> "list[Element]":
        """Return the children of these tags, in document order."""
        return [one for one in self.children if one.tag in tags]


def mistake(code: str, place: Place, message: str) -> DefinitionError:
    """Return the error of a document: it names line and column, then the object, the rule and the repair."""
    return DefinitionError(code, f"{place.label}, line {place.line}, column {place.column}: {message}")


def read_text(source: "str | os.PathLike[str]") -> tuple[str, bytes, bool]:
    """Return a document's label, its bytes, and whether they are UTF-8 for sure.

    A text is the document itself, a path names its file. Raises DefinitionError (PD162, PD172), OSError.
    """
    _check_source(source)
    if isinstance(source, str):
        if len(source) > BYTES_MAX:  # each character has a byte at least
            raise _too_large(Place("document"))
        label, data = "document", source.encode(errors="surrogatepass")
    else:
        path = Path(os.fsdecode(source))
        label = path.name
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise _too_large(Place(label))
    return label, data, isinstance(source, str)


def _check_source(source: object) -> None:
    if not isinstance(source, (str, os.PathLike)):
        message = f"{shown(source)} is neither text nor a path. Decode bytes, or name the file: Path('order.scxml')."
        raise mistake("PD172", Place("document"), message)


def _too_large(place: Place) -> DefinitionError:
    return mistake("PD162", place, f"the document has more than {BYTES_MAX} bytes. Split it, or move data out of it.")


def read(source: "str | os.PathLike[str]") -> Element:
    """Return the root element of a document. Raises DefinitionError (PD160 to PD164, PD166, PD170), OSError."""
    label, data, is_utf8 = read_text(source)
    reader = _Reader(label, expat.ParserCreate("utf-8" if is_utf8 else None, namespace_separator=" "))
    is_all = True
    try:
        reader.parser.Parse(data, is_all)
    except expat.ExpatError as error:
        place = Place(label, error.lineno, error.offset + 1)
        raise mistake(
            "PD160", place, f"this is no XML: {expat.ErrorString(error.code)}. Repair the document."
        ) from error
    except (LookupError, UnicodeError, ValueError) as error:  # an encoding that nobody knows
        raise mistake("PD160", Place(label), f"this is no XML: {error}. Write it in UTF-8.") from error
    return reader.done()


@define(eq=False)
class _Reader:
    label: str
    parser: expat.XMLParserType
    root: Element | None = None
    count: int = 0
    open: list[Element] = field(factory=list[Element])

    def __attrs_post_init__(self) -> None:
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.EntityDeclHandler = self._refuse_doctype
        self.parser.ExternalEntityRefHandler = self._refuse_doctype
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def done(self) -> Element:
        if self.root is None:
            raise mistake("PD160", Place(self.label), "there is no element. Write <scxml …>.")
        return self.root

    @property
    def place(self) -> Place:
        return Place(self.label, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1)

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise mistake(
            "PD161",
            self.place,
            "a document type or an entity is declared. Documents have none: write what the entity stands for.",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        place = self.place
        self.count += 1
        if len(self.open) >= DEPTH_MAX:
            raise mistake("PD162", place, f"elements are nested deeper than {DEPTH_MAX} levels. Flatten the chart.")
        if self.count > ELEMENTS_MAX:
            raise mistake("PD162", place, f"there are more than {ELEMENTS_MAX} elements. Split the document.")
        namespace, _, tag = name.rpartition(" ")
        self._check_tag(namespace, tag, place)
        self._check_attributes(tag, attributes, place)
        element = Element(tag, attributes, place)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _check_tag(self, namespace: str, tag: str, place: Place) -> None:
        if namespace not in {NAMESPACE, ""}:
            raise mistake(
                "PD163",
                place,
                f"element {tag!r} is of the namespace {namespace!r}. Only SCXML's own are read: drop it.",
            )
        if tag in UNSUPPORTED:
            raise mistake("PD166", place, f"element <{tag}> is not supported: {UNSUPPORTED[tag]}")
        if tag not in GRAMMAR:
            raise mistake("PD163", place, f"there is no element <{tag}> in SCXML. Correct its name, or drop it.")
        above = self.open[-1].tag if self.open else ""
        places = GRAMMAR[above].children if above else ("scxml",)
        if tag not in places:
            where = f"in <{above}>" if above else "at the top"
            raise mistake("PD163", place, f"<{tag}> cannot stand {where}. There can be: {', '.join(places) or 'none'}.")

    def _check_attributes(self, tag: str, attributes: dict[str, str], place: Place) -> None:
        rule = GRAMMAR[tag]
        for name in attributes:
            if name not in rule.attributes:
                unknown = name.rpartition(" ")[2]
                known = ", ".join(rule.attributes) or "none"
                raise mistake("PD164", place, f"<{tag}> has no attribute {unknown!r}. There are: {known}.")
        for name in rule.required:
            if not attributes.get(name, "").strip():
                raise mistake("PD164", place, f"<{tag}> has no {name}, or an empty one. Write {name}=….")

    def _text(self, text: str) -> None:
        element = self.open[-1]
        if not GRAMMAR[element.tag].has_text:
            if text.strip():
                raise mistake(
                    "PD170", self.place, f"text stands in <{element.tag}>, which has none. Drop it, or write a comment."
                )
            return
        if not element.texts:
            element.text_places.append(self.place)
        element.texts.append(text)

    def _end(self, _: str) -> None:
        self.open.pop()
