"""Declaration -> machine -> chart -> machine -> chart is stable: a chart's text holds all that it was compiled from."""

from collections.abc import Callable

import pytest
from attrs import evolve
from hypothesis import given, settings

from examples.order import Order
from statemachine import Workflow
from statemachine.chart import Chart
from statemachine.compiling import compile_chart
from statemachine.decompiling import Specs, specs_of
from statemachine.machine import build
from statemachine.workflow import definition_of
from tests.charts import Story, stories

SHORT = settings(max_examples=60, deadline=None)

DOCUMENT = """
<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" name="nested" initial="b">
  <state id="a"><initial><transition target="c d"/></initial>
    <parallel id="p">
      <state id="x"><state id="w"/><state id="c"/></state>
      <state id="y"><state id="v"/><state id="d"/></state>
    </parallel>
    <history id="h" type="deep"><transition target="p"/></history>
  </state>
  <state id="b"><transition event="go" target="h"/></state>
</scxml>
"""


def compiled(specs: Specs) -> Chart:
    """Build a machine of specs and compile it."""
    machine = build("again", specs.states, specs.rules)
    machine.initial = specs.initial
    machine.start = specs.start
    return compile_chart(machine, schemas=specs.schemas)


def again(text: str, change: Callable[[Specs], Specs] = lambda specs: specs) -> str:
    """Return the text of a chart that is built from a text."""
    return compiled(change(specs_of(text))).text


@SHORT
@given(story=stories())
def test_a_drawn_chart_comes_back_from_its_text(story: Story) -> None:
    text = story.chart().text

    assert again(text) == text


@SHORT
@given(story=stories())
def test_the_chart_of_a_declared_workflow_comes_back_from_its_text(story: Story) -> None:
    text = definition_of(story.workflow(set())).chart.text

    assert again(text) == text


def test_a_chart_that_comes_back_has_the_same_fingerprint_nodes_and_rules() -> None:
    chart = definition_of(Order).chart
    found = compiled(specs_of(chart.text))

    assert found.fingerprint == chart.fingerprint
    assert list(found.nodes) == list(chart.nodes)
    assert [(rule.event, rule.source.name, rule.roles) for rule in found.rules] == [
        (rule.event, rule.source.name, rule.roles) for rule in chart.rules
    ]


def test_a_chart_that_enters_inner_states_by_default_comes_back() -> None:
    text = definition_of(Workflow.from_scxml(DOCUMENT)).chart.text

    assert '"start":["a.p.x.c","a.p.y.d"]' in text
    assert again(text) == text


@pytest.mark.parametrize(
    "change",
    [
        lambda specs: evolve(specs, rules=tuple(evolve(one, order=-one.order) for one in specs.rules)),
        lambda specs: evolve(specs, rules=tuple(evolve(one, guard=None) for one in specs.rules)),
        lambda specs: evolve(specs, rules=tuple(evolve(one, roles=()) for one in specs.rules)),
        lambda specs: evolve(specs, states=specs.states[::-1]),
        lambda specs: evolve(specs, states=tuple(evolve(one, outcome=None) for one in specs.states)),
        lambda specs: evolve(specs, initial="review"),
        lambda specs: evolve(specs, schemas={}),
    ],
)
def test_what_is_lost_on_the_way_is_seen(change: Callable[[Specs], Specs]) -> None:
    """The negative control: a reader that loses anything of the text writes another one."""
    text = definition_of(Order).chart.text

    assert again(text, change) != text
