"""The command line of `benchmarks.durable`."""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import apsw

from benchmarks.durable import grouped, large, loading, serial, stages, syncs
from benchmarks.durable.lines import HEAD, Line, as_json, as_text, progress
from benchmarks.durable.raw import FOLD_PAGES
from benchmarks.durable.sizes import FULL, SMOKE, Setting
from benchmarks.durable.work import SHARED_MEMORY, file_system, scratch, sync_time

MEASURES: dict[str, Callable[[Setting], Iterator[Line]]] = {
    "serial": serial.serial,
    "software": serial.software,
    "grouped": grouped.grouped,
    "grouped-keys": grouped.grouped_with_keys,
    "grouped-wide": grouped.grouped_wide,
    "threads": serial.threads,
    "syncs": syncs.syncs,
    "bytes": syncs.stored,
    "instances": large.instances,
    "rows": large.rows,
    "loading": loading.loading,
    "reopening": large.reopening,
    "memory": large.memory,
}


def main() -> None:
    """Measure, and print."""
    given = _parser().parse_args()
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    if given.profile:
        with scratch(given.folder or memory or Path(tempfile.gettempdir())) as folder:
            print(f"on {file_system(folder)}, {'without' if given.no_key else 'with'} a key")
            stages.show(folder, count=SMOKE.steady if given.size == "smoke" else 4_000, with_key=not given.no_key)
        return
    with scratch(given.folder or Path(tempfile.gettempdir())) as folder:
        setting = Setting(folder, memory, FULL if given.size == "full" else SMOKE, progress())
        facts = _facts(folder, given.size)
        if given.output == "text":
            print(", ".join(f"{name} {value}" for name, value in facts.items()))
            print(HEAD, flush=True)
        lines: list[Line] = []
        for name in given.only or MEASURES:
            for line in MEASURES[name](setting):
                lines.append(line)
                if given.output == "text":
                    setting.say("")
                    print(as_text(line), flush=True)
        setting.say("")
        if given.output == "json":
            print(as_json(facts, lines))


def _parser() -> argparse.ArgumentParser:
    text = sys.modules["benchmarks.durable"].__doc__
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.durable", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=["smoke", "full"], default="full")
    parser.add_argument("--only", nargs="+", choices=[*MEASURES], metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; that of temporary files if left out")
    parser.add_argument(
        "--profile", choices=["serial"], help="where the time of one send goes; in memory, or in FOLDER"
    )
    parser.add_argument("--no-key", action="store_true", help="profile sends without a key")
    return parser


def _facts(folder: Path, size: str) -> dict[str, str]:
    """Return what a reader must know beside the figures."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "size": size,
        "Python": platform.python_version(),
        "SQLite": apsw.sqlite_lib_version(),
        "file system": file_system(folder),
        "fdatasync p50": f"{sync_time(folder) * 1e6:.0f} us",
        "raw loop": f"folds its log at {FOLD_PAGES} pages",
    }


if __name__ == "__main__":
    main()
