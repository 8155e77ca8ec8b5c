"""The command line of `benchmarks.durable`."""

import argparse
from pathlib import Path

from benchmarks.durable import stages
from benchmarks.durable.work import SHARED_MEMORY, file_system, scratch


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durable", description="…")
    parser.add_argument("--profile", choices=["serial"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--no-key", action="store_true")
    parser.add_argument("--count", type=int, default=4000)
    given = parser.parse_args()
    with scratch(given.folder or SHARED_MEMORY) as folder:
        print(file_system(folder))
        stages.show(folder, count=given.count, with_key=not given.no_key)


if __name__ == "__main__":
    main()
