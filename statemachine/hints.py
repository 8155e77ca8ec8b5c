"""Annotations of callbacks: resolving one, and saying whether it takes a value of a given type.

Only what is certain counts: an annotation that nobody can judge without a type checker is taken to fit, one that cannot
be resolved is an error of its own and never skipped.
"""

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from statemachine.errors import DefinitionError

__all__ = ["accepts", "hint", "parameter_hint", "return_hint"]


def parameter_hint(function: Callable[..., object], index: int, *, label: str, names: Mapping[str, object]) -> object:
    """Return the type of a positional parameter, `Any` where it has none. Raises DefinitionError (PD132)."""
    parameters = list(inspect.signature(function).parameters)
    return hint(function, parameters[index], label=label, names=names)


def return_hint(function: Callable[..., object], *, label: str, names: Mapping[str, object]) -> object:
    """Return the type of what a task comes to, awaited where it is a coroutine. Raises DefinitionError (PD132)."""
    found = hint(function, "return", label=label, names=names)
    if typing.get_origin(found) in {collections.abc.Coroutine, collections.abc.Awaitable}:
        return typing.get_args(found)[-1]
    return found


def hint(function: Callable[..., object], name: str, *, label: str, names: Mapping[str, object]) -> object:
    """Return one annotation of a function, resolved in its module, then with `names`. Raises DefinitionError (PD132).

    `names` help classes that are local to a function, where annotations are postponed: the events of the rule and what
    stands in the workflow's body.
    """
    plain = inspect.unwrap(function)
    try:
        given = dict(getattr(plain, "__annotations__", {}))
        if name not in given:
            return Any  # what is not annotated fits everything
        return _resolved(given[name], getattr(plain, "__globals__", {}), names)
    except Exception as error:  # whatever the evaluation of somebody's annotation raises
        raise DefinitionError(
            "PD132",
            f"{label}: the hint of {'its result' if name == 'return' else repr(name)} does not resolve: {error}. "
            "Define the class at module level, before the workflow.",
        ) from error


def _resolved(given: object, module: dict[str, object], names: Mapping[str, object]) -> object:
    holder: Any = types.SimpleNamespace(__annotations__={"it": given})
    try:
        return typing.get_type_hints(holder, globalns=module, localns={})["it"]
    except NameError:
        return typing.get_type_hints(holder, globalns=module, localns=dict(names))["it"]


def accepts(wanted: object, given: object) -> bool:
    """Say whether a parameter annotated as `wanted` takes each value of type `given`; True where unsure. Pure."""
    if wanted is Any or wanted is object or given is Any or wanted == given or isinstance(wanted, typing.TypeVar):
        return True
    if _is_union(given):
        return all(accepts(wanted, one) for one in typing.get_args(given))
    if _is_union(wanted):
        return any(accepts(one, given) for one in typing.get_args(wanted))
    wanted_class, given_class = _class_of(wanted), _class_of(given)
    if wanted_class is None or given_class is None:
        return True
    if (wanted_class, given_class) in {(float, int), (complex, int), (complex, float)}:
        return True
    arguments = typing.get_args(wanted)
    if wanted_class is given_class and arguments and typing.get_args(given):
        return arguments == typing.get_args(given)
    return _is_subclass(given_class, wanted_class)


def _is_union(kind: object) -> bool:
    return typing.get_origin(kind) in {typing.Union, types.UnionType}


def _class_of(kind: object) -> type | None:
    """Return the class behind an annotation: of list[int], list; None where there is no single one."""
    kind = type(None) if kind is None else getattr(kind, "__supertype__", kind)  # of a NewType, what it is made of
    kind = typing.get_origin(kind) or kind
    return kind if isinstance(kind, type) else None


def _is_subclass(given: type, wanted: type) -> bool:
    try:
        return issubclass(given, wanted)
    except TypeError:  # a protocol that cannot be asked
        return True
