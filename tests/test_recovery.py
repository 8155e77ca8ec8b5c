"""Damage on a real file is found, set aside and named; what is sound goes on; reading changes nothing."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import define, frozen

import recovery
from examples.order import Cancel, Charged, Order, Submit
from persistence import BackupFailed, Corrupt, NotFound, Quarantine
from persistence.conformance.kit import expire_all
from persistence.records import digests, head_hash
from persistence.sqlite import SQLiteStore
from statemachine import Engine, Final, Instance, Refused, State, Workflow, invariant, on
from tests.damage import (
    DAMAGE,
    DEEP_DAMAGE,
    HEAD_DAMAGE,
    ROW_OF_A,
    ROW_OF_B,
    TAIL_DAMAGE,
    change,
    damaged,
    dump,
    mistype,
    verdicts,
)
from tests.kit import STOCKED, Clock, shop


def test_an_undamaged_file_is_clean(tmp_path: Path) -> None:
    report = recovery.verify(damaged(tmp_path), Order)
    assert (report.is_clean, report.counts(), report.rows) == (True, {"CLEAN": 3}, 14)


@pytest.mark.parametrize(
    ("verdict", "damage"),
    [
        *(("REBUILT", damage) for damage in HEAD_DAMAGE),
        *(("KEPT AT HEAD", damage) for damage in TAIL_DAMAGE),
        *(("QUARANTINED", damage) for damage in DEEP_DAMAGE),
    ],
)
def test_verify_finds_damage_and_clears_the_others(tmp_path: Path, verdict: str, damage: str) -> None:
    report = recovery.verify(damaged(tmp_path, {**DAMAGE, **DEEP_DAMAGE}[damage]), Order)
    assert verdicts(report) == {"a": "CLEAN", "b": verdict, "c": "CLEAN"}
    assert not report.is_clean


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_engine_refuses_a_damaged_head_and_writes_nothing(tmp_path: Path, damage: str) -> None:
    path = damaged(tmp_path, DAMAGE[damage])
    before = dump(path)
    with shop(tmp_path) as engine:
        for call in (lambda: engine.get(Order, "b"), lambda: engine.get(Order, "b").send(Cancel())):
            with pytest.raises(Refused, match="instance_unsound"):
                call()
        assert engine.get(Order, "a").version == 6
    assert dump(path) == before


def test_a_consistent_lie_in_the_head_and_its_row_is_found_by_the_hash_before_it(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    store = SQLiteStore(path)
    with store.reader() as reader:
        row, head = reader.row("b", 2), reader.head("b")
    store.close()
    assert row is not None
    assert head is not None
    assert head.image is not None
    row.record.note = "forged"
    rest, digest = digests(row.record)
    forged = head_hash(bytes(32), digest, head.image)
    with sqlite3.connect(path) as connection:
        values = (forged, bytes(32), rest)
        connection.execute(
            "update perdure_instance set hash = ?, previous_hash = ?, rest_digest = ? where name = 'b'", values
        )
        connection.execute(
            f"update perdure_journal set note = 'forged', hash = ? where {ROW_OF_B} and version = 2", (forged,)
        )
    connection.close()
    report = recovery.verify(path, Order)
    assert verdicts(report)["b"] == "QUARANTINED"
    assert any("seal" in finding for finding in report.store)


def test_a_head_that_went_back_with_all_its_parts_is_found_and_brought_forward_again(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.start(Order, id="b")
    path = tmp_path / "shop.db"
    columns = "version, configuration, time, head, prior, hash, previous_hash, rest_digest, image"
    with sqlite3.connect(path) as connection:
        old = connection.execute(f"select {columns} from perdure_instance").fetchone()
    connection.close()
    with shop(tmp_path) as engine:
        sent = engine.get(Order, "b").send(Submit("lamp", 1), key="k")
    change(path, f"update perdure_instance set ({columns}) = ({','.join('?' * 9)})", *old)
    assert verdicts(recovery.verify(path, Order)) == {"b": "REBUILT"}
    recovery.recover(path, Order, level="full")
    with shop(tmp_path) as engine:
        order = engine.get(Order, "b")
        assert order.send(Submit("lamp", 1), key="k").hash == sent.hash
        assert (order.state, order.version) == ("charging", 3)


def test_without_its_class_an_instance_is_judged_but_its_data_is_not_read(tmp_path: Path) -> None:
    path = damaged(tmp_path, DEEP_DAMAGE["row 1: note"])
    assert verdicts(recovery.verify(path)) == {"a": "NOT READ", "b": "QUARANTINED", "c": "NOT READ"}


def test_verify_changes_nothing(tmp_path: Path) -> None:
    path = damaged(tmp_path, DAMAGE["head: hash"])
    before = sha256(path.read_bytes()).digest()
    recovery.verify(path, Order)
    assert sha256(path.read_bytes()).digest() == before


def test_recover_sets_aside_what_is_damaged_and_the_mark_stays(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"update perdure_key set version = 1 where {ROW_OF_B} and version = 2")
    report = recovery.recover(path, Order, level="full")
    assert verdicts(report) == {"a": "CLEAN", "b": "QUARANTINED", "c": "CLEAN"}
    change(path, "update perdure_key set version = 2 where n = (select n from perdure_journal where key = 'k')")
    reason = "key '' of version 1 answers for another version"
    assert dump(path)["perdure_quarantine"][0][1] == reason.encode()
    with shop(tmp_path) as engine, pytest.raises(Refused, match=f"{reason}; it was set aside; perdure verify"):
        engine.get(Order, "b")


def test_recover_on_a_sound_file_writes_nothing(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    before = dump(path)
    recovery.recover(path, Order, level="full")
    assert dump(path) == before


def test_level_heads_judges_what_still_runs(tmp_path: Path) -> None:
    assert verdicts(recovery.recover(damaged(tmp_path), Order)) == {"b": "CLEAN"}


def test_an_unknown_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="level 'deep' is unknown"):
        recovery.recover(damaged(tmp_path), Order, level="deep")


def test_a_quarantined_instance_stops_only_itself_in_an_open_engine(tmp_path: Path) -> None:
    damaged(tmp_path)
    with shop(tmp_path) as engine:
        order = engine.get(Order, "b")
        order.send(Charged("c"))
        program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()"
        command = [sys.executable, "-c", program, str(tmp_path / "shop.db"), DAMAGE["head: image"]]
        subprocess.run(command, check=True)  # another process: in this one its close would delete the engine's log
        with pytest.raises(Refused, match="instance_unsound"):
            order.send(Cancel())
        assert engine.start(Order, id="d").version == 1


CHILD = """
import os, signal, sys
from pathlib import Path
from typing import Any
from examples.order import Order, Submit
from tests.kit import shop
engine = shop(Path(sys.argv[1]))
engine.start(Order, id="k").send(Submit("lamp", 1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path) -> None:
    """Write two rows in a process that dies."""
    child = subprocess.run([sys.executable, "-c", CHILD, str(folder)], check=False, cwd=Path(__file__).parents[1])
    assert child.returncode == -signal.SIGKILL


def test_open_sweeps_after_a_kill_and_forgets_the_killed_owner(tmp_path: Path) -> None:
    damaged(tmp_path, DAMAGE["head: time"])
    killed(tmp_path)
    with recovery.open(tmp_path / "shop.db", Order, clock=Clock()) as engine:
        assert engine.get(Order, "k").state == "charging"
        assert engine.get(Order, "b").history()[-1].event == "perdure.rebuilt"
        assert engine.sql().execute("select count(*) from perdure_open_mark") == [(1,)]


def test_open_repairs_what_was_written_last_of_a_large_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four instances are large here; the two newest rows are those of the process that died."""
    path = damaged(tmp_path)
    killed(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(DAMAGE["head: time"].replace("'b'", "'k'"))
    connection.close()
    monkeypatch.setattr("recovery.run.SWEPT_MAX", 2)
    with recovery.open(path, Order, clock=Clock()) as engine:
        assert engine.get(Order, "k").history()[-1].event == "perdure.rebuilt"


def test_open_leaves_the_rest_of_a_large_store_to_its_first_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is damaged there is refused, and `recover` repairs it."""
    path = damaged(tmp_path, DAMAGE["head: time"])
    killed(tmp_path)
    monkeypatch.setattr("recovery.run.SWEPT_MAX", 3)
    with recovery.open(path, Order, clock=Clock()) as engine:
        assert engine.get(Order, "k").state == "charging"
        with pytest.raises(Refused, match=r"instance_unsound: .*perdure recover FILE"):
            engine.get(Order, "b")
    assert verdicts(recovery.recover(path, Order))["b"] == "REBUILT"


def test_open_after_a_clean_close_sweeps_nothing(tmp_path: Path) -> None:
    damaged(tmp_path, DAMAGE["head: time"])
    with recovery.open(tmp_path / "shop.db", Order) as engine, pytest.raises(Refused, match="perdure recover FILE"):
        engine.get(Order, "b")


def test_the_report_is_json_too(tmp_path: Path) -> None:
    report = recovery.verify(damaged(tmp_path, DAMAGE["head: hash"]), Order)
    parsed = json.loads(report.to_json())
    assert (parsed["clean"], parsed["counts"]) == (False, {"CLEAN": 2, "REBUILT": 1})
    assert len(parsed["instances"][0]["hash"]) == len(parsed["seal"]) == 64


def test_the_report_names_the_last_sound_version(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"update perdure_journal set body = cast('{{}}' as blob) where {ROW_OF_A} and version = 4")
    report = recovery.verify(path, Order)
    assert (
        "a is provably sound up to version 3 of 6; going back there would lose version 4: Charged, version 5: Picked, "
        "version 6: Labelled; user rows and finished effects would stay"
    ) in str(report)
    assert json.loads(report.to_json())["instances"][0]["sound_version"] == 3


@pytest.mark.parametrize("text", ["7", "'7'", "'[]'", "'x'", "x'7b7d'", "1.5", "NULL", "''"])
def test_a_definition_that_is_damaged_to_anything_is_a_verdict_and_no_exception(tmp_path: Path, text: str) -> None:
    """As JSON, or as a value of SQLite, it can be anything: without its class nothing is read with it."""
    path = damaged(tmp_path)
    mistype(path, "perdure_definition", f"text = {text}")
    found = recovery.verify(path)
    assert set(verdicts(found).values()) == {"QUARANTINED"}
    assert all("the definition that wrote it is" in one.reason for one in found.instances)
    assert set(verdicts(recovery.verify(path, Order)).values()) == {"CLEAN"}
    with Engine(path, read_only=True) as engine, pytest.raises(BackupFailed, match="the copy is damaged"):
        engine.backup(tmp_path / "copy.db")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("perdure_checkpoint", "1 named checkpoints belong to instances whose rows in perdure_instance are gone"),
        ("perdure_quarantine", "1 quarantine marks belong to instances whose rows in perdure_instance are gone"),
    ],
)
def test_what_belongs_to_nobody_is_told(tmp_path: Path, table: str, told: str) -> None:
    """Nobody else would miss it: a name for a version, or what kept an instance from being loaded."""
    path = damaged(tmp_path)
    with shop(tmp_path) as engine:
        engine.get(Order, "b").checkpoint("named")
        with engine.store.transaction() as transaction:
            transaction.quarantine(Quarantine("c", "planted", 6, 0))
            transaction.commit()
    assert recovery.verify(path, Order).store == ()
    change(path, f"update {table} set instance = -instance")
    assert told in recovery.verify(path, Order).store


def test_text_that_is_no_utf_8_is_damage_of_one_instance_and_a_coded_error(tmp_path: Path) -> None:
    path = damaged(
        tmp_path, f"update perdure_journal set actor = cast(x'ff41' as text) where {ROW_OF_B} and version = 2"
    )
    assert verdicts(recovery.verify(path, Order)) == {"a": "CLEAN", "b": "KEPT AT HEAD", "c": "CLEAN"}
    with shop(tmp_path) as engine:
        with pytest.raises(Corrupt, match=r"PS304 .* is no UTF-8"):
            engine.get(Order, "b")
        assert engine.get(Order, "a").version == 6


def test_a_name_that_cannot_be_read_is_counted_as_lost(tmp_path: Path) -> None:
    path = damaged(tmp_path, "update perdure_instance set name = cast(x'ff41' as text) where name = 'b'")
    report = recovery.verify(path, Order)
    assert verdicts(report) == {"a": "CLEAN", "c": "CLEAN"}
    told = "14 rows were committed, the instances that can be read have 12 of them"
    assert any(told in finding for finding in report.store)


def test_a_damaged_row_is_neither_replayed_nor_shown(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order, id="b")
        order.send(Submit("lamp", 1), key="k")
        order.send(Charged("c"))
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("update perdure_journal set actor = 'eve' where version = 2")
    connection.close()
    with shop(tmp_path) as engine:
        order = engine.get(Order, "b")
        with pytest.raises(Refused, match="instance_unsound: key 'k' names version 2, which is not as it was written"):
            order.send(Submit("lamp", 1), key="k")
        with pytest.raises(Refused, match="instance_unsound: 'b' version 2: its hash does not follow"):
            order.history()


def test_recover_of_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such file"):
        recovery.recover(tmp_path / "typo.db", Order)
    assert not (tmp_path / "typo.db").exists()


# -- a class that changed ----------------------------------------------------------------------------------------------


@frozen
class Tick:
    pass


@define
class OldData:
    count: int = 0


@define
class WiderData:
    count: int = 0
    label: str = "new"


@define
class OtherData:
    count: str = ""


def counter(data: type, *, revision: int = 1, limit: int = 9, first: str = "here") -> type[Workflow[OldData]]:
    """Return a class stored as Counter, with these differences."""

    def tick(self: Workflow[OldData], event: Tick) -> None:
        self.data.count += 1

    def bounded(self: Workflow[OldData]) -> bool:
        return self.data.count <= limit

    here, end = State(initial=True), Final()
    body: dict[str, Any] = {first: here, "end": end, "tick": on(Tick, here, to=None)(tick)}
    if limit != 9:
        body["bounded"] = invariant(bounded)
    body["__orig_bases__"] = (Workflow[data],)  # type: ignore[valid-type]  # made at run time
    made: type[Workflow[OldData]] = type("Counter", (Workflow,), body, revision=revision, name="Counter")
    return made


def ticked(path: Path, workflow: type[Workflow[OldData]], times: int) -> None:
    with Engine(path, workflow) as engine:
        handle: Instance[Workflow[OldData], OldData] = engine.start(workflow, id="n")
        for _ in range(times):
            handle.send(Tick())


def test_a_class_with_a_new_defaulted_field_resumes_the_instance(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    ticked(path, counter(OldData), 2)
    wider = counter(WiderData, revision=2)
    assert verdicts(recovery.verify(path, wider)) == {"n": "RESUMED"}
    with Engine(path, wider) as engine:
        done = engine.get(wider, "n").send(Tick())
        assert (done.version, engine.get(wider, "n").data) == (4, WiderData(3, "new"))
    assert verdicts(recovery.verify(path, wider)) == {"n": "CLEAN"}


MISFITS: dict[str, tuple[Callable[[], type[Workflow[OldData]]], str]] = {
    "field of another type": (lambda: counter(OtherData, revision=2), "OtherData.count: expected text, got 2"),
    "state renamed": (lambda: counter(OldData, revision=2, first="there"), "there is no state 'here'"),
    "invariant broken": (lambda: counter(OldData, revision=2, limit=1), "Counter.bounded: does not hold"),
    "lower revision": (lambda: counter(WiderData, revision=1), "written by revision 2"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_class_that_no_longer_fits_parks_the_instance(tmp_path: Path, misfit: str) -> None:
    path = tmp_path / "n.db"
    original = counter(OldData, revision=2)
    ticked(path, original, 2)
    make, reason = MISFITS[misfit]
    changed = make()
    report = recovery.recover(path, changed, level="full")
    assert verdicts(report) == {"n": "NEEDS MIGRATION"}
    assert reason in report.instances[0].reason
    with Engine(path, changed) as engine, pytest.raises(Refused, match="needs_migration"):
        engine.get(changed, "n").send(Tick())
    with Engine(path, original) as engine:
        assert engine.get(original, "n").send(Tick()).version == 4


def test_an_invariant_broken_under_the_same_class_is_damage(tmp_path: Path) -> None:
    class Stocked(Workflow[None], revision=1):
        here = State(initial=True)

        @invariant
        def some(self) -> bool:
            return self.sql.execute("select count(*) from stock") != [(0,)]

    path = tmp_path / "s.db"
    with Engine(path, Stocked, schema=STOCKED) as engine:
        engine.start(Stocked, id="s")
        assert engine.get(Stocked, "s").state == "here"
    with sqlite3.connect(path) as connection:
        connection.execute("delete from stock")
    connection.close()
    assert verdicts(recovery.verify(path, Stocked)) == {"s": "QUARANTINED"}


def test_a_broken_invariant_names_the_last_version_that_keeps_it(tmp_path: Path) -> None:
    class Bounded(Workflow[OldData], revision=1):
        here = State(initial=True)
        allowed: ClassVar[int] = 9

        @on(Tick, here, to=None)
        def tick(self, event: Tick) -> None:
            self.data.count += 1

        @invariant
        def bounded(self) -> bool:
            return self.data.count <= self.allowed

    path = tmp_path / "n.db"
    with Engine(path, Bounded) as engine:
        handle = engine.start(Bounded, id="n")
        for _ in range(4):
            handle.send(Tick())
    Bounded.allowed = 2
    (found,) = recovery.recover(path, Bounded).instances
    assert (found.verdict, found.version, found.sound_version) == ("QUARANTINED", 5, 3)
    assert found.loses == ("version 4: Tick", "version 5: Tick")


def test_an_instance_that_is_parked_stops_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    original = counter(OldData)
    ticked(path, original, 3)
    with Engine(path, original) as engine:
        engine.start(original, id="m")
    changed = counter(OldData, revision=2, limit=1)
    assert verdicts(recovery.recover(path, changed)) == {"n": "NEEDS MIGRATION", "m": "RESUMED"}
    with Engine(path, changed) as engine:
        assert engine.get(changed, "m").send(Tick()).version == 2
    before = dump(path)
    assert verdicts(recovery.recover(path, changed)) == {"n": "NEEDS MIGRATION", "m": "CLEAN"}
    assert dump(path) == before


def test_a_misfit_deep_in_the_data_is_named_by_its_path(tmp_path: Path) -> None:
    @define
    class Line:
        count: int = 1

    @define
    class Lines:
        lines: tuple[Line, ...] = (Line(), Line(2))

    @define
    class NarrowLine:
        count: str = ""

    @define
    class NarrowLines:
        lines: tuple[NarrowLine, ...] = ()

    path = tmp_path / "n.db"
    ticked(path, counter(Lines), 0)
    (found,) = recovery.recover(path, counter(NarrowLines, revision=2)).instances
    assert found.verdict == "NEEDS MIGRATION"
    assert "NarrowLines.lines[0].count: expected text, got 1" in found.reason


def test_keys_that_expired_after_the_end_are_no_damage(tmp_path: Path) -> None:
    """All of an instance go; what still runs keeps its own, and one of an ended instance that is missing is found."""
    path = damaged(tmp_path)
    store = SQLiteStore(path)
    expire_all(store, 2**62)
    store.close()
    assert recovery.verify(path, Order).is_clean
    with shop(tmp_path) as engine:
        assert engine.get(Order, "b").send(Submit("lamp", 1), key="k").replayed
        with pytest.raises(Refused, match="id_taken"):
            engine.start(Order, id="a")
