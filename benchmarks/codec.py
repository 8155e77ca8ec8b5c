"""Encoding and decoding beside cattrs: a class of ten fields, one of them a list of three nested objects.

    python -m benchmarks.codec [rounds]

In turn, so that a slow moment of the machine meets all of them; the median of the rounds, in microseconds, and the
ratio to cattrs' fastest configuration with orjson, round by round. Target: at most 1.3, strictness included.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable

from attrs import define, field

from statemachine._codec import writing
from statemachine._codec.resolving import resolve
from statemachine.codec import Codec

LOOPS = 5_000


@define
class Line:
    sku: str
    quantity: int
    price: float


@define
class Order:
    sku: str = ""
    total: int = 0
    share: float = 0.0
    is_paid: bool = False
    approver: str | None = None
    charge: str | None = None
    attempts: int = 0
    tags: list[str] = field(factory=list[str])
    counts: dict[str, int] = field(factory=dict[str, int])
    lines: list[Line] = field(factory=list[Line])


ORDER = Order(
    sku="lamp-1800",
    total=1800,
    share=0.25,
    is_paid=True,
    approver="ann",
    attempts=3,
    tags=["gift", "fragile"],
    counts={"ship": 2, "bill": 1},
    lines=[Line("lamp", 1, 12.5), Line("bulb", 4, 2.25), Line("cable", 2, 7.99)],
)


def contenders() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Return what is measured: how it encodes, and how it decodes what it encoded."""
    from cattrs.preconf.json import make_converter as make_json
    from cattrs.preconf.orjson import make_converter as make_orjson

    plain = make_json()
    fast = make_orjson(detailed_validation=False)
    slow_text, fast_text = plain.dumps(ORDER), fast.dumps(ORDER)
    with_orjson = Codec(Order, path="Order")
    image = with_orjson.encode(ORDER)
    assert with_orjson.decode(image) == ORDER
    without = without_orjson()
    assert without.encode(ORDER) == image
    return {
        "cattrs, orjson, fastest": (lambda: fast.dumps(ORDER), lambda: fast.loads(fast_text, Order)),
        "cattrs, json": (lambda: plain.dumps(ORDER), lambda: plain.loads(slow_text, Order)),
        "perdure, orjson": (lambda: with_orjson.encode(ORDER), lambda: with_orjson.decode(image)),
        "perdure, json": (lambda: without.encode(ORDER), lambda: without.decode(image)),
    }


def without_orjson() -> Codec[Order]:
    """Return a codec that was made as if orjson were not installed."""
    found = Codec(Order, path="Order")
    resolved = resolve(Order, "Order").kind
    vars(found).update(_out=writing.writer(resolved, writing.JSON), _to_bytes=writing.JSON.to_bytes, _parse=None)
    return found


def microseconds(function: Callable[[], object]) -> float:
    """Return the time of one call, over many."""
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    for _ in range(LOOPS):
        function()
    spent = time.perf_counter() - start
    gc.enable()
    return spent / LOOPS * 1e6


def main() -> None:
    """Print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    measured = contenders()
    found: dict[str, list[list[float]]] = {name: [[], []] for name in measured}
    for _ in range(rounds + 1):  # the first warms up
        for name, functions in measured.items():
            for times, function in zip(found[name], functions, strict=True):
                times.append(microseconds(function))
    base = next(iter(found.values()))
    columns = f"{'min…max':>14}{'ratio':>7}"
    print(f"{'us, ' + str(rounds) + ' rounds':<26}{'encode':>8}{columns}{'decode':>10}{columns}")
    for name, both in found.items():
        cells = ""
        for times, against in zip(both, base, strict=True):
            ratio = statistics.median(one / other for one, other in zip(times[1:], against[1:], strict=True))
            spread = f"{min(times[1:]):.2f}…{max(times[1:]):.2f}"
            cells += f"{statistics.median(times[1:]):>9.2f}{spread:>14}{ratio:>7.2f} "
        print(f"{name:<25}{cells}")


if __name__ == "__main__":
    main()
