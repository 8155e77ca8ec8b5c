"""Comparing a file with its anchor before anything is written: what the slots mean is a table, most severe first.

| the highest slot of this store               | at `full`                | at `normal`            |
|----------------------------------------------|--------------------------|------------------------|
| of a later epoch than the file               | TAIL LOST: an older copy | accepted, and reported |
| of the file's epoch, its commit is not held  | TAIL LOST: the range     | accepted, and reported |
| of the file's epoch, and held                | fine                     | fine                   |
| none, or of an earlier epoch; an empty store | fine, one is made        | fine, one is made      |
| …; the anchor was named                      | ANCHOR MISSING           | ANCHOR MISSING         |
| …; it stands beside the file                 | reported, one is made    | reported, one is made  |

The anchor is read before the snapshot is opened: what others commit in between is in the snapshot. What does not agree
is looked at a second time, because somebody else may have accepted a loss in between. TAIL LOST and ANCHOR MISSING bar
every write until `recovery.accept_tail_loss`.
"""

import apsw

from persistence.errors import Conflict, Corrupt
from persistence.records import StoreFacts, seal_of
from persistence.sqlite import statements
from persistence.sqlite.accepting import accept
from persistence.sqlite.anchor import NO_SEAL, Anchor, Slot, holds
from persistence.sqlite.errors import explained
from persistence.sqlite.meta import read_meta
from persistence.sqlite.query import fetch_all, fetch_one
from persistence.sqlite.rows import bytes_of

__all__ = ["TAIL_LOST", "compared", "end_of_lane", "strangers"]

TAIL_LOST, ANCHOR_MISSING = "TAIL LOST", "ANCHOR MISSING"


def end_of_lane(connection: apsw.Connection) -> tuple[int, bytes]:
    """Return n of the newest row, and the seal there; of one that is damage, or lost, the one that its rows have.

    It goes into the anchor, and the next commit follows from it: what is no seal would make both tell of a loss.
    """
    n, seal = fetch_one(connection, statements.LAST) or (0, NO_SEAL)
    if isinstance(seal, bytes) and len(seal) == len(NO_SEAL):
        return n, seal
    prior, before = fetch_one(connection, statements.SEALED_BEFORE, n, n) or (0, NO_SEAL)
    rows = fetch_all(connection, statements.HASHES, prior + 1, n, prior + 1, n)
    hashes = dict[int, bytes]((place, bytes_of(found)) for place, found in rows)
    return n, seal_of(bytes_of(before), prior + 1, tuple(hashes[place] for place in sorted(hashes)))


def compared(
    connection: apsw.Connection, anchor: Anchor, slots: list[Slot | None], *, accepts: bool, read_only: bool
) -> StoreFacts:
    """Return what a store says of itself, its anchor considered. At `normal`, or where it is asked, a loss is accepted.

    `slots` were read before the connection was. Raises StoreError.
    """
    facts = _judged(connection, anchor, slots, read_only=read_only)
    if facts.barred is not None or facts.notes:
        slots = anchor.read()
        facts = _judged(connection, anchor, slots, read_only=read_only)
    if facts.barred is None or not (accepts or _permits(facts, slots)):
        return facts
    if read_only:
        told = f"{facts.barred}; this level permits it, and opening the file for writing accepts it"
        facts.notes = (told, *facts.notes)
        facts.barred = None
        return facts
    try:
        return _accepted(connection, anchor, slots, facts=facts, is_asked=accepts)
    except Conflict:  # somebody else accepted it
        return compared(connection, anchor, anchor.read(), accepts=accepts, read_only=read_only)


def _judged(connection: apsw.Connection, anchor: Anchor, slots: list[Slot | None], *, read_only: bool) -> StoreFacts:
    meta = read_meta(connection, connection.filename, level=None)
    assert meta is not None  # it was there before
    facts = StoreFacts(meta["store_id"], int(meta["format"]), int(meta["epoch"]), meta["level"])
    facts.notes = strangers(anchor, slots, facts.store_id)
    try:
        _compare(connection, anchor, slots, facts=facts)
    except Corrupt as error:
        if not read_only:
            raise
        facts.notes = (f"the anchor could not be compared with the file: {error}", *facts.notes)
    return facts


def strangers(anchor: Anchor, slots: list[Slot | None], store_id: str) -> tuple[str, ...]:
    """Return what is to be said of slots that are those of another store. Pure."""
    count = sum(slot is not None and slot.store_id != store_id for slot in slots)
    return (f"{count} slots of {anchor.path} are those of another store",) if count else ()


def _compare(connection: apsw.Connection, anchor: Anchor, slots: list[Slot | None], *, facts: StoreFacts) -> None:
    ours = [slot for slot in slots if slot is not None and slot.store_id == facts.store_id]
    highest = max(ours, key=lambda slot: (slot.epoch, slot.n), default=None)
    with explained(connection.filename):
        last, _ = end_of_lane(connection)
        if highest is not None and highest.epoch > facts.epoch:
            older = (
                f"the anchor is of epoch {highest.epoch} and the file of epoch {facts.epoch}, so it is an older copy"
            )
            facts.barred = f"{TAIL_LOST}: {older}"
        elif highest is not None and highest.epoch == facts.epoch:
            facts.barred = None if holds(connection, highest) else _lost(last, highest)
        elif last > 0 and anchor.is_named:
            facts.barred = f"{ANCHOR_MISSING}: {anchor.path} says nothing of this store and epoch"
        elif last > 0:
            none = f"no anchor: {anchor.path} says nothing of this store and epoch; opening it for writing makes one"
            facts.notes = (none, *facts.notes)


def _lost(last: int, slot: Slot) -> str:
    if slot.n <= last:
        return f"{TAIL_LOST}: row {slot.n} stands under another seal than the anchor's: another history goes on there"
    rows = f"row {slot.n}" if slot.n == last + 1 else f"rows {last + 1} to {slot.n}"
    return f"{TAIL_LOST}: {rows} committed, and not in the file any more, which ends at row {last}"


def _permits(facts: StoreFacts, slots: list[Slot | None]) -> bool:
    """Say whether a tail may be lost at the level of the store, as the file and the anchor both have it."""
    levels = {slot.level for slot in slots if slot is not None and slot.store_id == facts.store_id}
    return levels == {facts.level} == {"normal"} and str(facts.barred).startswith(TAIL_LOST)


def _accepted(
    connection: apsw.Connection, anchor: Anchor, slots: list[Slot | None], *, facts: StoreFacts, is_asked: bool
) -> StoreFacts:
    slot = Slot(facts.store_id, facts.epoch, facts.level, *end_of_lane(connection))
    # An older copy can be of an earlier epoch than its anchor: what was lost of that one is not to be written again.
    known = (one.epoch for one in slots if one is not None and one.store_id == facts.store_id)
    following, copy = accept(connection, anchor, slot, epoch=max(facts.epoch, *known, 0) + 1)
    how = "accepted" if is_asked else "acknowledged tail lost, as this level permits"
    kept = "" if copy is None else f"; the log is kept as {copy}"
    facts.notes = (f"{facts.barred}; {how}: epoch {following.epoch} begins{kept}", *facts.notes)
    facts.epoch, facts.barred = following.epoch, None
    return facts
