"""The parent's side of one child: started, told, heard, and started again once it is dead.

A server is a new interpreter that imports the workflow and forks children, so that a new process costs milliseconds.
Parent, server and child share one pipe: the server is silent while its child lives.
"""

import multiprocessing
import os
import pickle
import signal
from typing import Any, TypeVar, cast

from recovery.drills.child import Setup, serve
from recovery.drills.steps import Answer, Broke, Do, Dropped, Evidence, Gone, GoOn, Leave, Look, Open, Opened, Struck

__all__ = ["ChildError", "Process", "unsendable"]

T = TypeVar("T")
Message = object

LEAVE_SECONDS_MAX = 2.0  # after the pipe is closed; a callback that never returns is killed then
SILENCE_SECONDS_MAX = 60.0  # a child that says nothing for so long hangs; a slow disk syncs within one


class ChildError(RuntimeError):
    """The drill itself could not go on: a child broke, hangs, or could not import what it needs."""


def unsendable(value: object) -> str | None:
    """Return why a value cannot be sent to a new process by name; None where it can."""
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        return str(error)
    return None


class Process:
    """A server and its child of the moment. Use it as a context manager."""

    def __init__(self, setup: Setup) -> None:
        context = multiprocessing.get_context("spawn")
        self._wire, theirs = context.Pipe()
        self._server = context.Process(target=serve, args=(theirs, setup), daemon=True)
        self._has_child = False
        self._start()
        theirs.close()

    def _start(self) -> None:
        """Start the server. One seed for hashes in all of them: the order of a set is part of what must repeat."""
        before = os.environ.get("PYTHONHASHSEED")
        os.environ["PYTHONHASHSEED"] = "0"
        try:
            self._server.start()
        finally:
            del os.environ["PYTHONHASHSEED"]
            if before is not None:
                os.environ["PYTHONHASHSEED"] = before

    def open(self, path: str) -> Opened:
        """Let a child open a file, a new process if there is none."""
        if not self._has_child:
            self._wire.send(None)
            self._has_child = True
        return self._ask(Open(path), Opened)

    def do(self, asked: Do) -> "Answer | Struck":
        """Let the child do a step; struck, it waits for `drop`, or is dead."""
        return cast("Answer | Struck", self._ask(asked, object))

    def look(self) -> Evidence:
        """Let the child read what stands in its file."""
        return self._ask(Look(), Evidence)

    def drop(self) -> None:
        """Let the child drop engine and store."""
        self._ask(GoOn(), Dropped)

    def leave(self) -> None:
        """Let the child close the file and end."""
        if self._has_child:
            self._ask(Leave(), Gone)
            self._has_child = False

    def died(self) -> int:
        """Wait for the end of a child that was killed, and return its code."""
        self._has_child = False
        return self._hear(Gone).code

    def _ask(self, message: Message, kind: type[T]) -> T:
        self._wire.send(message)
        return self._hear(kind)

    def _hear(self, kind: type[T]) -> T:
        if not self._wire.poll(SILENCE_SECONDS_MAX):
            raise ChildError(f"a child of the drill said nothing for {SILENCE_SECONDS_MAX} s")
        heard: Any = self._wire.recv()
        if isinstance(heard, Broke):
            self._hear(Gone)
            self._has_child = False
            raise ChildError(f"a child of the drill broke:\n{heard.text}")
        if not isinstance(heard, kind):
            raise ChildError(f"a child of the drill said {heard!r}")
        return heard

    def wait_for_server(self) -> None:
        """Wait until the workflow is imported. Raises ChildError."""
        try:
            self._hear(object)
        except EOFError as error:
            raise ChildError("the drill's new process could not import the workflow; see what it printed") from error

    @property
    def is_alive(self) -> bool:
        """Whether the server runs."""
        return self._server.is_alive()

    def close(self) -> None:
        """End child and server."""
        self._wire.close()
        self._server.join(LEAVE_SECONDS_MAX)
        if self.is_alive:
            assert self._server.pid is not None
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.join()
