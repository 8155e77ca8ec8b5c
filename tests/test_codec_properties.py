"""Over generated classes of the whole list: what is accepted comes back as it was, what is not is never written."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statemachine.codec import Codec
from statemachine.errors import DataError
from tests.codecs import Money, deep, types, valued, without_orjson

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@SLOW
@given(case=valued())
def test_what_is_encoded_comes_back_as_it_was(case: tuple[type[Any], Any]) -> None:
    kind, value = case
    codec = Codec(kind, path="value")

    written = codec.encode(value)
    back = codec.decode(written)

    assert back == value
    assert deep(back) == deep(value)
    assert codec.encode(back) == written
    assert codec.digest("Made", back) == codec.digest("Made", value)


@SLOW
@given(case=valued())
def test_the_bytes_are_the_same_without_orjson(case: tuple[type[Any], Any]) -> None:
    check_without_orjson(*case)


@pytest.mark.long
@settings(SLOW, max_examples=300)
@given(case=valued())
def test_the_bytes_are_the_same_without_orjson_over_many(case: tuple[type[Any], Any]) -> None:
    check_without_orjson(*case)


def check_without_orjson(kind: type[Any], value: Any) -> None:
    with_it, without = Codec(kind, path="value"), without_orjson(kind)

    written = with_it.encode(value)

    assert without.encode(value) == written
    assert deep(without.decode(written)) == deep(value)


JUNK = st.sampled_from(
    [
        float("nan"),
        float("inf"),
        "\ud800",
        2**63,
        -(2**63) - 1,
        b"",
        object(),
        {"a": {1}},
        [[]],
        Money(1),
        1j,
        "\0",
        -0.0,
    ]
)


@SLOW
@given(data=st.data())
def test_a_value_of_another_type_is_refused_or_comes_back_equal(data: st.DataObject) -> None:
    kind, _ = data.draw(types())
    _, others = data.draw(types())
    value = data.draw(others | JUNK)
    with_it, without = Codec(kind, path="value"), without_orjson(kind)

    written, again = outcome(with_it.encode, value), outcome(without.encode, value)

    assert written == again
    if isinstance(written, bytes):
        assert with_it.decode(written) == value
        assert with_it.encode(with_it.decode(written)) == written


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["RED", "a", "1.0", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["f0", "_f1", "f1", "f2", "$type", "first", "held", "named", "1"]), inner)
    ),
    max_leaves=8,
)


@SLOW
@given(case=types(), plain=PLAIN)
def test_plain_data_is_refused_or_is_the_plain_form_of_a_value(case: tuple[Any, Any], plain: object) -> None:
    codec, without = Codec(case[0], path="value"), without_orjson(case[0])
    text = json.dumps(plain).encode()

    value, again = outcome(codec.decode, text), outcome(without.decode, text)

    assert deep(value) == deep(again)
    if isinstance(value, Refusal):
        assert value.startswith(("value", "not JSON"))
    else:
        assert deep(codec.decode(codec.encode(value))) == deep(value)


class Refusal(str):
    """Why there is no result."""

    __slots__ = ()


def outcome(function: Callable[[Any], object], given: Any) -> object:
    try:
        return function(given)
    except DataError as error:
        return Refusal(error)


@settings(max_examples=2_000, deadline=None)
@given(number=st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e17, 1e17) | st.floats(-1e-3, 1e-3))
def test_a_float_is_written_as_python_writes_it(number: float) -> None:
    assert FLOATS.encode([number]).decode() == f"[{number!r}]"
    assert deep(FLOATS.decode(FLOATS.encode([number]))) == deep([number])


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_a_text_is_written_as_json_writes_it(text: str) -> None:
    assert TEXTS.encode([text]) == without_orjson(list[str]).encode([text])


FLOATS: Codec[Any] = Codec(list[float], path="value")
TEXTS: Codec[Any] = Codec(list[str], path="value")
