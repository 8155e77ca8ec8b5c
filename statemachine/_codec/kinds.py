"""Kinds: what the codec knows of a type. Where its values end, which shape of JSON they have, how it is described.

The members of a union have different shapes of JSON; only classes are told apart by a tag, their stored name under
"$type". The description of a kind is what a chart's fingerprint covers: names of fields, types, whether a
default exists. No name of a class stands in it unless it stands in stored bytes too, which is in a union.
"""

import enum
import json
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from attrs import define, field, frozen

from statemachine._codec.fields import Default
from statemachine._codec.scalars import (
    Stored,
    check_flag,
    check_integer,
    check_nothing,
    check_number,
    check_text,
)

__all__ = ["DEPTH_MAX", "TAG", "Choice", "Custom", "CustomType", "Entries", "Items", "Kind", "Member", "Record", "Row"]
__all__ += ["ANYTHING", "Json", "Scalar", "Union", "describe_kind", "keyed", "label", "python_types", "shapes"]

T = TypeVar("T")
Plain = bool | int | float | str | None | list["Plain"] | dict[str, "Plain"]

if TYPE_CHECKING:
    Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
else:

    class Json:
        """Any JSON value, as the type of a field. Type checkers see the union that it stands for."""


DEPTH_MAX = 100  # nesting of a value and of a type: deeper ones exhaust the stack of some reader
TAG = "$type"  # no attribute can have this name


@frozen(eq=False)
class CustomType(Generic[T]):
    """How values of a class that is not on the codec's list are stored; given as `Annotated[Money, CustomType(…)]`.

    `encode` returns a value of the listed type `stored`, `decode` makes the value of it again. What does not come back
    equal is refused before it is written. `name` stands for the class in a chart's fingerprint.
    """

    kind: type[T]
    name: str = field(kw_only=True)
    stored: Any = field(kw_only=True)  # a type expression
    encode: Callable[[T], object] = field(kw_only=True)
    decode: Callable[[Any], T] = field(kw_only=True)


# -- the kinds ---------------------------------------------------------------------------------------------------------


@frozen(eq=False)
class Scalar:
    """What JSON has a word for."""

    word: str
    kind: type
    shape: str
    check: Callable[[object], object]


@frozen(eq=False)
class Choice:
    """One of finitely many values: the members of an Enum, stored by name, or those of a Literal."""

    kind: "type[enum.Enum] | None"  # of an Enum
    options: tuple[tuple[Any, Any], ...]  # value, plain


@frozen(eq=False)
class Items:
    """Any number of values of one kind: list[X], tuple[X, ...], set[X], frozenset[X]."""

    kind: type
    item: "Kind"


@frozen(eq=False)
class Row:
    """A tuple of fixed length."""

    items: "tuple[Kind, ...]"


@frozen(eq=False)
class Entries:
    """A dict. `form` says how it is stored: an object with text or digits as keys, or a list of pairs."""

    key: "Kind"
    value: "Kind"
    form: typing.Literal["text", "digits", "pairs"]


@frozen(eq=False)
class Union:
    """One of several kinds; None last. Records stand under their tags if there is more than one."""

    members: "tuple[Kind, ...]"
    tags: Mapping[int, str]  # id of a Record -> tag

    def tag(self, member: "Kind") -> str | None:
        """Return the tag under which a member is stored."""
        return self.tags.get(id(member))


@frozen(eq=False)
class Member:
    """A field of a record."""

    name: str
    argument: str
    kind: "Kind"
    default: Default | None
    is_keyword_only: bool


@define(eq=False)
class Record:
    """An attrs class or a dataclass. `members` are known once it is resolved: its types may lead back to it."""

    kind: type
    members: tuple[Member, ...] = ()


@frozen(eq=False)
class Custom:
    """A class with functions of its user."""

    type: CustomType[Any]
    stored: "Kind"


Kind = Scalar | Stored | Choice | Items | Row | Entries | Union | Record | Custom

NOTHING = Scalar("none", type(None), "null", check_nothing)
SCALARS: dict[Any, Scalar] = {
    bool: Scalar("bool", bool, "boolean", check_flag),
    int: Scalar("int", int, "integer", check_integer),
    float: Scalar("float", float, "number", check_number),
    str: Scalar("str", str, "string", check_text),
    type(None): NOTHING,
    None: NOTHING,
}

_SIMPLE = tuple(SCALARS[one] for one in (bool, int, float, str))
ANYTHING = Union((), {})
"""The kind of `Json`, which is a part of itself."""
_INSIDE = Items(list, ANYTHING), Entries(SCALARS[str], ANYTHING, "text")
object.__setattr__(ANYTHING, "members", (*_SIMPLE, *_INSIDE, NOTHING))  # made once, frozen from here on

TEXT = frozenset({"string"})


def shapes(kind: Kind) -> frozenset[str]:
    """Return JSON's words for what a kind is stored as. Pure."""
    match kind:
        case Scalar() | Stored():
            return frozenset({kind.shape})
        case Choice():
            return frozenset(SCALARS[type(plain)].shape for _, plain in kind.options)
        case Entries():
            return frozenset({"array" if kind.form == "pairs" else "object"})
        case Items() | Row():
            return frozenset({"array"})
        case Record():
            return frozenset({"object"})
        case Custom():
            return shapes(kind.stored)
        case Union():
            return frozenset[str]().union(*map(shapes, kind.members))


def python_types(kind: Kind) -> frozenset[type]:
    """Return the classes that values of a kind have. Pure."""
    match kind:
        case Choice():
            types: list[type] = [type(value) for value, _ in kind.options]
            return frozenset({kind.kind} if kind.kind else types)
        case Row():
            return frozenset({tuple})
        case Entries():
            return frozenset({dict})
        case Custom():
            return frozenset({kind.type.kind})
        case Union():
            return frozenset[type]().union(*map(python_types, kind.members))
        case _:
            return frozenset({kind.kind})


def label(kind: Kind) -> str:
    """Return a kind for a message."""
    match kind:
        case Scalar() | Stored():
            return kind.kind.__name__ if kind is not NOTHING else "None"
        case Choice():
            return kind.kind.__name__ if kind.kind else f"Literal{[value for value, _ in kind.options]!r}"
        case Custom():
            return kind.type.name
        case Record() | Items():
            return kind.kind.__name__
        case Row():
            return "tuple"
        case Entries():
            return "dict"
        case Union():
            return " | ".join(map(label, kind.members))


def keyed(options: Iterable[tuple[object, object]]) -> dict[tuple[type, object], Any]:
    """Return values by their plain forms; 1 and True are two. Pure."""
    return {(type(plain), plain): value for value, plain in options}


# -- descriptions ------------------------------------------------------------------------------------------------------


def describe_kind(kind: Kind) -> Plain:
    """Return what a fingerprint covers of a kind. Pure.

    A record is described where it is first met and has a number from there on: written out wherever it stands, classes
    that refer to each other would not end, and a few that share parts would fill the memory.
    """
    return _described(kind, {})


def _described(kind: Kind, met: dict[int, int]) -> Plain:
    match kind:
        case Scalar() | Stored():
            return kind.word
        case Choice():
            plains = [plain for _, plain in kind.options]
            return {"enum" if kind.kind else "literal": sorted(plains, key=json.dumps)}
        case Items():
            return {kind.kind.__name__: _described(kind.item, met)}
        case Row():
            return {"row": [_described(one, met) for one in kind.items]}
        case Entries():
            return {"dict": [_described(kind.key, met), _described(kind.value, met)]}
        case Custom():
            return {"custom": [kind.type.name, _described(kind.stored, met)]}
        case Union():
            return "json" if kind is ANYTHING else _described_union(kind, met)
        case Record():
            if id(kind) in met:
                return {"again": met[id(kind)]}
            met[id(kind)] = len(met)
            return {"fields": [[one.name, _described(one.kind, met), one.default is not None] for one in kind.members]}


def _described_union(kind: Union, met: dict[int, int]) -> Plain:
    if kind.members[1:] == (NOTHING,):
        return {"optional": _described(kind.members[0], met)}
    inner: list[Plain] = []
    # by shape and tag, which no two share: the order in which somebody wrote the members is no difference
    for one in sorted(kind.members, key=lambda one: (sorted(shapes(one)), kind.tag(one) or "")):
        described = _described(one, met)
        tag = kind.tag(one)
        inner.append({"tagged": [tag, described]} if tag else described)
    return {"union": inner}
