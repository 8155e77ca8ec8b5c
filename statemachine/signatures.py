"""What a callback must look like: a plain method, with the right arguments, for the right event."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from statemachine.errors import DefinitionError
from statemachine.hints import accepts, parameter_hint, return_hint
from statemachine.tasks import is_task

__all__ = ["Signatures", "arity"]


def arity(function: Callable[..., object]) -> int:
    """Return how many positional arguments a method takes, self included."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in kinds for one in inspect.signature(function).parameters.values())


@frozen
class Signatures:
    """Checks the callbacks of one workflow, by name: what a subclass overrides is checked as overridden."""

    label: str
    workflow: type[Any]

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
        if arity(function) != takes:
            words = "self and the event" if takes == 2 else "only self"  # noqa: PLR2004  # the two arities there are
            raise DefinitionError("PD122", f"{self.label}.{name} must take {words}.")
        return function

    def rule(self, name: str, events: Sequence[type[Any]]) -> None:
        """Check the method of a rule. Raises DefinitionError (PD111, PD121, PD122, PD131, PD132)."""
        function = self.callback(name, takes=2 if events else 1)
        if events:
            self._takes_each(name, function, events)

    def guard(self, name: str, events: Sequence[type[Any]]) -> None:
        """Check a guard, which may leave the event out. Raises DefinitionError (PD111, PD121, PD122, PD131, PD132)."""
        function = self._plain(name)
        takes = arity(function)
        if not 1 <= takes <= (2 if events else 1):
            raise DefinitionError("PD122", f"{self.label}.{name}: a guard takes self, and in @on also the event.")
        if takes > 1:
            self._takes_each(name, function, events)

    def task(self, name: str, handler: str | None) -> None:
        """Check a task and the method that takes its result. Raises DefinitionError (PD111, PD121, PD122, PD131, …)."""
        function = self.method(name)
        if arity(function) != 1:
            raise DefinitionError("PD122", f"{self.label}.{name} must take only self.")
        if handler is None:
            return
        taking = self._plain(handler)
        if arity(taking) != 2:  # noqa: PLR2004  # self and the result
            raise DefinitionError("PD122", f"{self.label}.{handler} must take self and the result.")
        names = vars(self.workflow)
        given = return_hint(function, label=f"{self.label}.{name}", names=names)
        wanted = parameter_hint(taking, 1, label=f"{self.label}.{handler}", names=names)
        if not accepts(wanted, given):
            raise DefinitionError(
                "PD131",
                f"{self.label}.{handler} takes {_shown(wanted)}, and task {name!r} returns {_shown(given)}. "
                "Annotate both alike.",
            )

    def _plain(self, name: str) -> Callable[..., object]:
        function = self.method(name)
        if inspect.iscoroutinefunction(function):
            raise self._not_plain(name)
        return function

    def _not_plain(self, name: str) -> DefinitionError:
        return DefinitionError(
            "PD111", f"{self.label}.{name} is async or a generator; callbacks are plain methods. Write def, return."
        )

    def _takes_each(self, name: str, function: Callable[..., object], events: Sequence[type[Any]]) -> None:
        names = {**vars(self.workflow), **{event.__name__: event for event in events}}
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
