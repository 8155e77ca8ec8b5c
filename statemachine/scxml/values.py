"""Values of the data model, and how ECMAScript (ECMA-262, chapter 7) converts and compares them. Pure.

They are what JSON has: null, booleans, numbers, texts, lists, objects; and `UNDEFINED`, which is never stored. Numbers
are doubles: one that is whole and below 2^53 is held as an `int`, so that it is stored as one.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any, TypeAlias, cast

__all__ = [
    "UNDEFINED",
    "Undefined",
    "Value",
    "add",
    "as_json",
    "compare",
    "equals",
    "is_true",
    "number",
    "number_of",
    "same",
    "text_of",
    "type_name",
]

WHOLE_MAX = 2**53
EXPONENT_MIN, EXPONENT_MAX = -6, 21  # between them a number is written without one; Python's are -4 and 16
_NUMBER = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_DIGITS_MAX = 400  # of a text that is read as a number: beyond them a double has no more to say


class Undefined:
    """The type of `UNDEFINED`."""

    def __repr__(self) -> str:
        """Return the word of the language."""
        return "undefined"


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
UNDEFINED = Undefined()
"""What a variable is that was never assigned, and a part that is not there."""

Value: TypeAlias = Any  # the union is recursive, and each use would be a cast: operators take whatever there is


def number(value: float) -> int | float:
    """Return a double as it is held. Pure."""
    if value == 0:
        return value if math.copysign(1, value) < 0 else 0
    return int(value) if abs(value) < WHOLE_MAX and value.is_integer() else value


def is_true(value: Value) -> bool:
    """Return what a condition makes of a value. Pure."""
    if value is None or value is UNDEFINED or value is False:
        return False
    if isinstance(value, int | float):
        return bool(value) and not math.isnan(value)
    if isinstance(value, str):
        return bool(value)
    return True


def type_name(value: Value) -> str:
    """Return what `typeof` says. Pure."""
    match value:
        case Undefined():
            return "undefined"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case None | list() | dict():
            return "object"
        case _:
            return "function"


def number_of(value: Value) -> float:
    """Return the double of a value; NaN where it is none, and of a list or an object. Pure."""
    if value is None:
        return 0.0
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return _number_of_text(value.strip())
    return math.nan


def _number_of_text(text: str) -> float:
    if not text:
        return 0.0
    if text[:2] in {"0x", "0X"} and re.fullmatch(r"[0-9a-fA-F]{1,16}", text[2:]):
        return float(int(text, 0))
    if len(text) > _DIGITS_MAX or not _NUMBER.fullmatch(text):
        return math.nan
    return float(text.replace("Infinity", "inf"))


def text_of(value: Value) -> str:
    """Return the text of a value; of a list only what it is: its parts cost something (`library.spent_text`). Pure."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _text_of_number(value)
        case list():
            return "[object Array]"
        case dict():
            return "[object Object]"
        case _:
            return repr(value)


def _text_of_number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    shortest = repr(value)
    mantissa, _, exponent = shortest.partition("e")
    if not exponent:
        return shortest.removesuffix(".0")
    power = int(exponent)
    if not EXPONENT_MIN <= power < EXPONENT_MAX:
        return f"{mantissa.removesuffix('.0')}e{power:+d}"
    sign, digits = "-" * (value < 0), mantissa.lstrip("-").removesuffix(".0").replace(".", "")
    return f"{sign}0.{'0' * (-power - 1)}{digits}" if power < 0 else sign + digits.ljust(power + 1, "0")


def same(left: Value, right: Value) -> bool:
    """Return what `===` says; lists and objects are the same only if they are one. Pure."""
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return type_name(left) == type_name(right) and bool(left == right)


def equals(left: Value, right: Value) -> bool:
    """Return what `==` says; a list or an object equals nothing but itself. Pure."""
    nothing = (None, UNDEFINED)
    if left in nothing or right in nothing:
        return left in nothing and right in nothing
    if type_name(left) == type_name(right):
        return same(left, right)
    return number_of(left) == number_of(right)


def compare(operator: str, left: Value, right: Value) -> bool:
    """Return what `<`, `<=`, `>` or `>=` says: texts by their characters, everything else as numbers. Pure."""
    if isinstance(left, str) and isinstance(right, str):
        return bool(_COMPARE[operator](left, right))
    return bool(_COMPARE[operator](number_of(left), number_of(right)))


def add(left: Value, right: Value) -> int | float | str:
    """Return what `+` makes of two values that are no lists or objects: one text, or their sum. Pure."""
    if isinstance(left, str) or isinstance(right, str):
        return text_of(left) + text_of(right)
    return number(number_of(left) + number_of(right))


def as_json(value: Value) -> str | None:
    """Return the JSON text of a value; None for what has none. Raises RecursionError, ValueError. Pure."""
    plain = _jsonable(value)
    if plain is UNDEFINED:
        return None
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _jsonable(value: Value) -> Value:
    match value:
        case list():
            items = (_jsonable(one) for one in cast("Sequence[Value]", value))
            return [None if one is UNDEFINED else one for one in items]
        case dict():
            entries = ((key, _jsonable(one)) for key, one in cast("dict[str, Value]", value).items())
            return {key: one for key, one in entries if one is not UNDEFINED}
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return UNDEFINED
