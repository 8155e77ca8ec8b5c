"""`make crowd`: threads of several processes on one file; a table, and what is wrong. Exit code 1 if anything is."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crowd.runs import Crowd, gather, table


def main() -> None:
    """Read the arguments, let the crowd send, print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.crowd", description=__doc__)
    parser.add_argument("--processes", type=int, default=Crowd().processes)
    parser.add_argument("--threads", type=int, default=Crowd().threads)
    parser.add_argument("--seconds", type=float, default=Crowd().seconds)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        outcome = gather(Crowd(asked.processes, asked.threads, asked.seconds), Path(folder))
    print(*table(outcome), *outcome.wrong, sep="\n")
    print("none wrong" if not outcome.wrong else f"{len(outcome.wrong)} WRONG")
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
