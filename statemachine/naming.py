"""Full names for the states of a declaration, over the class and its bases: what rules refer to, and may lead to.

States are known by identity, merged by name: a subclass's replace its base's, and a state that was replaced stands for
the one that replaced it. A history has a name like a state's, and is no state: rules may lead to it and nothing else.
"""

import re
from collections.abc import Sequence

from attrs import define, field

from statemachine.errors import DefinitionError
from statemachine.states import (
    START,
    Final,
    History,
    Parallel,
    Ref,
    State,
    Target,
    To,
    children,
    histories,
    is_text,
    options,
    substates,
)

__all__ = ["Names"]

DEPTH_MAX = 100  # charts are walked by functions that call themselves

MARKS = re.compile(r"[,|=:.\x00-\x1f\x7f]")
"""What separates names where a configuration, or what regions remember, is stored as one text."""


@define(eq=False)
class Names:
    """The states and histories of a workflow, by full name."""

    label: str
    workflow: type
    bodies: Sequence[type]  # the workflow's own and its bases', a subclass's first
    paths: dict[object, str] = field(factory=dict[object, str])  # state objects of every base -> full name
    states: dict[str, Ref] = field(factory=dict[str, Ref])  # full name -> the object that stands for it
    tree: dict[str, Ref] = field(factory=dict[str, Ref])
    tags: dict[str, tuple[str, ...]] = field(factory=dict[str, tuple[str, ...]])
    histories: dict[object, str] = field(factory=dict[object, str])  # history objects of every base -> full name

    def __attrs_post_init__(self) -> None:
        """Collect the states of every class, bases first, so that a subclass's replace its base's."""
        for owner in reversed(self.bodies):
            found = children(owner)
            self.tree.update(found)
            self._refuse_histories(owner)
            for name, state in found.items():
                self._check_name(name)
                self._collect(name, state)
        for name, state in self.tree.items():
            if getattr(self.workflow, name) is not state:
                raise DefinitionError(
                    "PD125", f"{self.label}: {name!r} is a state of a base and something else here. Rename this one."
                )
            self._settle(name, state)
        # What a base's region held and its replacement does not is no state of this workflow.
        self.paths = {state: path for state, path in self.paths.items() if path in self.states}
        known = {f"{path}.{name}" for path, state in self.states.items() for name in histories(state)}
        self.histories = {history: path for history, path in self.histories.items() if path in known}

    def _refuse_histories(self, owner: type) -> None:
        for name, value in vars(owner).items():
            if isinstance(value, History):
                raise DefinitionError(
                    "PD135",
                    f"{self.label}: history {name!r} stands beside the first-level states, which are left only at the "
                    "end. Put it into the body of the region that it remembers.",
                )

    def _collect(self, path: str, state: Ref) -> None:
        if path.count(".") >= DEPTH_MAX:
            raise DefinitionError(
                "PD155", f"{self.label}: states are nested deeper than {DEPTH_MAX} levels. Flatten the chart."
            )
        self._note(self.paths, path, state)
        for name, history in histories(state).items():
            self._check_name(name)
            self._note(self.histories, f"{path}.{name}", history)
        for name, inner in substates(state).items():
            self._check_name(name)
            self._collect(f"{path}.{name}", inner)

    def _check_name(self, name: str) -> None:
        """Raise DefinitionError (PD154) for a name that would be read as another one where it is stored.

        No class statement makes such a name; what builds classes by program can.
        """
        if not is_text(name) or not name.strip() or MARKS.search(name):
            raise DefinitionError(
                "PD154",
                f"{self.label}: {name!r} cannot be the name of a state. "
                "Leave out , | = : . and signs that do not show.",
            )

    def _note(self, known: dict[object, str], path: str, one: object) -> None:
        name = known.setdefault(one, path)
        if name != path:
            raise DefinitionError(
                "PD124", f"{self.label}: {name!r} and {path!r} are one state under two names. Make a State for each."
            )

    def _settle(self, path: str, state: Ref) -> None:
        self.states[path] = state
        self.tags[path] = options(state).tags
        for name, inner in substates(state).items():
            self._settle(f"{path}.{name}", inner)

    # -- asking --------------------------------------------------------------------------------------------------------

    def state(self, state: object, where: str) -> str:
        """Return the full name of a state. Raises DefinitionError (PD106, PD135)."""
        if isinstance(state, History) and state in self.histories:
            raise DefinitionError(
                "PD135",
                f"{self.label}.{where} names history {self.histories[state]!r} where a state must stand. "
                "A history is only a target of @on, @always, @done or @on_error: name its region.",
            )
        try:
            return self.paths[state]
        except (KeyError, TypeError) as error:
            raise DefinitionError(
                "PD106", f"{self.label}.{where} names {state!r}, which is no state of this workflow. Declare it there."
            ) from error

    def targets(self, to: To, where: str) -> tuple[str, ...]:
        """Return the full names of where a rule leads. Raises DefinitionError (PD106, PD138)."""
        if to is None:
            return ()
        several = to if isinstance(to, tuple) else (to,)
        names = tuple(self._target(one, where) for one in several)
        self._check_together(names, where)
        return names

    def _target(self, target: object, where: str) -> str:
        if isinstance(target, History) and target in self.histories:
            return self.histories[target]
        return self.state(target, where)

    def start(self, owner: type) -> tuple[str, ...]:
        """Return what a region, or the workflow, enters by default where that is not its one initial child."""
        found: tuple[Target, ...] = getattr(owner, START, ())
        return self.targets(found, owner.__name__) if found else ()

    def fallback(self, history: History, path: str) -> tuple[str, ...]:
        """Return where a history leads as long as nothing is remembered, from its region on.

        Raises DefinitionError (PD106, PD136, PD138).
        """
        region = path.rpartition(".")[0]
        names = tuple(self.state(one, path) for one in history.to)
        for name in (name for name in names if not name.startswith(f"{region}.")):
            raise DefinitionError(
                "PD136",
                f"{self.label}: history {path!r} leads to {name!r}, which is not in {region!r}. Name one that is.",
            )
        self._check_together(names, path)
        return tuple(name.removeprefix(f"{region}.") for name in names)

    def _check_together(self, names: tuple[str, ...], where: str) -> None:
        """Raise DefinitionError (PD138) for targets that cannot all be entered at once."""
        if not names:
            raise DefinitionError("PD138", f"{self.label}.{where}: to=() names no target. Write to=None to stay.")
        places = [self._place(name) for name in names]
        for index, one in enumerate(places):
            for other in range(index + 1, len(places)):
                if not self._are_parallel(one, places[other]):
                    raise DefinitionError(
                        "PD138",
                        f"{self.label}.{where}: {names[index]!r} and {names[other]!r} cannot be entered together. "
                        "Several targets lie in different regions of a Parallel.",
                    )

    def _place(self, name: str) -> str:
        """Return what a target stands for: a history brings back its whole region."""
        return name if name in self.states else name.rpartition(".")[0]

    def _are_parallel(self, one: str, other: str) -> bool:
        shared = 0
        mine, yours = one.split("."), other.split(".")
        while shared < min(len(mine), len(yours)) and mine[shared] == yours[shared]:
            shared += 1
        if shared in {0, len(mine), len(yours)}:  # nothing around both, or one is around the other
            return False
        return _is_parallel(self.states[".".join(mine[:shared])])

    def check_outcomes(self) -> None:
        """Raise DefinitionError (PD141) for the outcome of a final state that ends only its region."""
        for path, state in self.states.items():
            if isinstance(state, Final) and state.outcome is not None and "." in path:
                raise DefinitionError(
                    "PD141",
                    f"{self.label}: final state {path!r} has an outcome and does not end the instance: nobody would "
                    "read it. Ask self.is_in(…) in @done.",
                )


def _is_parallel(state: Ref) -> bool:
    return not isinstance(state, State) and issubclass(state, Parallel)
