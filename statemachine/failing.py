"""What becomes of an exception in a callback: which ones an `@on_error` rule may handle, and what it is told.

The failed macrostep is undone whole: data, raised events, the user's SQL. Then a fresh macrostep begins where it began
and handles `Failed`. What says that the workflow, its definition or its store is wrong is never handled: a broken
invariant, what a callback must not do, a store error (also one of the user's SQL: an action that can go on catches it
and raises an error of its own). Nor is what the handling itself raises.
"""

from traceback import TracebackException

from attrs import frozen

from persistence.errors import StoreError
from statemachine.chart import FAILED, Chart, Configuration
from statemachine.errors import DefinitionError, FrameError, InvariantBroken, Refused

__all__ = ["Failed", "failure"]

TEXT_LENGTH_MAX = 2_000  # it stands in the row, and exceptions can quote whole documents

_NEVER_HANDLED = (Refused, InvariantBroken, FrameError, DefinitionError, StoreError)


@frozen
class Failed:
    """An action, a guard or an invariant raised an exception; what an `@on_error` rule is given.

    `type` is the name of the exception's class, `text` its words, `event` the stored name of the event that failed.
    """

    type: str
    text: str
    event: str

    def __str__(self) -> str:
        """Return type and words in one line."""
        return f"{self.type}: {self.text}" if self.text else self.type


def failure(chart: Chart, configuration: Configuration, error: Exception, *, event: str) -> Failed | None:
    """Return what a rule is told that handles an error in this configuration; None where nothing handles it."""
    if isinstance(error, _NEVER_HANDLED) or not chart.candidates(configuration, FAILED):
        return None
    return Failed(type(error).__name__, _words(error), event)


def _words(error: Exception) -> str:
    """Return the text of an exception as it can be stored."""
    text = str(TracebackException(type(error), error, None))  # a plain str() runs the user's code, which can raise
    return text[:TEXT_LENGTH_MAX].encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
