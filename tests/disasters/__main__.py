"""`make disasters`: every disaster over the engine as it is, then the planted faults; a table at the end.

`python -m tests.disasters small` runs a sample, `thorough` takes hours. The lines of the table are made by as many
processes as there are processors. The exit code is 1 if anything was lost, torn or doubled, if something failed without
a code, or if a planted fault got by.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.disasters.runs import CONTROLS, SIZES, SOUND, scratch
from tests.disasters.table import DISASTERS, Line, control, disaster, sound


def main() -> None:
    size = SIZES[sys.argv[1] if sys.argv[1:] else "whole"]
    with scratch() as folder, ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(disaster, run, folder, size) for run in DISASTERS]
        jobs += [pool.submit(control, one, folder) for one in CONTROLS]
        jobs += [pool.submit(sound, one, folder) for one in SOUND]
        lines = [job.result() for job in jobs]
    _print_table(lines)
    sys.exit(not all(line.is_as_it_must_be for line in lines))


def _print_table(lines: list[Line]) -> None:
    rows = [("disaster", "struck", "result", "of what, and what was seen")]
    rows += [(line.name, str(line.struck), line.verdict, line.seen) for line in lines]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    print()
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        print("  ".join([*cells, row[3]]).rstrip())


if __name__ == "__main__":
    main()
