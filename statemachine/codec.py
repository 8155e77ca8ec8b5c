"""Typed values to canonical bytes and back, losing nothing: what would not come back as it was is refused.

The types are on a list of our own (`statemachine._codec.resolving`). Both directions are strict: exact types, no
unknown key, no missing key without a default, no NaN or infinity, no lone surrogate, no integer beyond 64 bits. One
thing is widened: an int in a float's place becomes that float, if it is exactly that number.

The canonical encoding is JSON in UTF-8, without spaces, keys in the order of the fields (a dict's in its own), floats
as Python's `repr`; sets in the order of their items. It is the same with and without orjson. What an encoding gives
back is encoded to the same bytes. One object that is referred to twice comes back as two equal ones.

Bytes are taken to be an encoding: those of a store are proven by its hashes. Another order or spacing is read too, and
of a key that stands twice the last value. JSON from elsewhere is parsed by who received it, and goes to `structure`.
"""

import json
import marshal
import typing
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from itertools import chain, islice
from operator import eq
from typing import TYPE_CHECKING, Any, TypeVar, cast

from statemachine._codec.fields import names_of
from statemachine._codec.kinds import DEPTH_MAX, CustomType, Json, Plain, Record, describe_kind
from statemachine._codec.plain import canonical
from statemachine._codec.resolving import resolve
from statemachine.errors import DataError

if TYPE_CHECKING:
    from statemachine._codec.parting import Parted

__all__ = ["DEPTH_MAX", "Codec", "CustomType", "Json", "describe", "dumps", "loads"]

T = TypeVar("T")

OBJECTS_MAX = 1 << 21  # in a value of a recursive type: each takes two bytes, so no limit of a store admits more
DIGEST_BYTES = 16
MARSHAL_PLAIN = 2  # the newest version that writes no references, so that equal bytes mean equal values
MISFITS_MAX = 10  # in one message
DEEP = f"nested deeper than {DEPTH_MAX} levels, or into itself, or of more than {OBJECTS_MAX} objects"


def dumps(plain: object) -> bytes:
    """Return the canonical bytes of a plain value. Raises DataError. Pure."""
    try:
        return canonical(plain)
    except UnicodeEncodeError as error:
        raise DataError("text with a lone surrogate cannot be stored") from error
    except RecursionError as error:
        raise DataError(f"nested deeper than {DEPTH_MAX} levels, or into itself") from error
    except ValueError as error:
        raise DataError(str(error)) from error


def loads(data: bytes) -> Any:  # the shape is what the caller checks
    """Return the plain value of canonical bytes. Raises DataError where they are no JSON. Pure."""
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}") from error


def describe(kind: Any, *, path: str) -> Plain:  # a type expression
    """Return a canonical description of a listed type. Raises DefinitionError for one that is not on the list. Pure."""
    return describe_kind(resolve(kind, path).kind)


class Codec(typing.Generic[T]):
    """Encodes and decodes the values of one type: a class, or any other type on the list.

    Raises DefinitionError (PD117) for a type that cannot be stored without loss. The functions that do it are
    generated at the first use.
    """

    def __init__(self, kind: type[T], *, path: str) -> None:
        self.kind = kind
        self.path = path
        resolved = resolve(kind, path)
        self._kind = resolved.kind
        self._is_recursive = resolved.is_recursive
        self.runs_code = resolved.runs_code  # whether reading does, which may refuse or change what was stored
        self.is_shareable = resolved.is_shareable  # a value is as good as what would be read back of it
        self._is_frozen = not (resolved.is_recursive or resolved.runs_code)  # else its bytes stand for it
        self.description = describe_kind(self._kind)

    @cached_property
    def encode(self) -> Callable[[T], bytes]:
        """Return the canonical bytes of a value. Raises DataError with the path of what does not fit. Pure."""
        out, to_bytes = self._bounded_out if self._is_recursive else self._out, self._to_bytes

        def encode(value: T) -> bytes:
            try:
                return to_bytes(out(value))
            except Exception as error:
                raise DataError(self._why_not_out(value, error)) from error

        return encode

    def _bounded_out(self, value: T) -> Any:
        self._check_bounds(value)
        plain = self._out(value)
        self._check_bounds(plain)
        return plain

    @cached_property
    def parted(self) -> "Parted | None":
        """How a value is written field by field, given its frozen form; None where that is not worth it."""
        if not self._is_frozen or not isinstance(self._kind, Record) or not self._kind.members:
            return None
        from statemachine._codec.parting import parted
        from statemachine._codec.writing import JSON, orjson_writing

        return parted(self._kind, orjson_writing() or JSON)

    def refused(self, value: T, error: Exception) -> DataError:
        """Return what is raised for a value that does not fit, with its path."""
        return DataError(self._why_not_out(value, error))

    def decode(self, data: bytes) -> T:
        """Return the value of canonical bytes. Raises DataError with the path of what does not fit. Pure."""
        if self._parse is None:
            return self.structure(loads(data))
        try:
            plain = self._parse(data)
            if self._is_recursive:
                self._check_bounds(plain)
            return self._in_trusted(plain)
        except Exception:  # noqa: BLE001  # asked again, of json, what it is
            return self.structure(loads(data))

    def structure(self, plain: object, *, path: str | None = None) -> T:
        """Return the value of plain JSON data. Raises DataError with the path of each thing that does not fit. Pure.

        `path` is what the data is called there, by default the codec's own.
        """
        try:
            if self._is_recursive:
                self._check_bounds(plain)
            return cast("T", self._in(plain))
        except Exception as error:
            raise DataError(self._why_not_in(plain, error, path or self.path)) from error

    @cached_property
    def freeze(self) -> Callable[[T], object]:
        """Return a value as it can be remembered: nobody can change it, and `thaw` makes equal ones of it.

        Raises DataError with the path of what does not fit. Pure.
        """
        return self._freezer if self._is_frozen else self.encode

    @cached_property
    def refreeze(self) -> Callable[[T, object], object]:
        """Return the same, given an earlier frozen form: that itself where nothing of it was replaced. Pure."""
        if self._is_frozen and isinstance(self._kind, Record):
            return self._freezer
        freeze = self.freeze
        return lambda value, _: freeze(value)

    @cached_property
    def _freezer(self) -> Callable[..., object]:
        from statemachine._codec.freezing import freezer

        return freezer(self._kind, lambda value, error: DataError(self._why_not_out(value, error)))

    @cached_property
    def thaw(self) -> Callable[[Any], T]:
        """Return a value that nobody else has of a frozen one. Pure."""
        if not self._is_frozen:
            return self.decode
        from statemachine._codec.freezing import thawer

        return thawer(self._kind)

    @cached_property
    def is_same(self) -> Callable[[object, object], bool]:
        """Say whether two frozen values are stored as the same bytes. Pure."""
        return self._is_same_stored if self._is_loose else eq

    def _is_same_stored(self, frozen: object, other: object) -> bool:
        """Compare what is told apart only by its bytes: -0.0 equals 0.0."""
        if frozen is other:
            return True
        if frozen != other:
            return False
        with suppress(ValueError):  # it knows no other types than Python's own
            one, another = cast("tuple[Any]", frozen), cast("tuple[Any]", other)
            if marshal.dumps(one, MARSHAL_PLAIN) == marshal.dumps(another, MARSHAL_PLAIN):
                return True
        return self.encode(self.thaw(frozen)) == self.encode(self.thaw(other))

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema (draft 2020-12) of what is accepted, docstrings as descriptions. Pure."""
        from statemachine._codec.schema import schema_of

        return schema_of(self._kind)

    def digest(self, name: str, value: T) -> bytes:
        """Return the first 16 bytes of sha256 over a stored name and the fields that differ from their defaults.

        Half of it tells a retry from another event as surely, and each key that is kept repeats it.

        A field that is added with a default leaves the digest of an older value as it was, so that an honest retry
        stays one. Keys are sorted: the order of a dict is no difference. Raises DataError. Pure.
        """
        try:
            return sha256(self._to_sorted([name, self._out_different(value)])).digest()[:DIGEST_BYTES]
        except Exception as error:
            raise DataError(self._why_not_out(value, error)) from error

    # -- generated at the first use ------------------------------------------------------------------------------------
    # by modules that are imported then: they would be half of the codec's share of `import statemachine`

    @cached_property
    def _out(self) -> Callable[[T], Any]:
        from statemachine._codec.writing import JSON, orjson_writing, writer

        return writer(self._kind, orjson_writing() or JSON)

    @cached_property
    def _to_bytes(self) -> Callable[[Any], bytes]:
        from statemachine._codec.writing import JSON, orjson_writing

        return (orjson_writing() or JSON).to_bytes

    @cached_property
    def _out_different(self) -> Callable[[T], Any]:
        from statemachine._codec.writing import digest_writing, writer

        return writer(self._kind, digest_writing())

    @cached_property
    def _to_sorted(self) -> Callable[[Any], bytes]:
        from statemachine._codec.writing import digest_writing

        return digest_writing().to_bytes

    @cached_property
    def _parse(self) -> Callable[[bytes], Any] | None:
        from statemachine._codec.writing import orjson_loads

        return orjson_loads()

    @cached_property
    def _in_trusted(self) -> Callable[[Any], T]:
        from statemachine._codec.reading import reader

        return reader(self._kind, is_trusted=True)

    @cached_property
    def _in(self) -> Callable[[Any], Any]:
        from statemachine._codec.reading import reader

        return reader(self._kind, is_trusted=False)

    @cached_property
    def _is_loose(self) -> bool:
        from statemachine._codec.freezing import is_told_apart

        return self._is_frozen and not is_told_apart(self._kind)

    # -- limits, and words ---------------------------------------------------------------------------------------------

    def _check_bounds(self, value: object) -> None:
        """Raise DataError for a value of a recursive type that is too deep or too large."""
        if not _is_bounded(value):
            raise DataError(f"{self.path}: {DEEP}")

    def _why_not_out(self, value: object, error: Exception) -> str:
        from statemachine._codec.misfits import misfits_out

        if isinstance(error, RecursionError) or DEEP in str(error):
            return f"{self.path}: {DEEP}"
        return next(misfits_out(self._kind, value, self.path), "") or f"{self.path}: {error}"

    def _why_not_in(self, plain: object, error: Exception, path: str) -> str:
        from statemachine._codec.misfits import misfits_in

        if isinstance(error, RecursionError) or DEEP in str(error):
            return f"{path}: {DEEP}"
        found = list(islice(misfits_in(self._kind, plain, path), MISFITS_MAX + 1))
        more = " and more" if len(found) > MISFITS_MAX else ""
        return "; ".join(found[:MISFITS_MAX]) + more or f"{path}: {error}"


def _is_bounded(value: object) -> bool:
    """Say whether a value is neither deeper nor larger than any store admits; one that holds itself is not. Pure."""
    level, count = [value], 0
    for _ in range(DEPTH_MAX):
        level = list(islice(chain.from_iterable(map(_inside, level)), OBJECTS_MAX))
        count += len(level)
        if not level or count >= OBJECTS_MAX:
            break
    return not level


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, list | tuple | set | frozenset):
        return cast("Iterable[object]", value)
    if isinstance(value, dict):
        entries = cast("dict[object, object]", value)
        return chain(entries, entries.values())
    return [getattr(value, name, None) for name in names_of(type(value))]
