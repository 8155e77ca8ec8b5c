"""Typed values to canonical bytes and back, losing nothing: what would not come back as it was is refused.

The types are on a list of our own, because cattrs gives hooks for types that it cannot round-trip and coerces values
(`bool("false")` is True). Both directions are strict: exact types, no unknown key, no missing key without a default, no
NaN or infinity, no lone surrogate, no integer beyond 64 bits. One thing is widened: an int in a float's place becomes
that float, if it is exactly that number.

The canonical encoding is JSON in UTF-8, without spaces, keys in the order of the fields (a dict's in its own), floats
as Python's `repr`. Encoding what was decoded gives the same bytes.
"""

import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any, TypeVar, cast

import attrs
import cattrs
from cattrs import Converter
from cattrs.cols import (
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]  # untyped in part upstream
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from statemachine.errors import DataError, DefinitionError

__all__ = ["Codec", "describe", "dumps", "loads"]

T = TypeVar("T")
Plain = bool | int | float | str | None | list["Plain"] | dict[str, "Plain"]

INTEGER_MAX = 2**63 - 1  # SQLite's, JSON readers' and every other store's
SHOWN_MAX = 60  # characters of a wrong value in a message: enough to recognise it
DEPTH_MAX = 100  # nesting of a value: deeper ones exhaust the stack of some reader


def dumps(plain: object) -> bytes:
    """Return the canonical bytes of a plain value. Raises DataError. Pure."""
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError("text with a lone surrogate cannot be stored") from error
    except RecursionError as error:
        raise DataError(f"nested deeper than {DEPTH_MAX} levels, or into itself") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def loads(data: bytes) -> Any:  # the shape is what the caller checks
    """Return the plain value of canonical bytes. Raises DataError where they are no JSON. Pure."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}") from error


# -- the list ----------------------------------------------------------------------------------------------------------


def describe(kind: Any, *, path: str) -> Plain:  # a type expression
    """Return a canonical description of a listed type. Raises DefinitionError for one that is not on the list. Pure."""
    return _describe(kind, path, ())


def _describe(kind: Any, path: str, above: tuple[type, ...]) -> Plain:  # a type expression
    scalar = _scalar(kind)
    if scalar is not None:
        return scalar
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and arguments:
        return {"list": _describe(arguments[0], f"{path}[]", above)}
    if origin is dict and arguments[:1] == (str,):
        return {"dict": _describe(arguments[1], f"{path}{{}}", above)}
    inner, *others = [one for one in arguments if one is not type(None)] or [None]
    if origin in {typing.Union, types.UnionType} and not others and type(None) in arguments:
        return {"optional": _describe(inner, path, above)}
    if isinstance(kind, type) and attrs.has(kind):
        if kind in above:
            return {"recursive": kind.__name__}
        return {kind.__name__: [_describe_field(one, path, (*above, kind)) for one in _fields(kind)]}
    raise DefinitionError(
        "PD117",
        f"{path} has type {kind!r}, which cannot be stored without loss. Use bool, int, float, str, None, list[…], "
        "dict[str, …], X | None, or attrs classes of these.",
    )


def _describe_field(one: "attrs.Attribute[Any]", path: str, above: tuple[type, ...]) -> Plain:
    where = f"{path}.{one.name}"
    if not one.init:
        raise DefinitionError("PD117", f"{where} is not set by __init__, so it cannot be restored. Drop init=False.")
    if cast("Any", one).converter is not None:
        raise DefinitionError(
            "PD117",
            f"{where} has a converter, which would run again on what was stored. Convert before, or in a method.",
        )
    if one.type is None:
        raise DefinitionError("PD117", f"{where} has no type. Annotate it.")
    return [one.name, _describe(one.type, where, above), one.default is not attrs.NOTHING]


_SCALARS: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "str", type(None): "none", None: "none"}


def _scalar(kind: Any) -> str | None:
    try:
        return _SCALARS.get(kind)
    except TypeError:  # not hashable: [int], Annotated[int, []]
        return None


@lru_cache(maxsize=1024)
def _fields(kind: type) -> "tuple[attrs.Attribute[Any], ...]":
    """Return a class's attributes with their types resolved."""
    try:
        attrs.resolve_types(cast("type[attrs.AttrsInstance]", kind))
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise DefinitionError(
            "PD117", f"{kind.__name__}: a type cannot be resolved: {error}. Define it at module level."
        ) from error
    return tuple(attrs.fields(cast("type[attrs.AttrsInstance]", kind)))


# -- strict hooks ------------------------------------------------------------------------------------------------------


def _exactly(typed: type[T], word: str, *, kind: type | None = None) -> Callable[[object], T]:
    """Return a check for exactly one class: `kind`, where `typed` says what it holds, else `typed` itself."""
    wanted: type = kind or typed

    def check(value: object) -> T:
        if type(value) is not wanted:
            raise DataError(f"expected {word}, got {_shown(value)}")
        return cast("T", value)

    return check


def _integer(value: object) -> int:
    if type(value) is not int:
        raise DataError(f"expected an integer, got {_shown(value)}")
    if not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
        raise DataError(f"expected an integer of 64 bits, got {_shown(value)}")
    return value


def _number(value: object) -> float:
    number = float(value) if type(value) is int and abs(value) <= INTEGER_MAX else value
    if type(number) is not float or number != value:
        if type(value) is float and math.isnan(value):
            raise DataError("expected a finite number, got NaN")
        raise DataError(f"expected a number, got {_shown(value)}")
    if math.isinf(number):
        raise DataError(f"expected a finite number, got {number}")
    return number


def _text(value: object) -> str:
    if type(value) is not str:
        raise DataError(f"expected text, got {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError("text with a lone surrogate cannot be stored") from error
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN_MAX else f"{shown[: SHOWN_MAX - 1]}…"


_CHECKS: dict[type, Callable[[object], object]] = {
    bool: _exactly(bool, "true or false"),
    int: _integer,
    float: _number,
    str: _text,
    type(None): _exactly(type(None), "null"),
}


def _converter(*, detailed: bool, omit_if_default: bool = False) -> Converter:
    """Make a converter whose every hook is strict. `detailed` costs half as much again and names the path."""
    converter = Converter(
        forbid_extra_keys=True, detailed_validation=detailed, omit_if_default=omit_if_default, unstruct_strat=_AS_DICT
    )
    for kind, check in _CHECKS.items():
        converter.register_structure_hook(kind, partial(_checked, check))
        converter.register_unstructure_hook(kind, check)
    converter.register_structure_hook_factory(_is_list, partial(_list_in, converter))
    converter.register_unstructure_hook_factory(_is_list, partial(_list_out, converter))
    converter.register_structure_hook_factory(_is_dict, partial(_dict_in, converter))
    converter.register_unstructure_hook_factory(_is_dict, partial(_dict_out, converter))
    converter.register_structure_hook_factory(attrs.has, partial(_class_in, converter))
    converter.register_unstructure_hook_factory(attrs.has, partial(_class_out, converter))
    return converter


def _checked(check: Callable[[object], object], value: object, _kind: object) -> object:
    return check(value)


_AS_DICT = cattrs.UnstructureStrategy.AS_DICT


def _is_list(kind: object) -> bool:
    return typing.get_origin(kind) is list


def _is_dict(kind: object) -> bool:
    return typing.get_origin(kind) is dict


def _list_in(converter: Converter, kind: Any) -> Callable[[Any, Any], object]:
    inner = list_structure_factory(kind, converter)
    return _structured(_exactly(list, "a list"), inner)


def _list_out(converter: Converter, kind: Any) -> Callable[[object], object]:
    inner = converter.get_unstructure_hook(typing.get_args(kind)[0])
    check = _exactly(list[object], "a list", kind=list)
    return lambda value: [inner(one) for one in check(value)]


def _dict_in(converter: Converter, kind: Any) -> Callable[[Any, Any], object]:
    inner: Callable[..., object] = mapping_structure_factory(
        kind, converter, detailed_validation=converter.detailed_validation
    )
    return _structured(_exactly(dict, "an object"), inner)


def _dict_out(converter: Converter, kind: Any) -> Callable[[object], object]:
    inner = converter.get_unstructure_hook(typing.get_args(kind)[1])
    check = _exactly(dict[object, object], "a dict", kind=dict)
    return lambda value: {_text(key): inner(one) for key, one in check(value).items()}


def _class_in(converter: Converter, kind: type) -> Callable[[Any, Any], object]:
    _fields(kind)
    typed = cast("type[Any]", kind)
    inner: Callable[..., object] = make_dict_structure_fn(typed, converter, _cattrs_forbid_extra_keys=True)
    return _structured(_exactly(dict, "an object"), inner)


def _class_out(converter: Converter, kind: type) -> Callable[[object], object]:
    _fields(kind)
    omit = converter.omit_if_default
    inner: Callable[[Any], object] = make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=omit)
    check: Callable[[object], object] = _exactly(kind, kind.__name__)
    return lambda value: inner(check(value))


def _structured(check: Callable[[object], Any], inner: Callable[..., object]) -> Callable[[Any, Any], object]:
    return lambda value, kind: inner(check(value), kind)


_FAST = _converter(detailed=False)


@lru_cache(maxsize=1)
def _detailed() -> Converter:
    """Names the path of what does not fit; asked only after a failure."""
    return _converter(detailed=True)


@lru_cache(maxsize=1)
def _different() -> Converter:
    """Leaves out what equals its default."""
    return _converter(detailed=False, omit_if_default=True)


# -- one class ---------------------------------------------------------------------------------------------------------


class Codec(typing.Generic[T]):
    """Encodes and decodes the instances of one class."""

    def __init__(self, kind: type[T], *, path: str) -> None:
        self.kind = kind
        self.path = path
        self.description = describe(kind, path=path)
        self._is_recursive = '"recursive":' in json.dumps(self.description)  # else the types bound the depth
        self._out = _FAST.get_unstructure_hook(kind)
        self._in = _FAST.get_structure_hook(kind)

    def encode(self, value: T) -> bytes:
        """Return the canonical bytes of a value. Raises DataError with the path of what does not fit. Pure."""
        try:
            plain = self._out(value)
        except (DataError, RecursionError, AttributeError) as error:
            raise DataError(self._where(value, error)) from error
        self._check_depth(plain)
        return dumps(plain)

    def decode(self, data: bytes) -> T:
        """Return the value of canonical bytes. Raises DataError with the path of what does not fit. Pure."""
        return self.structure(loads(data))

    def structure(self, plain: object) -> T:
        """Return the value of plain JSON data. Raises DataError with the path of what does not fit. Pure."""
        self._check_depth(plain)
        try:
            return cast("T", self._in(plain, self.kind))
        except Exception as error:
            raise DataError(_explained(plain, self.kind, self.path)) from error

    def digest(self, name: str, value: T) -> bytes:
        """Return sha256 over a stored name and the fields that differ from their defaults.

        A field that is added with a default leaves the digest of an older value as it was, so that an honest retry
        stays one. Keys are sorted: the order of a dict is no difference. Pure.
        """
        plain: object = _different().unstructure(value, unstructure_as=self.kind)
        text = json.dumps([name, plain], ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
        return sha256(text.encode()).digest()

    def _check_depth(self, plain: object) -> None:
        if self._is_recursive and _is_too_deep(plain):
            raise DataError(f"{self.path}: nested deeper than {DEPTH_MAX} levels")

    def _where(self, value: object, error: Exception) -> str:
        if isinstance(error, RecursionError):
            return f"{self.path}: nested too deep, or into itself"
        return _locate(value, self.kind, self.path) or f"{self.path}: {error}"


def _is_too_deep(plain: object) -> bool:
    level = [plain]
    for _ in range(DEPTH_MAX):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(plain: object) -> Iterable[object]:
    if isinstance(plain, dict):
        return cast("dict[str, object]", plain).values()
    return cast("list[object]", plain) if isinstance(plain, list) else ()


def _locate(value: object, kind: Any, path: str) -> str | None:  # a type expression
    """Return where a value does not fit its type, and why; None where it does. Slow; only after a failure. Pure."""
    try:
        _FAST.unstructure(value, unstructure_as=kind)
    except (DataError, AttributeError) as error:
        for part, inner, where in _parts(value, kind, path):
            found = _locate(part, inner, where)
            if found is not None:
                return found
        return f"{path}: {error}"
    return None


def _parts(value: object, kind: Any, path: str) -> list[tuple[object, Any, str]]:  # a type expression
    arguments = [one for one in typing.get_args(kind) if one is not type(None)]
    if arguments and typing.get_origin(kind) in {typing.Union, types.UnionType} and value is not None:
        return _parts(value, arguments[0], path)
    if isinstance(kind, type) and attrs.has(kind) and type(value) is kind:
        return [(getattr(value, one.name, attrs.NOTHING), one.type, f"{path}.{one.name}") for one in _fields(kind)]
    if isinstance(value, list) and _is_list(kind):
        items = cast("list[object]", value)
        return [(one, arguments[0], f"{path}[{place}]") for place, one in enumerate(items)]
    if isinstance(value, dict) and _is_dict(kind):
        entries = cast("Mapping[object, object]", value)
        return [(one, arguments[1], f"{path}[{key!r}]") for key, one in entries.items()]
    return []


def _explained(plain: object, kind: Any, path: str) -> str:  # a type expression
    """Return every place in plain data that does not fit, with its path. Pure."""
    try:
        _detailed().structure(plain, kind)
    except Exception as error:  # noqa: BLE001  # cattrs raises groups of what the hooks and __init__ raised
        found = cattrs.transform_error(error, path, _say)
        return "; ".join(": ".join(reversed(one.rsplit(" @ ", 1))) for one in found)
    return f"{path}: does not fit {getattr(kind, '__name__', kind)}"


def _say(error: BaseException, _kind: type | None) -> str:
    if isinstance(error, KeyError):
        return "a value is missing and there is no default"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown fields: {', '.join(sorted(error.extra_fields))}"
    return str(error)
