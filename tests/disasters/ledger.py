"""The work that disasters strike: three ledgers whose actions write into the user's own tables.

`ledgers` is one caller, step after step. In `batches` several steps are committed together, among them some that take
no version: refused ones, one that fails after its SQL has run, and one that leaves a deferred foreign key broken.
"""

from attrs import define, frozen

from recovery.drills.disks.trial import Group, Trial
from recovery.drills.steps import Step
from statemachine import Final, State, Workflow, invariant, on
from statemachine.events import START
from statemachine.workflow import definition_of

SCHEMA = """
create table if not exists line (ledger text not null, place int not null, amount int not null,
    primary key (ledger, place)) strict;
create table if not exists total (name text primary key, amount int not null) strict;
create table if not exists debt (name text not null references total deferrable initially deferred, amount int) strict;
insert or ignore into total values ('all', 0)
"""
NAMES = ("a", "b", "c")
START_TIME = 1_700_000_000_000_000
SECOND = 1_000_000


@frozen
class Add:
    amount: int


@frozen
class Spoil:
    """Add, and fail."""

    amount: int


@frozen
class Owe:
    """Add, and owe it to nobody."""

    amount: int


@frozen
class Void:
    """Add, and end the transaction, as a conflict does that is to roll back."""

    amount: int


@frozen
class Close:
    pass


class SpoiltError(Exception):
    """What the workflow's own code raises."""


@define
class LedgerData:
    places: int = 0
    sum: int = 0


class Ledger(Workflow[LedgerData], revision=1):
    """Add amounts up, here and in the user's tables."""

    fresh = State(initial=True)
    busy = State()
    closed = Final()

    def is_positive(self, event: Add) -> bool:
        return event.amount > 0

    @on(Add, fresh, to=busy, when=is_positive)
    def first(self, event: Add) -> None:
        self.add(event.amount)

    @on(Add, busy, to=None, when=is_positive)
    def more(self, event: Add) -> None:
        self.add(event.amount)

    @on(Spoil, fresh, busy, to=None)
    def spoil(self, event: Spoil) -> None:
        self.add(event.amount)
        raise SpoiltError(f"{event.amount} is spoilt")

    @on(Owe, fresh, busy, to=None)
    def owe(self, event: Owe) -> None:
        self.add(event.amount)
        self.sql.execute("insert into debt values ('nobody', ?)", (event.amount,))

    @on(Void, fresh, busy, to=None)
    def void(self, event: Void) -> None:
        self.add(event.amount)
        self.sql.execute("insert or rollback into total values ('all', 0)")

    @on(Close, busy, to=closed)
    def close(self, event: Close) -> None:
        self.sql.execute("delete from line where ledger = ? and place = 1", (self.id,))

    def add(self, amount: int) -> None:
        self.data.places += 1
        self.data.sum += amount
        self.sql.execute("update total set amount = amount + ? where name = 'all'", (amount,))
        self.sql.execute("insert into line values (?, ?, ?)", (self.id, self.data.places, amount))

    @invariant
    def sum_is_that_of_the_lines(self) -> bool:
        rows = self.sql.execute("select coalesce(sum(amount), 0) from line where ledger = ?", (self.id,))
        return self.is_in(Ledger.closed) or rows == [(self.data.sum,)]


Event = Add | Spoil | Owe | Void | Close
Sent = tuple[str, Event, str, str]
"""Ledger, event, key, and how it fails: a refusal's code or an error's name, or nothing."""


def ledgers(count: int, *, level: str = "full") -> Trial:
    """Return a trial of so many transitions: three starts, then amounts in turn; the last one closes a ledger."""
    groups = _starts(count)
    for number in range(len(NAMES), count):
        event = Close() if number == count - 1 and number >= 2 * len(NAMES) else Add(number)
        groups.append((_step((NAMES[number % len(NAMES)], event, f"step-{number}", ""), number),))
    return Trial(Ledger, SCHEMA, tuple(groups), level)


def batches(count: int, *, level: str = "full", is_whole: bool = True) -> Trial:
    """Return a trial of three starts and so many batches: of three transitions each, and one in the last one.

    `is_whole`: else each of them has a member that ends the transaction, so that all are decided again one by one.
    """
    groups, fails = _starts(len(NAMES)), dict[Step, str]()
    for number in range(count):
        sent = _closing(number) if number == count - 1 else (_spoiling, _owing)[number % 2](number)
        sent += [] if is_whole else [("b", Void(10 * number + 9), f"void-{number}", "SqlFailed")]
        steps = [_step(one, len(NAMES) + number) for one in sent]
        fails |= {step: how for step, (*_, how) in zip(steps, sent, strict=True) if how}
        groups.append(tuple(steps))
    held = _step(("a", Add(0), "held", "guard_failed"), 0)
    return Trial(Ledger, SCHEMA, tuple(groups), level, fails=fails, is_whole=is_whole, held=held)


def _spoiling(number: int) -> list[Sent]:
    """Three amounts, two of them of one ledger; one that is refused, and one that fails after its SQL has run."""
    first = 10 * number
    return [
        ("a", Add(first + 1), f"add-{first + 1}", ""),
        ("b", Add(first + 2), f"add-{first + 2}", ""),
        ("c", Add(0), f"none-{first}", "guard_failed"),
        ("a", Add(first + 3), f"add-{first + 3}", ""),
        ("b", Spoil(first + 4), f"spoil-{first + 4}", "SpoiltError"),
    ]


def _owing(number: int) -> list[Sent]:
    """Three amounts around a broken foreign key; one that comes twice, and a key of the batch before for another."""
    first = 10 * number
    again = ("b", Add(first + 2), f"add-{first + 2}", "")
    return [
        ("c", Add(first + 1), f"add-{first + 1}", ""),
        ("a", Owe(first + 5), f"owe-{first + 5}", "SqlFailed"),
        again,
        ("c", Add(first + 3), f"add-{first + 3}", ""),
        ("a", Add(first + 4), f"add-{first - 10 + 1}", "key_reused"),
        again,
    ]


def _closing(number: int) -> list[Sent]:
    """A ledger that is closed beside one that fails and one that owes."""
    first = 10 * number
    return [
        ("a", Spoil(first + 1), f"spoil-{first + 1}", "SpoiltError"),
        ("c", Close(), "close", ""),
        ("b", Owe(first + 2), f"owe-{first + 2}", "SqlFailed"),
    ]


def _starts(count: int) -> list[Group]:
    """Return the starts of three ledgers, or of as many as are asked for."""
    data = definition_of(Ledger).encode_data(LedgerData())
    names = enumerate(NAMES[:count])
    return [(Step(name, START, data, None, _time(number), shown=f"start {name}"),) for number, name in names]


def _step(sent: Sent, number: int) -> Step:
    name, event, key, _ = sent
    kind = type(event).__name__
    payload = definition_of(Ledger).events[kind].encode(event)
    return Step(name, kind, payload, key, _time(number), shown=f"{name}: {event}")


def _time(number: int) -> int:
    return START_TIME + number * SECOND
