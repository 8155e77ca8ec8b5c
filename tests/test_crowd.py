"""Processes with threads share one file: nothing is lost or doubled, nobody waits without a bound, and faults show.

Small versions of what `make crowd` runs.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from persistence import Busy
from statemachine import Engine
from tests.children import Add, Tally, child
from tests.crowd.judging import judged
from tests.crowd.planted import FAULTS
from tests.crowd.runs import Crowd, gather, table
from tests.crowd.sending import Answer, Heard
from tests.crowd.tills import SHARED

HOLDER = """
import sys
import apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("begin immediate")
print("held", flush=True)
sys.stdin.readline()
connection.close()
"""


def check_sound(crowd: Crowd, folder: Path) -> None:
    outcome = gather(crowd, folder)
    assert not outcome.wrong, "\n".join([*table(outcome), *outcome.wrong])
    assert all(heard.answers for heard in outcome.heard)
    assert any(one.is_replayed for heard in outcome.heard for one in heard.answers)
    assert sum(not one.is_replayed for heard in outcome.heard for one in heard.answers) + started(crowd) == outcome.rows


def started(crowd: Crowd) -> int:
    return len(SHARED) + crowd.processes * crowd.threads


def test_two_processes_of_two_threads_share_a_file(tmp_path: Path) -> None:
    check_sound(Crowd(processes=2, threads=2, seconds=0.5), tmp_path)


@pytest.mark.long
def test_four_processes_of_eight_threads_share_a_file(tmp_path: Path) -> None:
    check_sound(Crowd(seconds=8), tmp_path)


FOUND = {"remembers what others changed": "UNIQUE constraint failed", "answers before COMMIT": "and is not there"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_crowd_finds_a_fault_that_only_another_process_suffers_from(fault: str, tmp_path: Path) -> None:
    outcome = gather(Crowd(processes=2, threads=1, seconds=0.5, fault=fault), tmp_path)  # a batch would try again
    assert any(FOUND[fault] in one for one in outcome.wrong), outcome.wrong


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Heard]]:
    folder = tmp_path_factory.mktemp("crowd")
    outcome = gather(Crowd(processes=1, threads=1, seconds=0.1), folder)
    assert not outcome.wrong
    return folder / "tills.db", outcome.heard


def unheard(path: Path, answers: list[Answer]) -> None:
    answers.pop()


def doubled(path: Path, answers: list[Answer]) -> None:
    answers.append(answers[-1])


def moved(path: Path, answers: list[Answer]) -> None:
    answers.append(evolve(answers.pop(), version=10**6))


def unwritten(path: Path, answers: list[Answer]) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("delete from line where rowid = (select max(rowid) from line)")


def cut(path: Path, answers: list[Answer]) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("delete from perdure_journal where n = (select max(n) from perdure_journal)")


WRONG: dict[Callable[[Path, list[Answer]], None], str] = {
    unheard: "was acknowledged to nobody",
    doubled: "was acknowledged 2 times",
    moved: "was acknowledged, and is not there",
    unwritten: "its lines are not those of its history",
    cut: "verify: ",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_crowd_finds_what_does_not_agree(
    change: Callable[[Path, list[Answer]], None], small: tuple[Path, list[Heard]], tmp_path: Path
) -> None:
    path = tmp_path / "tills.db"
    shutil.copy(small[0], path)
    answers = list(small[1][0].answers)
    change(path, answers)
    wrong = judged(str(path), [Heard(answers)])
    assert any(WRONG[change] in one for one in wrong), wrong


def test_a_lock_that_another_process_keeps_is_busy_after_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing happened, and the engine goes on when the lock is free."""
    path = tmp_path / "a.db"
    with Engine(path, Tally) as engine:
        tally = engine.start(Tally, id="t")
        monkeypatch.setattr("persistence.sqlite.connection.BUSY_MS_MAX", 50)
        with child(HOLDER, path, stdin=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(Busy, match=r"PS301 .*a\.db.*another process; nothing happened, try again"):
                tally.send(Add(1), key="k")
            future = tally.submit(Add(1), key="k")
            with pytest.raises(Busy):
                future.result()
            assert tally.version == 1
            holder.communicate("go\n")
        assert not tally.send(Add(1), key="k").replayed
