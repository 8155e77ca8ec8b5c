"""A workflow under judgement: its definition, and everything that its chart can do."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from attrs import define, field

from statemachine.chart import Chart, Node, Rule
from statemachine.definition import Definition
from statemachine.findings.exploring import TASK, TIMER, Explored, Place, explore
from statemachine.specs import RuleSpec
from statemachine.tasks import noted

__all__ = ["Subject"]


@define(eq=False)
class Subject:
    """One workflow. `written` are its rules as they stand in the class, each with what it became in the chart."""

    definition: Definition
    explored: Explored = field(init=False)
    others: Sequence[Rule] = field(init=False)  # tasks and timers, as rules of events of their own
    reached: set[Node] = field(init=False)
    written: Mapping[int, Sequence[Rule]] = field(init=False)  # by the order of the declaration
    specs: Mapping[int, RuleSpec] = field(init=False)  # one of each

    def __attrs_post_init__(self) -> None:
        """Explore the chart."""
        chart = self.definition.chart
        chart = Chart(chart.text, dialect=chart.dialect)  # its caches are thrown away with it
        self.others = _others(chart, self.definition)
        self.explored = explore(chart, self.others)
        self.reached = self.explored.nodes()
        self.specs = {spec.order: spec for spec in self.definition.rules}
        orders = {_key(spec, source): spec.order for spec in self.definition.rules for source in spec.sources}
        written: dict[int, list[Rule]] = defaultdict(list)
        for rule in self.chart.rules:
            written[orders[_rule_key(rule)]].append(rule)
        self.written = written

    @property
    def label(self) -> str:
        """The workflow's name."""
        return self.definition.name

    @property
    def chart(self) -> Chart:
        """The chart that was explored: nodes and rules are its own."""
        return self.explored.chart

    def places_in(self, node: Node) -> list[Place]:
        """Return the places at which a node is active."""
        return [place for place in self.explored.steps if node in self.explored.active(place)]

    def is_rest(self, place: Place) -> bool:
        """Say whether an event can be sent at a place."""
        return not (place.ends or place in self.explored.passing or place in self.explored.ended)

    def owner(self, action: str) -> type | None:
        """Return the class in whose body a rule stands."""
        return next((owner for owner in self.definition.workflow.__mro__ if noted(vars(owner).get(action))), None)


def _others(chart: Chart, definition: Definition) -> list[Rule]:
    nodes = chart.nodes
    ways = [
        (f"{TASK}{task.name}", task.state, target) for task in definition.tasks for target in (task.done, task.failed)
    ]
    ways += [(f"{TIMER}{timer.name}", source, timer.target) for timer in definition.timers for source in timer.sources]
    return [
        Rule(
            order,
            event,
            nodes[source],
            () if target is None else (nodes[target],),
            event.partition(":")[2],
            guard=None,
            reenter=False,
            roles=(),
            recalls=chart.recalls,
        )
        for order, (event, source, target) in enumerate(ways)
    ]


def _key(spec: RuleSpec, source: str) -> tuple[object, ...]:
    return spec.event, source, spec.targets, spec.action, spec.guard, spec.reenter, spec.roles


def _rule_key(rule: Rule) -> tuple[object, ...]:
    targets = tuple(target.name for target in rule.targets)
    return rule.event, rule.source.name, targets, rule.action, rule.guard, rule.reenter, rule.roles
