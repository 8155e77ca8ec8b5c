"""Several threads and processes write to one file, and every event that was acknowledged is there exactly once."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from persistence import Reader, SQLiteStore
from persistence.records import genesis, head_hash, record_digest, seal_of
from statemachine import Engine, ReentrantCall, State, Workflow, on
from statemachine.codec import dumps, loads
from tests.children import Add, Heard, Tally, child, run_child, send_to_all
from tests.patience import WAIT_SECONDS_MAX

INSTANCES = [f"t-{number}" for number in range(5)]
THREADS, THREAD_ROUNDS = 8, 8
PROCESSES, PROCESS_ROUNDS = 2, 20
SENT = THREADS * THREAD_ROUNDS + PROCESSES * PROCESS_ROUNDS  # to each instance

SENDER = "import sys; from tests.children import main; main(*sys.argv[1:])"


def told(process: "subprocess.Popen[str]") -> Heard:
    """Wait for a child and return what it was told."""
    printed, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
    assert process.returncode == 0
    acknowledged, exceptions = json.loads(printed)
    return Heard([(instance, key, version) for instance, key, version in acknowledged], set(exceptions))


def all_at_once(path: Path) -> list[Heard]:
    """Let threads and processes send to the same instances at the same time; return what each was told."""
    heard: list[Heard] = []
    with Engine(path, Tally) as engine:
        tallies = [engine.start(Tally, id=name) for name in INSTANCES]
        processes = [
            child(SENDER, path, f"process-{number}", str(PROCESS_ROUNDS), stdin=subprocess.PIPE)
            for number in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        start = threading.Barrier(THREADS + 1)

        def work(name: str) -> None:
            start.wait()
            heard.append(send_to_all(tallies, name, THREAD_ROUNDS))

        threads = [threading.Thread(target=work, args=(f"thread-{number}",)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        start.wait()
        for thread in threads:
            thread.join()
        for process in processes:
            with process:
                heard.append(told(process))
    return heard


def check_chain(reader: Reader, instance: str) -> None:
    """Recompute every hash of an instance, from its genesis to its head."""
    head = reader.head(instance)
    assert head is not None
    previous = genesis(instance, head.workflow, head.secret)
    rows = reader.journal(instance)
    for version, row in enumerate(rows, start=1):
        image = dumps(loads(row.record.body)["image"])
        assert row.record.version == version
        assert row.hash == head_hash(previous, record_digest(row.record), image)
        previous = row.hash
    assert (head.version, head.hash) == (len(rows), previous)


def check_lane(reader: Reader) -> int:
    """Recompute every seal, and return how many rows there are."""
    lane = list(reader.lane())
    seal, waiting = bytes(32), list[bytes]()
    for place, row in enumerate(lane, start=1):
        assert row.n == place
        waiting.append(row.hash)
        if row.seal is not None:
            assert row.seal == seal_of(seal, place - len(waiting) + 1, tuple(waiting))
            seal, waiting = row.seal, []
    assert waiting == []
    return len(lane)


def test_threads_and_processes_write_every_version_and_every_key_exactly_once(tmp_path: Path) -> None:
    path = tmp_path / "tally.db"
    heard = all_at_once(path)
    assert len(heard) == THREADS + PROCESSES
    acknowledged = sorted(one for each in heard for one in each.acknowledged)
    store = SQLiteStore(path, read_only=True)
    with store.reader() as reader:
        written = [row.record for name in INSTANCES for row in reader.journal(name)]
        for name in INSTANCES:
            check_chain(reader, name)
        assert check_lane(reader) == len(INSTANCES) * (SENT + 1)
    store.close()
    assert sorted((one.instance, one.key, one.version) for one in written if one.key is not None) == acknowledged
    assert len(acknowledged) == len({(instance, key) for instance, key, _ in acknowledged}) == len(INSTANCES) * SENT
    assert {kind for each in heard for kind in each.exceptions} <= {"Refused", "Busy"}
    with Engine(path, Tally, read_only=True) as engine:
        assert [tally.data.total for tally in engine.list(Tally)] == [SENT] * len(INSTANCES)


def test_threads_that_send_one_key_run_it_once(tmp_path: Path) -> None:
    with Engine(tmp_path / "tally.db", Tally) as engine:
        tally = engine.start(Tally, id="t")
        answers: list[tuple[int, bool]] = []

        def work() -> None:
            done = tally.send(Add(1), key="the one")
            answers.append((done.version, done.replayed))

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [(2, False)] + [(2, True)] * (THREADS - 1)
        assert tally.data.total == 1


FORK = """
import os, sys
from statemachine import Engine
from persistence import Closed
from tests.children import Add, Tally

engine = Engine(sys.argv[1], Tally)
tally = engine.start(Tally, id="t")
tally.send(Add(1))
log = os.stat(sys.argv[1] + "-wal").st_ino
pid = os.fork()
if pid == 0:
    for use in (lambda: tally.send(Add(1)), lambda: tally.state, lambda: engine.list(Tally), engine.store.settle):
        try:
            use()
        except Closed as error:
            print(error.code, flush=True)
    engine.close()
    sys.exit(7)  # the interpreter is torn down, and with it every object
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
tally.send(Add(1))
print(tally.data.total, tally.version, os.stat(sys.argv[1] + "-wal").st_ino == log)
engine.close()
"""


def test_forked_child_is_refused_and_its_exit_leaves_the_parents_store_usable(tmp_path: Path) -> None:
    code, printed = run_child(FORK, tmp_path / "tally.db")
    assert (code, printed.split("\n")) == (0, ["PS310"] * 3 + ["7", "2 3 True"])
    with Engine(tmp_path / "tally.db", Tally, read_only=True) as engine:
        assert engine.get(Tally, "t").version == 3


OUTLIVE = """
import os, sys, signal
from statemachine import Engine
from tests.children import Add, Tally, run_child

KILLED = '''
import os, signal, sys
from statemachine import Engine
from tests.children import Add, Tally
engine = Engine(sys.argv[1], Tally)
for number in range(3):
    engine.get(Tally, "t").send(Add(1))
print("acknowledged", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
'''

engine = Engine(sys.argv[1], Tally)
tally = engine.start(Tally, id="t")
tally.send(Add(1))
wait, go = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(go)
    os.read(wait, 1)
    sys.exit(0)
engine.close()
print(run_child(KILLED, sys.argv[1]))
os.write(go, b".")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
with Engine(sys.argv[1], Tally) as again:
    print(again.get(Tally, "t").version)
"""


def test_forked_child_that_outlives_its_parents_store_does_not_fold_away_anothers_log(tmp_path: Path) -> None:
    """The connection that it inherited must be leaked: closing it would delete the log by its name."""
    code, printed = run_child(OUTLIVE, tmp_path / "tally.db")
    assert (code, printed.split("\n")) == (0, ["(-9, 'acknowledged')", "0", "5"])


class Caller(Workflow[None], revision=1):
    """Runs whatever a test gives it, inside its action."""

    idle = State(initial=True)
    calls: ClassVar[list[Callable[[], object]]] = []

    @on(Add, idle, to=None)
    def act(self, event: Add) -> None:
        for call in type(self).calls:
            call()


@pytest.mark.parametrize("use", ["send", "start", "state", "list", "history", "close", "get", "data"])
def test_callback_that_calls_the_engine_is_told_so_and_the_engine_goes_on(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine(tmp_path / "a.db", Caller, Tally) as engine:
        caller, tally = engine.start(Caller, id="c"), engine.start(Tally, id="t")
        calls: dict[str, Callable[[], object]] = {
            "send": lambda: tally.send(Add(1)),
            "start": lambda: engine.start(Tally, id="u"),
            "state": lambda: tally.state,
            "data": lambda: caller.data,
            "list": lambda: engine.list(Tally),
            "history": tally.history,
            "close": engine.close,
            "get": lambda: engine.get(Tally, "t"),
        }
        monkeypatch.setattr(Caller, "calls", [calls[use]])
        with pytest.raises(ReentrantCall):
            caller.send(Add(1))
        monkeypatch.setattr(Caller, "calls", [])
        assert caller.send(Add(1)).version == 2
        assert tally.send(Add(1)).version == 2


def test_callback_may_swallow_the_refusal_to_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine(tmp_path / "a.db", Caller, Tally) as engine:
        caller, tally = engine.start(Caller, id="c"), engine.start(Tally, id="t")

        def swallow() -> None:
            with pytest.raises(ReentrantCall):
                tally.send(Add(1))

        monkeypatch.setattr(Caller, "calls", [swallow])
        assert caller.send(Add(1)).version == 2
        assert tally.version == 1
