"""Diagrams show all that a chart holds, once, and escape it so that nothing in it is taken for more than its signs."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from attrs import frozen
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from transitions import Machine

from docs.images.order import text
from examples.order import Charged, Order, OrderData, Submit
from statemachine import (
    Compound,
    Cursor,
    DefinitionError,
    Failed,
    Final,
    History,
    Parallel,
    Refused,
    Retry,
    State,
    Workflow,
    after,
    always,
    diagram,
    done,
    enter,
    leave,
    on,
    on_error,
    task,
)
from statemachine.chart import Configuration
from statemachine.diagrams.drawing import Format
from statemachine.durations import milliseconds, text_of
from tests.charts import Story, configurations, every, histories_in, stories
from tests.drawings import READERS, Seen
from tests.kit import shipped, shop

ROOT = Path(__file__).resolve().parent.parent
FORMATS: tuple[Format, ...] = ("mermaid", "dot", "json")
SHORT = settings(max_examples=25, deadline=None)
FEW = settings(max_examples=10, deadline=None)
CONTROL = settings(max_examples=200, deadline=None, database=None, phases=[Phase.generate])


def at(workflow: type[Any], configuration: Configuration | None, format: Format) -> str:
    """Return a diagram."""
    return diagram(workflow, format=format, configuration=configuration)


# -- all that there is, once -------------------------------------------------------------------------------------------


def expected(story: Story, configuration: Configuration) -> Seen:
    """What a diagram of a story must show, by a walk over its specs."""
    specs = dict(every(story.states))
    memories = [(f"{path}.{one.name}", path, one) for path, spec in specs.items() for one in histories_in(spec)]
    tops = [spec.name for spec in story.states if spec.kind != "final"]
    return Seen(
        states=[*specs, *(name for name, _, _ in memories)],
        active={path for path in specs for leaf in configuration if f"{leaf}.".startswith(f"{path}.")},
        rules=[
            (source, rule.targets, f"rule_{order}")
            for order, rule in enumerate(story.drawn)
            for source in rule.sources or tops
        ],
        begins=[
            ("", story.initial),
            *((path, f"{path}.{spec.initial}") for path, spec in specs.items() if spec.initial),
            *((name, f"{path}.{target}") for name, path, one in memories for target in one.fallback),
        ],
    )


def misses(seen: Seen, wanted: Seen) -> list[str]:
    """Return in what two pictures differ, as a multiset of each kind."""
    kinds = {
        kind: (Counter(getattr(seen, kind)), Counter(getattr(wanted, kind))) for kind in ("states", "rules", "begins")
    }
    found = [f"{kind}: {one} {two}" for kind, (one, two) in kinds.items() if one != two]
    return [*found, *([] if seen.active == wanted.active else [f"active: {seen.active} {wanted.active}"])]


@pytest.mark.parametrize("format", FORMATS)
@SHORT
@given(story=stories(), data=st.data())
def test_each_state_and_rule_stands_there_once_and_what_is_active_is_highlighted(
    format: Format, story: Story, data: st.DataObject
) -> None:
    """Active is the configuration with all that is around it, at every depth."""
    configuration = data.draw(configurations(story.states))
    text = at(story.workflow(set()), configuration, format)

    assert misses(READERS[format](text), expected(story, configuration)) == []


@pytest.mark.parametrize("format", FORMATS)
def test_without_an_instance_nothing_is_highlighted(format: Format) -> None:
    seen = READERS[format](diagram(Order, format=format))

    assert seen.active == set()
    assert len(seen.states) == 12


Change = Callable[[str, str], str]
CHANGES: dict[str, Change] = {
    "a state twice": lambda line, text: f"{line}\n{line}" if 'state "' in line or "label=<<B>" in line else line,
    "no state": lambda line, text: "" if line.endswith("as a") or line.startswith('  "a" [') else line,
    "a rule twice": lambda line, text: f"{line}\n{line}" if "rule" in line and "->" in line else line,
    "no arrow": lambda line, text: "" if "rule" in line and "->" in line else line,
    "not active": lambda line, text: line.replace(" active", " side").replace("#ffd54f", "white"),
    "not around": lambda line, text: line.replace(" around", " side").replace("#fff6d6", "white"),
    "another target": lambda line, text: line.replace('> "a', '> "b').replace("> a", "> b"),
    "a brace less": lambda line, text: "" if line.strip() == "}" else line,
}


def is_found(format: Format, change: Change) -> bool:
    """Say whether a change of the text is seen in some drawn chart."""

    def fails(story: Story) -> bool:
        configuration = story.start or (story.states[0].name,)
        try:
            text = at(story.workflow(set()), configuration, format)
        except DefinitionError:
            return False
        changed = "\n".join(filter(None, (change(line, text) for line in text.splitlines()))) + "\n"
        try:
            return bool(misses(READERS[format](changed), expected(story, configuration)))
        except (AssertionError, IndexError, KeyError):
            return changed != text

    try:
        find(stories(), fails, settings=CONTROL)
    except NoSuchExample:
        return False
    return True


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("format", ["mermaid", "dot"])
def test_a_text_that_loses_or_doubles_something_is_found(format: Format, name: str) -> None:
    """The negative control of the judge above."""
    assert is_found(format, CHANGES[name])


def test_a_text_that_is_not_changed_is_not_found() -> None:
    assert not is_found("dot", lambda line, text: line)


# -- hostile texts -----------------------------------------------------------------------------------------------------

HOSTILE = (
    'a "b" \'c\' <b>x</b> &amp; --> : ; {e} } end %% \\n \\" #35; `q` *i* **b** _u_ __v__ $$x$$ ]] [[ <br/> <<fork>> '
    "note -->[*] ~~s~~ \\N \\G // | end note"
)
SEPARATED = f"{HOSTILE}\nstate x\r\n\t--\x00\x1b\u202e\u2028end"
SHOWN = f"{HOSTILE} state x --\ufffd\ufffd\ufffd end"


@frozen
class Go: ...


class Hostile(Workflow, revision=1):
    __doc__ = SEPARATED

    end = State(initial=True, tags=(SEPARATED,))

    class state(Compound):
        note = State(initial=True)
        root = State()
        _start_ = State()
        text = State()
        über = State()  # noqa: PLC2401  # a name that is no id of Mermaid's

    state_start = State()
    state__note = State()
    fork__1 = State()
    default = Final(outcome=SEPARATED)

    @on(Go, end, to=state, roles=(SEPARATED,))
    def direction(self, event: Go) -> None: ...

    @on(Go, state, to=None, roles=(SEPARATED,))
    def _class_(self, event: Go) -> None: ...

    @on(Go, state.note, to=default)
    def style(self, event: Go) -> None: ...


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("format", ["mermaid", "dot"])
def test_hostile_names_and_texts_are_signs_and_nothing_else(format: Format) -> None:
    """Tags, outcomes, roles and docstrings hold anything; names may be keywords, or what Mermaid would make itself."""
    seen = READERS[format](diagram(Hostile, format=format, configuration=("state.note",)))

    assert sorted(seen.states) == sorted(
        ["default", "end", "fork__1", "state", "state__note", "state_start"]
        + [f"state.{name}" for name in ("_start_", "note", "root", "text", "über")]
    )
    assert seen.active == {"state", "state.note"}
    assert ("state.note", ("default",), "style") in seen.rules


def test_names_of_a_machine_may_hold_any_sign() -> None:
    """Mermaid has no quotes for ids: what is no word gets an id of its own."""
    names = ["at home", 'a "b"', "[*]", "<b>", "a --> b", "]", "}", "#35;", "a\\b", "at__home"]
    go = [["go", name, names[-1]] for name in names]
    machine = Machine(None, states=names, initial=names[0], auto_transitions=False, transitions=go)
    workflow: type[Workflow[Any]] = Workflow.from_machine(machine, name="Odd", revision=1)

    seen = READERS["mermaid"](diagram(workflow))

    assert sorted(seen.states) == sorted(names)
    assert sorted(one[:2] for one in seen.rules) == sorted((name, (names[-1],)) for name in names)


def test_every_sign_of_a_hostile_text_is_shown_by_dot() -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not here")
    shown = svg(diagram(Hostile, format="dot"))

    assert f"end {SHOWN}" in shown
    assert f"Go as {SHOWN} / direction" in shown
    assert f"default outcome: {SHOWN}" in shown


def test_json_keeps_every_text_as_it_is() -> None:
    found = json.loads(diagram(Hostile, format="json"))
    states = {one["name"]: one for one in found["states"]}

    assert states["end"]["tags"] == [SEPARATED]
    assert states["default"]["outcome"] == SEPARATED
    assert [one["roles"] for one in found["rules"]] == [[SEPARATED], [SEPARATED], []]


def test_odd_ids_of_an_scxml_document_stay_apart() -> None:
    document = """
    <scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" name="end" initial="state">
      <state id="state"><transition event="end.note" target="b.x-1"/><state id="b.x"/><state id="b_x"/></state>
      <final id="b.x-1"/>
    </scxml>
    """
    workflow = Workflow.from_scxml(document)

    for name in FORMATS:
        assert READERS[name](diagram(workflow, format=name)).states == ["state", "state.b_x", "state.b_x_", "b_x_1"]


# -- what else a picture shows -----------------------------------------------------------------------------------------


@frozen
class Next: ...


@frozen
class Back: ...


class Player(Workflow, revision=2):
    """Plays, and comes back to where it was.

    The second paragraph is not shown.
    """

    off = State(initial=True, tags=("dark", "quiet"))

    class power(Compound):
        class song(Parallel, initial=True):
            class track(Compound):
                intro = State(initial=True, defer=(Back,))
                verse = State()
                over = Final()

            class volume(Compound):
                low = State(initial=True)
                high = State()

            deep = History(to=track, deep=True)

        paused = State()
        again = History(to=song)

    broken = Final(outcome="it broke")

    def can(self, event: Next) -> bool:
        return True

    @on((Next, Back), off, to=power.again, when=None, roles=("dj", "owner"))
    def up(self, event: Next | Back) -> None: ...
    @on(Next, power.song.track.intro, to=power.song.track.verse, when=can)
    def sing(self, event: Next) -> None: ...
    @on(Next, power.paused, to=(power.song.track.verse, power.song.volume.high))
    def loud(self, event: Next) -> None: ...
    @on(Back, power, to=None)
    def skip(self, event: Back) -> None: ...
    @on(Back, power.song.volume.high, to=power.song.volume.high, reenter=True)
    def louder(self, event: Back) -> None: ...
    @always(power.song.volume.low, to=power.song.volume.high)
    def turn(self) -> None: ...
    @done(power.song.track, to=power.paused)
    def rest(self) -> None: ...
    @on_error(power, to=broken)
    def fail(self, failed: Failed) -> None: ...
    @after("2d12h", power.paused, to=off)
    def sleep(self) -> None: ...
    @enter(power)
    def light(self) -> None: ...
    @leave(power)
    def dark(self) -> None: ...
    @task(power.song.track.verse, done=power.song.track.over, failed=broken, retry=Retry(5))
    def fetch(self) -> int:
        return 1

    @fetch.result
    def fetched(self, result: int) -> None: ...


WORDS = (  # noqa: SIM905  # a list of texts would be a page
    "H* deep|H again|dark, quiet|outcome: it broke|entry / light|exit / dark|Back / defer|Back / skip|"
    "do / fetch (up to 5 times)|Next, Back as dj or owner / up|Next [can] / sing|Next / loud|Back (reenter) / louder|"
    "always / turn|done / rest|error / fail|after 2d12h / sleep|fetch done / fetched|fetch failed"
).split("|")


@pytest.mark.parametrize("word", WORDS)
def test_a_picture_shows(word: str) -> None:
    """Guards, roles, histories, rows of a box, and rules without an event, in the words of docs/diagrams.md."""
    text = (
        diagram(Player).replace("#42;", "*").replace("<br/>", " ").replace("\N{NO-BREAK SPACE}", " ").replace("\\", "")
    )
    shown = text.replace("#92;", "").replace("#58;", ":")

    assert word in shown


def test_the_description_is_the_first_paragraph() -> None:
    found = json.loads(diagram(Player, format="json"))

    assert (found["format"], found["workflow"], found["revision"]) == (1, "Player", 2)
    assert found["description"] == "Plays, and comes back to where it was."
    assert found["tasks"] == [
        {"name": "fetch", "state": "power.song.track.verse", "attempts": 5, "delay_ms": 1000, "timeout_ms": None}
    ]


def test_a_cursor_is_highlighted_where_it_stands() -> None:
    cursor = Cursor(Order, OrderData()).send(Submit("lamp", 5)).send(Charged("ch-1"))

    assert diagram(cursor) == at(Order, ("fulfil.stock.queued", "fulfil.parcel.wanted"), "mermaid")


def test_an_instance_is_highlighted_where_it_stands(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = shipped(engine, "o-1")

        assert order.workflow is Order
        assert diagram(order, format="dot") == at(Order, ("shipped",), "dot")
        assert diagram(order, configuration=("cart",)) == at(Order, ("cart",), "mermaid")


def test_an_instance_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with shop(tmp_path) as engine, pytest.raises(Refused, match="unknown_instance"):
        diagram(engine.get(Order, "o-1"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_text_is_the_same_in_another_process(format: Format) -> None:
    """Nothing in it depends on the order of a set, which differs with the seed of hashes."""
    program = f"import sys; from tests.test_diagrams import *; sys.stdout.write(diagram(Player, format={format!r}))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout.decode()
        for seed in ("1", "2")
    ]

    assert runs == [diagram(Player, format=format)] * 2


class Abstract(Workflow, revision=1, abstract=True):
    some = State()


@pytest.mark.parametrize(
    ("code", "draw"),
    [
        ("PD145", lambda: diagram(Order, format=cast("Format", "svg"))),
        ("PD145", lambda: diagram(Order, format=cast("Format", ["dot"]))),
        ("PD146", lambda: diagram(Abstract)),
        ("PD146", lambda: diagram(OrderData)),
        ("PD146", lambda: diagram(Workflow)),
        ("PD146", lambda: diagram(cast("type", "examples.order:Order"))),
        ("PD147", lambda: diagram(Order, configuration=("fulfil.stock.queued",))),
        ("PD147", lambda: diagram(Order, configuration=("nowhere",))),
        ("PD147", lambda: diagram(Order, configuration=())),
        ("PD147", lambda: diagram(Order, configuration=cast("Configuration", "cart"))),
    ],
)
def test_what_cannot_be_drawn_is_an_error_with_its_code(code: str, draw: Callable[[], str]) -> None:
    with pytest.raises(DefinitionError) as raised:
        draw()

    assert raised.value.code == code


@pytest.mark.parametrize("text", ["1ms", "48h", "1d12h", "1w2d3h4m5s6ms"])
def test_a_duration_is_read_back_from_its_text(text: str) -> None:
    assert milliseconds(text_of(milliseconds(text, what="x")), what="x") == milliseconds(text, what="x")


# -- real readers ------------------------------------------------------------------------------------------------------


SVG = "{http://www.w3.org/2000/svg}"


def svg(text: str) -> list[str]:
    """Let Graphviz draw, without a warning; return what each box and arrow of the picture says."""
    ran = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), text
    groups = ET.fromstring(ran.stdout).iter(f"{SVG}g")  # noqa: S314  # Graphviz wrote it
    return [words(" ".join(one.text or "" for one in group.findall(f".//{SVG}text"))) for group in groups]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not here")
@FEW
@given(story=stories())
def test_graphviz_reads_every_chart(story: Story) -> None:
    """Reads, not draws: Graphviz 2.43 loses its way (`libpath`) where arrows of drawn charts cross many borders.

    Where it cannot rank the boxes of such a chart either (`init_rank`), or finds no way for its arrows while it ranks,
    which are faults of its own, the chart is only parsed.
    """
    text = diagram(story.workflow(set()), format="dot")
    ran = subprocess.run(["dot", "-Tcanon"], input=text, capture_output=True, text=True, check=False)
    if ran.stderr.startswith(("Error: trouble in init_rank", "libpath/")):
        ran = subprocess.run(["nop"], input=text, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, ""), text


@pytest.mark.long
@pytest.mark.skipif(shutil.which("mmdc") is None, reason="Mermaid's command line is not here")
@pytest.mark.parametrize("workflow", [Order, Player, Hostile])
def test_mermaid_draws_the_examples(workflow: type[Any], tmp_path: Path) -> None:
    source, picture, browser = (tmp_path / name for name in ("in.mmd", "out.svg", "browser.json"))
    source.write_text(diagram(workflow), encoding="utf-8")
    browser.write_text('{"args": ["--no-sandbox"]}')
    subprocess.run(["mmdc", "-q", "-p", browser, "-i", source, "-o", picture], check=True)
    drawn = picture.read_text(encoding="utf-8")

    assert all(
        state["name"].rpartition(".")[2] in drawn for state in json.loads(diagram(workflow, format="json"))["states"]
    )


# -- the picture of the README -----------------------------------------------------------------------------------------

IMAGES = ROOT / "docs" / "images"


def test_the_picture_of_the_readme_is_made_of_what_is_written_today() -> None:
    """docs/images/order.svg is drawn from order.dot by the command in docs/diagrams.md."""
    drawn = (IMAGES / "order.svg").read_text(encoding="utf-8")

    assert (IMAGES / "order.dot").read_text(encoding="utf-8") == text()
    assert drawn.count('fill="#ffd54f"') == 2
    assert drawn.count('fill="#fff6d6"') == 3
