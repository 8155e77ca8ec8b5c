"""Each type of the list: how it is stored, what of it is refused, and which types cannot be told apart."""

import dataclasses
import datetime as dt
import decimal
import enum
import importlib.util
import subprocess
import sys
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Generic, Literal, NewType, TypeVar, cast

import attrs
import pytest
from attrs import define, field, frozen

from statemachine import Cursor, Final, State, Workflow, on
from statemachine.codec import DEPTH_MAX, Codec, CustomType, describe
from statemachine.errors import DataError, DefinitionError
from tests.codecs import Amount, Colour, Crate, Money, Node, Page, Size, Word, cents_of, deep, without_orjson

T = TypeVar("T")
Weight = NewType("Weight", decimal.Decimal)
UTC = dt.UTC
HOUR = dt.timezone(dt.timedelta(hours=1))


@frozen
class Circle:
    radius: float


@frozen
class Square:
    stored_name: ClassVar[str] = "Quad"
    side: float


@dataclasses.dataclass
class Point:
    x: int
    y: int = dataclasses.field(default=0, kw_only=True)


@frozen
class IntPage(Page[int]):
    """Its base's variable is known."""

    total: int = 0


STORED: list[tuple[Any, Any, str]] = [
    (bytes, b"\0\xff", '"AP8="'),
    (bytes, b"", '""'),
    (dt.datetime, dt.datetime(2026, 1, 31, 12, 0), '"2026-01-31T12:00:00"'),  # noqa: DTZ001  # naive is the point
    (dt.datetime, dt.datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=HOUR), '"2026-01-31T12:00:00.000005+01:00"'),
    (dt.datetime, dt.datetime(1, 1, 1, tzinfo=UTC), '"0001-01-01T00:00:00+00:00"'),
    (dt.date, dt.date(2026, 1, 31), '"2026-01-31"'),
    (dt.time, dt.time(12, 30, tzinfo=HOUR), '"12:30:00+01:00"'),
    (dt.timedelta, dt.timedelta(days=-1, microseconds=1), "-86399999999"),
    (uuid.UUID, uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (decimal.Decimal, decimal.Decimal("1.10"), '"1.10"'),
    (decimal.Decimal, decimal.Decimal("-0"), '"-0"'),
    (decimal.Decimal, decimal.Decimal("1E+400"), '"1E+400"'),
    (Weight, decimal.Decimal(2), '"2"'),
    (Colour, Colour.BLUE, '"BLUE"'),
    (Size, Size.LARGE, '"LARGE"'),
    (Word, Word.YES, '"YES"'),
    (Literal["a", 1] | None, 1, "1"),
    (Literal[1, True], True, "true"),
    (Literal[b"\0", Colour.RED], Colour.RED, '"RED"'),
    (list[bytes], [b"\0"], '["AA=="]'),
    (tuple[int, str], (1, "a"), '[1,"a"]'),
    (tuple[int, ...], (1, 2, 3), "[1,2,3]"),
    (tuple[()], (), "[]"),
    (set[int], {10, 9, 1}, "[1,9,10]"),
    (set[float], {1.5, -0.0, 1e300}, "[-0.0,1.5,1e+300]"),
    (frozenset[str], frozenset({"b", "a", "é"}), '["a","b","é"]'),
    (set[tuple[int, str]], {(2, "a"), (1, "b")}, '[[1,"b"],[2,"a"]]'),
    (set[int | str | None], {"a", 1, None}, '["a",1,null]'),
    (dict[str, int], {"b": 1, "a": 2}, '{"b":1,"a":2}'),
    (dict[int, str], {2: "a", -1: "b"}, '{"2":"a","-1":"b"}'),
    (dict[dt.date, int], {dt.date(2026, 1, 31): 1}, '{"2026-01-31":1}'),
    (dict[Colour, int], {Colour.RED: 1}, '{"RED":1}'),
    (dict[bool, int], {True: 1}, "[[true,1]]"),
    (dict[tuple[int, int], str], {(1, 2): "a"}, '[[[1,2],"a"]]'),
    (dict[Circle, int], {Circle(1.0): 1}, '[[{"radius":1.0},1]]'),
    (int | float, 1, "1"),
    (int | float, 1.0, "1.0"),
    (bool | int | str | list[int] | None, True, "true"),
    (Circle | None, Circle(1.0), '{"radius":1.0}'),
    (Circle | str, "a", '"a"'),
    (Circle | Square, Circle(1.0), '{"$type":"Circle","radius":1.0}'),
    (list[Circle | Square | None], [Square(2.0), None], '[{"$type":"Quad","side":2.0},null]'),
    (Point, Point(1, y=2), '{"x":1,"y":2}'),
    (Page[int], Page(1, (2,)), '{"first":1,"rest":[2]}'),
    (Page[Page[str]], Page(Page("a")), '{"first":{"first":"a","rest":[]},"rest":[]}'),
    (IntPage, IntPage(1, (2,), 3), '{"first":1,"rest":[2],"total":3}'),
    (Crate[uuid.UUID], Crate(uuid.UUID(int=0)), '{"held":"00000000-0000-0000-0000-000000000000","named":{}}'),
    (Node, Node("a", [Node("b")]), '{"name":"a","children":[{"name":"b","children":[],"by_name":{}}],"by_name":{}}'),
    (Amount, Money(5), "5"),
    (dict[Amount, list[Amount]], {Money(5): [Money(6)]}, "[[5,[6]]]"),
]


@pytest.mark.parametrize("make", [lambda kind: Codec(kind, path="x"), without_orjson], ids=["orjson", "json"])
@pytest.mark.parametrize(
    ("kind", "value", "text"), STORED, ids=[f"{place} {one[2]}" for place, one in enumerate(STORED)]
)
def test_how_a_type_is_stored(make: Callable[[Any], Codec[Any]], kind: Any, value: Any, text: str) -> None:
    codec = make(kind)

    assert codec.encode(value) == text.encode()
    assert deep(codec.decode(text.encode())) == deep(value)


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NAMED = dt.timezone(dt.timedelta(hours=1), "CET")


class LaterDate(dt.datetime):
    """A subclass."""


REFUSED: list[tuple[Any, Any, str]] = [
    (bool, "true", "expected true or false, got 'true'"),
    (int, True, "expected an integer, got True"),
    (int, 1.0, "expected an integer, got 1.0"),
    (int, "1", "expected an integer, got '1'"),
    (int, 2**63, "expected an integer of 64 bits, got 9223372036854775808"),
    (int, -(2**63) - 1, "expected an integer of 64 bits, got -9223372036854775809"),
    (float, float("nan"), "expected a finite number, got NaN"),
    (float, float("inf"), "expected a finite number, got inf"),
    (float, float("-inf"), "expected a finite number, got -inf"),
    (str, "\ud800", "text with a lone surrogate cannot be stored"),
    (Word, "yes", "expected Word, got 'yes'"),
    (str, Word.YES, "expected text, got <Word.YES: 'yes'>"),
    (int, Size.SMALL, "expected an integer, got <Size.SMALL: 1>"),
    (bytes, bytearray(b"a"), "expected bytes, got bytearray(b'a')"),
    (
        dt.datetime,
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
        (
            "expected no time zone or a fixed offset, got zoneinfo.ZoneInfo(key='Europe/Berlin'). "
            "Use .astimezone(timezone.utc)"
        ),
    ),
    (
        dt.datetime,
        dt.datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001  # naive is the point
        "fold=1, the second of two equal hours, would be lost. Give it a fixed offset",
    ),
    (
        dt.time,
        dt.time(2, 30, fold=1, tzinfo=HOUR),
        "fold=1, the second of two equal hours, would be lost. Give it a fixed offset",
    ),
    (
        dt.datetime,
        dt.datetime(2026, 1, 1, tzinfo=NAMED),
        (
            "the name of datetime.timezone(datetime.timedelta(seconds=3600), 'CET') would be lost. "
            "Use a timezone without a name"
        ),
    ),
    (
        dt.datetime,
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=1))),
        "expected an offset of whole seconds, got datetime.timezone(datetime.timedelta(microseconds=1))",
    ),
    (dt.datetime, LaterDate(2026, 1, 1), "expected datetime, got LaterDate(2026, 1, 1, 0, 0)"),
    (dt.date, dt.datetime(2026, 1, 1), "expected date, got datetime.datetime(2026, 1, 1, 0, 0)"),  # noqa: DTZ001  # as above
    (dt.timedelta, dt.timedelta.max, "expected an integer of 64 bits, got 86399999999999999999"),
    (decimal.Decimal, decimal.Decimal("NaN"), "expected a finite number, got NaN"),
    (decimal.Decimal, decimal.Decimal("sNaN"), "expected a finite number, got sNaN"),
    (decimal.Decimal, decimal.Decimal("-Infinity"), "expected a finite number, got -Infinity"),
    (decimal.Decimal, 1, "expected Decimal, got 1"),
    (Literal["a", 1], "b", "expected 'a' or 1, got 'b'"),
    (Literal["a", 1], True, "expected 'a' or 1, got True"),
    (Literal["a", 1], [], "expected 'a' or 1, got []"),
    (tuple[int, str], (1,), "expected a tuple of 2, got (1,)"),
    (tuple[int, str], [1, "a"], "expected a tuple of 2, got [1, 'a']"),
    (set[int], frozenset({1}), "expected a set, got frozenset({1})"),
    (int | str, 1.5, "expected int or str, got 1.5"),
    (Circle | Square, Point(1), "expected Circle or Square, got Point(x=1, y=0)"),
    (Amount, 5, "expected Money, got 5"),
]  # fmt: skip


@pytest.mark.parametrize("make", [lambda kind: Codec(kind, path="x"), without_orjson], ids=["orjson", "json"])
@pytest.mark.parametrize(("kind", "value", "message"), REFUSED, ids=[one[2] for one in REFUSED])
def test_what_would_not_come_back_is_not_written(
    make: Callable[[Any], Codec[Any]], kind: Any, value: Any, message: str
) -> None:
    with pytest.raises(DataError) as raised:
        make(kind).encode(value)

    assert str(raised.value).partition(": ")[2] == message


NOT_CANONICAL: list[tuple[Any, str]] = [
    (bytes, '"AA"'), (bytes, '"AB=="'), (bytes, '"AA==\\n"'), (dt.datetime, '"2026-01-01T00:00:00Z"'),
    (dt.datetime, '"2026-01-01 00:00:00"'), (dt.datetime, '"2026-01-01T00:00:00.000000"'),
    (dt.datetime, '"20260101T000000"'), (dt.date, '"2026-W01-1"'), (dt.time, '"12:00"'),
    (uuid.UUID, '"{00000000-0000-0000-0000-000000000001}"'), (uuid.UUID, '"0000000000000000000000000000000A"'),
    (decimal.Decimal, '"1e3"'), (decimal.Decimal, '"1_0"'), (decimal.Decimal, '" 1"'), (decimal.Decimal, '"٣"'),
    (decimal.Decimal, "1.10"), (dt.timedelta, '"1"'), (Colour, '"CRIMSON"'), (set[int], "[1,1]"),
    (set[float], "[0.0,-0.0]"),
    (dict[int, int], '{"01":1}'), (dict[int, int], '{"+1":1}'), (dict[decimal.Decimal, int], '{"1.0":1,"1.00":1}'),
    (dict[bool, int], "[[true,1],[true,2]]"), (dict[bool, int], "[[true]]"), (Circle | Square, '{"radius":1.0}'),
    (Circle | Square, '{"$type":"Square","side":1.0}'), (Circle, '{"$type":"Circle","radius":1.0}'),
    (Circle | Square, '{"$type":["Circle"],"radius":1.0}'), (Amount, '"5"'),
]  # fmt: skip


@pytest.mark.parametrize("make", [lambda kind: Codec(kind, path="x"), without_orjson], ids=["orjson", "json"])
@pytest.mark.parametrize(
    ("kind", "text"), NOT_CANONICAL, ids=[f"{place} {one[1]}" for place, one in enumerate(NOT_CANONICAL)]
)
def test_a_value_has_one_text(make: Callable[[Any], Codec[Any]], kind: Any, text: str) -> None:
    with pytest.raises(DataError, match=r"^(x|value)"):
        make(kind).decode(text.encode())


# -- types that are refused --------------------------------------------------------------------------------------------


class Flags(enum.Flag):
    A = 1


@define
class Open:
    n: int = 0


@frozen(eq=False)
class Identity:
    n: int = 0


@frozen
class Holder:
    items: list[int] = field(factory=list[int])


@define
class Growing(Generic[T]):
    next: "Growing[list[T]] | None" = None


@define(init=False)
class OwnInit:
    n: int = 0

    def __init__(self, n: int) -> None:
        self.n = n


@dataclasses.dataclass(init=False)
class OwnDataInit:
    n: int = 0


@dataclasses.dataclass
class WithInitVar:
    n: int = 0
    seed: dataclasses.InitVar[int] = 0


@dataclasses.dataclass
class LateField:
    n: int = dataclasses.field(default=0, init=False)


class Undecorated(Open):
    m: int = 0


APART = "cannot be told apart once stored. Use one of them, or wrap each in a class."
HASHABLE = "which is not hashable by value. Use a frozen class, a tuple or a frozenset."
OWN_INIT = "has an __init__ of its own, which may not take its fields back. Drop it."
LOST = "Decorate the class (@define, @frozen, @dataclass); write no InitVar."
REFUSED_TYPES: list[tuple[Any, str]] = [
    (str | dt.date, f"x is a union of which two members, str and date, {APART}"),
    (int | dt.timedelta, f"x is a union of which two members, int and timedelta, {APART}"),
    (Colour | Literal["a"], f"x is a union of which two members, Colour and Literal['a'], {APART}"),
    (list[int] | tuple[int, ...], f"x is a union of which two members, list and tuple, {APART}"),
    (dict[str, int] | Circle, f"x is a union of which two members, dict and Circle, {APART}"),
    (dict[str, int] | dict[bool, int], f"x is a union of which two members, dict and dict, {APART}"),
    (Page[int] | Page[str], f"x is a union of which two members, Page and Page, {APART}"),
    (Circle | Square | dict[str, int], f"x is a union of which two members, Circle and dict, {APART}"),
    (Literal["RED", Colour.RED], "x: two values of ('RED', <Colour.RED: 1>) are stored alike. Use one kind of value."),
    (Flags, "x: Flags is a Flag, whose combinations have no name. Use frozenset of an Enum."),
    (set[list[int]], f"x[] is list, {HASHABLE}"),
    (set[Open], f"x[] is Open, {HASHABLE}"),
    (dict[Identity, int], f"x key is Identity, {HASHABLE}"),
    (dict[Holder, int], f"x key.items is list, {HASHABLE}"),
    (frozenset[tuple[dict[str, int], int]], f"x[] is dict, {HASHABLE}"),
    (OwnInit, f"x: OwnInit {OWN_INIT}"),
    (OwnDataInit, f"x: OwnDataInit {OWN_INIT}"),
    (WithInitVar, f"x.seed is annotated in WithInitVar and is no field of it. {LOST}"),
    (Undecorated, f"x.m is annotated in Undecorated and is no field of it. {LOST}"),
    (LateField, "x.n is not set by __init__, so it cannot be restored. Drop init=False."),
    (Annotated[int, CustomType(Money, name="m", stored=int, encode=cents_of, decode=Money)],
     f"x: CustomType of {Money!r} stands at {int!r}. Name one class."),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message"), REFUSED_TYPES, ids=[f"{place}" for place, _ in enumerate(REFUSED_TYPES)])
def test_a_type_that_cannot_come_back_is_refused(kind: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        Codec(kind, path="x")

    assert str(raised.value) == f"PD117 {message}"


def test_a_generic_class_of_what_is_no_type_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^PD117 x has type .*Page\[.*, of which a part is no type\. Use "):
        Codec(Page[Annotated[int, []]], path="x")


def test_a_type_that_grows_without_end_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"is nested deeper than 100 levels\. Flatten the type\.$"):
        Codec(Growing[int], path="x")


# -- what is kept, and what is not -------------------------------------------------------------------------------------


def test_one_list_referred_to_twice_comes_back_as_two_equal_ones() -> None:
    shared = [1]
    codec = Codec(list[list[int]], path="x")

    back = codec.decode(codec.encode([shared, shared]))

    assert back == [shared, shared]
    assert back[0] is not back[1]


def test_a_default_factory_fills_a_missing_key_with_a_value_of_its_own() -> None:
    codec = Codec(Node, path="x")

    first, second = codec.decode(b"{}"), codec.decode(b"{}")

    assert first == Node()
    assert first.children is not second.children


def test_a_default_that_another_field_makes_is_left_out_of_the_digest() -> None:
    @define
    class Twice:
        n: int
        double: int = field(default=attrs.Factory(lambda self: self.n * 2, takes_self=True))

    once = attrs.make_class("Once", {"n": attrs.field(type=int)})

    assert Codec(Twice, path="x").digest("N", Twice(2)) == Codec(once, path="x").digest("N", once(2))
    assert Codec(Twice, path="x").digest("N", Twice(2, 5)) != Codec(once, path="x").digest("N", once(2))


def test_a_negative_zero_is_not_left_out_for_a_zero() -> None:
    @define
    class Share:
        part: float = 0.0

    codec = Codec(Share, path="x")

    assert str(codec.decode(codec.encode(Share(-0.0))).part) == "-0.0"
    assert codec.digest("S", Share(-0.0)) != codec.digest("S", Share())


def test_the_order_of_a_dict_of_pairs_is_no_difference_to_a_digest() -> None:
    codec = Codec(dict[tuple[int, int], int], path="x")

    assert codec.digest("D", {(1, 1): 1, (2, 2): 2}) == codec.digest("D", {(2, 2): 2, (1, 1): 1})


def test_ten_thousand_levels_are_refused_and_no_crash() -> None:
    deep_node = Node()
    for _ in range(10_000):
        deep_node = Node(children=[deep_node])

    with pytest.raises(DataError, match=r"^x: nested deeper than 100 levels"):
        Codec(Node, path="x").encode(deep_node)
    with pytest.raises(DataError, match=r"^(x: nested deeper than 100 levels|not JSON: )"):
        Codec(Node, path="x").decode(b'{"children":[' * 10_000 + b"]}" * 10_000)
    with pytest.raises(DataError, match=r"^x: nested deeper than 100 levels"):
        Codec(Node, path="x").decode(b'{"children":[' * DEPTH_MAX + b"]}" * DEPTH_MAX)


def test_few_objects_that_unfold_into_many_are_refused() -> None:
    bomb = Node()
    for _ in range(60):
        bomb = Node(children=[bomb, bomb])

    with pytest.raises(DataError, match=r"of more than 2097152 objects$"):
        Codec(Node, path="x").encode(bomb)


def test_a_custom_type_that_does_not_come_back_is_not_written() -> None:
    rounded = CustomType(Money, name="money", stored=int, encode=lambda money: money.cents // 100, decode=Money)
    codec: Codec[Any] = Codec(cast("Any", Annotated[Money, rounded]), path="x")

    with pytest.raises(DataError, match=r"^x: Money\(150\) comes back as Money\(1\)$"):
        codec.encode(Money(150))


def test_what_a_custom_type_raises_is_said_with_its_path() -> None:
    def refuse(_: object) -> typing.NoReturn:
        raise RuntimeError("no change")

    broken = CustomType(Money, name="money", stored=int, encode=refuse, decode=refuse)
    codec: Codec[Any] = Codec(cast("Any", dict[str, Annotated[Money, broken]]), path="x")

    with pytest.raises(DataError, match=r"^x\['a'\]: no change$"):
        codec.encode({"a": Money(1)})
    with pytest.raises(DataError, match=r"^x\['a'\]: no change$"):
        codec.decode(b'{"a":1}')


def test_a_decimals_text_does_not_depend_on_the_context() -> None:
    with decimal.localcontext(decimal.Context(prec=2, capitals=0)):
        codec = Codec(decimal.Decimal, path="x")

        assert codec.encode(decimal.Decimal("1.2345E+40")) == b'"1.2345E+40"'
        assert str(codec.decode(b'"1.23456"')) == "1.23456"


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_description_names_no_class_but_in_a_union() -> None:
    def made(name: str, inner: str) -> Any:
        part = attrs.make_class(inner, {"n": attrs.field(type=int)})
        return attrs.make_class(
            name, {"part": attrs.field(type=part), "parts": attrs.field(type=cast("Any", list)[part])}
        )

    assert describe(made("A", "B"), path="x") == describe(made("C", "D"), path="x")
    assert describe(Circle | Square, path="x") == {
        "union": [
            {"tagged": ["Circle", {"fields": [["radius", "float", False]]}]},
            {"tagged": ["Quad", {"fields": [["side", "float", False]]}]},
        ]
    }
    assert describe(Square | Circle, path="x") == describe(Circle | Square, path="x")


DESCRIBED: list[Any] = [
    int,
    str,
    bytes,
    set[int],
    frozenset[int],
    list[int],
    tuple[int, ...],
    tuple[int],
    tuple[int, int],
]
DESCRIBED += [
    dict[int, int],
    dict[str, int],
    Colour,
    Size,
    Literal["RED"],
    int | str,
    int | None,
    Amount,
    Node,
    Page[int],
]
DESCRIBED += [Page[str], dt.date, dt.datetime, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal, Circle | Square]


def test_types_that_are_stored_differently_are_described_differently() -> None:
    assert len({str(describe(kind, path="x")) for kind in DESCRIBED}) == len(DESCRIBED)


SOURCE = """
import dataclasses
import datetime as dt
from attrs import define, frozen
from statemachine import Final, State, Workflow, on

@frozen
class {prefix}Part:
    n: int = 0

@dataclasses.dataclass(frozen=True)
class {prefix}Other:
    at: dt.date = dt.date(2026, 1, 31)

@frozen
class Put:
    part: {prefix}Part = {prefix}Part()
    either: {either} = {prefix}Part(3)

@dataclasses.dataclass
class {prefix}Data:
    last: {prefix}Part | None = None

class Box(Workflow[{prefix}Data], revision=1):
    open_ = State(initial=True)
    shut = Final()
    @on(Put, open_, to=None)
    def put(self, event: Put) -> None:
        self.data.last = event.part
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    made: list[str] = []

    def write(module: str, **names: str) -> ModuleType:
        path = tmp_path / f"{module}.py"
        path.write_text(SOURCE.format(**{"prefix": "", "either": "int | Part", **names}), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(module, path)
        assert spec is not None
        assert spec.loader is not None
        found = sys.modules[module] = importlib.util.module_from_spec(spec)
        made.append(module)
        spec.loader.exec_module(found)
        return found

    yield write
    for module in made:
        del sys.modules[module]


def facts(module: ModuleType) -> tuple[object, ...]:
    """All that is stored of a workflow and an event."""
    definition = module.Box.__definition__
    codec = definition.events["Put"]
    event = module.Put()
    return (
        definition.fingerprint,
        codec.encode(event),
        codec.digest("Put", event),
        definition.data_digest(definition.initial_data()),
    )


def test_moving_and_renaming_classes_changes_no_byte_and_no_fingerprint(written: Callable[..., ModuleType]) -> None:
    here = facts(written("perdure_test_here"))

    assert facts(written("perdure_test_there")) == here
    assert facts(written("perdure_test_renamed", prefix="New", either="int | NewPart")) == here


def test_the_tags_of_a_union_are_stored_and_count(written: Callable[..., ModuleType]) -> None:
    here = facts(written("perdure_test_here", either="Part | Other"))

    assert facts(written("perdure_test_there", either="Part | Other")) == here
    assert facts(written("perdure_test_renamed", prefix="New", either="NewPart | NewOther"))[0] != here[0]


# -- workflows ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Put:
    name: str
    price: decimal.Decimal


@dataclasses.dataclass
class Shelf:
    prices: dict[str, decimal.Decimal] = dataclasses.field(default_factory=dict[str, decimal.Decimal])
    seen: set[str] = dataclasses.field(default_factory=set[str])


class Shop(Workflow[Shelf], revision=1):
    open_ = State(initial=True)
    shut = Final()

    @on(Put, open_, to=None)
    def put(self, event: Put) -> None:
        self.data.prices[event.name] = event.price
        self.data.seen.add(event.name)


def test_events_and_data_may_be_dataclasses() -> None:
    shop = Cursor(Shop, Shelf())

    shop.send(Put("lamp", decimal.Decimal("1.10")))

    assert repr(shop.data) == "Shelf(prices={'lamp': Decimal('1.10')}, seen={'lamp'})"


def test_data_may_be_a_generic_class() -> None:
    class Paged(Workflow[Page[dt.date]], revision=1):
        only = State(initial=True)

    assert Cursor(Paged, Page(dt.date(2026, 1, 31))).data == Page(dt.date(2026, 1, 31))


def test_the_import_brings_in_nothing_that_only_some_types_need() -> None:
    late = (
        "{'orjson', 'decimal', 'zoneinfo', 'jsonschema', 'statemachine._codec.misfits', 'statemachine._codec.schema'}"
    )
    program = f"import sys, statemachine; print(sorted({late} & set(sys.modules)))"

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
