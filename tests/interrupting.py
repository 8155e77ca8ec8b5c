"""Interrupt the main thread while it waits, as Ctrl-C does, and be sure that it hears of it.

Python looks for signals before it begins to wait and when the system call returns. One that arrives between the two is
heard of when the wait is over: a signal that does nothing, sent until the thread is back, ends the call.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.patience import WAIT_SECONDS_MAX

POKE_SECONDS = 0.05


@contextmanager
def interruptible() -> Generator[None]:
    """Let the main thread hear of what `interrupt_until` sends, until the block ends."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    poked = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGUSR1, poked)


def interrupt_until(is_back: threading.Event) -> None:
    """Interrupt the main thread, from another one, and wait until it has said that it is back."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)
    for _ in range(round(WAIT_SECONDS_MAX / POKE_SECONDS)):
        if is_back.wait(POKE_SECONDS):
            return
        signal.pthread_kill(main, signal.SIGUSR1)
    raise AssertionError(f"the main thread was interrupted, and did not come back in {WAIT_SECONDS_MAX} s")
