"""Frozen values: they check as strictly as bytes, give values of one's own, and are told apart as the bytes are."""

import enum
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, cast

import pytest
from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statemachine._codec.freezing import is_told_apart
from statemachine._codec.kinds import Kind
from statemachine._codec.resolving import resolve
from statemachine.codec import Codec
from statemachine.errors import DataError
from tests.codecs import classes, deep, types, valued
from tests.test_codec_properties import JUNK

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
MANY = settings(SLOW, max_examples=300)


def check_round_trip(codec: Codec[Any], value: Any) -> None:
    frozen = codec.freeze(value)
    one, other = codec.thaw(frozen), codec.thaw(frozen)

    assert deep(one) == deep(value)
    assert codec.encode(one) == codec.encode(value)
    assert codec.is_same(codec.freeze(one), frozen)
    spoil(one)
    assert deep(other) == deep(value)
    assert deep(codec.thaw(frozen)) == deep(value)


def spoil(value: Any) -> None:
    """Change whatever can be changed inside a value."""
    if isinstance(value, list | tuple):
        for one in value:
            spoil(one)
    if isinstance(value, dict):
        for one in value.values():
            spoil(one)
    if isinstance(value, list | dict | set):
        value.clear()
    for name in getattr(type(value), "__annotations__", {}):
        spoil(getattr(value, name, None))


@SLOW
@given(case=valued())
def test_what_is_thawed_is_the_value_and_nobody_elses(case: tuple[type[Any], Any]) -> None:
    check_round_trip(Codec(case[0], path="value"), case[1])


@pytest.mark.long
@MANY
@given(case=valued())
def test_what_is_thawed_is_the_value_and_nobody_elses_over_many(case: tuple[type[Any], Any]) -> None:
    check_round_trip(Codec(case[0], path="value"), case[1])


def test_the_check_finds_a_value_that_is_shared() -> None:
    """Negative control: thawing that hands out the same object again."""
    codec: Codec[Any] = Codec(list[list[int]], path="value")
    value = codec.thaw(codec.freeze([[1], [2]]))
    codec.thaw = lambda _: value

    with pytest.raises(AssertionError):
        check_round_trip(codec, [[1], [2]])


@SLOW
@given(data=st.data())
def test_what_is_frozen_is_what_is_encoded(data: st.DataObject) -> None:
    """A value of another type, or of none: refused by both in the same words, or by neither."""
    kind, _ = data.draw(types())
    _, others = data.draw(types())
    value = data.draw(others | JUNK)
    codec = Codec(kind, path="value")

    written, frozen = outcome(codec.encode, value), outcome(codec.freeze, value)

    assert isinstance(written, Refusal) == isinstance(frozen, Refusal)
    if isinstance(written, Refusal):
        assert frozen == written
    else:
        assert codec.encode(codec.thaw(frozen)) == written


class Refusal(str):
    """Why there is no result."""

    __slots__ = ()


def outcome(function: Callable[[Any], object], given: Any) -> object:
    try:
        return function(given)
    except DataError as error:
        return Refusal(error)


class Rank(enum.IntEnum):
    LOW = 1


class Odd(enum.Enum):
    """Says of itself that it is equal to anything."""

    ONE = 1
    TWO = 2

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1


class Alike(enum.Enum):
    """Says of itself that it differs from nothing."""

    ONE = 1
    TWO = 2

    def __ne__(self, other: object) -> bool:
        return False


@define
class Loose:
    at: datetime
    price: Decimal
    share: float
    flag: bool | int = False
    word: Literal[1, True] = 1
    rank: Rank | int = 0
    odd: Odd = Odd.ONE
    inner: list[dict[str, float | None]] = field(factory=list[dict[str, float | None]])


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON.astimezone(timezone(timedelta(hours=1)))


EQUAL_BUT_STORED_DIFFERENTLY = [
    (Loose(NOON, Decimal(1), 0.0), Loose(LATER, Decimal(1), 0.0)),
    (Loose(NOON, Decimal("1.0"), 0.0), Loose(NOON, Decimal("1.00"), 0.0)),
    (Loose(NOON, Decimal(1), 0.0), Loose(NOON, Decimal(1), -0.0)),
    (Loose(NOON, Decimal(1), 0.0, flag=1), Loose(NOON, Decimal(1), 0.0, flag=True)),
    (Loose(NOON, Decimal(1), 0.0, word=1), Loose(NOON, Decimal(1), 0.0, word=True)),
    (Loose(NOON, Decimal(1), 0.0, rank=1), Loose(NOON, Decimal(1), 0.0, rank=Rank.LOW)),
    (Loose(NOON, Decimal(1), 0.0, odd=Odd.ONE), Loose(NOON, Decimal(1), 0.0, odd=Odd.TWO)),
    (Loose(NOON, Decimal(1), 0.0, inner=[{"a": 0.0}]), Loose(NOON, Decimal(1), 0.0, inner=[{"a": -0.0}])),
]


@pytest.mark.parametrize(("one", "other"), EQUAL_BUT_STORED_DIFFERENTLY)
def test_values_that_are_equal_and_stored_differently_are_told_apart(one: Loose, other: Loose) -> None:
    codec = Codec(Loose, path="data")
    assert one == other
    assert codec.encode(one) != codec.encode(other)

    assert not codec.is_same(codec.freeze(one), codec.freeze(other))
    assert codec.is_same(codec.freeze(one), codec.freeze(codec.thaw(codec.freeze(one))))


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        *((int, True), (list[str], True), (Rank, True), (float, False), (int | bool, False)),
        *((dict[str, datetime], False), (Rank | int, False), (list[Odd], False), (Rank | None, True)),
        *((Alike, False), (list[Alike], False)),
    ],
)
def test_a_kind_says_whether_equal_values_are_stored_alike(kind: Any, *, answer: bool) -> None:
    found: Kind = resolve(kind, "x").kind
    assert is_told_apart(found) is answer


@SLOW
@given(data=st.data())
def test_frozen_again_a_value_is_what_it_is_frozen_alone(data: st.DataObject) -> None:
    """Given the frozen form of any other value of its class, it is checked and kept as strictly as without."""
    kind, values = classes(data.draw(st.lists(types(), min_size=1, max_size=4)))
    check_again(Codec(kind, path="value"), data.draw(st.lists(values, min_size=2, max_size=4)))


@pytest.mark.parametrize("pair", EQUAL_BUT_STORED_DIFFERENTLY)
def test_frozen_again_equal_values_that_are_stored_differently_stay_apart(pair: "tuple[Loose, Loose]") -> None:
    check_again(Codec(Loose, path="data"), list(pair))


def test_the_check_finds_a_value_that_is_taken_for_the_earlier_one() -> None:
    """Negative control: freezing again by what is equal, and not by what is the very same."""
    codec: Codec[Any] = Codec(Loose, path="data")
    exact = codec.refreeze
    codec.refreeze = lambda value, earlier: earlier if codec.thaw(earlier) == value else exact(value, earlier)

    with pytest.raises(AssertionError):
        check_again(codec, list(EQUAL_BUT_STORED_DIFFERENTLY[0]))


def check_again(codec: Codec[Any], values: list[Any]) -> None:
    """Freeze each value given the form of the one before it, and each again, unchanged and spoilt."""
    earlier: Any = codec.freeze(values[0])
    for value in values:
        frozen = codec.refreeze(value, earlier)
        assert codec.encode(codec.thaw(frozen)) == codec.encode(value)
        assert codec.is_same(frozen, codec.freeze(value))
        thawed = codec.thaw(frozen)
        assert codec.is_same(codec.refreeze(thawed, frozen), frozen)
        earlier = frozen


@define
class Pair:
    first: int = 0
    second: str = "é"


@define
class Holder:
    pairs: list[Pair] = field(factory=lambda: [Pair(), Pair(1)])
    words: list[str] = field(factory=lambda: ["a", "b"])
    one: Pair = field(factory=Pair)
    flag: bool = False


def test_what_was_not_replaced_comes_back_as_the_earlier_form_itself() -> None:
    codec = Codec(Holder, path="data")
    earlier: Any = codec.freeze(Holder())
    again: Any = codec.thaw(earlier)

    assert codec.refreeze(again, earlier) is earlier
    again.pairs.append(Pair(2))
    pairs, words, *_ = cast("tuple[Any, ...]", earlier)
    grown = cast("tuple[Any, ...]", codec.refreeze(again, earlier))
    assert grown is not earlier
    assert grown[0][:2] == pairs
    assert grown[1] is words
    again.pairs.clear()
    emptied = cast("tuple[Any, ...]", codec.refreeze(again, grown))
    assert emptied[0] == ()


@pytest.mark.parametrize(
    "spoil_one",
    [
        lambda data: data.pairs.append("no pair"),
        lambda data: setattr(data.pairs[1], "first", True),
        lambda data: setattr(data.pairs[0], "second", "\ud800"),
        lambda data: setattr(data.one, "first", 1 << 63),
        lambda data: data.words.append(1),
        lambda data: setattr(data, "words", ("a", "b")),
        lambda data: setattr(data, "pairs", tuple(data.pairs)),
        lambda data: setattr(data, "flag", 0),
        lambda data: setattr(data, "one", None),
    ],
)
def test_what_does_not_fit_is_refused_in_the_same_words_as_alone(spoil_one: Callable[[Any], None]) -> None:
    codec = Codec(Holder, path="data")
    earlier: Any = codec.freeze(Holder())
    data = codec.thaw(earlier)
    spoil_one(data)

    again = outcome(lambda value: codec.refreeze(value, earlier), data)

    assert isinstance(again, Refusal)
    assert again == outcome(codec.freeze, data)
