"""Values to frozen ones and back: what an instance's data is remembered as between two events, without its bytes.

A frozen value is made of tuples and of values that nobody can change. To freeze checks as strictly as to write, and
costs a quarter of writing and parsing; to thaw gives each attempt data of its own. Kinds that run code of their users,
lead back to themselves, or are any JSON are not frozen: their canonical bytes are remembered instead.

A value of a class is frozen given an earlier frozen form: what is the very object that stands there was checked then.
Where all of it is, the earlier form itself comes back, so that who compares the two is done at once.
"""

from collections.abc import Callable
from enum import Enum
from itertools import chain, repeat
from operator import is_
from typing import Any

from attrs import define

from statemachine._codec.codegen import CHECKS, Body, MisfitError, Program, is_checked_only
from statemachine._codec.kinds import (
    NOTHING,
    Choice,
    Entries,
    Items,
    Kind,
    Record,
    Row,
    Scalar,
    Union,
    keyed,
    python_types,
)
from statemachine._codec.scalars import Stored, check_number
from statemachine._codec.writing import FINITE

__all__ = ["freezer", "is_told_apart", "thawer"]

_LOOSE = frozenset({"float", "decimal", "datetime", "time"})  # -0.0 == 0.0, 1.0 == 1.00, 12:00Z == 13:00+01:00


_PLAIN = object.__eq__
_EXACT = frozenset((kind.__eq__, kind.__ne__) for kind in (object, int, str))  # of a plain Enum, an IntEnum, a StrEnum


def is_told_apart(kind: Kind) -> bool:
    """Say whether frozen values that are equal are stored as the same bytes. Pure."""
    return all(_is_exact(one) for one in _parts(kind))


def _is_exact(kind: Kind) -> bool:
    if isinstance(kind, Scalar | Stored):
        return kind.word not in _LOOSE
    if isinstance(kind, Choice) and kind.kind is not None:
        return (kind.kind.__eq__, kind.kind.__ne__) in _EXACT  # else by a rule of its own
    if not isinstance(kind, Union | Choice):
        return True
    types = python_types(kind) - {type(None)}  # True == 1, and a member of an IntEnum is equal to its number
    is_mixed = len(types) > 1 and any(issubclass(one, Enum) and one.__eq__ is not _PLAIN for one in types)
    return not (is_mixed or {bool, int} <= types)


def _parts(kind: Kind) -> "list[Kind]":
    """Return a kind and all inside it."""
    found: list[Kind] = [kind]
    for one in found:
        match one:
            case Items():
                found.append(one.item)
            case Row():
                found.extend(one.items)
            case Entries():
                found.extend((one.key, one.value))
            case Union():
                found.extend(one.members)
            case Record():
                found.extend(member.kind for member in one.members)
            case _:
                pass
    return found


def freezer(kind: Kind, refuse: Callable[[Any, Exception], Exception]) -> Callable[..., Any]:
    """Return a function from values of a kind to frozen ones. It raises what `refuse` makes of value and error.

    That of a class takes an earlier frozen form too.
    """
    program = _Freezer()
    program.names.update(number=check_number, text=_check_characters, chain=chain, is_=is_)
    return program.guarded(kind, refuse)


def thawer(kind: Kind) -> Callable[[Any], Any]:
    """Return a function from frozen values of a kind to values that nobody else has."""
    return _Thawer().made(kind)


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MisfitError from error


def _is_own(kind: Kind) -> bool:
    """Say whether a value of a kind is its own frozen form. Pure."""
    match kind:
        case Items():
            return kind.kind in {tuple, frozenset} and _is_own(kind.item)
        case Row():
            return all(map(_is_own, kind.items))
        case Union():
            return all(map(_is_own, kind.members))
        case _:
            return isinstance(kind, Scalar | Stored | Choice)


def _is_sequence(kind: Kind) -> bool:
    """Say whether a value is frozen item by item, each given the one that stood in its place before. Pure."""
    return isinstance(kind, Items) and kind.kind in {list, tuple} and (_is_own(kind.item) or _is_record(kind.item))


def _is_record(kind: Kind) -> bool:
    return isinstance(kind, Record)


def _nothing(kind: Kind) -> object:
    """Return what stands for an earlier frozen form where there is none: nothing in it is any value. Pure."""
    if isinstance(kind, Record):
        return tuple([_nothing(member.kind) for member in kind.members])
    return () if _is_sequence(kind) else object()


def _is_marked(kind: Union) -> bool:
    """Say whether a frozen value has to say which member of a union it is of. Pure."""
    return not _is_own(kind) and kind.members[1:] != (NOTHING,)


@define(eq=False)
class _Freezer(Program):
    def emit_scalar(self, kind: Scalar, x: str, body: Body) -> None:
        if kind.word == "float":
            body.add(f"if type({x}) is not float or not ({FINITE.format(x=x)}):")
            body.inner().add(f"{x} = number({x})")
            return
        body.refuse(CHECKS[kind.word].format(x=x))
        if kind.word == "str":
            body.add(f"if not {x}.isascii():")
            body.inner().add(f"text({x})")

    def emit_stored(self, kind: Stored, x: str, body: Body) -> None:
        body.add(f"{self.named(kind.write)}({x})")

    def emit_choice(self, kind: Choice, x: str, body: Body) -> None:
        if kind.kind is not None:
            body.refuse(f"type({x}) is not {self.named(kind.kind)}")
            body.refuse(f"{self.named(dict(kind.kind.__members__))}.get({x}._name_) is not {x}")  # made by _missing_
            return
        allowed = keyed((value, value) for value, _ in kind.options)
        body.refuse(f"(type({x}), {x}) not in {self.named(allowed)}")

    def emit_items(self, kind: Items, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not {kind.kind.__name__}")
        self.emit_each(kind.item, x, body)
        frozen = tuple if kind.kind in {list, tuple} else frozenset
        if frozen is not kind.kind or not is_checked_only(kind.item):
            body.add(f"{x} = {frozen.__name__}({x})")

    def emit_row(self, kind: Row, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not tuple")
        body.add(f"{x} = tuple({self.emit_parts(kind, x, body)})")

    def emit_entries(self, kind: Entries, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not dict")
        key, value = self.fresh(), self.fresh()
        left, right = f"{self.function(kind.key)}({key})", f"{self.function(kind.value)}({value})"
        body.add(f"{x} = tuple([({left}, {right}) for {key}, {value} in {x}.items()])")

    def emit_union(self, kind: Union, x: str, body: Body) -> None:
        if not _is_marked(kind):
            super().emit_union(kind, x, body)
            return
        cls, word = self.fresh(), "if"
        body.add(f"{cls} = type({x})")
        for place, member in enumerate(kind.members):
            body.add(f"{word} {self.by_class(kind, member, cls)}:")
            self.emit(member, x, body.inner())
            body.inner().add(f"{x} = ({place}, {x})")
            word = "elif"
        body.add("else:")
        body.inner().add("raise Misfit")

    def condition(self, kind: Union, member: Kind, *, x: str, cls: str) -> str:
        del x  # the class says it
        return self.by_class(kind, member, cls)

    def emit_member(self, member: Kind, tag: str | None, *, x: str, body: Body) -> None:
        del tag  # frozen values need none
        self.emit(member, x, body)

    def parameters(self, kind: Kind) -> str:
        return f"x, was={self.named(_nothing(kind))}" if isinstance(kind, Record) else "x"

    def fill(self, kind: Kind, body: Body) -> None:
        if not isinstance(kind, Record):
            super().fill(kind, body)
            return
        body.refuse(f"type(x) is not {self.named(kind.kind)}")
        names = [(self.fresh(), self.fresh(), member) for member in kind.members]
        is_flat = all(_is_own(member.kind) for member in kind.members)
        if names:
            body.add(f"[{', '.join(was for _, was, _ in names)}] = was")
        if is_flat:  # most are as they were
            self._emit_same(body, [(f"x.{member.name}", was) for _, was, member in names])
        for part, was, member in names:
            body.add(f"{part} = x.{member.name}")
            if is_flat:
                self.emit(member.kind, part, body)
            else:
                self._emit_again(member.kind, part, was, body=body)
        if not is_flat:
            self._emit_same(body, [(part, was) for part, was, _ in names])
        body.add(f"return ({''.join(f'{part}, ' for part, _, _ in names)})")

    def _emit_same(self, body: Body, pairs: "list[tuple[str, str]]") -> None:
        """Add lines that return the earlier form, where each of these is the very object that stands there."""
        if pairs:
            body.add(f"if {' and '.join(f'{one} is {other}' for one, other in pairs)}:")
            body.inner().add("return was")

    def _emit_again(self, kind: Kind, x: str, was: str, *, body: Body) -> None:
        """Add lines that freeze `x`, where `was` is the earlier frozen form of what stood in its place."""
        if isinstance(kind, Record):
            body.add(f"{x} = {self.function(kind)}({x}, {was})")
        elif _is_own(kind):
            body.add(f"if {x} is not {was}:")
            self.emit(kind, x, body.inner())
        elif isinstance(kind, Items) and _is_sequence(kind):
            self._emit_sequence(kind, x, was, body=body)
        else:
            self.emit(kind, x, body)

    def _emit_sequence(self, kind: Items, x: str, was: str, *, body: Body) -> None:
        body.refuse(f"type({x}) is not {kind.kind.__name__}")
        if _is_record(kind.item):
            one, other, others = self.fresh(), self.fresh(), self.named(repeat(_nothing(kind.item)))
            call = f"{self.function(kind.item)}({one}, {other})"
            body.add(f"{x} = [{call} for {one}, {other} in zip({x}, chain({was}, {others}))]")
        body.add(f"if len({x}) == len({was}) and all(map(is_, {x}, {was})):")
        body.inner().add(f"{x} = {was}")
        body.add("else:")
        if not _is_record(kind.item):
            self.emit_each(kind.item, x, body.inner())
        body.inner().add(f"{x} = tuple({x})")


@define(eq=False)
class _Thawer(Program):
    def emit_scalar(self, kind: Scalar, x: str, body: Body) -> None:
        """Leave it: nobody can change it."""

    emit_stored = emit_choice = emit_scalar

    def emit_items(self, kind: Items, x: str, body: Body) -> None:
        if _is_own(kind):
            return
        if not _is_own(kind.item):
            one = self.fresh()
            body.add(f"{x} = [{self.function(kind.item)}({one}) for {one} in {x}]")
        if _is_own(kind.item) or kind.kind is not list:
            body.add(f"{x} = {kind.kind.__name__}({x})")

    def emit_row(self, kind: Row, x: str, body: Body) -> None:
        if not _is_own(kind):
            body.add(f"{x} = tuple({self.emit_parts(kind, x, body)})")

    def emit_entries(self, kind: Entries, x: str, body: Body) -> None:
        key, value = self.fresh(), self.fresh()
        pair = f"{self.function(kind.key)}({key}): {self.function(kind.value)}({value})"
        is_own = _is_own(kind.key) and _is_own(kind.value)
        body.add(f"{x} = dict({x})" if is_own else f"{x} = {{{pair} for {key}, {value} in {x}}}")

    def emit_union(self, kind: Union, x: str, body: Body) -> None:
        if _is_own(kind):
            return
        if not _is_marked(kind):
            super().emit_union(kind, x, body)
            return
        place, word = self.fresh(), "if"
        body.add(f"{place}, {x} = {x}")
        for number, member in enumerate(kind.members):
            body.add(f"{word} {place} == {number}:")
            body.inner().add("pass")
            self.emit(member, x, body.inner())
            word = "elif"

    def fill(self, kind: Kind, body: Body) -> None:
        if not isinstance(kind, Record):
            super().fill(kind, body)
            return
        parts = [self.fresh() for _ in kind.members]
        if parts:
            body.add(f"({', '.join(parts)},) = x")
        arguments: list[str] = []
        for part, member in zip(parts, kind.members, strict=True):
            self.emit(member.kind, part, body)
            arguments.append(f"{member.argument}={part}" if member.is_keyword_only else part)
        arguments.sort(key=lambda one: "=" in one)  # stable: positional ones keep their order
        body.add(f"return {self.named(kind.kind)}({', '.join(arguments)})")
