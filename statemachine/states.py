"""The states of a declaration: what a user writes in the class body, before anything is compiled.

States and regions are known by identity. A region is a class, so that `fulfil.stock.queued` is an attribute that type
checkers follow; its own class body holds states and nothing else.
"""

from typing import ClassVar, TypeAlias, cast

from statemachine import bodies
from statemachine.errors import DefinitionError

__all__ = [
    "ANY",
    "Any_",
    "Compound",
    "Final",
    "Parallel",
    "Ref",
    "Region",
    "State",
    "check_body",
    "children",
    "is_texts",
    "substates",
]


def is_texts(value: object) -> bool:
    """Say whether a value is a tuple of texts; `("human")` without its comma is not. Pure."""
    return isinstance(value, tuple) and all(isinstance(one, str) for one in cast("tuple[object, ...]", value))


class State:
    """A state without substates.

    `initial=True` marks the one that its parent enters by default; `tags` are words that a caller can select by.
    """

    def __init__(self, *, initial: bool = False, tags: tuple[str, ...] = ()) -> None:
        if not is_texts(tags):
            raise DefinitionError("PD119", f"State(tags={tags!r}): tags are a tuple of texts. Write ('human',).")
        self.initial = initial
        self.tags = tags
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


class Final(State):
    """A state that ends its parent; at the top level it ends the instance, with `outcome` (default: its name)."""

    def __init__(self, *, outcome: str | None = None, initial: bool = False, tags: tuple[str, ...] = ()) -> None:
        super().__init__(initial=initial, tags=tags)
        self.outcome = outcome


class Region:
    """A state with substates. Use `Compound` (one of them is active) or `Parallel` (all of them are)."""

    is_initial: ClassVar[bool] = False
    region_tags: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, initial: bool | None = None, tags: tuple[str, ...] | None = None) -> None:
        """Take the options of a region's class line, and refuse what is no state.

        A region that derives from another has its states too, and its options unless they are given again.
        """
        super().__init_subclass__()
        bodies.note(cls)
        check_body(cls, f"region {cls.__name__!r}")
        for name in sorted({"is_initial", "region_tags"} & set(vars(cls))):
            raise DefinitionError(
                "PD114", f"region {cls.__name__!r}: {name!r} is a name of the region. Choose another one."
            )
        if tags is not None and not is_texts(tags):
            raise DefinitionError(
                "PD119", f"region {cls.__name__!r}: tags={tags!r} is no tuple of texts. Write tags=('human',)."
            )
        cls.is_initial = cls.is_initial if initial is None else initial
        cls.region_tags = cls.region_tags if tags is None else tags
        for name, value in vars(cls).items():
            if not name.startswith("__") and not _is_state(value) and name not in {"is_initial", "region_tags"}:
                raise DefinitionError(
                    "PD115",
                    f"region {cls.__name__!r} holds {name!r}, which is no state. Regions hold only states; "
                    "rules and helpers stand in the workflow's body.",
                )


def check_body(owner: type, label: str) -> None:
    """Raise DefinitionError (PD123) if something that was made in a class body has lost its name there."""
    for one in bodies.lost(owner):
        known = one.name or getattr(one.value, "__name__", "") or getattr(one.value, "name", "")
        kind = "state" if _is_state(one.value) else "rule"
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
"""What a rule may name as source or target."""


def children(owner: type) -> dict[str, Ref]:
    """Return the states that stand in one class body, by name, in source order. Pure."""
    return {name: value for name, value in vars(owner).items() if _is_state(value)}


def substates(state: Ref) -> dict[str, Ref]:
    """Return the states inside a state, by name: those of a region's bases first; of a leaf, none. Pure."""
    if isinstance(state, State):
        return {}
    return {name: inner for owner in reversed(state.__mro__) for name, inner in children(owner).items()}
