"""What is made in a class body notes itself there, so that a name that was given away twice is noticed.

Python keeps only the last value of a name in a class body: a state or a rule that stood there before is lost without a
word. Every state, region, rule and task therefore calls `note` as it is made; when the class is complete, `lost` tells
which of them the class does not hold.

This is the one place that looks at stack frames. The body that is being executed is the nearest frame outside this
package; it is a class body if its code keeps its names in a real dictionary that holds `__module__` and `__qualname__`.
Anything else (a function, a comprehension, a module) is left alone.
"""

import inspect
import sys
from types import FrameType
from typing import Any

__all__ = ["Made", "lost", "note"]

_KEY = "__perdure_made__"
_PACKAGE = __name__.rpartition(".")[0] + "."


class Made:
    """One thing that was made in a class body. A plain class: each attrs class costs `import statemachine` 0.5 ms."""

    __slots__ = ("line", "name", "value")

    def __init__(self, value: object, line: int) -> None:
        self.value = value
        self.line = line
        self.name = ""  # by which the body last knew it; empty if it was never seen under one


def note(value: object) -> None:
    """Note in the class body that is being executed that `value` was made in it. Elsewhere: nothing."""
    body = _class_body()
    if body is None:
        return
    namespace = body.f_locals
    made: list[Made] = namespace.setdefault(_KEY, [])
    if made:
        _look_up_name(made[-1], namespace)  # by now it has one: names are given right after a thing was made
    if not made or made[-1].value is not value:  # a method with several rules notes itself once for each
        made.append(Made(value, body.f_lineno))


def lost(owner: type) -> list[Made]:
    """Return what was made in the body of a class and is not in the class; forget what was noted.

    A function that was wrapped by another decorator is found inside the wrapper.
    """
    made: list[Made] = vars(owner).get(_KEY, [])
    if not made:
        return []
    type.__delattr__(owner, _KEY)
    held = {id(inner) for value in vars(owner).values() for inner in _unwrapped(value)}
    return [one for one in made if id(one.value) not in held]


def _class_body() -> FrameType | None:
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None or frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return None
    return frame if {"__module__", "__qualname__"} <= frame.f_locals.keys() else None


def _look_up_name(one: Made, namespace: dict[str, Any]) -> None:
    newest_first = reversed(namespace.items())
    one.name = next((name for name, value in newest_first if value is one.value), one.name)


def _unwrapped(value: object) -> list[object]:
    found = [value]
    while (inner := getattr(found[-1], "__wrapped__", None)) is not None and len(found) < sys.getrecursionlimit():
        found.append(inner)
    return found
