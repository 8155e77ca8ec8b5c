"""The process that lives: starts the child again after each kill, and keeps the only list that the judge believes.

Between two children nobody has the file open, so the parent looks into it itself: whether the step that was under way
had been committed is read from the keys on record, before any recovery has touched them.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Protocol

from attrs import define, field

from perdure.demo.script import Kill, Script
from perdure.demo.wire import Acknowledged, Opened, heard
from persistence import SQLiteStore

__all__ = ["ChildError", "Death", "Run", "Watcher", "play"]

SILENCE_SECONDS_MAX = 60  # a child that says nothing for so long hangs; a slow disk syncs within one
READ_BYTES = 65_536


class ChildError(RuntimeError):
    """The child ended in a way that nobody had planned."""


@define
class Death:
    """One kill, and what came of the step that was under way."""

    kill: Kill
    is_committed: bool  # found in the file while nobody had it open
    opened: Opened | None = None  # what the next child found
    replayed: bool | None = None  # how the next child was answered; None until it was


@define
class Run:
    """All that the parent knows."""

    script: Script
    path: str
    forgets: bool
    acknowledged: list[Acknowledged] = field(factory=list[Acknowledged])
    deaths: list[Death] = field(factory=list[Death])

    @property
    def is_complete(self) -> bool:
        """Whether every step was acknowledged."""
        return len(self.acknowledged) == len(self.script.steps)


class Watcher(Protocol):
    """Who wants to see it happen."""

    def progressed(self, run: Run) -> None:
        """One more step was acknowledged."""
        ...

    def killed(self, run: Run) -> None:
        """A child died; the next one is about to start."""
        ...

    def resumed(self, run: Run, death: Death, /) -> None:
        """The step that a kill had struck was sent again and answered."""
        ...


def play(run: Run, watcher: Watcher) -> None:
    """Run children until every step is acknowledged. Raises ChildError."""
    for _ in range(len(run.script.kills) + 1):
        with _child(run) as child:
            for line in _lines(child):
                _hear(run, heard(line), watcher)
            _end(run, child)
        if run.is_complete:
            return
        watcher.killed(run)
    raise ChildError("the last child ended without an error before the script did")


def _hear(run: Run, said: Opened | Acknowledged, watcher: Watcher) -> None:
    last = run.deaths[-1] if run.deaths else None
    if isinstance(said, Opened):
        if last is not None:
            last.opened = said
        return
    if said.step != len(run.acknowledged):
        raise ChildError(f"the child acknowledged step {said.step}; step {len(run.acknowledged)} was due")
    run.acknowledged.append(said)
    if last is not None and last.replayed is None:
        last.replayed = said.replayed
        watcher.resumed(run, last)
    watcher.progressed(run)


def _end(run: Run, child: "subprocess.Popen[bytes]") -> None:
    """Take note of how a child ended. Raises ChildError."""
    code = child.wait()
    if code == 0:
        return
    if code == -signal.SIGKILL and len(run.deaths) < len(run.script.kills):
        kill = run.script.kills[len(run.deaths)]
        if kill.step == len(run.acknowledged):
            run.deaths.append(Death(kill, _is_committed(run, kill)))
            return
    assert child.stderr is not None
    told = child.stderr.read().decode(errors="replace").strip().splitlines()
    place = f"after {len(run.acknowledged)} steps"
    raise ChildError(f"the child ended with {code} {place}: {told[-1] if told else 'it said nothing'}")


def _is_committed(run: Run, kill: Kill) -> bool:
    step = run.script.steps[kill.step]
    store = SQLiteStore(run.path, read_only=True)
    try:
        with store.reader() as reader:
            return any(key.key == step.key for key in reader.keys(step.order))
    finally:
        store.close()


@contextmanager
def _child(run: Run) -> "Generator[subprocess.Popen[bytes], None, None]":
    """Start a child; whatever happens, it is gone when the block ends."""
    numbers = (run.script.seed, len(run.acknowledged), len(run.deaths), int(run.forgets))
    command = [sys.executable, "-P", "-m", "perdure.demo.child", run.path, *(str(number) for number in numbers)]
    with subprocess.Popen(  # noqa: S603  # our own interpreter and module, and no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the parent, which ends it
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def _lines(child: "subprocess.Popen[bytes]") -> Iterator[str]:
    """Yield what a child says until it is gone; what stands in the pipe outlives it. Raises ChildError."""
    assert child.stdout is not None
    descriptor, rest = child.stdout.fileno(), b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], SILENCE_SECONDS_MAX)
        if not ready:
            raise ChildError(f"the child said nothing for {SILENCE_SECONDS_MAX} s")
        read = os.read(descriptor, READ_BYTES)
        if not read:
            return
        *whole, rest = (rest + read).split(b"\n")
        yield from (line.decode() for line in whole)
