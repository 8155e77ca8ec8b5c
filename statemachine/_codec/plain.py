"""Plain JSON data to its canonical bytes."""

import json

__all__ = ["canonical", "sorted_bytes"]

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_SORTING = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def sorted_bytes(plain: object) -> bytes:
    """Return the same with the keys of every object sorted. Raises ValueError, RecursionError. Pure."""
    return _SORTING.encode(plain).encode()


def canonical(plain: object) -> bytes:
    """Return the canonical bytes of plain data. Raises ValueError, RecursionError. Pure."""
    return _ENCODER.encode(plain).encode()
