"""Whose fault it is: the author's (`DefinitionError`), nobody's (`Refused`), a broken promise (`InvariantBroken`).

What the world does wrong is `persistence.StoreError`. Every code is stable and stands in docs/errors.md.
"""

from collections.abc import Sequence

from attrs import frozen

__all__ = [
    "REFUSALS",
    "ChartFinding",
    "DataError",
    "DefinitionError",
    "FrameError",
    "InvariantBroken",
    "ReentrantCall",
    "Refused",
]


class DefinitionError(TypeError):
    """A workflow is declared in a way that cannot run; raised when its class is defined.

    The message names the object, the rule and the repair; `code` is PD1xx. Of a class with `strict=True` it is that of
    the first finding, PD2xx, and `findings` holds all of them.
    """

    def __init__(self, code: str, message: str, *, findings: "tuple[ChartFinding, ...]" = ()) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.findings = findings


@frozen(eq=False)
class ChartFinding:
    """One thing that looks wrong in a workflow. `code` is PD2xx (`perdure explain`), `where` a state or a method."""

    code: str
    where: str
    message: str

    def __str__(self) -> str:
        """Return code and message."""
        return f"{self.code} {self.message}"


REFUSALS = {
    "event_not_enabled": "no rule of the active states takes this event",
    "event_deferred": "the event is deferred in this state; post it to wait",
    "guard_failed": "a rule takes this event, but its guard says no",
    "invalid_payload": "the event or the data does not fit its type",
    "invalid_argument": "an id, key, actor or note is not text that can be stored",
    "stale_version": "the instance has moved on since expect_version",
    "key_reused": "this key was used for another event or payload",
    "role_missing": "a rule takes this event, but only from another role",
    "id_taken": "an instance with this id exists, of another workflow or with other initial data",
    "label_taken": "the instance has a checkpoint of this label, of another version or with another note",
    "instance_final": "the instance has ended",
    "instance_unsound": "the stored instance does not prove itself; nothing was loaded",
    "needs_migration": "the stored instance no longer fits this class",
    "unknown_event": "the workflow has no such event",
    "unknown_instance": "there is no instance with this id",
}
"""Every code of a refusal and what it means."""


class Refused(Exception):  # noqa: N818  # the vocabulary's word: a refusal is an answer, not a failure
    """The chart says no; nothing changed and no key was consumed.

    `code` is one of `REFUSALS`, `reason` says it in words, `enabled` names the events that are enabled now, `state` is
    the configuration and `version` the version of now, where an instance was found.
    """

    def __init__(
        self, code: str, reason: str, *, state: tuple[str, ...] = (), version: int = 0, enabled: Sequence[str] = ()
    ) -> None:
        assert code in REFUSALS, code
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.state = state
        self.version = version
        self.enabled = tuple(enabled)


class DataError(ValueError):
    """A value does not fit its declared type: it would not come back as it was. Names the path of the field."""


class InvariantBroken(Exception):  # noqa: N818  # says what is the case
    """An invariant of the workflow, or one of ours, does not hold; the transition did not happen."""

    def __init__(self, invariant: str, reason: str) -> None:
        super().__init__(f"{invariant}: {reason}")
        self.invariant = invariant


class FrameError(RuntimeError):
    """A callback did what it must not do: assign to `self`, change data in a guard, use a frame that is over.

    `code` is PF4xx; the transition did not happen.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class ReentrantCall(FrameError):  # noqa: N818  # the design's name
    """A callback called into the engine that is running it."""

    def __init__(self, message: str) -> None:
        super().__init__("PF408", message)
