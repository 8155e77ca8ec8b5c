"""Sell, charge, pick and ship an order: nested and parallel states, guards, roles, an invariant, own rows."""

from attrs import define, frozen

from statemachine import Compound, Final, Parallel, State, Workflow, done, invariant, on

SCHEMA = "create table if not exists stock (sku text primary key, n int)"


@frozen
class Submit:
    sku: str
    total: int


@frozen
class Approve:
    by: str


@frozen
class Charged:
    charge: str


@frozen
class Picked:
    bin: str


@frozen
class Labelled:
    tracking: str


@frozen
class Cancel:
    why: str = ""


@define
class OrderData:
    sku: str = ""
    total: int = 0
    approver: str | None = None
    charge: str | None = None
    tracking: str | None = None


class Order(Workflow[OrderData], revision=1):
    """Sell, charge, pick and ship one order."""

    cart = State(initial=True)
    review = State(tags=("human",))
    charging = State()

    class fulfil(Parallel):
        class stock(Compound):
            queued = State(initial=True)
            picked = Final()

        class parcel(Compound):
            wanted = State(initial=True)
            labelled = Final()

    shipped = Final()
    cancelled = Final(outcome="cancelled")

    def is_large(self, event: Submit) -> bool:
        return event.total >= 1000

    @on(Submit, cart, to=review, when=is_large)
    def submit_large(self, event: Submit) -> None:
        self.data.sku, self.data.total = event.sku, event.total

    @on(Submit, cart, to=charging)
    def submit(self, event: Submit) -> None:
        self.data.sku, self.data.total = event.sku, event.total

    @on(Approve, review, to=charging, roles=("manager",))
    def approve(self, event: Approve) -> None:
        self.data.approver = event.by

    @on(Charged, charging, to=fulfil)
    def charged(self, event: Charged) -> None:
        self.data.charge = event.charge

    @on(Picked, fulfil.stock.queued, to=fulfil.stock.picked)
    def picked(self, event: Picked) -> None:
        self.sql.execute("update stock set n = n - 1 where sku = ?", (self.data.sku,))

    @on(Labelled, fulfil.parcel.wanted, to=fulfil.parcel.labelled)
    def labelled(self, event: Labelled) -> None:
        self.data.tracking = event.tracking

    @done(fulfil, to=shipped)
    def ship(self) -> None: ...
    @on(Cancel, cart, review, to=cancelled)
    def cancel(self, event: Cancel) -> None: ...
    @invariant
    def charged_before_shipping(self) -> bool:
        return not self.is_in(Order.shipped) or self.data.charge is not None
