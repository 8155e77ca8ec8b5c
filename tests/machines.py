"""Random machines of `transitions`, and what they tell: drawn once, built as any class of machine and as a workflow."""

import contextlib
import logging
import re
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from attrs import evolve, frozen
from hypothesis import strategies as st
from transitions.extensions import HierarchicalMachine

from statemachine import Compound, Cursor, Parallel, Refused, State, Workflow, enter, leave, on
from statemachine.states import Ref

GUARDS = ("g0", "g1")
DEPTH_MAX = 4
Draw = Callable[..., Any]

logging.getLogger("transitions").setLevel(
    logging.ERROR
)  # a trigger that nothing takes is a warning, thousands of times


@frozen
class Plain:
    """One state as drawn."""

    path: str  # joined by underscores
    kind: str  # atomic, compound, parallel
    children: "tuple[Plain, ...]" = ()
    initial: str | None = None

    def config(self) -> dict[str, Any]:
        """What `transitions` reads; every state tells when it is entered and left."""
        name = self.path.rpartition("_")[2]
        inner: dict[str, Any] = {"children": [child.config() for child in self.children]} if self.children else {}
        if self.kind == "parallel":
            inner = {"parallel": inner["children"]}
        elif self.kind == "compound":
            inner["initial"] = self.initial
        return {"name": name, "on_enter": [f"+{self.path}"], "on_exit": [f"-{self.path}"], **inner}

    def every(self) -> "Iterator[Plain]":
        """Itself and what lies in it, in document order."""
        yield self
        for child in self.children:
            yield from child.every()


@frozen
class Drawn:
    """One transition as drawn."""

    trigger: str
    source: str
    dest: str | None
    guard: str | None
    is_unless: bool


@frozen
class Tale:
    """A machine and what is sent to it: triggers, each with the guards that say yes."""

    states: tuple[Plain, ...]
    initial: str
    drawn: tuple[Drawn, ...]
    sends: tuple[tuple[str, frozenset[str]], ...]

    def every(self) -> list[Plain]:
        """All states in document order."""
        return [one for state in self.states for one in state.every()]

    def machine(self, kind: type[HierarchicalMachine], model: "Teller", **more: Any) -> HierarchicalMachine:
        """Build it, with the model in its initial state."""
        machine = kind(
            model,
            states=[state.config() for state in self.states],
            initial=self.initial,
            auto_transitions=False,
            ignore_invalid_triggers=True,
            **more,
        )
        for number, one in enumerate(self.drawn):
            asked = {"unless" if one.is_unless else "conditions": one.guard} if one.guard else {}
            machine.add_transition(one.trigger, one.source, one.dest, before=f"#{number}", **asked)
        return machine

    def without_parallels(self) -> "Tale":
        """The same with every parallel state made compound."""
        return evolve(self, states=tuple(map(_compound, self.states)))


def _compound(state: Plain) -> Plain:
    inner = tuple(map(_compound, state.children))
    if state.kind != "parallel":
        return evolve(state, children=inner)
    return evolve(state, children=inner, kind="compound", initial=inner[0].path.rpartition("_")[2])


class Teller:
    """A model that notes its callbacks: their names begin with a sign, so that no trigger is taken for one."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.holding: frozenset[str] = frozenset()
        self.state: Any = None

    def __getattr__(self, name: str) -> Any:
        if name in GUARDS:
            return partial(self._guard, name)
        if name[:1] in {"+", "-", "#", "!"}:
            return partial(self.told.append, name)
        raise AttributeError(name)

    def _guard(self, name: str) -> bool:
        self.told.append(f"?{name}")
        return name in self.holding


# -- the same as a workflow --------------------------------------------------------------------------------------------


@frozen
class E0: ...


@frozen
class E1: ...


@frozen
class E2: ...


EVENTS: Mapping[str, type[Any]] = {"E0": E0, "E1": E1, "E2": E2}


def workflow(tale: Tale, teller: Teller) -> type[Workflow[None]]:
    """Declare a tale as a class whose callbacks tell the same teller."""
    refs: dict[str, Ref] = {}
    tops = {one.path: _ref(one, refs, is_initial=one.path == tale.initial) for one in tale.states}
    body: dict[str, Any] = dict(tops)
    for path, ref in refs.items():
        body[f"+{path}"] = enter(ref)(_hook(teller, f"+{path}"))
        body[f"-{path}"] = leave(ref)(_hook(teller, f"-{path}"))
    for number, one in enumerate(tale.drawn):
        guard = None if one.guard is None else _guard(teller, one, f"?{number}")
        body.update({} if guard is None else {f"?{number}": guard})
        to = None if one.dest is None else refs[one.dest]
        decorate: Any = on(EVENTS[one.trigger], refs[one.source], to=to, when=guard)
        body[f"#{number}"] = decorate(_action(teller, f"#{number}"))
    made = types.new_class("Told", (Workflow[None],), {"revision": 1}, lambda namespace: namespace.update(body))
    return cast("type[Workflow[None]]", made)


def _ref(one: Plain, refs: dict[str, Ref], *, is_initial: bool) -> Ref:
    name = one.path.rpartition("_")[2]
    if not one.children:
        refs[one.path] = State(initial=is_initial)
        return refs[one.path]
    inner = {
        child.path.rpartition("_")[2]: _ref(child, refs, is_initial=child.path == f"{one.path}_{one.initial}")
        for child in one.children
    }
    base = Parallel if one.kind == "parallel" else Compound
    made = types.new_class(name, (base,), {"initial": is_initial}, lambda namespace: namespace.update(inner))
    refs[one.path] = cast("type[Compound]", made)
    return refs[one.path]


def _hook(teller: Teller, name: str) -> Callable[[object], None]:
    def hook(frame: object) -> None:
        teller.told.append(name)

    return hook


def _action(teller: Teller, name: str) -> Callable[[object, object], None]:
    def action(frame: object, event: object) -> None:
        teller.told.append(name)

    return action


def _guard(teller: Teller, one: Drawn, name: str) -> Callable[[object], bool]:
    def guard(frame: object) -> bool:
        return (one.guard in teller.holding) is not one.is_unless

    guard.__name__ = name
    return guard


def send(cursor: Cursor[None], trigger: str) -> None:
    """Send an event; nothing happens if it is refused, as with `ignore_invalid_triggers`."""
    with contextlib.suppress(Refused):
        cursor.send(EVENTS[trigger]())


# -- what holds of a configuration -------------------------------------------------------------------------------------


def configuration(model: Teller) -> tuple[str, ...]:
    """The active leaves of a model, as nested lists show them."""
    return tuple(_flat(model.state))


def _flat(value: object) -> list[str]:
    return [leaf for one in value for leaf in _flat(one)] if isinstance(value, list) else [str(value)]


def is_legal(tale: Tale, leaves: tuple[str, ...]) -> bool:
    """Whether one first-level state is active, one child of each active compound, all of each active parallel."""
    active = {leaf[:end] for leaf in leaves for end in [*(m.start() for m in re.finditer("_", leaf)), len(leaf)]}
    known = {one.path for one in tale.every()}
    inner = [one for one in tale.every() if one.path in active and one.children]
    counts = [(len(one.children) if one.kind == "parallel" else 1, one.children) for one in inner]
    wanted = [(1, tale.states), *counts]
    return active <= known and all(sum(one.path in active for one in many) == count for count, many in wanted)


def left_by(tale: Tale, leaves: tuple[str, ...], one: Drawn) -> tuple[set[str], set[str]]:
    """What a transition leaves by SCXML and by the habits of `transitions`, from the names alone."""
    if one.dest is None:
        return set(), set()
    kinds = {state.path: state.kind for state in tale.every()}
    active = {path for path in kinds if any(leaf == path or leaf.startswith(f"{path}_") for leaf in leaves)}
    around = [one.dest[: m.start()] for m in re.finditer("_", one.dest)][::-1]
    source_is_domain = one.source in around and kinds[one.source] == "compound"
    compounds = (path for path in around if kinds[path] == "compound" and one.source.startswith(f"{path}_"))
    scxml = one.source if source_is_domain else next(compounds, "")
    habit = next((path for path in around if path in active), "")
    in_habit = {path for path in active if not habit or path.startswith(f"{habit}_")}
    if kinds.get(habit) == "parallel":
        side = one.dest.split("_")[habit.count("_") + 1]
        in_habit = {path for path in in_habit if f"{path}_".startswith(f"{habit}_{side}_")}
    return {path for path in active if not scxml or path.startswith(f"{scxml}_")}, in_habit


# -- strategies --------------------------------------------------------------------------------------------------------


@st.composite
def tales(draw: Draw) -> Tale:
    """Draw a machine with up to three levels and parallel states, and up to eight triggers."""
    states = tuple(_state(draw, name, 1) for name in "abc"[: draw(st.integers(1, 3))])
    paths = [one.path for state in states for one in state.every()]
    drawn = st.builds(
        Drawn,
        trigger=st.sampled_from([*EVENTS]),
        source=st.sampled_from(paths),
        dest=st.sampled_from([*paths, *paths, None]),
        guard=st.sampled_from([None, None, *GUARDS]),
        is_unless=st.booleans(),
    )
    sends = st.tuples(st.sampled_from([*EVENTS]), st.frozensets(st.sampled_from(GUARDS)))
    return Tale(
        states,
        draw(st.sampled_from([state.path for state in states])),
        tuple(draw(st.lists(drawn, min_size=2, max_size=14))),
        tuple(draw(st.lists(sends, min_size=2, max_size=8))),
    )


def _state(draw: Draw, path: str, depth: int) -> Plain:
    kind = draw(st.sampled_from(["atomic", "compound", "parallel"][: 3 if depth < DEPTH_MAX else 1]))
    if kind == "atomic":
        return Plain(path, kind)
    count = draw(st.integers(2, 3))
    inner = tuple(_state(draw, f"{path}_{name}", depth + 1) for name in "xyz"[:count])
    return Plain(path, kind, inner, draw(st.sampled_from("xyz"[:count])) if kind == "compound" else None)
