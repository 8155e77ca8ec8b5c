"""Recovery beside a process that writes, and recovery that is killed: nothing sound changes, nothing is half done."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import recovery
from examples.order import Order
from perdure.demo.script import CrashPoint
from statemachine import Engine
from tests.children import ROOT, Tally, child, run_child
from tests.damage import DUE, HEAD_DAMAGE, ROW_OF_A, change, damaged, dump, everything, verdicts
from tests.kit import shop
from tests.patience import WAIT_SECONDS_MAX

KILLED = """
import sys
import recovery
from examples.order import Order
from perdure.demo.faults import Fault, faulty
from perdure.demo.script import CrashPoint
from persistence import SQLiteStore
recovery.recover(faulty(SQLiteStore(sys.argv[1]), Fault(CrashPoint[sys.argv[2]])), Order, level="full")
"""


def outcome(path: Path) -> tuple[object, object, object]:
    """What a file says after its recovery, but for times and tokens: verdicts, findings, journals, rows set aside."""
    report = recovery.verify(path, Order)
    with shop(path.parent) as engine:
        journals = {
            order.id: [(one.version, one.event, one.after, one.payload) for one in order.history()]
            for order in engine.list(Order)
            if order.id != "c"
        }
    aside = [(row[1], row[2], row[3], row[6]) for row in dump(path)["perdure_set_aside"]]
    return verdicts(report), [*report.store, sorted(aside, key=repr)], journals


def copied(path: Path, folder: Path) -> Path:
    """Return a copy of a file that nobody has open: secrets and tokens, and so every hash, are the same."""
    return Path(shutil.copy(path, folder / path.name))


@pytest.fixture(scope="module")
def due(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return everything(tmp_path_factory.mktemp("due"))


@pytest.fixture(scope="module")
def undisturbed(due: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    path = copied(due, tmp_path_factory.mktemp("undisturbed"))
    assert verdicts(recovery.recover(path, Order, level="full")) == DUE
    return outcome(path)


@pytest.mark.parametrize("point", ["BEGIN", "APPEND", "COMMIT"])
def test_recovery_that_is_killed_at_each_instance_ends_where_one_that_is_not_does(
    tmp_path: Path, point: str, due: Path, undisturbed: object
) -> None:
    path = copied(due, tmp_path)
    kills = 0
    while (code := run_child(KILLED, path, point)[0]) == -signal.SIGKILL and kills < len(DUE):
        kills += 1
        if not CrashPoint[point].is_committed:  # it would be killed at the same place for ever
            break
    assert kills > 0
    assert code in {0, -signal.SIGKILL}
    recovery.recover(path, Order, level="full")
    assert outcome(path) == undisturbed


def test_a_kill_before_the_commit_leaves_nothing_of_a_repair(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])
    before = dump(path)
    assert run_child(KILLED, path, "APPEND")[0] == -signal.SIGKILL
    assert dump(path) == before


WRITER = """
import json, sys
from pathlib import Path
from statemachine import Engine
from tests.children import Tally, send_to_all
with Engine(sys.argv[1], Tally) as engine:
    tallies, told, raised = engine.list(Tally), [], set()
    for number in range(100_000):
        heard = send_to_all(tallies, f"w{number}", 1)
        told += heard.acknowledged
        raised |= heard.exceptions
        if number == 0:
            print("ready", flush=True)
        if Path(sys.argv[2]).exists():
            break
print(json.dumps([told, sorted(raised)]))
"""
RECOVERIES = 4  # each begins and ends while the other process sends: it stops only when it is told to


@pytest.mark.parametrize("level", ["heads", "full"])
def test_beside_a_process_that_sends_all_the_while_only_what_is_damaged_changes(tmp_path: Path, level: str) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])
    change(path, f"update perdure_journal set note = 'x' where {ROW_OF_A} and version = 6")
    with Engine(path, Tally) as engine:
        for number in range(4):
            engine.start(Tally, id=f"t-{number}")
    with child(WRITER, path, tmp_path / "stop") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(RECOVERIES):
            report = recovery.recover(path, Order, Tally, level=level)
            assert not [one for one in report.instances if one.is_bad], str(report)
        assert process.poll() is None
        (tmp_path / "stop").touch()
        told, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
    acknowledged, exceptions = json.loads(told)
    assert process.returncode == 0
    assert set(exceptions) <= {"Refused", "Busy"}
    with Engine(path, Tally, Order) as engine:
        journals = {tally.id: tally.history() for tally in engine.list(Tally)}
        assert [engine.get(Order, name).history()[-1].event for name in ("b",)] == ["perdure.rebuilt"]
    found = [(name, one.key, one.version) for name, rows in journals.items() for one in rows[1:]]
    assert sorted(found) == sorted((name, key, version) for name, key, version in acknowledged)
    recovery.recover(path, Order, Tally, level="full")
    assert recovery.verify(path, Order, Tally).is_clean


def perdure(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", "from perdure.cli import main; main()", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_repairs_and_says_what_it_did(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])
    assert perdure("verify", path, "examples.order:Order").returncode == 1
    shown = perdure("recover", path, "examples.order:Order")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == (
        "REBUILT          b  version 2: the head's time was changed; the journal is sound; rebuilt from its journal, "
        f"recorded as version 3\n{path}: 2 CLEAN, 1 REBUILT, 15 transitions\n"
    )
    again = perdure("recover", path, "examples.order:Order", "-o", "json")
    assert (again.returncode, json.loads(again.stdout)["counts"]) == (0, {"CLEAN": 3})


def test_the_command_exits_1_while_anything_is_left(tmp_path: Path) -> None:
    path = everything(tmp_path)
    shown = perdure("recover", path, "examples.order:Order", "-o", "json")
    report = json.loads(shown.stdout)
    assert (shown.returncode, report["clean"]) == (1, False)
    told = {one["instance"]: (one["verdict"], one["sound_version"], bool(one["repair"])) for one in report["instances"]}
    assert told == {
        "a": ("KEPT AT HEAD", 7, True),
        "b": ("REBUILT", 3, True),
        "c": ("QUARANTINED", 1, False),
        "d": ("REBUILT", 7, True),
        "e": ("CLEAN", 6, False),
        "f": ("CLEAN", 6, False),
    }


def no_store(path: Path) -> Path:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("create table mine (a)")
    connection.commit()
    connection.close()
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def letter(path: Path) -> Path:
    path.write_text("This is a letter, and no database at all.\n" * 100)
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "code", "told"),
    [
        (lambda path: path, 5, "PS314"),
        (folder, 3, "PS309"),
        (letter, 3, "PS306"),
        (no_store, 3, "PS309"),
        (empty, 3, "PS309"),
    ],
    ids=["missing", "folder", "letter", "no store", "empty"],
)
def test_what_is_no_store_is_refused_and_left_as_it_was(
    tmp_path: Path, make: Callable[[Path], Path], code: int, told: str
) -> None:
    path = make(tmp_path / "it.db")
    before = path.read_bytes() if path.is_file() else None
    shown = perdure("recover", path)
    assert (shown.returncode, shown.stdout, shown.stderr[:5]) == (code, "", told)
    assert (path.read_bytes() if path.is_file() else None) == before


READ_ONLY = """
import encodings.ascii, os, sys
import recovery
from examples.order import Order
from persistence import SQLiteStore, StoreError
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
try:
    recovery.recover(sys.argv[1], Order, level="full")
except StoreError as error:
    print(error)
"""


def test_a_file_that_may_not_be_written_is_refused_and_left_as_it_was() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # everybody may read in it, and only we may write
        path = damaged(Path(name), HEAD_DAMAGE["head: time"])
        path.chmod(0o644)
        before = path.read_bytes()
        code, printed = run_child(READ_ONLY, path)
        assert (code, printed[:5]) == (0, "PS308")
        assert path.read_bytes() == before
