"""From a machine of `transitions` to a workflow: `Workflow.from_machine`.

The machine's states, transitions and callbacks become the body of a class, written with the same `State`, `on`, `enter`
and `leave` that a user writes, so that everything that is checked, compiled and stored is the same. Callbacks are
called by name on the frame, which is also an object of the model's class; the fields of the data are its attributes.

What would run otherwise than on the machine is refused by name rather than changed in silence (PD190 to PD194). As
there, no `on_enter` runs for the states in which an instance begins. Two things are those of a workflow: an event that
no transition takes is `Refused`, whatever `ignore_invalid_triggers` says, and callbacks of states are given no event.
"""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from attrs import field, frozen, make_class

from statemachine._live import FLAT, LiveChart, Path, Way
from statemachine.dialect import SCXML
from statemachine.errors import DefinitionError
from statemachine.frame import DataField
from statemachine.rules import enter, leave, on
from statemachine.states import Compound, Final, Parallel, Ref, State

__all__ = ["Sent", "adopt"]

START_VERSION = 1


@frozen(eq=False)
class Sent:
    """What a callback gets of a machine with `send_event=True`: that part of `EventData` which is durable."""

    model: object  # the frame
    kwargs: Mapping[str, object]  # the fields of the event
    args: tuple[object, ...] = ()


def adopt(
    root: type,
    machine: object,
    *,
    model: type | None,
    data: type | None,
    events: Mapping[str, type],
    line: Mapping[str, Any],
) -> type:
    """Return a workflow class, derived from `root`, that does what a machine does. Raises DefinitionError.

    `line` are the keywords of its class line.
    """
    from statemachine.machine import features  # `transitions` is loaded by those who have a machine of it

    found = features(machine)
    if model is not None and not isinstance(cast("object", model), type):
        raise DefinitionError("PD190", f"model={model!r} is no class. Pass the class of the machine's model.")
    owner = model or found.model
    label = line["name"] or owner.__name__
    if found.refused:
        raise DefinitionError("PD190", f"{label}: {found.refused[0]}")
    adoption = _Adoption(label, cast("Any", machine), owner, data=data, events=events)
    body = adoption.body()
    bases = (cast("Any", root)[data], owner) if owner is not object else (cast("Any", root)[data],)
    try:
        return types.new_class(owner.__name__, bases, dict(line), lambda namespace: namespace.update(body))
    except DefinitionError:
        raise
    except TypeError as error:
        raise DefinitionError("PD194", f"{label}: {owner.__name__} cannot be a base of a workflow: {error}.") from error


@frozen(eq=False)
class _Adoption:
    """One machine on its way to become a class body."""

    label: str
    machine: Any
    model: type
    data: type | None = field(kw_only=True)
    events: Mapping[str, type] = field(kw_only=True)
    live: LiveChart = field(init=False)

    def __attrs_post_init__(self) -> None:
        separator: str = getattr(self.machine.state_cls, "separator", FLAT)
        try:
            live = LiveChart(self.machine, separator, dialect=SCXML)
        except ValueError as error:  # of a machine that could not run either
            raise self._refusal("PD194", f"{error} Correct the machine.") from error
        object.__setattr__(self, "live", live)

    def body(self) -> dict[str, object]:
        """Return what stands in the class: states, fields, rules, hooks."""
        refs: dict[Path, Ref] = {}
        initial = self._initial()
        tops: Mapping[str, Any] = self.machine.states
        states = {name: self._ref((name,), state, refs, is_initial=name == initial) for name, state in tops.items()}
        fields = {name: DataField(name) for name in _fields(self.data)}
        self._check_names(states, fields)
        rules = dict(self._rules(refs))
        hooks = dict(self._hooks(refs))
        return {**states, **fields, **rules, **hooks, "__models__": self.model.__mro__, "__doc__": self.model.__doc__}

    # -- states --------------------------------------------------------------------------------------------------------

    def _initial(self) -> object:
        """Return the first-level state in which the machine begins."""
        start = self.machine.initial
        if not isinstance(start, str):
            raise self._refusal("PD190", f"it begins in {start!r}, and a workflow in one state. Name one as initial.")
        first, *inner = self.live.split(start)
        if inner and self.live.initial((first,)) != inner:
            raise self._refusal("PD190", f"it begins in {start!r}: let {first!r} name its initial state instead.")
        return first

    def _ref(self, path: Path, state: Any, refs: dict[Path, Ref], *, is_initial: bool) -> Ref:
        tags = tuple(getattr(state, "tags", ()))
        inner: dict[str, Any] = getattr(state, "states", {})
        if "." in state.name:
            raise self._refusal("PD194", f"state {state.name!r} has a dot in its name. Choose another one.")
        if not inner:
            kind = Final if state.final else State
            refs[path] = kind(initial=is_initial, tags=tags)
            return refs[path]
        starts = self.live.initial(path)
        if len(starts) > 1 and len(starts) < len(inner):
            raise self._refusal("PD190", f"state {state.name!r} enters {', '.join(starts)} of its states, not all.")
        base = Parallel if len(starts) > 1 else Compound
        body = {
            name: self._ref((*path, name), child, refs, is_initial=starts == [name]) for name, child in inner.items()
        }
        keywords = {"initial": is_initial, "tags": tags}
        made = types.new_class(state.name, (base,), keywords, lambda namespace: namespace.update(body))
        refs[path] = cast("type[Compound]", made)
        return refs[path]

    def _check_names(self, states: Mapping[str, object], fields: Mapping[str, object]) -> None:
        for name in states:
            if name in fields or hasattr(self.model, name):
                other = "a field of the data" if name in fields else f"a name in {self.model.__name__}"
                raise self._refusal("PD194", f"state {name!r} has the name of {other}. Rename one of them.")

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _rules(self, refs: Mapping[Path, Ref]) -> Iterator[tuple[str, object]]:
        kinds = self._event_classes()
        counts: dict[str, int] = {}
        for way in self.live.ways:
            name = f"{way.event.name}[{'.'.join(way.source)}]"
            counts[name] = counts.get(name, 0) + 1
            name = name if counts[name] == 1 else f"{name}#{counts[name]}"
            self._check_way(way, name)
            kind = kinds[way.event.name]
            guard = self._guard(way, kind, f"{name}?")
            if guard is not None:
                yield f"{name}?", guard
            target = None if way.target is None else refs[way.target]
            decorate: Any = on(cast("type[Any]", kind), refs[way.source], to=target, when=guard)
            yield name, decorate(self._action(way, kind, name))

    def _event_classes(self) -> dict[str, type]:
        triggers = {way.event.name: None for way in self.live.ways}
        unknown = [trigger for trigger in self.events if trigger not in triggers]
        if unknown:
            raise self._refusal("PD194", f"events= names {unknown[0]!r}, which is no trigger. Leave it out.")
        given = list(self.events.values())
        for kind in (kind for kind in given if given.count(kind) > 1):
            raise self._refusal("PD194", f"events= gives {kind.__name__} to two triggers. Make a class for each.")
        return {trigger: self.events.get(trigger) or make_class(trigger, (), frozen=True) for trigger in triggers}

    def _action(self, way: Way, kind: type, name: str) -> Callable[[Any, object], None]:
        machine, transition = self.machine, way.transition
        before = [*machine.before_state_change, *transition.before]
        after = [*transition.after, *machine.after_state_change]
        callbacks = [self._method(one, f"{name} runs", _fields(kind)) for one in (*before, *after)]
        self._check_order(way, name, before=before, after=after)

        def act(frame: Any, event: object) -> None:
            given = _payload(event)
            for callback in callbacks:
                self._call(frame, callback, given)

        _title(act, name)
        return act

    def _guard(self, way: Way, kind: type, name: str) -> Callable[[Any, object], bool] | None:
        conditions = [
            (self._named(one.func, f"{name} asks", _fields(kind)), one.target) for one in way.transition.conditions
        ]
        if not conditions:
            return None

        def guard(frame: Any, event: object) -> bool:
            given = _payload(event)
            return all(bool(self._call(frame, one, given) == target) for one, target in conditions)

        _title(guard, name)
        return guard

    def _call(self, frame: Any, name: str, given: Mapping[str, object]) -> object:
        found: Any = getattr(frame, name)
        if not callable(found):
            return found
        return found(Sent(frame, given)) if self.machine.send_event else found(**given)

    def _hooks(self, refs: Mapping[Path, Ref]) -> Iterator[tuple[str, object]]:
        for path, ref in refs.items():
            state, full = self.live.state(path), ".".join(path)
            for decorate, moment in ((enter, "on_enter"), (leave, "on_exit")):
                names = [self._alone(one, f"{moment} of {full} runs") for one in self._of_state(state, path, moment)]
                if names:
                    yield f"{moment}[{full}]", decorate(ref)(_runner(names, f"{moment}[{full}]"))

    def _of_state(self, state: Any, path: Path, moment: str) -> list[object]:
        """Return the callbacks of a state, with the one that `add_model` would find by its name."""
        found = list(getattr(state, moment))
        dynamic = f"{moment}_{'_'.join(path)}"
        is_found = self.live.separator in {"_", FLAT} and hasattr(self.model, dynamic) and dynamic not in found
        return [*found, dynamic] if is_found else found

    # -- what cannot be ------------------------------------------------------------------------------------------------

    def _refusal(self, code: str, message: str) -> DefinitionError:
        return DefinitionError(code, f"{self.label}: {message}")

    def _check_way(self, way: Way, name: str) -> None:
        if way.transition.prepare:
            raise self._refusal(
                "PD190",
                f"{name} prepares with {way.transition.prepare[0]!r}: that acts even where nothing happens, and an "
                "event that is refused changes nothing. Use before=, or an event for the attempt.",
            )
        if way.target is None and way.transition.dest:
            raise self._refusal("PD194", f"{name} leads to {way.transition.dest!r}, which is no state. Add it.")
        if way.target is None:
            return
        border = _border(way.source, way.target)
        if self.live.is_parallel(border) or (border == way.source and len(way.target) > len(border) + 1):
            raise self._refusal(
                "PD193",
                f"{name} leads to {'.'.join(way.target)!r}: a statechart leaves all inside {'.'.join(border)!r} for "
                "that, and transitions a part of it. Begin nearer to the target, or lead to a state further out.",
            )

    def _check_order(self, way: Way, name: str, *, before: Sequence[object], after: Sequence[object]) -> None:
        """Refuse what would run in another order: a workflow leaves, acts, enters; `before` comes before leaving."""
        if way.target is None:
            return
        border = _border(way.source, way.target)
        for own, moment, end in ((before, "on_exit", way.source), (after, "on_enter", way.target)):
            busy = [
                path for path in self.live.inside(border, end) if self._of_state(self.live.state(path), path, moment)
            ]
            if own and busy:
                raise self._refusal(
                    "PD193",
                    f"{name} runs {own[0]!r} and there is {moment} of {'.'.join(busy[0])!r}: a workflow leaves, acts, "
                    "then enters, which is another order. Make one of them part of the other.",
                )

    def _named(self, callback: object, where: str, given: Sequence[str]) -> str:
        """Return the name of a callback or of what a condition reads."""
        name = callback if isinstance(callback, str) else getattr(callback, "__name__", "")
        held = inspect.getattr_static(self.model, name, None) if name else None
        is_field = isinstance(callback, str) and name in _fields(self.data)
        if not is_field and (held is None or not (isinstance(callback, str) or _is_method(callback, held))):
            raise self._refusal(
                "PD191",
                f"{where} {callback!r}, which is no method of {self.model.__name__} and no field of the data. What is "
                "to run after a restart is found by its name: make it a method.",
            )
        if inspect.isfunction(held) and not is_field:
            self._check_takes(held, where, given)
        return name

    def _method(self, callback: object, where: str, given: Sequence[str]) -> str:
        name = self._named(callback, where, given)
        if not callable(getattr(self.model, name, None)):
            raise self._refusal("PD191", f"{where} {name!r}, which is no method. Only a condition may be a value.")
        return name

    def _check_takes(self, function: Callable[..., object], where: str, given: Sequence[str]) -> None:
        shown = f"{where} {function.__name__!r}"
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise self._refusal("PD192", f"{shown}, which is async or a generator. Write def, or make it a task.")
        arguments, named = ((None, None), {}) if self.machine.send_event else ((None,), dict.fromkeys(given))
        try:
            inspect.signature(function).bind(*arguments, **named)
        except TypeError as error:
            wanted = "one argument, the event's data" if self.machine.send_event else f"({', '.join(given)})"
            raise self._refusal("PD192", f"{shown}, which must take {wanted}: {error}.") from error

    def _alone(self, callback: object, where: str) -> str:
        name = self._named(callback, where, ()) if not self.machine.send_event else str(callback)
        held = inspect.getattr_static(self.model, name, None)
        more = list(inspect.signature(held).parameters.values())[1:] if inspect.isfunction(held) else []
        if held is None or any(one.kind not in _ANY_NUMBER for one in more):
            raise self._refusal(
                "PD192", f"{where} {name!r}, which must take only self: what a state does on its way knows no event."
            )
        return name


_ANY_NUMBER = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _is_method(callback: object, held: object) -> bool:
    """Say whether a callback is a method of an object that has it from its class, under its own name. Pure."""
    return getattr(callback, "__func__", None) is held


def _fields(kind: type | None) -> tuple[str, ...]:
    found: Any = getattr(kind, "__attrs_attrs__", None)
    return tuple(one.name for one in found) if found else tuple(getattr(kind, "__dataclass_fields__", ()))


def _payload(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in _fields(type(event))}


def _border(source: Path, target: Path) -> Path:
    """Return the innermost state around both that a transition leaves as it is. Pure."""
    shared = [depth for depth in range(len(target)) if source[:depth] == target[:depth]]
    return target[: max(shared)]


def _runner(names: Sequence[str], title: str) -> Callable[[Any], None]:
    def run(frame: Any) -> None:
        if frame.version == START_VERSION:
            return  # a machine sets its initial state, and does not enter it
        for name in names:
            getattr(frame, name)()

    _title(run, title)
    return run


def _title(function: Callable[..., object], name: str) -> None:
    function.__name__ = function.__qualname__ = name
