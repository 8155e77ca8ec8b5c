"""The codec's list of types: a type expression becomes a kind, or is refused with the path to the field.

A union must say by the shape of its JSON which member a value is of; only classes are told apart by a tag.
"""

import enum
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, cast

from attrs import define, field, frozen

from statemachine._codec.fields import fields_of, is_frozen, is_record, names_of, runs_code
from statemachine._codec.kinds import (
    ANYTHING,
    DEPTH_MAX,
    NOTHING,
    SCALARS,
    TEXT,
    Choice,
    Custom,
    CustomType,
    Entries,
    Items,
    Json,
    Kind,
    Member,
    Record,
    Row,
    Scalar,
    Union,
    keyed,
    label,
    python_types,
    shapes,
)
from statemachine._codec.scalars import Stored, check_text, stored_of
from statemachine.errors import DataError, DefinitionError

__all__ = ["resolve"]

LISTED = (
    "Use bool, int, float, str, bytes, None, datetime, date, time, timedelta, UUID, Decimal, Enum, Literal, list[…], "
    "tuple[…], set[…], frozenset[…], dict[…, …], unions, attrs classes and dataclasses of these, or "
    "Annotated[…, CustomType(…)]."
)


ARGUMENTS = {list: 1, set: 1, frozenset: 1, dict: 2}  # Python takes any number


# -- type expressions ---------------------------------------------------------------------------------------------


@define(eq=False)
class _Resolver:
    records: dict[Any, Record] = field(factory=dict[Any, Record])  # type expression -> its record, maybe still open
    opened: list[Record] = field(factory=list[Record])
    is_recursive: bool = False
    runs_code: bool = False
    is_shareable: bool = True
    hashed: list[tuple[Kind, str]] = field(factory=list[tuple[Kind, str]])  # judged when every record is complete

    def kind(self, wanted: Any, path: str, depth: int) -> Kind:
        """Return the kind of a type expression. Raises DefinitionError."""
        wanted = _plain_type(wanted, path)
        if depth > DEPTH_MAX:
            raise DefinitionError("PD117", f"{path[:200]}… is nested deeper than {DEPTH_MAX} levels. Flatten the type.")
        if wanted is Json:
            self.is_recursive, self.is_shareable = True, False
            return ANYTHING
        found: Kind | None = _scalar(wanted) or stored_of(wanted) or _enum(wanted, path)
        if found is None and typing.get_origin(wanted) is not None and not getattr(wanted, "__unpacked__", False):
            found = self._composed(wanted, path, depth + 1)
        if found is None and is_record(wanted):
            found = self._record(wanted, path, depth + 1)
        if found is None:
            raise DefinitionError("PD117", f"{path} has type {wanted!r}, which cannot be stored without loss. {LISTED}")
        self.is_shareable &= not isinstance(found, Entries) and getattr(found, "kind", None) not in {list, set, float}
        return found

    def _composed(self, wanted: Any, path: str, depth: int) -> Kind | None:
        origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
        if origin in {typing.Union, types.UnionType}:
            return self._union(arguments, path, depth)
        if origin is typing.Literal:
            return _literal(arguments, path)
        if origin is typing.Annotated:
            return self._custom(wanted, path, depth)
        if origin is tuple and hasattr(wanted, "__args__"):  # typing.Tuple alone has none
            return self._tuple(arguments, path, depth)
        if ARGUMENTS.get(cast("Any", origin)) != len(arguments):
            return None
        if origin is dict:
            return self._entries(arguments, path, depth)
        item = self.kind(arguments[0], f"{path}[]", depth)
        if origin is not list:
            self.hashed.append((item, f"{path}[]"))
        return Items(cast("type", origin), item)

    def _tuple(self, arguments: tuple[Any, ...], path: str, depth: int) -> Kind:
        if arguments[1:] == (...,):
            return Items(tuple, self.kind(arguments[0], f"{path}[]", depth))
        return Row(tuple(self.kind(one, f"{path}[{place}]", depth) for place, one in enumerate(arguments)))

    def _entries(self, arguments: tuple[Any, ...], path: str, depth: int) -> Kind:
        key = self.kind(arguments[0], f"{path} key", depth)
        self.hashed.append((key, f"{path} key"))
        value = self.kind(arguments[1], f"{path}{{}}", depth)
        if key is SCALARS[int]:
            return Entries(key, value, "digits")
        return Entries(key, value, "text" if shapes(key) == TEXT else "pairs")

    def _custom(self, wanted: Any, path: str, depth: int) -> Kind | None:
        kind, *notes = typing.get_args(wanted)
        found: list[CustomType[Any]] = [one for one in notes if isinstance(one, CustomType)]
        if len(found) != 1:
            return None
        custom = found[0]
        if custom.kind is not kind:
            raise DefinitionError("PD117", f"{path}: CustomType of {custom.kind!r} stands at {kind!r}. Name one class.")
        _check_name(custom.name, f"{path}: the name of a CustomType")
        self.runs_code, self.is_shareable = True, False
        return Custom(custom, self.kind(custom.stored, path, depth))

    def _union(self, arguments: tuple[Any, ...], path: str, depth: int) -> Kind:
        members: list[Kind] = []
        for one in _joined(_plain_type(argument, path) for argument in arguments):
            found = self.kind(one, path, depth)
            members.extend(found.members if isinstance(found, Union) else [found])
        members = sorted(dict.fromkeys(members), key=lambda one: one is NOTHING)
        records = [one for one in members if isinstance(one, Record)]
        tags = {id(one): _tag(one, path) for one in records} if len(records) > 1 else {}
        _check_union(members, tags, path)
        return members[0] if len(members) == 1 else Union(tuple(members), tags)

    def _record(self, wanted: Any, path: str, depth: int) -> Record:
        try:
            known = self.records.get(wanted)
        except TypeError as error:  # an argument of a generic class is not hashable: Annotated[int, []]
            raise DefinitionError(
                "PD117", f"{path} has type {wanted!r}, of which a part is no type. {LISTED}"
            ) from error
        if known is not None:
            self.is_recursive |= known in self.opened
            return known
        origin = typing.get_origin(wanted) or wanted
        made = self.records[wanted] = Record(origin)
        self.opened.append(made)
        self.runs_code |= runs_code(origin)
        self.is_shareable &= is_frozen(origin)
        made.members = tuple(
            Member(
                one.name,
                one.argument,
                self.kind(one.kind, f"{path}.{one.name}", depth),
                one.default,
                one.is_keyword_only,
            )
            for one in fields_of(wanted, path)
        )
        self.opened.pop()
        return made


@frozen
class Resolved:
    """The kind of a type expression, and what is to be known of its values."""

    kind: Kind
    is_recursive: bool  # they can nest without end; what is not recursive is as deep as its type
    runs_code: bool  # making them runs code of their classes, which may refuse or change what was stored
    is_shareable: bool  # one is as good as what would be read back of it: nothing in it can change, no int is widened


def resolve(wanted: Any, path: str) -> Resolved:
    """Return what is known of a type expression. Raises DefinitionError. Pure."""
    resolver = _Resolver()
    kind = resolver.kind(wanted, path, 0)
    hashed: set[int] = set()  # a set or a dict calls their __hash__ and __eq__
    for one, where in resolver.hashed:
        _check_hashable(one, where, hashed)
    runs_code = resolver.runs_code or bool(hashed)
    return Resolved(kind, resolver.is_recursive, runs_code, resolver.is_shareable and not runs_code)


def _plain_type(wanted: Any, path: str) -> Any:  # a type expression
    """Return what a NewType or a type alias stands for. Raises DefinitionError."""
    for _ in range(DEPTH_MAX):
        if isinstance(wanted, typing.NewType):
            wanted = wanted.__supertype__
        elif type(wanted).__name__ == "TypeAliasType":
            wanted = _value_of(wanted, path)
        else:
            break
    return wanted


def _value_of(alias: Any, path: str) -> Any:  # a type expression
    try:
        return alias.__value__
    except Exception as error:  # it is evaluated here: whatever somebody's expression raises
        raise DefinitionError("PD117", f"{path} has type {alias}, which cannot be resolved: {error}.") from error


def _joined(members: Iterable[Any]) -> list[Any]:  # type expressions
    """Return the members of a union with their Literals made one."""
    found = list(members)
    literals = [one for one in found if typing.get_origin(one) is typing.Literal]
    if not literals[1:]:
        return found
    values = tuple(value for one in literals for value in typing.get_args(one))
    return [*(one for one in found if one not in literals), typing.Literal[values]]


def _scalar(wanted: Any) -> Scalar | None:
    try:
        return SCALARS.get(wanted)
    except TypeError:  # not hashable: [int], Annotated[int, []]
        return None


def _enum(wanted: Any, path: str) -> Choice | None:
    if not isinstance(wanted, type) or not issubclass(wanted, enum.Enum):
        return None
    if issubclass(wanted, enum.Flag):
        raise DefinitionError(
            "PD117", f"{path}: {wanted.__name__} is a Flag, whose combinations have no name. Use frozenset of an Enum."
        )
    return Choice(wanted, tuple((member, member._name_) for member in wanted))


def _literal(values: tuple[Any, ...], path: str) -> Kind:
    options: list[tuple[Any, Any]] = []
    for value in values:
        if value is None:
            continue
        try:
            options.append((value, _literal_plain(value)))
        except DataError as error:
            raise DefinitionError("PD117", f"{path}: Literal[{value!r}]: {error}. Use another value.") from error
    if len(keyed(options)) < len(options):
        raise DefinitionError("PD117", f"{path}: two values of {values!r} are stored alike. Use one kind of value.")
    choice = Choice(None, tuple(options))
    if None not in values:
        return choice
    return Union((choice, NOTHING), {}) if options else NOTHING  # so that it may stand beside another None


def _literal_plain(value: object) -> object:
    """Return how a value of a Literal is stored. No float or Decimal: equal ones are written with other digits."""
    if isinstance(value, enum.Enum) and type(value).__members__.get(value._name_) is value:
        return value._name_
    if type(value) is bytes:
        return cast("Stored", stored_of(bytes)).write(value)
    if type(value) in {bool, int, str}:
        return SCALARS[type(value)].check(value)
    raise DataError("a value of this class has no place in a Literal")


def _tag(record: Record, path: str) -> str:
    """Return the stored name of a class: its `stored_name`, if its own body gives one, else its name."""
    if "stored_name" in names_of(record.kind):
        return record.kind.__name__  # a field, of which the class may hold the default
    tag: object = vars(record.kind).get("stored_name", record.kind.__name__)
    return _check_name(tag, f"{path}: the stored_name of {record.kind.__name__}")


def _check_name(name: object, what: str) -> str:
    """Return a name that is stored. Raises DefinitionError for what is no text that can be."""
    try:
        return check_text(name)
    except DataError as error:
        raise DefinitionError("PD117", f"{what}: {error}. Give it a text.") from error


# -- what must hold ----------------------------------------------------------------------------------------------------


def _check_union(members: Iterable[Kind], tags: Mapping[int, str], path: str) -> None:
    seen: dict[object, Kind] = {}
    for member in members:
        tag = tags.get(id(member))
        marks: Iterable[object] = [f"tag {tag}"] if tag else [*shapes(member), *python_types(member)]
        if tags and not tag and "object" in shapes(member):
            marks = [*marks, *(f"tag {one}" for one in tags.values())]
        for mark in marks:
            other = seen.setdefault(mark, member)
            if other is not member:
                raise DefinitionError(
                    "PD117",
                    f"{path} is a union of which two members, {label(other)} and {label(member)}, cannot be told apart "
                    "once stored. Use one of them, or wrap each in a class.",
                )


def _check_hashable(kind: Kind, path: str, seen: set[int]) -> None:
    """Refuse what can be no key of a dict and stand in no set, or is not found there again. Pure."""
    match kind:
        case Items(kind=cls) if cls in {tuple, frozenset}:
            _check_hashable(kind.item, path, seen)
        case Row(items=inner) | Union(members=inner):
            for one in inner:
                _check_hashable(one, path, seen)
        case Record(kind=cls) if _has_value_hash(cls):
            if id(kind) not in seen:
                seen.add(id(kind))
                for member in kind.members:
                    _check_hashable(member.kind, f"{path}.{member.name}", seen)
        case Custom() if _has_value_hash(kind.type.kind):
            pass
        case Scalar() | Stored() | Choice():
            pass
        case _:
            raise DefinitionError(
                "PD117",
                f"{path} is {label(kind)}, which is not hashable by value. Use a frozen class, a tuple or a frozenset.",
            )


def _has_value_hash(kind: type) -> bool:
    own: Any = kind.__hash__
    return own is not None and own is not object.__hash__ and cast("Any", kind.__eq__) is not object.__eq__
