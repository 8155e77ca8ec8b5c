"""A subclass of the design's program, in every form that a subclass may take, with no ignore; and what callers see."""

import asyncio
from concurrent.futures import Future
from datetime import timedelta
from typing import assert_type

from attrs import define, frozen

import recovery
from statemachine import (
    ANY,
    Compound,
    Cursor,
    Engine,
    Final,
    Instance,
    Offer,
    Outcome,
    Retry,
    State,
    Transition,
    Workflow,
    after,
    always,
    done,
    enter,
    invariant,
    leave,
    on,
    task,
)
from tests.typing.order import Approve, Cancel, Order, OrderData, Submit


@frozen
class Hold:
    reason: str


@frozen
class Resume:
    """Go on."""


class GiftOrder(Order, revision=1, name="gift"):
    """Its rules come before its base's; it reuses the base's guard and states, and overrides."""

    held = State(tags=("human", "slow"))

    class fulfil(Order.fulfil):  # the base's regions, and one more
        class wrapping(Compound):
            flat = State(initial=True)
            wrapped = Final()

    @on(Submit, Order.cart, to=held, when=Order.is_large)
    def hold_large(self, event: Submit) -> None:
        self.data.sku = event.sku

    @on(Hold, Order.cart, Order.review, fulfil.stock.queued, to=held)
    def hold(self, event: Hold) -> None: ...

    @on((Resume, Cancel), held, to=Order.cancelled)
    def resume(self, event: Resume | Cancel) -> None: ...

    @on((Hold, Approve, Submit), held, to=None)
    def stay(self, event: Hold | Approve | Submit) -> None: ...

    @on(Approve, Order.review, to=Order.charging)  # redefined: replaces the base's rule
    def approve(self, event: Approve) -> None:
        super().approve(event)

    def submit(self, event: Submit) -> None:  # not decorated: keeps the base's rule
        super().submit(event)

    def is_large(self, event: Submit) -> bool:  # guards bind by name
        return event.total >= 10

    @on(Resume, fulfil.wrapping.flat, to=fulfil.wrapping.wrapped)
    def wrap(self, event: Resume) -> None: ...

    @after(timedelta(days=30), held, to=Order.cancelled)
    def held_too_long(self) -> None: ...

    @task(Order.charging, done=fulfil, failed=Order.cancelled)  # redefined
    async def charge(self) -> str:
        return self.effect_key

    @task(held, done=None, failed=Order.cancelled, retry=Retry(3), timeout=timedelta(seconds=2))
    def remind(self) -> int:
        return self.data.total

    @remind.result
    def reminded(self, times: int) -> None:
        self.data.total = times


@define
class Tally:
    count: int = 0


@frozen
class Add:
    much: int = 1


class Counter(Workflow[Tally], revision=1, strict=True):
    """Every other decorator; a guard with and one without the event."""

    idle = State(initial=True)

    class run(Compound):
        slow = State(initial=True)
        fast = Final()

    over = Final()

    def is_much(self) -> bool:
        return self.data.count > 10

    def is_more(self, event: Add) -> bool:
        return event.much > 1

    @on(Add, idle, to=run, when=is_more)
    @on(Add, idle, to=None)
    def add(self, event: Add) -> None:
        self.data.count += event.much

    @always(run.slow, to=run.fast, when=is_much)
    def hurry(self) -> None: ...

    @done(run, to=over, when=is_much)
    def end(self) -> None: ...

    @on(Cancel, ANY, to=over)
    def cancel(self, event: Cancel) -> None: ...

    @enter(run, run.slow)
    @leave(run)
    def note_it(self) -> None:
        self.raise_(Cancel(why=self.new_id()))

    @invariant
    def counts_up(self) -> bool:
        return self.data.count >= 0 and not self.is_in(Counter.over)


class Tick(Workflow[None], revision=1):
    """A workflow without data."""

    on_ = State(initial=True)

    @on(Add, on_, to=None)
    def add(self, event: Add) -> None: ...


class Parking(Tick, revision=2, strict=True, accept={"PD202 parked": "kept for instances of revision 1"}):
    """A finding that is meant."""

    parked = State()

    @on(Add, Tick.on_, to=parked)
    def park(self, event: Add) -> None: ...


def callers(path: str) -> None:
    """What a caller gets is typed by the class alone."""
    with recovery.open(path, Order, GiftOrder, schema="create table if not exists stock (sku text, n int)") as engine:
        gift = engine.start(GiftOrder, id="g-1")
        assert_type(gift, Instance[GiftOrder, OrderData])
        assert_type(gift.data, OrderData)
        assert_type(gift.send(Submit("lamp", 1800), key="msg-1"), Transition)
        assert_type(gift.submit(Submit("lamp", 1800), key="msg-1"), Future[Transition])
        assert_type(gift.fire("Submit", {"sku": "lamp", "total": 1}, key="msg-1"), Outcome)
        assert_type(gift.offers(roles=("manager",)), list[Offer])
        assert_type(gift.offers(Submit("lamp", 1)), list[Offer])
        assert_type(gift.offers("Submit", {"sku": "lamp"}), list[Offer])
        assert_type(gift.history(), list[Transition])
        assert_type(engine.get(Order, "o-1"), Instance[Order, OrderData])
        assert_type(engine.start(Order, OrderData(sku="lamp")), Instance[Order, OrderData])
    with Engine(path, Counter, Tick) as other:
        other.start(Tick).send(Add())
        assert_type(other.start(Counter, Tally(3)).data.count, int)
    assert_type(Cursor(Counter, Tally()).send(Add(2), roles=("boss",)).data, Tally)
    assert_type(Cursor(Tick, None).data, None)


async def waiting(gift: Instance[GiftOrder, OrderData]) -> None:
    """Coroutines: a task can be made of them."""
    assert_type(await gift.asend(Submit("lamp", 1800), expect_version=1), Transition)
    assert_type(await asyncio.create_task(gift.afire("Submit", {"sku": "lamp"})), Outcome)
    async with asyncio.TaskGroup() as group:
        group.create_task(gift.asend(Submit("lamp", 1)))


async def unit_tests() -> None:
    """A decorated method is still a method."""
    Order(OrderData()).submit(Submit("lamp", 1))
    assert_type(await Order(OrderData()).charge(), str)
    assert_type(GiftOrder(OrderData()).remind(), int)
    GiftOrder(OrderData()).reminded(3)
    assert_type(Order(OrderData()).is_large(Submit("lamp", 1)), bool)
