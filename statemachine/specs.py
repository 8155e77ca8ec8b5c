"""States and rules as a definition hands them over to be built: names only, nothing of the classes they came from."""

from attrs import frozen

__all__ = ["RuleSpec", "StateSpec", "TaskSpec", "TimerSpec"]


@frozen
class StateSpec:
    """One state, as the definition hands it over."""

    name: str
    kind: str  # atomic, final, compound, parallel, history
    children: "tuple[StateSpec, ...]" = ()
    initial: str | None = None
    outcome: str | None = None
    tags: tuple[str, ...] = ()
    enter: tuple[str, ...] = ()  # names of methods
    leave: tuple[str, ...] = ()
    defer: tuple[str, ...] = ()  # names of events
    deep: bool = False  # of a history
    fallback: tuple[str, ...] = ()  # of a history: names of states, from its region on
    start: tuple[str, ...] = ()  # what is entered by default where that is not `initial`: full names


@frozen
class RuleSpec:
    """One rule for one event, as the definition hands it over. Sources and targets are full names of states."""

    order: int
    event: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]  # none for an internal transition
    action: str
    guard: str | None = None
    reenter: bool = False
    roles: tuple[str, ...] = ()


@frozen(eq=False)
class TaskSpec:
    """One task, as the definition hands it over. States are full names, callbacks names of methods."""

    name: str
    state: str
    done: str | None  # None: the state stays as it is
    failed: str
    result: str | None
    returns: object  # the description of what it returns, which is stored with the result
    attempts: int
    delay_ms: int
    timeout_ms: int | None


@frozen(eq=False)
class TimerSpec:
    """One timer at its states, as the definition hands it over."""

    name: str
    delay_ms: int
    sources: tuple[str, ...]
    target: str | None
