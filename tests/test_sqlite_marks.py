"""An open mark tells a closed store from one whose owner was killed, and never takes a living owner for dead."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from attrs import evolve, frozen

from persistence import ReadOnlyStore, SQLiteStore
from persistence.sqlite import marks
from persistence.sqlite.marks import Mark, is_gone
from recovery import recover
from statemachine import Engine
from tests.children import Tally, child, run_child
from tests.patience import WAIT_SECONDS_MAX


def marked(path: Path) -> set[str]:
    """The ids of all open marks, apart from that of the store that reads them."""
    store = SQLiteStore(path, read_only=True)
    with store.reader() as reader:
        found = reader.execute("SELECT id FROM perdure_open_mark", (), writable=False)
    store.close()
    return {str(name) for (name,) in found}


def test_open_store_has_a_mark_and_a_clean_close_removes_it(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "a.db")
    assert len(marked(tmp_path / "a.db")) == 1
    store.close()
    assert marked(tmp_path / "a.db") == set()
    again = SQLiteStore(tmp_path / "a.db")
    assert again.facts.unclean == ()
    again.close()


def test_each_store_of_a_process_has_its_own_mark(tmp_path: Path) -> None:
    one, two = SQLiteStore(tmp_path / "a.db"), SQLiteStore(tmp_path / "a.db")
    assert len(marked(tmp_path / "a.db")) == 2
    assert one.facts.unclean == two.facts.unclean == ()
    one.close()
    assert len(marked(tmp_path / "a.db")) == 1
    two.close()


def test_store_that_only_reads_leaves_no_mark_and_sees_who_is_gone(tmp_path: Path) -> None:
    killed(tmp_path / "a.db")
    store = SQLiteStore(tmp_path / "a.db", read_only=True)
    assert len(store.facts.unclean) == 1
    with pytest.raises(ReadOnlyStore):
        store.settle()
    store.close()
    assert len(marked(tmp_path / "a.db")) == 1


KILLED = """
import os, signal, sys
from statemachine import Engine
from tests.children import Add, Tally
engine = Engine(sys.argv[1], Tally)
engine.start(Tally, id="t").send(Add(1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(path: Path) -> None:
    """Let a child open the store, work in it, and kill itself."""
    assert run_child(KILLED, path) == (-9, "")


def test_killed_owner_is_reported_until_it_is_settled(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    killed(path)
    (gone,) = marked(path)
    for _ in range(2):
        store = SQLiteStore(path)
        assert store.facts.unclean == (gone,)
        store.close()
    store = SQLiteStore(path)
    store.settle()
    assert store.facts.unclean == ()
    assert gone not in marked(path)
    store.settle()
    store.close()
    assert marked(path) == set()
    with Engine(path, Tally) as engine:
        assert engine.get(Tally, "t").data.total == 1


def test_log_of_a_killed_owner_is_folded_back_by_the_next_close(tmp_path: Path) -> None:
    killed(tmp_path / "a.db")
    assert (tmp_path / "a.db-wal").stat().st_size > 0
    SQLiteStore(tmp_path / "a.db").close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.db", "a.db-anchor"]


def test_settling_forgets_only_who_was_gone_when_it_was_opened(tmp_path: Path) -> None:
    """The second owner died after the look: its work was not checked."""
    path = tmp_path / "a.db"
    killed(path)
    store = SQLiteStore(path)
    killed_later = """
import os, signal, sys
from persistence import SQLiteStore
store = SQLiteStore(sys.argv[1])
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_child(killed_later, path) == (-9, "")
    store.settle()
    store.close()
    again = SQLiteStore(path)
    assert len(again.facts.unclean) == 1
    again.close()


def test_recovery_settles_what_it_has_checked(tmp_path: Path) -> None:
    killed(tmp_path / "a.db")
    recover(tmp_path / "a.db", Tally)
    assert marked(tmp_path / "a.db") == set()


LIVING = """
import sys
from persistence import SQLiteStore
store = SQLiteStore(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
store.close()
"""


def test_living_owner_in_another_process_is_not_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with child(LIVING, path, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        store = SQLiteStore(path)
        assert store.facts.unclean == ()
        store.settle()
        assert len(marked(path)) == 2
        process.communicate("close\n", timeout=WAIT_SECONDS_MAX)
    store.close()
    assert marked(path) == set()


def test_process_that_exits_without_closing_is_gone(tmp_path: Path) -> None:
    """An orderly end of the interpreter is no close."""
    script = "import sys; from persistence import SQLiteStore; store = SQLiteStore(sys.argv[1])"
    assert run_child(script, tmp_path / "a.db") == (0, "")
    store = SQLiteStore(tmp_path / "a.db")
    assert len(store.facts.unclean) == 1
    store.close()


# -- who is gone, as a table -------------------------------------------------------------------------------------------

STAT = "{pid} (a ) b) {state} " + " ".join(["0"] * 18) + " {started} 0 0"
MARK = Mark("id", socket.gethostname(), "boot-1", 77, "1000", 0)
ALIVE, DEAD, FOREIGN = None, ProcessLookupError, PermissionError


@frozen
class System:
    """What the machine says of itself and of process 77."""

    boot: str
    started: str | None  # None where /proc has nothing
    state: str
    kill: type[OSError] | None  # what a signal to it raises


TABLE = [
    (MARK, System("boot-1", "1000", "S", ALIVE), False),
    (MARK, System("boot-1", "1000", "S", FOREIGN), False),
    (MARK, System("boot-1", None, "S", DEAD), True),
    (MARK, System("boot-2", "1000", "S", ALIVE), True),  # the machine was started again
    (MARK, System("boot-1", "2000", "S", ALIVE), True),  # the process id was given out again
    (MARK, System("boot-1", "1000", "Z", ALIVE), True),  # dead, and its parent has not looked yet
    (MARK, System("boot-1", None, "S", FOREIGN), False),  # its /proc is hidden from us
    (MARK, System("", "1000", "S", ALIVE), False),  # the boot cannot be known now
    (MARK, System("", None, "S", DEAD), True),
    (evolve(MARK, boot=""), System("boot-1", "1000", "S", ALIVE), False),  # … or could not be known then
    (evolve(MARK, started=""), System("boot-1", "1000", "S", ALIVE), False),
    (evolve(MARK, boot="", started=""), System("", None, "S", ALIVE), False),  # a system without /proc
    (evolve(MARK, boot="", started=""), System("", None, "S", DEAD), True),
    (evolve(MARK, host="elsewhere"), System("boot-1", None, "S", DEAD), False),
    (evolve(MARK, host="elsewhere"), System("boot-2", None, "S", DEAD), False),
]


@pytest.mark.parametrize(("mark", "system", "gone"), TABLE)
def test_owner_is_gone_only_if_that_is_certain(
    mark: Mark, system: System, *, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = "" if system.started is None else STAT.format(pid=77, state=system.state, started=system.started)
    files = {"/proc/sys/kernel/random/boot_id": system.boot, "/proc/77/stat": stat}

    def signalled(pid: int, signal: int) -> None:
        assert (pid, signal) == (77, 0)
        if system.kill is not None:
            raise system.kill

    monkeypatch.setattr(marks, "_read", files.__getitem__)
    monkeypatch.setattr(os, "kill", signalled)
    assert is_gone(mark) is gone


def test_this_process_is_not_gone() -> None:
    mark = marks.this_process("id", others=())
    assert mark.pid == os.getpid()
    assert not is_gone(mark)
