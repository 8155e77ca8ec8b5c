"""A machine of `transitions` becomes a workflow that does the same, durably, or a coded error says why it cannot."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from attrs import define, frozen
from transitions import Machine
from transitions.extensions import AsyncMachine, HierarchicalMachine
from transitions.extensions import states as features

from examples.from_transitions import Cups, Deeds, DurableHero, DurableMatter, DurableMorning, Environment, Melt
from statemachine import Cursor, DefinitionError, Engine, FrameError, Refused, Workflow, events_of
from statemachine.workflow import definition_of
from tests.snippets import python_blocks

ROOT = Path(__file__).parent.parent


def test_the_programs_of_the_page_run() -> None:
    """Of docs/transitions.md; in a module, because annotations are looked up there."""
    page = ModuleType("perdure_transitions_page")
    blocks = python_blocks((ROOT / "docs" / "transitions.md").read_text(encoding="utf-8"))

    assert len(blocks) == 2
    for block in blocks:
        exec(block, vars(page))  # noqa: S102  # our own page


def test_the_example_tells_what_happened(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "examples.from_transitions"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert shown.stdout.splitlines()[-1] == (
        "morning: ('caffeinated.mind.focused', 'caffeinated.body.running') Cups(cups=2)"
    )


def test_the_lump_melts_by_its_arguments() -> None:
    cursor = Cursor(DurableMatter, Environment())

    with pytest.raises(Refused, match="guard_failed"):
        cursor.send(Melt(temperature=-5))
    cursor.send(Melt(temperature=23, pressure=90.0))

    assert (cursor.state, cursor.data) == ("liquid", Environment(23, 90.0))


def test_the_hero_sleeps_after_two_rescues() -> None:
    hero, events = Cursor(DurableHero, Deeds()), events_of(DurableHero)

    for _ in range(2):
        hero.send(events["distress_call"]()).send(events["complete_mission"]())
    with pytest.raises(Refused, match="guard_failed"):
        hero.send(events["distress_call"]())

    assert hero.send(events["nap"]()).state == "asleep"
    assert hero.data == Deeds(rescued=2, cape="clean")


def test_the_morning_goes_on_after_its_process(tmp_path: Path) -> None:
    """Every event in an engine of its own: regions, internal transitions and data are read back."""
    events, file, told = events_of(DurableMorning), tmp_path / "morning.db", list[object]()
    for trigger in ("drink", "walk", "drink", "walk"):
        with Engine(file, DurableMorning) as engine:
            person = engine.start(DurableMorning, Cups(), id="me")  # of this id there is one already, but at first
            person.send(events[trigger]())
            told.append(person.state)
    with Engine(file, DurableMorning) as engine:
        data = engine.start(DurableMorning, Cups(), id="me").data

    assert told[1:] == [RUNNING, RUNNING, ("caffeinated.mind.focused", "caffeinated.body.running")]
    assert data == Cups(cups=2)


RUNNING = ("caffeinated.mind.dithering", "caffeinated.body.running")


def test_a_frame_is_an_object_of_the_models_class() -> None:
    """So `isinstance` and `super()` in a model's methods go on to work; its `__init__` is never run."""
    assert issubclass(DurableHero, Workflow)
    assert [base.__name__ for base in DurableHero.__mro__][-2:] == ["Hero", "object"]


# -- one machine at a time ---------------------------------------------------------------------------------------------


@define
class Seen:
    seen: list[str] | None = None
    is_open: bool = True


@frozen
class Push:
    force: int = 1


class Door:
    """The methods that the machines below name."""

    seen: list[str] | None

    def note_it(self, force: int = 0) -> None:
        self.seen = [*(self.seen or []), f"note {force}"]

    def told(self, event: Any) -> None:
        self.seen = [*(self.seen or []), f"told {event.kwargs['force']}"]

    def on_enter_shut(self) -> None:
        self.seen = [*(self.seen or []), "enter"]

    def on_exit_open(self, *_: object) -> None:
        self.seen = [*(self.seen or []), "exit"]

    def needs(self, force: int, *, where: str) -> None: ...

    def scribble(self) -> None:
        self.scribbled = True

    async def wait(self) -> None: ...

    @property
    def is_light(self) -> bool:
        return True


def door(*transitions: dict[str, Any], kind: type[Any] = Machine, **more: Any) -> Any:
    """A machine with two states."""
    return kind(
        None,
        **{"states": ["open", "shut"], "initial": "open", "auto_transitions": False, **more},
        transitions=list(transitions),
    )


def close(**more: Any) -> dict[str, Any]:
    """The transition that every door has."""
    return {"trigger": "close", "source": "open", "dest": "shut", **more}


def made(machine: object, **more: Any) -> type[Workflow[Seen]]:
    """The workflow of a door."""
    return Workflow.from_machine(machine, **{"model": Door, "data": Seen, "revision": 1, **more})


def test_the_initial_state_is_set_and_not_entered_as_on_the_machine() -> None:
    """`on_enter` runs each time that the state is entered by a transition."""
    reopen = {"trigger": "reopen", "source": "shut", "dest": "open"}
    workflow = made(door(close(), reopen, initial="shut"))
    cursor = Cursor(workflow, Seen())
    assert cursor.data.seen is None

    cursor.send(events_of(workflow)["reopen"]()).send(events_of(workflow)["close"]())

    assert cursor.data.seen == ["exit", "enter"]


def test_callbacks_found_by_the_name_of_a_state_run_as_add_model_would_have_them() -> None:
    workflow = made(door(close()))

    cursor = Cursor(workflow, Seen()).send(events_of(workflow)["close"]())

    assert cursor.data.seen == ["exit", "enter"]


def test_before_and_after_of_machine_and_transition_run_in_their_order() -> None:
    machine = door(
        {"trigger": "knock", "source": "open", "dest": None, "before": "note_it", "after": ["note_it"]},
        before_state_change="note_it",
    )
    workflow = made(machine, events={"knock": Push})

    assert Cursor(workflow, Seen()).send(Push(3)).data.seen == ["note 3"] * 3


def test_a_machine_with_send_event_hands_its_callbacks_the_fields_as_kwargs() -> None:
    machine = door({"trigger": "knock", "source": "open", "dest": None, "before": "told"}, send_event=True)
    workflow = made(machine, events={"knock": Push})

    assert Cursor(workflow, Seen()).send(Push(4)).data.seen == ["told 4"]


def test_a_condition_may_be_a_field_or_a_property() -> None:
    workflow = made(door(close(conditions=["is_open", "is_light"])))

    assert Cursor(workflow, Seen()).send(events_of(workflow)["close"]()).state == "shut"
    with pytest.raises(Refused, match="guard_failed"):
        Cursor(workflow, Seen(is_open=False)).send(events_of(workflow)["close"]())


def test_tags_are_kept_and_a_final_state_ends() -> None:
    @features.add_state_features(features.Tags)
    class Tagged(Machine): ...

    states = [{"name": "open", "tags": ["human"]}, {"name": "shut", "final": True}]
    workflow = made(door(close(), kind=Tagged, states=states), model=object)

    assert definition_of(workflow).tags["open"] == ("human",)
    assert Cursor(workflow, Seen()).send(events_of(workflow)["close"]()).outcome == "shut"


def test_a_method_that_sets_what_is_no_data_is_told_so() -> None:
    workflow = made(door(close(before=[]), {"trigger": "draw", "source": "open", "dest": None, "before": "scribble"}))

    with pytest.raises(FrameError, match=r"^PF401 Door\.scribbled cannot be assigned"):
        Cursor(workflow, Seen()).send(events_of(workflow)["draw"]())


def test_the_same_machine_makes_the_same_chart() -> None:
    one, other = made(door(close())), made(door(close()))

    assert definition_of(one).fingerprint == definition_of(other).fingerprint


def featured(*kinds: type[Any], **options: Any) -> Any:
    """A door whose first state has features of transitions."""
    machine = features.add_state_features(*kinds)(type("Featured", (Machine,), {}))
    return door(kind=machine, states=[{"name": "open", **options}, "shut"])


def nested(*transitions: dict[str, Any], of: dict[str, Any], **more: Any) -> Any:
    """A door of which the shut state has states of its own."""
    return door(*transitions, kind=HierarchicalMachine, states=["open", {"name": "shut", **of}], **more)


DEEP = {"initial": "a", "children": ["a", {"name": "b", "children": ["x", "y"], "initial": "x"}]}
PARALLEL = {"parallel": ["a", "b"]}
SOME = {"children": ["a", "b", "c"], "initial": ["a", "b"]}
NONE = {"children": ["a", "b"]}


class Other: ...


OTHERS = Machine([Door(), Other()], states=["open"], initial="open", auto_transitions=False)


def knock(source: str, dest: str | None, **more: Any) -> dict[str, Any]:
    """Another transition."""
    return {"trigger": "knock", "source": source, "dest": dest, **more}


REFUSED: list[tuple[str, Callable[[], object], str]] = [
    ("PD190", lambda: made(object()), "is no machine of transitions"),
    ("PD190", lambda: made(door(close()), model=cast("Any", Door())), "is no class"),
    ("PD190", lambda: made(door(close(), queued=True)), "queued"),
    ("PD190", lambda: made(door(close(), auto_transitions=True)), "auto_transitions"),
    ("PD190", lambda: made(door(close(), kind=AsyncMachine)), "AsyncMachine"),
    ("PD190", lambda: made(Machine(states=["open"], initial="open", auto_transitions=False)), "its own model"),
    ("PD190", lambda: made(OTHERS), "several"),
    ("PD190", lambda: made(door(close(), prepare_event="note_it")), "prepare_event"),
    ("PD190", lambda: made(door(close(), finalize_event="note_it")), "finalize_event"),
    ("PD190", lambda: made(door(close(), on_exception="note_it")), "on_exception"),
    ("PD190", lambda: made(door(close(), on_final="note_it")), "on_final"),
    ("PD190", lambda: made(door(close(prepare="note_it"))), "close[open] prepares with 'note_it'"),
    ("PD190", lambda: made(featured(features.Timeout, timeout=5, on_timeout="note_it")), "'open' has Timeout"),
    ("PD190", lambda: made(featured(vars(features)["Retry"], retries=5, on_failure="shut")), "'open' has Retry"),
    ("PD190", lambda: made(door(initial=None)), "begins in None"),
    ("PD190", lambda: made(nested(of=DEEP, initial="shut_b")), "let 'shut' name its initial state"),
    ("PD190", lambda: made(nested(of=SOME)), "enters a, b of its states, not all"),
    ("PD104", lambda: made(nested(of=NONE)), "'shut' has no initial child"),
    ("PD191", lambda: made(door(close(before=lambda: None))), "which is no method of Door"),
    ("PD191", lambda: made(door(close(before=partial(print, 1)))), "which is no method of Door"),
    ("PD191", lambda: made(door(close(before="nobody"))), "'nobody', which is no method of Door"),
    ("PD191", lambda: made(door(close(before="os.remove"))), "'os.remove', which is no method of Door"),
    ("PD191", lambda: made(door(close(before="is_open"))), "Only a condition may be a value"),
    ("PD192", lambda: made(door(knock("open", None, before="needs")), events={"knock": Push}), "must take (force)"),
    ("PD192", lambda: made(door(knock("open", None, before="wait"))), "which is async"),
    ("PD192", lambda: made(door(states=[{"name": "open", "on_enter": "note_it"}, "shut"])), "must take only self"),
    ("PD193", lambda: made(door(close(after="note_it"))), "runs 'note_it' and there is on_enter of 'shut'"),
    ("PD193", lambda: made(door(close(before="note_it"))), "runs 'note_it' and there is on_exit of 'open'"),
    ("PD193", lambda: made(nested(knock("shut_a", "shut_b"), of=PARALLEL)), "leads to 'shut.b'"),
    ("PD193", lambda: made(nested(knock("shut", "shut_b_y"), of=DEEP)), "leads to 'shut.b.y'"),
    ("PD194", lambda: made(door(close(), states=["open", "shut", "told"])), "'told' has the name of a name in Door"),
    ("PD194", lambda: made(door(close(), states=["open", "shut", "seen"]), model=object), "a field of the data"),
    ("PD194", lambda: made(door(close(), states=["open", "shut", "a.b"])), "has a dot in its name"),
    ("PD194", lambda: made(door(close(dest="ajar"))), "'ajar', which is no state"),
    ("PD194", lambda: made(door(close()), events={"slam": Push}), "'slam', which is no trigger"),
    ("PD194", lambda: made(door(close(), knock("shut", None)), events={"close": Push, "knock": Push}), "two triggers"),
    ("PD194", lambda: made(door(close()), model=type("Slotted", (), {"__slots__": ("a",)})), "cannot be a base"),
    ("PD114", lambda: made(door(close(), states=["open", "shut", "note"])), "'note' is a name of the frame"),
    ("PD113", lambda: made(door(close(), states=[{"name": "open", "final": True}, "shut"]), model=object), "is final"),
    ("PD154", lambda: made(door(close(), states=["open", "shut", "ajar, at noon"])), "'ajar, at noon' cannot be"),
    ("PD194", lambda: made(nested(of={"initial": "z", "children": ["a"]})), "no state 'z', which it names as initial"),
    ("PD118", lambda: made(door({"trigger": "perdure.kept", "source": "open", "dest": "shut"})), "Perdure's own"),
    ("PD118", lambda: made(door({"trigger": "close it", "source": "open", "dest": "shut"})), "'close it' is no name"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "make", "words"), REFUSED, ids=[f"{code} {words}" for code, _, words in REFUSED])
def test_what_cannot_be_made_durable_is_refused_by_name(code: str, make: Callable[[], object], words: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        make()

    assert raised.value.code == code
    assert words in str(raised.value)
