"""Calls a workflow's methods for one attempt: the Runner that `step` asks.

A guard or an invariant must not change data. It is given the same working copy as the actions, and the copy is encoded
again after the guards of a microstep and after the invariants: bytes that differ are an error that names the callbacks.
"""

from statemachine.chart import Configuration, Rule
from statemachine.definition import Definition
from statemachine.errors import FrameError, InvariantBroken
from statemachine.frame import Attempt

__all__ = ["FrameRunner"]


class FrameRunner:
    """Calls a workflow's methods on one frame: the Runner that `step` asks."""

    def __init__(self, definition: Definition, attempt: Attempt, image: bytes) -> None:
        self._definition = definition
        self._attempt = attempt
        self._frame = definition.frame(attempt)
        self._image = image  # of the data as it must still be when the next guards have run
        self._asked: list[str] = []  # guards since the data was last compared with the image
        self.raised = attempt.raised
        self.missing_role = False

    def holds(self, rule: Rule, event: object) -> bool:
        """Evaluate a rule's roles, then its guard."""
        if event is not None:
            self._attempt.event = event
        if rule.roles and not set(rule.roles) & set(self._attempt.roles):
            self.missing_role = True
            return False
        if rule.guard is None:
            return True
        return self._ask(rule.guard, event)

    def _ask(self, name: str, event: object) -> bool:
        callback = self._definition.callback(name)
        self._asked.append(name)
        if not self._image:
            self._image = self._definition.encode_data(self._attempt.data)
        self._attempt.may_write = False
        try:
            answer = callback.call(self._frame, event)
        finally:
            self._attempt.may_write = True
        if answer is not True and answer is not False:
            raise FrameError(
                "PF403", f"{self._definition.name}.{name} returned {answer!r}; a guard or invariant returns a bool"
            )
        if self.raised:
            raise FrameError(
                "PF404", f"{self._definition.name}.{name} raised an event; a guard or invariant only reads"
            )
        return answer

    def act(self, action: str, event: object) -> None:
        """Run an action; guards asked before it must have left the data as it was."""
        if self._asked:
            self.check_unchanged()
        callback = self._definition.callback(action)
        answer = callback.function(self._frame, event) if callback.takes_event else callback.function(self._frame)
        if answer is not None:
            shown = f"{self._definition.name}.{action} returned {type(answer).__name__}"
            raise FrameError("PF409", f"{shown}; an action returns nothing: put what is to last into self.data")
        self._image = b""

    def check_unchanged(self) -> None:
        """Raise FrameError if a guard or an invariant that was asked changed the data."""
        if self._asked and self._definition.encode_data(self._attempt.data) != self._image:
            names = " or ".join(f"{self._definition.name}.{name}" for name in dict.fromkeys(self._asked))
            raise FrameError("PF402", f"{names} changed self.data; a guard or invariant only reads")
        self._asked.clear()

    def arrive(self, configuration: Configuration) -> None:
        """Take note that this configuration is active from here on."""
        self._attempt.configuration = configuration

    def finish(self) -> bytes:
        """Return the image of the data after the macrostep, with every invariant checked. Raises InvariantBroken."""
        if self._asked:
            self.check_unchanged()
        if not self._image:
            self._image = self._definition.prove_data(self._attempt.data)
        if not self._definition.invariants:
            return self._image
        for name in self._definition.invariants:
            if not self._ask(name, None):
                raise InvariantBroken(
                    f"{self._definition.name}.{name}",
                    f"does not hold in {','.join(self._attempt.configuration)!r}",
                )
        self.check_unchanged()
        return self._image

    def end(self) -> None:
        """End the frame: whoever kept it can no longer use it."""
        self._attempt.is_over = True
