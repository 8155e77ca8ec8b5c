"""Was anything lost, or done twice? Judged from what the parent was told, never from what the engine remembers. Pure.

What must hold, and what breaks it:
  (1) each acknowledged transition is in the journal, under its version and with its hash      else it is lost
  (2) each key is in one row of the journal, and each row of the ledger is there once          else it was applied twice
  (3) the journal holds nothing that nobody was told of, once every step is acknowledged
  (4) an order's versions are 1, 2, 3 … and each hash follows from the row before it, from version 1 on
  (5) the ledger is what the journal implies, row for row, and the stock is what the ledger's orders took
  (6) each order has ended
  (7) a kill before COMMIT left nothing and one after it left the transition, and sending it again was answered so
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from attrs import frozen

from perdure.demo.order import SKUS, STOCK
from perdure.demo.parent import Death
from perdure.demo.script import Script
from perdure.demo.wire import Acknowledged
from persistence import Head, Row
from persistence.records import genesis, head_hash, record_digest

__all__ = ["Evidence", "Finding", "Kind", "judge"]


class Kind(Enum):
    """What a finding says."""

    LOST = "lost"
    TWICE = "applied twice"
    WRONG = "wrong"


@frozen
class Finding:
    """One thing that must not be."""

    kind: Kind
    text: str


@frozen
class Evidence:
    """What there is to judge: the parent's list, and what stands in the file."""

    script: Script
    acknowledged: tuple[Acknowledged, ...]
    deaths: tuple[Death, ...]
    heads: Mapping[str, Head]
    journals: Mapping[str, Sequence[Row]]
    ledger: tuple[tuple[str, int, str], ...]  # order, version, what
    stock: Mapping[str, int]


def judge(evidence: Evidence) -> list[Finding]:
    """Return everything that must not be; nothing where all is well. Pure."""
    checks = (_lost, _twice, _untold, _chains, _ledger, _stock, _unfinished, _deaths)
    return [finding for check in checks for finding in check(evidence)]


def _lost(evidence: Evidence) -> Iterator[Finding]:
    rows = {(order, row.record.version): row for order, journal in evidence.journals.items() for row in journal}
    for told in evidence.acknowledged:
        row = rows.get((told.order, told.version))
        if row is not None and (row.record.event, row.hash.hex()) == (told.event, told.hash):
            continue
        instead = "nothing" if row is None else f"{row.record.event} {row.hash.hex()[:12]}"
        yield Finding(
            Kind.LOST,
            f"{told.order} version {told.version}: {told.event} {told.hash[:12]} was acknowledged, "
            f"the journal holds {instead} there",
        )


def _twice(evidence: Evidence) -> Iterator[Finding]:
    keys = Counter((order, row.record.key) for order, rows in evidence.journals.items() for row in rows)
    for (order, key), count in keys.items():
        if key is not None and count > 1:
            yield Finding(Kind.TWICE, f"{order}: {key} is in {count} rows of the journal")
    for (order, version, what), count in Counter(evidence.ledger).items():
        if count > 1:
            yield Finding(Kind.TWICE, f"{order} version {version}: {what!r} is in {count} rows of the ledger")


def _untold(evidence: Evidence) -> Iterator[Finding]:
    missing = len(evidence.script.steps) - len(evidence.acknowledged)
    if missing:
        yield Finding(Kind.WRONG, f"{missing} steps were never acknowledged")
    told = {(one.order, one.version, one.hash) for one in evidence.acknowledged}
    for order, rows in evidence.journals.items():
        for row in rows:
            if (order, row.record.version, row.hash.hex()) not in told:
                name = f"{order} version {row.record.version}: {row.record.event}"
                yield Finding(Kind.WRONG, f"{name} is in the journal, and nobody was told")


def _chains(evidence: Evidence) -> Iterator[Finding]:
    for order, rows in evidence.journals.items():
        head = evidence.heads[order]
        previous = genesis(order, head.workflow, head.secret)
        for place, row in enumerate(rows, start=1):
            if row.record.version != place:
                yield Finding(Kind.WRONG, f"{order}: version {place} is missing, {row.record.version} stands there")
                break
            if head_hash(previous, record_digest(row.record), _image(row)) != row.hash:
                yield Finding(Kind.WRONG, f"{order} version {place}: its hash does not follow from the row before it")
                break
            previous = row.hash
        if previous != head.hash:
            yield Finding(Kind.WRONG, f"{order}: the chain does not lead to the head, version {head.version}")


def _image(row: Row) -> bytes:
    image = json.loads(row.record.body)["image"]
    return json.dumps(image, ensure_ascii=False, separators=(",", ":")).encode()


def _ledger(evidence: Evidence) -> Iterator[Finding]:
    implied = Counter(
        (order, row.record.version, what)
        for order, rows in evidence.journals.items()
        for row in rows
        for what in _booked(row)
    )
    found = Counter(set(evidence.ledger))  # rows that are there twice are another check's
    for order, version, what in sorted(implied - found):
        yield Finding(Kind.WRONG, f"{order} version {version}: {what!r} is missing from the ledger")
    for order, version, what in sorted(found - implied):
        yield Finding(
            Kind.WRONG, f"{order} version {version}: {what!r} is in the ledger, and the journal knows nothing"
        )


def _booked(row: Row) -> tuple[str, ...]:
    """Return what a transition writes into the ledger."""
    first = "open" if row.record.version == 1 else row.record.event.lower()
    return (first, "ship") if row.record.after == "shipped" else (first,)


def _stock(evidence: Evidence) -> Iterator[Finding]:
    taken: Counter[str] = Counter()
    for rows in evidence.journals.values():
        if rows[-1].record.after == "cancelled":
            continue  # what it had reserved was given back
        for row in rows:
            if row.record.event == "Add":
                event = json.loads(row.record.body)["event"]
                taken[event["sku"]] += event["count"]
    for sku in SKUS:
        left = STOCK - taken[sku]
        if evidence.stock.get(sku) != left:
            yield Finding(Kind.WRONG, f"stock: {evidence.stock.get(sku)} {sku}, the journal's orders leave {left}")


def _unfinished(evidence: Evidence) -> Iterator[Finding]:
    for order in evidence.script.orders:
        head = evidence.heads.get(order)
        if head is None or head.outcome is None:
            where = "not in the file" if head is None else f"still in {head.configuration}"
            yield Finding(Kind.WRONG, f"{order} has not ended: it is {where}")


def _deaths(evidence: Evidence) -> Iterator[Finding]:
    if len(evidence.deaths) != len(evidence.script.kills):
        yield Finding(Kind.WRONG, f"{len(evidence.deaths)} kills struck, {len(evidence.script.kills)} were planned")
    for death in evidence.deaths:
        point, order = death.kill.point, evidence.script.steps[death.kill.step].order
        name = f"{order}, killed {point.value}"
        if death.is_committed != point.is_committed:
            yield Finding(Kind.WRONG, f"{name}: it is {'' if death.is_committed else 'not '}in the file")
        if death.replayed != death.is_committed:
            yield Finding(Kind.WRONG, f"{name}: sent again, it was {'replayed' if death.replayed else 'run anew'}")
        opened = death.opened
        if opened is None or not opened.unclean or opened.usable != opened.judged:
            yield Finding(Kind.WRONG, f"{name}: recovery did not find every order sound: {opened}")
