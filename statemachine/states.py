"""The states of a declaration: what a user writes in the class body, before anything is compiled.

States and regions are known by identity. A region is a class, so that `fulfil.stock.queued` is an attribute that type
checkers follow; its own class body holds states and nothing else.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar, cast

from attrs import frozen

from statemachine import bodies
from statemachine.errors import DefinitionError

__all__ = [
    "ANY",
    "Any_",
    "Compound",
    "Final",
    "History",
    "Options",
    "Parallel",
    "Ref",
    "Region",
    "State",
    "Target",
    "To",
    "check_body",
    "children",
    "histories",
    "is_text",
    "is_texts",
    "options",
    "substates",
]


V = TypeVar("V")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character: UTF-8 has no bytes for it."""


def is_text(value: object) -> bool:
    """Say whether a value is a text that can be stored: not empty, and without half characters. Pure."""
    return type(value) is str and value != "" and not SURROGATE.search(value)


def is_texts(value: object) -> bool:
    """Say whether a value is a tuple of texts; `("human")` without its comma is not. Pure."""
    return isinstance(value, tuple) and all(map(is_text, cast("tuple[object, ...]", value)))


def _checked_defer(defer: object, label: str) -> None:
    """Raise DefinitionError (PD137) for what is no tuple of classes; the definition checks that they are events."""
    if isinstance(defer, tuple) and all(isinstance(one, type) for one in cast("tuple[object, ...]", defer)):
        return
    raise DefinitionError("PD137", f"{label}: defer={defer!r} is no tuple of event classes. Write defer=(Cancel,).")


class Named:
    """What has its name from the class body it stands in."""

    def __init__(self) -> None:
        self.name = ""
        bodies.note(self)

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name that it is bound to in the class body."""
        self.name = name

    def __call__(self, *arguments: object, **_: object) -> object:
        """Raise: a state was named like a decorator and hides it."""
        raise DefinitionError(
            "PD116",
            f"state {self.name or arguments!r} is called like a decorator: a state of the same name hides "
            "on, done, always or another helper. Rename the state.",
        )

    def __repr__(self) -> str:
        """Show kind and name."""
        return f"<{type(self).__name__} {self.name}>"


class State(Named):
    """A state without substates.

    `initial=True` marks the one that its parent enters by default; `tags` are words that a caller can select by;
    `defer` names events that wait for as long as it is active, unless a rule of its own or an inner one takes them.
    """

    def __init__(
        self, *, initial: bool = False, tags: tuple[str, ...] = (), defer: tuple[type[object], ...] = ()
    ) -> None:
        if not is_texts(tags):
            raise DefinitionError("PD119", f"State(tags={tags!r}): tags are a tuple of texts. Write ('human',).")
        _checked_defer(defer, "State(…)")
        self.initial = initial
        self.tags = tags
        self.defer = defer
        super().__init__()


class Final(State):
    """A state that ends its parent; at the top level it ends the instance, with `outcome` (default: its name).

    It hands over nothing of its own: what a workflow or a region came to stands in its data, which outlasts the end. A
    `@done` rule may ask `self.is_in(…)` which final state it was: its guard and action see the configuration before.
    """

    def __init__(self, *, outcome: str | None = None, initial: bool = False, tags: tuple[str, ...] = ()) -> None:
        if outcome is not None and not is_text(outcome):
            raise DefinitionError(
                "PD153", f"Final(outcome={outcome!r}): an outcome is a text that can be stored. Write outcome='paid'."
            )
        super().__init__(initial=initial, tags=tags)
        self.outcome = outcome


class History(Named):
    """Where its region was when it was last left: a target that leads back there, and no state of its own.

    `to` is where it leads as long as its region was never left: a state of the region, or several of different
    regions in it. A shallow one comes back to the child that was active and enters that by default; a deep one comes
    back to the innermost states. What is remembered is stored with the instance, and outlasts a crash.
    """

    if TYPE_CHECKING:

        def __init__(self, *, to: "Ref | tuple[Ref, ...]", deep: bool = False) -> None:
            """Make a history."""

    else:

        def __init__(self, *, to: object = None, deep: bool = False) -> None:
            """Make a history. Raises DefinitionError (PD136)."""
            if to in (None, ()):
                raise DefinitionError(
                    "PD136",
                    "History() has no default: nothing is remembered before its region was left once. "
                    "Write History(to=STATE).",
                )
            self.to = to if isinstance(to, tuple) else (to,)
            self.deep = deep
            super().__init__()

    to: "tuple[Ref, ...]"
    deep: bool


START = "__start__"
"""Where a class says what is entered by default that is not one of its children; what reads documents sets it."""


class Region:
    """A state with substates. Use `Compound` (one of them is active) or `Parallel` (all of them are)."""

    is_initial: ClassVar[bool] = False
    region_tags: ClassVar[tuple[str, ...]] = ()
    region_defer: ClassVar[tuple[type[object], ...]] = ()

    def __init_subclass__(
        cls,
        *,
        initial: bool | None = None,
        tags: tuple[str, ...] | None = None,
        defer: tuple[type[object], ...] | None = None,
    ) -> None:
        """Take the options of a region's class line, and refuse what is no state.

        A region that derives from another has its states too, and its options unless they are given again.
        """
        super().__init_subclass__()
        bodies.note(cls)
        check_body(cls, f"region {cls.__name__!r}")
        for name in sorted(_OPTIONS & set(vars(cls))):
            raise DefinitionError(
                "PD114", f"region {cls.__name__!r}: {name!r} is a name of the region. Choose another one."
            )
        if tags is not None and not is_texts(tags):
            raise DefinitionError(
                "PD119", f"region {cls.__name__!r}: tags={tags!r} is no tuple of texts. Write tags=('human',)."
            )
        if defer is not None:
            _checked_defer(defer, f"region {cls.__name__!r}")
        cls.is_initial = cls.is_initial if initial is None else initial
        cls.region_defer = cls.region_defer if defer is None else defer
        cls.region_tags = cls.region_tags if tags is None else tags
        for name, value in vars(cls).items():
            is_state = _is_state(value) or isinstance(value, History)
            if not name.startswith("__") and not is_state and name not in _OPTIONS:
                raise DefinitionError(
                    "PD115",
                    f"region {cls.__name__!r} holds {name!r}, which is no state. Regions hold only states; "
                    "rules and helpers stand in the workflow's body.",
                )


_OPTIONS = {"is_initial", "region_tags", "region_defer"}


def check_body(owner: type, label: str) -> None:
    """Raise DefinitionError (PD123) if something that was made in a class body has lost its name there."""
    for one in bodies.lost(owner):
        known = one.name or getattr(one.value, "__name__", "") or getattr(one.value, "name", "")
        kind = "state" if _is_state(one.value) or isinstance(one.value, History) else "rule"
        again = f"the name {known!r} was given again" if known else "it has no name, or its name was given again"
        raise DefinitionError(
            "PD123", f"{label}: the {kind} of line {one.line} is lost: {again}. Give each state and rule its own name."
        )


def _is_state(value: object) -> bool:
    return isinstance(value, State) or (isinstance(value, type) and issubclass(value, Region))


class Compound(Region):
    """A region of which exactly one substate is active."""


class Parallel(Region):
    """A region of which all substates are active at once."""


class Any_:  # noqa: N801  # typing.Any is another thing
    """The type of `ANY`."""


ANY = Any_()
"""Every state of the workflow, as the source of a rule; rules of the states themselves win over it."""

Ref: TypeAlias = State | type[Compound] | type[Parallel]
"""What a rule may name as source."""

Target: TypeAlias = Ref | History
"""What a rule may name as target."""

To: TypeAlias = Target | tuple[Target, ...] | None
"""Where a rule leads: one target, several in different regions, or None where nothing is left or entered."""


def children(owner: type) -> dict[str, Ref]:
    """Return the states that stand in one class body, by name, in source order. Pure."""
    return {name: value for name, value in vars(owner).items() if _is_state(value)}


def substates(state: Ref) -> dict[str, Ref]:
    """Return the states inside a state, by name: those of a region's bases first; of a leaf, none. Pure."""
    return {} if isinstance(state, State) else _inherited(state, children)


def histories(state: Ref) -> "dict[str, History]":
    """Return the histories of a region, by name: those of its bases first; of a leaf, none. Pure."""
    return {} if isinstance(state, State) else _inherited(state, _own_histories)


def _own_histories(owner: type) -> dict[str, History]:
    return {name: value for name, value in vars(owner).items() if isinstance(value, History)}


def _inherited(region: type[Region], own: Callable[[type], dict[str, V]]) -> dict[str, V]:
    found = {name: inner for owner in reversed(region.__mro__) for name, inner in own(owner).items()}
    return {name: inner for name, inner in found.items() if getattr(region, name) is inner}


@frozen(eq=False)
class Options:
    """What was written for a state beside its name and its substates."""

    initial: bool
    tags: tuple[str, ...]
    defer: tuple[type[object], ...]


def options(state: Ref) -> Options:
    """Return what was written for a state, in its call or in its class line. Pure."""
    if isinstance(state, State):
        return Options(state.initial, state.tags, state.defer)
    return Options(state.is_initial, state.region_tags, state.region_defer)
