"""One process of a crowd: its threads send until the time is over, and it tells what each call was answered.

Run as `python -m tests.crowd.sending PART`, a `Part` as JSON: it says "ready", and begins when it is told to.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from attrs import asdict, define, field, frozen

from persistence import Busy, SQLiteStore
from statemachine import Engine, Refused, Transition
from tests.crowd.planted import FAULTS
from tests.crowd.tills import SHARED, Add, Book, Till, own

__all__ = ["Answer", "Heard", "Part"]

ROUNDS_MIN = 2  # of each thread, also where its time is over before it was let run


@frozen
class Part:
    """What one process is to do."""

    path: str
    number: int
    threads: int
    seconds: float
    fault: str = ""  # one of FAULTS; then it does not close its engine, but ends as a kill would end it


@frozen
class Answer:
    """One call that was acknowledged."""

    till: str
    version: int
    key: str | None
    hash: str
    is_replayed: bool


@define
class Heard:
    """What the calls of one process came to."""

    answers: list[Answer] = field(factory=list[Answer])
    waits: list[float] = field(factory=list[float])  # seconds, of each call, whatever it came to
    refused: int = 0
    busy: int = 0
    errors: list[str] = field(factory=list[str])  # of any other kind

    def add(self, other: "Heard") -> None:
        """Take in what another thread heard."""
        self.answers += other.answers
        self.waits += other.waits
        self.errors += other.errors
        self.refused += other.refused
        self.busy += other.busy

    def encoded(self) -> str:
        """Return it as JSON."""
        values = asdict(self, recurse=False)
        rows = [(one.till, one.version, one.key, one.hash, one.is_replayed) for one in self.answers]
        return json.dumps({**values, "answers": rows})

    @classmethod
    def decoded(cls, text: str) -> "Heard":
        """Return what stands in JSON."""
        values = json.loads(text)
        return cls(**{**values, "answers": [Answer(*row) for row in values["answers"]]})


class Sender:
    """One thread of a process."""

    def __init__(self, part: Part, thread: int, engine: Engine) -> None:
        self.heard = Heard()
        self.thread = thread
        self.name = f"{part.number}-{thread}"
        self.own = engine.get(Till, own(part.number, thread))
        self.shared = [engine.get(Till, name) for name in SHARED]

    def calls(self, count: int) -> tuple[Callable[[], Transition], ...]:
        """Return each way of sending once."""
        shared, key = self.shared[count % len(self.shared)], f"{self.name}-{count}"
        return (
            partial(self.own.send, Add(-1)),  # refused; not the last, so that the last transaction is one that counts
            # The first that writes is of one's own: what is wrong of a shared one is noticed, and read anew.
            partial(self.own.send, Add(2)),
            partial(shared.send, Add(1), key=key),
            partial(shared.send, Book(3), key=f"{key}-booked"),
            partial(self.own.send, Book(4)),
            # The same thread of every other process sends this too: one of them runs it.
            partial(shared.send, Book(5), key=f"common-{self.thread}-{count}"),
            lambda: shared.submit(Add(6), key=f"{key}-queued").result(),
        )

    def run(self, until: float) -> None:
        """Send until the time is over, and for some rounds at least, or until something is wrong."""
        count = 0
        while (time.monotonic() < until or count < ROUNDS_MIN) and not self.heard.errors:
            for call in self.calls(count):
                self.hear(call)
            count += 1

    def hear(self, call: Callable[[], Transition]) -> None:
        """Make one call, and note how long it took and what came of it."""
        began = time.perf_counter()
        try:
            done = call()
        except Busy:
            self.heard.busy += 1
        except Refused as refused:
            self.heard.refused += 1
            if refused.code != "guard_failed":
                self.heard.errors.append(str(refused))
        except Exception as error:  # noqa: BLE001  # which others there are is what is asked
            self.heard.errors.append(f"{type(error).__name__}: {error}")
        else:
            self.heard.answers.append(Answer(done.instance, done.version, done.key, done.hash, done.replayed))
        self.heard.waits.append(time.perf_counter() - began)


def take_part(part: Part) -> None:
    """Open the store, say so, send when told to, and print what was heard."""
    store = SQLiteStore(part.path)
    engine = Engine(FAULTS[part.fault](store) if part.fault else store, Till)
    senders = [Sender(part, thread, engine) for thread in range(part.threads)]
    with store.transaction():
        pass  # so each process remembers how far the others have come, and only then does any go on
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + part.seconds
    threads = [threading.Thread(target=sender.run, args=(until,)) for sender in senders]
    for thread in threads:
        thread.start()
    heard = Heard()
    for thread, sender in zip(threads, senders, strict=True):
        thread.join()
        heard.add(sender.heard)
    if not part.fault:
        engine.close()
    print(heard.encoded(), flush=True)
    if part.fault:
        os._exit(0)


if __name__ == "__main__":
    take_part(Part(**json.loads(sys.argv[1])))
