"""The functions of the language that documents may call: a table. None of them reaches out of its arguments.

There is no clock and no random number: a transition that is run again must come to the same end.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from statemachine.scxml.budget import Budget, EvaluationError
from statemachine.scxml.values import (
    UNDEFINED,
    Value,
    as_json,
    is_true,
    number,
    number_of,
    same,
    text_of,
)
from statemachine.states import SURROGATE

__all__ = ["FUNCTIONS", "METHODS", "OBJECTS", "Native", "held_json", "spent_text"]

DECIMAL, HEXADECIMAL = 10, 16
Given: TypeAlias = Sequence[Value]
Native: TypeAlias = Callable[[Budget, Given], Value]
"""Takes the budget and what it is given: of a method, what it is called on is the first."""


def spent_text(budget: Budget, value: Value) -> str:
    """Return the text of a value; what it costs is taken from the budget, before where it can be known."""
    if isinstance(value, list):
        items = cast("Sequence[Value]", value)
        budget.spend(len(items))
        parts = ["" if one is None or one is UNDEFINED else spent_text(budget, one) for one in items]
        budget.spend_text(sum(map(len, parts)) + len(parts))
        return ",".join(parts)
    if not isinstance(value, str):
        budget.spend_text(24)  # the longest number
    return text_of(value)


def _at(given: Given, place: int) -> Value:
    """Return an argument; `UNDEFINED` if it was not given."""
    return given[place] if place < len(given) else UNDEFINED


def _integer(value: Value, *, default: float = 0) -> float:
    found = default if value is UNDEFINED else number_of(value)
    return 0 if math.isnan(found) else float(math.trunc(found)) if math.isfinite(found) else found


def _index(value: Value, length: int, default: int) -> int:
    """Return a place in a sequence as `slice` takes it: negative ones count from the end."""
    found = _integer(value, default=default)
    return int(max(length + found, 0) if found < 0 else min(found, length))


def _clamp(value: Value, length: int, default: int) -> int:
    return int(min(max(_integer(value, default=default), 0), length))


# -- numbers -----------------------------------------------------------------------------------------------------------


def _rounded(function: Callable[[float], float]) -> Native:
    def rounding(_: Budget, given: Given) -> Value:
        found = number_of(_at(given, 0))
        if not math.isfinite(found):
            return found
        value = float(function(found))
        return number(value or math.copysign(0.0, found))  # what comes to zero from below is -0

    return rounding


def _power(_: Budget, given: Given) -> Value:
    left, right = number_of(_at(given, 0)), number_of(_at(given, 1))
    if math.isnan(right) or (abs(left) == 1 and math.isinf(right)):
        return math.nan  # to C, and so to Python, it is 1
    try:
        return number(math.pow(left, right))
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def _root(_: Budget, given: Given) -> Value:
    found = number_of(_at(given, 0))
    return number(math.sqrt(found)) if found >= 0 else math.nan


def _extreme(choose: Callable[[list[float]], float], empty: float) -> Native:
    def chosen(budget: Budget, given: Given) -> Value:
        budget.spend(len(given))
        found = [number_of(one) for one in given]
        return math.nan if any(map(math.isnan, found)) else number(choose(found) if found else empty)

    return chosen


def _parse_float(budget: Budget, given: Given) -> Value:
    text = spent_text(budget, _at(given, 0))
    found = re.match(r"\s*([+-]?(?:Infinity|(?:[0-9]{1,400}\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?))", text)
    return number(float(found[1].replace("Infinity", "inf"))) if found else math.nan


def _parse_int(budget: Budget, given: Given) -> Value:
    wanted = _integer(_at(given, 1))
    if wanted not in {0, DECIMAL, HEXADECIMAL}:
        raise EvaluationError(f"parseInt takes a radix of 10 or 16, not {wanted}")
    found = re.match(r"\s*([+-]?)(0[xX])?(.*)", spent_text(budget, _at(given, 0)), re.DOTALL)
    assert found is not None
    base = HEXADECIMAL if wanted == HEXADECIMAL or (found[2] and not wanted) else DECIMAL
    text = found[3] if base == HEXADECIMAL else (found[2] or "")[:1] + found[3]
    digits = re.match("[0-9a-fA-F]{1,250}" if base == HEXADECIMAL else "[0-9]{1,300}", text)
    if digits is None:
        return math.nan
    size = float(int(digits[0], base))
    return number(-size if found[1] == "-" else size)


# -- texts -------------------------------------------------------------------------------------------------------------


def _stringify(budget: Budget, given: Given) -> Value:
    value = _at(given, 0)
    budget.spend_text(_size(budget, value))
    found = as_json(value)
    return UNDEFINED if found is None else found


def _size(budget: Budget, value: Value) -> int:
    budget.spend(1)
    if isinstance(value, str):
        return 2 * len(value) + 2
    if isinstance(value, list):
        return 2 + sum(_size(budget, one) + 1 for one in cast("Sequence[Value]", value))
    if isinstance(value, dict):
        entries = cast("dict[str, Value]", value).items()
        return 2 + sum(2 * len(key) + 4 + _size(budget, one) for key, one in entries)
    return 24


def _parse(budget: Budget, given: Given) -> Value:
    text = spent_text(budget, _at(given, 0))
    budget.spend(len(text))
    try:
        return held_json(text)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"JSON.parse: {error}") from error


def held_json(text: str) -> Value:
    """Return the value of a JSON text. Raises ValueError, RecursionError. Pure."""
    return _held(json.loads(text, parse_constant=_refuse_constant, parse_int=float))


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _held(value: Any) -> Value:
    """Return what a parser made, with whole numbers as they are held."""
    match value:
        case float():
            return number(value)
        case list():
            return [_held(one) for one in cast("Sequence[Any]", value)]
        case dict():
            return {_held(key): _held(one) for key, one in cast("dict[str, Any]", value).items()}
        case str() if SURROGATE.search(value):
            raise ValueError(f"{value[:20]!r} holds half of a character")
        case _:
            return value


def _split(budget: Budget, given: Given) -> Value:
    text, separator = str(given[0]), _at(given, 1)
    budget.spend(len(text))
    if separator is UNDEFINED:
        return [text]
    sign = spent_text(budget, separator)
    return text.split(sign) if sign else list(text)


def _substring(budget: Budget, given: Given) -> Value:
    text = str(given[0])
    first, last = sorted((_clamp(_at(given, 1), len(text), 0), _clamp(_at(given, 2), len(text), len(text))))
    budget.spend_text(last - first)
    return text[first:last]


def _slice(budget: Budget, given: Given) -> Value:
    whole = given[0]
    first, last = _index(_at(given, 1), len(whole), 0), _index(_at(given, 2), len(whole), len(whole))
    budget.spend_text(max(last - first, 0)) if isinstance(whole, str) else budget.spend(max(last - first, 0))
    return whole[first:last]


def _character(_: Budget, given: Given) -> Value:
    text, at = str(given[0]), _integer(_at(given, 1))
    return text[int(at)] if 0 <= at < len(text) else ""


def _cased(function: Callable[[str], str]) -> Native:
    def cased(budget: Budget, given: Given) -> Value:
        text = str(given[0])
        budget.spend_text(3 * len(text))  # some characters have three in capitals
        return function(text)

    return cased


def _joined_texts(budget: Budget, given: Given) -> Value:
    parts = [spent_text(budget, one) for one in given]
    budget.spend_text(sum(map(len, parts)))
    return "".join(parts)


def _searching(answer: Callable[[str, str], Value]) -> Native:
    def searching(budget: Budget, given: Given) -> Value:
        text = str(given[0])
        budget.spend(1 + len(text) // 64)
        return answer(text, spent_text(budget, _at(given, 1)))

    return searching


# -- lists -------------------------------------------------------------------------------------------------------------


def _push(budget: Budget, given: Given) -> Value:
    items: list[Value] = given[0]
    budget.spend(len(given))
    items.extend(given[1:])
    return len(items)


def _unshift(budget: Budget, given: Given) -> Value:
    items: list[Value] = given[0]
    budget.spend(len(items) + len(given))
    items[:0] = given[1:]
    return len(items)


def _removed(place: int) -> Native:
    def removed(budget: Budget, given: Given) -> Value:
        items: list[Value] = given[0]
        budget.spend(len(items) if place == 0 else 1)
        return items.pop(place) if items else UNDEFINED

    return removed


def _concatenated(budget: Budget, given: Given) -> Value:
    found: list[Value] = []
    for one in given:
        more = cast("Sequence[Value]", one) if isinstance(one, list) else [one]
        budget.spend(len(more))
        found.extend(more)
    return found


def _place_of(budget: Budget, given: Given) -> Value:
    items, wanted = cast("Sequence[Value]", given[0]), _at(given, 1)
    budget.spend(len(items))
    return next((place for place, one in enumerate(items) if same(one, wanted)), -1)


def _holds(budget: Budget, given: Given) -> Value:
    wanted = _at(given, 1)
    if _is_nan(wanted):  # unlike indexOf, includes finds it
        budget.spend(len(given[0]))
        return any(map(_is_nan, given[0]))
    return _place_of(budget, given) >= 0


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _join(budget: Budget, given: Given) -> Value:
    items, separator = cast("Sequence[Value]", given[0]), _at(given, 1)
    sign = "," if separator is UNDEFINED else spent_text(budget, separator)
    budget.spend(len(items))
    parts = ["" if one is None or one is UNDEFINED else spent_text(budget, one) for one in items]
    budget.spend_text(sum(map(len, parts)) + len(sign) * len(parts))
    return sign.join(parts)


def _reversed(budget: Budget, given: Given) -> Value:
    items: list[Value] = given[0]
    budget.spend(len(items))
    items.reverse()
    return items


def _keys(budget: Budget, given: Given) -> Value:
    value = _at(given, 0)
    if not isinstance(value, dict):
        raise EvaluationError("Object.keys takes an object")
    found: list[Value] = list(cast("dict[str, Value]", value))
    budget.spend(len(found))
    return found


def _of_one(function: Callable[[Value], Value]) -> Native:
    def of_one(_: Budget, given: Given) -> Value:
        return function(_at(given, 0))

    return of_one


def _as_text(budget: Budget, given: Given) -> Value:
    return spent_text(budget, given[0] if given else "")


def _round(value: float) -> float:
    """Return the nearest whole number, of two the greater one; a half that is added would be rounded itself."""
    below = math.floor(value)
    return below + (2 * (value - below) >= 1)


def _sign(value: float) -> float:
    return number(math.copysign(1, value)) if value and not math.isnan(value) else number(value)


def _limited(name: str, native: Native, *, most: int) -> Native:
    """Refuse arguments that mean something in ECMAScript and nothing here: left out, they would change the answer."""

    def limited(budget: Budget, given: Given) -> Value:
        if len(given) > most:
            raise EvaluationError(f"{name} takes fewer arguments here, see docs/scxml.md")
        return native(budget, given)

    return limited


# -- the tables --------------------------------------------------------------------------------------------------------

FUNCTIONS: Mapping[str, Native] = {
    "Boolean": _of_one(is_true),
    "Number": _of_one(lambda value: number(number_of(value))),
    "String": _as_text,
    "isFinite": _of_one(lambda value: math.isfinite(number_of(value))),
    "isNaN": _of_one(lambda value: math.isnan(number_of(value))),
    "parseFloat": _parse_float,
    "parseInt": _parse_int,
}
"""Functions by name."""

OBJECTS: Mapping[str, Mapping[str, Native | float]] = {
    "Array": {"isArray": _of_one(lambda value: isinstance(value, list))},
    "JSON": {
        "parse": _limited("JSON.parse", _parse, most=1),
        "stringify": _limited("JSON.stringify", _stringify, most=1),
    },
    "Math": {
        "E": math.e,
        "PI": math.pi,
        "abs": _of_one(lambda value: number(abs(number_of(value)))),
        "ceil": _rounded(math.ceil),
        "floor": _rounded(math.floor),
        "max": _extreme(max, -math.inf),
        "min": _extreme(min, math.inf),
        "pow": _power,
        "round": _rounded(_round),
        "sign": _of_one(lambda value: _sign(number_of(value))),
        "sqrt": _root,
        "trunc": _rounded(math.trunc),
    },
    "Object": {"keys": _keys},
}
"""Functions and numbers by the name of the object that holds them."""

_NARROWER = {"endsWith": 1, "includes": 1, "indexOf": 1, "lastIndexOf": 1, "split": 1, "startsWith": 1, "toString": 0}
"""How many arguments methods take that take more in ECMAScript: where to begin, how many, a radix."""

_METHODS: Mapping[type, Mapping[str, Native]] = {
    str: {
        "charAt": _character,
        "concat": _joined_texts,
        "endsWith": _searching(lambda text, wanted: text.endswith(wanted)),
        "includes": _searching(lambda text, wanted: wanted in text),
        "indexOf": _searching(lambda text, wanted: text.find(wanted)),
        "lastIndexOf": _searching(lambda text, wanted: text.rfind(wanted)),
        "slice": _slice,
        "split": _split,
        "startsWith": _searching(lambda text, wanted: text.startswith(wanted)),
        "substring": _substring,
        "toLowerCase": _cased(str.lower),
        "toString": _as_text,
        "toUpperCase": _cased(str.upper),
        "trim": _cased(str.strip),
    },
    list: {
        "concat": _concatenated,
        "includes": _holds,
        "indexOf": _place_of,
        "join": _join,
        "pop": _removed(-1),
        "push": _push,
        "reverse": _reversed,
        "shift": _removed(0),
        "slice": _slice,
        "toString": _as_text,
        "unshift": _unshift,
    },
    int: {"toString": _as_text},
    float: {"toString": _as_text},
    bool: {"toString": _as_text},
    dict: {},
}
METHODS: Mapping[type, Mapping[str, Native]] = {
    kind: {
        name: _limited(name, native, most=_NARROWER[name] + 1) if name in _NARROWER else native
        for name, native in methods.items()
    }
    for kind, methods in _METHODS.items()
}
"""Methods by the type of the value that they are called on."""

CHANGING: Sequence[str] = ("pop", "push", "reverse", "shift", "unshift")
"""Methods that change what they are called on."""
