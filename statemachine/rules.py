"""The rules of a declaration: decorators that note on a function what it is for, and give the function back.

A decorated method stays a plain method, so that `Order(OrderData()).submit(Submit(…))` is a unit test. The notes are
read when the class is defined (`statemachine.definition`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, Literal, TypeVar, cast, overload

from attrs import frozen

from statemachine.errors import DefinitionError
from statemachine.states import Any_, Ref, is_texts

__all__ = ["Declared", "Hook", "always", "done", "enter", "invariant", "leave", "notes", "on"]

E = TypeVar("E")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
W = TypeVar("W")
F = TypeVar("F", bound=Callable[..., object])
Guard = Callable[[Any], bool]
EventGuard = Callable[[Any, E], bool]

_NOTES = "__perdure_notes__"


class Missing:
    """The type of an argument that was not given; lets a missing keyword raise a coded error."""


MISSING: Any = Missing()


@frozen(eq=False)
class Declared:
    """One rule as written: what it takes, from where, to where, and under which condition."""

    kind: Literal["on", "always", "done"]
    events: tuple[type, ...]
    sources: tuple[Ref | Any_, ...]
    to: Ref | None
    when: Callable[..., bool] | None
    reenter: bool = False
    roles: tuple[str, ...] = ()


@frozen(eq=False)
class Hook:
    """An action of a state (`enter`, `leave`) or an invariant (no states)."""

    kind: Literal["enter", "leave", "invariant"]
    states: tuple[Ref, ...] = ()


def notes(function: object) -> list[Declared | Hook]:
    """Return what the decorators noted on a function, top one first."""
    found: list[Declared | Hook] = getattr(function, _NOTES, [])
    return found


def _note(function: Callable[..., object], note: Declared | Hook) -> None:
    setattr(function, _NOTES, [note, *notes(function)])


class OnEvent(Generic[E]):
    """What `on(…)` returns: decorates a method that takes the event."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def __call__(self, function: Callable[[W, E], None]) -> Callable[[W, E], None]:
        """Note the rule on the method and return the method."""
        _note(function, self._declared)
        return function


@overload
def on(
    event: type[E],
    /,
    *sources: Ref | Any_,
    to: Ref | None,
    when: EventGuard[E] | Guard | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> OnEvent[E]: ...
@overload
def on(
    event: tuple[type[E1], type[E2]],
    /,
    *sources: Ref | Any_,
    to: Ref | None,
    when: EventGuard[E1 | E2] | Guard | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> OnEvent[E1 | E2]: ...
def on(
    event: Any,
    /,
    *sources: Ref | Any_,
    to: Ref | None = MISSING,
    when: Callable[..., bool] | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> Any:
    """Declare a rule: this event, in one of these states, leads there.

    `to=None` is an internal transition: nothing is left or entered. `when` names a guard, a method that returns a bool
    and takes the event or not. `roles`: the sender must have one of them. `reenter=True` leaves and enters the source
    even where the target lies inside it. The first rule that holds wins, in source order.
    """
    events = event if _is_tuple(event) else (event,)
    return OnEvent[Any](_declared("on", events, sources, to=to, when=when, reenter=reenter, roles=roles))


def _is_tuple(value: object) -> bool:
    return isinstance(value, tuple)


def _naming_a_missing_target(function: F) -> F:
    """Let a missing `to` reach the check that has words for it; type checkers go on asking for it."""

    @wraps(function)
    def call(*sources: Ref | Any_, to: Ref | None = MISSING, when: Guard | None = None) -> object:
        return function(*sources, to=to, when=when)

    return cast("F", call)


@_naming_a_missing_target
def always(
    *sources: Ref | Any_, to: Ref | None, when: Guard | None = None
) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare an eventless rule: taken as soon as a source is active and the guard holds, in the same macrostep."""
    return _noting(_declared("always", (), sources, to=to, when=when))


@_naming_a_missing_target
def done(
    *sources: Ref, to: Ref | None, when: Guard | None = None
) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare what follows when a region is done: a compound reached a final state, a parallel in every region."""
    return _noting(_declared("done", (), sources, to=to, when=when))


def enter(*states: Ref) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare an action that runs whenever one of these states is entered."""
    return _noting(_hook("enter", states))


def leave(*states: Ref) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare an action that runs whenever one of these states is left."""
    return _noting(_hook("leave", states))


def invariant(function: Callable[[W], bool]) -> Callable[[W], bool]:
    """Declare what must hold after every transition: checked inside each transaction and by recovery."""
    _note(function, Hook("invariant"))
    return function


def _noting(note: Declared | Hook) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    def decorate(function: Callable[[W], None]) -> Callable[[W], None]:
        _note(function, note)
        return function

    return decorate


def _hook(kind: Literal["enter", "leave"], states: tuple[Ref, ...]) -> Hook:
    if not states:
        raise DefinitionError("PD107", f"@{kind}() names no state. Name at least one.")
    return Hook(kind, states)


def _declared(
    kind: Literal["on", "always", "done"],
    events: tuple[type, ...],
    sources: tuple[Ref | Any_, ...],
    *,
    to: Ref | None = MISSING,
    when: Callable[..., bool] | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> Declared:
    label = f"@{kind}({', '.join(getattr(event, '__name__', repr(event)) for event in events)})"
    if to is MISSING:
        raise DefinitionError("PD120", f"{label} has no target. Write to=STATE, or to=None for an internal transition.")
    if not sources:
        raise DefinitionError("PD107", f"{label} names no source state. Name at least one, or ANY.")
    if not is_texts(roles):
        raise DefinitionError("PD119", f"{label}: roles={roles!r} is no tuple. Write roles=('manager',).")
    if kind == "on" and not events:
        raise DefinitionError("PD109", f"{label} names no event. Name at least one class.")
    for event in events:
        if not isinstance(event, type):  # pyright: ignore[reportUnnecessaryIsInstance]  # users pass an instance
            raise DefinitionError("PD109", f"{label}: {event!r} is no event class. Name the class itself.")
    return Declared(kind, events, sources, to, when, reenter, roles)
