"""Workflows of documents: what SCXML says happens, all of it is stored, and what differs is as documented."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from statemachine import Cursor, DefinitionError, Engine, FrameError, Instance, Refused, Workflow, check
from statemachine.codec import Json
from statemachine.scxml import DocumentData, due, make_event, state_ids
from statemachine.scxml.matching import longest_known, takes
from statemachine.workflow import definition_of
from tests.kit import Clock

Made = type[Workflow[DocumentData]]


def made(body: str, head: str = "") -> Made:
    return Workflow.from_scxml(
        f'<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" {head}>{body}</scxml>', name="order"
    )


def started(workflow: Made, **variables: Json) -> Cursor[DocumentData]:
    return Cursor(workflow, DocumentData(variables=variables))


def sent(cursor: Cursor[DocumentData], workflow: Made, *names: str) -> str | tuple[str, ...]:
    for name in names:
        cursor.send(make_event(workflow, name))
    return cursor.state


ORDER = made(
    """
    <datamodel>
      <data id="total" expr="0"/><data id="seen">[1, {"a": null}]</data><data id="note">  some   text </data>
    </datamodel>
    <state id="cart">
      <transition event="add"><assign location="total" expr="total + _event.data.price"/></transition>
      <transition event="pay" cond="total &gt; 0" target="paid"/>
    </state>
    <final id="paid"/>
    """
)


def test_a_document_is_a_workflow_like_any_other(tmp_path: Path) -> None:
    with Engine(tmp_path / "orders.db", ORDER) as engine:
        order: Instance[Any, DocumentData] = engine.start(ORDER, id="o-1")
        order.send(make_event(ORDER, "add", data={"price": 5}), key="k-1")
        assert order.send(make_event(ORDER, "add", data={"price": 5}), key="k-1").replayed
        order.send(make_event(ORDER, "pay"))

    with Engine(tmp_path / "orders.db", ORDER) as engine:
        found: Instance[Any, DocumentData] = engine.get(ORDER, "o-1")
        assert (found.state, found.outcome) == ("paid", "paid")
        assert found.data.variables == {"total": 5, "seen": [1, {"a": None}], "note": "some text"}
        assert [one.event for one in found.history()] == ["perdure.start", "add", "pay"]


def test_a_condition_that_does_not_hold_refuses_the_event() -> None:
    with pytest.raises(Refused, match=r"^guard_failed: pay in cart was stopped by cart__transition_2__condition"):
        sent(started(ORDER), ORDER, "pay")


def test_variables_that_are_given_at_the_start_take_the_place_of_the_documents() -> None:
    assert started(ORDER, total=7).data.variables["total"] == 7


def test_the_same_document_has_the_same_fingerprint_and_another_one_has_another() -> None:
    text = "<state id='a'><transition event='go' target='b'/></state><state id='b'/>"

    assert definition_of(made(text)).fingerprint == definition_of(made(text)).fingerprint
    assert definition_of(made(text)).fingerprint != definition_of(made(text.replace("go", "went"))).fingerprint


def test_ids_that_python_does_not_take_are_changed_and_come_back() -> None:
    workflow = made("<state id='a.b-c'/><state id='data'/><state id='a-b.c'/><state id='__x'/>")

    assert state_ids(workflow) == {"a_b_c": "a.b-c", "data_": "data", "a_b_c_": "a-b.c", "s__x": "__x"}


def test_a_descriptor_takes_names_that_begin_with_its_words() -> None:
    assert [takes("a.b", name) for name in ("a.b", "a.b.c", "a.bc", "a")] == [True, True, False, False]
    assert takes("*", "anything")


def test_an_unknown_name_is_taken_as_the_longest_known_one_that_begins_it() -> None:
    known = {"a", "a.b", "_other"}

    assert [longest_known(name, known) for name in ("a.b.c.d", "a.c", "x", "a.b")] == ["a.b", "a", "_other", "a.b"]
    assert longest_known("x", {"a"}) is None


def test_wildcards_take_events_that_no_document_names() -> None:
    workflow = made(
        "<datamodel><data id='last'/></datamodel>"
        "<state id='a'><transition event='order.paid' target='b'/>"
        "<transition event='order.*'><assign location='last' expr='\"order: \" + _event.name'/></transition>"
        "<transition event='*'><assign location='last' expr='_event.name'/></transition></state><state id='b'/>"
    )
    cursor = started(workflow)

    assert sent(cursor, workflow, "order.sent.late") == "a"
    assert cursor.data.variables == {"last": "order: order.sent.late"}
    assert sent(cursor, workflow, "rain") == "a"
    assert cursor.data.variables == {"last": "rain"}
    assert sent(cursor, workflow, "order.paid.twice") == "b"


def test_a_name_that_nothing_takes_is_unknown() -> None:
    with pytest.raises(Refused, match=r"^unknown_event: no transition of order takes 'rain'; it has add, pay$"):
        make_event(ORDER, "rain")


def test_the_end_of_a_region_is_an_event_that_any_state_can_take() -> None:
    workflow = made(
        "<state id='a'><state id='b'><transition event='go' target='c'/></state><final id='c'/>"
        "<transition event='done.state.a' target='d'/></state>"
        "<parallel id='d'><state id='e'><final id='e1'/></state><state id='f'><state id='f1'>"
        "<transition event='go' target='f2'/>"
        "</state><final id='f2'/></state></parallel><transition event='done.state.d' target='end'/><final id='end'/>"
    )
    cursor = started(workflow)

    assert sent(cursor, workflow, "go") == ("d.e.e1", "d.f.f1")
    assert sent(cursor, workflow, "go") == "end"


def test_a_wildcard_takes_the_end_of_a_region_and_knows_its_name() -> None:
    workflow = made(
        "<datamodel><data id='last'/></datamodel><state id='a'><final id='b'/>"
        "<transition event='*' cond='_event.name === \"done.state.a\"' target='c'>"
        "<assign location='last' expr='_event.name'/>"
        "</transition></state><state id='c'/>"
    )

    assert started(workflow).state == "c"
    assert started(workflow).data.variables == {"last": "done.state.a"}


def test_several_and_inner_states_are_entered_by_default() -> None:
    workflow = made(
        "<state id='a' initial='p1b p2b'><parallel id='p'><state id='p1'><state id='p1a'/><state id='p1b'/></state>"
        "<state id='p2'><state id='p2a'/><state id='p2b'/></state></parallel></state>",
        "initial='a'",
    )

    assert started(workflow).configuration == ("a.p.p1.p1b", "a.p.p2.p2b")
    assert check(workflow) != ()  # p1a and p2a: nothing leads there


def test_targets_that_cannot_be_entered_together_are_refused_with_their_place() -> None:
    with pytest.raises(
        DefinitionError, match=r"^PD138 document, line 1, column \d+: order\.a__transition_1: 'a' and 'b' cannot"
    ):
        made("<state id='a'><transition event='go' target='a b'/></state><state id='b'/>")


def test_an_external_transition_leaves_its_source_and_an_internal_one_does_not() -> None:
    body = (
        "<datamodel><data id='n' expr='0'/></datamodel><state id='a'><onentry>"
        "<assign location='n' expr='n + 1'/></onentry>"
        "<transition event='out' target='b'/><transition event='in' type='internal' target='b'/><state id='b'/></state>"
    )
    workflow = made(body)
    cursor = started(workflow)

    sent(cursor, workflow, "in")
    assert cursor.data.variables == {"n": 1}
    sent(cursor, workflow, "out")
    assert cursor.data.variables == {"n": 2}


FAILING = (
    "<datamodel><data id='n' expr='0'/></datamodel><state id='a'>"
    "<transition event='go' target='b'><assign location='n' expr='1'/>"
    "<assign location='n' expr='m'/><assign location='n' expr='2'/></transition>{}</state>"
    "<state id='b'>{}</state><state id='c'/>"
)


def test_an_error_that_a_document_takes_ends_its_block_only() -> None:
    handler = (
        "<transition event='error.execution' target='c'>"
        "<assign location='n' expr='n + _event.data.tagname + _event.data.reason'/></transition>"
    )
    workflow = made(FAILING.format("", handler))
    cursor = started(workflow)

    assert sent(cursor, workflow, "go") == "c"
    assert cursor.data.variables == {"n": "1assignm is not defined"}


def test_an_error_that_a_document_takes_nowhere_undoes_the_transition() -> None:
    workflow = made(FAILING.format("", ""))
    cursor = started(workflow)

    with pytest.raises(
        FrameError, match=r"^PF460 order: <assign> of document, line 1, column \d+ failed: m is not defined"
    ):
        sent(cursor, workflow, "go")
    assert (cursor.state, cursor.data.variables) == ("a", {"n": 0})


def test_a_condition_that_fails_undoes_the_transition() -> None:
    workflow = made(
        "<state id='a'><transition event='go' cond='m' target='b'/><transition event='error.*'/></state><state id='b'/>"
    )

    with pytest.raises(FrameError, match=r"^PF460 order: <transition> of .* failed: m is not defined"):
        sent(started(workflow), workflow, "go")


def test_what_a_document_sends_waits_in_its_data_and_is_handed_over_once(tmp_path: Path) -> None:
    """Nothing waits in a process: every step is made by an engine of its own, from the file."""
    workflow = made(
        "<datamodel><data id='sent'/></datamodel><state id='a'><transition event='go' target='b'>"
        "<send event='late' delay='2s' idlocation='sent'><param name='n' expr='1 + 1'/></send>"
        "<send event='early' delay='10ms'/>"
        "<send event='never' id='x' delay='1ms'/><cancel sendid='x'/></transition></state>"
        "<state id='b'><transition event='late' cond='_event.data.n === 2' target='c'/>"
        "<transition event='never' target='a'/></state><state id='c'/>"
    )
    clock = Clock()

    def with_order(use: Callable[[Any], object]) -> object:
        with Engine(tmp_path / "orders.db", workflow, clock=clock) as engine:
            return use(engine.get(workflow, "o-1"))

    with Engine(tmp_path / "orders.db", workflow, clock=clock) as engine:
        engine.start(workflow, id="o-1").send(make_event(workflow, "go"))
    data = with_order(lambda one: one.data)
    assert isinstance(data, DocumentData)
    now_ms = clock.now // 1000
    assert [(one.event, one.due_ms - now_ms, one.id) for one in data.pending] == [("late", 2000, "send.1")]
    assert data.variables == {"sent": "send.1"}
    assert due(data, now_ms + 1999) == []

    one = due(data, now_ms + 2000)[0]
    with_order(lambda order: order.send(make_event(workflow, one.event, data=one.data, pending=one.number)))
    after = with_order(lambda order: (order.state, order.data.pending))
    assert after == ("c", [])


def test_what_arrives_and_is_not_taken_is_off_the_list_too() -> None:
    workflow = made("<state id='a'><onentry><send event='go'/></onentry><transition event='go' cond='false'/></state>")
    cursor = started(workflow)

    cursor.send(make_event(workflow, "go", pending=cursor.data.pending[0].number))
    assert cursor.data.pending == []
    with pytest.raises(Refused, match="guard_failed"):
        cursor.send(make_event(workflow, "go"))


def test_functions_come_from_the_documents_scripts_and_scripts_from_where_they_are_allowed_to() -> None:
    text = (
        "<scxml><datamodel><data id='x'/></datamodel><script src='f.js'/><state id='a'><onentry>"
        "<script>x = twice(x)</script></onentry></state></scxml>"
    )
    workflow = Workflow.from_scxml(
        text, name="order", read_script={"f.js": "function twice(n) { return 2 * n } x = 4"}.__getitem__
    )

    assert started(workflow).data.variables == {"x": 8}


def test_data_is_evaluated_once_in_the_life_of_an_instance() -> None:
    workflow = made(
        "<datamodel><data id='n' expr='0'/></datamodel><state id='a'><onentry>"
        "<assign location='n' expr='n + 1'/></onentry>"
        "<transition event='again' target='a'/></state>"
    )
    cursor = started(workflow)
    sent(cursor, workflow, "again", "again")

    assert cursor.data.variables == {"n": 3}


def test_log_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    workflow = made("<state id='a'><onentry><log label='here' expr='[1, 2]'/></onentry></state>")

    with caplog.at_level(logging.INFO, logger="statemachine.scxml"):
        started(workflow)
    assert [record.getMessage() for record in caplog.records] == ["cursor here: 1,2"]


def test_system_variables_name_the_instance_the_workflow_and_the_event() -> None:
    workflow = made(
        "<datamodel><data id='x'/></datamodel><state id='a'><transition event='go' target='b'/></state>"
        "<state id='b'><onentry><assign location='x' expr='[_sessionid, _name, _event.name, "
        "_event.data]'/></onentry></state>"
    )
    cursor = started(workflow)
    cursor.send(make_event(workflow, "go", data=[1]))

    assert cursor.data.variables == {"x": ["cursor", "order", "go", [1]]}


def test_other_classes_were_read_from_no_document() -> None:
    with pytest.raises(TypeError, match="was not read from an SCXML document"):
        make_event(Workflow, "go")


def test_check_follows_what_is_entered_by_default_and_takes_no_wildcard_for_a_mistake() -> None:
    workflow = made(
        "<state id='a' initial='h'><history id='h'><transition target='c'/></history>"
        "<state id='b'><transition event='go' target='end'/></state>"
        "<state id='c'><transition event='go' target='b'/><transition event='*' target='end'/></state></state>"
        "<final id='end'/>"
    )

    assert check(workflow) == ()


def test_a_transition_that_never_runs_is_found() -> None:
    workflow = made(
        "<state id='a'><transition event='*' target='end'/><transition event='go' target='end'/></state>"
        "<final id='end'/>"
    )

    assert [(one.code, one.where) for one in check(workflow)] == [("PD203", "a__transition_2")]


def test_the_end_of_a_state_that_is_not_there_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^PD167 .* event='done.state.b' is the end of no state"):
        made("<state id='a'><transition event='done.state.b' target='a'/></state>")


def test_what_waits_is_dropped_where_an_instance_ends() -> None:
    workflow = made(
        "<state id='a'><onentry><send event='late' delay='1s'/></onentry><transition event='go' target='end'/></state>"
        "<final id='end'><onentry><send event='late'/></onentry></final><transition event='late'/>"
    )
    cursor = started(workflow)

    assert len(cursor.data.pending) == 1
    assert sent(cursor, workflow, "go") == "end"
    assert cursor.data.pending == []
