"""`Json`, any JSON value as the type of a field: it comes back as it was, or is refused with its path."""

import math

import pytest
from attrs import define, field

from statemachine import DataError
from statemachine.codec import Codec, Json
from tests.codecs import without_orjson


@define
class Held:
    values: dict[str, Json] = field(factory=dict[str, Json])
    one: Json = None


CODECS = [Codec(Held, path="value"), without_orjson(Held)]
VALUE = Held({"a": [1, 2.0, 1e-05, True, None, "é", {"b": []}]}, [[]])


@pytest.mark.parametrize("codec", CODECS)
def test_any_json_value_comes_back_as_it_was(codec: Codec[Held]) -> None:
    data = codec.encode(VALUE)

    assert data.decode() == '{"values":{"a":[1,2.0,1e-05,true,null,"é",{"b":[]}]},"one":[[]]}'
    assert codec.decode(data) == VALUE
    assert codec.encode(codec.decode(data)) == data


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ((1,), "value.one: expected bool or int or float or str or list or dict or None, got (1,)"),
        ([{1: 2}], "value.one[0]: expected text, got 1"),
        ([math.nan], "value.one[0]: expected a finite number, got NaN"),
        ([2**63], "value.one[0]: expected an integer of 64 bits, got 9223372036854775808"),
        ("\ud800", "value.one: text with a lone surrogate cannot be stored"),
    ],
)
def test_what_is_no_json_is_refused(codec: Codec[Held], value: Json, reason: str) -> None:
    with pytest.raises(DataError) as raised:
        codec.encode(Held({}, value))
    assert str(raised.value) == reason


def test_a_value_that_holds_itself_is_refused() -> None:
    inner: list[Json] = []
    inner.append(inner)

    with pytest.raises(DataError, match="nested deeper than"):
        CODECS[0].encode(Held({}, inner))


def test_it_has_one_word_in_fingerprints_and_any_value_in_schemas() -> None:
    assert CODECS[0].description == {"fields": [["values", {"dict": ["str", "json"]}, True], ["one", "json", True]]}
    assert CODECS[0].schema()["properties"] == {
        "values": {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {}},
        "one": {"default": None},
    }


def test_digests_tell_values_apart_and_no_order_of_keys() -> None:
    codec = CODECS[0]

    assert codec.digest("x", Held({}, {"a": 1, "b": 2})) == codec.digest("x", Held({}, {"b": 2, "a": 1}))
    assert codec.digest("x", Held({}, [1])) != codec.digest("x", Held({}, [True]))
