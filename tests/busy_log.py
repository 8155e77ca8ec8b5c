"""Does the log stay bounded under a busy writer? `python -m tests.busy_log --seconds 60` prints what was seen.

Several threads send events with large payloads, and a reader comes and goes: it holds its view while so many
transitions are written, which keeps the log from being begun anew, and is away for as many. What is judged is what the
file and SQLite's own hook say, not what the store believes. `--unfolded` is the negative control: it must end with 1.
"""

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from unittest.mock import patch

import click
from attrs import define, field, frozen

from persistence.sqlite import connection
from persistence.sqlite.connection import Log
from statemachine import Engine, State, Workflow, on
from tests.patience import WAIT_SECONDS_MAX

THREADS = 4
HELD = 300  # transitions that are written while the reader holds its view, and while it is away
PAYLOAD_BYTES = 8_000  # some pages of the log for each transition: the bound is met within seconds
FRAME_BYTES = 4_096 + 24  # of one page in the log, with SQLite's default pages
BEGUN_BY_MAKING = 1  # time that a new store folds its log before anything is written


@frozen
class Jot:
    text: str


@define
class Jotted:
    count: int = 0


class Jotter(Workflow[Jotted], revision=1):
    """Writes what it is sent into its journal, and counts."""

    jotting = State(initial=True)

    @on(Jot, jotting, to=None)
    def jot(self, event: Jot) -> None:
        self.data.count += 1


@define
class Seen:
    """What was seen of one run; `pages` and `begun` are SQLite's own word, given to the hook."""

    transitions: int = 0
    commits: int = 0  # sealed in the file
    fired: int = 0  # the hook
    begun: int = 0  # times that the log was begun anew
    pages: int = 0  # of the log, at most
    wal_bytes: int = 0  # of the -wal file, at most
    views: int = 0  # that the reader held
    failures: list[str] = field(factory=list[str])

    def faults(self) -> list[str]:
        """Return what is not as it must be."""
        bound = bound_bytes()
        table = (
            (self.wal_bytes > bound, f"the -wal reached {self.wal_bytes:,} bytes, more than {bound:,}"),
            (self.fired < self.commits, f"the hook fired {self.fired} times for {self.commits} commits"),
        )
        return [*self.failures, *(text for is_so, text in table if is_so), *self.missing()]

    def missing(self) -> list[str]:
        """Return what was not seen, and is with time."""
        table = (
            (self.begun <= BEGUN_BY_MAKING, "the log was never begun anew"),
            (
                self.pages < connection.CHECKPOINT_PAGES,
                f"the log reached {self.pages} pages: too few to be folded back",
            ),
            (self.views == 0, "the reader never came"),
        )
        return [text for is_so, text in table if is_so]

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return (
            f"{self.transitions:,} transitions in {self.commits:,} commits, the hook fired {self.fired:,} times\n"
            f"largest -wal {self.wal_bytes:,} bytes ({self.pages:,} pages), bound {bound_bytes():,}; "
            f"begun anew {self.begun:,} times; {self.views:,} views of a reader"
        )


def bound_bytes() -> int:
    """Return how long the log may become: past RESTART_PAGES the store waits for no reader; and two steps of growth."""
    return (connection.RESTART_PAGES + 2 * connection.CHECKPOINT_PAGES) * FRAME_BYTES


@contextmanager
def watching(seen: Seen, *, is_folded: bool) -> Generator[None]:
    """Note what SQLite tells the hook of every store that is opened meanwhile."""

    class Watched(Log):
        _last = 0

        def _note(self, _connection: Any, _name: str, pages: int) -> int:
            seen.fired += 1
            seen.begun += pages < self._last
            seen.pages, self._last = max(seen.pages, pages), pages
            return super()._note(_connection, _name, pages)

        def fold(self, before: Callable[[], bool]) -> None:
            if is_folded:
                super().fold(before)

    with patch("persistence.sqlite.store.Log", Watched):
        yield


class Run:
    """One run over a new file: threads that write, one that reads, until the time or the bound is passed."""

    def __init__(self, path: Path, *, seconds: float) -> None:
        self.seen = Seen()
        self._path = path
        self._end = monotonic() + seconds
        self._turned = threading.Condition()
        self._text = Random(1).randbytes(PAYLOAD_BYTES // 2).hex()  # compressed to half of it at best

    def _is_over(self) -> bool:
        late = monotonic() - self._end
        is_enough = not self.seen.missing() or late > WAIT_SECONDS_MAX  # a slow machine is given more time
        return (late > 0 and is_enough) or self.seen.wal_bytes > bound_bytes() or bool(self.seen.failures)

    def write(self, engine: Engine, number: int) -> None:
        """Send events to an instance of one's own."""
        jotter = engine.start(Jotter, id=f"j-{number}")
        while not self._is_over():
            jotter.send(Jot(f"{self.seen.transitions}{self._text}"))
            with self._turned:
                self.seen.transitions += 1
                self.seen.wal_bytes = max(self.seen.wal_bytes, Path(f"{self._path}-wal").stat().st_size)
                self._turned.notify_all()

    def read(self, engine: Engine) -> None:
        """Hold a view while others write, and be away while they write."""
        while not self._is_over():
            with engine.store.reader() as reader:
                list(reader.instances())  # SQLite takes the view at the first read
                self._wait_for_more()
            self.seen.views += 1
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        with self._turned:
            due = self.seen.transitions + HELD
            if not self._turned.wait_for(lambda: self.seen.transitions >= due or self._is_over(), WAIT_SECONDS_MAX):
                self.seen.failures.append("the writers stood still")

    def told(self, run: Callable[..., None], *arguments: object) -> None:
        """Run one thread; whatever it raises is a finding."""
        try:
            run(*arguments)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
            self.seen.failures.append(repr(error))


def busy(path: Path, *, seconds: float, is_folded: bool = True) -> Seen:
    """Write for some time, or until the log is longer than it may be; return what was seen."""
    run = Run(path, seconds=seconds)
    with watching(run.seen, is_folded=is_folded), Engine(path, Jotter) as engine:
        with Engine(path, Jotter, read_only=True) as reading:
            writers = [threading.Thread(target=run.told, args=(run.write, engine, one)) for one in range(THREADS)]
            threads = [*writers, threading.Thread(target=run.told, args=(run.read, reading))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with engine.store.reader() as reader:
            run.seen.commits = sum(one.seal is not None for one in reader.lane())
    return run.seen


@click.command()
@click.option("--seconds", default=60.0, help="How long to write.")
@click.option("--unfolded", is_flag=True, help="The negative control: never fold the log back.")
def main(seconds: float, *, unfolded: bool) -> None:
    """Print what was seen; exit code 1 if the log was not bounded."""
    with TemporaryDirectory() as folder:
        seen = busy(Path(folder) / "busy.db", seconds=seconds, is_folded=not unfolded)
    click.echo(seen)
    for fault in seen.faults():
        click.echo(f"FAULT {fault}")
    sys.exit(bool(seen.faults()))


if __name__ == "__main__":
    main()
