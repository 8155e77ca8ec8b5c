"""What the codec accepts its JSON Schema accepts; the reverse holds but for a listed set."""

import dataclasses
import datetime as dt
import decimal
import json
import uuid
from typing import Any

import attrs
import pytest
from attrs import define, field, frozen
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from statemachine.codec import DEPTH_MAX, Codec
from statemachine.errors import DataError
from tests.codecs import Amount, Colour, Node, Page, types, valued
from tests.test_codec_properties import PLAIN

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def judge(codec: Codec[Any]) -> Any:
    Draft202012Validator.check_schema(codec.schema())
    return Draft202012Validator(codec.schema())


@SLOW
@given(case=valued())
def test_what_the_codec_writes_the_schema_accepts(case: tuple[type[Any], Any]) -> None:
    kind, value = case
    codec = Codec(kind, path="value")

    assert judge(codec).is_valid(json.loads(codec.encode(value)))


@SLOW
@given(case=types(), plain=PLAIN)
def test_what_the_codec_reads_the_schema_accepts(case: tuple[Any, Any], plain: object) -> None:
    codec = Codec(case[0], path="value")

    assert judge(codec).is_valid(plain) or not is_read(codec, plain)


def is_read(codec: Codec[Any], plain: object) -> bool:
    try:
        codec.structure(plain)
    except DataError:
        return False
    return True


REFUSED_BY_BOTH: list[tuple[Any, object]] = [
    (int, "1"), (int, 1.5), (int, True), (int, 2**63), (bool, 1), (bool, "true"), (float, "1"), (float, True), (str, 1),
    (str, None), (None, 0), (bytes, "a"), (bytes, "???="), (dt.datetime, "2026-01-01"),
    (dt.datetime, "2026-01-01T00:00:00Z"), (dt.date, "2026-13-01"), (dt.time, "24:00:00"), (dt.timedelta, "PT1S"),
    (uuid.UUID, "0198C0DE-0000-7000-8000-000000000000"), (decimal.Decimal, 1), (decimal.Decimal, "NaN"),
    (Colour, "PINK"), (Colour, 1), (list[int], [1, "2"]), (list[int], {}), (set[int], [1, 1]), (tuple[int, str], [1]),
    (tuple[int, str], [1, "a", "b"]), (tuple[()], [1]), (dict[str, int], {"a": "1"}), (dict[int, int], {"01": 1}),
    (dict[float, int], [[1.5]]), (int | None, "1"), (int | str, 1.5), (Node, {"nam": ""}), (Page[int], {}),
    (Node | Page[int], {"first": 1}), (Node | Page[int], {"$type": "Node", "first": 1}), (Amount, "1"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "plain"), REFUSED_BY_BOTH, ids=[str(one[1]) for one in REFUSED_BY_BOTH])
def test_what_does_not_fit_is_refused_by_both(kind: Any, plain: object) -> None:
    codec: Codec[Any] = Codec(kind, path="value")

    assert not is_read(codec, plain)
    assert not judge(codec).is_valid(plain)


@define
class Small:
    """A class with a rule of its own."""

    n: int = field(default=0, validator=attrs.validators.lt(10))


@frozen
class Point:
    x: float = 0.0


def nested(depth: int) -> object:
    plain: object = {}
    for _ in range(depth):
        plain = {"by_name": {"1": plain}}
    return plain


# what only the schema accepts, and why it cannot say it
ACCEPTED_BY_SCHEMA_ONLY: dict[str, tuple[Any, object]] = {
    "an integral float for an integer": (int, 1.0),
    "an integer that no float holds": (float, 2**53 + 1),
    "an integer beyond 64 bits for a float": (float, 2**64),
    "an infinite number": (float, float("inf")),
    "a lone surrogate": (str, "\ud800"),
    "a day that does not exist": (dt.date, "2026-02-30"),
    "an hour of a day that does not exist": (dt.datetime, "2026-02-30T00:00:00"),
    "a year that does not exist": (dt.date, "0000-01-01"),
    "microseconds that are written and zero": (dt.time, "12:00:00.000000"),
    "an offset of seconds that are written and zero": (dt.time, "12:00:00+01:00:00"),
    "base64 with bits left over": (bytes, "AB=="),
    "another text of a Decimal": (decimal.Decimal, "0E+0"),
    "two texts of one value in a set": (set[decimal.Decimal], ["1.0", "1.00"]),
    "two texts of one key": (dict[decimal.Decimal, int], {"1.0": 1, "1.00": 1}),
    "one value twice among numbers of two kinds": (set[int | float], [1, 1]),
    "one object twice": (set[Point], [{"x": 1.5}, {"x": 1.5}]),
    "one key in two pairs": (dict[float, int], [[1.5, 1], [1.5, 2]]),
    "a key beyond 64 bits": (dict[int, int], {str(2**63): 1}),
    "what a validator refuses": (Small, {"n": 11}),
    "what is nested too deep": (Node, nested(DEPTH_MAX)),
    "a line break at the end, for readers whose $ lets it pass": (dt.date, "2026-01-01\n"),
}


@pytest.mark.parametrize("case", ACCEPTED_BY_SCHEMA_ONLY.values(), ids=ACCEPTED_BY_SCHEMA_ONLY)
def test_the_schema_alone_accepts(case: tuple[Any, object]) -> None:
    kind, plain = case
    codec: Codec[Any] = Codec(kind, path="value")

    assert not is_read(codec, plain)
    assert judge(codec).is_valid(plain)


@frozen
class Approve:
    """A manager says yes.

    It cannot be taken back.
    """

    by: str
    limit: decimal.Decimal = decimal.Decimal("1.10")
    tags: list[str] = field(factory=list[str])


@dataclasses.dataclass(frozen=True)
class Bare:
    approved: Approve | None = None


def test_the_schema_of_an_event() -> None:
    assert Codec(Bare, path="Bare").schema() == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bare",
        "type": "object",
        "properties": {"approved": {"anyOf": [{"$ref": "#/$defs/Approve"}, {"type": "null"}], "default": None}},
        "required": [],
        "additionalProperties": False,
        "$defs": {
            "Approve": {
                "title": "Approve",
                "description": "A manager says yes.\n\nIt cannot be taken back.",
                "type": "object",
                "properties": {
                    "by": {"type": "string"},
                    "limit": {"type": "string", "pattern": r"^-?(0|[1-9]\d*)(\.\d+)?(E[+-]\d+)?$", "default": "1.10"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["by"],
                "additionalProperties": False,
            }
        },
    }
