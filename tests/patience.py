"""How long tests wait, and let wait: nothing of them may depend on how fast a machine is, or how often it stands still.

A test that waits for another thread or process does so for `WAIT_SECONDS_MAX`, which only a fault reaches. The packages
themselves give up after seconds, so that callers learn of a stuck callback; a machine that stands still for as long
would fail a test that is about something else. So tests run with `patient()`, and who tests such a bound sets his own.
No batch ends early either because the machine stood still: its clock stands.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from unittest.mock import patch

WAIT_SECONDS_MAX = 300  # for what another thread or process does: only a fault takes so long
PATIENCE_SECONDS = 10 * WAIT_SECONDS_MAX  # what waits in the packages gives up after everybody who waits in a test

BOUNDS = {  # by what one second is there
    "statemachine.writer.TURN_SECONDS_MAX": 1,
    "statemachine.subscribing.CLOSE_SECONDS_MAX": 1,
    "persistence.memory.BUSY_SECONDS_MAX": 1,
    "persistence.sqlite.connection.BUSY_MS_MAX": 1_000,
    "persistence.sqlite.store.BUSY_MS_MAX": 1_000,
}


def value_of(name: str) -> float:
    """Return a constant by its full name."""
    module, _, constant = name.rpartition(".")
    value: float = getattr(import_module(module), constant)
    return value


AS_SHIPPED = {name: value_of(name) for name in BOUNDS}
"""What the bounds are outside of tests."""


@contextmanager
def patient() -> Generator[None]:
    """Let nothing in the packages give up that only waits, until the block ends."""
    with ExitStack() as stack:
        for name, second in BOUNDS.items():
            stack.enter_context(patch(name, PATIENCE_SECONDS * second))
        stack.enter_context(patch("statemachine.batches.monotonic", lambda: 0.0))
        yield
