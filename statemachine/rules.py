"""The rules of a declaration: decorators that note on a function what it is for, and give the function back.

A decorated method stays a plain method, so that `Order(OrderData()).submit(Submit(…))` is a unit test. The notes are
read when the class is defined (`statemachine.definition`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast, overload

from attrs import frozen

from statemachine import bodies
from statemachine.errors import DefinitionError
from statemachine.failing import Failed
from statemachine.states import Any_, Compound, Parallel, Ref, To, is_texts

__all__ = [
    "MISSING",
    "Declared",
    "Hook",
    "Missing",
    "Note",
    "TimerNote",
    "always",
    "attach",
    "done",
    "enter",
    "invariant",
    "leave",
    "notes",
    "noting",
    "on",
    "on_error",
    "tolerant",
]

E = TypeVar("E")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
W = TypeVar("W")
F = TypeVar("F", bound=Callable[..., object])
Composite: TypeAlias = type[Compound] | type[Parallel]
Kind: TypeAlias = Literal["on", "always", "done", "on_error"]
Guard = Callable[[Any], bool]
EventGuard = Callable[[Any, E], bool]

_NOTES = "__perdure_notes__"


class Missing:
    """The type of an argument that was not given; lets a missing keyword raise a coded error."""


MISSING: Any = Missing()


@frozen(eq=False)
class Declared:
    """One rule as written: what it takes, from where, to where, and under which condition."""

    kind: Kind
    events: tuple[type, ...]
    sources: tuple[Ref | Any_, ...]
    to: To
    when: Callable[..., bool] | None
    reenter: bool = False
    roles: tuple[str, ...] = ()
    ends: tuple[Composite, ...] = ()  # of `done`: the regions whose end it takes, where they are not its sources


@frozen(eq=False)
class Hook:
    """An action of a state (`enter`, `leave`) or an invariant (no states)."""

    kind: Literal["enter", "leave", "invariant"]
    states: tuple[Ref, ...] = ()


@frozen(eq=False)
class TimerNote:
    """A timer as written: how long after which states were entered, and where it leads."""

    delay_ms: int
    sources: tuple[Ref, ...]
    to: Ref | None


Note: TypeAlias = Declared | Hook | TimerNote


def notes(function: object) -> list[Note]:
    """Return what the decorators noted on a function, top one first."""
    found: list[Note] = getattr(function, _NOTES, [])
    return found


def attach(function: Callable[..., object], note: Note) -> None:
    """Note on a function what it is for. Raises DefinitionError for what is no function, or takes no note."""
    try:
        is_method = callable(cast("object", function)) and not isinstance(function, type)
        setattr(function, _NOTES, [note, *notes(function)]) if is_method else None
    except (AttributeError, TypeError):
        is_method = False  # of the language or another object: there is no place for a note
    if not is_method:
        raise DefinitionError(
            "PD121", f"{function!r} is decorated as a rule and is no method. Put the decorator on a def."
        )
    bodies.note(function)


class OnEvent(Generic[E]):
    """What `on(…)` returns: decorates a method that takes the event."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def __call__(self, function: Callable[[W, E], None]) -> Callable[[W, E], None]:
        """Note the rule on the method and return the method."""
        attach(function, self._declared)
        return function


@overload
def on(
    event: type[E],
    source: Ref | Any_,
    /,
    *more: Ref | Any_,
    to: To,
    when: EventGuard[E] | Guard | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> OnEvent[E]: ...
@overload
def on(
    event: tuple[type[E1], type[E2]],
    source: Ref | Any_,
    /,
    *more: Ref | Any_,
    to: To,
    when: EventGuard[E1 | E2] | Guard | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> OnEvent[E1 | E2]: ...
@overload
def on(
    event: tuple[type[E1], type[E2], type[E3]],
    source: Ref | Any_,
    /,
    *more: Ref | Any_,
    to: To,
    when: EventGuard[E1 | E2 | E3] | Guard | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> OnEvent[E1 | E2 | E3]: ...
def on(
    *event_and_sources: Any,
    to: To = MISSING,
    when: Callable[..., bool] | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> Any:
    """Declare a rule: this event, in one of these states, leads there.

    Several events are a tuple, `@on((Cancel, Expire), cart, to=…)`, and the method takes their union; type checkers
    know up to three, and let one method carry several `@on` only for the same event.
    `to=None` is an internal transition: nothing is left or entered; `to=(a, b)` enters states of different regions; a
    `History` leads back to where its region was. `when` names a guard, a method that returns a bool
    and takes the event or not. `roles`: the sender must have one of them. `reenter=True` leaves and enters the source
    even where the target lies inside it. The first rule that holds wins, in source order.
    """
    event, *sources = event_and_sources or ((),)
    events: tuple[type, ...] = event if _is_tuple(event) else (event,)
    given = (*sources,) or (MISSING,)
    return OnEvent[Any](_declared("on", events, given, to=to, when=when, reenter=reenter, roles=roles))


def _is_tuple(value: object) -> bool:
    return isinstance(value, tuple)


def tolerant(*keywords: str, positional: int = 1) -> Callable[[F], F]:
    """Let what was left out reach the check that has words for it; type checkers go on asking for it.

    `keywords` and the first `positional` arguments become `MISSING` where they are not given.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*given: object, **named: object) -> object:
            left_out = [MISSING] * (positional - len(given))
            return function(*given, *left_out, **dict.fromkeys(keywords, MISSING) | named)

        return cast("F", call)

    return decorate


@tolerant("to")
def always(
    source: Ref | Any_, /, *more: Ref | Any_, to: To, when: Guard | None = None
) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare an eventless rule: taken as soon as a source is active and the guard holds, in the same macrostep."""
    return noting(_declared("always", (), (source, *more), to=to, when=when))


@tolerant("to")
def done(
    region: Composite, /, *more: Composite, to: To, when: Guard | None = None
) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare what follows when a region is done: a compound reached a final state, a parallel in every region."""
    return noting(_declared("done", (), (region, *more), to=to, when=when))


@tolerant("to")
def on_error(
    source: Ref | Any_, /, *more: Ref | Any_, to: To
) -> Callable[[Callable[[W, Failed], None]], Callable[[W, Failed], None]]:
    """Declare what follows when a callback raises while an event is worked on in one of these states.

    What the event did is undone; the method runs from where it began, and takes what failed. The sender gets the
    transition, with `.error` set. One rule for a state; inner states win over outer ones. Not for what says that the
    workflow or its store is wrong (InvariantBroken, FrameError, StoreError …), nor for what the method itself raises.
    """
    declared = _declared("on_error", (), (source, *more), to=to)

    def decorate(function: Callable[[W, Failed], None]) -> Callable[[W, Failed], None]:
        attach(function, declared)
        return function

    return decorate


@tolerant()
def enter(state: Ref, /, *more: Ref) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare an action that runs whenever one of these states is entered."""
    return noting(_hook("enter", (state, *more)))


@tolerant()
def leave(state: Ref, /, *more: Ref) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Declare an action that runs whenever one of these states is left."""
    return noting(_hook("leave", (state, *more)))


def invariant(function: Callable[[W], bool]) -> Callable[[W], bool]:
    """Declare what must hold after every transition: checked inside each transaction and by recovery."""
    attach(function, Hook("invariant"))
    return function


def noting(note: Note) -> Callable[[Callable[[W], None]], Callable[[W], None]]:
    """Return a decorator that notes on a method of self what it is for, and gives the method back."""

    def decorate(function: Callable[[W], None]) -> Callable[[W], None]:
        attach(function, note)
        return function

    return decorate


def _hook(kind: Literal["enter", "leave"], states: tuple[Ref, ...]) -> Hook:
    if MISSING in states:
        raise DefinitionError("PD107", f"@{kind}() names no state. Name at least one.")
    return Hook(kind, states)


def _declared(
    kind: Kind,
    events: tuple[type, ...],
    sources: tuple[Ref | Any_, ...],
    *,
    to: To = MISSING,
    when: Callable[..., bool] | None = None,
    reenter: bool = False,
    roles: tuple[str, ...] = (),
) -> Declared:
    if kind == "on" and not events:
        raise DefinitionError("PD109", "@on() names no event. Name at least one class.")
    label = f"@{kind}({', '.join(getattr(event, '__name__', repr(event)) for event in events)})"
    if to is MISSING:
        raise DefinitionError("PD120", f"{label} has no target. Write to=STATE, or to=None for an internal transition.")
    if MISSING in sources:
        raise DefinitionError("PD107", f"{label} names no source state. Name at least one, or ANY.")
    if not is_texts(roles):
        raise DefinitionError("PD119", f"{label}: roles={roles!r} is no tuple. Write roles=('manager',).")
    for event in events:
        if not isinstance(event, type):  # pyright: ignore[reportUnnecessaryIsInstance]  # users pass an instance
            raise DefinitionError("PD109", f"{label}: {event!r} is no event class. Name the class itself.")
    return Declared(kind, events, sources, to, when, reenter, roles)
