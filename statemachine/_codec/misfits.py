"""Where a value or plain data does not fit its kind, and why. Slow: asked only after something did not fit."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

import attrs

from statemachine._codec.kinds import (
    NOTHING,
    TAG,
    Choice,
    Custom,
    Entries,
    Items,
    Kind,
    Record,
    Row,
    Scalar,
    Union,
    label,
    python_types,
    shapes,
)
from statemachine._codec.reading import SHAPES, reader
from statemachine._codec.scalars import SHOWN_MAX, Stored, cut, shown
from statemachine.errors import DataError

__all__ = ["misfits_in", "misfits_out"]

UNKNOWN_MAX = 10  # names of fields in one message

WORDS: dict[type, str] = {list: "a list", tuple: "a tuple", set: "a set", frozenset: "a frozenset", dict: "a dict"}
Parts = list[tuple[Kind, Any, str]]  # what a value or plain data consists of: its kind, itself, where it stands


# -- values ------------------------------------------------------------------------------------------------------------


def misfits_out(kind: Kind, value: Any, path: str) -> Iterator[str]:
    """Yield each place in a value that does not fit its kind. Pure, but for what user code does."""
    if isinstance(kind, Union):
        member = _member_of(kind, value)
        yield from _no_member(kind, value, path) if member is None else misfits_out(member, value, path)
        return
    error = _error_out(kind, value)
    if error:
        yield f"{path}: {error}"
        return
    for part in _parts_out(kind, value, path):
        yield from misfits_out(*part)


def _member_of(kind: Union, value: object) -> Kind | None:
    wanted = type(value)
    if wanted is int and int not in python_types(kind):
        wanted = float
    return next((one for one in kind.members if wanted in python_types(one)), _only_member(kind))


def _only_member(kind: Union) -> Kind | None:
    """Return the X of X | None: what somebody meant whose value is neither."""
    first, *others = kind.members
    return first if others == [NOTHING] else None


def _no_member(kind: Union, value: object, path: str) -> Iterator[str]:
    yield f"{path}: expected {' or '.join(map(label, kind.members))}, got {shown(value)}"


def _error_out(kind: Kind, value: Any) -> str | None:
    """Say what is wrong with a value itself, its parts not looked at."""
    match kind:
        case Scalar():
            return _complaint(kind.check, value)
        case Stored():
            return _complaint(kind.write, value)
        case Choice():
            fits = any(type(value) is type(one) and value == one for one, _ in kind.options)
            return None if fits else f"expected {_options(kind)}, got {shown(value)}"
        case Record():
            return None if type(value) is kind.kind else f"expected {kind.kind.__name__}, got {shown(value)}"
        case Custom():
            return _custom_error(kind, value)
        case Row():
            fits = _is(tuple, value) and len(value) == len(kind.items)
            return None if fits else f"expected a tuple of {len(kind.items)}, got {shown(value)}"
        case _:
            wanted = dict if isinstance(kind, Entries) else cast("Items", kind).kind
            return None if type(value) is wanted else f"expected {WORDS[wanted]}, got {shown(value)}"


def _is(kind: type, value: object) -> bool:
    return type(value) is kind


def _complaint(check: Any, value: object) -> str | None:
    try:
        check(value)
    except DataError as error:
        return str(error)
    return None


def _options(kind: Choice) -> str:
    return kind.kind.__name__ if kind.kind else " or ".join(repr(value) for value, _ in kind.options)


def _custom_error(kind: Custom, value: Any) -> str | None:
    custom = kind.type
    if type(value) is not custom.kind:
        return f"expected {custom.kind.__name__}, got {shown(value)}"
    try:
        stored = _called(custom.encode, value)
        if next(misfits_out(kind.stored, stored, ""), None) is not None:
            return f"{custom.name} is stored as {label(kind.stored)}, but encode gave {shown(stored)}"
        back = _called(custom.decode, stored)
    except DataError as error:
        return str(error)
    return None if type(back) is type(value) and back == value else f"{shown(value)} comes back as {shown(back)}"


def _called(function: Any, value: object) -> Any:
    """Call what a user wrote; whatever it raises is the answer. Raises DataError."""
    try:
        return function(value)
    except Exception as error:
        raise DataError(str(error)) from error


def _parts_out(kind: Kind, value: Any, path: str) -> Parts:
    match kind:
        case Record():
            return [(one.kind, getattr(value, one.name, attrs.NOTHING), f"{path}.{one.name}") for one in kind.members]
        case Items():
            return [(kind.item, one, f"{path}[{place}]") for place, one in enumerate(value)]
        case Row():
            rows = zip(kind.items, value, strict=True)
            return [(inner, one, f"{path}[{place}]") for place, (inner, one) in enumerate(rows)]
        case Entries():
            entries = cast("Mapping[Any, Any]", value)
            keys: Parts = [(kind.key, key, path) for key in entries]
            return [*keys, *((kind.value, one, f"{path}[{shown(key)}]") for key, one in entries.items())]
        case _:
            return []


# -- plain data --------------------------------------------------------------------------------------------------------


def misfits_in(kind: Kind, plain: Any, path: str) -> Iterator[str]:
    """Yield each place in plain data that does not fit its kind. Pure, but for what user code does."""
    if isinstance(kind, Union):
        yield from _misfits_in_union(kind, plain, path)
        return
    error = _error_in(kind, plain)
    if error:
        yield f"{path}: {error}"
        return
    is_sound = True
    for found in _misfits_inside(kind, plain, path):
        is_sound = False
        yield found
    if is_sound and not isinstance(kind, Scalar | Stored | Choice):
        yield from _unmade(kind, plain, path)


def _misfits_inside(kind: Kind, plain: Any, path: str) -> Iterator[str]:
    """Yield what is wrong with the parts: fields that do not fit, are missing, or do not exist."""
    for part in _parts_in(kind, plain, path):
        yield from misfits_in(*part)
    if isinstance(kind, Record):
        names = {one.name for one in kind.members}
        missing = [one.name for one in kind.members if one.default is None and one.name not in plain]
        yield from (f"{path}.{name}: a value is missing and there is no default" for name in missing)
        unknown = sorted(_name(name) for name in plain if name not in names)
        if unknown:
            more = f" and {len(unknown) - UNKNOWN_MAX} more" if len(unknown) > UNKNOWN_MAX else ""
            yield f"{path}: unknown fields: {', '.join(unknown[:UNKNOWN_MAX])}{more}"


def _misfits_in_union(kind: Union, plain: Any, path: str) -> Iterator[str]:
    for member in kind.members:
        tag = kind.tag(member)
        if tag is not None and _is(dict, plain) and plain.get(TAG) == tag:
            rest: dict[str, Any] = {name: one for name, one in plain.items() if name != TAG}
            yield from misfits_in(member, rest, path)
            return
        if tag is None and type(plain) in {SHAPES[word] for word in shapes(member)}:
            yield from misfits_in(member, plain, path)
            return
    numbers = (one for one in kind.members if _is(int, plain) and "number" in shapes(one))
    meant = next(numbers, _only_member(kind))
    yield from _no_member(kind, plain, path) if meant is None else misfits_in(meant, plain, path)


def _error_in(kind: Kind, plain: Any) -> str | None:
    match kind:
        case Scalar():
            return _complaint_in(kind.check, plain)
        case Stored():
            return _complaint_in(kind.read, plain)
        case Choice():
            fits = any(type(plain) is type(one) and plain == one for _, one in kind.options)
            words = " or ".join(repr(one) for _, one in kind.options)
            return None if fits else f"expected {words}, got {as_json(plain)}"
        case Record():
            return None if type(plain) is dict else f"expected an object, got {as_json(plain)}"
        case Entries(form="text" | "digits"):
            return None if type(plain) is dict else f"expected an object, got {as_json(plain)}"
        case Row():
            fits = _is(list, plain) and len(plain) == len(kind.items)
            return None if fits else f"expected a list of {len(kind.items)}, got {as_json(plain)}"
        case Items() | Entries():
            return None if type(plain) is list else f"expected a list, got {as_json(plain)}"
        case _:
            return None


def _complaint_in(check: Any, plain: object) -> str | None:
    """Return a complaint in the words of who sent it, which is JSON."""
    text = _complaint(check, plain)
    return text and text.replace(f"got {shown(plain)}", f"got {as_json(plain)}")


def as_json(plain: object) -> str:
    """Return plain data for a message, as JSON where it is JSON, cut."""
    with suppress(Exception):  # a set, a lone surrogate, what is too deep or too long: as Python says it
        text = json.dumps(plain, ensure_ascii=False)
        text.encode()
        return cut(text)
    return shown(plain)


def _name(key: object) -> str:
    """Return the name of a field for a message, cut."""
    return key if type(key) is str and key.isidentifier() and len(key) <= SHOWN_MAX else shown(key)


def _parts_in(kind: Kind, plain: Any, path: str) -> Parts:
    match kind:
        case Record():
            return [(one.kind, plain[one.name], f"{path}.{one.name}") for one in kind.members if one.name in plain]
        case Entries(form="pairs"):
            pair = Row((kind.key, kind.value))
            return [(pair, one, f"{path}[{place}]") for place, one in enumerate(plain)]
        case Entries():
            keys: Parts = [] if kind.form == "digits" else [(kind.key, key, path) for key in plain]
            return [*keys, *((kind.value, one, f"{path}[{shown(key)}]") for key, one in plain.items())]
        case Custom():
            return [(kind.stored, plain, path)]
        case _:
            return _parts_out(kind, plain, path)


def _unmade(kind: Kind, plain: Any, path: str) -> Iterator[str]:
    """Yield why parts that all fit, and are all there, make no value."""
    try:
        _called(reader(kind, is_trusted=False), plain)
    except DataError as error:
        yield f"{path}: {error}" if str(error) else f"{path}: {_why(kind)}, got {as_json(plain)}"


def _why(kind: Kind) -> str:
    match kind:
        case Items():
            return "expected no value twice"
        case Entries(form="digits"):
            return "expected integers as keys, none twice"
        case Entries():
            return "expected no key twice"
        case _:
            return "expected what comes back as it was"
