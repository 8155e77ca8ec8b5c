"""What an engine is given beside its workflows, checked before anything is opened, and its clock whenever it tells.

A time that is not a whole number would be refused by the hash of a record, in the middle of a transaction; one beyond
the year 9999 could be committed, and never be read again. The engine's own clock tells no such time and is not asked
for it: only who brings a clock pays for the check.
"""

import time
from collections.abc import Callable

from statemachine._codec.scalars import shown
from statemachine.errors import DefinitionError, FrameError
from statemachine.limits import Limits

__all__ = ["check_settings", "clock_of"]

TIME_MAX = 253_402_300_799_999_999  # microseconds since 1970 UTC: the last that a datetime can hold


def _system_clock() -> int:
    return time.time_ns() // 1000


def check_settings(*, limits: object, clock: object, when_full: object) -> None:
    """Check what an engine is given. Raises DefinitionError (PD157)."""
    rules = (
        ("limits", limits, limits is None or isinstance(limits, Limits), "Write limits=Limits(…)."),
        ("clock", clock, clock is None or callable(clock), "Give a function that returns microseconds since 1970 UTC."),
        ("when_full", when_full, when_full in ("refuse", "wait"), "Write when_full='refuse' or when_full='wait'."),
    )
    for name, value, is_right, repair in rules:
        if not is_right:
            raise DefinitionError("PD157", f"Engine: {name}={shown(value)} is not what an engine takes. {repair}")


def clock_of(clock: Callable[[], int] | None) -> Callable[[], int]:
    """Return the clock of an engine: its own, or one that checks what a given one tells.

    That raises FrameError (PF410) for what is no time, and nothing is written.
    """
    if clock is None:
        return _system_clock
    tell = clock

    def checked() -> int:
        told = tell()
        if type(told) is int and 0 <= told <= TIME_MAX:
            return told
        raise FrameError(
            "PF410",
            f"the engine's clock told {shown(told)}, which is no time: nothing was written. Let it return whole "
            "microseconds since 1970 UTC, as an int, up to the year 9999.",
        )

    return checked
