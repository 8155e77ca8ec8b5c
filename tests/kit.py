"""What many tests need: a clock that is set by hand, an order that is brought to a state, a sentence."""

from pathlib import Path

from examples.order import SCHEMA, Approve, Charged, Labelled, Order, OrderData, Picked, Submit
from statemachine import Engine, Instance

LISTED = (
    "which cannot be stored without loss. Use bool, int, float, str, bytes, None, datetime, date, time, timedelta, "
    "UUID, Decimal, Enum, Literal, list[…], tuple[…], set[…], frozenset[…], dict[…, …], unions, attrs classes and "
    "dataclasses of these, or Annotated[…, CustomType(…)]."
)
"""What a refusal of a type says that can be used instead."""

STOCKED = f"{SCHEMA}; insert or ignore into stock values ('lamp', 5)"


class Clock:
    """Microseconds since 1970 UTC, as set."""

    def __init__(self, start: int = 1_700_000_000_000_000) -> None:
        self.now = start

    def __call__(self) -> int:
        return self.now


def shop(folder: Path, *, clock: Clock | None = None) -> Engine:
    """Return an engine on a new or existing file of orders."""
    return Engine(folder / "shop.db", Order, schema=STOCKED, clock=clock or Clock())


def shipped(engine: Engine, name: str) -> Instance[Order, OrderData]:
    """Return an order that went the whole way, in six versions."""
    order = engine.start(Order, id=name)
    order.send(Submit("lamp", 1800), key=f"{name}-submit")
    order.send(Approve("ann"), actor="ann", roles=("manager",))
    order.send(Charged("ch-1"))
    order.send(Picked("b7"))
    order.send(Labelled("t-1"))
    return order
