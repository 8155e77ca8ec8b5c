"""The work that disasters strike: three ledgers whose actions write into the user's own tables."""

from attrs import define, frozen

from recovery.drills.disks.trial import Trial
from recovery.drills.steps import Step
from statemachine import Final, State, Workflow, invariant, on
from statemachine.events import START
from statemachine.workflow import definition_of

SCHEMA = """
create table if not exists line (ledger text not null, place int not null, amount int not null,
    primary key (ledger, place)) strict;
create table if not exists total (name text primary key, amount int not null) strict;
insert or ignore into total values ('all', 0)
"""
NAMES = ("a", "b", "c")
START_TIME = 1_700_000_000_000_000
SECOND = 1_000_000


@frozen
class Add:
    amount: int


@frozen
class Close:
    pass


@define
class LedgerData:
    places: int = 0
    sum: int = 0


class Ledger(Workflow[LedgerData], revision=1):
    """Add amounts up, here and in the user's tables."""

    fresh = State(initial=True)
    busy = State()
    closed = Final()

    @on(Add, fresh, to=busy)
    def first(self, event: Add) -> None:
        self.add(event)

    @on(Add, busy, to=None)
    def more(self, event: Add) -> None:
        self.add(event)

    @on(Close, busy, to=closed)
    def close(self, event: Close) -> None:
        self.sql.execute("delete from line where ledger = ? and place = 1", (self.id,))

    def add(self, event: Add) -> None:
        self.data.places += 1
        self.data.sum += event.amount
        self.sql.execute("update total set amount = amount + ? where name = 'all'", (event.amount,))
        self.sql.execute("insert into line values (?, ?, ?)", (self.id, self.data.places, event.amount))

    @invariant
    def sum_is_that_of_the_lines(self) -> bool:
        rows = self.sql.execute("select coalesce(sum(amount), 0) from line where ledger = ?", (self.id,))
        return self.is_in(Ledger.closed) or rows == [(self.data.sum,)]


def ledgers(count: int, *, level: str = "full") -> Trial:
    """Return a trial of so many transitions: three starts, then amounts in turn; the last one closes a ledger."""
    definition = definition_of(Ledger)
    steps: list[Step] = []
    for number in range(count):
        name, time = NAMES[number % len(NAMES)], START_TIME + number * SECOND
        if number < len(NAMES):
            data = definition.encode_data(LedgerData())
            steps.append(Step(name, START, data, None, time, shown=f"start {name}"))
            continue
        event = Close() if number == count - 1 and number >= 2 * len(NAMES) else Add(number)
        payload = definition.events[type(event).__name__].encode(event)
        key, shown = f"step-{number}", f"{name}: {event}"
        steps.append(Step(name, type(event).__name__, payload, key, time, shown=shown))
    return Trial(Ledger, SCHEMA, tuple(steps), level)
