"""Calls a workflow's methods for one attempt: the Runner that `step` asks.

A guard or an invariant must not change data. It is given the same working copy as the actions, and the copy is frozen
again after the guards of a microstep and after the invariants: another value is an error that names the callbacks.
"""

from statemachine.chart import Configuration, Rule
from statemachine.definition import Definition
from statemachine.errors import FrameError, InvariantBroken
from statemachine.frame import Attempt

__all__ = ["FrameRunner"]

_CHANGED = object()  # stands for the data that an action may have changed since it was last frozen


class FrameRunner(Attempt):
    """An attempt that calls a workflow's methods on its frame: the Runner that `step` asks."""

    frozen: object = _CHANGED  # the data as it was last frozen; that after the event, once it is finished
    error: str | None = None  # what failed, where this attempt is the one that handles it
    missing_role = False  # a rule was passed over because the sender has none of its roles

    def begin(self, definition: Definition, frozen: object) -> None:
        """Make the frame. `frozen` is the attempt's data as it must still be when the next guards have run."""
        self._definition = definition
        self._callbacks = definition.callbacks  # read for each callback
        self._frame: object = definition.frame(self)
        self.frozen = self._found = frozen
        self._asked: list[str] = []  # guards since the data was last compared with it

    def again(self, data: object, configuration: Configuration) -> "FrameRunner":
        """Return a fresh attempt of the same event at the same time, on data of its own."""
        attempt = FrameRunner(data)
        attempt.id, attempt.version, attempt.time = self.id, self.version, self.time
        attempt.actor, attempt.note, attempt.roles = self.actor, self.note, self.roles
        attempt.seed, attempt.numbers, attempt.sql = self.seed, self.numbers, self.sql
        attempt.configuration, attempt.memory = configuration, self.memory
        return attempt

    def holds(self, rule: Rule, event: object) -> bool:
        """Evaluate a rule's roles, then its guard."""
        if event is not None:
            self.event = event
        if rule.roles and not set(rule.roles) & set(self.roles):
            self.missing_role = True
            return False
        return True if rule.guard is None else self._ask(rule.guard, event)

    def _ask(self, name: str, event: object) -> bool:
        function, takes_event = self._callbacks[name]
        self._asked.append(name)
        if self.frozen is _CHANGED:
            self.frozen = self._definition.refreeze(self.data, self._found)
        self.may_write = False
        try:
            answer = function(self._frame, event) if takes_event else function(self._frame)
        finally:
            self.may_write = True
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
        function, takes_event = self._callbacks[action]
        answer = function(self._frame, event) if takes_event else function(self._frame)
        if answer is not None:
            shown = f"{self._definition.name}.{action} returned {type(answer).__name__}"
            raise FrameError("PF409", f"{shown}; an action returns nothing: put what is to last into self.data")
        self.frozen = _CHANGED

    def check_unchanged(self) -> None:
        """Raise FrameError if a guard or an invariant that was asked changed the data."""
        definition, frozen = self._definition, self.frozen
        again = definition.refreeze(self.data, frozen) if self._asked else frozen
        if again is not frozen and not definition.is_same(again, frozen):
            names = " or ".join(f"{definition.name}.{name}" for name in dict.fromkeys(self._asked))
            raise FrameError("PF402", f"{names} changed self.data; a guard or invariant only reads")
        self._asked.clear()

    def arrive(self, configuration: Configuration) -> None:
        """Take note that this configuration is active from here on."""
        self.configuration = configuration

    def finish(self) -> None:
        """Freeze the data after the macrostep, and check every invariant. Raises InvariantBroken."""
        definition = self._definition
        if self._asked:
            self.check_unchanged()
        if self.frozen is not self._found:  # frozen for a guard that came after an action, it is not proven
            self.frozen = definition.freeze_proven(self.data, self._found)
        for name in definition.invariants:
            if not self._ask(name, None):
                raise InvariantBroken(
                    f"{definition.name}.{name}",
                    f"does not hold in {','.join(self.configuration)!r}",
                )
        if self._asked:
            self.check_unchanged()

    def end(self) -> None:
        """End the frame: whoever kept it can no longer use it. Left here it would be a cycle, for the collector."""
        self.is_over = True
        self._frame = None
