"""What is encoded comes back as it was, type by type and byte by byte; what would not is refused, with its path."""

import datetime as dt
import functools
import types
import typing
from collections.abc import Mapping
from typing import IO, Annotated, Any, List, NamedTuple, Optional, Tuple, TypedDict, TypeVar, cast  # noqa: UP035  # old spellings must be judged too

import attrs
import pytest
from attrs import define, field, frozen

from statemachine.codec import DEPTH_MAX, Codec, describe, dumps, loads
from statemachine.errors import DataError, DefinitionError

# -- what is refused ---------------------------------------------------------------------------------------------------


@define
class Leaf:
    n: int = 0


@define
class Twig(Leaf):
    """A subclass: it has no place where its base is wanted."""


@define
class Tree:
    flag: bool = False
    count: int = 0
    share: float = 0.0
    name: str = ""
    nothing: None = None
    numbers: list[int] = field(factory=list[int])
    by_name: dict[str, int] = field(factory=dict[str, int])
    leaf: Leaf = field(factory=Leaf)
    leaves: list[Leaf] = field(factory=list[Leaf])
    maybe: int | None = None
    nested: dict[str, list[Leaf | None]] | None = None


@define
class Needy:
    must: int
    may: int = 0


TREE = Codec(Tree, path="Tree")
DICT = cast("Any", {1: 2})


class Text(str):
    """A subclass of text."""

    __slots__ = ()


# field, value, what is said about it
REFUSED_OUT: list[tuple[str, object, str]] = [
    ("flag", 1, "Tree.flag: expected true or false, got 1"),
    ("flag", "true", "Tree.flag: expected true or false, got 'true'"),
    ("flag", None, "Tree.flag: expected true or false, got None"),
    ("count", True, "Tree.count: expected an integer, got True"),
    ("count", 1.0, "Tree.count: expected an integer, got 1.0"),
    ("count", "1", "Tree.count: expected an integer, got '1'"),
    ("count", 2**63, "Tree.count: expected an integer of 64 bits, got 9223372036854775808"),
    ("count", -(2**63) - 1, "Tree.count: expected an integer of 64 bits, got -9223372036854775809"),
    ("share", True, "Tree.share: expected a number, got True"),
    ("share", "1.5", "Tree.share: expected a number, got '1.5'"),
    ("share", None, "Tree.share: expected a number, got None"),
    ("share", float("nan"), "Tree.share: expected a finite number, got NaN"),
    ("share", float("inf"), "Tree.share: expected a finite number, got inf"),
    ("share", float("-inf"), "Tree.share: expected a finite number, got -inf"),
    ("share", 2**53 + 1, "Tree.share: expected a number, got 9007199254740993"),
    ("share", 10**400, f"Tree.share: expected a number, got 1{'0' * 58}…"),
    ("name", 1, "Tree.name: expected text, got 1"),
    ("name", b"x", "Tree.name: expected text, got b'x'"),
    ("name", Text("x"), "Tree.name: expected text, got 'x'"),
    ("name", "\ud800", "Tree.name: text with a lone surrogate cannot be stored"),
    ("nothing", 0, "Tree.nothing: expected null, got 0"),
    ("numbers", (1, 2), "Tree.numbers: expected a list, got (1, 2)"),
    ("numbers", {1}, "Tree.numbers: expected a list, got {1}"),
    ("numbers", [1, "2"], "Tree.numbers[1]: expected an integer, got '2'"),
    ("by_name", [("a", 1)], "Tree.by_name: expected a dict, got [('a', 1)]"),
    ("by_name", DICT, "Tree.by_name: expected text, got 1"),
    ("by_name", {"\ud800": 1}, "Tree.by_name: text with a lone surrogate cannot be stored"),
    ("by_name", {"a": "1"}, "Tree.by_name['a']: expected an integer, got '1'"),
    ("leaf", {"n": 1}, "Tree.leaf: expected Leaf, got {'n': 1}"),
    ("leaf", Twig(1), "Tree.leaf: expected Leaf, got Twig(n=1)"),
    ("leaf", None, "Tree.leaf: expected Leaf, got None"),
    ("leaf", Leaf(cast("int", "1")), "Tree.leaf.n: expected an integer, got '1'"),
    ("leaves", [Leaf(), Twig()], "Tree.leaves[1]: expected Leaf, got Twig(n=0)"),
    ("maybe", "1", "Tree.maybe: expected an integer, got '1'"),
    ("nested", {"a": [None, Leaf(cast("int", 1.0))]}, "Tree.nested['a'][1].n: expected an integer, got 1.0"),
]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED_OUT)
def test_a_value_that_does_not_fit_is_not_encoded(name: str, value: object, message: str) -> None:
    with pytest.raises(DataError) as raised:
        TREE.encode(Tree(**{name: cast("Any", value)}))

    assert str(raised.value) == message


REFUSED_IN: list[tuple[str, str]] = [
    ('{"flag":1}', "Tree.flag: expected true or false, got 1"),
    ('{"flag":"false"}', 'Tree.flag: expected true or false, got "false"'),
    ('{"count":true}', "Tree.count: expected an integer, got true"),
    ('{"count":1.0}', "Tree.count: expected an integer, got 1.0"),
    ('{"count":"1"}', 'Tree.count: expected an integer, got "1"'),
    ('{"count":null}', "Tree.count: expected an integer, got null"),
    ('{"count":9223372036854775808}', "Tree.count: expected an integer of 64 bits, got 9223372036854775808"),
    ('{"share":true}', "Tree.share: expected a number, got true"),
    ('{"share":"1"}', 'Tree.share: expected a number, got "1"'),
    ('{"share":NaN}', "Tree.share: expected a finite number, got NaN"),
    ('{"share":Infinity}', "Tree.share: expected a finite number, got Infinity"),
    ('{"share":1e999}', "Tree.share: expected a finite number, got Infinity"),
    ('{"share":9007199254740993}', "Tree.share: expected a number, got 9007199254740993"),
    ('{"name":null}', "Tree.name: expected text, got null"),
    ('{"name":"\\ud800"}', "Tree.name: text with a lone surrogate cannot be stored"),
    ('{"nothing":false}', "Tree.nothing: expected null, got false"),
    ('{"numbers":"12"}', 'Tree.numbers: expected a list, got "12"'),
    ('{"numbers":{"0":1}}', 'Tree.numbers: expected a list, got {"0": 1}'),
    ('{"numbers":[1,[2]]}', "Tree.numbers[1]: expected an integer, got [2]"),
    ('{"by_name":[]}', "Tree.by_name: expected an object, got []"),
    ('{"by_name":{"a":"1"}}', "Tree.by_name['a']: expected an integer, got \"1\""),
    ('{"leaf":[]}', "Tree.leaf: expected an object, got []"),
    ('{"leaf":null}', "Tree.leaf: expected an object, got null"),
    ('{"leaf":{"m":1}}', "Tree.leaf: unknown fields: m"),
    ('{"nested":{"a":[null,{"n":"1"}]}}', "Tree.nested['a'][1].n: expected an integer, got \"1\""),
    ('{"z":1,"y":2}', "Tree: unknown fields: y, z"),
    ('{"flag":1,"count":"1"}', 'Tree.flag: expected true or false, got 1; Tree.count: expected an integer, got "1"'),
    ("[]", "Tree: expected an object, got []"),
    ("null", "Tree: expected an object, got null"),
    ("3", "Tree: expected an object, got 3"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED_IN)
def test_bytes_that_do_not_fit_are_not_decoded(text: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        TREE.decode(text.encode())

    assert str(raised.value) == message


@pytest.mark.parametrize("data", [b"", b"{", b"{'a':1}", b"\xff", b"[1,]", b'"\x80"'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^not JSON: "):
        TREE.decode(data)


def test_a_text_in_a_long_list_of_digits_is_no_crash() -> None:
    with pytest.raises(DataError, match=r"^not JSON: Exceeds the limit"):
        loads(b"1" * 10_000)


def test_a_missing_value_is_refused_where_there_is_no_default() -> None:
    codec = Codec(Needy, path="Needy")

    assert codec.decode(b'{"must":1}') == Needy(1, 0)
    with pytest.raises(DataError, match=r"^Needy\.must: a value is missing and there is no default$"):
        codec.decode(b'{"may":1}')


def test_another_object_than_the_codecs_is_not_encoded() -> None:
    for value in (None, Leaf(), {"flag": True}, Tree):
        with pytest.raises(DataError, match=r"^Tree: expected Tree, got "):
            TREE.encode(cast("Tree", value))


def test_an_object_without_one_of_its_attributes_is_not_encoded() -> None:
    tree = Tree()
    del tree.count

    with pytest.raises(DataError, match=r"^Tree\.count: expected an integer, got NOTHING$"):
        TREE.encode(tree)


def test_a_validator_that_says_no_is_named() -> None:
    @define
    class Small:
        n: int = field(default=0, validator=attrs.validators.lt(10))

    with pytest.raises(DataError, match=r"^Small: 'n' must be < 10: 11"):
        Codec(Small, path="Small").decode(b'{"n":11}')


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_the_canonical_form() -> None:
    tree = Tree(name="é\n", share=1e22, by_name={"b": 1, "a": 2}, leaves=[Leaf(1)], maybe=0)

    assert TREE.encode(tree).decode() == (
        '{"flag":false,"count":0,"share":1e+22,"name":"é\\n","nothing":null,"numbers":[],"by_name":{"b":1,"a":2},'
        '"leaf":{"n":0},"leaves":[{"n":1}],"maybe":0,"nested":null}'
    )


def test_a_negative_zero_stays_one() -> None:
    back = TREE.decode(TREE.encode(Tree(share=-0.0)))

    assert str(back.share) == "-0.0"


@pytest.mark.parametrize("number", [3, -3, 2**53, 0])
def test_an_integer_in_the_place_of_a_float_becomes_that_float(number: int) -> None:
    back = TREE.decode(TREE.encode(Tree(share=number)))

    assert (back.share, type(back.share)) == (number, float)
    assert type(TREE.decode(b'{"share":%d}' % number).share) is float


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
def test_the_ends_of_64_bits_are_kept(number: int) -> None:
    assert TREE.decode(TREE.encode(Tree(count=number))).count == number


def test_a_private_field_is_stored_under_its_own_name() -> None:
    @define
    class Secret:
        _inner: int = 0
        other: int = field(default=0, alias="given")

    codec = Codec(Secret, path="Secret")

    secret = codec.decode(b'{"_inner":1,"other":2}')

    assert (secret._inner, secret.other) == (1, 2)
    assert codec.encode(secret) == b'{"_inner":1,"other":2}'


# -- depth -------------------------------------------------------------------------------------------------------------


@define
class Chain:
    inner: "Chain | None" = None
    others: list["Chain"] = field(factory=list["Chain"])


def chained(length: int) -> Chain:
    return functools.reduce(lambda inner, _: Chain(inner), range(length - 1), Chain())


def test_as_deep_as_the_limit_comes_back() -> None:
    codec = Codec(Chain, path="Chain")
    deepest = chained(DEPTH_MAX - 1)  # its innermost list is one more level

    assert codec.decode(codec.encode(deepest)) == deepest


def test_deeper_than_the_limit_is_refused_both_ways() -> None:
    codec = Codec(Chain, path="Chain")

    with pytest.raises(DataError, match=r"^Chain: nested deeper than 100 levels, "):
        codec.encode(chained(DEPTH_MAX))
    with pytest.raises(DataError, match=r"^Chain: nested deeper than 100 levels, "):
        codec.decode(b'{"inner":' * DEPTH_MAX + b"{}" + b"}" * DEPTH_MAX)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop = Chain()
    loop.others.append(loop)

    with pytest.raises(DataError, match=r"^Chain: nested "):
        Codec(Chain, path="Chain").encode(loop)


def test_absurd_depth_is_refused_and_no_crash() -> None:
    codec = Codec(Chain, path="Chain")

    with pytest.raises(DataError, match="nested"):
        codec.encode(chained(5_000))
    with pytest.raises(DataError):
        codec.decode(b'{"inner":' * 100_000)
    with pytest.raises(DataError, match="nested"):
        dumps(functools.reduce(lambda inner, _: [inner], range(100_000), cast("Any", [])))


# -- types that are refused --------------------------------------------------------------------------------------------

LISTED = (
    "which cannot be stored without loss. Use bool, int, float, str, bytes, None, datetime, date, time, timedelta, "
    "UUID, Decimal, Enum, Literal, list[…], tuple[…], set[…], frozenset[…], dict[…, …], unions, attrs classes and "
    "dataclasses of these, or Annotated[…, CustomType(…)]."
)
T = TypeVar("T")


@define
class Box(typing.Generic[T]):
    x: T


class Plainly:
    """Neither attrs class nor dataclass."""


class Pair(NamedTuple):
    a: int


class Typed(TypedDict):
    a: int


UNLISTED: list[tuple[Any, str]] = [
    (complex, "D.x has type <class 'complex'>"),
    (Any, "D.x has type typing.Any"),
    (object, "D.x has type <class 'object'>"),
    (list, "D.x has type <class 'list'>"),
    (List, "D.x has type typing.List"),  # noqa: UP006  # the old spelling is the point
    (tuple, "D.x has type <class 'tuple'>"),
    (Tuple, "D.x has type typing.Tuple"),  # noqa: UP006  # the old spelling is the point
    (set, "D.x has type <class 'set'>"),
    (dict, "D.x has type <class 'dict'>"),
    (typing.Dict, "D.x has type typing.Dict"),  # noqa: UP006  # the old spelling is the point
    (list[set[complex]], "D.x[][] has type <class 'complex'>"),
    (dict[complex, str], "D.x key has type <class 'complex'>"),
    (dict[str, set[complex]], "D.x{}[] has type <class 'complex'>"),
    (tuple[int, complex], "D.x[1] has type <class 'complex'>"),
    (complex | None, "D.x has type <class 'complex'>"),
    (IO[str], "D.x has type typing.IO[str]"),
    (Mapping[str, int], "D.x has type collections.abc.Mapping[str, int]"),
    (bytearray, "D.x has type <class 'bytearray'>"),
    (dt.tzinfo, "D.x has type <class 'datetime.tzinfo'>"),
    (Annotated[int, []], "D.x has type typing.Annotated[int, []]"),
    ([int], "D.x has type [<class 'int'>]"),
    (T, "D.x has type ~T"),
    (Box, "D.x.x has type ~T"),
    (Box[complex], "D.x.x has type <class 'complex'>"),
    (types.SimpleNamespace, "D.x has type <class 'types.SimpleNamespace'>"),
    (Plainly, "D.x has type <class 'tests.test_codec.Plainly'>"),
    (Pair, "D.x has type <class 'tests.test_codec.Pair'>"),
    (Typed, "D.x has type <class 'tests.test_codec.Typed'>"),
    (dt.time.__class__, "D.x has type <class 'type'>"),
]


@pytest.mark.parametrize(("kind", "message"), UNLISTED, ids=[message for _, message in UNLISTED])
def test_a_type_that_cannot_be_stored_is_refused_with_its_path(kind: Any, message: str) -> None:
    made = attrs.make_class("D", {"x": attrs.field(type=kind)})

    with pytest.raises(DefinitionError) as raised:
        Codec(made, path="D")

    assert str(raised.value) == f"PD117 {message}, {LISTED}"


def test_the_path_leads_into_nested_classes() -> None:
    inner = attrs.make_class("Inner", {"at": attrs.field(type=complex)})
    outer = attrs.make_class("Outer", {"all": attrs.field(type=cast("Any", dict)[str, cast("Any", list)[inner]])})

    with pytest.raises(DefinitionError, match=r"^PD117 Outer\.all\{\}\[\]\.at has type <class 'complex'>"):
        Codec(outer, path="Outer")


def test_a_field_without_a_type_is_refused() -> None:
    made = attrs.make_class("D", ["x"])

    with pytest.raises(DefinitionError, match=r"^PD117 D\.x has no type\. Annotate it\.$"):
        Codec(made, path="D")


def test_a_field_that_init_does_not_take_is_refused() -> None:
    @define
    class Late:
        x: int = field(default=0, init=False)

    with pytest.raises(DefinitionError) as raised:
        Codec(Late, path="Late")

    assert str(raised.value) == "PD117 Late.x is not set by __init__, so it cannot be restored. Drop init=False."


def grown(given: int) -> int:
    return given + 1


def test_a_field_with_a_converter_is_refused_because_it_would_convert_again() -> None:
    @define
    class Growing:
        x: int = field(default=0, converter=grown)

    with pytest.raises(DefinitionError) as raised:
        Codec(Growing, path="Growing")

    assert str(raised.value) == (
        "PD117 Growing.x has a converter, which would run again on what was stored. Convert before, or in a method."
    )


def test_a_name_that_cannot_be_resolved_is_named() -> None:
    made = attrs.make_class("D", {"x": attrs.field(type=cast("Any", "Nowhere"))})

    with pytest.raises(DefinitionError) as raised:
        Codec(made, path="D")

    assert str(raised.value) == (
        "PD117 D: a type cannot be resolved: name 'Nowhere' is not defined. Define it at module level."
    )


def test_an_annotation_that_is_no_expression_is_named() -> None:
    made = attrs.make_class("D", {"x": attrs.field(type=cast("Any", "int |"))})

    with pytest.raises(DefinitionError, match=r"^PD117 D: a type cannot be resolved: .*int \|"):
        Codec(made, path="D")


@pytest.mark.parametrize("kind", [List[int], Optional[int], None | int, "int | None", Optional[List["Leaf"]]])  # noqa: UP006, UP045  # old spellings
def test_old_spellings_are_as_good(kind: Any) -> None:
    made = attrs.make_class("D", {"x": attrs.field(type=kind)})
    made.__module__ = __name__

    Codec(made, path="D")


# -- descriptions and digests ------------------------------------------------------------------------------------------


def test_a_description_says_names_types_and_which_fields_have_defaults() -> None:
    assert describe(Needy, path="Needy") == {"fields": [["must", "int", False], ["may", "int", True]]}
    assert describe(Chain, path="Chain") == {
        "fields": [
            ["inner", {"optional": {"again": 0}}, True],
            ["others", {"list": {"again": 0}}, True],
        ]
    }
    assert describe(dict[str, float | None] | None, path="x") == {"optional": {"dict": ["str", {"optional": "float"}]}}


def event(**fields: Any) -> Any:
    """An object of a class named Event with these fields, each a (type, value) or (type, value, default)."""
    members = {
        name: attrs.field(type=kind, **({"default": default[0]} if default else {}))
        for name, (kind, _, *default) in fields.items()
    }
    kind = attrs.make_class("Event", members, kw_only=True)
    return kind(**{name: value for name, (_, value, *_) in fields.items()})


def digest(value: Any, *, name: str = "Event") -> bytes:
    return Codec(type(value), path="Event").digest(name, value)


ONE = event(a=(int, 1), b=(str, "x"))
SAME = [
    ("the order of fields", event(b=(str, "x"), a=(int, 1))),
    ("a new field with a default that is left alone", event(a=(int, 1), b=(str, "x"), c=(int, 7, 7))),
    ("a new default that is not what was sent", event(a=(int, 1, 2), b=(str, "x"))),
]
OTHER = [
    ("another value", event(a=(int, 2), b=(str, "x"))),
    ("another type of the same value", event(a=(float, 1.0), b=(str, "x"))),
    ("another name of a field", event(c=(int, 1), b=(str, "x"))),
    ("a new field that is not its default", event(a=(int, 1), b=(str, "x"), c=(int, 8, 7))),
    ("None in place of a value", event(a=(int | None, None), b=(str, "x"))),
]


@pytest.mark.parametrize("value", [one[1] for one in SAME], ids=[one[0] for one in SAME])
def test_an_honest_retry_has_the_same_digest(value: Any) -> None:
    assert digest(value) == digest(ONE)


@pytest.mark.parametrize("value", [one[1] for one in OTHER], ids=[one[0] for one in OTHER])
def test_another_payload_has_another_digest(value: Any) -> None:
    assert digest(value) != digest(ONE)


def test_another_event_with_the_same_fields_has_another_digest() -> None:
    assert digest(ONE, name="Other") != digest(ONE)


def test_the_order_of_a_dict_is_no_difference_and_that_of_a_list_is() -> None:
    @frozen
    class Sent:
        by_name: dict[str, int] = field(factory=dict[str, int])
        numbers: list[int] = field(factory=list[int])

    assert digest(Sent(by_name={"a": 1, "b": 2})) == digest(Sent(by_name={"b": 2, "a": 1}))
    assert digest(Sent(numbers=[1, 2])) != digest(Sent(numbers=[2, 1]))


def test_a_new_defaulted_field_of_a_nested_class_is_no_difference() -> None:
    older = attrs.make_class("Part", {"n": attrs.field(type=int)})
    newer = attrs.make_class("Part", {"n": attrs.field(type=int), "m": attrs.field(type=int, default=0)})

    assert digest(event(part=(older, older(1)))) == digest(event(part=(newer, newer(1))))
    assert digest(event(part=(older, older(1)))) != digest(event(part=(newer, newer(1, 2))))


def test_an_integer_for_a_float_has_the_digest_of_the_float() -> None:
    assert digest(event(a=(float, 3))) == digest(event(a=(float, 3.0)))
