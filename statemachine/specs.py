"""States and rules as a definition hands them over to be built: names only, nothing of the classes they came from."""

from attrs import frozen

__all__ = ["RuleSpec", "StateSpec"]


@frozen
class StateSpec:
    """One state, as the definition hands it over."""

    name: str
    kind: str  # atomic, final, compound, parallel
    children: "tuple[StateSpec, ...]" = ()
    initial: str | None = None
    outcome: str | None = None
    tags: tuple[str, ...] = ()
    enter: tuple[str, ...] = ()  # names of methods
    leave: tuple[str, ...] = ()


@frozen
class RuleSpec:
    """One rule for one event, as the definition hands it over. Source and target are full names of states."""

    order: int
    event: str
    sources: tuple[str, ...]
    target: str | None
    action: str
    guard: str | None = None
    reenter: bool = False
    roles: tuple[str, ...] = ()
