"""Whether a method has a body: `...`, `pass` or a docstring alone do nothing. Read from its code; nothing is run."""

import dis
from types import CodeType

__all__ = ["does_nothing"]

_IDLE = frozenset({"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"})


def does_nothing(function: object) -> bool:
    """Say whether a function surely does nothing; False for what is none or cannot be read. Pure."""
    code = getattr(function, "__code__", None)
    return isinstance(code, CodeType) and all(one.opname in _IDLE for one in dis.get_instructions(code))
