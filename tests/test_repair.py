"""What a file proves of itself is repaired, by a transition that tells of it; what it does not prove is set aside."""

import json
import sqlite3
from pathlib import Path

import pytest
from attrs import field, frozen
from attrs.validators import le

import recovery
from examples.order import Charged, Order, OrderData, Submit
from persistence import SQLiteStore
from recovery.facts import View, instance_facts
from recovery.resume import resume
from recovery.verdict import judge
from statemachine import Refused, State, Workflow, invariant, on
from statemachine.workflow import definition_of
from tests.damage import (
    DUE,
    HEAD_DAMAGE,
    ROW_OF_A,
    ROW_OF_B,
    TAIL_DAMAGE,
    change,
    damaged,
    dump,
    everything,
    forge,
    mistype,
    verdicts,
)
from tests.kit import shop

TORN = TAIL_DAMAGE["row: body"]


def finding(report: recovery.RecoveryReport, instance: str = "b") -> recovery.Finding:
    return next(one for one in report.instances if one.instance == instance)


def recovered(path: Path, *, level: str = "full") -> recovery.Finding:
    return finding(recovery.recover(path, Order, level=level))


# -- REBUILT -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["full", "heads"])
@pytest.mark.parametrize("damage", HEAD_DAMAGE)
def test_a_damaged_head_is_rebuilt_and_goes_on(tmp_path: Path, damage: str, level: str) -> None:
    path = damaged(tmp_path)
    undamaged = dump(path)["perdure_instance"][1]
    change(path, HEAD_DAMAGE[damage])
    found = recovered(path, level=level)
    assert (found.verdict, found.repair) == ("REBUILT", "rebuilt from its journal, recorded as version 3")
    with shop(tmp_path) as engine:
        order = engine.get(Order, "b")
        assert (order.state, order.data, order.version) == ("charging", OrderData("lamp", 1), 3)
        assert order.send(Submit("lamp", 1), key="k").version == 2
        last = order.history()[-1]
        assert (last.event, last.before, last.after, last.actor) == (
            "perdure.rebuilt",
            ("charging",),
            ("charging",),
            "perdure.recover",
        )
        assert last.payload["reason"] == found.reason
        assert order.send(Charged("c")).version == 4
    report = recovery.verify(path, Order)
    assert (report.is_clean, report.counts()) == (True, {"CLEAN": 3})
    assert dump(path)["perdure_instance"][1][9] == undamaged[9]  # the secret


def test_a_head_that_is_replaced_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = damaged(tmp_path, "update perdure_instance set outcome = 'a' || char(0) || 'b' where name = 'b'")
    recovered(path)
    ((_, source, n, _, version, reason, row, _),) = dump(path)["perdure_set_aside"]
    assert (source, n, version) == (b"perdure_instance", None, 2)
    assert reason == b"version 2: the head's outcome was changed; the journal is sound"
    assert json.loads(row)[11] == "X'610062'"


def test_pointers_between_rows_are_mended(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"update perdure_journal set prior = 1 where {ROW_OF_A} and version = 4")
    with shop(tmp_path) as engine, pytest.raises(Refused, match="instance_unsound"):
        engine.get(Order, "a").history()
    assert finding(recovery.recover(path, Order, level="full"), "a").verdict == "REBUILT"
    with shop(tmp_path) as engine:
        assert len(engine.get(Order, "a").history()) == 7
    assert recovery.verify(path, Order).is_clean


def test_a_head_in_which_nothing_is_right_is_rebuilt_while_no_row_is_missing(tmp_path: Path) -> None:
    garbage = "hash = zeroblob(32), previous_hash = zeroblob(32), rest_digest = zeroblob(32), image = x'00', time = 0"
    path = damaged(tmp_path, f"update perdure_instance set {garbage} where name = 'b'")
    assert recovered(path).verdict == "REBUILT"


@pytest.mark.parametrize("level", ["full", "heads"])
def test_a_head_of_no_version_whose_only_row_is_lost_is_set_aside(tmp_path: Path, level: str) -> None:
    path = damaged(tmp_path)
    with shop(tmp_path) as engine:
        engine.start(Order, id="d")
    change(path, "delete from perdure_journal where n = (select max(n) from perdure_journal)")
    change(path, "update perdure_instance set version = 0 where name = 'd'")
    found = finding(recovery.recover(path, Order, level=level), "d")
    assert (found.verdict, found.reason) == ("QUARANTINED", "version 1: its row is missing from the journal")


def test_a_head_whose_newest_row_is_lost_is_not_taken_back(tmp_path: Path) -> None:
    path = damaged(
        tmp_path, TAIL_DAMAGE["row: gone"], "update perdure_instance set image = x'00', version = 1 where name = 'b'"
    )
    found = recovered(path)
    assert (found.verdict, found.sound_version) == ("QUARANTINED", 1)


def test_a_rebuilt_head_that_its_class_does_not_fit_is_parked_and_both_are_told(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])

    class Changed(Order, revision=2, name="Order"):
        @invariant
        def is_dear(self) -> bool:
            return self.data.total > 1

    report = recovery.recover(path, Changed, level="full")
    found = finding(report)
    assert (found.verdict, report.is_clean) == ("NEEDS MIGRATION", False)
    assert "is_dear: does not hold" in found.reason
    assert found.repair.startswith("rebuilt from its journal, recorded as version 3 (version 2: the head's time")
    assert verdicts(recovery.verify(path, Order)) == dict.fromkeys("abc", "CLEAN")


def test_a_head_is_rebuilt_without_its_class(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])
    report = recovery.recover(path, level="full")
    assert (finding(report).verdict, report.is_clean) == ("REBUILT", True)
    assert verdicts(recovery.verify(path)) == dict.fromkeys("abc", "NOT READ")


# -- KEPT AT HEAD ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["full", "heads"])
@pytest.mark.parametrize("damage", TAIL_DAMAGE)
def test_a_head_whose_row_is_damaged_is_kept_and_goes_on(tmp_path: Path, damage: str, level: str) -> None:
    path = damaged(tmp_path, TAIL_DAMAGE[damage])
    found = recovered(path, level=level)
    assert (found.verdict, found.repair) == ("KEPT AT HEAD", "row set aside, recorded as version 3")
    with shop(tmp_path) as engine:
        order = engine.get(Order, "b")
        assert (order.state, order.data) == ("charging", OrderData("lamp", 1))
        assert [one.version for one in order.history()] == [1, 3]
        assert order.history()[-1].event == "perdure.kept"
        again = order.send(Submit("lamp", 1), key="k")
        assert (again.replayed, again.version, again.event) == (True, 2, "Submit")
        assert (again.before, again.after, again.payload["sku"]) == (("cart",), ("charging",), "lamp")
        with pytest.raises(Refused, match="key_reused"):
            order.send(Submit("lamp", 2), key="k")
        assert order.send(Charged("c")).version == 4
    report = recovery.verify(path, Order)
    assert (report.is_clean, report.counts(), report.store) == (True, {"CLEAN": 3}, ())


def test_a_row_that_is_set_aside_is_kept_byte_for_byte_and_leaves_its_place(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"update perdure_journal set actor = cast(x'ff0041' as text) where {ROW_OF_B} and n = 8")
    (before,) = (row for row in dump(path)["perdure_journal"] if row[0] == 8)
    recovered(path)
    after = dump(path)
    ((_, source, n, _, version, _, row, _),) = after["perdure_set_aside"]
    assert (source, n, version) == (b"perdure_journal", 8, 2)
    kept = json.loads(row)
    assert (kept[12], kept[17]) == ("X'FF0041'", f"X'{before[17].hex().upper()}'")
    ((stub_n, _, stub_version, stub_hash, seal, _),) = after["perdure_stub"]
    assert (stub_n, stub_version, stub_hash, seal) == (8, 2, before[18], before[19])
    assert 8 not in {row[0] for row in after["perdure_journal"]}


def test_the_row_of_a_repair_may_be_damaged_in_its_turn(tmp_path: Path) -> None:
    path = damaged(tmp_path, TORN)
    recovered(path)
    with shop(tmp_path) as engine:
        engine.start(Order, id="d")
    change(path, f"update perdure_journal set note = 'x' where {ROW_OF_B} and version = 3")
    assert recovered(path).verdict == "KEPT AT HEAD"
    with shop(tmp_path) as engine:
        assert [one.version for one in engine.get(Order, "b").history()] == [1, 4]
    assert recovery.verify(path, Order).is_clean
    change(path, "update perdure_stub set proof = zeroblob(64) where version = 3")
    assert verdicts(recovery.verify(path, Order))["b"] == "QUARANTINED"


def test_the_repair_of_an_instance_that_has_ended_is_told_at_level_heads_too(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"update perdure_journal set note = 'x' where {ROW_OF_A} and version = 6")
    report = recovery.recover(path, Order)
    assert verdicts(report) == {"a": "KEPT AT HEAD", "b": "CLEAN"}
    assert "recorded as version 7" in str(report)


MISTYPED = {
    "hash of the newest row": ("perdure_journal", f"hash = null where {ROW_OF_B} and version = 2", "KEPT AT HEAD"),
    "hash of a row": ("perdure_journal", f"hash = 7 where {ROW_OF_B} and version = 1", "QUARANTINED"),
    "seal of a row": ("perdure_journal", f"seal = 7 where {ROW_OF_B} and version = 1", "CLEAN"),
    "version of the newest row": ("perdure_journal", f"version = 'x' where {ROW_OF_B} and version = 2", "KEPT AT HEAD"),
    "owner of the newest row": ("perdure_journal", f"instance = null where {ROW_OF_B} and version = 2", "KEPT AT HEAD"),
    "version of a head": ("perdure_instance", "version = 'x' where name = 'b'", "QUARANTINED"),
    "name of a head": ("perdure_instance", "name = null where name = 'b'", None),
}


@pytest.mark.parametrize("cell", MISTYPED)
def test_a_cell_of_a_type_that_its_table_forbids_stops_nobody_else(tmp_path: Path, cell: str) -> None:
    table, change_to, verdict = MISTYPED[cell]
    path = damaged(tmp_path)
    mistype(path, table, change_to)
    assert not recovery.verify(path, Order).is_clean
    report = recovery.recover(path, Order, level="full")
    told = {"a": "CLEAN", "b": verdict, "c": "CLEAN"}
    assert {name: found for name, found in verdicts(report).items() if name in told} == {
        name: wanted for name, wanted in told.items() if wanted is not None
    }
    once = dump(path)
    recovery.recover(path, Order, level="full")
    assert dump(path) == once


def test_a_repair_that_cannot_be_done_stops_nobody_else(tmp_path: Path) -> None:
    """Where b's row would leave its stub one stands already, of nobody; c is rebuilt all the same."""
    path = damaged(tmp_path, "update perdure_instance set time = 0 where name = 'c'", TORN)
    change(path, "insert into perdure_stub (n, instance, version, hash, proof) values (8, 99, 1, x'00', x'00')")
    report = recovery.recover(path, Order, level="full")
    assert verdicts(report) == {"a": "CLEAN", "b": "KEPT AT HEAD", "c": "REBUILT"}
    assert (finding(report, "c").is_bad, finding(report).is_bad, report.is_clean) == (False, True, False)
    assert any(
        one.startswith("the repair of 'b' could not be done, nothing of it was written: PS302") for one in report.store
    )


@pytest.mark.parametrize("level", ["full", "heads"])
def test_pointers_below_a_row_that_is_set_aside_are_mended_with_it(tmp_path: Path, level: str) -> None:
    """Recovery twice is recovery once, also where two things are wrong with one journal."""
    path = damaged(
        tmp_path,
        f"update perdure_journal set note = 'x' where {ROW_OF_A} and version = 6",
        f"update perdure_journal set prior = 1 where {ROW_OF_A} and version = 4",
    )
    assert finding(recovery.recover(path, Order, level=level), "a").verdict == "KEPT AT HEAD"
    once = dump(path)
    assert recovery.recover(path, Order, level="full").is_clean
    assert dump(path) == once
    with shop(tmp_path) as engine:
        assert [one.version for one in engine.get(Order, "a").history()] == [1, 2, 3, 4, 5, 7]


def test_a_row_is_not_set_aside_where_the_definition_of_its_head_is_damaged_too(tmp_path: Path) -> None:
    """What a repair leaves must stand: a transition under a damaged definition would be set aside by the next one."""
    path = damaged(tmp_path)
    with shop(tmp_path) as engine:
        engine.start(Order, id="d")
    change(path, "update perdure_journal set note = 'x' where n = (select max(n) from perdure_journal)")
    change(path, "update perdure_definition set text = 'x'")
    found = finding(recovery.recover(path, level="full"), "d")
    assert (found.verdict, found.repair) == ("QUARANTINED", "")
    once = dump(path)
    recovery.recover(path, level="full")
    assert dump(path) == once


def test_a_damaged_definition_that_a_class_still_has_is_told_and_sets_nobody_aside(tmp_path: Path) -> None:
    path = damaged(tmp_path, "update perdure_definition set text = 'x'")
    for report in (recovery.verify(path, Order), recovery.recover(path, Order, level="full")):
        assert verdicts(report) == dict.fromkeys("abc", "CLEAN")
        assert report.store == ("the definition of Order is damaged in the store; the class that was given has it",)
    assert set(verdicts(recovery.verify(path)).values()) == {"QUARANTINED"}


def test_the_only_row_of_an_instance_can_be_set_aside(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        engine.start(Order, id="b")
        engine.start(Order, id="c")
    path = tmp_path / "shop.db"
    change(path, f"update perdure_journal set note = 'x' where {ROW_OF_B}")
    assert recovered(path).verdict == "KEPT AT HEAD"
    with shop(tmp_path) as engine:
        assert engine.start(Order, id="b").send(Submit("lamp", 1)).version == 3
    assert recovery.verify(path, Order).is_clean


@pytest.mark.parametrize(
    "lie",
    [
        f"update perdure_journal set seal = zeroblob(32), hash = zeroblob(32) where {ROW_OF_B} and version = 2",
        f"update perdure_journal set instance = 99 where {ROW_OF_B} and version = 2",
    ],
)
def test_a_row_whose_hash_seal_or_owner_was_changed_is_proven_by_the_commits_around_it(
    tmp_path: Path, lie: str
) -> None:
    path = damaged(tmp_path, lie)
    assert recovered(path).verdict == "KEPT AT HEAD"
    assert recovery.verify(path, Order).is_clean


# -- QUARANTINED -------------------------------------------------------------------------------------------------------

NOT_VOUCHED = {
    "head and row damaged": (TORN, "update perdure_instance set image = x'00' where name = 'b'"),
    "row damaged, configuration of the head changed": (
        TAIL_DAMAGE["row: gone"],
        HEAD_DAMAGE["head: configuration"],
    ),
    "row damaged, previous hash of the head changed": (TORN, HEAD_DAMAGE["head: previous hash"]),
}


@pytest.mark.parametrize("name", NOT_VOUCHED)
def test_a_damaged_row_under_a_head_that_proves_nothing_is_set_aside_with_the_instance(
    tmp_path: Path, name: str
) -> None:
    path = damaged(tmp_path, *NOT_VOUCHED[name])
    found = recovered(path)
    assert (found.verdict, found.sound_version, found.repair) == ("QUARANTINED", 1, "")
    assert found.loses[0].startswith("version 2: ")


def test_the_last_row_of_all_has_no_seal_left_that_could_prove_it(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"delete from perdure_journal where {ROW_OF_B.replace('b', 'c')} and version = 6")
    found = finding(recovery.recover(path, Order, level="full"), "c")
    assert (found.verdict, found.sound_version, found.version) == ("QUARANTINED", 5, 6)


def test_an_instance_of_which_only_its_key_is_left_is_missed(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    with shop(tmp_path) as engine:
        engine.start(Order, id="d")
    change(path, "delete from perdure_journal where n = (select max(n) from perdure_journal)")
    change(path, "delete from perdure_instance where name = 'd'")
    found = recovery.verify(path, Order)
    assert found.store == (
        "TAIL LOST: row 15 committed, and not in the file any more, which ends at row 14",
        "1 keys belong to instances whose rows in perdure_instance are gone",
    )


def test_an_illegal_configuration_is_found_though_every_hash_and_seal_fits(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    forge(path, 2, after="fulfil.stock.queued")
    for report in (recovery.verify(path, Order), recovery.verify(path), recovery.recover(path, Order)):
        assert (finding(report).verdict, finding(report).sound_version) == ("QUARANTINED", 1)
        assert "'fulfil' has 1 active children, expected 2" in finding(report).reason
        assert report.store == ()


def test_a_row_that_is_hashed_anew_is_found_by_its_seal(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    forge(path, 2, seal=False, note="forged")
    found = finding(recovery.verify(path, Order))
    assert (found.verdict, found.sound_version) == ("QUARANTINED", 1)
    assert found.reason == "version 2: the seal of its commit does not hold its hash"


def test_a_payload_that_is_none_of_its_event_is_found_though_every_hash_and_seal_fits(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    forge(path, 2, body=b'{"image":{}}')
    found = recovered(path)
    assert (found.verdict, found.reason) == ("QUARANTINED", "key 'k' of version 2 answers for a row without a payload")


def test_a_payload_that_its_class_takes_no_longer_is_no_damage(tmp_path: Path) -> None:
    """Validators are not part of a definition: a stricter one must not stop what was sent before."""

    def tally(most: int) -> type[Workflow[None]]:
        @frozen
        class Add:
            amount: int = field(validator=le(most))

        class Tally(Workflow[None], revision=1):
            counting = State(initial=True)

            @on(Add, counting, to=None)
            def add(self, event: Add) -> None: ...

        return Tally

    loose, strict = tally(9), tally(3)
    path = tmp_path / "tally.db"
    with recovery.open(path, loose) as engine:
        engine.start(loose, id="t").fire("Add", {"amount": 5}, key="k")
    for report in (recovery.verify(path, strict), recovery.recover(path, strict, level="full")):
        assert verdicts(report) == {"t": "CLEAN"}


def test_a_row_forged_with_every_hash_and_seal_and_a_legal_content_is_beyond_what_one_file_can_tell(
    tmp_path: Path,
) -> None:
    path = damaged(tmp_path)
    anchor = path.with_name("shop.db-anchor")
    kept = anchor.read_bytes()
    forge(path, 2, note="forged")
    assert recovery.verify(path, Order).is_clean
    anchor.write_bytes(kept)
    assert [one.split(":")[0] for one in recovery.verify(path, Order).store] == ["TAIL LOST"]


def test_damage_in_the_middle_names_what_going_back_would_lose(tmp_path: Path) -> None:
    path = damaged(tmp_path, f"update perdure_journal set note = 'x' where {ROW_OF_A} and version = 4")
    found = finding(recovery.recover(path, Order, level="full"), "a")
    assert (found.verdict, found.sound_version, found.version) == ("QUARANTINED", 3, 6)
    assert found.loses == ("version 4: Charged", "version 5: Picked", "version 6: Labelled")
    assert finding(recovery.recover(path, Order, level="full"), "a").loses == found.loses


def test_an_instance_whose_row_is_gone_is_reported_with_what_is_left_of_it(tmp_path: Path) -> None:
    path = damaged(tmp_path, "delete from perdure_instance where name = 'b'")
    report = recovery.recover(path, Order, level="full")
    assert verdicts(report) == {"a": "CLEAN", "c": "CLEAN"}
    assert not report.is_clean
    assert "2 rows from 7 to 8 belong to an instance (number 2) whose row in perdure_instance is gone" in str(report)


def test_pages_that_sqlite_finds_damaged_are_a_finding_of_the_store(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    connection = sqlite3.connect(path)
    query = "select rootpage from sqlite_master where name = 'sqlite_autoindex_perdure_symbol_1'"
    ((page,),) = connection.execute(query).fetchall()
    connection.close()
    content = bytearray(path.read_bytes())
    place = content.index(b"Approve", (page - 1) * 4096, page * 4096)
    content[place : place + 7] = b"Approvf"
    path.write_bytes(content)
    report = recovery.verify(path, Order)
    assert report.counts() == {"CLEAN": 3}
    assert any("sqlite_autoindex_perdure_symbol_1" in line for line in report.store)


# -- once, and beside others -------------------------------------------------------------------------------------------


def test_recovery_twice_is_recovery_once(tmp_path: Path) -> None:
    path = everything(tmp_path)
    assert verdicts(recovery.recover(path, Order, level="full")) == DUE
    once = dump(path)
    second = recovery.recover(path, Order, level="full")
    assert verdicts(second) == {**dict.fromkeys("abdef", "CLEAN"), "c": "QUARANTINED"}
    assert dump(path) == once


def test_nothing_is_repaired_that_has_moved_on_since_it_was_found(tmp_path: Path) -> None:
    path = damaged(tmp_path, HEAD_DAMAGE["head: time"])
    store = SQLiteStore(path)
    definitions = {"Order": definition_of(Order)}
    with store.reader() as reader:
        view = View(reader, definitions=definitions, full=True, has_sql=True)
        facts = instance_facts(view, "b")
    assert facts is not None
    assert judge(facts).verdict.value == "REBUILT"
    with store.transaction() as transaction:  # another recovery is first
        assert facts.proof is not None
        assert facts.proof.head is not None
        transaction.rebuild(facts.proof.head, rows=facts.proof.rows, reason="first", time=1)
        transaction.commit()
    before = dump_of(store)
    assert resume(store, view, facts, time=1) == ""
    assert dump_of(store) == before
    store.close()


def dump_of(store: SQLiteStore) -> list[object]:
    with store.reader() as reader:
        return [*reader.lane(), *(reader.head(instance) for instance in reader.instances())]


def test_an_engine_that_is_open_sees_the_repair(tmp_path: Path) -> None:
    damaged(tmp_path, HEAD_DAMAGE["head: time"])
    with shop(tmp_path) as engine:
        with pytest.raises(Refused, match="perdure recover FILE MODULE:CLASS repairs what can be repaired"):
            engine.get(Order, "b")
        recovery.recover(engine.store, Order)
        assert engine.get(Order, "b").send(Charged("c")).version == 4
