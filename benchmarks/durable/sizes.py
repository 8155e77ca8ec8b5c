"""How much is measured, and where."""

from collections.abc import Callable
from pathlib import Path

from attrs import frozen

__all__ = ["FULL", "SMOKE", "Setting", "Size"]


@frozen
class Size:
    """The numbers of a run."""

    rounds: int
    fresh: int  # serial transitions into a fresh file
    steady: int  # serial transitions after them
    grouped: int  # transitions of one round with many in flight
    raw_grouped: int
    threads: int  # transitions of one round of the threads
    syncs: int  # transitions whose syncs are counted
    stored: int  # transitions whose bytes are counted
    few_instances: int
    many_instances: int
    few_rows: int
    many_rows: int
    spread: int  # transitions sent to instances drawn from all
    live: int  # instances in the file that is loaded from and reopened
    loads: int
    old: int  # instances that are loaded as they were
    aged: int  # versions that each of them has
    large: int  # bytes of the large state
    patched: int  # versions that it has
    reopens: int
    growth: int  # transitions over which memory must not grow


FULL = Size(
    rounds=5,
    fresh=1_500,
    steady=6_000,
    grouped=10_240,
    raw_grouped=102_400,
    threads=6_400,
    syncs=5_120,
    stored=20_000,
    few_instances=1_000,
    many_instances=1_000_000,
    few_rows=10_000,
    many_rows=10_000_000,
    spread=4_096,
    live=100_000,
    loads=500,
    old=40,
    aged=8_000,
    large=1 << 20,
    patched=500,
    reopens=5,
    growth=1_000_000,
)
SMOKE = Size(
    rounds=2,
    fresh=100,
    steady=200,
    grouped=256,
    raw_grouped=2_560,
    threads=128,
    syncs=64,
    stored=200,
    few_instances=64,
    many_instances=1_000,
    few_rows=256,
    many_rows=2_560,
    spread=64,
    live=500,
    loads=20,
    old=3,
    aged=80,
    large=1 << 14,
    patched=20,
    reopens=2,
    growth=400,
)


@frozen
class Setting:
    """What a measure is given: a folder on the disk, one in memory if there is one, its numbers, who hears of it."""

    folder: Path
    memory: Path | None
    size: Size
    say: Callable[[str], None]
