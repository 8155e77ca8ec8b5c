"""What a callback must look like: a plain method, with the right arguments, for the right event."""

import inspect
from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import cast

from statemachine.errors import DefinitionError
from statemachine.hints import accepts, parameter_hint, return_hint
from statemachine.tasks import is_task

__all__ = ["Signatures"]

ALONE, WITH_ONE = 1, 2  # arguments of a callback: self; self and the event or result


class Signatures:
    """Checks the callbacks of one workflow, by name: what a subclass overrides is checked as overridden."""

    def __init__(self, label: str, workflow: type) -> None:
        self.label = label
        self.workflow = workflow

    def method(self, name: str) -> Callable[..., object]:
        """Return a method by its name. Raises DefinitionError (PD121)."""
        found: object = getattr(self.workflow, name, None)
        function = found.__wrapped__ if is_task(found) else found
        if not callable(function) or isinstance(function, type):
            raise DefinitionError("PD121", f"{self.label}: {name!r} is no method. Define it in the workflow's body.")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise self._not_plain(name)
        return function

    def callback(self, name: str, *, takes: int) -> Callable[..., object]:
        """Return a plain method that takes so many arguments. Raises DefinitionError (PD111, PD121, PD122)."""
        function = self._plain(name)
        if self.arity(function) != takes:
            words = "only self" if takes == ALONE else "self and the event"
            raise DefinitionError("PD122", f"{self.label}.{name} must take {words}.")
        return function

    def rule(self, name: str, events: Sequence[type]) -> None:
        """Check the method of a rule. Raises DefinitionError (PD111, PD121, PD122, PD131, PD132)."""
        function = self.callback(name, takes=WITH_ONE if events else ALONE)
        if events:
            self._takes_each(name, function, events)

    def guard(self, when: Callable[..., bool], events: Sequence[type], *, of: str) -> str:
        """Return the name of a rule's guard, which may leave the event out.

        Guards bind by name, so the name must mean the function that was given. Raises DefinitionError (PD111, PD121,
        PD122, PD131, PD132).
        """
        name: str = getattr(when, "__name__", "")
        if getattr(self.workflow, name, None) is None:
            raise DefinitionError(
                "PD121",
                f"{self.label}.{of}: guard {name or when!r} is no method of the workflow. "
                "Guards bind by name: define it in the body.",
            )
        function = self._plain(name)
        if all(vars(owner).get(name) is not when for owner in self.workflow.__mro__):
            raise DefinitionError(
                "PD121",
                f"{self.label}.{of}: guard {name!r} is another function than the method of that name. "
                "Guards bind by name: define it in the body, once.",
            )
        takes = self.arity(function)
        if not ALONE <= takes <= (WITH_ONE if events else ALONE):
            raise DefinitionError("PD122", f"{self.label}.{name}: a guard takes self, and in @on also the event.")
        if takes == WITH_ONE:
            self._takes_each(name, function, events)
        return name

    def task(self, name: str, handler: str | None) -> object:
        """Return the type of a task's result. Raises DefinitionError (PD111, PD121, PD122, PD131, PD132).

        Checks the task and the method that takes its result.
        """
        function = self.method(name)
        if self.arity(function) != ALONE:
            raise DefinitionError("PD122", f"{self.label}.{name} must take only self.")
        names = vars(self.workflow)
        given = return_hint(function, label=f"{self.label}.{name}", names=names)
        if handler is None:
            return given
        taking = self._plain(handler)
        if self.arity(taking) != WITH_ONE:
            raise DefinitionError("PD122", f"{self.label}.{handler} must take self and the result.")
        wanted = parameter_hint(taking, 1, label=f"{self.label}.{handler}", names=names)
        if not accepts(wanted, given):
            raise DefinitionError(
                "PD131",
                f"{self.label}.{handler} takes {_shown(wanted)}, and task {name!r} returns {_shown(given)}. "
                "Annotate both alike.",
            )
        return given

    @staticmethod
    def arity(function: Callable[..., object]) -> int:
        """Return how many arguments a method takes, self included.

        By position, and keywords that it cannot do without.
        """
        return sum(_counts(one) for one in inspect.signature(function).parameters.values())

    def _plain(self, name: str) -> Callable[..., object]:
        function = self.method(name)
        if inspect.iscoroutinefunction(function):
            raise self._not_plain(name)
        return function

    def _not_plain(self, name: str) -> DefinitionError:
        return DefinitionError(
            "PD111", f"{self.label}.{name} is async or a generator; callbacks are plain methods. Write def, return."
        )

    def _takes_each(self, name: str, function: Callable[..., object], events: Sequence[type]) -> None:
        # Seldom looked up, and a class can have thousands of methods: chained, not copied for each of its rules.
        names = ChainMap({event.__name__: event for event in events}, cast("dict[str, type]", vars(self.workflow)))
        wanted = parameter_hint(function, 1, label=f"{self.label}.{name}", names=names)
        for event in events:
            if not accepts(wanted, event):
                raise DefinitionError(
                    "PD131",
                    f"{self.label}.{name} takes {_shown(wanted)}, and the rule is for {event.__name__}. "
                    f"Annotate event: {' | '.join(one.__name__ for one in events)}.",
                )


def _shown(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _counts(one: inspect.Parameter) -> bool:
    if one.kind is inspect.Parameter.KEYWORD_ONLY:
        return one.default is inspect.Parameter.empty
    return one.kind in {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
