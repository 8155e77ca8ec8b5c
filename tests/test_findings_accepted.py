"""What is meant is accepted in the class, with its reason; it changes nothing but what `check` returns."""

import types
from typing import Any

import pytest
from transitions.extensions import HierarchicalMachine

from statemachine import Cursor, DefinitionError, State, Workflow, check, on
from statemachine.findings import judged
from statemachine.workflow import definition_of
from tests.test_findings import Go, Stop, found

REASON = "kept for instances of revision 1"


class Plain(Workflow[None], revision=1):
    """A state that is never reached, and two dead ends."""

    a = State(initial=True)
    lost = State()
    b = State()
    c = State()

    @on(Go, a, to=b)
    def go(self, event: Go) -> None: ...

    @on(Stop, a, to=c)
    def stop(self, event: Stop) -> None: ...


def accepting(accept: object, base: type[Any] = Plain, **keywords: object) -> type[Workflow[Any]]:
    return types.new_class("Plain", (base,), {"revision": 1, "accept": accept, **keywords})


FOUND = [("PD201", "lost"), ("PD202", "b"), ("PD202", "c")]


@pytest.mark.parametrize(
    ("accept", "left"),
    [
        ({}, FOUND),
        ({"PD202 b": REASON}, [("PD201", "lost"), ("PD202", "c")]),
        ({"PD202": REASON}, [("PD201", "lost")]),
        ({"PD201": REASON, "PD202 b": REASON, "PD202 c": REASON}, []),
        ({"PD202 a": REASON}, [*FOUND, ("PD217", "PD202 a")]),
        ({"PD203": REASON}, [*FOUND, ("PD217", "PD203")]),
    ],
)
def test_a_code_or_a_code_and_its_place_is_accepted(accept: dict[str, str], left: list[tuple[str, str]]) -> None:
    assert found(accepting(accept)) == left


def test_a_place_may_have_a_blank_in_its_name() -> None:
    body = {"at home": State(initial=True)}
    line = {"revision": 1, "accept": {"PD202 at home": REASON}}

    assert found(types.new_class("W", (Workflow[None],), line, lambda namespace: namespace.update(body))) == []


def test_what_is_accepted_is_told_with_its_reason() -> None:
    seen = judged(definition_of(accepting({"PD202 b": REASON, "PD202": "any"})))

    assert [(one.where, reason) for one, reason in seen.accepted] == [("b", REASON), ("c", "any")]


def test_strict_lets_pass_what_is_accepted() -> None:
    accepting({"PD201": REASON, "PD202": REASON}, strict=True)
    with pytest.raises(DefinitionError, match="PD217 Plain accepts 'PD203'"):
        accepting({"PD201": REASON, "PD202": REASON, "PD203": REASON}, strict=True)


def test_a_subclass_accepts_what_its_base_does_and_may_have_mended_it() -> None:
    class Base(Plain, revision=1, accept={"PD201": REASON, "PD202 b": REASON}): ...

    class Mended(Base, revision=1, accept={"PD202 c": REASON}):
        @on(Go, Plain.c, to=Plain.lost)
        def find(self, event: Go) -> None: ...

    assert found(accepting({"PD202 c": REASON}, Base)) == []
    # Nothing is said of what the base accepts and is not there any more; of its own PD202 at c there is.
    assert found(Mended) == [("PD202", "lost"), ("PD217", "PD202 c")]


def test_the_fingerprint_is_the_same_and_it_runs_as_before() -> None:
    made = accepting({"PD202": REASON})

    assert definition_of(made).fingerprint == definition_of(Plain).fingerprint
    cursor = Cursor(made, None)
    cursor.send(Go())
    assert cursor.state == "b"


@pytest.mark.parametrize(
    "accept",
    ["PD202", {"PD202": ""}, {"PD202": " "}, {"PD202": 1}, {"PD104": REASON}, {"PD202 ": REASON}, {1: REASON}, 7],
)
def test_an_acceptance_without_code_or_reason_is_an_error(accept: object) -> None:
    with pytest.raises(DefinitionError, match="PD142 Plain: accept=") as raised:
        accepting(accept)
    assert 'Write accept={"PD202 parked": ' in str(raised.value)


def test_an_abstract_base_accepts_for_those_that_derive_from_it() -> None:
    class Base(Workflow[None], revision=1, abstract=True, accept={"PD202": REASON}):
        a = State(initial=True)

    class Whole(Base, revision=1): ...

    assert check(Whole) == ()


def test_a_machine_and_a_document_accept_as_a_class_line_does() -> None:
    machine = HierarchicalMachine(None, states=["open", "shut"], initial="open", auto_transitions=False)
    document = "<scxml><state id='open'/><state id='shut.down'/></scxml>"

    accept = {"PD201 shut": REASON, "PD202 open": REASON}
    door: type[Workflow[Any]] = Workflow.from_machine(machine, name="Door", revision=1, accept=accept)
    read = Workflow.from_scxml(document, name="Door", accept={"PD201 shut_down": REASON, "PD202": REASON})

    assert [found(one) for one in (door, read)] == [[], []]
    with pytest.raises(DefinitionError, match="PD142"):
        Workflow.from_machine(machine, name="Door", revision=1, accept={"PD201": ""})
    with pytest.raises(DefinitionError, match="PD142 document, line 1, column 1: Door: accept="):
        Workflow.from_scxml(document, name="Door", accept={"PD201": ""})


def test_what_stops_a_strict_class_is_told_whole() -> None:
    with pytest.raises(DefinitionError) as raised:
        accepting({"PD202 b": REASON}, strict=True)

    assert [(one.code, one.where) for one in raised.value.findings] == [("PD201", "lost"), ("PD202", "c")]
