"""Types and values at the border of the list: taken whole, or refused by code and in words; never raw, never half."""

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Generic, Literal, NewType, TypeVar, TypeVarTuple, cast

import attrs
import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from statemachine.codec import Codec, CustomType, describe
from statemachine.errors import DataError, DefinitionError
from tests.codecs import Amount, Colour, Money, Node, Page, deep, without_orjson

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Day = NewType("Day", dt.date)
Lower = Literal["a", 1]
Upper = Literal["b"]


class Made(enum.Enum):
    """An Enum that makes members as they are asked for."""

    KNOWN = 1

    def __repr__(self) -> str:
        return str(self)

    @classmethod
    def _missing_(cls, value: object) -> "Made":
        found = object.__new__(cls)
        found._name_ = f"X{value}"
        return found


class Flags(enum.Flag):
    A = 1
    B = 2


class Nothing(enum.Enum):
    """No member yet."""


class Speechless:
    """What has no words for itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def custom(stored: Any, encode: Callable[[Any], object] = lambda money: money.cents, **named: Any) -> Any:
    """Money, stored as another type."""
    named = {"name": "money", "decode": Money, **named}
    return Annotated[Money, CustomType(Money, stored=stored, encode=encode, **named)]


# -- classes -----------------------------------------------------------------------------------------------------------


@define
class Open:
    n: int = 0


class ReInit(Open):
    """No decorator, and another __init__."""

    def __init__(self, n: int) -> None:
        self.n = n + 1


@dataclasses.dataclass
class OwnInit:
    """A dataclass keeps an __init__ that stands in its body."""

    n: int

    def __init__(self, n: int) -> None:
        self.n = n * 2


@dataclasses.dataclass
class Plain:
    n: int = 0


class ReInitPlain(Plain):
    def __init__(self, n: int) -> None:
        self.n = n * 2


class Undecorated(Open):
    m: int = 0


@define
class Above(Undecorated):
    """The decorator of a subclass makes no fields of its base's annotations."""

    k: int = 0


class Stamped:
    stamp: int = 0


@define
class WithStamp(Stamped):
    k: int = 0


@frozen
class Several(Generic[*Ts]):
    items: tuple[*Ts]


@frozen
class Named:
    stored_name: str = "a field, and no name of the class"


@frozen
class Asked:
    n: int = 0

    @property
    def stored_name(self) -> str:
        return "asked"


@frozen
class Unwritable:
    stored_name: ClassVar[str] = "\ud800"


class Failing:
    """Its annotation fails when it is evaluated."""


Failing.__annotations__ = {"n": "1 / 0"}

OWN_INIT = "has an __init__ of its own, which may not take its fields back. Drop it."
LOST = "and is no field of it. Decorate the class (@define, @frozen, @dataclass); write no InitVar."
NO_PLACE = "a value of this class has no place in a Literal. Use another value."
UNLISTED = "which cannot be stored without loss. Use bool, int"
REFUSED: dict[str, tuple[Any, str]] = {
    "a float in a Literal, which orjson writes otherwise": (
        cast("Any", Literal)[1e-05],
        f"x: Literal[1e-05]: {NO_PLACE}",
    ),
    "a Decimal in a Literal, whose equal has other digits": (
        cast("Any", Literal)[decimal.Decimal("1.0")],
        f"x: Literal[Decimal('1.0')]: {NO_PLACE}",
    ),
    "flags in a Literal, that have no name": (
        cast("Any", Literal)[Flags(0)],
        f"x: Literal[<Flags: 0>]: {NO_PLACE}",
    ),
    "combined flags in a Literal": (cast("Any", Literal)[Flags.A | Flags.B], f"x: Literal[<Flags.A|B: 3>]: {NO_PLACE}"),
    "a tuple of which a part is unpacked": (
        tuple[int, *tuple[str, ...]],
        f"x[1] has type *tuple[str, ...], {UNLISTED}",
    ),
    "a generic class of any number of types": (Several[int, str], "x.items[0] has type "),
    "a list of two types": (cast("Any", list)[int, str], f"x has type list[int, str], {UNLISTED}"),
    "a dict without values": (cast("Any", dict)[str], f"x has type dict[str], {UNLISTED}"),
    "a dict of three types": (cast("Any", dict)[str, int, int], f"x has type dict[str, int, int], {UNLISTED}"),
    "an undecorated subclass with an __init__": (ReInit, f"x: ReInit {OWN_INIT}"),
    "a dataclass with an __init__ in its body": (OwnInit, f"x: OwnInit {OWN_INIT}"),
    "an undecorated subclass of a dataclass, with one": (ReInitPlain, f"x: ReInitPlain {OWN_INIT}"),
    "an annotation of a base that is no field": (Above, f"x.m is annotated in Undecorated {LOST}"),
    "an annotation of a mixin that is no field": (WithStamp, f"x.stamp is annotated in Stamped {LOST}"),
    "a stored_name that is a property": (Asked | Open, "x: the stored_name of Asked: expected text, got <property"),
    "a stored_name that UTF-8 cannot hold": (Unwritable | Open, "x: the stored_name of Unwritable: text with a lone"),
    "a custom type whose name is no text": (custom(int, name=5), "x: the name of a CustomType: expected text, got 5."),
    "a class whose annotation fails": (dataclasses.dataclass(Failing), "Failing: a type cannot be resolved: division"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_type_that_would_lose_something_is_refused(case: tuple[Any, str]) -> None:
    kind, message = case

    with pytest.raises(DefinitionError) as raised:
        Codec(kind, path="x")

    assert str(raised.value).startswith(f"PD117 {message}")


@dataclasses.dataclass
class Marked:
    a: int
    _: dataclasses.KW_ONLY
    b: int = 0


@define
class Cached:
    x: int = 0
    limit: ClassVar[int] = 3

    @functools.cached_property
    def twice(self) -> int:
        return self.x * 2


@frozen
class Swapped:
    a: int = field(alias="b")
    b: int = field(alias="a")
    _c: int = field(default=0, kw_only=True)


@frozen
class Pair(Generic[T]):
    left: "T | None" = None
    right: "dict[str, T]" = field(factory=dict[str, Any])


@frozen
class Sum:
    left: "Sum | Number | None"
    right: "Sum | Number | None"


@frozen
class Number:
    n: int


@define
class Boxes:
    """Leads back to itself through a custom type."""

    inside: list[Any] = field(factory=list[Any])


def is_inside(money: Money) -> object:
    return money.cents


Boxes.__annotations__["inside"] = list[custom(Boxes, is_inside, name="box")]  # type: ignore[misc]  # made at run time


def tuples(depth: int) -> Any:
    kind: Any = int
    for _ in range(depth):
        kind = tuple[kind, int] | str | None
    return kind


MAYBE = custom(int | None)
ACCEPTED: dict[str, tuple[Any, Any, str]] = {
    "a dataclass with fields after KW_ONLY": (Marked, Marked(1, b=2), '{"a":1,"b":2}'),
    "a cached property and a class variable": (Cached, Cached(2), '{"x":2}'),
    "names of arguments that are swapped": (Swapped, cast("Any", Swapped)(b=1, a=2, c=3), '{"a":1,"b":2,"_c":3}'),
    "a generic class inside itself": (
        Pair[Pair[int]], Pair(Pair(1), {"k": Pair(2)}),
        '{"left":{"left":1,"right":{}},"right":{"k":{"left":2,"right":{}}}}',
    ),
    "two Literals in a union": (Lower | Upper | None, "b", '"b"'),
    "a class and a NewType of it in a union": (Day | dt.date | None, dt.date(2026, 1, 31), '"2026-01-31"'),
    "an Enum without members beside an int": (Nothing | int, 1, "1"),
    "a field that is called stored_name": (
        Named | Open, Named("b"), '{"$type":"Named","stored_name":"b"}',
    ),
    "a custom type that is stored as null, beside a text": (
        cast("Any", list)[MAYBE | str], [Money(cast("Any", None)), "a"], '[null,"a"]',
    ),
    "a class that leads back to itself through a custom type": (
        Boxes, Boxes([Money(cast("Any", Boxes()))]), '{"inside":[{"inside":[]}]}',
    ),
    "classes in a union that lead back to themselves": (
        Sum, Sum(Number(1), Sum(None, None)),
        '{"left":{"$type":"Number","n":1},"right":{"$type":"Sum","left":null,"right":null}}',
    ),
    "unions in tuples, deeper than Python's blocks": (tuples(49), "a", '"a"'),
    "a timedelta and a float that a schema takes for equal": (
        set[dt.timedelta | float], {dt.timedelta(microseconds=1), 1.0}, "[1,1.0]",
    ),
    "the same as keys, in tuples": (
        dict[tuple[dt.timedelta | float], int], {(dt.timedelta(microseconds=1),): 5, (1.0,): 5}, "[[[1],5],[[1.0],5]]",
    ),
    "a known member of an Enum that makes others": (Made, Made.KNOWN, '"KNOWN"'),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_on_the_list_comes_back_and_fits_its_schema(case: tuple[Any, Any, str]) -> None:
    kind, value, text = case
    codec, without = Codec(kind, path="x"), without_orjson(kind)

    assert codec.encode(value) == without.encode(value) == text.encode()
    assert deep(codec.decode(text.encode())) == deep(without.decode(text.encode())) == deep(value)
    assert Draft202012Validator(codec.schema()).is_valid(json.loads(text))


# -- values ------------------------------------------------------------------------------------------------------------


def as_deep(depth: int) -> object:
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


NOT_WRITTEN: dict[str, tuple[Any, Any, str]] = {
    "a member that an Enum made": (Made, Made(7), "x: expected Made, got Made.X7"),
    "a custom value that is stored differently afterwards": (
        custom(decimal.Decimal, decode=lambda stored: Money(stored.normalize())),
        Money(cast("Any", decimal.Decimal("1.10"))),
        "x: Money(1.10) of money comes back equal, but is stored differently then",
    ),
    "an integer of 5,000 digits": (int, 10**5_000, "x: expected an integer of 64 bits, got a value of type int"),
    "one in a Literal's place": (Literal[1, "a"], 10**5_000, "x: expected 1 or 'a', got a value of type int"),
    "what has no words": (list[str], [Speechless()], "x[0]: expected text, got a value of type Speechless"),
    "100,000 lists": (int | str, as_deep(100_000), "x: expected int or str, got a value of type list"),
}


@pytest.mark.parametrize("make", [lambda kind: Codec(kind, path="x"), without_orjson], ids=["orjson", "json"])
@pytest.mark.parametrize("case", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_a_value_that_does_not_fit_is_refused_in_words(
    case: tuple[Any, Any, str], make: Callable[[Any], Codec[Any]]
) -> None:
    kind, value, message = case

    with pytest.raises(DataError) as raised:
        make(kind).encode(value)

    assert str(raised.value).partition(":")[2] == message.partition(":")[2]


def fail() -> Any:
    raise RuntimeError("boom")


def test_a_default_that_cannot_be_made_is_left_out_of_no_digest_and_of_no_error() -> None:
    @define
    class Ratio:
        n: int
        part: float = field(default=attrs.Factory(lambda self: 1 / self.n, takes_self=True))
        paid: Any = field(default=Money(1))

    Ratio.__annotations__["paid"] = custom(int, lambda money: fail() if money.cents == 1 else money.cents)
    codec = Codec(Ratio, path="x")

    assert codec.digest("R", Ratio(0, 1.0, Money(2))) != codec.digest("R", Ratio(0, 2.0, Money(2)))
    assert "default" not in cast("Any", codec.schema())["properties"]["paid"]


def test_the_digest_of_what_does_not_fit_is_a_data_error() -> None:
    with pytest.raises(DataError, match=r"^x\.n: expected an integer, got '1'$"):
        Codec(Open, path="x").digest("Open", Open(cast("Any", "1")))


def test_a_key_that_stands_twice_has_its_last_value() -> None:
    text = b'{"a":1,"a":2}'

    assert Codec(dict[str, int], path="x").decode(text) == without_orjson(dict[str, int]).decode(text) == {"a": 2}


TEXTS = [
    b"-0", b"-0.0", b"1e400", b"1e-400", b"18446744073709551616", b"9223372036854775808", b"-9223372036854775809",
    b"0." + b"1" * 5_000, b"1" * 5_000, b"NaN", b"-Infinity", b"\xef\xbb\xbf1", b"1 1", b" 1\n", b"1\xc2\xa0", b"\x0b1",
    b"\xff", b"", b"[1,]", b"01", b"1.", b"+1", b'"\x01"', b"1e5", b"9007199254740993", b"9007199254740993.0",
    b"1.7976931348623159e308", b"5e-324", b'"\\ud800"', b'"\\ud83d\\ude00"', b'{"\\ud800":1}', b'"\xed\xa0\x80"',
    b'{"a":1,"a":2}', b"[" * 2_000 + b"]" * 2_000, b"[" * 100_000, b'{"children":[' * 100_000, b"null", b"true",
]  # fmt: skip
READ: list[Any] = [
    int,
    float,
    int | float,
    str | None,
    dict[str, float],
    dict[int, int],
    list[float],
    set[int],
    Literal[0, 1],
]
READ += [Node, Node | Page[int], Amount, Colour, dt.date, decimal.Decimal, bytes, dict[str, Node]]


@pytest.mark.parametrize("kind", READ, ids=range(len(READ)))
def test_odd_bytes_are_read_alike_with_and_without_orjson(kind: Any) -> None:
    for text in TEXTS:
        assert outcome(Codec(kind, path="value").decode, text) == outcome(without_orjson(kind).decode, text)


TREE: Codec[Any] = Codec(Node, path="value")
TREE_WITHOUT = without_orjson(Node)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 60), gone=st.integers(0, 4), added=st.binary(max_size=4) | st.sampled_from(TEXTS[:30]))
def test_damaged_bytes_are_a_value_or_a_data_error(place: int, gone: int, added: bytes) -> None:
    sound = TREE.encode(Node("né", [Node("b", [], {7: None})], {-1: Node()}))
    damaged = sound[:place] + added + sound[place + gone :]

    assert outcome(TREE.decode, damaged) == outcome(TREE_WITHOUT.decode, damaged)


def outcome(function: Callable[[Any], object], given: object) -> object:
    """The value with all its digits, or that it was refused; anything else is raised."""
    try:
        return deep(function(given))
    except DataError as error:
        return str(error)


# -- descriptions ------------------------------------------------------------------------------------------------------


def test_a_description_is_as_long_as_its_classes_however_often_they_share_parts() -> None:
    """Written out at each place, sixty classes would have 2^60 parts."""
    kind: Any = Open
    for number in range(60):
        kind = attrs.make_class(f"C{number}", {"a": attrs.field(type=kind), "b": attrs.field(type=kind)})

    assert len(str(describe(kind, path="x"))) < 10_000
    assert len(str(Codec(kind, path="x").schema())) < 20_000


def test_a_description_of_classes_that_all_refer_to_each_other_ends() -> None:
    module = types.ModuleType("perdure_test_mesh")
    everyone = " | ".join(f"C{number}" for number in range(12))
    body = {"__annotations__": {"a": everyone, "b": everyone}, "__module__": module.__name__}
    for number in range(12):
        made = type(f"C{number}", (), body | {})
        setattr(module, made.__name__, frozen(made))
    sys.modules[module.__name__] = module
    try:
        described = describe(module.C0, path="x")
    finally:
        del sys.modules[module.__name__]

    assert len(str(described)) < 20_000


def test_the_order_in_which_a_union_is_written_is_no_difference() -> None:
    assert describe(Sum | Number | str, path="x") == describe(str | Number | Sum, path="x")


DESCRIBED = """
import json, sys
from tests.codecs import *
from tests.test_codec_borders import ACCEPTED
from tests.test_codec_types import DESCRIBED, STORED
from statemachine.codec import Codec, describe
kinds = [*DESCRIBED, *(kind for kind, *_ in [*STORED, *ACCEPTED.values()])]
texts = [Codec(kind, path="x").encode(value).decode() for kind, value, _ in [*STORED, *ACCEPTED.values()]]
print(json.dumps([texts, [describe(kind, path="x") for kind in kinds]]))
"""


def test_bytes_and_descriptions_do_not_depend_on_the_hash_seed() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", DESCRIBED],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("0", "1")
    ]  # fmt: skip

    assert said[0] == said[1]
    assert len(said[0]) > 1_000


ALIASES = """
type Missing = Undefined
type Names = list[str]
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a type statement is Python 3.12")
def test_a_type_statement_is_resolved_or_refused() -> None:
    names: dict[str, Any] = {}
    exec(ALIASES, names)  # noqa: S102  # no syntax of Python 3.11

    assert Codec(names["Names"], path="x").encode(["a"]) == b'["a"]'
    with pytest.raises(DefinitionError, match=r"^PD117 x has type Missing, which cannot be resolved: name 'Undefined'"):
        Codec(names["Missing"], path="x")


# -- classes whose code runs when a value is read ----------------------------------------------------------------------


class Doubling:
    """A descriptor: what is assigned is not what is held."""

    def __get__(self, owner: object, kind: type) -> int:
        return 1 if owner is None else vars(owner)["_n"]

    def __set__(self, owner: object, n: int) -> None:
        vars(owner)["_n"] = n * 2


class Counted(type):
    def __call__(cls, *given: Any, **named: Any) -> Any:
        return super().__call__(*given, **named)


def with_method(name: str, **options: Any) -> Any:
    body = {"__annotations__": {"n": "int"}, "n": 0, name: lambda *_: None}
    return define(type("Hooked", (), body), **options)


RUNS_CODE: dict[str, tuple[Any, bool]] = {
    "attrs": (Open, False),
    "attrs, frozen, with a cached property": (Cached, False),
    "a dataclass": (Plain, False),
    "a recursive class": (Node, False),
    "a generic class in a list": (list[Page[Colour]], False),
    "no class": (dict[str, set[Literal["a"]]], False),
    "a validator, deep inside": (
        cast("Any", list)[attrs.make_class("V", {"n": attrs.field(type=int, validator=attrs.validators.lt(1))})], True,
    ),
    "__attrs_pre_init__": (with_method("__attrs_pre_init__"), True),
    "__attrs_post_init__": (with_method("__attrs_post_init__"), True),
    "__setattr__": (with_method("__setattr__"), True),
    "__new__": (with_method("__new__"), True),
    "__post_init__": (dataclasses.make_dataclass("P", [("n", int)], namespace={"__post_init__": lambda _: None}), True),
    "a descriptor in a field's place": (dataclasses.make_dataclass("D", [("n", int, Doubling())]), True),
    "a metaclass that makes its objects": (define(Counted("M", (), {"__annotations__": {"n": int}})), True),
    "a custom type": (Amount, True),
    "objects in a set, which hash by their fields": (set[Number], True),
    "objects as keys, inside a tuple": (dict[tuple[Number, int], int], True),
}  # fmt: skip


@pytest.mark.parametrize("case", RUNS_CODE.values(), ids=RUNS_CODE)
def test_a_codec_knows_whose_code_runs_when_a_value_is_read(case: tuple[Any, bool]) -> None:
    """What runs none is not read back before it is stored."""
    kind, expected = case

    assert Codec(kind, path="x").runs_code is expected


def record(*kinds: Any, frozen: bool = True) -> type[Any]:
    """A class with fields of these types."""
    return attrs.make_class(
        "R", {f"f{place}": attrs.field(type=kind) for place, kind in enumerate(kinds)}, frozen=frozen
    )


SHAREABLE: dict[str, tuple[Any, bool]] = {
    "frozen, of what cannot change": (
        record(int, str | None, bytes, Colour, Literal["a"], dt.datetime, decimal.Decimal),
        True,
    ),
    "frozen inside frozen, in a tuple": (record(cast("Any", tuple)[record(int), ...], frozenset[str]), True),
    "no fields": (record(), True),
    "not frozen": (record(int, frozen=False), False),
    "not frozen, deep inside": (record(cast("Any", tuple)[record(int, frozen=False), ...]), False),
    "a list": (record(list[int]), False),
    "a set": (record(set[int]), False),
    "a dict": (record(dict[str, int]), False),
    "a float, which may hold an int": (record(tuple[float, ...]), False),
    "a custom type": (record(Amount), False),
    "a validator": (
        attrs.make_class("V", {"n": attrs.field(type=int, validator=attrs.validators.lt(1))}, frozen=True),
        False,
    ),
}


@pytest.mark.parametrize("case", SHAREABLE.values(), ids=SHAREABLE)
def test_a_codec_knows_which_values_can_be_handed_on_as_they_are(case: tuple[Any, bool]) -> None:
    """What can be changed, or comes back as another type, is read back before a callback sees it."""
    kind, expected = case

    assert Codec(kind, path="x").is_shareable is expected
