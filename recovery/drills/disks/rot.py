"""Bit rot: any bit of the files at rest may turn over.

Flip only files that nobody of this process has open: closing a file drops the locks that SQLite holds on it.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

__all__ = ["Flip", "flips"]

BITS = 8


@frozen
class Flip:
    """One bit of one file."""

    path: Path
    bit: int  # from the file's beginning

    def turn(self) -> None:
        """Turn the bit over; a second turn mends it."""
        with self.path.open("r+b") as file:
            file.seek(self.bit // BITS)
            (byte,) = file.read(1)
            file.seek(self.bit // BITS)
            file.write(bytes([byte ^ 1 << self.bit % BITS]))

    def __str__(self) -> str:
        """Return it as a story tells it."""
        return f"bit {self.bit % BITS} of byte {self.bit // BITS} of {self.path.name}"


def flips(*paths: Path, count: int, seed: int = 0) -> Iterator[Flip]:
    """Draw bits of files, each bit of all of them alike and none twice; every bit where there are no more."""
    sizes = [path.stat().st_size * BITS for path in paths]
    drawn = random.Random(seed).sample(range(sum(sizes)), min(count, sum(sizes)))
    for place in drawn:
        bit, files = place, iter(zip(paths, sizes, strict=True))
        path, size = next(files)
        while bit >= size:
            bit -= size
            path, size = next(files)
        yield Flip(path, bit)
