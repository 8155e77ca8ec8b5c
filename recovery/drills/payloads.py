"""Strategies from types: for every kind of the codec's list, values that it takes, small ones more often.

What a class's own validators or the codec refuse is no payload, and is not drawn.
"""

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from statemachine._codec.kinds import Choice, Custom, Entries, Items, Kind, Record, Row, Scalar, Union
from statemachine._codec.resolving import resolve
from statemachine._codec.scalars import INTEGER_MAX, Stored
from statemachine.codec import Codec
from statemachine.errors import DataError

__all__ = ["Values", "values_of"]

Values = st.SearchStrategy[Any]
AnyCodec = Codec[Any]

ITEMS_MAX = 3  # of a collection: what is wrong with many is wrong with three
TEXT_MAX = 12

OFFSETS = st.none() | st.integers(-86_399, 86_399).map(lambda seconds: dt.timezone(dt.timedelta(seconds=seconds)))
MICROSECONDS = dt.timedelta(microseconds=1)

SCALARS: Mapping[type, Values] = {
    bool: st.booleans(),
    int: st.integers(-3, 10) | st.integers(-5_000, 5_000) | st.integers(-INTEGER_MAX - 1, INTEGER_MAX),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text("abc", max_size=3) | st.text(max_size=TEXT_MAX),
    type(None): st.none(),
    bytes: st.binary(max_size=TEXT_MAX),
    dt.datetime: st.datetimes(timezones=OFFSETS).map(lambda one: one.replace(fold=0)),
    dt.date: st.dates(),
    dt.time: st.times(timezones=OFFSETS).map(lambda one: one.replace(fold=0)),
    dt.timedelta: st.timedeltas((-INTEGER_MAX - 1) * MICROSECONDS, INTEGER_MAX * MICROSECONDS),
    uuid.UUID: st.uuids(),
    decimal.Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}
"""For each type that is stored as one value."""


def values_of(codec: AnyCodec) -> Values:
    """Return a strategy of values that a codec takes."""
    return _values(resolve(codec.kind, codec.path).kind, {}).filter(lambda value: _fits(codec, value))


def _fits(codec: AnyCodec, value: object) -> bool:
    try:
        codec.decode(codec.encode(value))
    except DataError:
        return False
    return True


def _values(kind: Kind, known: dict[int, Values]) -> Values:
    match kind:
        case Scalar() | Stored():
            return SCALARS[kind.kind]
        case Choice():
            return st.sampled_from([value for value, _ in kind.options])
        case Items():
            return _items(kind, _values(kind.item, known))
        case Row():
            return st.tuples(*(_values(one, known) for one in kind.items))
        case Entries():
            return st.dictionaries(_values(kind.key, known), _values(kind.value, known), max_size=ITEMS_MAX)
        case Union():
            return st.one_of([_values(one, known) for one in reversed(kind.members)])  # None, the simplest, first
        case Custom():
            return _values(kind.stored, known).map(_made(kind.type.decode))
        case Record():
            return _record(kind, known)


def _items(kind: Items, item: Values) -> Values:
    is_set = kind.kind in {set, frozenset}
    many: Values = st.frozensets(item, max_size=ITEMS_MAX) if is_set else st.lists(item, max_size=ITEMS_MAX)
    make: Callable[[Any], object] = kind.kind
    return many.map(make)


def _record(kind: Record, known: dict[int, Values]) -> Values:
    """Return values of a class; one that leads back to itself ends where Hypothesis ends it."""
    found = known.get(id(kind))
    if found is None:
        inner: list[Values] = []
        found = known[id(kind)] = st.deferred(lambda: inner[0])
        fields = {member.argument: _values(member.kind, known) for member in kind.members}
        inner.append(st.fixed_dictionaries(fields).map(_made(lambda given: kind.kind(**given))))
    return found


def _made(make: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return a function that draws again where a class does not take what it is given."""

    def made(given: object) -> object:
        try:
            return make(given)
        except (ValueError, TypeError, ArithmeticError):
            reject()

    return made
