"""Values that JSON has no word for, as one text or one integer: how each is written and read.

One value has one text: what is read is written again and must give the same characters, so "Z", "1E3" for "1E+3" or a
UUID in capitals are refused. What the text would lose (a time zone's rules, `fold`, the name of an offset) is refused
before it is written.
"""

import binascii
import functools
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from attrs import frozen

from statemachine.errors import DataError

__all__ = ["INTEGER_MAX", "Stored", "check_flag", "check_integer", "check_nothing", "check_number", "check_text"]
__all__ += ["SHOWN_MAX", "cut", "shown", "stored_of"]

T = TypeVar("T")

INTEGER_MAX = 2**63 - 1  # SQLite's, JSON readers' and every other store's
SHOWN_MAX = 60  # characters of a wrong value in a message: enough to recognise it


def shown(value: object) -> str:
    """Return a value for a message, cut. What cannot be written out is named by its type."""
    with suppress(Exception):  # too deep, an integer too long, or what the user's own __repr__ raises
        return cut(repr(value))
    return f"a value of type {type(value).__name__}"


def cut(text: str) -> str:
    """Return a text for a message, cut. Pure."""
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


# -- what JSON has ----------------------------------------------------------------------------------------------------


def check_flag(value: object) -> bool:
    """Return a bool. Raises DataError for anything else. Pure."""
    if type(value) is not bool:
        raise DataError(f"expected true or false, got {shown(value)}")
    return value


def check_nothing(value: object) -> None:
    """Return None. Raises DataError for anything else. Pure."""
    if value is not None:
        raise DataError(f"expected null, got {shown(value)}")


def check_integer(value: object) -> int:
    """Return an int of 64 bits. Raises DataError for anything else. Pure."""
    if type(value) is not int:
        raise DataError(f"expected an integer, got {shown(value)}")
    if not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
        raise DataError(f"expected an integer of 64 bits, got {shown(value)}")
    return value


def check_number(value: object) -> float:
    """Return a finite float; an int becomes one if it is exactly that number. Raises DataError. Pure."""
    number = float(value) if type(value) is int and abs(value) <= INTEGER_MAX else value
    if type(number) is not float or number != value:
        if type(value) is float and math.isnan(value):
            raise DataError("expected a finite number, got NaN")
        raise DataError(f"expected a number, got {shown(value)}")
    if math.isinf(number):
        raise DataError(f"expected a finite number, got {number}")
    return number


def check_text(value: object) -> str:
    """Return a text that UTF-8 can hold. Raises DataError for anything else. Pure."""
    if type(value) is not str:
        raise DataError(f"expected text, got {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError("text with a lone surrogate cannot be stored") from error
    return value


# -- what JSON has not -------------------------------------------------------------------------------------------------


@frozen(eq=False)
class Stored:
    """A class whose values are stored as one text or one integer."""

    word: str  # in descriptions, and so in fingerprints
    kind: type
    shape: str  # JSON's word
    write: Callable[[Any], Any]  # raise DataError for what would not come back
    read: Callable[[Any], Any]
    schema: dict[str, object]  # the rest of its JSON Schema


def stored_of(kind: Any) -> Stored | None:  # a type expression
    """Return how a class is stored; None where it is not on the list. Pure.

    Looked up by name, so that `decimal` and `uuid` are imported by those who use them and by nobody else.
    """
    if not isinstance(kind, type):
        return None
    module = sys.modules.get(kind.__module__)
    make = _MAKERS.get((kind.__module__, kind.__qualname__))
    return make() if make is not None and getattr(module, kind.__qualname__, None) is kind else None


def _texts(kind: type[T], *, example: str, read: Callable[[str], T], write: Callable[[T], str]) -> Any:
    """Return the two functions of a class that is stored as text, made strict."""
    expected = f"expected {kind.__name__}"

    def written(value: object) -> str:
        if type(value) is not kind:
            raise DataError(f"{expected}, got {shown(value)}")
        return write(value)

    def restored(plain: object) -> T:
        try:
            if type(plain) is str and write(value := read(plain)) == plain:
                return value
        except (ValueError, ArithmeticError, DataError) as error:
            raise other(plain) from error
        raise other(plain)

    def other(plain: object) -> DataError:
        return DataError(f"{expected} as text, like {example!r}, got {shown(plain)}")

    return written, restored


CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{6})?"
OFFSET = r"([+-]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?)?"
DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"


def _bytes() -> Stored:
    write, read = _texts(
        bytes,
        example="AP8=",
        read=lambda text: binascii.a2b_base64(text, strict_mode=True),
        write=lambda value: binascii.b2a_base64(value, newline=False).decode(),
    )
    pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
    return Stored("bytes", bytes, "string", write, read, {"contentEncoding": "base64", "pattern": pattern})


def _datetime() -> Stored:
    from datetime import datetime

    write, read = _texts(
        datetime, example="2026-01-31T12:00:00+01:00", read=datetime.fromisoformat, write=_written_clock
    )
    return Stored("datetime", datetime, "string", write, read, {"pattern": f"^{DAY}T{CLOCK}{OFFSET}$"})


def _time() -> Stored:
    from datetime import time

    write, read = _texts(time, example="12:00:00", read=time.fromisoformat, write=_written_clock)
    return Stored("time", time, "string", write, read, {"pattern": f"^{CLOCK}{OFFSET}$"})


def _written_clock(value: Any) -> str:
    """Return the text of a datetime or a time."""
    from datetime import timezone

    zone = value.tzinfo
    if zone is not None and type(zone) is not timezone:
        raise DataError(f"expected no time zone or a fixed offset, got {shown(zone)}. Use .astimezone(timezone.utc)")
    if zone is not None and len(cast("Any", zone).__getinitargs__()) > 1:
        raise DataError(f"the name of {shown(zone)} would be lost. Use a timezone without a name")
    if zone is not None and zone.utcoffset(None).microseconds:  # fromisoformat takes +00:00:00.000001 for UTC
        raise DataError(f"expected an offset of whole seconds, got {shown(zone)}")
    if value.fold:
        raise DataError("fold=1, the second of two equal hours, would be lost. Give it a fixed offset")
    return str(value.isoformat())


def _date() -> Stored:
    from datetime import date

    write, read = _texts(date, example="2026-01-31", read=date.fromisoformat, write=date.isoformat)
    return Stored("date", date, "string", write, read, {"pattern": f"^{DAY}$", "format": "date"})


def _timedelta() -> Stored:
    from datetime import timedelta

    def write(value: object) -> int:
        if type(value) is not timedelta:
            raise DataError(f"expected timedelta, got {shown(value)}")
        return check_integer((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds)

    def read(plain: object) -> timedelta:
        return timedelta(microseconds=check_integer(plain))

    bounds: dict[str, object] = {"minimum": -INTEGER_MAX - 1, "maximum": INTEGER_MAX, "description": "microseconds"}
    return Stored("timedelta", timedelta, "integer", write, read, bounds)


def _uuid() -> Stored:
    from uuid import UUID

    write, read = _texts(UUID, example="0198c0de-0000-7000-8000-000000000000", read=UUID, write=str)
    schema: dict[str, object] = {
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "format": "uuid",
    }
    return Stored("uuid", UUID, "string", write, read, schema)


def _decimal() -> Stored:
    from decimal import Context, Decimal

    context = Context(capitals=1)  # a text must not depend on the thread's context

    def written(value: Decimal) -> str:
        if not value.is_finite():
            raise DataError(f"expected a finite number, got {value}")
        return context.to_sci_string(value)

    write, read = _texts(Decimal, example="1.10", read=Decimal, write=written)
    pattern = r"^-?(0|[1-9]\d*)(\.\d+)?(E[+-]\d+)?$"
    return Stored("decimal", Decimal, "string", write, read, {"pattern": pattern})


_MAKERS = {  # each makes one object: a union that names a class twice has one member
    ("builtins", "bytes"): functools.cache(_bytes),
    ("datetime", "datetime"): functools.cache(_datetime),
    ("datetime", "date"): functools.cache(_date),
    ("datetime", "time"): functools.cache(_time),
    ("datetime", "timedelta"): functools.cache(_timedelta),
    ("uuid", "UUID"): functools.cache(_uuid),
    ("decimal", "Decimal"): functools.cache(_decimal),
}
