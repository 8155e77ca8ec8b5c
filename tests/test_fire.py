"""`fire` answers whatever comes in: one outcome, ready for JSON; what is refused leaves no row and consumes no key."""

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from attrs import define, field, frozen, validators
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from jsonschema import Draft202012Validator

from examples.order import Order, OrderData
from persistence import Busy, Closed, MemoryStore
from persistence.memory import MemoryReader
from statemachine import (
    DataError,
    Engine,
    Final,
    Instance,
    InvariantBroken,
    Outcome,
    Refused,
    State,
    Workflow,
    invariant,
    on,
)
from statemachine.codec import Codec
from statemachine.door import NEXT
from statemachine.errors import REFUSALS
from statemachine.workflow import definition_of
from tests.kit import shipped, shop


class Priority(Enum):
    LOW = "low"
    HIGH = "high"


@frozen
class Line:
    sku: str
    count: int = field(validator=validators.ge(0))


@frozen
class Parcel:
    weight: float
    parts: "tuple[Parcel, ...]" = ()


@frozen
class Letter:
    pages: int


@frozen
class Purchase:
    """Lists of records, with a validator."""

    lines: list[Line]
    note: str | None = None
    priority: Priority = Priority.LOW


@frozen
class Ship:
    """Unions, recursion and what JSON has no word for."""

    what: Parcel | Letter
    on: date
    price: Decimal


@frozen
class Tag:
    """Dicts, sets and literals."""

    labels: dict[str, int]
    colours: frozenset[str]
    size: Literal["s", "m", 1]
    by_number: dict[int, bool] = field(factory=dict[int, bool])


@frozen
class Ping: ...


@frozen
class Fail:
    how: str


@frozen
class End: ...


@define
class ShelfData:
    count: int = 0


class Shelf(Workflow[ShelfData], revision=1):
    """Takes what comes."""

    open_ = State(initial=True)
    ended = Final()

    @on((Purchase, Ship), open_, to=None)
    def take(self, event: Purchase | Ship) -> None: ...
    @on(Tag, open_, to=None)
    def tag(self, event: Tag) -> None: ...
    @on(Ping, open_, to=None)
    def ping(self, event: Ping) -> None: ...

    @on(Fail, open_, to=None)
    def fail(self, event: Fail) -> None:
        if event.how == "invariant":
            self.data.count = -1
        elif event.how == "data":
            self.data.count = cast("int", "many")
        elif event.how == "refuse":
            raise Refused("guard_failed", "the action says no")
        else:
            raise KeyError(event.how)

    @on(End, open_, to=ended)
    def end(self, event: End) -> None: ...

    @invariant
    def counts(self) -> bool:
        return self.data.count >= 0


def shelf(store: MemoryStore | None = None) -> Instance[Shelf, ShelfData]:
    return Engine(store or MemoryStore(), Shelf).start(Shelf, id="s")


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_an_outcome_says_what_became_of_the_call_and_where_the_instance_is(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order, id="o-1")
        arguments = {"sku": "lamp", "total": 1800}
        offers = [{"event": "Cancel", "enabled": "yes", "to": ["cancelled"]}]

        committed = order.fire("Submit", arguments, key="k-1", actor="ann", note="please")
        assert committed == {
            "outcome": "committed",
            "code": "",
            "hint": "Submit is version 2, cart → review.",
            "transition": 2,
            "state": "review",
            "version": 2,
            "offers": offers,
        }
        assert (order.history()[1].actor, order.history()[1].note) == ("ann", "please")

        replayed = order.fire("Submit", arguments, key="k-1")
        assert replayed == {
            **committed,
            "outcome": "replayed",
            "hint": "This key had run before, and nothing happened again: Submit is version 2, cart → review.",
        }

        assert order.fire("Approve", {"by": "bob"}, expect_version=2) == {
            "outcome": "refused",
            "code": "role_missing",
            "hint": f"Approve in review needs one of the roles manager. {NEXT['role_missing']}",
            "transition": None,
            "state": "review",
            "version": 2,
            "offers": offers,
        }
        assert [one["event"] for one in order.fire("Ping", {}, roles=("manager",))["offers"]] == ["Approve", "Cancel"]


def test_a_replay_tells_the_state_of_now(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = shipped(engine, "o-1")
        outcome = order.fire("Submit", {"sku": "lamp", "total": 1800}, key="o-1-submit")

    assert (outcome["transition"], outcome["version"], outcome["state"]) == (2, 6, "shipped")


def test_a_parallel_state_is_a_list(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order = engine.start(Order)
        order.fire("Submit", {"sku": "lamp", "total": 1})
        outcome = order.fire("Charged", {"charge": "c"})

    assert outcome["state"] == ["fulfil.stock.queued", "fulfil.parcel.wanted"]
    assert outcome["offers"][0]["to"] == [["fulfil.stock.picked", "fulfil.parcel.wanted"]]


def test_a_hint_carries_the_docstring_of_the_guard() -> None:
    class Gate(Workflow[None], revision=1):
        shut = State(initial=True)

        def has_key(self, event: Ping) -> bool:
            """Only who has a key goes through."""
            return False

        @on(Ping, shut, to=None, when=has_key)
        def ping(self, event: Ping) -> None: ...

    outcome = Engine(MemoryStore(), Gate).start(Gate).fire("Ping", {})
    assert outcome["code"] == "guard_failed"
    assert outcome["hint"] == (
        f"Ping in shut was stopped by has_key (Only who has a key goes through.). {NEXT['guard_failed']}"
    )


def test_every_code_of_a_refusal_says_what_to_do_next() -> None:
    assert list(NEXT) == list(REFUSALS)
    assert [code for code, text in NEXT.items() if not text.endswith(".")] == []


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_each_mistake_is_told_at_once_with_its_path() -> None:
    lines = [{"sku": "a", "count": 1}, {"sku": 2, "count": 1}, {"sku": "c", "count": "3"}, {"sku": "d", "count": -1}]
    outcome = shelf().fire("Purchase", {"lines": lines, "priority": "MID", "hurry": True})

    assert outcome["hint"].removesuffix(f". {NEXT['invalid_payload']}").split("; ") == [
        "arguments.lines[1].sku: expected text, got 2",
        'arguments.lines[2].count: expected an integer, got "3"',
        "arguments.lines[3]: 'count' must be >= 0: -1",
        "arguments.priority: expected 'LOW' or 'HIGH', got \"MID\"",
        "arguments: unknown fields: hurry",
    ]


class Unreadable(dict[str, object]):
    """A mapping with a fault of its own."""

    def keys(self) -> Any:
        raise RuntimeError("no")


class Silent:
    """Something that cannot even be shown."""

    def __repr__(self) -> str:
        raise ValueError("no")


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


BIG = "x" * 10_000_000
BAD: list[tuple[str, Any, Any, dict[str, Any], str]] = [
    ("name with a NUL", "Ping\0", {}, {}, "unknown_event"),
    ("name of 10 MB", BIG, {}, {}, "unknown_event"),
    ("name that is no text", ["Ping"], {}, {}, "unknown_event"),
    ("name that is empty", "", {}, {}, "unknown_event"),
    ("name with a lone surrogate", "\ud800", {}, {}, "unknown_event"),
    ("name of no event", "Submit", {}, {}, "unknown_event"),
    ("name of the start", "perdure.start", {}, {}, "unknown_event"),
    ("arguments as a list", "Ping", [], {}, "invalid_payload"),
    ("arguments as text", "Ping", "{}", {}, "invalid_payload"),
    ("arguments as nothing", "Ping", None, {}, "invalid_payload"),
    ("arguments as an object that cannot be read", "Ping", Unreadable(a=1), {}, "invalid_payload"),
    ("text of 10 MB", "Purchase", {"lines": [], "note": BIG}, {}, "invalid_payload"),
    ("10 MB in an unknown field", "Ping", {"note": BIG}, {}, "invalid_payload"),
    ("10 MB in the name of a field", "Ping", {BIG: 1}, {}, "invalid_payload"),
    ("10 MB in a key", "Tag", {"labels": {BIG: "1"}, "colours": [], "size": "s"}, {}, "invalid_payload"),
    ("100,000 mistakes", "Purchase", {"lines": [{}] * 100_000}, {}, "invalid_payload"),
    ("100,000 unknown fields", "Ping", {f"f{n}": n for n in range(100_000)}, {}, "invalid_payload"),
    ("a name that is no text", "Ping", {1: 2}, {}, "invalid_payload"),
    ("a set", "Tag", {"labels": {}, "colours": {"red"}, "size": "s"}, {}, "invalid_payload"),
    ("an object of Python", "Purchase", {"lines": [Line("a", 1)]}, {}, "invalid_payload"),
    ("an object that cannot be shown", "Purchase", {"lines": Silent()}, {}, "invalid_payload"),
    ("NaN", "Ship", {"what": {"$type": "Parcel", "weight": float("nan")}, "on": "2026-01-01", "price": "1"}, {}, ""),
    ("a lone surrogate", "Purchase", {"lines": [], "note": "\ud800"}, {}, "invalid_payload"),
    ("a lone surrogate in a name", "Ping", {"\ud800": 1}, {}, "invalid_payload"),
    ("an integer of 5,000 digits", "Purchase", {"lines": [{"sku": "a", "count": 10**5000}]}, {}, "invalid_payload"),
    ("deep nesting where text should be", "Purchase", {"lines": [], "note": nested(100_000)}, {}, "invalid_payload"),
    ("key of 1 MB", "Ping", {}, {"key": "k" * 1_000_000}, "invalid_argument"),
    ("key with a NUL", "Ping", {}, {"key": "k\0"}, "invalid_argument"),
    ("key that is empty", "Ping", {}, {"key": ""}, "invalid_argument"),
    ("key that is no text", "Ping", {}, {"key": 7}, "invalid_argument"),
    ("key that cannot be shown", "Ping", {}, {"key": Silent()}, "invalid_argument"),
    ("actor that is no text", "Ping", {}, {"actor": b"ann"}, "invalid_argument"),
    ("note of 1 MB", "Ping", {}, {"note": "n" * 1_000_000}, "invalid_argument"),
    ("roles as text", "Ping", {}, {"roles": "manager"}, "invalid_argument"),
    ("expect_version as text", "Ping", {}, {"expect_version": "1"}, "invalid_argument"),
    ("a stale version", "Ping", {}, {"expect_version": 7}, "stale_version"),
]
OUTCOME_BYTES_MAX = 4_000  # a refusal is read by a model: it must not send its own mistake back in full


@pytest.mark.parametrize(("name", "arguments", "extras", "code"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_bad_input_is_refused_with_its_code(name: Any, arguments: Any, extras: dict[str, Any], code: str) -> None:
    """No row, no key, a short outcome that JSON takes, and the instance goes on."""
    one = shelf()
    extras = {"key": "k", **extras}

    outcome = one.fire(name, arguments, **extras)

    assert (outcome["outcome"], outcome["code"]) == ("refused", code or "invalid_payload")
    assert len(json.dumps(outcome, ensure_ascii=False).encode()) <= OUTCOME_BYTES_MAX
    assert (outcome["state"], outcome["version"], len(outcome["offers"])) == ("open_", 1, 6)
    assert one.fire("Ping", {}, key="k")["outcome"] == "committed"
    assert len(one.history()) == 2


def test_nesting_that_a_recursive_type_does_not_admit_is_refused() -> None:
    parcel: dict[str, object] = {"weight": 1.0}
    for _ in range(5_000):
        parcel = {"weight": 1.0, "parts": [parcel]}
    parcel["$type"] = "Parcel"
    outcome = shelf().fire("Ship", {"what": parcel, "on": "2026-01-01", "price": "1"})

    assert outcome["code"] == "invalid_payload"
    assert "nested deeper than" in outcome["hint"]


def test_an_object_that_holds_itself_is_refused() -> None:
    arguments: dict[str, object] = {"lines": []}
    arguments["note"] = arguments

    assert shelf().fire("Purchase", arguments)["code"] == "invalid_payload"


def test_an_unknown_instance_is_refused() -> None:
    """A handle of what is not there: `engine.get` would have refused it before."""
    engine = Engine(MemoryStore(), Shelf)
    outcome = Instance[Shelf, ShelfData](engine, definition_of(Shelf), "nobody").fire("Ping", {})

    assert outcome == {
        "outcome": "refused",
        "code": "unknown_instance",
        "hint": f"there is no instance 'nobody' of Shelf. {NEXT['unknown_instance']}",
        "transition": None,
        "state": [],
        "version": 0,
        "offers": [],
    }


def test_an_instance_that_ended_is_refused() -> None:
    one = shelf()
    one.fire("End", {})
    outcome = one.fire("Ping", {}, key="k")

    assert (outcome["code"], outcome["state"], outcome["version"]) == ("instance_final", "ended", 2)
    assert outcome["offers"] == []


def test_the_same_key_with_another_event_or_payload_is_refused() -> None:
    one = shelf()
    one.fire("Purchase", {"lines": []}, key="k")

    assert one.fire("Purchase", {"lines": [], "note": "n"}, key="k")["code"] == "key_reused"
    assert one.fire("Ping", {}, key="k")["code"] == "key_reused"
    assert one.fire("Purchase", {"lines": [], "note": None}, key="k")["outcome"] == "replayed"  # the default, spelt out


# -- what raises -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "kind"), [("invariant", InvariantBroken), ("data", DataError), ("key", KeyError)])
def test_the_authors_fault_raises_and_consumes_no_key(how: str, kind: type[Exception]) -> None:
    one = shelf()
    with pytest.raises(kind):
        one.fire("Fail", {"how": how}, key="k")

    assert one.version == 1
    assert one.fire("Ping", {}, key="k")["outcome"] == "committed"


def test_an_action_that_refuses_is_a_refusal() -> None:
    outcome = shelf().fire("Fail", {"how": "refuse"})

    assert (outcome["outcome"], outcome["code"]) == ("refused", "guard_failed")
    assert outcome["hint"].startswith("the action says no.")


def test_a_closed_engine_raises(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        order: Instance[Order, OrderData] = engine.start(Order)
    with pytest.raises(Closed):
        order.fire("Cancel", {})


class Blind(MemoryStore):
    """A store that cannot be read for a while."""

    is_blind = False

    @contextmanager
    def reader(self) -> Generator[MemoryReader]:
        if self.is_blind:
            raise Busy("nobody can read")
        with super().reader() as reader:
            yield reader


def test_a_committed_event_is_told_even_if_nothing_can_be_read_afterwards() -> None:
    store = Blind()
    one = shelf(store)
    store.is_blind = True
    outcome = one.fire("Ping", {})
    store.is_blind = False

    assert (outcome["outcome"], outcome["state"], outcome["version"], outcome["offers"]) == (
        "committed",
        "open_",
        2,
        [],
    )
    assert "nobody can read" in outcome["hint"]
    assert one.version == 2


# -- drawn payloads ----------------------------------------------------------------------------------------------------

EVENTS: dict[str, type[Any]] = {"Purchase": Purchase, "Ship": Ship, "Tag": Tag, "Ping": Ping}
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(exclude_categories=()), max_size=5),
    st.sampled_from(["1", "LOW", "2026-01-31", "1.10", "Parcel", {1}, b"x", Line("a", 1), (1, 2)]),
)
ANYTHING = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def plain(name: str) -> st.SearchStrategy[Any]:
    """Valid arguments: the stored form of a value that is drawn from the event's type."""
    codec = Codec(EVENTS[name], path=name)
    return _values(name).map(lambda value: json.loads(codec.encode(value)))


def _values(name: str) -> st.SearchStrategy[Any]:
    text = st.text(max_size=5)
    whole = st.integers(0, 2**63 - 1)
    parcels: st.SearchStrategy[Any] = st.recursive(
        st.builds(Parcel, st.floats(allow_nan=False, allow_infinity=False)),
        lambda inner: st.builds(Parcel, st.just(1.0), st.lists(inner, max_size=2).map(tuple)),
        max_leaves=4,
    )
    prices = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000)
    return {
        "Purchase": st.builds(
            Purchase, st.lists(st.builds(Line, text, whole), max_size=3), st.none() | text, st.sampled_from(Priority)
        ),
        "Ship": st.builds(Ship, parcels | st.builds(Letter, whole), st.dates(), prices),
        "Tag": st.builds(
            Tag,
            st.dictionaries(text, whole, max_size=3),
            st.frozensets(text, max_size=3),
            st.sampled_from(["s", "m", 1]),
            st.dictionaries(st.integers(-5, 5), st.booleans(), max_size=2),
        ),
        "Ping": st.just(Ping()),
    }[name]


@st.composite
def bent(draw: Callable[[st.SearchStrategy[Any]], Any], name: str) -> Any:
    """Arguments that were valid, with one place in them changed, lost or added."""
    arguments = draw(plain(name))
    places = list(_places(arguments))
    if not places:
        return {draw(st.text(max_size=3)): draw(ANYTHING)}
    holder, place = draw(st.sampled_from(places))
    how = draw(st.sampled_from(["change", "change", "lose", "add"]))
    if how == "change":
        holder[place] = draw(ANYTHING)
    elif how == "lose":
        del holder[place]
    elif isinstance(holder, dict):
        holder[draw(st.text(max_size=3))] = draw(ANYTHING)
    else:
        holder.append(draw(ANYTHING))
    return arguments


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place inside, as what holds it and where it is there."""
    for place in [*value] if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, place
        yield from _places(value[place])


def arguments_of(name: str) -> st.SearchStrategy[Any]:
    return st.one_of(plain(name), bent(name), bent(name), ANYTHING)


def judged(name: str, arguments: Any) -> str | None:
    """Fire drawn arguments under a key and say what is wrong with what became of it; None if nothing is.

    The judges share nothing with the door: `jsonschema` on the event's schema, the codec's bytes of a value of its own,
    and the journal.
    """
    one = shelf()
    outcome = one.fire(name, arguments, key="k")
    json.dumps(outcome, ensure_ascii=False).encode()
    codec = Codec(EVENTS[name], path=name)
    if outcome["outcome"] == "refused":
        return _wrongly_refused(one, outcome, codec, arguments)
    if not Draft202012Validator(codec.schema()).is_valid(arguments):
        return "committed what the schema does not admit"
    stored = one.history()[1].payload
    if codec.encode(codec.structure(stored)) != json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode():
        return "stored what does not come back"
    if one.fire(name, arguments, key="k")["outcome"] != "replayed":
        return "the same call under its key was not replayed"
    return None


def _wrongly_refused(
    one: Instance[Shelf, ShelfData], outcome: Outcome, codec: "Codec[Any]", arguments: Any
) -> str | None:
    if outcome["code"] != "invalid_payload" or not outcome["hint"].startswith("arguments"):
        return f"refused as {outcome['code']}: {outcome['hint']}"
    if one.version != 1 or one.fire("Ping", {}, key="k")["outcome"] != "committed":
        return "a refusal left a row or consumed its key"
    if isinstance(arguments, Mapping):
        try:
            codec.decode(json.dumps(arguments).encode())
        except (DataError, TypeError, ValueError):
            return None
        return "refused what the codec reads" if _is_plain(arguments) else None
    return None


def _is_plain(value: Any) -> bool:
    """Whether JSON says it as it is: no tuple, no key that is no text."""
    if isinstance(value, dict):
        entries: dict[Any, Any] = value
        return all(type(key) is str and _is_plain(one) for key, one in entries.items())
    return all(_is_plain(holder[place]) for holder, place in _places(value)) and not isinstance(value, tuple)


SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
SHORT = settings(max_examples=60, deadline=None, print_blob=True, suppress_health_check=SLOW)
LONG = settings(SHORT, max_examples=1000)
CONTROL = settings(SHORT, max_examples=1000, derandomize=True, database=None, phases=[Phase.generate], print_blob=False)


def check(name: str, bounds: settings) -> None:
    seen = Counter[str]()

    @given(arguments_of(name))
    @example({})
    @bounds
    def holds(arguments: Any) -> None:
        assert judged(name, arguments) is None
        seen[shelf().fire(name, arguments)["outcome"]] += 1

    holds()
    assert set(seen) == {"committed", "refused"}


@pytest.mark.parametrize("name", EVENTS)
def test_no_payload_makes_fire_raise_or_commit_what_the_codec_refuses(name: str) -> None:
    check(name, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("name", EVENTS)
def test_a_thousand_payloads_of_each_event(name: str) -> None:
    check(name, LONG)


@pytest.mark.parametrize("fault", ["converts", "drops", "raises", "keeps the key"])
def test_a_door_with_a_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: it turns text into numbers, drops unknown fields, lets an error out, writes a refusal's row."""
    structure = Codec[Any].structure

    def converting(codec: "Codec[Any]", arguments: Any, *, path: str | None = None) -> Any:
        if path != "arguments":
            return structure(codec, arguments, path=path)
        lines = [{**line, "count": int(line["count"])} for line in arguments.get("lines", ())]
        return structure(codec, {**arguments, "lines": lines}, path=path)

    def dropping(codec: "Codec[Any]", arguments: Any, *, path: str | None = None) -> Any:
        known = {key: one for key, one in arguments.items() if key in {"lines", "note", "priority"}}
        return structure(codec, known if path == "arguments" else arguments, path=path)

    def raising(codec: "Codec[Any]", arguments: Any, *, path: str | None = None) -> Any:
        try:
            return structure(codec, arguments, path=path)
        except DataError as error:
            raise DataError("arguments") if path is None else ValueError("let out") from error

    def keeping(codec: "Codec[Any]", arguments: Any, *, path: str | None = None) -> Any:
        try:
            return structure(codec, arguments, path=path)
        except DataError:
            return structure(codec, {"lines": []}, path=path)

    faults = {"converts": converting, "drops": dropping, "raises": raising, "keeps the key": keeping}
    monkeypatch.setattr(Codec, "structure", faults[fault])
    try:
        found = find(arguments_of("Purchase"), _is_found, settings=CONTROL)
    except NoSuchExample:
        pytest.fail("the fault was not found")
    assert _is_found(found)


def _is_found(arguments: Any) -> bool:
    try:
        return judged("Purchase", arguments) is not None
    except Exception:  # noqa: BLE001  # fire raised: that is a finding
        return True
