"""Plain JSON data to its canonical bytes."""

import json

__all__ = ["canonical"]

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def canonical(plain: object) -> bytes:
    """Return the canonical bytes of plain data. Raises ValueError, RecursionError. Pure."""
    return _ENCODER.encode(plain).encode()
