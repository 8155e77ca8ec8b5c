"""Plain JSON data to values: strictly, so that each value has one form and no form is bent to fit.

Two readings: of data that orjson has just parsed and nobody else holds (no lone surrogate can be in it, lists need no
copy), and of any other data. What does not fit the first is read again from the text with `json`, so that both give the
same answer.
"""

import sys
from collections.abc import Callable
from typing import Any

from attrs import define, field

from statemachine._codec.codegen import CHECKS, Body, MisfitError, Program, is_checked_only
from statemachine._codec.kinds import (
    TAG,
    Choice,
    Custom,
    CustomType,
    Entries,
    Items,
    Kind,
    Record,
    Row,
    Scalar,
    Union,
    keyed,
    shapes,
)
from statemachine._codec.scalars import Stored, check_integer, check_number, check_text

__all__ = ["SHAPES", "reader"]

SHAPES: dict[str, type] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "string": str,
    "array": list,
    "object": dict,
    "null": type(None),
}


def reader(kind: Kind, *, is_trusted: bool) -> Callable[[Any], Any]:
    """Return a function from plain JSON data to values of a kind. It raises MisfitError, or what user code raises.

    `is_trusted` says that the data comes from orjson and that nobody else has it.
    """
    program = _Reader(is_trusted=is_trusted)
    number = _trusted_number if is_trusted else check_number
    program.names.update(number=number, text=check_text, digits=_digits)
    return program.made(kind)


@define(eq=False)
class _Reader(Program):
    is_trusted: bool = field(kw_only=True)

    def emit_scalar(self, kind: Scalar, x: str, body: Body) -> None:
        if kind.word == "float":
            # orjson reads integers beyond 64 bits as floats: what is so large is read again by json
            limit = 2.0**63 if self.is_trusted else sys.float_info.max
            body.add(f"if type({x}) is not float or not {-limit!r} < {x} < {limit!r}:")
            body.inner().add(f"{x} = number({x})")
        elif kind.word == "str" and not self.is_trusted:
            body.add(f"text({x})")
        else:
            body.refuse(CHECKS[kind.word].format(x=x))

    def emit_stored(self, kind: Stored, x: str, body: Body) -> None:
        body.add(f"{x} = {self.named(kind.read)}({x})")

    def emit_custom(self, kind: Custom, x: str, body: Body) -> None:
        body.add(f"{x} = {self.named(_custom_reader(kind.type))}({self.function(kind.stored)}, {x})")

    def emit_choice(self, kind: Choice, x: str, body: Body) -> None:
        self.emit_looked_up(keyed(kind.options), x, body)

    def emit_items(self, kind: Items, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not list")
        if not self.is_trusted and kind.kind is list and is_checked_only(kind.item):
            body.add(f"{x} = {x}.copy()")  # the caller keeps his own
        self.emit_each(kind.item, x, body)
        if kind.kind is not list:
            length = self.fresh()
            body.add(f"{length} = len({x})")
            body.add(f"{x} = {kind.kind.__name__}({x})")
            body.refuse(f"len({x}) != {length}")

    def emit_row(self, kind: Row, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not list")
        body.add(f"{x} = tuple({self.emit_parts(kind, x, body)})")

    def emit_entries(self, kind: Entries, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not {'list' if kind.form == 'pairs' else 'dict'}")
        key, value, length = self.fresh(), self.fresh(), self.fresh()
        if self.is_trusted and isinstance(kind.key, Scalar) and kind.form == "text" and is_checked_only(kind.value):
            body.add(f"for {value} in {x}.values():")
            self.emit(kind.value, value, body.inner())
            return
        word = f"digits({key})" if kind.form == "digits" else f"{self.function(kind.key)}({key})"
        pairs = x if kind.form == "pairs" else f"{x}.items()"
        body.add(f"{length} = len({x})")
        body.add(f"{x} = {{{word}: {self.function(kind.value)}({value}) for {key}, {value} in {pairs}}}")
        body.refuse(f"len({x}) != {length}")

    def condition(self, kind: Union, member: Kind, *, x: str, cls: str) -> str:
        tag = kind.tag(member)
        if tag is not None:
            return f"{cls} is dict and {x}.get({TAG!r}) == {tag!r}"
        words = set(shapes(member))
        if "number" in words and "integer" not in shapes(kind):
            words.add("integer")
        return " or ".join(f"{cls} is {self.named(SHAPES[word])}" for word in sorted(words)) or "False"

    def emit_member(self, member: Kind, tag: str | None, *, x: str, body: Body) -> None:
        if tag is not None:
            body.add(f"{x} = {x}.copy()")
            body.add(f"del {x}[{TAG!r}]")
        self.emit(member, x, body)

    def fill(self, kind: Kind, body: Body) -> None:
        if not isinstance(kind, Record):
            super().fill(kind, body)
            return
        body.refuse("type(x) is not dict")
        body.add(f"if len(x) != {len(kind.members)}:")
        body.inner().add(f"return {self.named(_partial_reader(kind, is_trusted=self.is_trusted))}(x)")
        parts = [self.fresh() for _ in kind.members]
        for part, member in zip(parts, kind.members, strict=True):
            body.add(f"{part} = x[{member.name!r}]")
        arguments: list[str] = []
        for part, member in zip(parts, kind.members, strict=True):
            self.emit(member.kind, part, body)
            arguments.append(f"{member.argument}={part}" if member.is_keyword_only else part)
        arguments.sort(key=lambda one: "=" in one)  # stable: positional ones keep their order
        body.add(f"return {self.named(kind.kind)}({', '.join(arguments)})")


def _partial_reader(kind: Record, *, is_trusted: bool) -> Callable[[dict[str, Any]], object]:
    """Return a function for objects in which fields are missing or too many."""
    readers: dict[str, Callable[[Any], Any]] = {}

    def read(plain: dict[str, Any]) -> object:
        values: dict[str, Any] = {}
        for member in kind.members:
            if member.name in plain:
                function = readers.get(member.name)
                if function is None:
                    function = readers[member.name] = reader(member.kind, is_trusted=is_trusted)
                values[member.argument] = function(plain[member.name])
            elif member.default is None:
                raise MisfitError
        if len(values) != len(plain):
            raise MisfitError
        return kind.kind(**values)

    return read


def _custom_reader(custom: CustomType[Any]) -> Callable[[Callable[[Any], Any], Any], object]:
    def made(read: Callable[[Any], Any], plain: object) -> object:
        stored = read(plain)
        value = custom.decode(stored)
        if type(value) is not custom.kind or custom.encode(value) != stored:
            raise MisfitError
        return value

    return made


def _digits(text: object) -> int:
    """Return the integer that stands as a key."""
    if type(text) is not str or str(number := int(text)) != text:
        raise MisfitError
    return check_integer(number)


def _trusted_number(value: object) -> float:
    if type(value) is float:
        raise MisfitError
    return check_number(value)
