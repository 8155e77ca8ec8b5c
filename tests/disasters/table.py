"""The lines of the table that `make disasters` prints: one is a disaster, or a planted fault that it must find."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

from attrs import frozen

from recovery.drills.disks.results import Result
from tests.disasters import runs
from tests.disasters.runs import CONTROLS, FOLDED_PAGES, SOUND, together, together_in_vain

Run = Callable[..., Result]

DISASTERS: tuple[Run, ...] = (
    runs.power,
    partial(runs.power, sector=512),
    partial(runs.power, pages=FOLDED_PAGES),
    partial(runs.power, level="normal"),
    partial(runs.power, level="normal", pages=FOLDED_PAGES),
    partial(runs.power, work=together),
    partial(runs.power, work=together, sector=512),
    partial(runs.power, work=together, pages=FOLDED_PAGES),
    partial(runs.power, work=together, level="normal"),
    partial(runs.power, work=together_in_vain),
    runs.power_twice,
    partial(runs.power_twice, level="normal"),
    partial(runs.power_twice, work=together),
    partial(runs.power_twice, work=together, level="normal"),
    runs.errors,
    partial(runs.errors, pages=FOLDED_PAGES),
    partial(runs.errors, work=together),
    partial(runs.errors, work=together, pages=FOLDED_PAGES),
    runs.kills,
    partial(runs.kills, work=together),
    partial(runs.rotten, is_closed=True),
    partial(runs.rotten, is_closed=False),
    runs.cut,
)


@frozen
class Line:
    """One line of the table."""

    name: str
    struck: int
    verdict: str
    seen: str
    is_as_it_must_be: bool


def disaster(run: Run, folder: Path, size: runs.Size) -> Line:
    began = perf_counter()
    result = run(folder, size)
    seen = ", ".join(f"{name} {count}" for name, count in sorted(result.seen.items()) if count)
    verdict = "none bad" if not result.bad else f"{result.bad} BAD: {_kinds(result)}"
    line = Line(result.name, result.tried, verdict, "; ".join(filter(None, [result.extent, seen])), not result.bad)
    _said(line, perf_counter() - began, result.stories)
    return line


def control(name: str, folder: Path) -> Line:
    run, wrap, kind = CONTROLS[name]
    result = run(folder, wrap)
    is_found = kind in result.kinds
    verdict = f"found in {result.bad}" if is_found else "GOT BY"
    line = Line(f"planted: {name}", result.tried, verdict, _kinds(result), is_found)
    _said(line, 0, [])
    return line


def sound(name: str, folder: Path) -> Line:
    run, wrap, _ = SOUND[name]
    result = run(folder, wrap)
    line = Line(f"not planted: {name}", result.tried, f"{result.bad} bad", _kinds(result), not result.bad)
    _said(line, 0, result.stories)
    return line


def _kinds(result: Result) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in result.kinds.most_common())


def _said(line: Line, seconds: float, stories: list[str]) -> None:
    took = f"  ({seconds:.0f} s)" if seconds else ""
    print(f"{line.name}: {line.struck} struck, {line.verdict}{took}", file=sys.stderr, flush=True)
    for story in stories:
        print(story, file=sys.stderr, flush=True)
