"""The fields of an attrs class or a dataclass, read in one way: name, type, default.

Whatever `__init__` would not take back as it was stored is refused here: a field that it does not set, a converter that
would run again, an annotation that a subclass forgot to make a field of.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import attrs
from attrs import frozen

from statemachine.errors import DefinitionError

__all__ = ["Default", "Field", "fields_of", "is_frozen", "is_record", "names_of", "runs_code"]

Variables = Mapping[Any, Any]  # type variable -> type expression

HOOKS = ("__attrs_pre_init__", "__attrs_post_init__", "__post_init__")  # __init__ calls them
GENERATED = {"__init__", "__create_fn__.<locals>.__init__"}  # what attrs and dataclasses compile: no class body does


@frozen(eq=False)
class Default:
    """What stands where a field is missing: one value, or what a factory makes."""

    value: object = None
    factory: Callable[[], object] | None = None
    factory_of_self: Callable[[object], object] | None = None

    @property
    def is_value(self) -> bool:
        """Whether it is one value, for all."""
        return self.factory is None and self.factory_of_self is None

    def for_owner(self, owner: object) -> object:
        """Return the default of a field of `owner`."""
        if self.factory_of_self is not None:
            return self.factory_of_self(owner)
        return self.value if self.factory is None else self.factory()


@frozen(eq=False)
class Field:
    """One field of a class: what is stored under `name` and handed to `__init__` as `argument`."""

    name: str
    kind: Any  # a type expression
    argument: str
    default: Default | None
    is_keyword_only: bool


def is_record(kind: Any) -> bool:
    """Say whether a type is an attrs class or a dataclass, or a generic one with its arguments. Pure."""
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and (attrs.has(origin) or dataclasses.is_dataclass(origin))


def names_of(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields of an attrs class or a dataclass; of any other class, none. Pure."""
    if attrs.has(kind):
        return tuple(one.name for one in attrs.fields(kind))
    return tuple(getattr(kind, "__dataclass_fields__", ()))


def is_frozen(kind: type[Any]) -> bool:
    """Say whether assigning to an attribute of an attrs class or a dataclass raises. Pure."""
    parameters: Any = getattr(kind, "__dataclass_params__", None)
    # attrs puts a __setattr__ of its own on frozen classes, and this says so by its name
    return "frozen" in getattr(kind.__setattr__, "__name__", "") or bool(parameters and parameters.frozen)


def runs_code(kind: Any) -> bool:
    """Say whether making an object of an attrs class or a dataclass runs more than what was generated for it. Pure."""
    if any(hasattr(kind, hook) for hook in HOOKS) or kind.__new__ is not object.__new__:
        return True
    if kind.__getattribute__ is not object.__getattribute__:
        return True
    if type(kind).__call__ is not type.__call__ or not (is_frozen(kind) or kind.__setattr__ is object.__setattr__):
        return True
    if attrs.has(kind) and any(one.validator for one in attrs.fields(kind)):
        return True
    # what stands under a field's name in the class: a slot, a default, or a descriptor, which is code
    held: list[object] = [inspect.getattr_static(kind, name, None) for name in names_of(kind)]
    return any(hasattr(one, "__set__") and not inspect.ismemberdescriptor(one) for one in held)


def fields_of(kind: Any, path: str) -> tuple[Field, ...]:
    """Return the fields of an attrs class or a dataclass, type variables replaced. Raises DefinitionError."""
    origin: type[Any] = typing.get_origin(kind) or kind
    try:
        hints = typing.get_type_hints(origin, include_extras=True)
    except Exception as error:  # whatever the evaluation of somebody's annotation raises
        raise DefinitionError(
            "PD117", f"{origin.__name__}: a type cannot be resolved: {error}. Define it at module level."
        ) from error
    found = tuple(_attrs_fields(origin, path) if attrs.has(origin) else _dataclass_fields(origin, path))
    _check_init(origin, path)
    _check_annotations(origin, {one.name for one in found}, path)
    for one in found:
        if one.name not in hints and one.kind is None:
            raise DefinitionError("PD117", f"{path}.{one.name} has no type. Annotate it.")
    variables = _variables(origin, kind)
    return tuple(attrs.evolve(one, kind=_typed(one, origin, hints=hints, variables=variables)) for one in found)


def _typed(one: Field, origin: type[Any], *, hints: Mapping[str, Any], variables: Mapping[type, Variables]) -> Any:
    owner = next((base for base in origin.__mro__ if one.name in inspect.get_annotations(base)), origin)
    return _replaced(hints.get(one.name, one.kind), variables.get(owner, {}))


def _attrs_fields(kind: type[Any], path: str) -> Iterator[Field]:
    for one in cast("tuple[Any, ...]", attrs.fields(kind)):
        _check_set(f"{path}.{one.name}", is_set=one.init)
        if one.converter is not None:
            raise DefinitionError(
                "PD117",
                f"{path}.{one.name} has a converter, which would run again on what was stored. "
                "Convert before, or in a method.",
            )
        yield Field(one.name, one.type, one.alias, _attrs_default(one.default), one.kw_only)


def _attrs_default(default: Any) -> Default | None:
    if default is attrs.NOTHING:
        return None
    if not isinstance(default, cast("type[Any]", attrs.Factory)):
        return Default(default)
    return Default(factory_of_self=default.factory) if default.takes_self else Default(factory=default.factory)


def _dataclass_fields(kind: type[Any], path: str) -> Iterator[Field]:
    for one in dataclasses.fields(kind):
        _check_set(f"{path}.{one.name}", is_set=one.init)
        default: Default | None = None
        if one.default_factory is not dataclasses.MISSING:
            default = Default(factory=one.default_factory)
        elif one.default is not dataclasses.MISSING:
            default = Default(one.default)
        yield Field(one.name, one.type, one.name, default, bool(one.kw_only))


def _check_set(where: str, *, is_set: bool) -> None:
    if not is_set:
        raise DefinitionError("PD117", f"{where} is not set by __init__, so it cannot be restored. Drop init=False.")


def _check_init(kind: type[Any], path: str) -> None:
    """Refuse a class whose `__init__` is not the one that was generated for its fields."""
    made = next(one for one in kind.__mro__ if {"__attrs_attrs__", "__dataclass_fields__"} & vars(one).keys())
    code = getattr(kind.__init__, "__code__", None)
    if kind.__init__ is not vars(made).get("__init__") or code is None or code.co_qualname not in GENERATED:
        raise DefinitionError(
            "PD117", f"{path}: {kind.__name__} has an __init__ of its own, which may not take its fields back. Drop it."
        )


def _check_annotations(kind: type[Any], names: set[str], path: str) -> None:
    """Refuse a class that has values which are no fields: an annotation of its own, or of a base, says so."""
    for owner in kind.__mro__:
        # attrs annotates the cached properties of a class with slots: its slots are these and its fields, nothing else
        known = {*names, *(vars(owner).get("__slots__", ()) if "__attrs_attrs__" in vars(owner) else ())}
        for name, hint in inspect.get_annotations(owner).items():
            if name not in known and not _is_no_value(hint):
                raise DefinitionError(
                    "PD117",
                    f"{path}.{name} is annotated in {owner.__name__} and is no field of it. "
                    "Decorate the class (@define, @frozen, @dataclass); write no InitVar.",
                )


def _is_no_value(hint: object) -> bool:
    text = hint if isinstance(hint, str) else ""
    return (
        typing.get_origin(hint) is typing.ClassVar
        or hint is typing.ClassVar
        or hint is dataclasses.KW_ONLY
        or any(word in text for word in ("ClassVar", "KW_ONLY"))
    )


# -- generics ----------------------------------------------------------------------------------------------------------


def _variables(origin: type[Any], kind: Any) -> dict[type, Variables]:
    """Return, for a class and each of its bases, what stands for its type variables."""
    found: dict[type, Variables] = {}
    _bind(origin, typing.get_args(kind), found)
    return found


def _bind(kind: type[Any], arguments: tuple[Any, ...], found: dict[type, Variables]) -> None:
    parameters: tuple[Any, ...] = getattr(kind, "__parameters__", ())
    is_plain = all(isinstance(one, typing.TypeVar) for one in parameters)  # what stands for *Ts stays open: refused
    found[kind] = dict(zip(parameters, arguments, strict=False)) if is_plain else {}
    for base in getattr(kind, "__orig_bases__", kind.__bases__):
        origin: Any = typing.get_origin(base) or base
        if isinstance(origin, type) and origin not in {object, typing.Generic, typing.Protocol}:
            _bind(origin, tuple(_replaced(one, found[kind]) for one in typing.get_args(base)), found)


def _replaced(kind: Any, variables: Variables) -> Any:  # a type expression
    """Return a type with its type variables replaced; those that have no value stay."""
    if isinstance(kind, typing.TypeVar):
        return variables.get(kind, kind)
    parameters = () if isinstance(kind, type) and not typing.get_origin(kind) else getattr(kind, "__parameters__", ())
    if not parameters or not variables:
        return kind
    return cast("Any", kind)[tuple(variables.get(one, one) for one in parameters)]
