"""One figure, what it was to be, and how figures are printed."""

import json
import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from attrs import asdict, frozen

__all__ = ["TARGETS", "Line", "Target", "as_json", "as_text", "line", "progress", "skipped"]


@frozen
class Target:
    """A bound, and on which side of it a figure is to be."""

    bound: float
    is_most: bool

    def is_met(self, value: float) -> bool:
        """Say whether a figure keeps it. Pure."""
        return value <= self.bound if self.is_most else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.is_most else '≥'} {self.bound:g}"


def at_most(bound: float) -> Target:
    """Return an upper bound."""
    return Target(bound, is_most=True)


def at_least(bound: float) -> Target:
    """Return a lower bound."""
    return Target(bound, is_most=False)


# Speed is in ratios of speeds: 1 is as fast as the raw loop of the same run, 0.5 takes twice its time.
TARGETS = {
    "serial, with a key, fresh file": at_least(0.70),
    "serial, with a key, steady": at_least(0.60),
    "tmpfs, with a key": at_most(3.2),
    "tmpfs, without a key": at_most(2.5),
    "128 in flight": at_least(0.25),
    "128 in flight, CPU": at_most(15),
    "1024 in flight": at_least(0.25),
    "1024 in flight, CPU": at_most(15),
    "256 in flight, with keys": at_least(0.15),
    "256 in flight, ten fields and a list": at_least(0.15),
    "64 threads": at_least(3),
    "64 threads, CPU": at_most(55),
    "syncs, serial": at_most(1.01),
    "syncs, 16 in flight": at_most(0.1),
    "syncs, 256 in flight": at_most(0.02),
    "bytes, without a key": at_most(240),
    "bytes, with a key of 36 characters": at_most(320),
    "many instances, serial": at_least(0.8),
    "many instances, 256 in flight": at_least(0.4),
    "many rows, serial": at_least(0.8),
    "load a head": at_most(1),
    "load near the head": at_most(10),
    "load near a checkpoint": at_most(10),
    "load a named checkpoint": at_most(5),
    "load a head, 4 KiB": at_most(1),
    "load near the head, 4 KiB": at_most(10),
    "load near a checkpoint, 4 KiB": at_most(10),
    "load a named checkpoint, 4 KiB": at_most(5),
    "load an older version, 1 MiB": at_most(10),
    "reopen after a kill": at_most(50),
    "reopen after a kill, recovery.open": at_most(50),
    "memory": at_most(50),
    "memory, growth": at_most(1),
}
"""Every figure that has a bound, by its name."""


@frozen
class Line:
    """One figure: the median of its rounds, and the least and the most of them."""

    name: str
    value: float | None  # None where it cannot be measured; the note says why
    unit: str
    least: float
    most: float
    note: str

    @property
    def verdict(self) -> str:
        """`met` or `missed`; nothing where there is no bound or no figure."""
        target = TARGETS.get(self.name)
        if target is None or self.value is None:
            return ""
        return "met" if target.is_met(self.value) else "missed"


def line(name: str, values: Sequence[float], unit: str, *, note: str = "") -> Line:
    """Return a line of the figures of some rounds."""
    return Line(name, median(values), unit, min(values), max(values), note)


def skipped(name: str, why: str) -> Line:
    """Return the line of what cannot be measured here."""
    return Line(name, None, "", 0, 0, f"skipped: {why}")


def as_text(line: Line) -> str:
    """Return a line of the table."""
    target = TARGETS.get(line.name)
    if line.value is None:
        return f"{line.name:38} {'-':>9} {line.note}"
    figures = f"{line.value:9.4g} {line.least:9.4g} {line.most:9.4g} {line.unit:<11}"
    return f"{line.name:38} {figures} {'' if target is None else str(target):>7} {line.verdict:6} {line.note}".rstrip()


HEAD = f"{'':38} {'median':>9} {'least':>9} {'most':>9} {'unit':<11} {'target':>7}"


def as_json(facts: dict[str, Any], lines: Sequence[Line]) -> str:
    """Return everything as one JSON object."""
    figures = [
        {**asdict(line), "target": str(TARGETS[line.name]) if line.name in TARGETS else None, "verdict": line.verdict}
        for line in lines
    ]
    return json.dumps({**facts, "lines": figures}, indent=2, ensure_ascii=False)


def progress() -> Callable[[str], None]:
    """Return what says how far we are: over the same line of a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda text: None

    def say(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    return say
