"""The chart of a machine that runs by itself: compiled from its own objects, with the way from each plan back to them.

A `StatechartMachine` may be changed at any time, so nothing here outlives a change: the machine throws its `LiveChart`
away and makes another one. In the chart's text states are numbered, because a name of `transitions` may hold anything,
a dot included. What is memoised are plans; guards are asked each time.

Three things exist in `transitions` and not in a workflow: a compound state without an initial child, which is entered
alone; a parallel that enters only some of its children; and transitions written inside a state, whose names count from
there. A rule of an inner scope is asked before one of an outer scope at the same state.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias, cast

from attrs import define, field, frozen

from statemachine.chart import Chart, Configuration, Rule, remember
from statemachine.dialect import Dialect
from statemachine.plans import plan

__all__ = ["FLAT", "LiveChart", "Move", "Path", "Way", "copied", "flat"]

FLAT = "\0"
"""The separator of a machine whose states hold none: it stands in no name."""

Path: TypeAlias = tuple[str, ...]
"""Names of states from the first level down."""


@frozen(eq=False)
class Way:
    """One transition of the machine, where it stands."""

    transition: Any
    event: Any
    source: Path
    target: Path | None  # None: internal, or a state that does not exist
    state: Any  # the object of the source
    scope: int  # how many names of the source are those of states around the scope in which it is written


@frozen(eq=False)
class Move:
    """What a transition does to a model, in the machine's own objects, in the order in which it is to be done."""

    leave: tuple[tuple[Any, list[str]], ...]  # each state with the names of those around it
    enter: tuple[tuple[Any, list[str]], ...]
    names: Any  # what the model holds afterwards: a name, or nested lists of names
    values: Any  # the same, with members of an Enum where states have them
    states: Any  # the same, as objects of states
    finals: tuple[Any, ...]  # the states, and at last the machine, that are done because of it


@define(eq=False)
class _Place:
    """One state where it stands."""

    node: str
    path: Path
    state: Any
    inner: "dict[str, _Place]" = field(factory=dict[str, Any])


class LiveChart:
    """The chart of a machine as it is when this is made. `machine` is in its root scope."""

    def __init__(self, machine: Any, separator: str, *, dialect: Dialect) -> None:
        self.separator = separator
        self._top = _Place("", (), machine)
        self._places: dict[Path, _Place] = {}
        self._nodes: dict[str, _Place] = {}
        self._members: dict[object, _Place] = {}
        states = self._add_places(self._top, machine.states)
        self.ways = tuple(self._ways((), machine))
        rules = [self._rule(way) for way in self.ways]
        self.chart = Chart(json.dumps({"initial": None, "states": states, "rules": rules}), dialect=dialect)
        self._configurations: dict[object, Configuration] = {}
        self._moves: dict[tuple[object, Path, Path], Move] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave it out where a machine is copied or pickled: the copy has objects of its own."""
        return (_nothing, ())

    # -- compiling -----------------------------------------------------------------------------------------------------

    def _add_places(self, above: _Place, states: Mapping[str, Any]) -> list[dict[str, object]]:
        described: list[dict[str, object]] = []
        for number, (name, state) in enumerate(states.items()):
            node = f"{above.node}.{number}" if above.node else str(number)
            place = above.inner[name] = self._nodes[node] = _Place(node, (*above.path, name), state)
            self._places[place.path] = place
            if isinstance(state.value, Enum):
                self._members.setdefault(state.value, place)
            children = self._add_places(place, getattr(state, "states", {}))
            initial = [place.inner[name].node.rpartition(".")[2] for name in self.initial(place.path)]
            described.append(
                {
                    "name": str(number),
                    "kind": "parallel" if len(initial) > 1 else "compound" if children else "atomic",
                    "enter": [node],
                    "leave": [node],
                    "children": children,
                    **({"regions": initial} if len(initial) > 1 else {"initial": initial[0]} if initial else {}),
                }
            )
        return described

    def _ways(self, scope: Path, holder: Any) -> Iterator[Way]:
        for name, state in getattr(holder, "states", {}).items():
            yield from self._ways((*scope, name), state)
        for event in getattr(holder, "events", {}).values():
            for many in event.transitions.values():
                for one in many:
                    source = self._places.get((*scope, *self.split(one.source)))
                    if source is not None:
                        target = self._target(scope, one.dest)
                        yield Way(one, event, source.path, target, source.state, len(scope))

    def _target(self, scope: Path, dest: str | None) -> Path | None:
        """Find a target as a name counted from the scope of its transition, else from the first level."""
        inner = self.split(dest) if dest else ()
        found = (path for path in ((*scope, *inner), inner) if path in self._places)
        return next(found, None) if inner else None

    def _rule(self, way: Way) -> dict[str, object]:
        target = {} if way.target is None else {"targets": [self._places[way.target].node]}
        return {"event": way.event.name, "source": self._places[way.source].node, "action": "", **target}

    # -- asking --------------------------------------------------------------------------------------------------------

    @property
    def paths(self) -> list[Path]:
        """Where all states stand, in document order."""
        return list(self._places)

    def state(self, path: Path) -> Any:
        """Return the machine's object that stands there."""
        return self._places[path].state

    def initial(self, path: Path) -> list[str]:
        """Return the names of the children that a state enters by itself. Raises ValueError for one that it has not."""
        place = self._places[path]
        initial = getattr(place.state, "initial", None)
        names = [str(getattr(one, "name", one)) for one in _items(initial) or ([initial] if initial else [])]
        for name in (name for name in names if name not in place.inner):
            raise ValueError(f"State '{place.state.name}' has no state '{name}', which it names as initial.")
        return names

    def is_parallel(self, path: Path) -> bool:
        """Say whether a state enters several of its children; the first level does not."""
        return bool(path) and len(self.initial(path)) > 1

    def inside(self, border: Path, toward: Path) -> list[Path]:
        """Return the states inside a state, and if `toward` lies inside it, those on that side only."""
        depth = len(border)
        side = toward[: depth + 1]
        return [path for path in self.paths if len(path) > depth and path[: len(side)] == side]

    # -- running -------------------------------------------------------------------------------------------------------

    def way(self, transition: Any) -> Way:
        """Return where a transition stands that is in no event: its names count from the first level."""
        source = self._place(transition.source)
        return Way(transition, None, source.path, self._target((), transition.dest), source.state, 0)

    def configuration(self, value: object) -> Configuration:
        """Return the configuration of what a model holds. Raises ValueError for a state that does not exist."""
        key = _key(value)
        found = self._configurations.get(key)
        if found is None:
            places = [self._place(one) for one in flat(value)]
            around = {place.path[:depth] for place in places for depth in range(len(place.path))}
            nodes = {place.node for place in places if place.path not in around}
            found = tuple(sorted(nodes, key=lambda node: self.chart.nodes[node].index))
            remember(self._configurations, key, found)
        return found

    def _place(self, one: object) -> _Place:
        place = self._members.get(one) if isinstance(one, Enum) else self._places.get(self.split(one))
        if place is None:
            raise ValueError(f"State '{one}' is not a registered state.")
        return place

    def split(self, name: object) -> Path:
        """Return the names of which a full name is made."""
        return tuple(str(name).split(self.separator))

    def move(self, value: object, source: Path, target: Path) -> Move:
        """Return what leads a model that holds this value from a source to a target; remembered."""
        key = (_key(value), source, target)
        found = self._moves.get(key)
        if found is None:
            found = self._make_move(self.configuration(value), source, target)
            remember(self._moves, key, found)
        return found

    def _make_move(self, configuration: Configuration, source: Path, target: Path) -> Move:
        nodes = self.chart.nodes
        ends = nodes[self._places[source].node], (nodes[self._places[target].node],)
        rule = Rule(-1, "", *ends, "", None, reenter=False, roles=())
        done = plan(self.chart, configuration, (rule,))
        entered = [self._nodes[node] for actions, _ in done.enter for node in actions]
        active = {node.name for leaf in done.after for node in nodes[leaf].path}
        finals: list[object] = []
        _is_done(self._top, active, entered={place.node for place in entered}, finals=finals)
        return Move(
            leave=tuple(_scoped(self._nodes[node]) for node in done.leave),
            enter=tuple(_scoped(place) for place in entered),
            names=_tree(self._top, active, self._full_name),
            values=_tree(self._top, active, self._value),
            states=_tree(self._top, active, lambda place: place.state),
            finals=tuple(finals),
        )

    def _full_name(self, place: _Place) -> str:
        return self.separator.join(place.path)

    def _value(self, place: _Place) -> object:
        return place.state.value if isinstance(place.state.value, Enum) else self._full_name(place)


def copied(value: Any) -> Any:
    """Return nested lists that the caller may change. Pure."""
    items = _items(value)
    return value if items is None else [copied(one) for one in items]


def _items(value: object) -> "Sequence[object] | None":
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else None


def _nothing() -> None:
    return None


def _key(value: object) -> object:
    items = _items(value)
    return value if items is None else tuple(map(_key, items))


def flat(value: object) -> list[object]:
    """Return the items of nested lists in one. Pure."""
    items = _items(value)
    return [value] if items is None else [leaf for one in items for leaf in flat(one)]


def _scoped(place: _Place) -> tuple[Any, list[str]]:
    return place.state, list(place.path[:-1])


def _tree(place: _Place, active: set[str], leaf: Callable[[_Place], object]) -> Any:
    """Return what is active in a state as `transitions` shows it: nested lists, and a single one alone."""
    inner = [_tree(one, active, leaf) for one in place.inner.values() if one.node in active]
    return inner[0] if len(inner) == 1 else inner or leaf(place)


def _is_done(place: _Place, active: set[str], *, entered: set[str], finals: list[object]) -> bool:
    """Say whether all that is active inside a state is final; note it, and what lies in it, if that came about here."""
    before = len(finals)
    inner = [one for one in place.inner.values() if one.node in active]
    answers = [_is_done(one, active, entered=entered, finals=finals) for one in inner]
    is_done = all(answers) if inner else bool(place.state.final)
    if is_done and (len(finals) > before or place.node in entered):
        finals.append(place.state)
    return is_done
