"""The import name `statemachine` is shared with the distribution python-statemachine: sees a mix-up before it bites.

Where both are installed they write into the same folder, and the one that was installed last owns its `__init__.py`.
"""

import importlib.util

__all__ = ["check_shared_name"]

_OURS = b'"""Durable state machines'


def check_shared_name() -> None:
    """Raise ImportError if the package `statemachine` that would be imported is not ours."""
    spec = importlib.util.find_spec("statemachine")
    origin = None if spec is None else spec.origin
    if origin is not None:
        with open(origin, "rb") as file:  # noqa: PTH123  # pathlib would be imported for this one line
            if file.read(len(_OURS)) == _OURS:
                return
    raise ImportError(
        "PS320 the package 'statemachine' is not Perdure's: python-statemachine uses the same import name, and was "
        "installed over it. Keep one of them in an environment: "
        "pip uninstall python-statemachine perdure, then pip install perdure."
    )
