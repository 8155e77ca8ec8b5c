"""Types of the codec's whole list with values of them, and what tells two values apart that `==` takes for one."""

import dataclasses
import datetime as dt
import decimal
import enum
import itertools
import typing
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar, cast

import attrs
from attrs import define, frozen
from hypothesis import strategies as st

from statemachine._codec import writing
from statemachine._codec.fields import names_of
from statemachine.codec import Codec, CustomType

T = TypeVar("T")
Typed = tuple[Any, st.SearchStrategy[Any]]  # a type, and its values


def without_orjson(kind: Any) -> Codec[Any]:
    """A codec as it is where orjson is not installed."""
    codec: Codec[Any] = Codec(kind, path="value")
    vars(codec).update(_out=writing.writer(codec._kind, writing.JSON), _to_bytes=writing.JSON.to_bytes, _parse=None)
    return codec


def deep(value: Any) -> Any:
    """What a value is made of: types, and the digits that `==` does not see."""
    kind = type(value)
    if kind in {list, tuple}:
        return kind, tuple(map(deep, value))
    if kind in {set, frozenset}:
        return kind, frozenset(map(deep, value))
    if kind is dict:
        return kind, tuple((deep(key), deep(one)) for key, one in value.items())
    names = names_of(kind)
    return (kind, tuple(deep(getattr(value, name)) for name in names)) if names else (kind, repr(value))


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (1, 2)


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Word(enum.StrEnum):
    YES = "yes"
    NO = "no"


class Money:
    """A class that the codec does not know."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return type(other) is Money and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)

    def __repr__(self) -> str:
        return f"Money({self.cents})"


def cents_of(money: Money) -> int:
    return money.cents


Amount = Annotated[Money, CustomType(Money, name="money", stored=int, encode=cents_of, decode=Money)]
UserId = NewType("UserId", int)


@define
class Node:
    """A recursive type."""

    name: str = ""
    children: list["Node"] = attrs.field(factory=list["Node"])
    by_name: "dict[int, Node | None]" = attrs.field(factory=dict[int, "Node | None"])


@frozen
class Page(Generic[T]):
    first: T
    rest: tuple[T, ...] = ()


@dataclasses.dataclass(frozen=True)
class Crate(Generic[T]):
    held: "T | None" = None
    named: dict[str, T] = dataclasses.field(default_factory=dict[str, T])


INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OFFSETS = st.integers(-86_399, 86_399).map(lambda seconds: dt.timezone(dt.timedelta(seconds=seconds)))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [decimal.Decimal(one) for one in ("1.10", "1.1", "-0", "0E-10", "1E+400", "1E-400", "100")]
)
SCALARS: list[Typed] = [
    (bool, st.booleans()),
    (int, INTEGERS),
    (float, FLOATS),
    (str, st.text()),
    (type(None), st.none()),
    (UserId, INTEGERS),
    (bytes, st.binary(max_size=20)),
    (dt.datetime, st.datetimes(timezones=st.none() | OFFSETS).map(lambda one: one.replace(fold=0))),
    (dt.date, st.dates()),
    (dt.time, st.times(timezones=st.none() | OFFSETS).map(lambda one: one.replace(fold=0))),
    (dt.timedelta, st.timedeltas(dt.timedelta(microseconds=-(2**63)), dt.timedelta(microseconds=2**63 - 1))),
    (uuid.UUID, st.uuids()),
    (decimal.Decimal, DECIMALS),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (Word, st.sampled_from(Word)),
    (Literal["a", 1, True, Colour.RED], st.sampled_from(["a", 1, True, Colour.RED])),
    (Amount, INTEGERS.map(Money)),
]
SHAPED: list[list[Typed]] = [  # of each shape one can be in a union
    [SCALARS[0]],
    [SCALARS[1], SCALARS[10], SCALARS[17]],
    [SCALARS[2]],
    [SCALARS[3], *SCALARS[6:10], *SCALARS[11:16]],
    [SCALARS[4]],
]
COUNT = itertools.count()


def many(origin: Any) -> Callable[[Typed], Typed]:
    strategies: dict[Any, Any] = {list: st.lists, set: st.sets, frozenset: st.frozensets}
    return lambda inner: (origin[inner[0]], strategies[origin](inner[1], max_size=3))


def variadic(inner: Typed) -> Typed:
    return tuple[inner[0], ...], st.lists(inner[1], max_size=3).map(tuple)  # type: ignore[valid-type]  # made at run time


def fixed(inner: list[Typed]) -> Typed:
    kind = tuple[tuple(one for one, _ in inner)] if inner else tuple[()]  # type: ignore[misc]  # made at run time
    return kind, st.tuples(*(values for _, values in inner))


def dicts(pair: tuple[Typed, Typed]) -> Typed:
    (key, keys), (value, values) = pair
    return dict[key, value], st.dictionaries(keys, values, max_size=3)  # type: ignore[valid-type]  # made at run time


def optionals(inner: Typed) -> Typed:
    return typing.Optional[inner[0]], st.none() | inner[1]  # noqa: UP045  # `None | None` is no type


def classes(members: list[Typed], *, is_attrs: bool = True, is_frozen: bool = False) -> Typed:
    names = [f"_f{place}" if place == 1 and is_attrs else f"f{place}" for place in range(len(members))]
    name = f"Made{next(COUNT)}"
    if is_attrs:
        fields = {one: attrs.field(type=kind) for one, (kind, _) in zip(names, members, strict=True)}
        made = attrs.make_class(name, fields, frozen=is_frozen)
    else:
        pairs = [(one, kind) for one, (kind, _) in zip(names, members, strict=True)]
        made = dataclasses.make_dataclass(name, pairs, frozen=is_frozen)
    return made, st.builds(made, *(values for _, values in members))


def generics(inner: Typed) -> Typed:
    kind, values = inner
    return Page[kind], st.builds(Page, values, st.lists(values, max_size=2).map(tuple))  # type: ignore[valid-type]  # made at run time


def crates(inner: Typed) -> Typed:
    kind, values = inner
    named = st.dictionaries(st.text(max_size=3), values, max_size=2)
    return Crate[kind], st.builds(Crate, st.none() | values, named)  # type: ignore[valid-type]  # made at run time


@st.composite
def unions(draw: Callable[..., Any], inner: st.SearchStrategy[list[Typed]]) -> Typed:
    """A union whose members have one shape each, or are classes."""
    chosen = draw(st.lists(st.sampled_from(SHAPED), unique_by=id, min_size=1, max_size=3))
    members = [draw(st.sampled_from(group)) for group in chosen]
    members += [draw(made(inner, is_frozen=st.just(value=True))) for _ in range(draw(st.integers(0, 2)))]
    kind = cast("Any", typing.Union)[tuple(one for one, _ in members)]
    return kind, st.one_of(*(values for _, values in members))


@st.composite
def made(
    draw: Callable[..., Any], inner: st.SearchStrategy[list[Typed]], *, is_frozen: st.SearchStrategy[bool]
) -> Typed:
    """A class, attrs or dataclass."""
    return classes(draw(inner), is_attrs=draw(st.booleans()), is_frozen=draw(is_frozen))


def hashable() -> st.SearchStrategy[Typed]:
    """Types whose values can be keys."""
    return st.recursive(
        st.sampled_from(SCALARS),
        lambda inner: st.one_of(
            inner.map(variadic),
            st.lists(inner, max_size=3).map(fixed),
            inner.map(many(frozenset)),
            made(st.lists(inner, max_size=2), is_frozen=st.just(value=True)),
            unions(st.lists(inner, max_size=2)),
            inner.map(generics),
        ),
        max_leaves=3,
    )


def nodes() -> st.SearchStrategy[Node]:
    return st.recursive(
        st.builds(Node, st.text(max_size=3)),
        lambda inner: st.builds(
            Node,
            st.text(max_size=3),
            st.lists(inner, max_size=2),
            st.dictionaries(INTEGERS, st.none() | inner, max_size=2),
        ),
        max_leaves=4,
    )


def types() -> st.SearchStrategy[Typed]:
    """Types of the whole list."""
    return st.recursive(
        st.sampled_from([*SCALARS, (Node, nodes())]) | hashable(),
        lambda inner: st.one_of(
            inner.map(many(list)),
            inner.map(variadic),
            st.lists(inner, max_size=3).map(fixed),
            hashable().map(many(set)),
            st.tuples(hashable(), inner).map(dicts),
            inner.map(optionals),
            made(st.lists(inner, max_size=3), is_frozen=st.booleans()),
            unions(st.lists(inner, max_size=2)),
            inner.map(generics),
            inner.map(crates),
        ),
        max_leaves=5,
    )


@st.composite
def valued(draw: Callable[..., Any]) -> tuple[type[Any], Any]:
    """A class of listed types, and an object of it."""
    kind, values = draw(made(st.lists(types(), min_size=1, max_size=4), is_frozen=st.booleans()))
    return kind, draw(values)
