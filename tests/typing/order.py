"""The program of the design, word for word: it must type-check under both checkers with no ignore."""

from attrs import define, frozen

from statemachine import Compound, Final, Parallel, Retry, State, Workflow, after, done, invariant, on, task


async def charge_card(*, total: int, idempotency_key: str) -> str:  # the outside world
    return f"ch-{idempotency_key}-{total}"


@frozen
class Submit:
    sku: str
    total: int


@frozen
class Approve:
    by: str


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

    @on(Submit, cart, to=review, when=is_large)  # the first rule that holds wins, in source order
    def submit_large(self, event: Submit) -> None:
        """Large orders wait for a person."""
        self.data.sku, self.data.total = event.sku, event.total

    @on(Submit, cart, to=charging)
    def submit(self, event: Submit) -> None:
        self.data.sku, self.data.total = event.sku, event.total

    @on(Approve, review, to=charging, roles=("manager",))
    def approve(self, event: Approve) -> None:
        self.data.approver = event.by

    @after("48h", review, to=cancelled)  # durable timer: set on entry, cleared on exit
    def review_expired(self) -> None: ...

    @task(charging, done=fulfil, failed=cancelled, retry=Retry(5, delay="2s"), timeout="30s")
    async def charge(self) -> str:  # an effect: runs after the commit, outside any transaction
        return await charge_card(total=self.data.total, idempotency_key=self.effect_key)

    @charge.result  # runs inside the transition that the result causes
    def charged(self, charge_id: str) -> None:
        self.data.charge = charge_id

    @on(Picked, fulfil.stock.queued, to=fulfil.stock.picked)
    def picked(self, event: Picked) -> None:
        self.sql.execute(
            "update stock set n = n - 1 where sku = ?", (self.data.sku,)
        )  # the user's rows, same transaction

    @on(Labelled, fulfil.parcel.wanted, to=fulfil.parcel.labelled)
    def labelled(self, event: Labelled) -> None:
        self.data.tracking = event.tracking

    @done(fulfil, to=shipped)  # every region final
    def ship(self) -> None: ...

    @on(Cancel, cart, review, to=cancelled)
    def cancel(self, event: Cancel) -> None: ...

    @invariant
    def charged_before_shipping(self) -> bool:  # checked inside every transaction, in recovery and in drills
        return not self.is_in(Order.shipped) or self.data.charge is not None
