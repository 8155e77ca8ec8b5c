"""Durations as text: "48h", "30s", "1d12h", "500ms". Pure."""

import re
from datetime import timedelta

from statemachine.errors import DefinitionError

__all__ = ["DURATION_MS_MAX", "milliseconds", "text_of"]

_UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_TEXT = "".join(rf"(?:([0-9]{{1,12}}){unit})?" for unit in _UNITS)  # compiled when the first one is declared

DURATION_MS_MAX = 100 * 365 * 86_400_000  # a century: later times do not fit every clock, and nobody will be there


def milliseconds(duration: object, *, what: str) -> int:
    """Return a duration in milliseconds: a text, its units largest first, or a timedelta of whole milliseconds.

    Raises DefinitionError (PD127), naming `what`, for anything else and for what is not above 0.
    """
    found = _of_text(duration) if isinstance(duration, str) else _of_timedelta(duration)
    if found is None or not 0 < found <= DURATION_MS_MAX:
        raise DefinitionError(
            "PD127",
            f"{what}: {duration!r} is no duration. Write a text such as '48h', '30s' or '1d12h' "
            "(w, d, h, m, s, ms; largest first, whole numbers), or a timedelta of whole milliseconds, above 0.",
        )
    return found


def _of_text(text: str) -> int | None:
    match = re.fullmatch(_TEXT, text)
    if match is None:
        return None
    return sum(int(number or 0) * size for number, size in zip(match.groups(), _UNITS.values(), strict=True))


def _of_timedelta(duration: object) -> int | None:
    if not isinstance(duration, timedelta) or duration % timedelta(milliseconds=1):
        return None
    return duration // timedelta(milliseconds=1)


def text_of(duration_ms: int) -> str:
    """Return the shortest text of a duration that `milliseconds` reads as the same one: "2d12h". Pure."""
    text = ""
    for unit, size in _UNITS.items():
        count, duration_ms = divmod(duration_ms, size)
        text += f"{count}{unit}" if count else ""
    return text
