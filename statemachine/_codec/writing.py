"""Values to plain JSON data: what `json` or orjson then turns into the canonical bytes.

orjson writes some floats otherwise than Python (1e-5 for 1e-05), so those are handed to it as finished text. Between
1e-4 and 1e16 both write the same characters; the tests hold it over random floats.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

from attrs import define, field, frozen

from statemachine._codec.codegen import CHECKS, Body, MisfitError, Program, is_checked_only
from statemachine._codec.fields import Default
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
from statemachine._codec.plain import canonical, sorted_bytes
from statemachine._codec.scalars import Stored, check_number, shown
from statemachine.errors import DataError

__all__ = ["DIGEST", "FINITE", "JSON", "Write", "digest_writing", "orjson_loads", "orjson_writing"]
__all__ += ["program_for", "writer"]

FLOAT_MIN, FLOAT_MAX = 1e-4, 1e16  # between them orjson writes a float as Python does


@frozen(eq=False)
class Write:
    """What is written: how floats become plain, and whether what equals its default is left out."""

    number: Callable[[Any], object]  # of a float that `floats` does not hold for, or of an int in a float's place
    floats: str  # a condition on a float that is plain as it is
    to_bytes: Callable[[Any], bytes]
    omits_defaults: bool = False


FINITE = f"{-sys.float_info.max!r} <= {{x}} <= {sys.float_info.max!r}"
JSON = Write(check_number, FINITE, canonical)
DIGEST = Write(check_number, FINITE, sorted_bytes, omits_defaults=True)


@lru_cache(maxsize=1)
def orjson_writing() -> Write | None:
    """Return how orjson is written for; None where it is not installed. It is imported here, at the first use."""
    try:
        import orjson
    except ImportError:
        return None

    def number(value: object) -> object:
        found = check_number(value)
        return found if FLOAT_MIN <= abs(found) < FLOAT_MAX or not found else orjson.Fragment(repr(found))

    plain = f"{FLOAT_MIN!r} <= {{x}} < {FLOAT_MAX!r} or {-FLOAT_MAX!r} < {{x}} <= {-FLOAT_MIN!r} or {{x}} == 0.0"
    # A copy: from 3.12 on orjson leaves 4 KiB behind each result, and what is encoded is remembered.
    return Write(number, plain, lambda value: b"%b" % orjson.dumps(value))


@lru_cache(maxsize=1)
def digest_writing() -> Write:
    """Return how a digest is written for: what equals its default is left out, keys are sorted."""
    fast = orjson_writing()
    if fast is None:
        return DIGEST
    import orjson

    to_bytes = partial(orjson.dumps, option=orjson.OPT_SORT_KEYS)
    return Write(fast.number, fast.floats, to_bytes, omits_defaults=True)


@lru_cache(maxsize=1)
def orjson_loads() -> Callable[[bytes], Any] | None:
    """Return what parses fastest; None where orjson is not installed."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson.loads


def writer(kind: Kind, how: Write) -> Callable[[Any], Any]:
    """Return a function from values of a kind to plain JSON data. It raises MisfitError, or what user code raises."""
    return program_for(how).made(kind)


def program_for(how: Write) -> Program:
    """Return a program whose functions write values as plain JSON data."""
    program = _Writer(how=how)
    program.names.update(number=how.number, to_bytes=how.to_bytes, is_other=partial(_is_other, how.to_bytes))
    return program


@define(eq=False)
class _Writer(Program):
    how: Write = field(kw_only=True)

    def emit_scalar(self, kind: Scalar, x: str, body: Body) -> None:
        if kind.word != "float":
            body.refuse(CHECKS[kind.word].format(x=x))
            return
        body.add(f"if type({x}) is not float or not ({self.how.floats.format(x=x)}):")
        body.inner().add(f"{x} = number({x})")

    def emit_stored(self, kind: Stored, x: str, body: Body) -> None:
        body.add(f"{x} = {self.named(kind.write)}({x})")

    def emit_custom(self, kind: Custom, x: str, body: Body) -> None:
        body.add(f"{x} = {self.named(_custom_writer(kind.type, self.how.to_bytes))}({self.function(kind.stored)}, {x})")

    def emit_choice(self, kind: Choice, x: str, body: Body) -> None:
        if kind.kind is not None:
            body.refuse(f"type({x}) is not {self.named(kind.kind)}")
            member = self.fresh()
            body.add(f"{member}, {x} = {x}, {x}._name_")
            body.refuse(f"{self.named(dict(kind.kind.__members__))}.get({x}) is not {member}")  # made by _missing_
            return
        self.emit_looked_up(keyed((plain, value) for value, plain in kind.options), x, body)

    def emit_items(self, kind: Items, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not {kind.kind.__name__}")
        self.emit_each(kind.item, x, body)
        if kind.kind in {set, frozenset}:
            key = "" if _is_ordered(kind.item) else ", key=to_bytes"
            body.add(f"{x} = sorted({x}{key})")

    def emit_row(self, kind: Row, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not tuple")
        body.add(f"{x} = {self.emit_parts(kind, x, body)}")

    def emit_entries(self, kind: Entries, x: str, body: Body) -> None:
        body.refuse(f"type({x}) is not dict")
        key, value = self.fresh(), self.fresh()
        pairs = f"for {key}, {value} in {x}.items()"
        if kind.form == "text" and is_checked_only(kind.key) and is_checked_only(kind.value):
            body.add(f"{pairs}:")
            self.emit(kind.key, key, body.inner())
            self.emit(kind.value, value, body.inner())
            return
        left, right = f"{self.function(kind.key)}({key})", f"{self.function(kind.value)}({value})"
        if kind.form != "pairs":
            left = f"str({left})" if kind.form == "digits" else left
            body.add(f"{x} = {{{left}: {right} {pairs}}}")
            return
        body.add(f"{x} = [[{left}, {right}] {pairs}]")
        if self.how.omits_defaults:  # of a digest, to which the order of a dict is no difference
            body.add(f"{x}.sort(key=to_bytes)")

    def condition(self, kind: Union, member: Kind, *, x: str, cls: str) -> str:
        del x  # the class says it
        return self.by_class(kind, member, cls)

    def emit_member(self, member: Kind, tag: str | None, *, x: str, body: Body) -> None:
        self.emit(member, x, body)
        if tag is not None:
            body.add(f"{x} = {{{TAG!r}: {tag!r}, **{x}}}")

    def fill(self, kind: Kind, body: Body) -> None:
        if not isinstance(kind, Record):
            super().fill(kind, body)
            return
        body.refuse(f"type(x) is not {self.named(kind.kind)}")
        if self.how.omits_defaults:
            self.fill_differing(kind, body)
            return
        parts = [self.fresh() for _ in kind.members]
        for part, member in zip(parts, kind.members, strict=True):
            body.add(f"{part} = x.{member.name}")
            self.emit(member.kind, part, body)
        pairs = zip(kind.members, parts, strict=True)
        body.add(f"return {{{', '.join(f'{member.name!r}: {part}' for member, part in pairs)}}}")

    def fill_differing(self, kind: Record, body: Body) -> None:
        body.add("plain = {}")
        for member in kind.members:
            body.add(f"part = {self.function(member.kind)}(x.{member.name})")
            if member.default is not None:
                body.add(f"if is_other({self.named(member.default)}, {self.function(member.kind)}, x, part):")
            (body if member.default is None else body.inner()).add(f"plain[{member.name!r}] = part")
        body.add("return plain")


def _is_ordered(kind: Kind) -> bool:
    """Say whether plain forms of a kind have an order of their own; all others are ordered by their bytes."""
    return (
        isinstance(kind, Scalar | Stored | Choice) and shapes(kind) <= {"string", "integer"} and len(shapes(kind)) == 1
    )


def _is_other(to_bytes: Callable[[Any], bytes], default: Default, write: Callable[[Any], object], *where: Any) -> bool:
    """Say whether a field is not its default; compared as bytes, because -0.0 equals 0.0 and is another value."""
    owner, plain = where
    with suppress(Exception):  # a default that is not to be had, or does not fit its own type, could not be left out
        return to_bytes(plain) != to_bytes(write(default.for_owner(owner)))
    return True


def _custom_writer(
    custom: CustomType[Any], to_bytes: Callable[[Any], bytes]
) -> Callable[[Callable[[Any], object], Any], object]:
    def written(write: Callable[[Any], object], value: object) -> object:
        if type(value) is not custom.kind:
            raise MisfitError
        stored = custom.encode(value)
        plain = write(stored)
        back = custom.decode(stored)
        if type(back) is not custom.kind or back != value:
            raise MisfitError
        if to_bytes(write(custom.encode(back))) != to_bytes(plain):
            raise DataError(f"{shown(value)} of {custom.name} comes back equal, but is stored differently then")
        return plain

    return written
