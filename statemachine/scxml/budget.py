"""What the scripts of one attempt may use, and the two ways in which they fail."""

from typing import NoReturn

from attrs import define

from statemachine.errors import FrameError

__all__ = ["CALLS_MAX", "STEPS_MAX", "TEXT_MAX", "Budget", "EvaluationError"]

STEPS_MAX = 200_000  # nodes walked and items copied in one attempt: a fifth of a second or so, under the write lock
TEXT_MAX = 1 << 22  # characters that texts made in one attempt have together: what the data of an instance may have
CALLS_MAX = 20  # functions inside each other


class EvaluationError(Exception):
    """An expression or a script failed: SCXML's `error.execution`. `at` is the place in its source."""

    def __init__(self, reason: str, *, at: int = 0) -> None:
        super().__init__(reason)
        self.at = at


@define(eq=False)
class Budget:
    """What is left for the scripts of one attempt. Who uses it up fails for good: no transition takes that error."""

    steps: int = STEPS_MAX
    text: int = TEXT_MAX

    def spend(self, steps: int) -> None:
        """Take steps. Raises FrameError (PF461)."""
        self.steps -= steps
        if self.steps < 0:
            self.exhausted(f"took more than {STEPS_MAX} steps")

    def spend_text(self, characters: int) -> None:
        """Take the characters of a text, before it is made. Raises FrameError (PF461)."""
        self.text -= characters
        if self.text < 0:
            self.exhausted(f"made texts of more than {TEXT_MAX} characters")

    def exhausted(self, what: str) -> NoReturn:
        """Raise FrameError (PF461)."""
        raise FrameError("PF461", f"the scripts of one transition {what}. Look for a loop, or do less in one event.")
