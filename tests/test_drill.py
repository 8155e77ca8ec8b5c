"""The drill finds what must not be, and finds nothing where all is well; its seeds repeat; its input is checked.

Each negative control runs beside its sound twin, under the same seeds.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from attrs import define, evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import test_drill as example
from recovery import drill
from recovery.drills.child import Setup
from recovery.drills.judge import Kind, compare, judge_answers, judge_file
from recovery.drills.matrix import START_ROW, Matrix
from recovery.drills.payloads import values_of
from recovery.drills.points import CrashPoint, Disaster, Way
from recovery.drills.process import ChildError, Process
from recovery.drills.rehearsal import Rehearsal
from recovery.drills.running import Drill
from recovery.drills.steps import Committed, Do, Evidence, Line, Opened, Raised, Refusal, Step
from recovery.drills.story import DrillError
from statemachine import DefinitionError, State, Workflow, on
from statemachine.codec import Codec
from statemachine.events import START
from tests import codecs
from tests.drilled import SCHEMA, Broken, Forgetful, Leaky, Restless, Stuck, Take, Till, early, torn, totals, unopenable
from tests.snippets import python_blocks

SEED = 5
REHEARSALS = 20  # in which each planted fault must be found


def till(workflow: type[Workflow[Any]] = Till, **options: Any) -> Drill:
    return drill(workflow, schema=SCHEMA, strategies={Take: st.builds(Take, st.integers(-9, 9))}, **options)


def found(one: Drill) -> DrillError:
    with pytest.raises(DrillError) as raised:
        one.run(seed=SEED, examples=REHEARSALS, shrinks=0)
    return raised.value


# -- runs --------------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_sound_workflow_is_clean_and_each_point_of_each_rule_is_struck() -> None:
    matrix = till().run(seed=SEED, examples=REHEARSALS)

    assert (matrix.lost, matrix.doubled) == (0, 0)
    assert matrix.uncovered() == []
    assert matrix.disasters[Way.RAISE]


@pytest.mark.long
def test_order_of_the_examples_loses_nothing_and_doubles_nothing() -> None:
    matrix = example.TestOrder.drill.run(seed=SEED, examples=REHEARSALS)

    assert (matrix.lost, matrix.doubled) == (0, 0)
    assert {row for row, _ in matrix.struck} == {START_ROW, *matrix.rules}


@pytest.mark.long
@pytest.mark.parametrize(
    ("workflow", "options", "kinds"),
    [
        pytest.param(Till, {"store": early}, {Kind.LOST, Kind.LEFT_BEHIND}, id="answer before the commit"),
        pytest.param(Till, {"store": torn}, {Kind.DAMAGED}, id="head outside the transaction"),
        pytest.param(Forgetful, {}, {Kind.DIFFERS}, id="guard that reads a global of its module"),
        pytest.param(Leaky, {}, {Kind.DIFFERS}, id="action that raises under a codec that leaks"),
    ],
)
def test_planted_fault_is_found(workflow: type[Workflow[Any]], options: dict[str, Any], kinds: set[Kind]) -> None:
    error = found(till(workflow, **options))

    assert {finding.kind for finding in error.findings} & kinds, str(error)


def step(event: str, payload: bytes, *, number: int = 0) -> Step:
    key = None if event == START else f"k-{number}"
    return Step("i-0", event, payload, key, number + 1, shown=event)


STEPS = [
    step(START, b'{"total":0,"taken":0,"marks":[]}'),
    *(step("Take", b'{"amount":2}', number=number) for number in (1, 2)),
    step("Shut", b"{}", number=3),
]


Pair = tuple[Process, Process]


@contextmanager
def pair(setup: Setup) -> Iterator[Pair]:
    with closing(Process(setup)) as disturbed, closing(Process(setup)) as undisturbed:
        for process in (disturbed, undisturbed):
            process.wait_for_server()
        yield disturbed, undisturbed


@pytest.fixture(scope="module")
def tills() -> Iterator[Pair]:
    with pair(Setup(Till, SCHEMA)) as processes:
        yield processes


def rehearse(processes: Pair, folder: Path, disaster: Disaster) -> Matrix:
    """Rehearse the steps, all under one disaster."""
    matrix = Matrix(("take", "close_up"))
    rehearsal = Rehearsal(*processes, folder=folder, matrix=matrix, name="Till")
    try:
        for one in STEPS:
            rehearsal.do(one, disaster)
        rehearsal.finish()
    finally:
        rehearsal.leave()
    return matrix


@pytest.mark.parametrize("way", [Way.DROP, Way.KILL])
@pytest.mark.parametrize("point", CrashPoint)
def test_every_step_survives_each_disaster(tills: Pair, tmp_path: Path, point: CrashPoint, way: Way) -> None:
    matrix = rehearse(tills, tmp_path, Disaster(point, way))

    assert (matrix.acknowledged, matrix.lost, matrix.doubled) == (4, 0, 0)
    assert matrix.disasters[way] == (3 if point is CrashPoint.ACTION else 4)  # a start has no action here
    assert matrix.count("take", point, way) == 2


def test_action_that_raises_leaves_nothing(tills: Pair, tmp_path: Path) -> None:
    matrix = rehearse(tills, tmp_path, Disaster(CrashPoint.ACTION, Way.RAISE))

    assert (matrix.acknowledged, matrix.disasters[Way.RAISE]) == (1, 3)


@pytest.mark.parametrize("way", [Way.DROP, Way.KILL])
def test_answer_before_the_commit_is_lost(tmp_path: Path, way: Way) -> None:
    with pair(Setup(Till, SCHEMA, store=early)) as processes, pytest.raises(DrillError) as raised:
        rehearse(processes, tmp_path, Disaster(CrashPoint.ANSWERED, way))

    assert [finding.kind for finding in raised.value.findings] == [Kind.LOST, Kind.DIFFERS]


@pytest.mark.long
def test_story_is_short_and_its_command_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_shop.py::TestTill::test_drill (call)")
    with pytest.raises(DrillError) as raised:
        till(Forgetful).run(seed=SEED, examples=REHEARSALS)
    *story, command = str(raised.value).splitlines()
    assert story[0] == "drill of Till: it is not what the undisturbed run came to"
    assert len(story) == 1 + 2 + 3  # title, steps, finding
    assert "killed" in story[2] or "new process" in story[2]
    assert "Take: no" in story[-1]
    variable, _, test = command.removeprefix("  repeat    ").partition(" ")
    assert test == "python -m pytest 'tests/test_shop.py::TestTill::test_drill'"

    name, _, seed = variable.partition("=")
    monkeypatch.setenv(name, seed)
    with pytest.raises(DrillError) as again:
        till(Forgetful, seed=SEED + 1).run(examples=1)
    assert str(again.value) == str(raised.value)


@pytest.mark.long
def test_what_is_found_at_the_end_makes_a_short_story_too() -> None:
    """A fault that needs no disaster is found when the file is judged after its last step."""
    with pytest.raises(DrillError) as raised:
        till(Restless).run(seed=SEED, examples=REHEARSALS)
    story = str(raised.value).splitlines()
    assert "closed, and opened by a new process" in str(raised.value)
    assert raised.value.steps == 3
    assert "v2 Take: image" in story[-2]


@pytest.mark.long
def test_one_seed_is_one_run() -> None:
    first, second, other = (str(till().run(seed=seed, examples=5)) for seed in (SEED, SEED, SEED + 1))

    assert first == second != other


@pytest.mark.long
def test_what_the_user_sees_of_his_rows_may_be_told_by_himself() -> None:
    assert till(observe=totals).run(seed=SEED, examples=5).lost == 0


@pytest.mark.long
def test_what_cannot_be_run_in_a_new_process_is_shown_with_its_traceback() -> None:
    with pytest.raises(ChildError, match="no such store"):
        till(store=unopenable).run(seed=SEED, examples=1)


@pytest.mark.long
def test_test_case_runs_the_drill_and_prints_what_it_covered(capsys: pytest.CaptureFixture[str]) -> None:
    till(seconds=0.2, seed=SEED).TestCase("test_drill").debug()

    assert "lost 0, doubled 0" in capsys.readouterr().out


def test_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Process(Setup(Stuck, SCHEMA))) as process:
        process.wait_for_server()
        process.open(str(tmp_path / "till.db"))
        process.do(Do(STEPS[0], None))
        monkeypatch.setattr("recovery.drills.process.SILENCE_SECONDS_MAX", 0.1)
        monkeypatch.setattr("recovery.drills.process.LEAVE_SECONDS_MAX", 0.1)
        with pytest.raises(ChildError, match=r"said nothing for 0[.]1 s"):
            process.do(Do(STEPS[1], None))
    assert process.is_alive is False


# -- bad input ---------------------------------------------------------------------------------------------------------


@define
class Needy:
    owner: str


class Unfilled(Workflow[Needy], revision=1):
    waiting = State(initial=True)

    @on(Take, waiting, to=None)
    def take(self, event: Take) -> None: ...


class Base(Workflow[None], revision=1, abstract=True):
    waiting = State(initial=True)


@pytest.mark.parametrize("wrong", [Base, Take, "Till", None, Till.taking])
def test_what_is_no_workflow_is_refused(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^PD180 drill\(.*no workflow that can run"):
        drill(wrong)


def test_strategy_for_a_foreign_event_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^PD181 Till: strategies= names .*Needy.* It has Take, Shut"):
        drill(Till, strategies={Needy: st.none()})


def test_strategy_that_is_none_is_refused() -> None:
    wrong: Any = Take(1)
    with pytest.raises(DefinitionError, match=r"^PD181 Till: strategies= gives .* for Take"):
        drill(Till, strategies={Take: wrong})


def test_required_data_without_a_strategy_is_refused_and_with_one_is_not() -> None:
    with pytest.raises(DefinitionError, match=r"^PD182 Unfilled: .*'owner'.*start="):
        drill(Unfilled)
    assert drill(Unfilled, start=st.builds(Needy, st.text())).matrix.rules == ("take",)


def test_what_a_new_process_cannot_import_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^PD183 Till: a new process cannot import observe="):
        drill(Till, observe=lambda _: None)


def test_without_hypothesis_the_command_that_installs_it_is_named() -> None:
    with patch.dict(sys.modules, {"hypothesis": None}), pytest.raises(ImportError, match=r"^PS321 .*perdure\[drill\]"):
        drill(Till)


def test_import_of_recovery_imports_no_hypothesis() -> None:
    script = "import sys; from recovery import drill; print('hypothesis' in sys.modules, 'unittest' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said == "False False\n"


@pytest.mark.parametrize("page", ["README.md", "docs/drills.md"])
def test_program_of_a_page_makes_a_drill(page: str) -> None:
    root = Path(__file__).resolve().parent.parent
    programs = [one for one in python_blocks((root / page).read_text(encoding="utf-8")) if "import drill" in one]
    for program in programs:
        names: dict[str, Any] = {}
        exec(program, names)  # noqa: S102  # our own page
        assert names["TestOrder"].drill.definition.name == "Order"
    assert programs


# -- payloads ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_every_type_of_the_codec_is_drawn(data: st.DataObject) -> None:
    kind, _ = data.draw(codecs.types(), label="type")
    codec = Codec(kind, path="value")

    value = data.draw(values_of(codec), label="value")

    assert codec.encode(codec.decode(codec.encode(value))) == codec.encode(value)


@given(values_of(Codec(codecs.Node, path="node")))
@settings(max_examples=50, deadline=None)
def test_type_that_leads_back_to_itself_is_drawn(node: codecs.Node) -> None:
    assert isinstance(node, codecs.Node)


# -- the judge: each finding, and nothing where all is well ------------------------------------------------------------

LINES = (
    Line("i-0", 1, "perdure.start", "", "taking", None, 1, b"{}", b"{}", "aa"),
    Line("i-0", 2, "Take", "taking", "taking", "k-1", 2, b"{}", b"{}", "bb"),
)
HEADS = (("i-0", 2, "taking", b"{}"),)
ROWS = Evidence(LINES, HEADS, {"entry": [("i-0", 1)]})
TOLD = [Committed(line.instance, line.version, line.event, line.after, line.key, line.hash) for line in LINES]
STEP = Step("i-0", "Take", b"{}", "k-1", 2, shown="i-0 Take()")


def kinds(opened: Opened, told: list[Committed], in_flight: Step | None = None) -> list[Kind]:
    return [finding.kind for finding in judge_file(opened, told, in_flight=in_flight)]


def opened(evidence: Evidence) -> Opened:
    return Opened((), evidence, evidence)


def test_file_that_holds_what_was_told_and_what_was_in_flight_is_clean() -> None:
    assert kinds(opened(ROWS), TOLD) == kinds(opened(ROWS), TOLD[:1], STEP) == []


def test_each_thing_that_must_not_be_is_found() -> None:
    changed = evolve(ROWS, lines=(LINES[0], evolve(LINES[1], hash="cc")))
    doubled = evolve(ROWS, lines=(*LINES, evolve(LINES[1], version=3)))
    assert kinds(opened(evolve(ROWS, lines=LINES[:1])), TOLD) == [Kind.LOST]
    assert kinds(opened(changed), TOLD) == [Kind.LOST]
    assert kinds(opened(ROWS), TOLD[:1]) == [Kind.LEFT_BEHIND]
    assert kinds(opened(evolve(ROWS, lines=LINES[:1])), TOLD[:1], STEP) == [Kind.LEFT_BEHIND]
    assert kinds(opened(doubled), TOLD, evolve(STEP, event="Take")) == [Kind.DOUBLED]
    assert kinds(Opened(("i-0 QUARANTINED",), ROWS, ROWS), TOLD) == [Kind.DAMAGED]
    assert kinds(Opened((), ROWS, ROWS, "other counts"), TOLD) == [Kind.UNSTABLE]
    assert kinds(Opened((), ROWS, evolve(ROWS, observed={})), TOLD) == [Kind.UNSTABLE]


@pytest.mark.parametrize(
    "other",
    [
        evolve(ROWS, lines=LINES[:1]),
        evolve(ROWS, lines=(LINES[0], evolve(LINES[1], image=b"[]"))),
        evolve(ROWS, heads=(("i-0", 1, "taking", b"{}"),)),
        evolve(ROWS, enabled=(("i-0", ("Take: no",)),)),
        evolve(ROWS, observed={"entry": []}),
        evolve(ROWS, observed={"entry": [("i-0", 1)], "more": []}),
        evolve(ROWS, observed="[]"),
    ],
)
def test_each_difference_from_the_undisturbed_file_is_found(other: Evidence) -> None:
    assert [finding.kind for finding in compare(ROWS, other)] == [Kind.DIFFERS]


def test_hashes_differ_in_every_file() -> None:
    assert compare(ROWS, evolve(ROWS, lines=(LINES[0], evolve(LINES[1], hash="cc")))) == []


def test_answers_that_differ_or_come_from_the_wrong_place_are_found() -> None:
    run, replayed = TOLD[1], evolve(TOLD[1], replayed=True)
    assert judge_answers(run, run, was_there=False) == judge_answers(replayed, run, was_there=True) == []
    assert [finding.kind for finding in judge_answers(run, run, was_there=True)] == [Kind.DOUBLED]
    assert [finding.kind for finding in judge_answers(replayed, run, was_there=False)] == [Kind.DOUBLED]
    assert [finding.kind for finding in judge_answers(Refusal("x"), run, was_there=False)] == [Kind.DIFFERS]
    assert [finding.kind for finding in judge_answers(Raised("E", "a"), Raised("F", "a"), was_there=False)] == [
        Kind.DIFFERS
    ]


def test_text_of_an_error_may_hold_an_address() -> None:
    assert judge_answers(Raised("E", "<a at 0x1>"), Raised("E", "<a at 0x2>"), was_there=False) == []


def test_only_what_differs_is_shown() -> None:
    mine = evolve(ROWS, lines=(LINES[0], evolve(LINES[1], image=b'{"n":1}')), observed={"entry": [(1,), (2,), (2,)]})
    other = evolve(ROWS, lines=(LINES[0], evolve(LINES[1], image=b'{"n":2}')), observed={"entry": [(1,), (2,)]})
    assert [(finding.expected, finding.found) for finding in compare(mine, other)] == [
        ('i-0 v2 Take: image {"n":2}', 'i-0 v2 Take: image {"n":1}'),
        ("the user's rows {'entry': []}", "the user's rows {'entry': [(2,)]}"),
    ]
    mine = evolve(ROWS, enabled=(("i-0", ()), ("i-1", ("Take: no",))), heads=(*HEADS, ("i-1", 1, "taking", b"{}")))
    other = evolve(ROWS, enabled=(("i-0", ()), ("i-1", ("Take: yes",))), heads=mine.heads)
    assert [finding.expected for finding in compare(mine, other)] == ["offers (('i-1', ('Take: yes',)),)"]


def test_drill_in_which_nothing_is_acknowledged_proves_nothing_and_says_why() -> None:
    with pytest.raises(DrillError) as raised:
        drill(Broken).run(seed=SEED, examples=1)
    assert str(raised.value) == (
        "drill of Till: nothing was acknowledged in 10 rehearsals, so nothing was judged\n"
        "  perdure.start raised SqlFailed: "
        "PS312 'insert into entry (till, amount) values (?, 0)' failed: no such table: entry"
    )


def test_steps_that_raise_on_their_own_are_told() -> None:
    matrix = drill(Till).run(seed=SEED, examples=5)

    (what, text) = str(matrix).splitlines()[-1].split(" times: ")
    assert what == f"Take raised SqlFailed {matrix.raised.total()}"
    assert text.startswith("PS312 'insert into entry")
    assert not till().run(seed=SEED, examples=5).raised


# -- the matrix --------------------------------------------------------------------------------------------------------


def test_matrix_counts_by_rule_point_and_way() -> None:
    matrix = Matrix(("take", "close_up"))
    matrix.note(["take", "remember"], Disaster(CrashPoint.ACTION, Way.KILL, action=2))
    matrix.note(["remember"], Disaster(CrashPoint.BEGIN, Way.DROP))
    matrix.note(["close_up"], None)

    assert matrix.count("take", CrashPoint.ACTION) == matrix.count("take", CrashPoint.ACTION, Way.KILL) == 1
    assert (START_ROW, CrashPoint.BEGIN) not in matrix.uncovered()
    assert len(matrix.uncovered()) == 3 * len(CrashPoint) - 2
    assert [line.split()[:2] for line in str(matrix).splitlines()[1:4]] == [
        ["(start)", "0"],
        ["take", "0"],
        ["close_up", "1"],
    ]
