"""An offer says what `send` would do, and why not; it runs guards, runs no action and writes nothing."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define, field, frozen
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample
from jsonschema import Draft202012Validator

from examples.order import SCHEMA, Approve, Cancel, Order, Submit
from persistence import MemoryStore
from statemachine import (
    Compound,
    Engine,
    Final,
    Instance,
    InvariantBroken,
    Offer,
    Parallel,
    Refused,
    State,
    Workflow,
    always,
    offers,
    on,
    step,
)
from statemachine.chart import Memory
from statemachine.events import AttrsEvent
from statemachine.offers import REASONS
from tests.charts import EVENTS, MICROSTEPS_MAX, Log, Story, stories
from tests.kit import shipped, shop

ROOT = Path(__file__).resolve().parent.parent
ASKED: Counter[str] = Counter()  # how often each guard was asked


@frozen
class Ask:
    """Somebody asks."""

    amount: int


@frozen
class Grant: ...


@frozen
class Audit: ...


@define
class DeskData:
    asked: int = 0
    limit: int = 100
    log: list[str] = field(factory=list[str])


class Desk(Workflow[DeskData], revision=1):
    """Rules of every kind."""

    idle = State(initial=True)
    busy = State()
    checked = State()
    closed = Final()

    def is_small(self, event: Ask) -> bool:
        """Small amounts need nobody.

        Not even a chief.
        """
        return event.amount <= self.data.limit

    def is_open(self) -> bool:
        """The desk is open."""
        ASKED["is_open"] += 1
        return self.data.limit > 0

    def is_shut(self) -> bool:
        """The desk is shut."""
        return self.data.limit <= 0

    def is_busy(self) -> bool:
        ASKED["is_busy"] += 1
        return True

    def is_checked(self) -> bool:
        return self.data.asked > 10

    @on(Ask, idle, to=busy, when=is_small)
    def ask(self, event: Ask) -> None:
        """Ask for a small amount."""
        self.data.asked = event.amount

    @on(Ask, checked, to=None)
    def ask_again(self, event: Ask) -> None:
        """Ask for any amount."""

    @on(Grant, idle, to=checked, when=is_open)
    def grant(self, event: Grant) -> None: ...

    @on(Grant, idle, to=closed)
    def grant_late(self, event: Grant) -> None: ...

    @on(Grant, busy, to=idle, when=is_busy)
    def grant_busy(self, event: Grant) -> None: ...

    @on(Audit, idle, to=closed, roles=("auditor", "chief"))
    def audit(self, event: Audit) -> None: ...

    @on(Audit, checked, to=idle, when=is_shut)
    def audit_checked(self, event: Audit) -> None: ...

    @always(busy, to=checked, when=is_checked)
    def check_it(self) -> None: ...


def desk(data: DeskData | None = None) -> Instance[Desk, DeskData]:
    return Engine(MemoryStore(), Desk).start(Desk, data, id="d")


def short(one: Offer) -> tuple[object, ...]:
    """What of an offer the tests compare."""
    reason = one.get("reason")
    return one["event"], one["enabled"], one["to"], reason and reason["code"]


# -- the list ----------------------------------------------------------------------------------------------------------


def test_every_event_is_offered_in_the_order_of_its_first_rule() -> None:
    """A guard that reads the payload makes it depend; one without an event is answered; what follows is followed."""
    assert [short(one) for one in desk().offers()] == [
        ("Ask", "depends", ["busy", "checked"], "payload_needed"),
        ("Grant", "yes", ["checked"], None),
        ("Audit", "no", [], "role_missing"),
    ]


def test_an_offer_has_docstrings_and_a_valid_schema_and_json_takes_it() -> None:
    ask = desk().offers()[0]

    assert ask["description"] == "Ask for a small amount.\nAsk for any amount."
    assert ask["schema"]["properties"] == {"amount": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}}
    Draft202012Validator.check_schema(ask["schema"])
    assert json.loads(json.dumps(desk().offers())) == desk().offers()


def test_without_docstrings_of_rules_the_event_describes_itself(tmp_path: Path) -> None:
    class Bare(Workflow[None], revision=1):
        idle = State(initial=True)

        @on(Ask, idle, to=None)
        def ask(self, event: Ask) -> None: ...

    assert Engine(MemoryStore(), Bare).start(Bare).offers()[0]["description"] == "Somebody asks."


def test_the_first_rule_that_holds_hides_the_later_ones() -> None:
    assert short(desk().offers()[1])[2] == ["checked"]
    assert short(desk(DeskData(limit=0)).offers()[1])[2] == ["closed"]


def test_a_rule_behind_a_guard_that_reads_the_payload_makes_the_event_certain(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order)
        assert short(order.offers()[0]) == ("Submit", "yes", ["review", "charging"], None)


def test_reasons_say_in_which_state_through_which_guard_and_for_which_role() -> None:
    idle = desk()
    grantee = desk()
    grantee.send(Grant())

    reasons = [one.get("reason") for one in (*idle.offers(), *grantee.offers())]
    assert reasons == [
        {
            "code": "payload_needed",
            "hint": "Ask in idle depends on what is_small (Small amounts need nobody. Not even a chief.) finds in the "
            "payload",
            "guards": {"is_small": "Small amounts need nobody.\n\nNot even a chief."},
        },
        None,
        {
            "code": "role_missing",
            "hint": "Audit in idle needs one of the roles auditor, chief",
            "roles": ["auditor", "chief"],
        },
        None,
        {
            "code": "event_not_enabled",
            "hint": "Grant is taken in idle, busy, not in checked",
            "states": ["idle", "busy"],
        },
        {
            "code": "guard_failed",
            "hint": "Audit in checked was stopped by is_shut (The desk is shut.)",
            "guards": {"is_shut": "The desk is shut."},
        },
    ]


def test_roles_of_the_sender_decide() -> None:
    assert short(desk().offers(roles=("chief",))[2]) == ("Audit", "yes", ["closed"], None)


def test_an_instance_that_ended_offers_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        found = shipped(engine, "o-1").offers()
        assert [short(one)[1:] for one in found] == [("no", [], "instance_final")] * 6
        assert found[0].get("reason") == {"code": "instance_final", "hint": "'o-1' ended as shipped"}


def test_each_guard_of_the_active_states_is_asked_once_and_no_other() -> None:
    one = desk()
    ASKED.clear()
    one.offers()

    assert ASKED == {"is_open": 1}


def test_many_guards_that_read_the_payload_are_bounded() -> None:
    """Six regions that may each go or stay are 64 targets: at most TRIALS_MAX of them are named."""

    class Wide(Workflow[None], revision=1):
        class all_(Parallel, initial=True):
            class r0(Compound):
                a, b = State(initial=True), State()

            class r1(Compound):
                a, b = State(initial=True), State()

            class r2(Compound):
                a, b = State(initial=True), State()

            class r3(Compound):
                a, b = State(initial=True), State()

            class r4(Compound):
                a, b = State(initial=True), State()

            class r5(Compound):
                a, b = State(initial=True), State()

        def goes(self, event: Ask) -> bool:
            raise AssertionError(event)

        @on(Ask, all_.r0.a, to=all_.r0.b, when=goes)
        def go0(self, event: Ask) -> None: ...
        @on(Ask, all_.r1.a, to=all_.r1.b, when=goes)
        def go1(self, event: Ask) -> None: ...
        @on(Ask, all_.r2.a, to=all_.r2.b, when=goes)
        def go2(self, event: Ask) -> None: ...
        @on(Ask, all_.r3.a, to=all_.r3.b, when=goes)
        def go3(self, event: Ask) -> None: ...
        @on(Ask, all_.r4.a, to=all_.r4.b, when=goes)
        def go4(self, event: Ask) -> None: ...
        @on(Ask, all_.r5.a, to=all_.r5.b, when=goes)
        def go5(self, event: Ask) -> None: ...

    (one,) = Engine(MemoryStore(), Wide).start(Wide).offers()
    assert (one["enabled"], len(one["to"])) == ("depends", offers.TRIALS_MAX - 1)  # one trial took nothing


# -- one event ---------------------------------------------------------------------------------------------------------


def test_a_payload_decides(tmp_path: Path) -> None:
    assert [short(one) for amount in (5, 500) for one in desk().offers(Ask(amount))] == [
        ("Ask", "yes", ["busy", "checked"], None),
        ("Ask", "no", [], "guard_failed"),
    ]
    assert desk().offers("Ask", {"amount": 5}) == desk().offers(Ask(5))


def test_a_payload_that_does_not_fit_is_not_enabled() -> None:
    (one,) = desk().offers("Ask", {"amount": "5", "more": 1})

    assert short(one) == ("Ask", "no", [], "invalid_payload")
    assert one.get("reason", {}).get("hint") == (
        'arguments.amount: expected an integer, got "5"; arguments: unknown fields: more'
    )
    assert short(desk().offers(Ask(cast("int", "5")))[0])[3] == "invalid_payload"


@pytest.mark.parametrize("given", [("Ask",), (Ask(5), {}), ("Ask", {}, {})])
def test_offers_says_what_it_takes(given: tuple[Any, ...]) -> None:
    one: Any = desk()  # of what the type checkers would not let through
    with pytest.raises(TypeError, match="takes nothing, an event, or the name of one and its arguments"):
        one.offers(*given)


def test_what_no_offer_can_be_made_of_is_refused() -> None:
    one: Any = desk()  # of what the type checkers would not let through
    table: list[tuple[tuple[object, ...], dict[str, object], str]] = [
        (("Nothing", {}), {}, "unknown_event"),
        ((Submit("lamp", 1),), {}, "unknown_event"),
        ((Ask,), {}, "unknown_event"),
        ((), {"roles": "chief"}, "invalid_argument"),
        ((), {"actor": 7}, "invalid_argument"),
        ((Audit(),), {"actor": 7}, "invalid_argument"),
    ]
    for what, extras, code in table:
        with pytest.raises(Refused) as raised:
            one.offers(*what, **extras)
        assert raised.value.code == code


# -- nothing is written, nothing breaks --------------------------------------------------------------------------------


class Faulty(Workflow[DeskData], revision=1):
    """Guards that do what a guard must not do."""

    idle = State(initial=True)

    def breaks(self) -> bool:
        """Look at the log."""
        return self.data.log[0] == "x"

    def writes(self) -> bool:
        self.data.log.append("x")
        return True

    def writes_rows(self) -> bool:
        self.sql.execute("insert into stock values ('pen', 1)")
        return True

    def calls(self) -> bool:
        HANDLES[0].send(Audit())
        return True

    def is_stocked(self) -> bool:
        return self.sql.execute("select n from stock where sku = 'lamp'") == [(5,)]

    @on(Ask, idle, to=None, when=breaks)
    def ask(self, event: Ask) -> None: ...
    @on(Grant, idle, to=None, when=writes)
    def grant(self, event: Grant) -> None: ...
    @on(Approve, idle, to=None, when=writes_rows)
    def approve(self, event: Approve) -> None: ...
    @on(Cancel, idle, to=None, when=calls)
    def cancel(self, event: Cancel) -> None: ...
    @on(Audit, idle, to=None, when=is_stocked)
    def audit(self, event: Audit) -> None: ...


HANDLES: list[Instance[Faulty, DeskData]] = []


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Instance[Faulty, DeskData]]:
    stocked = f"{SCHEMA}; insert or ignore into stock values ('lamp', 5)"
    with Engine(tmp_path / "faulty.db", Faulty, schema=stocked) as engine:
        HANDLES[:] = [engine.start(Faulty, id="f")]
        yield HANDLES[0]


def test_a_guard_with_a_fault_spoils_its_own_offer_and_no_other(faulty: Instance[Faulty, DeskData]) -> None:
    found = faulty.offers()

    assert [short(one)[1:] for one in found] == [*[("no", [], "would_raise")] * 4, ("yes", ["idle"], None)]
    hints = [one["reason"]["hint"] for one in found if "reason" in one]
    assert hints[0] == "breaks raises IndexError: list index out of range"
    assert hints[1].startswith("writes raises FrameError: PF402 ")
    assert hints[2].startswith("writes_rows raises SqlFailed: ")
    assert hints[3].startswith("calls raises ReentrantCall: PF408 ")
    assert found[0].get("reason", {}).get("guards") == {"breaks": "Look at the log."}


def test_offers_write_nothing(faulty: Instance[Faulty, DeskData], tmp_path: Path) -> None:
    before = faulty.history()[-1].hash
    faulty.offers()
    faulty.offers(Audit())

    with Engine(tmp_path / "faulty.db", Faulty) as other:
        assert other.sql().execute("select sku, n from stock") == [("lamp", 5)]
        assert [one.hash for one in other.get(Faulty, "f").history()] == [before]
        assert other.get(Faulty, "f").data == DeskData()


def test_rules_that_find_no_rest_are_named() -> None:
    class Restless(Workflow[None], revision=1):
        idle, left, right = State(initial=True), State(), State()

        @on(Grant, idle, to=left)
        def grant(self, event: Grant) -> None: ...
        @always(left, to=right)
        def there(self) -> None: ...
        @always(right, to=left)
        def back(self) -> None: ...

    (one,) = Engine(MemoryStore(), Restless).start(Restless).offers()
    assert short(one) == ("Grant", "no", [], "would_raise")
    assert "no rest after" in one.get("reason", {}).get("hint", "")


def test_every_code_of_a_reason_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    assert [code for code in REASONS if f"| `{code}` |" not in page] == []


# -- offers and `send` agree on random charts --------------------------------------------------------------------------

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SHORT = settings(max_examples=25, deadline=None, print_blob=True, suppress_health_check=SLOW)
CONTROL = settings(SHORT, max_examples=2000, derandomize=True, database=None, phases=[Phase.generate], print_blob=False)
TRIALS: Counter[str] = Counter()  # of the last offer
ORIGINAL_TRIALS = offers._trials  # counted below


def _counted(*arguments: Any) -> Iterator[object]:
    TRIALS.clear()
    for one in ORIGINAL_TRIALS(*arguments):
        TRIALS["made"] += 1
        yield one


@pytest.fixture
def _bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MICROSTEPS_MAX", MICROSTEPS_MAX)
    monkeypatch.setattr(offers, "_trials", _counted)


def disagreement(story: Story) -> str | None:
    """Send every event of a story; say where the offer made before it was wrong. Actions raise no events here."""
    holding = set[str]()
    workflow = story.workflow(holding)
    try:
        drawn: Instance[Workflow[Log], Log] = Engine(MemoryStore(), workflow).start(workflow)
    except InvariantBroken:
        return None
    for sent in story.sends:
        holding.clear()
        holding.update(sent.holding)
        try:
            (offer,) = drawn.offers(EVENTS[sent.event]())
        except Refused:  # no rule names the event
            continue
        is_cut = TRIALS["made"] == offers.TRIALS_MAX
        if offer != next(one for one in drawn.offers() if one["event"] == sent.event):
            return "the list says something else"
        told = _told(drawn, EVENTS[sent.event]())
        if told not in _expected(offer) and not (is_cut and told[0] == "yes"):
            return f"{short(offer)} was offered, {told} is what became of it"
    return None


def _told(drawn: Instance[Workflow[Log], Log], event: AttrsEvent) -> tuple[str, object]:
    try:
        after = drawn.send(event).after
    except Refused as refused:
        return "no", refused.code
    except InvariantBroken:
        return "no", "would_raise"
    return "yes", after[0] if len(after) == 1 else list(after)


def _expected(offer: Offer) -> list[tuple[str, object]]:
    """What may become of it. Guards that are asked after actions may send it round for ever: that no offer knows."""
    if offer["enabled"] == "yes":
        return [*(("yes", state) for state in offer["to"]), ("no", "would_raise")]
    reason = offer.get("reason")
    assert reason is not None
    assert offer["enabled"] == "no" or reason["code"] == "would_raise"  # the payload is given
    return [*(("yes", state) for state in offer["to"]), ("no", reason["code"])]


@pytest.mark.usefixtures("_bounds")
@given(stories())
@SHORT
def test_an_offer_is_what_send_does(story: Story) -> None:
    """Enabled: it commits and the state after it stands in `to`. Not enabled: it is refused with the same code."""
    assert disagreement(_calm(story)) is None


@pytest.mark.long
@pytest.mark.usefixtures("_bounds")
@given(stories())
@settings(SHORT, max_examples=150)
def test_an_offer_is_what_send_does_on_many_charts(story: Story) -> None:
    """The same on more charts."""
    assert disagreement(_calm(story)) is None


def _calm(story: Story) -> Story:
    object.__setattr__(story, "raises", {})  # what an action raises no offer can know
    return story


@pytest.mark.usefixtures("_bounds")
@pytest.mark.parametrize("fault", ["guards", "follow"])
def test_a_wrong_offer_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: offers that take a guard's no for a yes, and offers that stop after the first microstep."""
    if fault == "guards":
        monkeypatch.setattr(offers.Answers, "of", lambda self, rule: True)
    else:
        monkeypatch.setattr(step, "_next", _nothing_follows_a_trial)
    try:
        find(stories(), lambda story: disagreement(_calm(story)) is not None, settings=CONTROL)
    except NoSuchExample:
        pytest.fail("the fault was not found")


ORIGINAL_NEXT = step._next  # the control replaces it


def _nothing_follows_a_trial(*arguments: Any, runner: step.Runner, memory: Memory) -> object:
    if isinstance(runner, offers._Trial):  # this is whom the control is about
        return None, None
    return ORIGINAL_NEXT(*arguments, runner=runner, memory=memory)
