"""A process that forks where it is told to, and a child that tries everything and ends as it is told to.

Run as `python -m tests.forking PATH WHERE HOW`; it prints what the child was answered, and how things stand afterwards.
"""

import asyncio
import gc
import json
import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, frozen

from persistence import Closed, SQLiteStore, StoreError
from statemachine import Engine, Instance, ReentrantCall, State, Transition, Workflow, on
from tests.patience import WAIT_SECONDS_MAX


@frozen
class Go:
    pass


@define
class Went:
    count: int = 0


class Walker(Workflow[Went], revision=1):
    """Counts, and runs what it is given inside its action."""

    here = State(initial=True)
    inside: "ClassVar[Callable[[Walker], None]]" = lambda _: None

    @on(Go, here, to=None)
    def go(self, event: Go) -> None:
        self.data.count += 1
        self.sql.execute("insert into steps values (?)", (self.data.count,))
        type(self).inside(self)


def uses(path: str, engine: Engine, walker: Instance[Walker, Went]) -> dict[str, Callable[[], object]]:
    """Return every way into an engine, its handles and its store."""

    async def wait(how: str) -> None:
        await (walker.asend(Go()) if how == "asend" else walker.afire("Go", {}))

    return {
        "send": lambda: walker.send(Go()),
        "submit": lambda: walker.submit(Go()),
        "asend": lambda: asyncio.run(wait("asend")),
        "fire": lambda: walker.fire("Go", {}),
        "afire": lambda: asyncio.run(wait("afire")),
        "offers": walker.offers,
        "state": lambda: walker.state,
        "data": lambda: walker.data,
        "version": lambda: walker.version,
        "outcome": lambda: walker.outcome,
        "history": walker.history,
        "start": lambda: engine.start(Walker),
        "get": lambda: engine.get(Walker, "w"),
        "list": lambda: engine.list(Walker),
        "snapshot": lambda: engine.snapshot().__enter__(),
        "subscribe": lambda: engine.subscribe(print),
        "terminate": lambda: engine.terminate("w", why="it was told to"),
        "backup": lambda: engine.backup(f"{path}-copy"),
        "at": lambda: walker.at(1),
        "checkpoint": lambda: walker.checkpoint("here"),
        "checkpoints": walker.checkpoints,
        "sql": lambda: engine.sql().execute("select 1"),
        "store.transaction": lambda: engine.store.transaction().__enter__(),
        "store.reader": lambda: engine.store.reader().__enter__(),
        "close": engine.close,
        "store.close": engine.store.close,
        "open": lambda: Engine(path, Walker),
    }


def answer(use: Callable[[], object]) -> str | None:
    """Return the code of what a use raises; None where it returns."""
    try:
        use()
    except (StoreError, ReentrantCall) as error:
        return str(error).partition(" ")[0]
    return None


class Forker:
    """Forks, lets the child try everything, waits for it, and notes what of the files changed meanwhile."""

    def __init__(self, path: str, how: str) -> None:
        self.path, self.how = path, how
        self.engine = Engine(path, Walker, schema="create table if not exists steps (step int not null) strict")
        self.walker = self.engine.start(Walker, id="w")
        self.walker.submit(Go()).result(WAIT_SECONDS_MAX)  # from here on there is a thread
        self.told: dict[str, Any] = {}
        self.parent = os.getpid()

    def fork(self, frame: Walker | None = None) -> None:
        before = self.files()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            tried = uses(self.path, self.engine, self.walker)
            if frame is not None:
                tried["self.sql"] = lambda: frame.sql.execute("insert into steps values (99)")
            os.write(writing, json.dumps({name: answer(use) for name, use in tried.items()}).encode())
            self.end()
            return
        os.close(writing)
        with os.fdopen(reading) as told:
            self.told = json.loads(told.read())  # to its end: the child has ended
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.told |= {"code": code, "changed": [name for name, stat in self.files().items() if stat != before[name]]}

    def end(self) -> None:
        """End the child: at once, or by collecting what it has and going back to where it came from."""
        if self.how == "exits":
            os._exit(0)
        gc.collect()

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Say of each file whether it is written or replaced. They are not opened: closing one drops SQLite's locks."""
        found = {suffix: Path(self.path + suffix).stat() for suffix in ("", "-wal", "-anchor")}
        return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}

    def in_callback(self, send: Callable[[], object]) -> None:
        Walker.inside = self.fork
        send()
        Walker.inside = lambda _: None

    def in_subscriber(self) -> None:
        """Fork in the callback of a subscription, which more is queued for."""
        has_forked = threading.Event()

        def hear(_: Transition) -> None:
            if not has_forked.is_set():
                self.fork()
                has_forked.set()

        with self.engine.subscribe(hear):
            self.walker.send(Go())
            assert has_forked.wait(WAIT_SECONDS_MAX)

    def in_commit(self) -> None:
        """Fork while the writer's thread is inside COMMIT."""
        assert isinstance(self.engine.store, SQLiteStore)
        connection = self.engine.store._writer
        inside, go_on = threading.Event(), threading.Event()

        def hold() -> bool:
            inside.set()
            return not go_on.wait(WAIT_SECONDS_MAX)

        connection.set_commit_hook(hold)
        future = self.walker.submit(Go())
        assert inside.wait(WAIT_SECONDS_MAX)
        self.fork()
        if os.getpid() != self.parent:
            return
        go_on.set()
        future.result(WAIT_SECONDS_MAX)
        connection.set_commit_hook(None)


def main(path: str, where: str, how: str) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # a fork of a process with threads: that is what is tested
    forker = Forker(path, how)
    places: dict[str, Callable[[], object]] = {
        "idle": forker.fork,
        "callback": lambda: forker.in_callback(lambda: forker.walker.send(Go())),
        "callback of the writer's thread": lambda: forker.in_callback(
            lambda: forker.walker.submit(Go()).result(WAIT_SECONDS_MAX)
        ),
        "callback of a subscriber": forker.in_subscriber,
        "commit": forker.in_commit,
    }
    try:
        places[where]()
    except Closed:
        if os.getpid() == forker.parent:
            raise
    if os.getpid() != forker.parent:
        sys.exit(0)  # the child, back from where it was forked
    done = forker.walker.send(Go())
    rows = forker.engine.sql().execute("select count(*), max(step) from steps")
    print(json.dumps(forker.told | {"took": done.version - 1, "rows": rows, "count": forker.walker.data.count}))
    forker.engine.close()


def visit(path: str, answers: "multiprocessing.Queue[str]") -> None:
    """Open a file in a process that `multiprocessing` started, and send to it."""
    try:
        with Engine(path, Walker) as engine:
            answers.put(f"version {engine.get(Walker, 'w').send(Go()).version}")
    except StoreError as error:
        answers.put(error.code)


def host(path: str, method: str) -> None:
    """Let processes of `multiprocessing` visit a file that is open here, and one that was closed."""
    warnings.simplefilter("ignore", DeprecationWarning)  # as above
    forker = Forker(path, "exits")
    print(visited(path, method), f"version {forker.walker.send(Go()).version}")
    forker.engine.close()
    print(visited(path, method))


def visited(path: str, method: str) -> str:
    context: Any = multiprocessing.get_context(method)  # whose stubs have no Process
    answers: multiprocessing.Queue[str] = context.Queue()
    child = context.Process(target=visit, args=(path, answers))
    child.start()
    told = answers.get(timeout=WAIT_SECONDS_MAX)
    child.join(WAIT_SECONDS_MAX)
    return f"{told}, exit code {child.exitcode}"


if __name__ == "__main__":
    main(*sys.argv[1:])
