"""What a crowd sends to: tills, whose takings stand in their data and, where they were booked, in the user's table."""

from attrs import define, frozen

from statemachine import State, Workflow, on

__all__ = ["SCHEMA", "SHARED", "Add", "Book", "Till", "TillData", "own"]

SCHEMA = "create table if not exists line (till text not null, version int not null, amount int not null) strict"
SHARED = ("shared-0", "shared-1", "shared-2")  # tills that everybody sends to


def own(part: int, thread: int) -> str:
    """Return the till that only one thread sends to."""
    return f"own-{part}-{thread}"


@frozen
class Add:
    amount: int


@frozen
class Book:
    """Add an amount, and write a line of it."""

    amount: int


@define
class TillData:
    total: int = 0
    booked: int = 0


class Till(Workflow[TillData], revision=1):
    """Adds up what it is sent."""

    open_ = State(initial=True)

    def is_positive(self, event: Add) -> bool:
        return event.amount > 0

    @on(Add, open_, to=None, when=is_positive)
    def add(self, event: Add) -> None:
        self.data.total += event.amount

    @on(Book, open_, to=None)
    def book(self, event: Book) -> None:
        self.data.total += event.amount
        self.data.booked += event.amount
        self.sql.execute("insert into line values (?, ?, ?)", (self.id, self.version, event.amount))
