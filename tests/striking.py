"""One Ctrl-C at the n-th place at which Python may tell the main thread of it.

Python looks for signals behind a call into C, where a function begins, and where a loop jumps back. A strike counts the
instructions that do so, in our packages and in what of the standard library runs inside of them, and makes a signal
pending before the n-th: by item access, because a call would be told of it in the tracer itself.
"""

import _thread
import contextlib
import dis
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import persistence
import statemachine

__all__ = ["Strike", "places", "unless_interrupted"]

FOLDERS = tuple(str(Path(package.__path__[0])) for package in (persistence, statemachine))
FILES = {contextlib.__file__, queue.__file__, threading.__file__}
HEARING = {"RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD"}


class Interrupting:
    """Makes a signal pending when it is asked for an item."""

    __getitem__ = _thread.interrupt_main


INTERRUPT: Any = Interrupting()
_hearing: dict[CodeType, frozenset[int]] = {}


def places(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions of a function behind which a signal may be heard of."""
    if code not in _hearing:
        found = [one for one in dis.get_instructions(code) if one.opname in HEARING or "JUMP_BACKWARD_IF" in one.opname]
        _hearing[code] = frozenset(one.offset for one in found)
    return _hearing[code]


class Strike:
    """Interrupts what the main thread does, at one place, and once more so many places `behind` it."""

    def __init__(self, number: int, *, behind: int = 0) -> None:
        self.left = number
        self.behind = behind
        self.place: str | None = None  # where it struck last

    def run(self, work: Callable[[], object]) -> bool:
        """Do some work, and say whether an interrupt came out of it."""
        sys._getframe().f_trace_opcodes = True  # 3.12 looks whether anybody asks for them when tracing begins
        try:
            sys.settrace(self._enter)
            work()
            sys.settrace(None)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    def _enter(self, frame: FrameType, _event: str, _value: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(FOLDERS) and name not in FILES:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, _value: object) -> Any:
        if event == "opcode" and frame.f_lasti in places(frame.f_code):
            self.left -= 1
            if self.left in {0, -self.behind}:
                self.place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
                INTERRUPT[signal.SIGINT]
        return self._step


def unless_interrupted(method: Callable[..., None]) -> Callable[..., None]:
    """Return a method that does nothing where an interrupt is handled: for negative controls."""

    def done(*values: object) -> None:
        if sys.exc_info()[0] is not KeyboardInterrupt:
            method(*values)

    return done
